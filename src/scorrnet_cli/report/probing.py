"""Probes for a report: read in every frame, drawn as curves, marked on the pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scorrnet_cli.field import DISPLACEMENTS
from scorrnet_cli.gauge import COMPONENTS, StrainSettings
from scorrnet_cli.layers import layers_of
from scorrnet_cli.pictures.quantities import QUANTITIES, Quantity
from scorrnet_cli.probes import Line, Point, Probe, Reading, Rectangle, check_followed
from scorrnet_cli.report.charts import Curve
from scorrnet_cli.snapshots import Snapshot
from scorrnet_cli.writers import StoredResult

_CHARTS: tuple[tuple[type[Probe], str, tuple[str, ...], str], ...] = (
    (Point, "Points: displacement", DISPLACEMENTS, "u"),
    (Line, "Extensometers: engineering strain", ("strain",), "exx"),
    (Rectangle, "Strain gauges: mean strain", COMPONENTS, "exx"),
)
"""Kind of probe, title, what is drawn of it, and the quantity whose unit that has."""


@dataclass(frozen=True)
class Value:
    """What a probe reads in a frame.

    Attributes
    ----------
    probe, name : str
        What is read where.
    value, sigma : float
        It and its standard uncertainty, px or 1; NaN if not known.
    like : Quantity
        Which has the unit that they are shown in.
    """

    probe: str
    name: str
    value: float
    sigma: float
    like: Quantity


class Probes:
    """Reads probes in one frame after the other.

    Parameters
    ----------
    probes : sequence of Probe
    result : StoredResult
        What they are read in.

    Raises
    ------
    UsageError
        If a probe lies outside of the image, or is a line where displacements are from frame to frame.
    """

    def __init__(self, probes: Sequence[Probe], result: StoredResult) -> None:
        for probe in probes:
            probe.check(result.shape[1:])
        if result.is_incremental:
            check_followed(probes)
        self._probes = probes
        self._between = " from frame to frame" if result.is_incremental else ""
        self._readings: list[list[Reading]] = [[] for _ in probes]

    def add(self, shown: Snapshot, gauge: StrainSettings) -> None:
        """Take in a frame, whose strain was taken as `gauge` says."""
        for probe, readings in zip(self._probes, self._readings, strict=True):
            layers = layers_of(shown, probe.box, strain=probe.of_strain, for_means=probe.of_means)
            readings.append(probe.read(layers, gauge))

    def curves(self, mm_per_px: float | None) -> list[tuple[str, list[Curve]]]:
        """Return title and curves of a chart for each kind of probe that there is."""
        charts = []
        for kind, title, names, like in _CHARTS:
            quantity = QUANTITIES[like]
            factor = quantity.factor(mm_per_px)
            curves = [
                Curve(f"{probe.name} {name}" if len(names) > 1 else probe.name, [factor * each[name] for each in read])
                for probe, read in zip(self._probes, self._readings, strict=True)
                if type(probe) is kind
                for name in names
            ]
            if curves:
                charts.append((f"{title}{self._between} ({quantity.unit(mm_per_px)})", curves))
        return charts

    def values(self) -> list[Value]:
        """Return what every probe reads in the last frame."""
        found = []
        for probe, (*_, reading) in zip(self._probes, self._readings, strict=True):
            for name, is_length in probe.quantities.items():
                if not name.startswith("sigma_"):
                    like = QUANTITIES["u" if is_length else "zncc" if name == "points" else "exx"]
                    found.append(Value(probe.name, name, reading[name], reading.get(f"sigma_{name}", math.nan), like))
        return found

    def marks(self) -> list[dict[str, object]]:
        """Return the name of each probe, and the corners, px, of the line that marks it on the pictures."""
        return [{"name": probe.name, "corners": _corners(probe)} for probe in self._probes]


def _corners(probe: Probe) -> list[tuple[float, float]]:
    if isinstance(probe, Point):
        return [(probe.x, probe.y)]
    if isinstance(probe, Line):
        return [(probe.x1, probe.y1), (probe.x2, probe.y2)]
    left, top, width, height = probe.box
    x, y = (left - 0.5, left + width - 0.5), (top - 0.5, top + height - 0.5)
    return [(x[0], y[0]), (x[1], y[0]), (x[1], y[1]), (x[0], y[1]), (x[0], y[0])]
