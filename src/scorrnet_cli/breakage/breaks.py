"""Breaks as the network shows them, smoothed: lines along which a field is steep, and what lies on either side of them.

A line may run across all of a surface, or end within it, as a crack does at its tip.
"""

from __future__ import annotations

import torch
from torch import Tensor

from scorrnet_cli.numerics.filters import binned, masked_gaussian, repeated
from scorrnet_cli.numerics.morphology import dilated, labelled

STEEP = 0.35  # of the largest change from one pixel to the next, what makes a point part of a ridge
STEEP_ENOUGH_PX = 0.5  # what does whatever the largest is
GAPS_PX = (3, 6, 10)  # half of what may be missing of a ridge that still parts what lies on its sides
SMALLEST_PART, MOST_PARTS = 0.02, 4
CELL_PX = 4
BLUNT_PX = 4  # from a ridge that ends, within which one side goes over into the other
REACH_CELLS = 4  # from there, what lies on a side
SHORTEST_CELLS = 5  # of a ridge: shorter ones are noise
GAP_CELLS = 2  # half of what may be missing of one
AROUND_CELLS = 5.0  # standard deviation of the window whose mean tells one side from the other
ASIDE = 0.3  # of how far the sides are from that mean, what is least


def steepest(field: Tensor, mask: Tensor) -> float:
    """Largest change of a field (2, H, W), px, from one pixel to the next on the mask (H, W)."""
    return max(float(_changes(field, mask, axis).max()) for axis in (0, 1))


def steep_beside(most: float) -> float:
    """Change from one pixel to the next, px, above which a field is steep whose largest such change is `most`."""
    return min(STEEP * most, STEEP_ENOUGH_PX)


def ridges(field: Tensor, mask: Tensor, least: float) -> Tensor:
    """Find the points at which a field is steep.

    Parameters
    ----------
    field : (2, H, W) float32
        Displacement, px.
    mask : (H, W) bool
        Where it means something.
    least : float
        Change from one pixel to the next above which it is, px.

    Returns
    -------
    (H, W) bool
        Neighbours on the mask between which the field changes by more.
    """
    points = torch.zeros_like(mask)
    for axis in (0, 1):
        steep = _changes(field, mask, axis) > least
        for start in (0, 1):
            points.narrow(axis, start, steep.shape[axis]).logical_or_(steep)
    return points


def longest(points: Tensor, gap_cells: int = GAP_CELLS) -> Tensor:
    """Those of the points (H, W) bool that lie in the longest line of them; none if all are short.

    A line may lack twice `gap_cells` cells of 4 px.
    """
    cells = _cells(points) > 0
    names = labelled(dilated(cells, gap_cells), by_corners=True)
    sizes = names[cells].bincount()
    if not len(sizes) or int(sizes.max()) < SHORTEST_CELLS:
        return torch.zeros_like(points)
    return points & repeated(cells & (names == sizes.argmax()), CELL_PX, points.shape)


def parted(field: Tensor, mask: Tensor, line: Tensor) -> list[Tensor]:
    """Tell the parts of a surface between which a line lies.

    Parameters
    ----------
    field : (2, H, W) float32
        Displacement, px; it means something on the mask.
    mask : (H, W) bool
        Of the surface.
    line : (H, W) bool

    Returns
    -------
    list of (H, W) bool
        At most four, largest first. If the line ends within the surface, what is near it on either side.
    """
    near = dilated(_cells(line) > 0, REACH_CELLS)
    for reach_px in GAPS_PX:
        names = labelled(_whole_cells(mask & ~dilated(line, reach_px)))
        sizes = names.flatten().bincount()[1:]
        largest = [int(name) for name in sizes.argsort(descending=True)[:MOST_PARTS]]
        parts = [names == name + 1 for name in largest if sizes[name] >= SMALLEST_PART * int(sizes.sum())]
        parts = [part for part in parts if bool((part & near).any())]
        if len(parts) > 1:
            return [repeated(part, CELL_PX, mask.shape) for part in parts]
    return sides(field, mask, line)


def sides(field: Tensor, mask: Tensor, line: Tensor) -> list[Tensor]:
    """Tell what lies on one side of a line from what lies on the other.

    Along the direction of most of the change the field is above its mean around on the one, below it on the other.

    Parameters
    ----------
    field : (2, H, W) float32
        Displacement, px; it means something on the mask.
    mask : (H, W) bool
    line : (H, W) bool

    Returns
    -------
    list of (H, W) bool
        Two, of points that are near the line; none if there is no line.
    """
    near = _whole_cells(mask & ~dilated(line, BLUNT_PX)) & dilated(_cells(line) > 0, REACH_CELLS)
    if not bool(near.any()):
        return []
    cover = _cells(mask)
    moved = torch.stack([_cells(part.where(mask, 0.0)) for part in field]) / cover.clamp_min(1e-6)
    above = moved - masked_gaussian(moved, cover, AROUND_CELLS)
    direction = torch.linalg.eigh(above[:, near] @ above[:, near].T).eigenvectors[:, -1]
    height = torch.tensordot(direction, above, 1)
    least = ASIDE * height[near].abs().median()
    both = near & (height > least), near & (height < -least)
    return [repeated(side, CELL_PX, mask.shape) for side in both]


def _changes(field: Tensor, mask: Tensor, axis: int) -> Tensor:
    """Change of a field (2, H, W) from each row (axis 0) or column to the next, 0 where not both are on the mask."""
    total = field.new_zeros(())
    for part in field:  # one at a time: large images fill the memory
        total = total + part.diff(dim=axis).square_()
    length = mask.shape[axis] - 1
    pairs = mask.narrow(axis, 0, length) & mask.narrow(axis, 1, length)
    return total.sqrt_().masked_fill_(~pairs, 0.0)


def _cells(values: Tensor) -> Tensor:
    """Mean (h, w) of each cell of an image (H, W); beyond it there is nothing."""
    return binned(values.float()[None], CELL_PX)[0]


def _whole_cells(points: Tensor) -> Tensor:
    """Cells (h, w) of which all is in a set (H, W)."""
    return _cells(points) == 1
