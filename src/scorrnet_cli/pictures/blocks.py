"""Fields as text: half blocks in colours, or letters where there are none."""

from __future__ import annotations

import math

import numpy as np
from rich.color import Color
from rich.style import Style
from rich.text import Text

from scorrnet_cli.field import FloatArray
from scorrnet_cli.pictures.coarse import averaged
from scorrnet_cli.pictures.scale import Scale

LETTERS = ".:-=+*#%@"
"""From the lowest to the highest value, where there are no colours."""
_UPPER, _LOWER = "\N{UPPER HALF BLOCK}", "\N{LOWER HALF BLOCK}"
_LEAST_COLUMNS = 8


def picture(values: FloatArray, scale: Scale, columns: int, rows: int, *, coloured: bool) -> list[Text]:
    """Draw a field as lines of text.

    Parameters
    ----------
    values : (H, W) float32
        In the unit of `scale`, NaN where unknown: there the line is blank.
    scale : Scale
    columns, rows : int
        The room there is. A letter is about twice as high as it is wide.
    coloured : bool
        Whether to use colours: then each letter shows two values, one above the other.

    Returns
    -------
    list of Text
        At most `rows` lines, the first and the last not empty.
    """
    width = values.shape[1]
    used = np.flatnonzero(np.isfinite(values).any(1))
    values = values[used[0] : used[-1] + 1] if used.size else values[:1]
    step = max(1, math.ceil(width / max(columns, _LEAST_COLUMNS)), math.ceil(len(values) / (2 * max(rows, 2))))
    cells = averaged(values, step)
    if cells.shape[0] % 2:
        cells = np.pad(cells, ((0, 1), (0, 0)), constant_values=np.nan)
    pairs = cells.reshape(-1, 2, cells.shape[1])
    return [_coloured(upper, lower, scale) if coloured else _lettered(upper, lower, scale) for upper, lower in pairs]


def _coloured(upper: FloatArray, lower: FloatArray, scale: Scale) -> Text:
    """Draw two rows of values as one line of half blocks."""
    line = Text()
    known = np.isfinite(upper), np.isfinite(lower)
    colours = [[Color.from_rgb(*map(int, rgb)) for rgb in scale.paint(row)] for row in (upper, lower)]
    for column in range(len(upper)):
        above, below = (row[column] for row in colours)
        if known[0][column]:
            line.append(_UPPER, Style(color=above, bgcolor=below if known[1][column] else None))
        elif known[1][column]:
            line.append(_LOWER, Style(color=below))
        else:
            line.append(" ")
    return line


def _lettered(upper: FloatArray, lower: FloatArray, scale: Scale) -> Text:
    """Draw the averages of two rows as one line of letters."""
    rows = np.stack([upper, lower])
    known = np.isfinite(rows)
    mean = np.where(known, rows, 0.0).sum(0) / np.maximum(known.sum(0), 1)
    place = (mean - scale.low) / (scale.high - scale.low) * len(LETTERS)
    letters = np.array(list(LETTERS))[np.clip(place, 0, len(LETTERS) - 1).astype(int)]
    return Text("".join(np.where(known.any(0), letters, " ")).rstrip())


def scale_lines(scale: Scale, columns: int, *, coloured: bool) -> list[Text]:
    """Draw a colour scale with its values below it, or what each letter stands for.

    Parameters
    ----------
    scale : Scale
    columns : int
        Width of the colour scale, in letters.
    coloured : bool
        As for `picture`.

    Returns
    -------
    list of Text
        Two lines, or one line of letters, however long.
    """
    if not coloured:
        width = (scale.high - scale.low) / len(LETTERS)
        ends = [scale.written(scale.low + width * index) for index in range(1, len(LETTERS))]
        parts = [f"{letter} < {end}" for letter, end in zip(LETTERS, ends, strict=False)]
        text = f"{'  '.join(parts)}  {LETTERS[-1]} above"
        return [Text(f"{text}  ({scale.unit})" if scale.unit else text)]
    bar = Text()
    for rgb in scale.paint(np.linspace(scale.low, scale.high, columns, dtype=np.float32)):
        bar.append(" ", Style(bgcolor=Color.from_rgb(*map(int, rgb))))
    middle = 0.5 * (scale.low + scale.high)
    left, centre, right = (scale.written(value) for value in (scale.low, middle, scale.high))
    right = f"{right} {scale.unit}".rstrip()
    free = max(2, columns - len(left) - len(centre) - len(right))
    return [bar, Text(left + " " * (free // 2) + centre + " " * (free - free // 2) + right)]
