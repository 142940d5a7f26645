"""Curves as a picture: panels below each other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from scorrnet_cli.errors import OutputError
from scorrnet_cli.pictures.paper import SUFFIXES, check_picture, made_by
from scorrnet_cli.writers.atomic import explained, written_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DPI = 150


def check_chart(path: Path | None, overwrite: bool) -> None:
    """Make sure before working that a chart, if one is asked for, can be drawn.

    Raises
    ------
    UsageError
        If matplotlib is not installed.
    OutputError
        If no format has the suffix, the picture exists and may not be replaced, or its folder cannot be written.
    """
    if path is None:
        return
    if path.suffix.lower() not in SUFFIXES:
        raise OutputError("No picture has this suffix", str(path), f"Choose one of {', '.join(SUFFIXES)}")
    check_picture(path, overwrite, "--plot")


@contextmanager
def chart(path: Path, panels: int = 1) -> Iterator[tuple[Figure, list[Axes]]]:
    """Give a figure with panels to draw on, and write it when the block ends; its suffix picks the format."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 3.6 * panels), layout="constrained")
    FigureCanvasAgg(figure)
    yield figure, list(figure.subplots(panels, 1, squeeze=False).flat)
    with written_whole(path) as part, explained(path):
        figure.savefig(part, format=path.suffix[1:].lower(), dpi=_DPI, metadata=made_by(path))
