"""Whether holes stay holes: plates with rows of round ones, of several diameters, in speckle of several sizes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from scorrnet_cli.evaluation.hard import outlines
from scorrnet_cli.evaluation.hard.still import found_mask, still
from scorrnet_cli.pipeline import Instruments

SEED = 8_000_000
SIZE_PX = 320
HALF_PLATE_PX = (130.0, 105.0)
BACKGROUNDS = ("plain", "clutter")
RIM_PX = 1.5  # points so near to a hole's edge are not judged
PERFORATIONS = tuple((dot_px, hole_px) for dot_px in (3.0, 4.5, 6.0, 9.0) for hole_px in (12.0, 18.0, 24.0, 36.0))
"""Diameter of the speckle and of the holes, px."""


@dataclass(frozen=True)
class HoleFigures:
    """What becomes of holes.

    Attributes
    ----------
    dot_px, hole_px : float
        Diameter of the speckle and of the holes, px.
    filled_share : float
        Share of the holes' points that are taken for surface.
    """

    dot_px: float
    hole_px: float
    filled_share: float


def hole_figures(instruments: Instruments) -> Iterator[HoleFigures]:
    """Look for perforated plates, upright before a plain wall and turned before clutter."""
    for number, (dot_px, hole_px) in enumerate(PERFORATIONS):
        filled = total = 0
        centres = _centres(hole_px)
        holes = [outlines.disk(centre, 0.5 * hole_px) for centre in centres]
        axis = torch.arange(SIZE_PX, dtype=torch.float64)
        y, x = torch.meshgrid(axis, axis, indexing="ij")
        deep = torch.stack([hole(x, y) for hole in holes]).amin(0) < -RIM_PX
        for way, kind in enumerate(BACKGROUNDS):
            plate = outlines.plate((0.5 * SIZE_PX, 0.5 * SIZE_PX), HALF_PLATE_PX, 5.0 * way)
            seed = SEED + 10 * number + way
            image, _ = still(outlines.cut(plate, *holes), SIZE_PX, dot_px, (kind, seed), seed)
            filled += int((found_mask(instruments, image) & deep).sum())
            total += int(deep.sum())
        yield HoleFigures(dot_px, hole_px, filled / total)


def _centres(hole_px: float) -> list[tuple[float, float]]:
    """Centres of as many holes as fit well into the plate."""
    pitch = 16.0 + 1.1 * hole_px
    counts = [math.floor(2 * (half - 15.0) / pitch) for half in HALF_PLATE_PX]
    first = [0.5 * (SIZE_PX - (count - 1) * pitch) for count in counts]
    return [(first[0] + pitch * i, first[1] + pitch * j) for i in range(counts[0]) for j in range(counts[1])]
