"""Specimens that have come apart: windows must not reach from one part to another, so each part is refined by itself.

A displacement jumps where the parts meet in the reference image, and only there: what is in one piece may move by very
different amounts too, but from pixel to pixel it changes little.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import combinations
from typing import NamedTuple

import torch
from torch import Tensor

from scorrnet_cli.breakage.bodies import bodies
from scorrnet_cli.breakage.breaks import BLUNT_PX, longest, parted, ridges, steep_beside, steepest
from scorrnet_cli.breakage.lips import lips
from scorrnet_cli.breakage.seams import TORN_PX, Owners, Seam, inland
from scorrnet_cli.motion.patchwork import assessed, by_tiles
from scorrnet_cli.numerics.consensus import moving_parts, nearest_part, owned
from scorrnet_cli.numerics.continuation import extrapolate, extrapolate_slopes
from scorrnet_cli.numerics.filters import masked_gaussian, plane_through
from scorrnet_cli.numerics.morphology import dilated, meeting
from scorrnet_cli.numerics.spline import inside
from scorrnet_cli.refine import Refined, Refinement, halo_px, refine
from scorrnet_cli.refinement.matching import Spline, Surface

JUMP_PX = 4.0  # between neighbouring pixels: far more than any strain that can be measured
SHARP_PX = 1.0  # the same of a break that the network has not smoothed, whose parts are too small to be told by it
STEEP_PX = 0.15  # the same of a break that the network may have smoothed, or of a steep field: which, the images tell
SHARED_PX = 64  # so far windows see what a part goes over into
MOST_CUTS = 4  # one after the other
MOST_LINES = 4  # where a field is steep, looked at for each
LINE_PX = 12  # from one, which is no other
NEAR_PX = 24  # from one, where a break may be
UNCUT = Refinement(5.0, 4)  # what is done with a field that may not be cut
TORN_SHARE = 0.05  # of the line along which two parts meet: a crack may be short
LARGE_PX = 2000  # of a part whose slopes are known
ISLAND_WINDOW_PX = 8.0  # in which the points of a part must be most


class Part(NamedTuple):
    """A part of the surface that moves as one.

    Attributes
    ----------
    surface : Surface
        What windows about its points may see: the part, and what it goes over into, as ahead of the tip of a crack.
    owned : (H, W) bool
        The points whose displacement is that of the part.
    field : (2, H, W) float32
        The displacement of what they see, px.
    """

    surface: Surface
    owned: Tensor
    field: Tensor


class Severed(NamedTuple):
    """The parts of a surface, and where two of them meet so closely that it is in doubt which is seen, (H, W) bool."""

    parts: list[Part]
    torn: Tensor


@torch.no_grad()
def severed(surface: Surface, deformed: Spline, field: Tensor) -> Severed:
    """Tell the parts of a surface that have come apart: bodies and lips that the mask shows, and pieces of each.

    Parameters
    ----------
    surface : Surface
    deformed : Spline
    field : (2, H, W) float32
        Displacement, px.

    Returns
    -------
    Severed
        One part, all of the surface, if that is in one piece. Points whose part is in doubt are in none of them.
    """
    found = bodies(surface.mask, field)
    shown = [lip for body in found for lip in lips(body, field)]
    seen = [surface] if len(shown) == 1 else [surface.only(lip.sees) for lip in shown]
    pieces = [_pieces(Part(each, lip.owned, field), deformed) for each, lip in zip(seen, shown, strict=True)]
    if len(pieces) == 1:
        return pieces[0]
    return _together(pieces, meeting(found, TORN_PX))


def joined(apart: Severed, results: list[Refined]) -> Refined:
    """Put together what was found for each part.

    Points that are torn are not valid, nor are those that no part owns: which of two parts is seen, nobody can tell.
    """
    first, *others = results
    values = first._asdict()
    for part, result in zip(apart.parts[1:], others, strict=True):
        values = {name: torch.where(part.owned, getattr(result, name), value) for name, value in values.items()}
    owned = torch.stack([part.owned for part in apart.parts]).any(0)
    values["valid"] = values["valid"] & owned & ~apart.torn
    return Refined(**values)


def _pieces(part: Part, deformed: Spline, cuts: int = MOST_CUTS) -> Severed:
    """Tell the pieces of what may be one part, see `severed`; each of them may be cut again."""
    surface, _, field = part
    mask = surface.mask
    whole = Severed([part], torch.zeros_like(mask))
    rest = field - plane_through(field, mask.float())  # a turn of the whole is no break
    seen = inland(mask & inside(field))
    most = steepest(rest, seen)
    if most <= STEEP_PX or not cuts:
        return whole
    known = assessed(surface, deformed, field)[1]
    found = None
    if most > JUMP_PX:
        found = _shown_by_the_field(part, deformed, known, dilated(ridges(rest, seen, STEEP_PX), NEAR_PX))
    if found is None:
        found = _shown_by_the_images(part, deformed, rest, known, seen & known)
    if found is None:
        return whole
    del rest, seen, known
    return _together([_pieces(each, deformed, cuts - 1) for each in found.parts], found.torn)


def _together(pieces: list[Severed], torn: Tensor) -> Severed:
    """Put together the pieces of parts between which the points (H, W) bool are torn."""
    for each in pieces:
        torn |= each.torn
    return Severed([part for each in pieces for part in each.parts], torn)


def _shown_by_the_field(whole: Part, deformed: Spline, known: Tensor, near: Tensor) -> Severed | None:
    """Cut a surface of which parts move so differently that the field itself jumps; None if they only seem to.

    Breaks are `near` (H, W) where the field is steep. Elsewhere parts of a field that curves differ as well, by what
    lies between them, and nothing is broken.
    """
    surface, _, field = whole
    continued = partial(extrapolate, field)  # parts may be small, and no slopes known of them
    parts = _united(continued, moving_parts(field, known), surface.mask, JUMP_PX, near)
    if len(parts) < 2:
        return None
    motions = torch.stack(
        [extrapolate_slopes(field, part) if int(part.sum()) >= LARGE_PX else continued(part) for part in parts]
    )
    seam = Seam(surface, deformed, motions, nearest_part(parts), JUMP_PX, near)
    return _cut(whole, parts, motions, seam, seam.owners())


def _shown_by_the_images(whole: Part, deformed: Spline, rest: Tensor, known: Tensor, seen: Tensor) -> Severed | None:
    """Cut a surface at a break that the network has smoothed; None if the field is steep, and nothing broken.

    `rest` (2, H, W) is the field without the plane through it; what is `seen` of it is sure to be of the surface.
    """
    for _ in range(MOST_LINES):
        most = steepest(rest, seen)
        if most <= STEEP_PX:
            break
        points = ridges(rest, seen, steep_beside(most))
        line = longest(points)
        if bool(line.any()):
            found = _cut_along(whole, deformed, rest, known, line)
            if found is not None:
                return found
            points = line
        seen = seen & ~dilated(points, LINE_PX)  # spots where the field is wrong, or it is steep and nothing broken
    return None


def _cut_along(whole: Part, deformed: Spline, rest: Tensor, known: Tensor, line: Tensor) -> Severed | None:
    """Cut a surface along a line (H, W) where its field is steep, see `_shown_by_the_images`."""
    surface, _, field = whole
    mask, most = surface.mask, steepest(rest, line)
    jump_px = min(most, JUMP_PX)
    continued = partial(extrapolate_slopes, field)
    parts = _united(continued, parted(rest, known, line), mask, jump_px)
    if len(parts) < 2:
        return None
    number = nearest_part(parts)
    parts = owned(number, known & ~dilated(line, BLUNT_PX), len(parts))
    motions = torch.stack([continued(part) for part in parts])
    seam = Seam(surface, deformed, motions, number, jump_px, dilated(line, NEAR_PX))
    roughly = seam.owners()
    torn_by_itself = most > SHARP_PX  # beside such a break the field explains as much as the parts do
    if not (torn_by_itself or seam.is_broken(field, roughly)):
        return None
    if not seam.is_broken(_refined(whole, deformed, line), roughly):
        return None
    return _cut(whole, parts, motions, seam, roughly)


def _refined(whole: Part, deformed: Spline, line: Tensor) -> Tensor:
    """Field (2, H, W) of a part that is not cut, refined near a line (H, W), where the network's may just be wrong."""
    surface, _, field = whole
    near = surface.only(surface.mask & dilated(line, SHARED_PX))
    how = partial(refine, how=UNCUT)
    return by_tiles(how, near, deformed, field, halo_px(UNCUT.window_px)).displacement


def _cut(whole: Part, parts: list[Tensor], motions: Tensor, seam: Seam, roughly: Owners) -> Severed | None:
    """Cut a surface along a seam, of which the owners are known roughly; None if no part is left."""
    surface, owned_before, field = whole
    found = seam.owners_in_their_light(roughly)
    shared = surface.mask & seam.healed(found)
    pieces = []
    for mine, part, motion in zip(found.parts(found.sure, len(parts)), parts, motions, strict=True):
        if bool((mine & owned_before).any()):
            sees = mine | (shared & dilated(mine, SHARED_PX))
            own_field = torch.where(seam.points & mine & ~part, motion, field)
            pieces.append(Part(surface.only(sees), mine & owned_before, own_field))
    return Severed(pieces, seam.torn(found)) if pieces else None


def _united(
    continued: Callable[[Tensor], Tensor],
    parts: list[Tensor],
    mask: Tensor,
    jump_px: float,
    near: Tensor | None = None,
) -> list[Tensor]:
    """Put together the parts (H, W) that meet without a jump, as the bands do of a field that curves.

    Jumps count where they are `near` (H, W), everywhere if that is not given.

    The two that jump least are put together first, and all are judged anew: so the lips of a crack stay apart, though
    ahead of its tip there is no jump.
    """
    parts = _without_islands(parts, mask)
    while len(parts) > 1:
        motions, nearest = [continued(part) for part in parts], nearest_part(parts)
        jumping = {}
        for one, other in combinations(range(len(parts)), 2):
            seam = meeting([mask & (nearest == one), mask & (nearest == other)], 1)
            seam &= dilated(parts[one], NEAR_PX) & dilated(parts[other], NEAR_PX)
            jump = (motions[one] - motions[other])[:, seam].norm(dim=0) > jump_px
            jump = jump if near is None else jump & near[seam]
            jumping[one, other] = float(jump.float().mean()) if len(jump) else 1.0
        one, other = min(jumping, key=jumping.__getitem__)
        if jumping[one, other] >= TORN_SHARE:
            break
        parts[one] = parts[one] | parts.pop(other)
    return parts


def _without_islands(parts: list[Tensor], mask: Tensor) -> list[Tensor]:
    """Leave out the points of parts (H, W) that lie among others, where a motion matches by chance."""
    cover = mask.float()
    left = [part & (masked_gaussian(part[None].float(), cover, ISLAND_WINDOW_PX)[0] > 0.5) for part in parts]
    return [part for part in left if bool(part.any())]
