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
    planes = points.reshape(1, -1, *points.shape[-2:]).float()
    columns = F.max_pool2d(planes, (side, 1), 1, (reach_px, 0))  # first one axis, then the other: far less work
    return (F.max_pool2d(columns, (1, side), 1, (0, reach_px)) > 0).view(points.shape)


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
