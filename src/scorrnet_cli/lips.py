"""The lips of a crack, told by a displacement that was measured on both: what lies between them is no strain.

The lips go over into one another ahead of the tip, so that they are no bodies of their own.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from scorrnet_cli.breaks import sides
from scorrnet_cli.consensus import nearest_part
from scorrnet_cli.continuation import extrapolate_slopes
from scorrnet_cli.morphology import dilated, eroded

WIDEST_PX = 8  # half of the widest gap between two lips
APART_PX = 0.5  # what lips move by against each other, at least; less may be the noise of their rims
LEAST_PX = 12  # of a crack's length
MOST_CRACKS = 4  # one after the other


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


def lips(known: Tensor, field: Tensor, cracks: int = MOST_CRACKS) -> list[Lip]:
    """Tell the lips of the cracks of a surface.

    Parameters
    ----------
    known : (H, W) bool
        Where the displacement was measured; not within a crack.
    field : (2, H, W) float32
        Displacement, px.
    cracks : int
        How many are sought, the longest first.

    Returns
    -------
    list of Lip
        One if there is no crack.
    """
    found = _longest(known, field) if cracks else []
    again = [(lip, each) for lip in found for each in lips(lip.sees, field, cracks - 1)]
    return [Lip(each.sees, mine) for lip, each in again if bool((mine := each.owned & lip.owned).any())] or [
        Lip(known, known)
    ]


def _longest(known: Tensor, field: Tensor) -> list[Lip]:
    """The two lips of the longest crack; none if there is no crack."""
    gap = eroded(dilated(known, WIDEST_PX), WIDEST_PX) & ~known
    both = [side & known for side in sides(field, known, gap)]
    if sum(bool(side.any()) for side in both) < 2:
        return []
    differ = (extrapolate_slopes(field, both[0]) - extrapolate_slopes(field, both[1])).norm(dim=0)
    number = nearest_part(both)
    border = dilated(torch.stack([number == 0, number == 1]), 1).all(0)
    broken = border & gap & (differ > APART_PX)
    if int(broken.sum()) < LEAST_PX:
        return []
    healed = border & known
    shared = nearest_part([broken, healed]) == 1 if bool(healed.any()) else torch.zeros_like(known)
    owned = [known & (number == each) for each in range(2)]
    return [Lip(mine | (known & shared), mine) for mine in owned]
