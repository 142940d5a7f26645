"""Smooth fields: what a method reaches where nothing but noise limits it, under large strain, and at edges."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from scorrnet_cli.evaluation.methods import Measured, Method
from scorrnet_cli.evaluation.metrics import Accuracy, accuracy, counted_points
from scorrnet_cli.evaluation.rendering import Displacement, Outline, Pair, make_pair, photographed

SIZE_PX = 384
SEED = 800
EDGE_PX = 5.0  # points closer to the specimen's edge are at it
INTERIOR_PX = 20.0  # points farther from it are in the interior


@dataclass(frozen=True)
class Case:
    """One field.

    Attributes
    ----------
    name : str
    displacement : callable
    outline : callable, optional
        Of the specimen; everything if not given.
    """

    name: str
    displacement: Displacement
    outline: Outline | None = None


@dataclass(frozen=True)
class FieldFigures:
    """What one method makes of one field.

    Attributes
    ----------
    method, case : str
    noise : float
        0, or 1 for the Challenge's noise of about 2 grey levels.
    rmse_px : float
        Root mean square error of u and v together over the valid points, px.
    over_unmoved : float
        It over that of the same noise on an unmoved pair; NaN without noise.
    edge_rmse_px, interior_rmse_px : float
        The same within 5 px of the specimen's edge and 20 px or more from it; NaN without an edge.
    edge_valid_share : float
        Share of the points at the edge that are valid.
    accuracy : Accuracy
        Over all points.
    """

    method: str
    case: str
    noise: float
    rmse_px: float
    over_unmoved: float
    edge_rmse_px: float
    interior_rmse_px: float
    edge_valid_share: float
    accuracy: Accuracy


def affine(stretch: float, angle_deg: float, shift_px: tuple[float, float], size_px: int = SIZE_PX) -> Displacement:
    """Make the displacement of a stretch along x, then a turn about the centre of the image, then a shift.

    Parameters
    ----------
    stretch : float
        Without unit: 0.02 is 2 % longer.
    angle_deg : float
        From +x towards +y, clockwise on the screen.
    shift_px : pair of float
        To the right and down.
    size_px : int
        Height and width of the image.
    """
    centre = (size_px - 1) / 2
    c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))

    def displacement(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        dx, dy = x - centre, y - centre
        longer = (1 + stretch) * dx
        return c * longer - s * dy - dx + shift_px[0], s * longer + c * dy - dy + shift_px[1]

    return displacement


def quadratic(gradient: float, size_px: int = SIZE_PX) -> Displacement:
    """Make a displacement of second order, whose gradient grows from 0 at the centre to `gradient` at the border."""
    half = (size_px - 1) / 2

    def displacement(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        dx, dy = x - half, y - half
        scale = 0.5 * gradient / half
        return scale * (dx * dx - dx * dy) + 0.3, scale * (dy * dy + 0.5 * dx * dy) - 0.2

    return displacement


def strip_with_hole(x: Tensor, y: Tensor) -> Tensor:
    """Signed distance, px, from the edge of a strip with a hole in its middle, negative inside."""
    centre = (SIZE_PX - 1) / 2
    strip = (x - centre - 2.3).abs() - 0.3 * SIZE_PX
    hole = 0.11 * SIZE_PX - torch.hypot(x - centre, y - centre)
    return torch.maximum(strip, hole)


UNMOVED = "unmoved"
CASES = (
    Case(UNMOVED, affine(0.0, 0.0, (0.0, 0.0))),
    Case("affine: 2 %, 1 degree", affine(0.02, 1.0, (0.3, -0.2))),
    Case("quadratic: to 2 %", quadratic(0.02)),
    Case("affine: 30 %, 20 degrees", affine(0.3, 20.0, (0.3, -0.2))),
    Case("strip with hole: 2 %, 1 degree", affine(0.02, 1.0, (2.4, -1.3)), strip_with_hole),
)


def field_figures(
    methods: Mapping[str, Method], noises: Sequence[float] = (0.0, 1.0), cases: Sequence[Case] = CASES
) -> Iterator[FieldFigures]:
    """Measure smooth fields by several methods; speckle of 3 to 5 px, the unmoved pair first.

    Parameters
    ----------
    methods : mapping of str to Method
    noises : sequence of float
        Noise of the images over that of the Challenge.
    cases : sequence of Case
    """
    unmoved: dict[tuple[str, float], float] = {}
    for number, case in enumerate(cases):
        clean = make_pair((SIZE_PX, SIZE_PX), case.displacement, SEED, outline=case.outline)
        for noise in noises:
            pair = photographed(clean, SEED + 10 + 2 * number, noise)
            for name, method in methods.items():
                found = method(pair.reference, pair.deformed, pair.mask)
                figures = _figures(name, case, noise, pair, found, unmoved.get((name, noise), math.nan))
                if case.name == UNMOVED and noise:
                    unmoved[name, noise] = figures.rmse_px
                yield figures


def _figures(name: str, case: Case, noise: float, pair: Pair, found: Measured, unmoved: float) -> FieldFigures:
    counted, truth = found.thinned(counted_points(pair.mask, pair.truth), pair.truth)
    displacement, valid = found.thinned(found.displacement, found.valid)
    overall = accuracy(displacement, valid, truth, counted)
    edge, interior = (math.nan, math.nan), (math.nan, math.nan)
    if case.outline is not None:
        depth = -case.outline(*_grid(pair.mask))
        (depth,) = found.thinned(depth)
        edge, interior = (
            _rmse_and_share(accuracy(displacement, valid, truth, counted & part))
            for part in (depth < EDGE_PX, depth >= INTERIOR_PX)
        )
    rmse, _ = _rmse_and_share(overall)
    return FieldFigures(
        name, case.name, noise, rmse, rmse / (unmoved or math.nan), edge[0], interior[0], edge[1], overall
    )


def _rmse_and_share(one: Accuracy) -> tuple[float, float]:
    return math.hypot(one.rmse_u, one.rmse_v) / math.sqrt(2), one.valid_share


def _grid(mask: Tensor) -> tuple[Tensor, Tensor]:
    y, x = torch.meshgrid(*(torch.arange(side, dtype=torch.float64) for side in mask.shape), indexing="ij")
    return x, y
