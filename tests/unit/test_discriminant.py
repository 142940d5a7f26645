"""What is doubted is judged by what the image itself shows of its surface and of what lies around it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from scorrnet_cli.evaluation.speckle import Paint, scatter_disks
from scorrnet_cli.masks.discriminant import TAKEN, told_apart
from scorrnet_cli.numerics import tiles
from scorrnet_cli.numerics.filters import gaussian

SIZE = 240
FIRST, EDGE = 60, 180  # rows and columns of the surface
SURE, DOUBTED, UNLIKELY, NONE = 0.97, 0.7, 0.3, 0.01
AT = torch.arange(SIZE, dtype=torch.float64)
DISKS = scatter_disks((SIZE, SIZE), 1, Paint((4.5, 5.5)))
SPECKLE = (200 - 140 * DISKS.cover(*torch.meshgrid(AT, AT, indexing="xy"))).float()
INSIDE = torch.zeros(SIZE, SIZE, dtype=torch.bool)
INSIDE[FIRST:EDGE, FIRST:EDGE] = True


def block(top: int, left: int, height: int, width: int) -> Tensor:
    points = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    points[top : top + height, left : left + width] = True
    return points


BESIDE, WITHIN = block(100, EDGE, 30, 20), block(100, 100, 30, 30)


def noise(seed: int) -> Tensor:
    return torch.randn(SIZE, SIZE, generator=torch.Generator().manual_seed(seed))


def clouds() -> Tensor:
    """Clouds of all tones that the paint has, as wide as its dots."""
    smooth = gaussian(noise(3)[None], 2.5)[0]
    return 140 + 50 * smooth / smooth.std()


def cloth() -> Tensor:
    at = torch.arange(float(SIZE))
    return 140 + 40 * (torch.sin(at / 0.8)[:, None] + torch.sin(at / 0.9)[None, :])


def wall() -> Tensor:
    return torch.full((SIZE, SIZE), 110.0)


AROUND = pytest.mark.parametrize("around", [clouds(), cloth(), wall()], ids=["clouds", "cloth", "wall"])


def scene(around: Tensor, beside: float = SURE, within: float = SURE) -> tuple[Tensor, Tensor]:
    """A painted square, and what the networks say of a part beside it and of one within."""
    image = SPECKLE.where(INSIDE, around) + 2 * noise(2)
    probability = torch.where(INSIDE, SURE, NONE)
    probability[BESIDE], probability[WITHIN] = beside, within
    return image, probability


def share(points: Tensor, of: Tensor) -> float:
    return float((points & of).sum()) / float(of.sum())


@AROUND
@pytest.mark.parametrize("scale", [1.0, 1 / 255, 257.0])
def test_what_is_like_the_surroundings_is_left_out(around: Tensor, scale: float) -> None:
    image, probability = scene(around, beside=DOUBTED)
    told = told_apart(scale * image, probability)
    assert share(told == 0, BESIDE) > 0.75  # but for the rim, where the surface is seen, too
    assert torch.equal(told[~BESIDE], probability[~BESIDE])


@AROUND
def test_what_is_like_the_surface_is_taken(around: Tensor) -> None:
    image, probability = scene(around, within=UNLIKELY)
    told = told_apart(image, probability)
    assert share(told == TAKEN, WITHIN) > 0.9
    assert torch.equal(told[~WITHIN], probability[~WITHIN])


@AROUND
@pytest.mark.parametrize("light", [0.3, 1.3])
def test_the_surface_in_other_light_is_not_left_out(around: Tensor, light: float) -> None:
    image, probability = scene(around, within=DOUBTED)
    image[WITHIN] *= light
    assert torch.equal(told_apart(image, probability), probability)


def test_something_else_that_is_doubted_within_the_surface_is_left_out_as_the_surroundings_are() -> None:
    image, probability = scene(cloth(), within=DOUBTED)
    image[WITHIN] = cloth()[WITHIN]
    assert share(told_apart(image, probability) == 0, WITHIN) > 0.4  # but for its rim


@AROUND
@pytest.mark.parametrize("side", [10, 14])
def test_a_small_hole_is_not_taken_for_the_surface_around_it(around: Tensor, side: int) -> None:
    hole = block(120, 120, side, side)
    image, probability = scene(around)
    image[hole], probability[hole] = around[hole], UNLIKELY
    assert share(told_apart(image, probability) > UNLIKELY, hole) < 0.1


def sparse() -> Tensor:
    """Dots like those of the surface, and far fewer."""
    disks = scatter_disks((SIZE, SIZE), 4, Paint((4.5, 5.5), 0.12))
    return (200 - 140 * disks.cover(*torch.meshgrid(AT, AT, indexing="xy"))).float()


def test_what_differs_from_afar_alone_is_left_out_and_not_taken() -> None:
    image, probability = scene(sparse(), beside=DOUBTED, within=UNLIKELY)
    image[WITHIN] = sparse()[WITHIN]
    told = told_apart(image, probability)
    assert share(told == 0, BESIDE) > 0.6
    assert share(told == TAKEN, WITHIN) < 0.1


def test_what_the_networks_are_sure_of_stays() -> None:
    image, probability = scene(cloth(), beside=SURE, within=NONE)
    assert torch.equal(told_apart(image, probability), probability)


def test_lines_along_edges_stay() -> None:
    image, probability = scene(cloth())
    probability[:, EDGE : EDGE + 4] = DOUBTED
    assert torch.equal(told_apart(image, probability), probability)


@pytest.mark.parametrize("known", [SURE, NONE])
def test_without_either_nothing_is_learned(known: float) -> None:
    image, probability = scene(cloth(), beside=DOUBTED)
    probability = torch.where(BESIDE, probability, known)
    assert torch.equal(told_apart(image, probability), probability)


def test_dark_images_and_those_below_zero_tell_nothing_that_is_no_number() -> None:
    image, probability = scene(cloth(), beside=DOUBTED)
    assert share(told_apart(image - 300, probability) == 0, BESIDE) > 0.75
    assert torch.equal(told_apart(torch.zeros_like(image), probability), probability)


def test_large_images_are_judged_in_parts_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    image, probability = scene(clouds(), beside=DOUBTED, within=UNLIKELY)
    at_once = told_apart(image, probability)
    monkeypatch.setattr(tiles, "LARGEST_PX", tiles.SMALLEST_PX)
    in_parts = told_apart(image, probability)
    assert float((at_once != in_parts).float().sum()) < 0.005 * float((BESIDE | WITHIN).sum())  # rounding


AT_THE_EDGE = block(FIRST, EDGE, EDGE - FIRST, 40)


@AROUND
def test_a_wide_pattern_of_less_contrast_is_left_out_little_by_little(around: Tensor) -> None:
    """From afar it is between the surface and what lies around, and the first of it that is left out tells the rest."""
    image, probability = scene(around)
    image[AT_THE_EDGE] = (130 + 0.45 * (SPECKLE - 130) + 2 * noise(7))[AT_THE_EDGE]
    probability[AT_THE_EDGE] = DOUBTED
    told = told_apart(image, probability)
    assert share(told == 0, AT_THE_EDGE) > 0.75
    assert torch.equal(told[~AT_THE_EDGE], probability[~AT_THE_EDGE])
