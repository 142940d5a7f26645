"""Sets of pixels, grown and shrunk by squares."""

from __future__ import annotations

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
