"""What stands out of a surface is found, and nothing of its pattern is."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from scorrnet_cli.motion.glints import MOST, cleared
from scorrnet_cli.numerics.morphology import dilated, eroded
from scorrnet_cli.training.rng import Rng
from scorrnet_cli.training.textures import speckle

SIZE = 192
WHOLE = torch.ones(SIZE, SIZE, dtype=torch.bool)


def _dark() -> Tensor:
    return 20.0 + 30.0 * speckle(Rng((5,), torch.device("cpu")), SIZE, 1, (3.0, 6.0))


def _disks(count: int, radius: float) -> Tensor:
    """True (H, W) in disks in rows."""
    y, x = torch.meshgrid(*(torch.arange(SIZE, dtype=torch.float32),) * 2, indexing="ij")
    step = SIZE / count
    return torch.hypot(x % step - step / 2, y % step - step / 2) <= radius


@pytest.mark.parametrize(("count", "radius"), [(1, 0.0), (12, 0.0), (6, 3.0), (3, 16.0)])
def test_what_shines_is_found_and_gets_the_grey_level_around_it(count: int, radius: float) -> None:
    spots = _disks(count, radius)
    image, glints = cleared(torch.where(spots, 250.0, _dark()), WHOLE)
    assert bool(spots.any()) and bool(glints[spots].all())
    assert not bool((glints & ~dilated(spots, 2)).any())
    assert torch.equal(image[~glints], _dark()[~glints])
    assert float(image[spots].min()) > 20.0 and float(image[spots].max()) < 50.0


def test_neither_a_uniform_gain_nor_an_offset_changes_what_is_found() -> None:
    shining = torch.where(_disks(6, 3.0), 250.0, _dark())
    assert torch.equal(cleared(shining, WHOLE).glints, cleared(40.0 * shining - 900.0, WHOLE).glints)


@pytest.mark.parametrize("share", [0.3, 0.5])
def test_a_pattern_holds_no_glints(share: float) -> None:
    paint = _disks(12, 16.0 * (share / 3.15) ** 0.5)
    noise = torch.randn(SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    picture = torch.where(paint, 40.0, 200.0) + noise
    image, glints = cleared(picture, WHOLE)
    assert float(paint.float().mean()) == pytest.approx(share, abs=0.05)
    assert not bool(glints.any()) and torch.equal(image, picture)


def test_where_more_stands_out_than_may_nothing_does() -> None:
    spots = _disks(4, 14.5)  # more than a quarter once its rim is counted, and less than that before
    shining = torch.where(spots, 250.0, torch.full((SIZE, SIZE), 20.0) + 0.5 * _dark())
    assert 0.2 < float(spots.float().mean()) < MOST + 0.05
    assert not bool(cleared(shining, WHOLE).glints.any())


def test_only_the_surface_is_looked_at() -> None:
    left = WHOLE.clone()
    left[:, SIZE // 2 :] = False
    shining = torch.where(_disks(6, 3.0), 250.0, _dark())
    shining[:, SIZE // 2 :] = 255.0  # a bright wall
    glints = cleared(shining, eroded(left, 2)).glints
    assert bool(glints.any()) and not bool(glints[:, SIZE // 2 :].any())
    assert torch.equal(glints[:, : SIZE // 2 - 20], cleared(shining, WHOLE & left).glints[:, : SIZE // 2 - 20])
    nothing = cleared(shining, torch.zeros_like(WHOLE))
    assert nothing.image is shining and not bool(nothing.glints.any())
