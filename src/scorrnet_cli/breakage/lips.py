"""The lips of a crack, told by a displacement that was measured on both: what lies between them is no strain.

The lips go over into one another ahead of the tip, so that they are no bodies of their own.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from scorrnet_cli.breakage.bodies import APART_PX
from scorrnet_cli.breakage.breaks import longest, sides
from scorrnet_cli.numerics.consensus import nearer, nearest_part, owned
from scorrnet_cli.numerics.continuation import extrapolate_slopes
from scorrnet_cli.numerics.morphology import dilated, eroded, meeting
from scorrnet_cli.numerics.tiles import Box, bounds

WIDEST_PX = 8  # half of the widest gap between two lips
AROUND_PX = 64  # of a crack, within which its lips are looked at
LEAST_PX = 12  # of a crack's length
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
    found = [Lip(known, known)]
    gaps = eroded(dilated(known, WIDEST_PX), WIDEST_PX) & ~known
    for _ in range(MOST_GAPS):
        gap = longest(gaps, 0)
        if not bool(gap.any()):
            break
        gaps &= ~gap
        found = [piece for lip in found for piece in _opened(lip, field, gap)]
    return found


def _opened(lip: Lip, field: Tensor, gap: Tensor) -> list[Lip]:
    """The two lips of a gap (H, W) bool, or the one that it lies in if nothing opens there."""
    known = lip.sees
    near = bounds(gap).grown(AROUND_PX).within(Box(0, 0, *known.shape))
    both = sides(near.of(field), near.of(known), near.of(gap))
    if sum(bool(side.any()) for side in both) < 2:
        return [lip]
    one, other = (extrapolate_slopes(near.of(field), side) for side in both)
    jumps = (one - other).norm(dim=0) > APART_PX
    broken = _border(nearest_part(both)) & near.of(gap) & jumps
    if int(broken.sum()) < LEAST_PX:
        return [lip]
    number = nearest_part([_placed(side, near, known) for side in both])
    shared = known & nearer(_border(number) & known, _placed(broken, near, known))
    pieces = [Lip(mine | shared, lip.owned & mine) for mine in owned(number, known, 2)]
    return [piece for piece in pieces if bool(piece.owned.any())]


def _border(number: Tensor) -> Tensor:
    """Points (H, W) bool next to those of the other one of two sides, by the side's number (H, W)."""
    return meeting([number == 0, number == 1], 1)


def _placed(points: Tensor, box: Box, like: Tensor) -> Tensor:
    """A set in a box (h, w) as one of the image (H, W)."""
    whole = torch.zeros_like(like)
    box.of(whole).copy_(points)
    return whole
