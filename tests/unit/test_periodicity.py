"""Patterns that repeat are told from speckle, with noise, turned, and within any mask."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from scorrnet_cli import pipeline
from scorrnet_cli.evaluation.speckle import Paint, scatter_disks
from scorrnet_cli.field import FrameInfo
from scorrnet_cli.frames import Frame
from scorrnet_cli.masks.periodicity import period_px
from scorrnet_cli.settings import Settings

SIZE = 200
ALL = torch.ones(SIZE, SIZE, dtype=torch.bool)


def grid(pitch_px: float, angle_deg: float = 0.0) -> Tensor:
    y, x = torch.meshgrid(*(torch.arange(SIZE, dtype=torch.float32),) * 2, indexing="ij")
    angle = math.radians(angle_deg)
    along, across = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    return 120 - 60 * ((2 * math.pi / pitch_px * along).cos() + (2 * math.pi / pitch_px * across).cos()).clamp_min(0)


def noise(seed: int = 0) -> Tensor:
    return torch.randn(SIZE, SIZE, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("pitch_px", [7.0, 12.0, 25.0, 45.0])
@pytest.mark.parametrize("angle_deg", [0.0, 20.0])
@pytest.mark.parametrize("strength", [1.0, 10.0])
def test_the_pitch_of_a_grid_is_found(pitch_px: float, angle_deg: float, strength: float) -> None:
    found = period_px(grid(pitch_px, angle_deg) + strength * noise(), ALL)
    assert found == pytest.approx(pitch_px, abs=1.0)


def test_a_grid_within_a_mask_is_found() -> None:
    y, x = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    mask = (x - y).abs() < 40
    image = torch.where(mask, grid(12.0), 200 * torch.rand(SIZE, SIZE, generator=torch.Generator().manual_seed(1)))
    assert period_px(image, mask) == pytest.approx(12.0, abs=0.5)
    assert period_px(image, ~mask) is None


def test_a_small_grid_is_found() -> None:
    assert period_px(grid(8.0)[:40, :64], ALL[:40, :64]) == pytest.approx(8.0, abs=0.5)


def test_a_grid_larger_than_what_is_looked_at_is_found() -> None:
    image = grid(10.0).repeat(6, 7)
    assert period_px(image, torch.ones_like(image, dtype=torch.bool)) == pytest.approx(10.0)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("dot_px", [(1.5, 2.5), (3.0, 5.0), (12.0, 15.0)])
def test_speckle_does_not_repeat(seed: int, dot_px: tuple[float, float]) -> None:
    y, x = torch.meshgrid(*(torch.arange(SIZE, dtype=torch.float64),) * 2, indexing="ij")
    cover = scatter_disks((SIZE, SIZE), seed, Paint(dot_px)).cover(x, y).float()
    assert period_px(200 - 150 * cover + 2 * noise(seed), ALL) is None


def test_neither_do_stripes_along_themselves_nor_noise_nor_nothing() -> None:
    lines = torch.nn.functional.avg_pool1d(noise()[:, 0][None], 3, 1, 1)[0]
    assert period_px(100 + 40 * lines[:, None].expand(SIZE, SIZE), ALL) is None
    assert period_px(100 + 20 * noise(), ALL) is None
    assert period_px(torch.full((SIZE, SIZE), 100.0), ALL) is None


@pytest.mark.weights
def test_a_measurement_warns_of_it() -> None:
    instruments = pipeline.load(Settings(device="cpu", mask="all"))
    speckle = 100 + 40 * torch.nn.functional.avg_pool2d(noise()[None], 3, 1, 1)[0]
    for image, warned in ((grid(12.0), True), (speckle, False)):
        frame = Frame((image + 2 * noise(7)).numpy(), FrameInfo("a.png", ""))
        warnings = pipeline.prepare(instruments, frame).warnings
        assert any("repeats every 12 px" in text for text in warnings) == warned
