"""Probes read frame by frame, as a table in CSV and as a picture."""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from scorrnet_cli.cli.console import Talk
from scorrnet_cli.cli.probe_plot import Row, draw
from scorrnet_cli.cli.summary import gauge_line
from scorrnet_cli.errors import OutputError, UsageError
from scorrnet_cli.layers import LayeredResult, Layers, open_layers
from scorrnet_cli.pictures.charts import check_chart
from scorrnet_cli.probes import Line, Point, Probe, Rectangle, check_followed, profile
from scorrnet_cli.writers.atomic import check_target, explained, written_whole
from scorrnet_cli.writers.own import check_spares

ALIKE_SHARE = 0.95  # of the most points of a rectangle that are valid in a frame
_PLACE = ("x", "y")  # in px whatever the scale: a place in the image


@dataclass(frozen=True)
class Request:
    """What is read, and where it goes.

    Attributes
    ----------
    result : Path
        The result.
    frames : str
        Which frames, see `open_layers`.
    output : Path or None
        The CSV; None stands for stdout.
    plot : Path or None
        The picture.
    overwrite : bool
        Whether earlier files may be replaced.
    """

    result: Path
    frames: str
    output: Path | None
    plot: Path | None
    overwrite: bool

    def check(self) -> None:
        """Make sure, before anything is read, that both files can be written; OutputError or UsageError if not."""
        if self.output:
            if self.output.suffix.lower() not in ("", ".csv", ".txt"):
                raise OutputError("No table has this suffix", str(self.output), "Choose .csv")
            check_target(self.output, self.overwrite)
        if self.plot:
            check_chart(self.plot, self.overwrite)


def run(request: Request, probes: Sequence[Probe], talk: Talk, *, profiles: bool) -> None:
    """Read all probes in every frame, write them as CSV, and draw them if asked to.

    Parameters
    ----------
    request : Request
    probes : sequence of Probe
        Lines if `profiles`.
    talk : Talk
        Where notes and progress go.
    profiles : bool
        Whether what lies along the lines is read, and not their lengths.

    Raises
    ------
    ScorrnetError
        If the result cannot be read, a probe lies outside of it, or a file cannot be written.
    """
    request.check()
    names = [probe.name for probe in probes]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError("Two places have the same name", twice[0], "Give each a NAME of its own")
    with open_layers(request.result, request.frames) as result:
        for path in filter(None, (request.output, request.plot)):
            check_spares(path, result.stored)
        for probe in probes:
            probe.check(result.shape)
        if result.stored.is_incremental:
            if not profiles:
                check_followed(probes)
            talk.note("values are from frame to frame, at the pixels of the frame before")
        if profiles or any(probe.of_strain for probe in probes):
            talk.note(f"strain: {gauge_line(result.gauge)}")
        rows: list[Row] = []
        with _opened(request.output) as file, talk.progress(len(result.frames)):
            columns = _columns(probes, result, profiles=profiles)
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns.values())
            for row in _rows(result, probes, talk, profiles=profiles):
                writer.writerow([_cell(row.get(name)) for name in columns])
                rows.append(row)
        _tell_of_gaps(probes, rows, talk, profiles=profiles)
        if request.plot:
            draw(request.plot, probes, rows, result, profiles=profiles)


def _columns(probes: Sequence[Probe], result: LayeredResult, *, profiles: bool) -> dict[str, str]:
    """Return the names of the columns, and their titles, which tell the unit of lengths and times."""
    start = {"frame": "frame", "image": "image"}
    if result.times_s is not None:
        start["time"] = "time_s"
    if profiles:
        place = {"distance": f"distance_{result.unit}"} | {name: f"{name}_px" for name in _PLACE}
        return start | {"probe": "probe"} | place | _titles(Point, result)
    columns = start | {"probe": "probe", "kind": "kind"}
    for probe in probes:
        columns |= _titles(type(probe), result)
    return columns


def _titles(kind: type[Probe], result: LayeredResult) -> dict[str, str]:
    return {name: f"{name}_{result.unit}" if is_length else name for name, is_length in kind.quantities.items()}


def _rows(result: LayeredResult, probes: Sequence[Probe], talk: Talk, *, profiles: bool) -> Iterator[Row]:
    """Give the rows of one frame after the other."""
    for index in result.frames:
        start: Row = {"frame": index, "image": result.stored.deformed[index].name}
        if result.times_s is not None:
            start["time"] = result.times_s[index]
        for probe in probes:
            layers = result.layers(index, probe.box, strain=profiles or probe.of_strain, for_means=probe.of_means)
            row = start | {"probe": probe.name}
            if profiles and isinstance(probe, Line):
                yield from (row | values for values in _profile_rows(probe, layers, result))
            else:
                yield row | {"kind": probe.kind} | _scaled(probe.read(layers, result.gauge), type(probe), result)
        talk.advance()


def _profile_rows(line: Line, layers: Layers, result: LayeredResult) -> Iterator[Row]:
    values = profile(line, layers)
    for point in zip(*values.values(), strict=True):
        row = dict(zip(values, map(float, point), strict=True))
        yield _scaled(row, Point, result) | {"distance": row["distance"] * result.factor}


def _scaled(reading: Row, kind: type[Probe], result: LayeredResult) -> Row:
    """Put lengths into the unit of the result."""
    return {name: value * result.factor if kind.quantities.get(name) else value for name, value in reading.items()}


def _tell_of_gaps(probes: Sequence[Probe], rows: list[Row], talk: Talk, *, profiles: bool) -> None:
    """Say which probes have no value in some frames or all: they lie off the surface, or are lost with part of it."""
    for probe in probes:
        mine = [row for row in rows if row["probe"] == probe.name]
        known = [row for row in mine if math.isfinite(row.get("strain" if isinstance(probe, Line) else "u", math.nan))]
        if not any(math.isfinite(row.get(name, math.nan)) for row in mine for name in ("u", "u1", "u2")):
            talk.warn(f"{probe.name}: nothing is valid there in any frame")
        elif isinstance(probe, Line) and not profiles and not any(math.isfinite(row["strain"]) for row in mine):
            talk.warn(f"{probe.name}: its two ends are not valid together in any frame")
        elif not profiles and len(known) < len(mine):
            talk.note(f"{probe.name}: valid in {len(known)} of {len(mine)} frames, the last is {known[-1]['image']}")
        points = [row["points"] for row in known if "points" in row]
        if points and min(points) < ALIKE_SHARE * max(points):
            what = f"{min(points):.0f} to {max(points):.0f} points are valid, so that means are of different parts"
            talk.note(f"{probe.name}: {what}")
        elif isinstance(probe, Rectangle) and points and max(points) < ALIKE_SHARE * probe.width * probe.height:
            talk.note(f"{probe.name}: {max(points):.0f} of its {probe.width * probe.height} points are valid")


def _cell(value: Any) -> Any:
    """Write a number with 9 digits, whole ones as such; what is not known stays empty."""
    if not isinstance(value, float):
        return value
    return f"{value:.9g}" if math.isfinite(value) else ""


@contextmanager
def _opened(path: Path | None) -> Iterator[TextIO]:
    """Open the CSV, which appears whole or not at all, or give stdout."""
    if path is None:
        yield sys.stdout
        return
    with written_whole(path) as part, explained(path), part.open("w", encoding="utf-8", newline="") as file:
        yield file
