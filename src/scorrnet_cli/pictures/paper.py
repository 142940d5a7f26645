"""Figures for paper: panels of fields over the camera's images, with tidy axes and colour bars, by matplotlib."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from scorrnet_cli.errors import OutputError, not_installed
from scorrnet_cli.field import BoolArray, FloatArray
from scorrnet_cli.pictures.coarse import averaged
from scorrnet_cli.pictures.layout import INCH_PER_MM, figure_size
from scorrnet_cli.pictures.lettering import any_script, shorten_titles
from scorrnet_cli.pictures.scale import Scale
from scorrnet_cli.pictures.vectors import Arrows
from scorrnet_cli.version import __version__
from scorrnet_cli.writers.atomic import check_target, explained, written_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".pdf", ".svg")
"""Suffixes of still pictures."""
DPI = 300
_BAR_WIDTH_MM = 3.5
_CONTOURS = 10
_CONTOUR_PX = 320  # contours are taken from fields averaged down to this, so that noise does not fray them
_STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.size": 8.0,
    "axes.titlesize": 8.0,
    "axes.labelsize": 8.0,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.direction": "out",
    "ytick.direction": "out",
    "pdf.fonttype": 42,  # text stays text
    "svg.fonttype": "none",
}


@dataclass(frozen=True)
class Panel:
    """One field over one image.

    Attributes
    ----------
    title : str
    grey : (H, W) float32 or None
        The image below.
    values : (H, W) float32 or None
        In the unit of `scale`; NaN lets the image show.
    scale : Scale or None
        Given with `values`.
    symbol : str
        Of the quantity, in mathtext.
    outline : (H, W) bool or None
        An area to be outlined.
    arrows : Arrows or None
        Displacement at some points.
    """

    title: str
    grey: FloatArray | None
    values: FloatArray | None = None
    scale: Scale | None = None
    symbol: str = ""
    outline: BoolArray | None = None
    arrows: Arrows | None = None

    @property
    def label(self) -> str:
        """What the colour bar says."""
        assert self.scale is not None
        return f"${self.symbol}$ ({self.scale.unit})" if self.scale.unit else f"${self.symbol}$"


@dataclass(frozen=True)
class Style:
    """How a figure looks.

    Attributes
    ----------
    shape : tuple of int
        (H, W) of the images.
    mm_per_px : float or None
        With it, axes are in mm.
    contours : bool
        Whether lines of equal value are drawn.
    shared : bool
        Whether all panels of a column have one colour bar.
    note : str
        Small print below the panels.
    """

    shape: tuple[int, int]
    mm_per_px: float | None = None
    contours: bool = False
    shared: bool = False
    note: str = ""


def check_picture(path: Path, overwrite: bool, asked_by: str) -> None:
    """Make sure before working that a picture can be made.

    Parameters
    ----------
    path : Path
        The picture.
    overwrite : bool
        Whether a file of that name may be replaced.
    asked_by : str
        The command or option that it is for, for the error.

    Raises
    ------
    UsageError
        If matplotlib is not installed.
    OutputError
        If the picture exists and may not be replaced, or its folder cannot be written.
    """
    check_matplotlib(asked_by)
    check_target(path, overwrite)


def check_matplotlib(asked_by: str) -> None:
    """Raise UsageError if matplotlib is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        raise not_installed(f"{asked_by} needs matplotlib", "plot")


def save_figure(path: Path, figure: Figure) -> None:
    """Write a figure; its suffix, one of `SUFFIXES`, picks the format. It appears whole or not at all.

    Raises
    ------
    OutputError
        If it cannot be written, or no format has this suffix.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise OutputError("No picture has this suffix", str(path), f"Choose one of {', '.join(SUFFIXES)}")
    with styled(), written_whole(path) as part, explained(path):
        figure.savefig(part, format=suffix[1:], dpi=DPI, bbox_inches="tight", pad_inches=0.03, metadata=made_by(path))


def made_by(path: Path) -> dict[str, str] | None:
    """Return what a PNG says of itself, by which it is known as no camera's; None of other pictures."""
    return {"Software": f"scorrnet {__version__}"} if path.suffix.lower() == ".png" else None


def pixels(figure: Figure, dpi: float) -> Any:
    """Return a figure as (H, W, 3) uint8; all of one layout have one size."""
    with styled():
        figure.set_dpi(dpi)
        canvas: Any = figure.canvas
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()


@contextmanager
def styled() -> Iterator[None]:
    """Draw in our style, whatever the user's own settings are."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(cast("Any", _STYLE))
        with any_script():
            yield


def draw(panels: Sequence[Panel], columns: int, style: Style) -> Figure:
    """Make a figure of panels in rows of `columns`; all share their axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = math.ceil(len(panels) / columns)
    with styled():
        figure = Figure(
            figsize=figure_size(rows, columns, style.shape, shared=style.shared, note=bool(style.note)),
            layout="compressed",
        )
        FigureCanvasAgg(figure)
        grid = list(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat)
        for spare in grid[len(panels) :]:
            spare.set_axis_off()
        unit = "px" if style.mm_per_px is None else "mm"
        for index, (axes, panel) in enumerate(zip(grid, panels, strict=False)):
            _fill(axes, panel, style)
            if index % columns == 0:
                axes.set_ylabel(f"y ({unit})")
            if index + columns >= len(panels):
                axes.set_xlabel(f"x ({unit})")
                axes.tick_params(labelbottom=True)
        _add_bars(figure, grid, panels, style)
        if style.note:
            figure.supxlabel(style.note, fontsize=6.5, color="0.35")
        shorten_titles(figure, grid[: len(panels)], columns, shared_bar=style.shared)
    return figure


def _fill(axes: Axes, panel: Panel, style: Style) -> None:
    """Draw a panel."""
    height, width = style.shape
    mm = style.mm_per_px or 1.0
    extent = (-0.5 * mm, (width - 0.5) * mm, (height - 0.5) * mm, -0.5 * mm)
    axes.set_title(panel.title, parse_math=False)
    axes.set_facecolor("0.93")
    if panel.grey is not None:
        low, high = np.percentile(panel.grey, (0.5, 99.5))
        axes.imshow(panel.grey, cmap="gray", extent=extent, vmin=low, vmax=high)
    if panel.values is not None:
        assert panel.scale is not None
        shown = np.ma.masked_invalid(panel.values)
        axes.imshow(shown, cmap=_colour_map(panel.scale), vmin=panel.scale.low, vmax=panel.scale.high, extent=extent)
        if not np.isfinite(panel.values).any():
            axes.text(
                0.5,
                0.5,
                "not measured",
                transform=axes.transAxes,
                ha="center",
                va="center",
                bbox={"facecolor": "white", "edgecolor": "none"},
            )
        elif style.contours:
            _add_contours(axes, panel, mm)
    if panel.outline is not None and panel.outline.any() and not panel.outline.all():
        axes.contour(panel.outline, levels=[0.5], colors=["tab:orange"], linewidths=1.0, extent=extent, origin="upper")
    if panel.arrows is not None:
        panel.arrows.draw(axes, mm)
    axes.set(xlim=extent[:2], ylim=extent[2:], aspect="equal")


def _add_contours(axes: Axes, panel: Panel, mm: float) -> None:
    """Draw lines of equal value, labelled."""
    from matplotlib.patheffects import Normal, Stroke
    from matplotlib.ticker import MaxNLocator

    assert panel.values is not None and panel.scale is not None
    step = max(1, math.ceil(max(panel.values.shape) / _CONTOUR_PX))
    coarse = averaged(panel.values, step)
    if not np.isfinite(coarse).any():
        return
    y, x = (((np.arange(size) + 0.5) * step - 0.5) * mm for size in coarse.shape)
    low: float = max(panel.scale.low, float(np.nanmin(coarse)))
    high: float = min(panel.scale.high, float(np.nanmax(coarse)))
    levels = np.array(MaxNLocator(_CONTOURS).tick_values(low, high), np.float64)
    within = levels[(levels > low) & (levels < high)]
    if within.size:
        lines = axes.contour(
            x, y, np.ma.masked_invalid(coarse), levels=within, colors="k", linewidths=0.4, linestyles="-"
        )
        rim = [Stroke(linewidth=1.2, foreground="white"), Normal()]
        for label in axes.clabel(lines, fontsize=5.5, fmt="%g", inline_spacing=2):
            label.set_path_effects(rim)


def _add_bars(figure: Figure, grid: Sequence[Axes], panels: Sequence[Panel], style: Style) -> None:
    """Add colour bars: one for each panel, or one for all panels of a column that show the same quantity."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    bar_inch = _BAR_WIDTH_MM * INCH_PER_MM
    groups: dict[tuple[str, int], list[int]] = {}
    for index, panel in enumerate(panels):
        if panel.scale is not None:
            groups.setdefault((panel.symbol, 0 if style.shared else index), []).append(index)
    for members in groups.values():
        panel = panels[members[0]]
        assert panel.scale is not None
        colours = ScalarMappable(Normalize(panel.scale.low, panel.scale.high), _colour_map(panel.scale))
        how: dict[str, Any] = {"label": panel.label, "extend": "both", "extendfrac": 0.03}
        if not style.shared:
            bar = grid[members[0]].inset_axes((1.03, 0.0, 0.045, 1.0))
            figure.colorbar(colours, cax=bar, **how)
            continue
        around = list(grid) if len(groups) == 1 else [grid[index] for index in members]
        beside = len(groups) == 1 or members[-1] - members[0] < len(members)  # in one row
        length = figure.get_figheight() if beside else figure.get_figwidth()
        figure.colorbar(
            colours,
            ax=around,
            location="right" if beside else "bottom",
            fraction=0.05,
            aspect=length / len(groups) / bar_inch,
            pad=0.02,
            **how,
        )


def _colour_map(scale: Scale) -> Any:
    from matplotlib.colors import ListedColormap

    return ListedColormap(scale.colours / 255.0)
