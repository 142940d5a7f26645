"""What ``scorrnet strain`` does: every frame of a result is read, its strain taken, and written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from scorrnet_cli.cli import console
from scorrnet_cli.cli.console import Talk
from scorrnet_cli.cli.summary import INCREMENTS, gauge_line, grid, strain_rows
from scorrnet_cli.errors import UsageError
from scorrnet_cli.field import Field
from scorrnet_cli.figures import FrameSummary, summarise
from scorrnet_cli.gauge import Strain
from scorrnet_cli.naming import is_hdf5
from scorrnet_cli.settings import Settings
from scorrnet_cli.strain import strain_of, too_wide
from scorrnet_cli.writers import add_strain, open_result

_GAUGE = ("strain_window_px", "strain_measure", "strain_order", "strain_weights")


def run(
    path: Path, output: Path | None, settings: Settings | None, said: Mapping[str, Any], overwrite: bool, talk: Talk
) -> None:
    """Add strain to a result, and print how it was taken and what the last frame has.

    Parameters
    ----------
    path : Path
        The result.
    output : Path, optional
        A copy to write in its place.
    settings : Settings, optional
        Where it says how strain is taken; the result's own if not given.
    said : mapping
        Settings that were given as options; None where not.
    overwrite : bool
        Whether another file at `output` may be replaced.
    talk : Talk

    Raises
    ------
    UsageError
        If there is no such result, or it is none that strain can be added to.
    OutputError
        If it cannot be written.
    """
    if not is_hdf5(path):
        raise UsageError("Strain is stored in HDF5 results only", str(path), "Measure again with -o NAME.h5")
    with open_result(path) as result:
        frames = result.shape[0]
        measured, increments = result.process.settings, result.is_incremental
    if settings:
        measured = replace(measured, **{name: getattr(settings, name) for name in _GAUGE})
    asked = measured.but(**said)
    last: list[FrameSummary] = []
    doubts: list[str] = []

    def take(field: Field) -> Strain:
        talk.doing(field.deformed[0].name)
        strain = strain_of(field, asked.gauge)
        if not doubts and (doubt := too_wide(asked.gauge, field.mask[0])):
            doubts.append(doubt)
        if not (last and field.deformed[0].failure):
            last[:] = [summarise(replace(field, strain_field=strain), 0.0)]
        talk.advance()
        return strain

    with talk.progress(frames):
        add_strain(path, asked.gauge, take, output, overwrite=overwrite)
    for doubt in doubts:
        talk.doubt(doubt)
    if talk.quiet:
        return
    summary = last[0]
    assert summary.strain is not None
    which = f"the last measured: {summary.image.name}" if summary.error is None else "none of them measured"
    values = strain_rows(summary.strain) if summary.error is None else []
    rows = [
        *([INCREMENTS] if increments else ()),
        ("strain", gauge_line(asked.gauge)),
        ("frames", f"{frames}, {which}"),
        *values,
    ]
    console.show(grid([*rows, ("written to", str(output or path))]))
