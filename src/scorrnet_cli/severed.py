"""Specimens that have come apart: windows must not reach from one part to another, so each part is refined by itself.

A displacement jumps where the parts meet in the reference image, and only there: what is in one piece may move by very
different amounts too, but from pixel to pixel it changes little. The network smooths a jump; whether there is one then,
the images tell: beside it the motions of the parts, each continued, leave less unexplained than the field does.
"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from scorrnet_cli.bodies import bodies
from scorrnet_cli.consensus import moving_parts, nearest_part
from scorrnet_cli.displace import extrapolate
from scorrnet_cli.filters import fitted_plane, gaussian, masked_gaussian
from scorrnet_cli.matching import Spline, Surface, compare
from scorrnet_cli.morphology import dilated
from scorrnet_cli.patchwork import assessed
from scorrnet_cli.refine import Refined
from scorrnet_cli.tiles import Tile, fill

JUMP_PX = 4.0  # between neighbouring pixels: far more than any strain that can be measured
STEEP_PX = 1.0  # the same of a break that the network may have smoothed, or of a steep field: which, the images tell
BETTER = 0.7  # of what the field leaves unexplained along a break, the most that the parts' own motions may leave
TORN_SHARE = 0.05  # of the line along which two parts meet: a crack may be short
ISLAND_WINDOW_PX = 8.0
SEAM_PX = 12  # so near to where two parts meet, the images tell which of them a point belongs to
LIGHT_WINDOW_PX, MISFIT_WINDOW_PX = 4.0, 2.0
MAJORITY_WINDOW_PX = 3.0  # single dots may match by chance
TORN_PX = 3  # from where parts meet; closer, which of them a point belongs to may be wrong
RIM_PX = 4  # of the surface and of the image, where the images do not tell
HALO_PX = 48


class Part(NamedTuple):
    """A part of the surface, and a field (2, H, W), px, that is its own motion also where the others are."""

    surface: Surface
    field: Tensor


@torch.no_grad()
def severed(surface: Surface, deformed: Spline, field: Tensor) -> list[Part]:
    """Tell the parts of a surface that have come apart: bodies that the mask shows apart, and pieces of each.

    Parameters
    ----------
    surface : Surface
    deformed : Spline
    field : (2, H, W) float32
        Displacement, px.

    Returns
    -------
    list of Part
        One if the surface is in one piece. Points whose part is in doubt are in none of them.
    """
    found = bodies(surface.mask, field)
    seen = [surface] if len(found) == 1 else [surface.only(body) for body in found]
    return [part for each in seen for part in _torn(each, deformed, field)]


def _torn(surface: Surface, deformed: Spline, field: Tensor) -> list[Part]:
    """Tell the pieces of one body, see `severed`."""
    mask = surface.mask
    steepest = _steepest(field, mask)
    if steepest <= STEEP_PX:
        return [Part(surface, field)]
    _, known = assessed(surface, deformed, field)
    parts = [_without_islands(part, mask) for part in moving_parts(field, known)]
    parts = _united(field, [part for part in parts if bool(part.any())], mask)
    if len(parts) < 2:
        return [Part(surface, field)]
    motions, nearest = [extrapolate(field, part) for part in parts], nearest_part(parts)
    seam = mask & _meet([mask & (nearest == number) for number in range(len(parts))], SEAM_PX)
    misfits = torch.stack([_misfit(surface, deformed, motion, seam) for motion in motions])
    if steepest <= JUMP_PX:
        inner = seam & ~_rim(mask)
        left, before = (float(each[inner].sum()) for each in (misfits.amin(0), _misfit(surface, deformed, field, seam)))
        if left > BETTER * before:
            return [Part(surface, field)]
    nearest = torch.where(seam, misfits.argmin(0), nearest)
    shares = torch.stack([(nearest == number).float() for number in range(len(parts))]) * mask
    around = gaussian(shares, MAJORITY_WINDOW_PX).argmax(0)
    sure = mask & (nearest == around) & ~(seam & _rim(mask))
    owned = [sure & (around == number) for number in range(len(parts))]
    return [
        Part(surface.only(mine), torch.where(mine & part, field, motion))
        for mine, part, motion in zip(owned, parts, motions, strict=True)
        if bool(mine.any())
    ] or [Part(surface, field)]


def _without_islands(part: Tensor, mask: Tensor) -> Tensor:
    """Leave out the points of a part (H, W) that lie among others, where a motion matches by chance."""
    around: Tensor = masked_gaussian(part[None].float(), mask.float(), ISLAND_WINDOW_PX)[0]
    return part & (around > 0.5)


def _united(field: Tensor, parts: list[Tensor], mask: Tensor) -> list[Tensor]:
    """Put together the parts (H, W) that meet without a jump, as the bands do of a field that curves.

    The two that jump least are put together first, and all are judged anew: so the lips of a crack stay apart, though
    ahead of its tip there is no jump.
    """
    parts = list(parts)
    while len(parts) > 1:
        motions, nearest = [extrapolate(field, part) for part in parts], nearest_part(parts)
        jumping = {}
        for one, other in combinations(range(len(parts)), 2):
            seam = _meet([mask & (nearest == one), mask & (nearest == other)], 1)
            jump = (motions[one] - motions[other])[:, seam].norm(dim=0) > JUMP_PX
            jumping[one, other] = float(jump.float().mean()) if len(jump) else 1.0
        one, other = min(jumping, key=jumping.__getitem__)
        if jumping[one, other] >= TORN_SHARE:
            break
        parts[one] = parts[one] | parts.pop(other)
    return parts


def _misfit(surface: Surface, deformed: Spline, motion: Tensor, where: Tensor) -> Tensor:
    """Squared difference (H, W) of the images at a motion (2, H, W), over some px, at the points `where` (H, W)."""
    misfit = motion.new_zeros(where.shape)
    plane = fitted_plane(motion, surface.mask.float())

    def work(tile: Tile) -> tuple[Tensor]:
        box = tile.outer
        state = compare(surface.part(box, plane), deformed.coefficients, box.of(motion), None, LIGHT_WINDOW_PX)
        return (tile.keep(gaussian(state.residual[None] ** 2, MISFIT_WINDOW_PX)[0]),)

    fill([misfit], where, HALO_PX, work)
    return misfit


def joined(parts: list[Part], results: list[Refined]) -> Refined:
    """Put together what was found for each part.

    Points within 3 px of where two parts meet are not valid: which of them they belong to, nobody can tell for sure.
    """
    first, *others = results
    if not others:
        return first
    values = first._asdict()
    masks = [part.surface.mask for part in parts]
    for mask, result in zip(masks[1:], others, strict=True):
        values = {name: torch.where(mask, getattr(result, name), value) for name, value in values.items()}
    values["valid"] = values["valid"] & ~_meet(masks, TORN_PX)
    return Refined(**values)


def _rim(mask: Tensor) -> Tensor:
    """True (H, W) where the background shines in, and at the border of the image, where not all around is seen."""
    outside = F.pad((~mask).float(), (RIM_PX,) * 4, value=1.0)
    return F.max_pool2d(outside[None], 2 * RIM_PX + 1, 1)[0] > 0


def _meet(parts: list[Tensor], reach_px: int) -> Tensor:
    """True (H, W) where two parts or more are within reach."""
    return dilated(torch.stack(parts), reach_px).sum(0) > 1


def _steepest(field: Tensor, mask: Tensor) -> float:
    """Largest difference of a field (2, H, W), px, between two neighbours on the mask (H, W)."""
    steepest = 0.0
    for axis, pairs in ((1, mask[:, 1:] & mask[:, :-1]), (0, mask[1:] & mask[:-1])):
        for part in field if bool(pairs.any()) else ():  # one at a time: large images fill the memory
            steepest = max(steepest, float(part.diff(dim=axis).abs_().masked_fill_(~pairs, 0.0).amax()))
    return steepest
