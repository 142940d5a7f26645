"""Islands at rest: reflections, scratches of a window and dust, which stay in the image while the surface moves on.

No piece of a surface can stay where it is while all around it moves. Parts at rest of a specimen that has come apart,
as in a grip, reach to the edge and are large.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from scorrnet_cli.numerics import spline
from scorrnet_cli.numerics.filters import gaussian, masked_gaussian, repeated, wide_mean
from scorrnet_cli.numerics.morphology import dilated, eroded
from scorrnet_cli.numerics.tiles import Box, Tile, bounds, fill
from scorrnet_cli.refinement.matching import Spline, Surface, compare, correlation

FASTER_PX, STILL_PX = 3.0, 1.0  # motion around an island, and most that may have been found upon it
AROUND_PX = 16.0
LIGHT_WINDOW_PX, WINDOW_PX, MISFIT_WINDOW_PX = 4.0, 3.0, 2.0
ALIKE = 0.8  # correlation of the images at rest, which speckle that has moved does not reach
CONTRAST = 0.25  # least variance where that is asked, as a share of the surface's
CROWD_WINDOW_PX, CROWD = 4.0, 0.22  # share of the points around that are alike: by chance it is less
SAME = 0.1  # largest misfit at rest, likewise, of the inside of an island, which may have no contrast
LARGEST_RADIUS_PX = 64
STAYS = 0.8  # most that the images may differ as they lie, in squares and relative to how they do when moved
PART_PX = 48  # width of what reaches to the edge and is part of the surface
RIM_PX = 3  # of an island
HALO_PX = 48  # that a part must see of its surroundings for all of these
MOST = 0.3  # share of a surface: more is no island


def islands(surface: Surface, deformed: Spline, field: Tensor, known: Tensor) -> Tensor:
    """Find what is at rest in the midst of a surface that moves.

    Parameters
    ----------
    surface : Surface
    deformed : Spline
    field : (2, H, W) float32
        Displacement, px, that may be wrong upon islands and near them.
    known : (H, W) bool
        Where it matches.

    Returns
    -------
    (H, W) bool
    """
    mask = surface.mask
    box = bounds(mask).grown(HALO_PX).within(Box(0, 0, *mask.shape))
    inside = box.of(mask)
    around = wide_mean(box.of(field), moving(box.of(field), box.of(known)).float(), AROUND_PX)
    moves = inside & (torch.hypot(*around) > FASTER_PX)
    nothing = torch.zeros_like(mask)
    if not bool(moves.any()):
        return nothing
    misfit, alike = (box.of(compared) for compared in _compared_at_rest(surface, deformed))
    edges = moves & alike
    crowded = edges & (gaussian(edges.float()[None], CROWD_WINDOW_PX)[0] > CROWD)
    if not bool(crowded.any()):
        return nothing
    same = moves & (misfit < SAME) | edges
    half = _without_parts(crowded[::2, ::2], same[::2, ::2], inside[::2, ::2])
    found = repeated(half, 2, (box.height, box.width))
    found = dilated(found, RIM_PX) & inside
    if int(found.sum()) < MOST * int(mask.sum()):
        box.of(nothing).copy_(found)
    return nothing


def _compared_at_rest(surface: Surface, deformed: Spline) -> tuple[Tensor, Tensor]:
    """Misfit (H, W) of the images as they lie, and where they are alike and have contrast, (H, W) bool."""
    misfit, alike = torch.zeros_like(surface.grey), torch.zeros_like(surface.mask)
    still = surface.grey.new_zeros(3, 2)  # the plane that displaces the whole

    def work(tile: Tile) -> tuple[Tensor, Tensor]:
        part = surface.part(tile.outer, still)
        state = compare(
            part, deformed.coefficients, torch.zeros_like(part.grey).expand(2, -1, -1), None, LIGHT_WINDOW_PX
        )
        mean, square = masked_gaussian(torch.stack([part.grey, part.grey**2]), part.core, WINDOW_PX)
        (squares,) = masked_gaussian(state.residual[None] ** 2, part.core, MISFIT_WINDOW_PX)
        matches = correlation(part.grey, state.moved, part.core, WINDOW_PX) > ALIKE
        return tile.keep(squares), tile.keep(matches & (square - mean**2 > CONTRAST))

    fill([misfit, alike], surface.mask, HALO_PX, work)
    return misfit, alike


def stays(surface: Surface, deformed: Spline, points: Tensor, motion: Tensor) -> bool:
    """Tell whether some points of a surface lie where they were, and did not go with it.

    Parameters
    ----------
    surface : Surface
    deformed : Spline
    points : (H, W) bool
    motion : (2, H, W) float32
        Displacement of the surface around them, px.
    """

    def misfit(field: Tensor) -> Tensor:
        difference = _difference(surface, deformed, field)
        light = difference[(surface.core > 0) & ~points].mean()
        return ((difference[points & spline.inside(field)] - light) ** 2).mean()

    return bool(misfit(torch.zeros_like(motion)) < STAYS * misfit(motion))


def _difference(surface: Surface, deformed: Spline, field: Tensor) -> Tensor:
    """Difference (H, W) of the images at a field (2, H, W), on the surface."""
    difference = torch.zeros_like(surface.grey)

    def work(tile: Tile) -> tuple[Tensor]:
        box = tile.outer
        place = spline.Place(box.top, box.left, *surface.mask.shape)
        moved = spline.spline_sample(deformed.coefficients, box.of(field), place)
        return (tile.keep(box.of(surface.grey) - moved),)

    fill([difference], surface.mask, 0, work)
    return difference


def moving(field: Tensor, known: Tensor) -> Tensor:
    """True (H, W) where a surface is known, (H, W) bool, to move by a field (2, H, W), px."""
    return known & (torch.hypot(*field) > STILL_PX)


def _without_parts(start: Tensor, same: Tensor, mask: Tensor) -> Tensor:
    """Grow islands (h, w) at half size from where they are sure, and leave out parts of the surface (h, w)."""
    at_rest = _reached(start, same)
    inland = F.pad(mask[1:-1, 1:-1], (1, 1, 1, 1)) & eroded(mask, 1)
    ashore = _reached(at_rest & ~inland, at_rest)
    return at_rest & ~_reached(eroded(ashore, PART_PX // 4), ashore)


def _reached(start: Tensor, within: Tensor) -> Tensor:
    """Grow a set (h, w) at half size within another one, step by step."""
    for _ in range(LARGEST_RADIUS_PX // 2):
        grown = dilated(start, 1) & within
        if torch.equal(grown, start):
            break
        start = grown
    return start
