"""What looks like holes of a surface and is paint."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from scorrnet_cli.drops import drops
from scorrnet_cli.evaluation.speckle import Paint, scatter_disks

SIZE = 240
GROUND, INK, WALL = 200.0, 60.0, 120.0
HOLE, DROP, NOTCH = (80, 90), (150, 140), (110, 205)  # y, x
EDGE = 210  # the first row and column beyond the surface, the last on the other side


def disk(middle: tuple[int, int], radius: float) -> Tensor:
    at = torch.arange(SIZE)
    return torch.hypot((at - middle[0])[:, None].float(), (at - middle[1])[None, :].float()) < radius


def plate(hole: float, wall: float = WALL, noise: float = 2.0) -> tuple[Tensor, Tensor]:
    """A speckled plate with a hole, a drop and a drop that its edge cuts, and a mask without the three."""
    disks = scatter_disks((SIZE, SIZE), 1, Paint((4.5, 5.5)))
    at = torch.arange(SIZE, dtype=torch.float64)
    image = (GROUND - (GROUND - INK) * disks.cover(*torch.meshgrid(at, at, indexing="xy"))).float()
    image[disk(DROP, 9) | disk(NOTCH, 9)] = INK
    image[disk(HOLE, 9)] = hole
    inside = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    inside[20:EDGE, 20:EDGE] = True
    image = image.where(inside, wall) + noise * torch.randn(SIZE, SIZE, generator=torch.Generator().manual_seed(2))
    return image, inside & ~(disk(HOLE, 10) | disk(DROP, 10) | disk(NOTCH, 10))


@pytest.mark.parametrize("scale", [1.0, -1 / 255, 257.0])
@pytest.mark.parametrize("light", [1.0, 0.4])
@pytest.mark.parametrize("noise", [0.5, 6.0])
def test_drops_of_the_tone_of_the_dots_are_told_from_holes(scale: float, light: float, noise: float) -> None:
    image, mask = plate(hole=WALL, noise=noise)
    found = drops(scale * image * torch.linspace(light, 1.0, SIZE), mask)
    assert float(found[disk(DROP, 9)].float().mean()) > 0.95
    assert float(found[disk(NOTCH, 9)].float().mean()) > 0.6  # the edge cuts the rest of it off
    assert not bool(found[disk(HOLE, 12)].any())
    assert not bool((found & mask).any())
    assert not bool(found[:, EDGE + 1 :].any())


def test_a_hole_is_one_if_what_is_beside_the_surface_has_the_tone_too() -> None:
    image, mask = plate(hole=INK, wall=INK)
    assert not bool(drops(image, mask).any())


def test_what_is_far_larger_than_the_dots_is_a_hole() -> None:
    image, mask = plate(hole=WALL)
    wide = disk((110, 110), 45)
    image[wide] = INK
    assert not bool(drops(image, mask & ~wide)[disk((110, 110), 40)].any())


@pytest.mark.parametrize("covered", [0.0, 1.0])
def test_without_dots_or_surface_there_are_no_drops(covered: float) -> None:
    image = 100 + torch.randn(SIZE, SIZE, generator=torch.Generator().manual_seed(3))
    assert not bool(drops(image, torch.full((SIZE, SIZE), covered) > 0).any())
