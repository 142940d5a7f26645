"""Breaks as the network shows them, smoothed: lines along which a field is steep, and what lies on either side of them.

A line may run across all of a surface, or end within it, as a crack does at its tip.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from scorrnet_cli.filters import masked_gaussian, repeated
from scorrnet_cli.morphology import dilated, labelled

STEEP = 0.35  # of the largest change from one pixel to the next, what makes a point part of a ridge
STEEP_PX = 0.5  # and what is enough
GAPS_PX = (3, 6, 10)  # half of what may be missing of a ridge that still parts what lies on its sides
SMALLEST_PART, MOST_PARTS = 0.02, 4
CELL_PX = 4
BLUNT_PX = 4  # from a ridge that ends, within which one side goes over into the other
REACH_CELLS = 4  # from there, what lies on a side
SHORTEST_CELLS = 5  # of a ridge: shorter ones are noise
GAP_CELLS = 2  # half of what may be missing of one
AROUND_CELLS = 5.0  # standard deviation of the window whose mean tells one side from the other
CLEAR = 0.3  # of how far the sides are from that mean, what is least


class Ridge(NamedTuple):
    """Where a field changes steeply.

    Attributes
    ----------
    points : (H, W) bool
    direction : (2,) float32
        Of most of the change, of length 1.
    """

    points: Tensor
    direction: Tensor


def steepest(field: Tensor, mask: Tensor) -> float:
    """Largest change of a field (2, H, W), px, from one pixel to the next on the mask (H, W)."""
    return max(float(_changes(field, mask, axis).max()) for axis in (1, 2))


def ridge(field: Tensor, mask: Tensor, most: float) -> Ridge:
    """Find where a field (2, H, W) changes steeply on the mask (H, W); `most` is its largest change, px."""
    points = torch.zeros_like(mask)
    changes = []
    for axis in (1, 2):
        steep = _changes(field, mask, axis) > min(STEEP * most, STEEP_PX)
        length = mask.shape[axis - 1] - 1
        for start in (0, 1):
            points.narrow(axis - 1, start, length).logical_or_(steep)
        changes.append(field.diff(dim=axis)[:, steep])
    both = torch.cat(changes, 1)
    return Ridge(points, torch.linalg.eigh(both @ both.T).eigenvectors[:, -1])


def parted(field: Tensor, mask: Tensor, steep: Ridge) -> list[Tensor]:
    """Tell the parts of a surface that a ridge parts.

    Parameters
    ----------
    field : (2, H, W) float32
        Displacement, px.
    mask : (H, W) bool
        Of the surface.
    steep : Ridge

    Returns
    -------
    list of (H, W) bool
        At most four, largest first. If the ridge ends within the surface, what is near it on either side.
    """
    for reach_px in GAPS_PX:
        names = labelled(_whole_cells(mask & ~dilated(steep.points, reach_px)))
        sizes = names.flatten().bincount()[1:]
        largest = [int(name) for name in sizes.argsort(descending=True)[:MOST_PARTS]]
        parts = [names == name + 1 for name in largest if sizes[name] >= SMALLEST_PART * int(sizes.sum())]
        if len(parts) > 1:
            break
    else:
        parts = _sides(field, mask, steep)
    return [repeated(part, CELL_PX, mask.shape) for part in parts]


def _sides(field: Tensor, mask: Tensor, steep: Ridge) -> list[Tensor]:
    """Tell what lies on one side of the longest ridge from what lies on the other, in cells (h, w).

    Along the direction of most of the change the field is above its mean around on the one, below it on the other.
    """
    cells = _cells(steep.points) > 0
    names = labelled(dilated(cells, GAP_CELLS))
    sizes = names[cells].bincount()
    if not len(sizes) or int(sizes.max()) < SHORTEST_CELLS:
        return []
    line = cells & (names == sizes.argmax())
    cover = _cells(mask)
    along = torch.tensordot(steep.direction, field, 1)
    height = _cells(along * mask) / cover.clamp_min(1e-6)
    above = height - masked_gaussian(height[None], cover, AROUND_CELLS)[0]
    near = _whole_cells(mask & ~dilated(steep.points, BLUNT_PX)) & dilated(line, REACH_CELLS)
    if not bool(near.any()):
        return []
    least = CLEAR * above[near].abs().median()
    return [near & (above > least), near & (above < -least)]


def _changes(field: Tensor, mask: Tensor, axis: int) -> Tensor:
    """Change of a field (2, H, W) from each pixel to the next along an axis, 0 where not both are on the mask."""
    total = field.new_zeros(())
    for part in field:  # one at a time: large images fill the memory
        total = total + part.diff(dim=axis - 1).square_()
    length = mask.shape[axis - 1] - 1
    pairs = mask.narrow(axis - 1, 0, length) & mask.narrow(axis - 1, 1, length)
    return total.sqrt_().mul_(pairs)


def _cells(values: Tensor) -> Tensor:
    """Mean (h, w) of each cell of an image (H, W); beyond it there is nothing."""
    height, width = values.shape
    return F.avg_pool2d(F.pad(values.float()[None], (0, -width % CELL_PX, 0, -height % CELL_PX)), CELL_PX)[0]


def _whole_cells(points: Tensor) -> Tensor:
    """Cells (h, w) of which all is in a set (H, W)."""
    return _cells(points) == 1
