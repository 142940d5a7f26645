"""Sets of pixels, grown and shrunk by squares, and told apart."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

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
    return _spread(F.pad(points, (reach_px,) * 4), reach_px, torch.bitwise_or)


def highest(values: Tensor, reach_px: int) -> Tensor:
    """Return the highest of the values (..., H, W) float32 within `reach_px` rows and columns of each."""
    return _spread(F.pad(values, (reach_px,) * 4, value=-math.inf), reach_px, torch.maximum)


def _spread(padded: Tensor, reach_px: int, joined: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Join all that lies within some rows and columns of each value of an array (..., H + 2 reach, W + 2 reach)."""
    side = 2 * reach_px + 1
    for axis in (-2, -1):
        seen = 1  # rows or columns that each value knows of; the next step may double them
        while seen < side:
            step = min(seen, side - seen)
            left = padded.shape[axis] - step
            padded = joined(padded.narrow(axis, 0, left), padded.narrow(axis, step, left))
            seen += step
    return padded


def eroded(points: Tensor, reach_px: int) -> Tensor:
    """Return those of the points (..., H, W) bool around which all is in the set; beyond the border all is."""
    return ~dilated(~points, reach_px)


def meeting(parts: Sequence[Tensor], reach_px: int) -> Tensor:
    """Return what lies within reach of two of some sets (H, W) bool, or of more."""
    once, twice = (torch.zeros_like(parts[0]) for _ in range(2))
    for part in parts:
        near = dilated(part, reach_px)
        twice |= once & near
        once |= near
    return twice


def in_squares(points: Tensor, half_px: int) -> Tensor:
    """Those of the points (H, W) bool that lie in squares of them, of some `half_px` to each side, or next to these."""
    return points & dilated(eroded(points, half_px), half_px + 2)


def labelled(points: Tensor, *, by_corners: bool = False) -> Tensor:
    """Number the connected parts of a set.

    Parameters
    ----------
    points : (H, W) bool
    by_corners : bool
        Whether neighbours need to share a corner only, not a side.

    Returns
    -------
    (H, W) int64
        One number for each part, 1, 2 and so on; 0 outside.
    """
    numbers = torch.zeros(points.shape, dtype=torch.int64, device=points.device)
    own = torch.arange(int(points.sum()), device=points.device)
    numbers[points] = own
    first, second = map(torch.cat, zip(*_neighbours(numbers, points, by_corners=by_corners), strict=True))
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


def _neighbours(numbers: Tensor, points: Tensor, *, by_corners: bool) -> Iterator[tuple[Tensor, Tensor]]:
    """Numbers (N,) of points (H, W) bool and of their neighbours, each pair of them once."""
    later, sooner, every = slice(1, None), slice(None, -1), slice(None)
    pairs = [((later, every), (sooner, every)), ((every, later), (every, sooner))]
    if by_corners:
        pairs += [((later, later), (sooner, sooner)), ((later, sooner), (sooner, later))]
    for one, other in pairs:
        both = points[one] & points[other]
        yield numbers[one][both], numbers[other][both]
