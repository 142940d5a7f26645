"""Sets of pixels, grown and shrunk by squares, and told apart."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def dilated(points: Tensor, reach_px: int) -> Tensor:
    """Return what lies within `reach_px` rows and columns of a set.

    Parameters
    ----------
    points : (..., H, W) bool
        True in the set; beyond the border there is nothing.
    reach_px : int

    Returns
    -------
    (..., H, W) bool
    """
    side = 2 * reach_px + 1
    grown = F.pad(points, (reach_px,) * 4)
    for axis in (-2, -1):
        seen = 1  # rows or columns that each point knows of; the next step may double them
        while seen < side:
            step = min(seen, side - seen)
            left = grown.shape[axis] - step
            grown = grown.narrow(axis, 0, left) | grown.narrow(axis, step, left)
            seen += step
    return grown


def eroded(points: Tensor, reach_px: int) -> Tensor:
    """Return those of the points (..., H, W) bool around which all is in the set; beyond the border all is."""
    return ~dilated(~points, reach_px)


def labelled(points: Tensor) -> Tensor:
    """Number the connected parts of a set.

    Parameters
    ----------
    points : (H, W) bool
        Neighbours share a side.

    Returns
    -------
    (H, W) int64
        One number for each part, 1, 2 and so on; 0 outside.
    """
    numbers = torch.zeros(points.shape, dtype=torch.int64, device=points.device)
    own = torch.arange(int(points.sum()), device=points.device)
    numbers[points] = own
    above, left = points[1:] & points[:-1], points[:, 1:] & points[:, :-1]
    first = torch.cat([numbers[:-1][above], numbers[:, :-1][left]])
    second = torch.cat([numbers[1:][above], numbers[:, 1:][left]])
    leader = own  # of each point: who leads is their own leader
    while True:
        ones, others = leader[first], leader[second]
        if torch.equal(ones, others):
            numbers[points] = (leader == own).cumsum(0)[leader]
            return numbers
        # Where two leaders meet, the one of the higher number follows the other from now on, and so do all theirs.
        leader = leader.scatter_reduce(0, torch.maximum(ones, others), torch.minimum(ones, others), "amin")
        while not torch.equal(leader, further := leader[leader]):
            leader = further
