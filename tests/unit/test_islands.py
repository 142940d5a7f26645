"""What is at rest inside a moving surface is found, and no part of the surface is."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from scorrnet_cli.motion.islands import islands
from scorrnet_cli.numerics import spline
from scorrnet_cli.numerics.morphology import dilated
from scorrnet_cli.refinement.matching import Spline, deformed_spline, surface
from scorrnet_cli.training.rng import Rng
from scorrnet_cli.training.textures import speckle

SIZE = 240
WHOLE = torch.ones(SIZE, SIZE, dtype=torch.bool)
MOTION = torch.tensor([5.3, -3.8])[:, None, None].expand(2, SIZE, SIZE)


def _images(motion: Tensor) -> tuple[Tensor, Tensor]:
    paint = 60.0 + 130.0 * speckle(Rng((3,), torch.device("cpu")), SIZE, 1, (3.0, 5.0))
    moved = spline.spline_sample(spline.spline_coefficients(paint), -motion)
    noise = torch.randn(2, SIZE, SIZE, generator=torch.Generator().manual_seed(2))
    return paint + noise[0], moved + noise[1]


def _disk(x: float, y: float, radius: float) -> Tensor:
    line = torch.arange(SIZE, dtype=torch.float32)
    return torch.hypot(line - x, line[:, None] - y) <= radius


def _found(reference: Tensor, deformed: Tensor, mask: Tensor, motion: Tensor = MOTION) -> Tensor:
    ready = surface(reference, mask)
    return islands(ready, Spline(deformed_spline(ready, deformed)), motion, mask)


@pytest.mark.parametrize("radius", [8.0, 25.0])
@pytest.mark.parametrize("level", [255.0, 0.0])
def test_reflections_and_dust_are_found_whole(radius: float, level: float) -> None:
    spot = _disk(120.0, 100.0, radius)
    reference, deformed = (torch.where(spot, level, image) for image in _images(MOTION))
    found = _found(reference, deformed, WHOLE)
    assert float(found[spot].float().mean()) > 0.95
    assert float((found & ~dilated(spot, 6)).float().mean()) < 0.01


def test_a_small_one_at_the_edge_is_found_and_a_part_at_rest_is_not() -> None:
    spot, grip = _disk(120.0, 236.0, 10.0), torch.zeros_like(WHOLE)
    grip[:60] = True
    first, later = _images(MOTION)
    later = torch.where(grip, first, later)
    found = _found(torch.where(spot, 255.0, first), torch.where(spot, 255.0, later), WHOLE)
    assert float(found[spot].float().mean()) > 0.9
    assert float(found[grip].float().mean()) < 0.03


@pytest.mark.parametrize("moved", [0.0, 2.0])
def test_next_to_no_motion_tells_nothing(moved: float) -> None:
    spot, motion = _disk(120.0, 100.0, 10.0), MOTION * moved / 6.5
    reference, deformed = (torch.where(spot, 255.0, image) for image in _images(motion))
    assert not bool(_found(reference, deformed, WHOLE, motion).any())


def test_most_of_a_surface_is_no_island() -> None:
    mask = _disk(120.0, 120.0, 45.0)
    reference, _ = _images(MOTION)
    assert not bool(_found(reference, reference, mask).any())


def test_where_a_field_comes_to_rest_by_and_by_the_surface_is_no_island() -> None:
    line = torch.arange(SIZE, dtype=torch.float32)
    motion = torch.stack([6.0 * (line[:, None] - 120).expand(SIZE, SIZE) / 120, torch.zeros(SIZE, SIZE)])
    reference, deformed = _images(motion)
    assert not bool(_found(reference, deformed, WHOLE, motion).any())


def test_a_surface_that_moves_holds_none() -> None:
    assert float(_found(*_images(MOTION), WHOLE).float().mean()) < 0.005
