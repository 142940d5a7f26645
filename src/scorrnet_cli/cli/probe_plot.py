"""Curves of probes as a picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scorrnet_cli.layers import LayeredResult
from scorrnet_cli.pictures.charts import chart
from scorrnet_cli.pictures.lettering import any_script
from scorrnet_cli.probes import Line, Probe

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Row = dict[str, Any]
"""A line of the table by the names of its columns, lengths in the unit of the result."""

_LENGTHS = {"u": "u", "v": "v"}
_STRAINS = {"exx": "exx", "eyy": "eyy", "exy": "exy"}
_EXTENSION = {"strain": ""}
_STYLES = ("-", "--", ":")
_PERCENT = 100.0
_COVERAGE = 2.0  # standard uncertainties on each side of a curve, about 95 %
_MARKED = 40  # curves of fewer points show each


def draw(path: Path, probes: Sequence[Probe], rows: Iterable[Row], result: LayeredResult, *, profiles: bool) -> None:
    """Draw the rows of all probes: displacement and strain below each other, a colour for each probe.

    Parameters
    ----------
    path : Path
        The picture to write, in the format of its suffix; it appears whole or not at all.
    probes : sequence of Probe
    rows : iterable of dict
        As in the table.
    result : LayeredResult
        Where they are from: the unit, and how strain was taken.
    profiles : bool
        Whether the rows are profiles, drawn over the distance in the last frame that was measured, or curves over time;
        of a single frame the values stand side by side.

    Raises
    ------
    OutputError
        If the picture cannot be written.
    """
    from matplotlib.ticker import MaxNLocator

    rows = list(rows)
    across = "distance" if profiles else "frame" if result.times_s is None else "time"
    label = {"distance": f"distance ({result.unit})", "frame": "frame", "time": "time (s)"}[across]
    panels = _panels(probes, result, profiles=profiles)
    single = not profiles and len(result.frames) == 1
    with any_script(), chart(path, len(panels)) as (figure, axes):
        for axis, (names, title, factor) in zip(axes, panels, strict=True):
            for number, probe in enumerate(probes):
                mine = [row for row in rows if row["probe"] == probe.name]
                if profiles:
                    mine = [row for row in mine if row["frame"] == result.last]
                if any(name in row for row in mine for name in names):
                    x = None if single else _column(mine, across)
                    _curves(axis, x, mine, names, factor, f"C{number % 10}", probe.name)
            axis.set(ylabel=title)
            axis.grid(color="0.9", linewidth=0.6)
            axis.margins(x=0.1 if single else 0.01)
            axis.set_axisbelow(True)
            if across == "frame" and not single:
                axis.xaxis.set_major_locator(MaxNLocator(integer=True))
            _add_names(axis, below=single)
        if not single:
            _share_ends(axes, _column(rows, across))
            axes[-1].set_xlabel(label)
        what = "bars" if single else "bands"
        axes[0].set_title(f"{what}: two standard uncertainties on each side", loc="left", fontsize="small", color="0.4")
        if single or (profiles and len(result.frames) > 1):
            name = result.stored.deformed[result.last].name
            figure.suptitle(f"frame {result.last}: {name}", fontsize="medium", parse_math=False)


def _panels(
    probes: Sequence[Probe], result: LayeredResult, *, profiles: bool
) -> list[tuple[dict[str, str], str, float]]:
    """Return what each panel shows: quantities and their labels, its title, and what values are multiplied by."""
    between = "\nfrom frame to frame" if result.stored.is_incremental else ""
    gauge = f"{result.gauge.measure} strain{between} (%)\nVSG {result.gauge.vsg_size_px} px"
    moved = f"displacement{between}"
    panels: list[tuple[dict[str, str], str, float]] = []
    if profiles or not all(isinstance(probe, Line) for probe in probes):
        panels += [(_LENGTHS, f"{moved} ({result.unit})", 1.0), (_STRAINS, gauge, _PERCENT)]
    if not profiles and any(isinstance(probe, Line) for probe in probes):
        panels.append((_EXTENSION, "engineering strain (%)", _PERCENT))
    return panels


def _curves(
    axis: Axes,
    x: NDArray[np.float64] | None,
    rows: list[Row],
    names: dict[str, str],
    factor: float,
    colour: str,
    probe: str,
) -> None:
    """Draw the quantities of one probe, each with twice its standard uncertainty: over x, or side by side if None."""
    marker = "." if len(rows) < _MARKED else ""
    for (name, label), style in zip(names.items(), _STYLES, strict=False):
        y, sigma = (factor * _column(rows, part) for part in (name, f"sigma_{name}"))
        called = f"{probe}: {label}" if label else probe
        if x is None:
            beside = [len(axis.containers)]
            axis.errorbar(beside, y, np.nan_to_num(_COVERAGE * sigma), fmt="o", color=colour, capsize=4, label=called)
            continue
        axis.plot(x, y, style, marker=marker, color=colour, linewidth=1.2, label=called)
        axis.fill_between(x, y - _COVERAGE * sigma, y + _COVERAGE * sigma, color=colour, alpha=0.15, linewidth=0)


def _share_ends(axes: Sequence[Axes], x: NDArray[np.float64]) -> None:
    """Let all panels begin and end alike, also where some curves do not reach."""
    known = x[np.isfinite(x)]
    if known.size and known.min() < known.max():
        margin = 0.01 * (known.max() - known.min())
        for axis in axes:
            axis.set_xlim(known.min() - margin, known.max() + margin)


def _add_names(axis: Axes, *, below: bool) -> None:
    """Name the curves beside the panel, or points below it, as they are called.

    Matplotlib would leave out _a and typeset $b$.
    """
    if below:
        names = [str(container.get_label()) for container in axis.containers]
        axis.set_xticks(range(len(names)), names, rotation=30 if len(names) > 6 else 0)
        for text in axis.get_xticklabels():
            text.set_parse_math(False)
        return
    lines = axis.get_lines()
    names = [str(line.get_label()) for line in lines]
    legend = axis.legend(lines, names, fontsize="small", loc="upper left", bbox_to_anchor=(1.0, 1.02), frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)


def _column(rows: list[Row], name: str) -> NDArray[np.float64]:
    return np.array([row.get(name, np.nan) for row in rows], dtype=np.float64)
