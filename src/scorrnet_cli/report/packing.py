"""Fields small enough to travel inside a page.

Each field of each frame is averaged over squares of pixels, stored in 65 535 steps of its own span, and packed: the
difference from one value to the next, its high bytes, then its low bytes, deflated, in base64. ``report.js`` unpacks.
"""

from __future__ import annotations

import base64
import math
import zlib
from dataclasses import dataclass

import numpy as np

from scorrnet_cli.field import BoolArray, FloatArray
from scorrnet_cli.pictures.coarse import averaged

_STEPS = 65534
_MOST_CELLS = 40_000  # of a field
_PAGE_BYTES = 16_000_000
_CELL_BYTES = 1.8  # of a packed value, as measured; rarely more
_MARGIN = 0.02


@dataclass(frozen=True)
class Grid:
    """Which pixels of the reference image a page shows, and how coarsely.

    Attributes
    ----------
    x, y : int
        First pixel, px.
    columns, rows : int
        Number of cells.
    step : int
        Side of a cell, px.
    """

    x: int
    y: int
    columns: int
    rows: int
    step: int

    @classmethod
    def around(cls, mask: BoolArray, planes: int) -> Grid:
        """Choose a grid around a surface, so coarse that a page of so many planes (fields times frames) stays small."""
        spans = []
        for axis, size in ((0, mask.shape[1]), (1, mask.shape[0])):
            used = np.flatnonzero(mask.any(axis))
            first, last = (int(used[0]), int(used[-1]) + 1) if used.size else (0, size)
            margin = math.ceil(_MARGIN * (last - first))
            spans.append((max(0, first - margin), min(size, last + margin)))
        (x, right), (y, bottom) = spans
        most = min(_MOST_CELLS, _PAGE_BYTES / planes / _CELL_BYTES)
        step = max(1, math.ceil(math.sqrt((right - x) * (bottom - y) / most)))
        return cls(x, y, math.ceil((right - x) / step), math.ceil((bottom - y) / step), step)

    def averaged(self, values: FloatArray) -> FloatArray:
        """Average a field (H, W) in each cell: (rows, columns)."""
        bottom, right = self.y + self.rows * self.step, self.x + self.columns * self.step
        return averaged(values[self.y : bottom, self.x : right], self.step)


def pack(cells: FloatArray) -> tuple[float, float, str]:
    """Pack values.

    Returns
    -------
    offset, gain : float
        A value is offset + gain * (number - 1); number 0 stands for no value.
    str
        The numbers, packed as told above.
    """
    known = np.isfinite(cells)
    low, high = (float(cells[known].min()), float(cells[known].max())) if known.any() else (0.0, 0.0)
    gain = (high - low) / _STEPS or 1.0
    numbers = np.where(known, np.rint((np.nan_to_num(cells, nan=low) - low) / gain) + 1, 0).astype(np.uint16).ravel()
    changes = np.diff(numbers, prepend=np.uint16(0))
    planes = np.concatenate([(changes >> 8).astype(np.uint8), (changes & 255).astype(np.uint8)])
    return low, gain, base64.b64encode(zlib.compress(planes.tobytes(), 9)).decode("ascii")
