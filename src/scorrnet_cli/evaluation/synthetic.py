"""Errors on pairs like those of the training, from seeds it never draws, sorted by what makes them hard."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from scorrnet_cli.evaluation.methods import Measured, Method
from scorrnet_cli.evaluation.metrics import counted_points, filled_by_nearest
from scorrnet_cli.evaluation.networks import EVALUATION
from scorrnet_cli.evaluation.rendering import Pair
from scorrnet_cli.numerics.filters import gradient
from scorrnet_cli.training.recipe import SynthRecipe
from scorrnet_cli.training.rng import Rng
from scorrnet_cli.training.synth import Material, make_pairs

SIZE_PX = 256
SEED = 3  # second part of the key of random numbers
NOISE_LEVELS = ((0.2, 0.5), (0.5, 1.0), (1.0, 2.0), (2.0, 4.0))  # standard deviation, grey levels
DOTS_PX = ((1.5, 2.5), (2.5, 4.2), (4.2, 7.0), (7.0, 12.0))  # diameters
DISPLACEMENTS_PX = (0.0, 1.0, 4.0, 16.0, math.inf)
GRADIENTS = (0.0, 0.01, 0.03, 0.1, 0.3, math.inf)  # root of the sum of the four squares


@dataclass(frozen=True)
class Sample:
    """One pair, the noise of its camera in grey levels, and its speckle in px."""

    pair: Pair
    noise: tuple[float, float]
    dot_px: tuple[float, float]


@dataclass(frozen=True)
class SyntheticFigures:
    """What one method makes of one group of points.

    Attributes
    ----------
    method : str
    by, group : str
        What the points are sorted by, and which they are.
    points : int
        Points that count.
    mae_px, rmse_px : float
        Of u and v together over the valid points, px; NaN if there is none.
    mae_filled_px : float
        Over all points, px, those that are not valid taken from the nearest that is.
    valid_share : float
    """

    method: str
    by: str
    group: str
    points: int
    mae_px: float
    rmse_px: float
    mae_filled_px: float
    valid_share: float


def samples(count: int, size_px: int = SIZE_PX) -> Iterator[Sample]:
    """Draw pairs that go through every combination of noise and speckle size in turn."""
    recipe = SynthRecipe(size=size_px)
    for index in range(count):
        noise = NOISE_LEVELS[index % len(NOISE_LEVELS)]
        dot_px = DOTS_PX[index // len(NOISE_LEVELS) % len(DOTS_PX)]
        rng = Rng((EVALUATION, SEED, index), torch.device("cpu"))
        drawn = make_pairs(rng, 1, replace(recipe, dot_px=dot_px, noise=noise), Material())
        truth = drawn.displacement[0].double()
        yield Sample(Pair(drawn.reference[0, 0], drawn.deformed[0, 0], drawn.mask[0, 0] > 0, truth), noise, dot_px)


def synthetic_figures(
    methods: Mapping[str, Method], count: int, size_px: int = SIZE_PX
) -> Iterator[SyntheticFigures | None]:
    """Measure pairs by several methods.

    Parameters
    ----------
    methods : mapping of str to Method
    count : int
        Number of pairs; 16 or a multiple of it covers all groups evenly.
    size_px : int
        Height and width of the images.

    Yields
    ------
    SyntheticFigures or None
        None after each pair and method, then the figures.
    """
    tallies: dict[tuple[str, str, str], Tensor] = {}
    for sample in samples(count, size_px):
        for name, method in methods.items():
            pair = sample.pair
            counted = counted_points(pair.mask, pair.truth)
            if bool(counted.any()):
                found = method(pair.reference, pair.deformed, pair.mask)
                for (by, group), tally in _tallies(sample, counted, found):
                    tallies[name, by, group] = tallies.get((name, by, group), torch.zeros_like(tally)) + tally
            yield None
    order = {key: number for number, key in enumerate(_groups())}
    for name in methods:
        mine = [(by, group) for other, by, group in tallies if other == name]
        for by, group in sorted(mine, key=lambda key: order[key]):
            points, valid, absolute, square, filled = tallies[name, by, group].tolist()
            yield SyntheticFigures(
                method=name,
                by=by,
                group=group,
                points=int(points),
                mae_px=absolute / valid if valid else math.nan,
                rmse_px=math.sqrt(square / valid) if valid else math.nan,
                mae_filled_px=filled / points,
                valid_share=valid / points,
            )


def _groups() -> list[tuple[str, str]]:
    """Return every group of points in the order in which they are shown: what they are sorted by, and which."""
    groups = [("all", "")]
    for by, edges in (("displacement, px", DISPLACEMENTS_PX), ("gradient", GRADIENTS)):
        groups += [(by, _range(low, high)) for low, high in pairwise(edges)]
    groups += [("noise, grey levels", _range(*levels)) for levels in NOISE_LEVELS]
    return groups + [("speckle, px", _range(*sizes)) for sizes in DOTS_PX]


def _tallies(sample: Sample, counted: Tensor, found: Measured) -> Iterator[tuple[tuple[str, str], Tensor]]:
    """Give for every group that has points (5,): points, valid ones, sums of |e|, of e^2, and of |e| if filled."""
    slope = torch.stack(gradient(sample.pair.truth)).square().sum((0, 1)).sqrt()
    size = torch.hypot(*sample.pair.truth)
    counted, truth, slope, size = found.thinned(counted, sample.pair.truth, slope, size)
    displacement, valid = found.thinned(found.displacement, found.valid)
    known = bool(valid.any())
    filled = filled_by_nearest(displacement, valid) if known else torch.zeros_like(displacement)
    every = (filled - truth).abs()
    error = torch.where(valid, every, 0.0)
    measures = torch.stack(
        [torch.ones_like(slope), valid.double(), error.mean(0), error.square().mean(0), every.mean(0)]
    )
    whole = measures[:, counted].sum(1)
    yield ("all", ""), whole
    yield ("noise, grey levels", _range(*sample.noise)), whole
    yield ("speckle, px", _range(*sample.dot_px)), whole
    for by, values, edges in (("displacement, px", size, DISPLACEMENTS_PX), ("gradient", slope, GRADIENTS)):
        for low, high in pairwise(edges):
            part = counted & (values >= low) & (values < high)
            if bool(part.any()):
                yield (by, _range(low, high)), measures[:, part].sum(1)


def _range(low: float, high: float) -> str:
    return f"{low:g} and more" if math.isinf(high) else f"{low:g} to {high:g}"
