"""What looks like speckle but is not painted as the surface is."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from scorrnet_cli.evaluation.speckle import Paint, scatter_disks
from scorrnet_cli.filters import gaussian
from scorrnet_cli.paint import unlike_paint

SIZE = 240
SURE, DOUBTED, NONE = 0.97, 0.7, 0.02


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


def scene(inside: Tensor, hole: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A painted surface with something else in a square of 100 px, which the networks doubt."""
    place = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    place[80:180, 90:190] = True
    probability = torch.full((SIZE, SIZE), SURE)
    probability[:20], probability[:, :20] = NONE, NONE
    probability[place] = DOUBTED
    return torch.where(place, hole, inside), probability, place


@pytest.mark.parametrize(
    ("other", "least"),
    [(grain(3), 0.9), (cloth(), 0.9), (painted(4, 12.0), 0.4)],
    ids=["grain", "cloth", "larger dots"],
)
@pytest.mark.parametrize("scale", [1.0, 1 / 255, 257.0])
def test_what_is_not_painted_alike_is_told(other: Tensor, least: float, scale: float) -> None:
    image, probability, place = scene(painted(1), other)
    found = unlike_paint(scale * image, probability)
    assert float((found & place).sum()) > least * float(place.sum())
    assert float((found & ~place).sum()) < 0.1 * float(place.sum())


@pytest.mark.parametrize("light", ["as it is", "shadow", "slope"])
def test_the_same_paint_in_other_light_stays(light: str) -> None:
    image, probability, place = scene(painted(1), painted(2))
    if light == "shadow":
        image = image.where(~place, 0.25 * image)
    elif light == "slope":
        image = image * torch.linspace(0.3, 1.0, SIZE)
    assert not bool(unlike_paint(image, probability).any())


def test_what_the_networks_are_sure_of_stays() -> None:
    image, probability, place = scene(painted(1), grain(3))
    probability[place] = SURE
    assert not bool(unlike_paint(image, probability).any())


def test_the_lesser_part_does_not_decide() -> None:
    image, probability, _ = scene(painted(1), grain(3))
    probability = torch.where(probability == SURE, DOUBTED, SURE)
    probability[:20], probability[:, :20] = NONE, NONE
    assert not bool(unlike_paint(image, probability).any())


@pytest.mark.parametrize("probability", [0.0, 0.5])
def test_an_image_without_sure_paint_tells_nothing(probability: float) -> None:
    assert not bool(unlike_paint(grain(1), torch.full((SIZE, SIZE), probability)).any())


def test_a_part_without_contrast_or_a_tiny_image_does_no_harm() -> None:
    image, probability, place = scene(painted(1), torch.full((SIZE, SIZE), 120.0))
    found = unlike_paint(image, probability)
    assert not bool((found & ~place)[:, 205:].any())
    assert not bool(unlike_paint(torch.zeros(3, 2), torch.ones(3, 2)).any())
    assert not bool(unlike_paint(torch.zeros(SIZE, SIZE), torch.ones(SIZE, SIZE)).any())
