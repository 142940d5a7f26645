"""How large the panels of a figure are, and in how many columns they lie."""

from __future__ import annotations

import math

INCH_PER_MM = 1 / 25.4
_WIDE_MM, _HIGH_MM = 190.0, 140.0  # of a figure across a page of a journal
_LARGEST_MM, _LEAST_MM = 105.0, 30.0  # longer side of a panel
_AXIS_MM, _GAP_MM, _BELOW_MM = 13.0, 3.0, 9.0  # left of the first panel, between panels, titles and axes
_BAR_MM, _FOOT_MM, _NOTE_MM = 17.0, 8.0, 4.0  # a colour bar, the lowest labels, small print


def arrangement(count: int, shape: tuple[int, int], *, shared: bool) -> int:
    """Choose into how many columns panels (H, W) are put, so that they are drawn largest; `shared` as in `Style`."""
    rows = {columns: math.ceil(count / columns) for columns in range(1, count + 1)}
    return max(rows, key=lambda columns: (_scale_mm(rows[columns], columns, shape, shared), -columns))


def _scale_mm(rows: int, columns: int, shape: tuple[int, int], shared: bool) -> float:
    """Return how many mm a pixel of each panel gets if the figure is to fit on a page."""
    height, width = shape
    across = (_WIDE_MM - _around_mm(columns, shared)) / columns
    down = _HIGH_MM / rows - _BELOW_MM
    return min(across / width, down / height, _LARGEST_MM / max(width, height))


def _around_mm(columns: int, shared: bool) -> float:
    """Return how much of the width of a figure is not panels."""
    return _AXIS_MM + (columns - 1) * _GAP_MM + (1 if shared else columns) * _BAR_MM


def figure_size(rows: int, columns: int, shape: tuple[int, int], *, shared: bool, note: bool) -> tuple[float, float]:
    """Return width and height, inch, of a figure of panels (H, W); `shared` as in `Style`, `note` for small print."""
    height, width = shape
    scale = max(_scale_mm(rows, columns, shape, shared), _LEAST_MM / max(height, width))
    across = columns * scale * width + _around_mm(columns, shared)
    down = rows * (scale * height + _BELOW_MM) + _FOOT_MM + (_NOTE_MM if note else 0.0)
    return across * INCH_PER_MM, down * INCH_PER_MM
