"""What looks like holes of a surface and is paint."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from scorrnet_cli.evaluation.speckle import Paint, scatter_disks
from scorrnet_cli.masks.drops import _at_least, drops

SIZE = 240
FIRST, EDGE = 20, 210  # rows and columns of the surface
GROUND, INK, WALL = 200.0, 60.0, 120.0
HOLE, DROP, NOTCH = (80, 90), (150, 140), (110, 205)  # y, x; the edge cuts the notch
DIAMETER = 16.0
DISKS = scatter_disks((SIZE, SIZE), 1, Paint((4.5, 5.5)))
AT = torch.arange(SIZE, dtype=torch.float64)
SPECKLE = (GROUND - (GROUND - INK) * DISKS.cover(*torch.meshgrid(AT, AT, indexing="xy"))).float()


def disk(middle: tuple[int, int], diameter: float) -> Tensor:
    at = torch.arange(SIZE)
    return torch.hypot((at - middle[0])[:, None].float(), (at - middle[1])[None, :].float()) < diameter / 2


def block(middle: tuple[int, int], height: int, width: int) -> Tensor:
    at = torch.arange(SIZE)
    rows, columns = (at - middle[0]).abs() <= height // 2, (at - middle[1]).abs() <= width // 2
    return rows[:, None] & columns[None, :]


def plate(patches: dict[Tensor, float], wall: float = WALL, noise: float = 2.0) -> tuple[Tensor, Tensor]:
    """A speckled plate with patches of their own tones, and a mask that is without them."""
    image, inside = SPECKLE.clone(), torch.zeros(SIZE, SIZE, dtype=torch.bool)
    inside[FIRST:EDGE, FIRST:EDGE] = True
    mask = inside.clone()
    for patch, tone in patches.items():
        image[patch] = tone
        mask &= ~patch
    image = image.where(inside, wall)
    return image + noise * torch.randn(SIZE, SIZE, generator=torch.Generator().manual_seed(2)), mask


def taken(patch: Tensor, tone: float, wall: float = WALL, mark: Tensor | None = None) -> float:
    """Share of a patch that is taken for paint, if there is a mark of ink besides."""
    image, mask = plate({patch: tone}, wall)
    if mark is not None:
        image[mark] = INK
    return float(drops(image, mask)[patch].float().mean())


@pytest.mark.parametrize("scale", [1.0, -1 / 255, 257.0])
@pytest.mark.parametrize("light", [1.0, 0.4])
@pytest.mark.parametrize("noise", [0.5, 6.0])
def test_drops_of_the_tone_of_the_dots_are_told_from_holes(scale: float, light: float, noise: float) -> None:
    hole, drop, notch = (disk(middle, DIAMETER) for middle in (HOLE, DROP, NOTCH))
    image, mask = plate({hole: WALL, drop: INK, notch: INK}, noise=noise)
    found = drops(scale * image * torch.linspace(light, 1.0, SIZE), mask)
    assert float(found[drop].float().mean()) > 0.95
    assert float(found[notch].float().mean()) > 0.6  # the edge cuts the rest of it off
    assert not bool(found[disk(HOLE, DIAMETER + 6)].any())
    assert not bool((found & mask).any())
    assert not bool(found[:, EDGE + 1 :].any())


def test_what_is_six_dots_wide_is_a_hole() -> None:
    assert taken(disk(DROP, DIAMETER), INK) > 0.95
    assert taken(disk(DROP, 30), INK) == 0
    assert taken(disk(DROP, 90), INK) == 0


@pytest.mark.parametrize("side", [16, 40])
def test_one_large_mark_makes_no_hole_a_drop(side: int) -> None:
    assert taken(disk((60, 60), 40), INK, mark=block((150, 150), side, side)) == 0


@pytest.mark.parametrize("tone", [INK + 15, INK - 15, GROUND])
def test_another_tone_is_none_of_the_dots(tone: float) -> None:
    """The ground's neither: gaps between dots have any size."""
    assert taken(disk(DROP, DIAMETER), tone) == 0


def test_noise_makes_no_other_tone_that_of_the_dots() -> None:
    image, mask = plate({disk(DROP, DIAMETER): INK + 16}, noise=8.0)
    assert not bool(drops(image, mask).any())


@pytest.mark.parametrize(("height", "width"), [(41, 9), (9, 41)])
def test_a_slit_is_no_drop(height: int, width: int) -> None:
    assert taken(block(DROP, height, width), INK) == 0


def test_what_touches_the_edge_from_outside_is_no_drop() -> None:
    """The mask surrounds less than half of it."""
    image, mask = plate({})
    image[disk((110, EDGE + 6), DIAMETER) & ~mask] = INK
    assert not bool(drops(image, mask).any())


def inked_beside(image: Tensor, share: float) -> Tensor:
    """The image with ink on the left, beside the plate."""
    beside = torch.ones(SIZE, SIZE, dtype=torch.bool)
    beside[FIRST:EDGE, FIRST:EDGE] = False
    beside[:, round(share * SIZE) :] = False
    return image.where(~beside, INK + 2 * torch.randn(SIZE, SIZE, generator=torch.Generator().manual_seed(4)))


@pytest.mark.parametrize("share", [0.2, 1.0])
def test_a_hole_is_one_if_much_beside_the_surface_has_the_tone_too(share: float) -> None:
    image, mask = plate({disk(DROP, DIAMETER): INK})
    assert not bool(drops(inked_beside(image, share), mask).any())


@pytest.mark.parametrize(
    ("inked", "walled", "share", "dropped"),
    [(4, 0, 0.2, True), (4, 1, 0.12, True), (2, 2, 0.2, False), (4, 2, 0.12, False), (4, 0, 1.0, False)],
    ids=["all of four", "four of five", "half of four", "four of six", "before nothing else"],
)
def test_that_several_holes_have_the_tone_is_no_accident(inked: int, walled: int, share: float, dropped: bool) -> None:
    middles = [(60, 60), (60, 160), (150, 60), (150, 160), (105, 110), (180, 110)]
    patches = [disk(middle, DIAMETER) for middle in middles]
    tones = [INK] * inked + [WALL] * walled
    image, mask = plate(dict(zip(patches, tones, strict=False)))
    found = drops(inked_beside(image, share), mask)
    for patch, tone in zip(patches, tones, strict=False):
        assert float(found[patch].float().mean()) == pytest.approx(float(dropped and tone == INK), abs=0.05)


def test_where_nothing_is_seen_beside_the_surface_nothing_is_told() -> None:
    patch = disk(DROP, DIAMETER)
    image, _ = plate({patch: INK})
    inner = slice(FIRST, EDGE)
    assert not bool(drops(image[inner, inner], ~patch[inner, inner]).any())


def test_few_dots_or_none_tell_nothing() -> None:
    patch = disk(DROP, DIAMETER)
    image, mask = plate({patch: INK})
    few = block((60, 60), 20, 20)
    image = image.where(few | patch, GROUND)
    assert not bool(drops(image, mask).any())
    noise = 100 + torch.randn(SIZE, SIZE, generator=torch.Generator().manual_seed(3))
    assert not bool(drops(noise, ~patch).any())
    assert not bool(drops(noise, torch.zeros_like(patch)).any())
    assert not bool(drops(torch.zeros(3, 2), torch.ones(3, 2, dtype=torch.bool)).any())


def test_any_number_of_holes_has_a_probability() -> None:
    assert _at_least(3, 5, 0.2) == pytest.approx(sum(math.comb(5, k) * 0.2**k * 0.8 ** (5 - k) for k in (3, 4, 5)))
    assert _at_least(0, 2000, 0.3) == pytest.approx(1.0)
    assert _at_least(500, 2000, 0.2) < 1e-6
