"""How coarse a pattern is."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from scorrnet_cli.masks.speckle_size import LARGEST_LAG_PX, correlation_length_px
from scorrnet_cli.numerics.filters import gaussian

SHAPE = (240, 300)
EVERYWHERE = torch.ones(SHAPE, dtype=torch.bool)


def _noise(seed: int) -> Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


def _pattern(sigma: float) -> Tensor:
    smooth = gaussian(_noise(3)[None], sigma)[0]
    return 120 + 40 * smooth / smooth.std()


@pytest.mark.parametrize("sigma", [1.0, 1.7, 3.0])
@pytest.mark.parametrize("noise", [0.0, 8.0])
def test_smoothed_noise_is_as_coarse_as_its_filter_makes_it(sigma: float, noise: float) -> None:
    """Two Gaussians make one of sqrt(2) sigma, which falls to a half at 2 sqrt(ln 2) sigma."""
    length = correlation_length_px(_pattern(sigma) + noise * _noise(4), EVERYWHERE)
    assert length == pytest.approx(2 * math.sqrt(math.log(2)) * sigma, rel=0.12)


def test_only_what_the_mask_shows_counts() -> None:
    x = torch.arange(SHAPE[1]).expand(SHAPE)
    image = torch.where(x < 150, _pattern(1.0), 90 + 0.9 * _pattern(3.0))
    fine, coarse = correlation_length_px(image, x < 150), correlation_length_px(image, x >= 150)
    assert fine == pytest.approx(1.67, rel=0.12)
    assert coarse == pytest.approx(5.0, rel=0.12)


def test_light_is_no_pattern() -> None:
    x = torch.arange(float(SHAPE[1])).expand(SHAPE)
    lit = _pattern(1.0) + 100 * torch.cos(x / 80)
    assert correlation_length_px(lit, EVERYWHERE) == pytest.approx(1.67, rel=0.12)


def test_what_has_no_pattern() -> None:
    assert correlation_length_px(torch.full(SHAPE, 7.0), EVERYWHERE) == 0
    assert correlation_length_px(_pattern(1.0), ~EVERYWHERE) == 0
    blocks = 50 * _noise(5)[:8, :10].repeat_interleave(30, 0).repeat_interleave(30, 1)
    assert 0 < correlation_length_px(blocks, EVERYWHERE) <= LARGEST_LAG_PX
