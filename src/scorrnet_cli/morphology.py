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
        One number for each part, 1 or more, in no order and with gaps; 0 outside.
    """
    names = torch.arange(1, points.numel() + 1, device=points.device).view(points.shape) * points
    while True:
        spread = names
        for axis in (0, 1):
            spread = _spread(spread, points, axis)
            spread = _spread(spread.flip(axis), points.flip(axis), axis).flip(axis)
        if torch.equal(spread, names):
            return names
        names = spread


def _spread(names: Tensor, points: Tensor, axis: int) -> Tensor:
    """Hand the highest name on along an axis until the set ends."""
    gaps = (~points).cumsum(axis) * (points.numel() + 1)  # beyond a gap any name is higher than those before
    return ((names + gaps).cummax(axis).values - gaps) * points
