"""Images of any size, worked on in parts: how an image is cut into tiles, and how what they give is put together.

Each tile is looked at with a halo of its surroundings, as wide as the stage that works on it sees, so that it finds
there what it would find in the whole image. Tiles begin at multiples of 8 px: what networks and filters do at an
eighth, a quarter or half the size then falls on the same pixels. Where there is nothing to measure there is no tile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from scorrnet_cli.allocation import is_out_of_memory
from scorrnet_cli.errors import DeviceError

LARGEST_PX = 1280
"""Longest side of what is looked at at once, px; it bounds the memory."""
SMALLEST_PX = 64
"""A tile is not cut further below this side, px."""
_GRID_PX = 8


class Box(NamedTuple):
    """A rectangle of pixels; `bottom` and `right` are not part of it."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left

    def of(self, array: Tensor) -> Tensor:
        """View of (..., H, W) in this box."""
        return array[..., self.top : self.bottom, self.left : self.right]

    def moved(self, down: int, right: int) -> Box:
        """Return the box of the same size somewhere else."""
        return Box(self.top + down, self.left + right, self.bottom + down, self.right + right)

    def grown(self, margin: int) -> Box:
        """Return the box with a margin of at least so many px on all sides, on the grid of 8 px."""
        low = ((edge - margin) // _GRID_PX * _GRID_PX for edge in self[:2])
        high = (-(-(edge + margin) // _GRID_PX) * _GRID_PX for edge in self[2:])
        return Box(*low, *high)

    def within(self, other: Box) -> Box:
        """Return what lies in both; they must overlap."""
        return Box(*map(max, self[:2], other[:2]), *map(min, self[2:], other[2:]))

    def pieces(self, side: int) -> list[Box]:
        """Cut the box evenly into pieces of at most `side` px (and one step of the grid), row by row."""
        rows, columns = (_cuts(*ends, side) for ends in ((self.top, self.bottom), (self.left, self.right)))
        return [Box(top, left, bottom, right) for top, bottom in rows for left, right in columns]


class Tile(NamedTuple):
    """A part of an image that is worked on by itself."""

    inner: Box  # what is kept
    outer: Box  # what is looked at

    def keep(self, found: Tensor) -> Tensor:
        """Return the inner part of what was found (..., h, w) in the outer one."""
        return self.inner.moved(-self.outer.top, -self.outer.left).of(found)


def bounds(mask: Tensor) -> Box:
    """Return the smallest box that holds all that is True in (H, W); all of it if nothing is."""
    rows, columns = (torch.nonzero(mask.any(axis)).flatten() for axis in (1, 0))
    if not len(rows):
        return Box(0, 0, *mask.shape)
    return Box(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)


def fits(box: Box) -> bool:
    """Tell whether a box is small enough to be looked at at once."""
    return max(box.height, box.width) <= LARGEST_PX


def cut(mask: Tensor, halo: int) -> list[Tile]:
    """Cut an image into tiles.

    Parameters
    ----------
    mask : (H, W) bool
        Where something is to be found; the tiles hold all of it.
    halo : int
        What a tile must see of its surroundings on all sides, px.
    """
    image, there = Box(0, 0, *mask.shape), bounds(mask)
    seen = there.grown(halo).within(image)
    if fits(seen):
        return [Tile(there, seen)]
    return [Tile(box, box.grown(halo).within(image)) for box in pieces_with(mask, there, LARGEST_PX - 2 * halo)]


def pieces_with(mask: Tensor, box: Box, side: int) -> list[Box]:
    """Cut a box into pieces of at most `side` px; those in which nothing of the mask (H, W) is are left out."""
    return [piece for piece in box.pieces(max(SMALLEST_PX, side)) if bool(piece.of(mask).any())]


def fill(outputs: Sequence[Tensor], mask: Tensor, halo: int, work: Callable[[Tile], Sequence[Tensor]]) -> None:
    """Work on an image tile by tile and put together what comes of it.

    When the memory of the device is not enough for a tile, it and all that follow are cut into quarters.

    Parameters
    ----------
    outputs : sequence of (..., H, W)
        Filled wherever there are tiles; elsewhere they stay as they are.
    mask : (H, W) bool
        Where something is to be found.
    halo : int
        What a tile must see of its surroundings, px.
    work : callable
        Returns for a tile what belongs into each of the outputs, (..., h, w) of its inner box.

    Raises
    ------
    DeviceError
        If the memory of the device is not enough for the smallest tile.
    """
    for tile, parts in _worked(cut(mask, halo), mask, halo, work):
        for output, part in zip(outputs, parts, strict=True):
            tile.inner.of(output).copy_(part)


def _worked(
    tiles: list[Tile], mask: Tensor, halo: int, work: Callable[[Tile], Sequence[Tensor]]
) -> Iterator[tuple[Tile, Sequence[Tensor]]]:
    waiting = tiles[::-1]
    while waiting:
        tile = waiting.pop()
        try:
            yield tile, work(tile)
            continue
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        # what the work held is let go of only here, behind that clause
        waiting = [smaller for each in (*waiting, tile) for smaller in _quarters(each, mask, halo)[::-1]]


def _quarters(tile: Tile, mask: Tensor, halo: int) -> list[Tile]:
    side = max(tile.inner.height, tile.inner.width)
    if side <= SMALLEST_PX:
        what = f"The device has too little memory for a part of {SMALLEST_PX} x {SMALLEST_PX} px"
        raise DeviceError(what, str(mask.device), "Let other programs end, or use --device cpu")
    image = Box(0, 0, *mask.shape)
    boxes = pieces_with(mask, tile.inner, -(-side // 2))
    if mask.is_cuda:
        torch.cuda.empty_cache()
    return [Tile(box, box.grown(halo).within(image)) for box in boxes]


def _cuts(start: int, stop: int, side: int) -> list[tuple[int, int]]:
    """Cut a line evenly, at multiples of the grid."""
    count = -(-(stop - start) // side)
    middle = (start + index * (stop - start) // count for index in range(1, count))
    edges = [start, *(edge // _GRID_PX * _GRID_PX for edge in middle), stop]
    return [(low, high) for low, high in pairwise(edges) if high > low]
