"""The lips of a crack, told by a displacement that was measured on both: what lies between them is no strain.

The lips go over into one another ahead of the tip, so that they are no bodies of their own.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from scorrnet_cli.breakage.bodies import APART_PX
from scorrnet_cli.breakage.breaks import BLUNT_PX, longest, sides
from scorrnet_cli.numerics.consensus import nearer, nearest_part, owned
from scorrnet_cli.numerics.continuation import extrapolate_slopes
from scorrnet_cli.numerics.filters import plane_through
from scorrnet_cli.numerics.morphology import dilated, eroded, labelled, meeting
from scorrnet_cli.numerics.spline import inside
from scorrnet_cli.numerics.tiles import Box, bounds

WIDEST_PX = 8  # half of the widest gap between two lips
AROUND_PX = 64  # of a crack, within which its lips are looked at
LEAST_PX = 12  # of a crack's length
ACROSS = 3.0  # times its width; a border that crosses a gap, not along it, has some two
BANK_PX, END_PX = 16, 2  # of what lies along a gap, and of the gap's ends
LONG_PX = 2 * (BANK_PX + END_PX) + LEAST_PX  # of a gap that has something along it away from its ends
RIM_PX = 16  # of a lip beside the gap, of which the field does not tell whose it is
MOST_GAPS = 8  # looked at, the longest first


class Lip(NamedTuple):
    """One lip with what it goes over into, or all of a surface without a crack.

    Attributes
    ----------
    sees : (H, W) bool
        What windows about its points may see.
    owned : (H, W) bool
        Its points.
    """

    sees: Tensor
    owned: Tensor


def lips(known: Tensor, field: Tensor) -> list[Lip]:
    """Tell the lips of the cracks of a surface.

    Parameters
    ----------
    known : (H, W) bool
        Where the displacement was measured; not within a crack.
    field : (2, H, W) float32
        Displacement, px.

    Returns
    -------
    list of Lip
        One if there is no crack.
    """
    found, seen = [Lip(known, known)], inside(field)
    gaps = eroded(dilated(known, WIDEST_PX), WIDEST_PX) & ~known
    for _ in range(MOST_GAPS):
        gap = longest(gaps, 0)
        if not bool(gap.any()):
            break
        gaps &= ~gap
        found = [piece for lip in found for piece in _opened(lip, field, gap, seen)]
    return found


def _opened(lip: Lip, field: Tensor, gap: Tensor, seen: Tensor) -> list[Lip]:
    """The two lips of a gap (H, W) bool, or the one that it lies in if nothing opens there.

    What is not `seen` (H, W) has left the image: of that the field tells nothing.
    """
    known = lip.sees
    near = bounds(gap).grown(AROUND_PX).within(Box(0, 0, *known.shape))
    moved, there, hole = near.of(field), near.of(known), near.of(gap)
    both = _banks(there, hole)
    box = bounds(gap)
    long_px = max(box.height, box.width)
    if not both:
        if long_px > LONG_PX:  # a dent, with nothing on its other side
            return [lip]
        # What a turn or a stretch of the whole adds is no difference between its sides.
        both = sides(moved - plane_through(moved, there.float()), there, hole)
    clear = near.of(seen) & ~dilated(hole, BLUNT_PX)
    if sum(bool((side & clear).any()) for side in both) < 2:
        return [lip]
    one, other = (extrapolate_slopes(moved, side & clear) for side in both)
    jumps = (one - other).norm(dim=0) > APART_PX
    both = _as_far_as_the_gap(both, there)
    broken = _border(_side_of(both)) & hole & jumps
    least_px = max(
        LEAST_PX, ACROSS * int(gap.sum()) / long_px
    )  # else a dent in a rim, whose ends were taken for its sides
    if int(broken.sum()) < least_px:
        return [lip]
    number = _side_of([_placed(side, near, known) for side in both])
    whole = _border(number) & known & ~dilated(gap, BLUNT_PX)
    shared = known & nearer(whole, _placed(broken, near, known))
    pieces = [Lip(mine | shared, lip.owned & mine) for mine in owned(number, known, 2)]
    return [piece for piece in pieces if bool(piece.owned.any())]


def _banks(known: Tensor, gap: Tensor) -> list[Tensor]:
    """What lies along a gap (h, w) bool on either side, away from its ends; none if that is one piece."""
    y, x = gap.nonzero(as_tuple=True)
    places = torch.stack([x - x.double().mean(), y - y.double().mean()])
    along = torch.linalg.eigh(places @ places.T).eigenvectors[:, -1] @ places
    at_an_end = (along < along.min() + END_PX) | (along > along.max() - END_PX)
    ends = torch.zeros_like(gap)
    ends[y[at_an_end], x[at_an_end]] = True
    names = labelled(known & dilated(gap, BANK_PX) & ~dilated(ends, BANK_PX + END_PX))
    sizes, order = names.flatten().bincount()[1:].sort(descending=True)
    if len(sizes) < 2 or int(sizes[1]) < LEAST_PX * BANK_PX:
        return []
    return [names == int(number) + 1 for number in order[:2]]


def _as_far_as_the_gap(both: list[Tensor], known: Tensor) -> list[Tensor]:
    """Let two sides (h, w) bool grow over what is known until they meet, but not across the gap, however thin."""
    one, other = both
    for _ in range(RIM_PX):
        one, other = one | (_next_to(one) & known & ~other), other | (_next_to(other) & known & ~one)
    return [one, other]


def _next_to(points: Tensor) -> Tensor:
    """Points (h, w) bool that share a side with those of a set, so that a slanted line of pixels cannot be crossed."""
    found = torch.zeros_like(points)
    for axis in (0, 1):
        length = points.shape[axis] - 1
        found.narrow(axis, 0, length).logical_or_(points.narrow(axis, 1, length))
        found.narrow(axis, 1, length).logical_or_(points.narrow(axis, 0, length))
    return found


def _side_of(both: list[Tensor]) -> Tensor:
    """Number (h, w) of the side that each point is of, or else of that which is nearer to it."""
    number = nearest_part(both)
    return number.where(~both[0], 0).where(~both[1], 1)


def _border(number: Tensor) -> Tensor:
    """Points (H, W) bool next to those of the other one of two sides, by the side's number (H, W)."""
    return meeting([number == 0, number == 1], 1)


def _placed(points: Tensor, box: Box, like: Tensor) -> Tensor:
    """A set in a box (h, w) as one of the image (H, W)."""
    whole = torch.zeros_like(like)
    box.of(whole).copy_(points)
    return whole
