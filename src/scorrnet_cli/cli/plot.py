"""A picture of a measurement: the reference with the mask's outline, u, v and zncc."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scorrnet_cli.errors import UsageError
from scorrnet_cli.field import Field, FloatArray
from scorrnet_cli.writers.atomic import check_target, explained, written_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANEL_INCH = 4.2
_LONG_PANEL_INCH = 7.0
_NARROW_PANEL_INCH = 0.8
_DPI = 150
_UNSIGNED_MAP = "viridis"
_SIGNED_MAP = "RdBu_r"


def check_plot(path: Path, overwrite: bool) -> None:
    """Make sure before measuring that a picture can be made.

    Raises
    ------
    UsageError
        If matplotlib is not installed.
    OutputError
        If the picture exists and may not be replaced, or its folder cannot be written.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError("--plot needs matplotlib", "", "Install it with pip install 'scorrnet[plot]'")
    check_target(path, overwrite)


def save_plot(path: Path, grey: FloatArray, field: Field) -> None:
    """Draw a field of one frame.

    Parameters
    ----------
    path : Path
        The PNG to write; it appears whole or not at all.
    grey : (H, W) float32
        The reference image.
    field : Field
        T = 1; u, v in px.

    Raises
    ------
    OutputError
        If the picture cannot be written.
    """
    figure = draw(grey, field)
    with written_whole(path) as part, explained(path):
        figure.savefig(part, format="png", dpi=_DPI)


def draw(grey: FloatArray, field: Field) -> Figure:
    """Make the figure of :func:`save_plot`: four panels that share their axes, in px."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height, width = grey.shape
    rows, columns = _arrangement(width / height)
    inch_per_px = (_PANEL_INCH if rows == columns else _LONG_PANEL_INCH) / max(height, width)
    panel_width, panel_height = (max(side * inch_per_px, _NARROW_PANEL_INCH) for side in (width, height))
    size = (columns * (panel_width + 0.9), rows * (panel_height + 0.4))
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    panels: list[Axes] = list(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat)
    for index, panel in enumerate(panels):
        panel.imshow(grey, cmap="gray", interpolation="nearest")
        if index % columns == 0:
            panel.set_ylabel("y (px)")
        if index // columns == rows - 1:
            panel.set_xlabel("x (px)")
    panels[0].set_title(f"{field.reference.name}: mask", fontsize="medium")
    mask = field.mask[0]
    if mask.any() and not mask.all():
        panels[0].contour(mask, levels=[0.5], colors=["tab:orange"], linewidths=1.0)
    deformed = field.deformed[0].name
    for panel, name, unit in zip(panels[1:], ("u", "v", "zncc"), (" (px)", " (px)", ""), strict=True):
        panel.set_title(f"{deformed}: {name}", fontsize="medium")
        _overlay(figure, panel, getattr(field, name)[0], f"{name}{unit}", signed=name != "zncc")
    return figure


def _arrangement(aspect: float) -> tuple[int, int]:
    """Choose rows and columns of four panels so that the picture stays near to square."""
    if aspect > 2.5:
        return 4, 1
    return (1, 4) if aspect < 0.5 else (2, 2)


def _overlay(figure: Figure, panel: Axes, values: FloatArray, label: str, *, signed: bool) -> None:
    """Lay a quantity over the grey image, which shows where it is NaN, and add its colour bar."""
    low, high = limits(values, signed=signed)
    colours = _SIGNED_MAP if signed and low < 0.0 < high else _UNSIGNED_MAP
    shown: NDArray[Any] = np.ma.masked_invalid(values)
    image = panel.imshow(shown, cmap=colours, vmin=low, vmax=high, interpolation="nearest")
    bar = panel.inset_axes((1.03, 0.0, 0.045, 1.0))
    figure.colorbar(image, cax=bar, label=label, extend="both", extendfrac=0.03)


def limits(values: FloatArray, *, signed: bool) -> tuple[float, float]:
    """Choose the limits of a colour scale: 2 to 98 % of the known values.

    Parameters
    ----------
    values : (H, W) float32
        NaN where unknown.
    signed : bool
        Whether zero is a middle: limits that straddle it are made symmetric.
    """
    known = values[np.isfinite(values)]
    if not known.size:
        return 0.0, 1.0
    low, high = (float(edge) for edge in np.percentile(known, (2.0, 98.0)))
    if signed and low < 0.0 < high:
        high = max(-low, high)
        low = -high
    if high - low < 1e-6:
        low, high = low - 1e-3, high + 1e-3
    return low, high
