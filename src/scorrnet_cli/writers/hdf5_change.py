"""HDF5 results to which something is added: a copy is changed, and takes the name of the result when it is whole."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import h5py

from scorrnet_cli.errors import OutputError, UsageError
from scorrnet_cli.field import Field
from scorrnet_cli.gauge import Strain, StrainSettings
from scorrnet_cli.naming import is_hdf5
from scorrnet_cli.settings import Settings
from scorrnet_cli.units import Calibration
from scorrnet_cli.writers.atomic import check_target, explained, written_whole
from scorrnet_cli.writers.hdf5_file import CalmFile, uninterrupted
from scorrnet_cli.writers.hdf5_read import DATA, FORMAT_VERSION, open_result
from scorrnet_cli.writers.hdf5_strain import create_strain, write_strain
from scorrnet_cli.writers.hdf5_units import create_times, write_scale, write_times

_SETTINGS = "entry/process/settings"


class Change:
    """A new file that becomes a changed result; made by `_change`."""

    def __init__(self, part: Path) -> None:
        self._raw = CalmFile(part)
        with uninterrupted():
            self._file = h5py.File(self._raw, "w")

    def make(self, action: Callable[[h5py.File], None]) -> None:
        """Change the file; OSError if the disk has refused it."""
        with self._raw.writing():
            action(self._file)
            self._file.flush()

    def close(self) -> None:
        """Let go of the file; OSError if not all of it could be written."""
        with self._raw.writing():
            self._file.close()
            self._raw.close()


def add_strain(
    path: Path,
    how: StrainSettings,
    take: Callable[[Field], Strain],
    output: Path | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Add strain to a result, frame by frame; what strain it had is replaced.

    Parameters
    ----------
    path : Path
        An HDF5 file written by scorrnet.
    how : StrainSettings
    take : callable
        Takes the strain of a frame in this way.
    output : Path, optional
        Where to write the result with its strain; the file itself is changed if not given.
    overwrite : bool
        Whether another file at `output` may be replaced.

    Raises
    ------
    UsageError
        If the file is no result, or but a view of others.
    OutputError
        If the disk is full or the file cannot be written; it is then as it was.
    """

    def work(change: Change) -> None:
        with open_result(path) as result:
            asked = result.process.settings.but(
                strain=True,
                strain_window_px=how.window_px,
                strain_measure=how.measure,
                strain_order=how.order,
                strain_weights=how.weights,
            )
            change.make(partial(_ask, settings=asked))
            change.make(lambda file: create_strain(file, how))
            for index in range(result.shape[0]):
                strain = take(result.frame(index, strain=False))
                change.make(partial(write_strain, frame=index, strain=strain))

    _change(path, output, overwrite, work)


def set_units(
    path: Path,
    calibration: Calibration | None = None,
    times: Sequence[float] | None = None,
    time_source: str = "",
    output: Path | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Say in a result how large a pixel is, when its images were taken, or both; what is not given stays.

    Parameters
    ----------
    path : Path
        An HDF5 file written by scorrnet.
    calibration : Calibration, optional
    times : sequence of float, optional
        When the T deformed images were taken, s.
    time_source : str
        Where that is known from.
    output, overwrite
        As for `add_strain`.

    Raises
    ------
    UsageError, OutputError
        As `add_strain` does.
    """

    def change_all(file: h5py.File) -> None:
        if calibration is not None:
            calibration.check_within(file[f"{DATA}/u"].shape[1:])
            write_scale(file, calibration)
        if times is not None:
            create_times(file, len(times), time_source)
            write_times(file, 0, times)

    _change(path, output, overwrite, lambda change: change.make(change_all))


def _change(path: Path, output: Path | None, overwrite: bool, work: Callable[[Change], None]) -> None:
    """Have a copy of a result changed, and give it the name of the result."""
    target = output or path
    if not is_hdf5(target):
        raise OutputError("An HDF5 result has another suffix", str(target), "Give a name that ends with .h5")
    with open_result(path) as result:
        if result.is_view:
            raise UsageError(
                "This is a view of frames in other files",
                str(path),
                "Wait for the result itself, or make it one with scorrnet merge --copy",
            )
    check_target(target, overwrite or os.path.realpath(target) == os.path.realpath(path))
    with written_whole(target) as part, explained(target):
        change = Change(part)
        try:
            change.make(partial(_copy, path=path))
            change.make(_modernise)
            work(change)
        finally:
            change.close()


def _copy(file: h5py.File, path: Path) -> None:
    """Copy a result into an empty file, without the space that what was replaced in it has left."""
    with h5py.File(path, "r") as result:
        file.attrs.update(result.attrs)
        result.copy("/", file, "whole")  # at once, for that keeps arrays one that have several names
    for name in list(file["whole"]):
        file.move(f"whole/{name}", name)
    del file["whole"]


def _ask(file: h5py.File, settings: Settings) -> None:
    """Say in a result by which settings all of it is made."""
    del file[_SETTINGS]
    file[_SETTINGS] = settings.to_json()


def _modernise(file: h5py.File) -> None:
    """Say that the file is of the present format, which differs from earlier ones in what it may have."""
    file["entry"].attrs["format_version"] = FORMAT_VERSION
