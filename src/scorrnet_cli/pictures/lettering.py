"""Names in pictures: letters of any script, cut to the room that there is."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SUFFIX = re.compile(r"(?<=.)\.[A-Za-z]+$")  # of an image
_ABOVE_BAR = 0.8  # of the room between two panels, for titles
_FALLBACKS = (
    "Noto Sans CJK JP",  # one file of Chinese, Japanese and Korean
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun Gothic",
    "PingFang HK",
    "Hiragino Sans GB",
    "Apple SD Gothic Neo",
    "Arial Unicode MS",
    "Nirmala UI",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Leelawadee UI",
)
"""Fonts of systems and distributions with letters that those of matplotlib lack; of each script one is enough."""


@contextmanager
def any_script() -> Iterator[None]:
    """Draw names in the letters of any script that a font is found for; others are boxes, without a warning."""
    import matplotlib
    from matplotlib.font_manager import fontManager

    found = {font.name for font in fontManager.ttflist}
    families = [*matplotlib.rcParams["font.family"], *(name for name in _FALLBACKS if name in found)]
    with matplotlib.rc_context({"font.family": families}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        yield


def shorten_titles(figure: Figure, grid: Sequence[Axes], columns: int, *, shared_bar: bool) -> None:
    """Cut titles that would touch others or the colour bar: the suffix, then the start; names differ at the end.

    Parameters
    ----------
    figure : Figure
        Is laid out by this.
    grid : sequence of Axes
        The panels, row by row, all of one width.
    columns : int
        Number of panels in a row.
    shared_bar : bool
        Whether the panels share a colour bar; else each has one beside it, and its title may reach over that.
    """
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.execute(figure)
    boxes = [axes.get_window_extent() for axes in grid[:columns]]
    room = boxes[0].width
    if not shared_bar:  # then each has its colour bar beside it, with nothing above that
        beside = boxes[1].x0 - boxes[0].x1 if len(boxes) > 1 else 2 * boxes[0].x0
        room += _ABOVE_BAR * beside
    for axes in grid:
        stem = _SUFFIX.sub("", axes.get_title())
        for shorter in (stem, *(f"\N{HORIZONTAL ELLIPSIS}{stem[start:]}" for start in range(1, len(stem)))):
            if axes.title.get_window_extent().width <= room:
                break
            axes.title.set_text(shorter)
