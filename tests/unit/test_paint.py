"""What looks like speckle but is not painted as the surface is, and what is painted so and was doubted."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from scorrnet_cli.evaluation.speckle import Paint, scatter_disks
from scorrnet_cli.masks.paint import HALF, compared
from scorrnet_cli.numerics.filters import gaussian

SIZE = 240
SURE, DOUBTED, UNLIKELY, NONE = 0.97, 0.7, 0.3, 0.02


def painted(seed: int, dot_px: float = 5.0) -> Tensor:
    """Dark dots on a bright ground, (SIZE, SIZE)."""
    disks = scatter_disks((SIZE, SIZE), seed, Paint((0.9 * dot_px, 1.1 * dot_px)))
    at = torch.arange(SIZE, dtype=torch.float64)
    image = 200 - 140 * disks.cover(*torch.meshgrid(at, at, indexing="xy"))
    return image.float() + 2 * torch.randn(SIZE, SIZE, generator=torch.Generator().manual_seed(seed))


def grain(seed: int) -> Tensor:
    """Grain of the same mean and contrast, without dots."""
    white = torch.randn(1, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))
    smooth = gaussian(white, 0.7)[0]
    return 130 + 70 * smooth / smooth.std()


def cloth() -> Tensor:
    at = torch.arange(float(SIZE))
    return 130 + 50 * (torch.sin(at / 0.8)[:, None] + torch.sin(at / 0.9)[None, :])


def scene(inside: Tensor, hole: Tensor, doubted: float = DOUBTED) -> tuple[Tensor, Tensor, Tensor]:
    """A painted surface with something else in a square of 100 px, which the networks doubt."""
    place = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    place[80:180, 90:190] = True
    probability = torch.full((SIZE, SIZE), SURE)
    probability[:20], probability[:, :20] = NONE, NONE
    probability[place] = doubted
    return torch.where(place, hole, inside), probability, place


@pytest.mark.parametrize(
    ("other", "least"),
    [(grain(3), 0.9), (cloth(), 0.9), (painted(4, 12.0), 0.4)],
    ids=["grain", "cloth", "larger dots"],
)
@pytest.mark.parametrize("scale", [1.0, 1 / 255, 257.0])
def test_what_is_not_painted_alike_is_told(other: Tensor, least: float, scale: float) -> None:
    image, probability, place = scene(painted(1), other)
    left_out = compared(scale * image, probability) < probability
    assert float((left_out & place).sum()) > least * float(place.sum())
    assert float((left_out & ~place).sum()) < 0.1 * float(place.sum())


def lit(image: Tensor, place: Tensor, light: str) -> Tensor:
    if light == "shadow":
        return image.where(~place, 0.25 * image)
    return image * torch.linspace(0.3, 1.0, SIZE) if light == "slope" else image


@pytest.mark.parametrize("light", ["as it is", "shadow", "slope"])
def test_the_same_paint_in_other_light_stays(light: str) -> None:
    image, probability, place = scene(painted(1), painted(2))
    assert torch.equal(compared(lit(image, place, light), probability), probability)


@pytest.mark.parametrize("light", ["as it is", "shadow", "slope"])
@pytest.mark.parametrize("sure", [SURE, 0.7])
def test_the_same_paint_that_looked_unlikely_is_taken(light: str, sure: float) -> None:
    image, probability, place = scene(painted(1), painted(2), UNLIKELY)
    probability = probability.clamp(max=sure)
    taken = compared(lit(image, place, light), probability) > probability
    assert float((taken & place).sum()) > 0.7 * float(place.sum())
    assert not bool((taken & ~place).any())


@pytest.mark.parametrize("other", [grain(3), cloth(), torch.full((SIZE, SIZE), 120.0)], ids=["grain", "cloth", "plain"])
def test_what_is_unlikely_and_differs_is_not(other: Tensor) -> None:
    noise = 2 * torch.randn(SIZE, SIZE, generator=torch.Generator().manual_seed(5))
    image, probability, _ = scene(painted(1), other + noise, UNLIKELY)
    assert not bool((compared(image, probability) > probability).any())


def test_neither_is_a_small_hole_for_the_paint_around_it() -> None:
    image, probability, place = scene(painted(1), torch.full((SIZE, SIZE), 120.0), SURE)
    small = torch.zeros_like(place)
    small[125:140, 130:145] = True
    image = painted(1).where(~small, 120 + 2 * torch.randn(SIZE, SIZE, generator=torch.Generator().manual_seed(5)))
    probability[small] = UNLIKELY
    assert not bool((compared(image, probability) > probability).any())


def test_paint_that_is_like_the_noise_of_a_camera_takes_nothing() -> None:
    white = 130 + 20 * torch.randn(2, SIZE, SIZE, generator=torch.Generator().manual_seed(6))
    image, probability, _ = scene(white[0], white[1], UNLIKELY)
    assert not bool((compared(image, probability) > probability).any())


def test_what_the_networks_are_sure_of_stays() -> None:
    image, probability, place = scene(painted(1), grain(3))
    probability[place] = SURE + 0.02
    assert torch.equal(compared(image, probability), probability)


def stars() -> Tensor:
    generator = torch.Generator().manual_seed(7)
    shining = torch.rand(SIZE, SIZE, generator=generator) < 0.004
    return 100 + 2 * torch.randn(SIZE, SIZE, generator=generator) + 150 * shining


@pytest.mark.parametrize(
    ("other", "probability", "least", "most"),
    [(stars(), 0.93, 0.9, 1.0), (stars(), 0.98, 0.0, 0.0), (grain(3), 0.93, 0.0, 0.1)],
    ids=["utterly different", "sure all the same", "different"],
)
def test_what_is_nearly_sure_is_left_out_if_it_is_utterly_different(
    other: Tensor, probability: float, least: float, most: float
) -> None:
    image, probabilities, place = scene(painted(1), other, probability)
    left_out = compared(image, probabilities) < probabilities
    assert least <= float((left_out & place).sum()) / float(place.sum()) <= most


def test_a_line_along_an_edge_is_not_taken() -> None:
    image, probability, _ = scene(painted(1), painted(2), SURE)
    probability[:, 100:104] = UNLIKELY
    assert not bool((compared(image, probability) > probability).any())


def test_what_is_like_the_paint_but_not_the_same_is_not_taken() -> None:
    image, probability, place = scene(painted(1), painted(4, 8.0), UNLIKELY)
    taken = compared(image, probability) > probability
    assert float((taken & place).sum()) < 0.2 * float(place.sum())


def test_the_lesser_part_does_not_decide() -> None:
    image, probability, _ = scene(painted(1), grain(3))
    probability = torch.where(probability == SURE, DOUBTED, SURE)
    probability[:20], probability[:, :20] = NONE, NONE
    assert torch.equal(compared(image, probability), probability)


@pytest.mark.parametrize("probability", [0.0, HALF])
def test_an_image_without_sure_paint_tells_nothing(probability: float) -> None:
    doubted = torch.full((SIZE, SIZE), probability)
    assert torch.equal(compared(grain(1), doubted), doubted)


def test_a_part_without_contrast_or_a_tiny_image_does_no_harm() -> None:
    image, probability, place = scene(painted(1), torch.full((SIZE, SIZE), 120.0))
    left_out = compared(image, probability) < probability
    assert not bool((left_out & ~place)[:, 205:].any())
    for size in ((3, 2), (SIZE, SIZE)):
        assert torch.equal(compared(torch.zeros(size), torch.ones(size)), torch.ones(size))
