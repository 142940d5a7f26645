"""Results as HDF5: NeXus for silx and h5web, and the same data as VTKHDF for ParaView.

The layout::

    /                       NXroot, default entry
    /entry                  NXentry, default displacement; format_version
      displacement          NXdata, signal u, auxiliary signal v, axes frame, y, x
        u, v, zncc, sigma_u, sigma_v    (T, H, W) float32, NaN where there is no value
        mask, valid, fallback           (T, H, W) uint8, 0 or 1
        frame (T), y (H), x (W)         int64, counted from 0; y points down
      frames
        reference           name, sha256
        deformed            name (T), sha256 (T), status (T) uint8: 1 measured, 2 failed, 0 not yet looked at;
                            reason (T), why it failed; reference_frame (T) int32, the frame it was compared with,
                            -1 the reference. Displacements are those from the reference, unless the setting
                            ``increments`` is true: then they are those from that frame, at its pixels
      process               NXprocess: program, version, date, device, weights and settings as JSON, mask_sha256
    /entry/strain           if asked for, see `hdf5_strain`; the scale of the images and their times: `hdf5_units`
    /VTKHDF                 ImageData with T steps; its arrays are links to those of displacement and strain
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from scorrnet_cli.errors import UsageError
from scorrnet_cli.field import Field
from scorrnet_cli.gauge import ARRAYS
from scorrnet_cli.writers.base import Header, Sink
from scorrnet_cli.writers.hdf5_file import CalmFile, uninterrupted
from scorrnet_cli.writers.hdf5_make import STRAIN, create_array, create_group, create_image, show_in_vtk
from scorrnet_cli.writers.hdf5_read import (
    DATA,
    FAILED,
    FLAGS,
    FLOATS,
    FORMAT_VERSION,
    FRAMES,
    MEASURED,
    PROCESS,
    open_result,
)
from scorrnet_cli.writers.hdf5_strain import create_strain, write_strain
from scorrnet_cli.writers.hdf5_units import create_times, read_times, tell_vtk, write_scale, write_times

_COLUMNS = {
    "name": h5py.string_dtype(),
    "sha256": h5py.string_dtype(),
    "status": "u1",
    "reason": h5py.string_dtype(),
    "reference_frame": "i4",
}


class Hdf5Sink(Sink):
    """An HDF5 file of the layout above, each frame compressed as one chunk."""

    def __init__(self, path: Path, header: Header) -> None:
        self._raw = CalmFile(path)
        with uninterrupted():
            self._file = h5py.File(self._raw, "w")
        try:
            with self._writing() as file:
                _create_all(file, header)
                file.flush()
        except BaseException:
            self.close()
            raise

    def write(self, first: int, field: Field) -> None:
        """Write all arrays of `field` and the names of its images."""
        strain = field.strain_field
        for index, info in enumerate(field.deformed):
            with self._writing() as file:
                data = file[DATA]
                for name in FLOATS:
                    data[name][first + index] = getattr(field, name)[index]
                for name in FLAGS:
                    data[name][first + index] = getattr(field, name)[index].astype(np.uint8)
                deformed = file[f"{FRAMES}/deformed"]
                deformed["name"][first + index] = info.name
                deformed["sha256"][first + index] = info.sha256
                deformed["status"][first + index] = FAILED if info.failure else MEASURED
                deformed["reason"][first + index] = info.failure
                deformed["reference_frame"][first + index] = info.reference_frame
                write_times(file, first + index, [info.at_s])
                if STRAIN in file:
                    write_strain(file, first + index, None if strain is None else strain[index : index + 1])
                file.flush()

    def take(self, first: int, path: Path) -> None:
        """Copy the frames of another file as they lie there, without unpacking them."""
        with self._writing() as file, h5py.File(path, "r") as source:
            count = len(source[f"{FRAMES}/deformed/name"])
            images = [f"{DATA}/{name}" for name in (*FLOATS, *FLAGS)]
            images += [f"{STRAIN}/{name}" for name in ARRAYS if STRAIN in file]
            for name in images:
                for index in range(count):
                    skipped, chunk = source[name].id.read_direct_chunk((index, 0, 0))
                    file[name].id.write_direct_chunk((first + index, 0, 0), chunk, skipped)
            for name in _COLUMNS:
                file[f"{FRAMES}/deformed"][name][first : first + count] = source[f"{FRAMES}/deformed"][name][...]
            write_times(file, first, read_times(source, count)[0])
            file.flush()

    def close(self) -> None:
        """Close the file; OSError if not all of it could be written."""
        with self._writing() as file:
            file.close()
            self._raw.close()

    @contextmanager
    def _writing(self) -> Iterator[h5py.File]:
        """Give the file for a change; OSError if the disk has refused it, whatever HDF5 says."""
        with self._raw.writing():
            yield self._file


def write_view(path: Path, header: Header, parts: Sequence[str], times: Sequence[float | None] = ()) -> None:
    """Write a file of the layout above that holds nothing but shows the frames of other files, as virtual data sets.

    Parameters
    ----------
    path : Path
        The file, new or empty.
    header : Header
        With as many frames as there are parts.
    parts : sequence of str
        Results of one frame each, by their names in the folder of `path`. One that does not exist (yet) shows
        as NaN, 0 and status 0.
    times : sequence of (float or None), optional
        When the images were taken, s, for VTK, which takes no virtual array for it.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    raw = CalmFile(path)
    with raw.writing():
        with h5py.File(raw, "w") as file:
            _create_all(file, header, parts)
            tell_vtk(file, times)
        raw.close()


def read_view(path: Path) -> tuple[Header, list[str]]:
    """Read back what `write_view` was given.

    Raises
    ------
    UsageError
        If the file is no result, or holds its frames itself.
    """
    with open_result(path) as result:
        if not result.is_view:
            raise UsageError("This result is in one piece already", str(path))
        frames, height, width = result.shape
        header = Header(
            (height, width), frames, result.reference, result.process, result.calibration, result.time_source
        )
        return header, result.parts


def _create_all(file: h5py.File, header: Header, parts: Sequence[str] = ()) -> None:
    """Make the whole layout; with `parts` the arrays are views of these files."""
    _create_entry(file, header, parts)
    _create_data(file, header, parts)
    _create_vtkhdf(file, header)
    write_scale(file, header.calibration)
    create_times(file, header.n_frames, header.time_source, parts)
    if header.process.settings.strain:
        create_strain(file, header.process.settings.gauge, parts)


def _create_entry(file: h5py.File, header: Header, parts: Sequence[str]) -> None:
    """Make all groups but the data: who, when, how, and room for the names of the images."""
    file.attrs.update(NX_class="NXroot", default="entry")
    entry = file.create_group("entry")
    entry.attrs.update(NX_class="NXentry", default="displacement", format_version=FORMAT_VERSION)
    frames = create_group(file, FRAMES, "NXcollection")
    frames["reference/name"] = header.reference.name
    frames["reference/sha256"] = header.reference.sha256
    deformed = frames.create_group("deformed")
    for name, dtype in _COLUMNS.items():
        create_array(deformed, name, (header.n_frames,), dtype, parts)
    for name in ("reference", "deformed"):
        frames[name].attrs["NX_class"] = "NXcollection"
    process = create_group(file, PROCESS, "NXprocess")
    process["program"] = "scorrnet"
    process["version"] = header.process.version
    process["date"] = header.process.date
    process["device"] = header.process.device
    process["weights"] = json.dumps(dict(header.process.weights))
    process["settings"] = header.process.settings.to_json()
    process["mask_sha256"] = header.process.mask_sha256


def _create_data(file: h5py.File, header: Header, parts: Sequence[str]) -> None:
    """Make the NXdata group with its axes, and its arrays filled with NaN and 0."""
    data = create_group(file, DATA, "NXdata")
    data.attrs["signal"] = "u"
    data.attrs["auxiliary_signals"] = ["v"]
    data.attrs["axes"] = ["frame", "y", "x"]
    for name, size, unit in zip(data.attrs["axes"], (header.n_frames, *header.shape), ("", "px", "px"), strict=True):
        data[name] = np.arange(size, dtype=np.int64)
        if unit:
            data[name].attrs["units"] = unit
    shape = (header.n_frames, *header.shape)
    for name, unit in FLOATS.items():
        array = create_image(data, name, shape, "f4", parts, fillvalue=np.nan)
        if unit:
            array.attrs["units"] = unit
    for name in FLAGS:
        create_image(data, name, shape, "u1", parts)


def _create_vtkhdf(file: h5py.File, header: Header) -> None:
    """Make the group that VTK and ParaView read, as specified in VTKHDF 2.2.

    The second column of the direction matrix turns y down, the third keeps the axes right-handed.
    """
    height, width = header.shape
    vtk = file.create_group("VTKHDF")
    vtk.attrs["Version"] = np.array([2, 2], np.int64)
    vtk.attrs["Type"] = np.bytes_("ImageData")  # fixed length, as VTK requires
    vtk.attrs["WholeExtent"] = np.array([0, width - 1, 0, height - 1, 0, 0], np.int64)
    vtk.attrs["Origin"] = np.zeros(3)
    vtk.attrs["Spacing"] = np.ones(3)
    vtk.attrs["Direction"] = np.diag([1.0, -1.0, -1.0]).ravel()
    if header.n_frames > 1:
        steps = vtk.create_group("Steps")
        steps.attrs["NSteps"] = header.n_frames
        steps["Values"] = np.arange(header.n_frames, dtype=np.float64)
    show_in_vtk(vtk, {name: file[f"{DATA}/{name}"] for name in (*FLOATS, *FLAGS)})
