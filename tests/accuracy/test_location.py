"""What shines and does not move with the surface neither leads the networks astray nor is measured."""

from __future__ import annotations

import math
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from scorrnet_cli import weights
from scorrnet_cli.evaluation.fields import affine
from scorrnet_cli.evaluation.methods import load_methods
from scorrnet_cli.evaluation.metrics import counted_points
from scorrnet_cli.evaluation.rendering import Displacement, Pair, invert, make_pair, photographed
from scorrnet_cli.location import locate, seen, seen_without_glints

SIZE = 256
TURNED = affine(0.02, 1.5, (6.4, -5.2), SIZE)


class _Result(NamedTuple):
    rmse: float
    valid: float
    network: float  # share that is off by less than 1 px


def _dark(displacement: Displacement = TURNED) -> Pair:
    """A surface of little contrast, as it lies between spots that shine."""
    pair = photographed(make_pair((SIZE, SIZE), displacement, 11), 12)
    return pair._replace(reference=20 + pair.reference / 6, deformed=20 + pair.deformed / 6)


def _spots(count: int, radius: float, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    x, y = (torch.arange(SIZE, dtype=torch.float32), torch.arange(SIZE, dtype=torch.float32)[:, None])
    places = SIZE * torch.rand(count, 2, generator=generator)
    return torch.stack([(radius + 0.5 - torch.hypot(x - a, y - b)).clamp(0, 1) for a, b in places]).amax(0)


def _shining(pair: Pair, first: Tensor, later: Tensor) -> Pair:
    return pair._replace(
        reference=pair.reference + (250 - pair.reference) * first,
        deformed=pair.deformed + (250 - pair.deformed) * later,
    )


def _measured(pair: Pair) -> _Result:
    (measure,) = load_methods(["scorrnet"], "cpu").values()
    found = measure(pair.reference, pair.deformed, pair.mask)
    network, _ = weights.load_network("displacement", torch.device("cpu"))
    plain = seen(network, pair.reference, pair.mask)
    bare = seen_without_glints(network, pair.reference, pair.mask, plain)
    located = locate(network, plain, bare, pair.deformed)
    counted = counted_points(pair.mask, pair.truth)
    error = torch.hypot(*(found.displacement - pair.truth))
    return _Result(
        rmse=math.sqrt(float(error[counted & found.valid].square().mean())),
        valid=float(found.valid[counted].float().mean()),
        network=float((torch.hypot(*(located.field - pair.truth))[counted] < 1).float().mean()),
    )


@pytest.mark.weights
@pytest.mark.slow
@pytest.mark.parametrize(("count", "radius", "valid"), [(60, 2.0, 0.999), (20, 8.0, 0.95)])
def test_reflections_that_stay_in_the_image_are_not_followed(count: int, radius: float, valid: float) -> None:
    spots = _spots(count, radius, 3)
    result = _measured(_shining(_dark(), spots, spots))
    assert result.valid > valid
    assert result.rmse < 0.02


@pytest.mark.weights
@pytest.mark.slow
@pytest.mark.parametrize(("count", "radius", "level"), [(20, 7.0, 255.0), (4, 22.0, 255.0), (20, 7.0, 20.0)])
def test_reflections_and_dust_no_brighter_or_darker_than_the_pattern(count: int, radius: float, level: float) -> None:
    pair = photographed(make_pair((SIZE, SIZE), TURNED, 11), 12)
    spots = _spots(count, radius, 8)
    first, later = (image + (level - image) * spots for image in (pair.reference, pair.deformed))
    result = _measured(pair._replace(reference=first, deformed=later))
    assert result.valid > 0.9
    assert result.rmse < 0.05


@pytest.mark.weights
@pytest.mark.slow
def test_pixels_that_do_not_work() -> None:
    hot = (torch.rand(SIZE, SIZE, generator=torch.Generator().manual_seed(4)) < 0.02).float()
    result = _measured(_shining(_dark(), 0.6 * hot, 0.6 * hot))
    assert result.valid > 0.99
    assert result.rmse < 0.03


@pytest.mark.weights
@pytest.mark.slow
def test_glints_that_are_elsewhere_in_the_other_image() -> None:
    result = _measured(_shining(_dark(), _spots(120, 1.5, 5), _spots(120, 1.5, 6)))
    assert result.valid > 0.99
    assert result.rmse < 0.02
    assert result.network > 0.99


@pytest.mark.weights
@pytest.mark.parametrize("motion", [(0.12, 0.1), (0.6, -0.4), (1.7, 1.1)])
@pytest.mark.parametrize(("count", "radius"), [(30, 6.0), (100, 1.5)])
def test_spots_that_stay_hold_no_small_motion_back(motion: tuple[float, float], count: int, radius: float) -> None:
    moved = affine(0.0005, 0.02, motion, SIZE)
    pair = _dark(moved)
    at_rest = _spots(count, radius, 5)
    result = _measured(_shining(pair, at_rest, at_rest))
    assert result.rmse < 0.008
    assert result.valid > 0.998


@pytest.mark.weights
@pytest.mark.parametrize("motion", [(0.12, 0.1), (1.7, 1.1)])
def test_grains_that_go_with_a_small_motion_are_kept(motion: tuple[float, float]) -> None:
    moved = affine(0.0005, 0.02, motion, SIZE)
    x, y = torch.meshgrid(*(torch.arange(SIZE, dtype=torch.float64),) * 2, indexing="xy")
    places = SIZE * torch.rand(60, 2, generator=torch.Generator().manual_seed(5))
    grains = [
        torch.stack([(4.5 - torch.hypot(at_x - a, at_y - b)).clamp(0, 1) for a, b in places]).amax(0).float()
        for at_x, at_y in ((x, y), invert(x, y, moved))
    ]
    pair = _shining(_dark(moved), *grains)
    network, _ = weights.load_network("displacement", torch.device("cpu"))
    plain = seen(network, pair.reference, pair.mask)
    bare = seen_without_glints(network, pair.reference, pair.mask, plain)
    assert bare is not plain
    assert locate(network, plain, bare, pair.deformed).surface is plain.surface


@pytest.mark.weights
@pytest.mark.parametrize("noise", [1.0, 5.0])
def test_bright_grains_of_the_surface_are_kept(noise: float) -> None:
    generator = torch.Generator().manual_seed(9)
    x, y = torch.arange(SIZE, dtype=torch.float32).expand(SIZE, SIZE), torch.arange(SIZE, dtype=torch.float32)[:, None]
    places = (SIZE + 64) * torch.rand(60, 2, generator=generator) - 32
    grains = [
        torch.stack([(4.5 - torch.hypot(at_x - a, at_y - b)).clamp(0, 1) for a, b in places]).amax(0)
        for at_x, at_y in ((x, y), _source(x, y.expand(SIZE, SIZE)))
    ]
    pair = _shining(_dark(), *grains)
    first, later = noise * torch.randn(2, SIZE, SIZE, generator=generator)
    pair = pair._replace(reference=pair.reference + first, deformed=pair.deformed + later)
    network, _ = weights.load_network("displacement", torch.device("cpu"))
    plain = seen(network, pair.reference, pair.mask)
    bare = seen_without_glints(network, pair.reference, pair.mask, plain)
    assert bare is not plain  # they stand out
    assert locate(network, plain, bare, pair.deformed).surface is plain.surface


@pytest.mark.weights
@pytest.mark.parametrize("ground", [20.0, 200.0])
def test_few_dots_that_are_the_pattern_are_followed(ground: float) -> None:
    pair = make_pair((SIZE, SIZE), TURNED, 13)
    ink = torch.Generator().manual_seed(7)
    noise = 2.0 * torch.randn(2, SIZE, SIZE, generator=ink)
    y, x = torch.meshgrid(*(torch.arange(SIZE, dtype=torch.float32),) * 2, indexing="ij")
    from_x, from_y = _source(x, y)
    dots = _dots(x, y), _dots(from_x, from_y)
    first, later = (ground + (110.0 - ground) * 2 * dot + more for dot, more in zip(dots, noise, strict=True))
    result = _measured(Pair(first, later, pair.mask, pair.truth))
    assert float(dots[0].mean()) < 0.06
    assert result.valid > 0.9
    assert result.rmse < 0.1


def _source(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    a, b = invert(x.double(), y.double(), TURNED)
    return a.float(), b.float()


def _dots(x: Tensor, y: Tensor) -> Tensor:
    """Dots of 5 px in rows that are not quite straight, so that each is known by its neighbours."""
    column, row = torch.div(x, 20, rounding_mode="floor"), torch.div(y, 20, rounding_mode="floor")
    moved_x = 10 + 5 * torch.sin(12.9898 * column + 78.233 * row)
    moved_y = 10 + 5 * torch.sin(39.346 * column + 11.135 * row)
    return (3.0 - torch.hypot(x - 20 * column - moved_x, y - 20 * row - moved_y)).clamp(0, 1)
