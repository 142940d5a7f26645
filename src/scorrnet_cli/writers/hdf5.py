"""Results as HDF5: NeXus for silx and h5web, and the same data as VTKHDF for ParaView.

The layout::

    /                       NXroot, default entry
    /entry                  NXentry, default displacement; format_version
      displacement          NXdata, signal u, auxiliary signal v, axes frame, y, x
        u, v, zncc, sigma_u, sigma_v    (T, H, W) float32, NaN where there is no value
        mask, valid                     (T, H, W) uint8, 0 or 1
        frame (T), y (H), x (W)         int64, counted from 0; y points down
      frames
        reference           name, sha256
        deformed            name (T), sha256 (T)
      process               NXprocess: program, version, date, device, weights and settings as JSON
    /VTKHDF                 ImageData with T steps; its arrays are links to those of displacement
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from scorrnet_cli.errors import UsageError
from scorrnet_cli.field import Field, FrameInfo, Process, Settings
from scorrnet_cli.writers.base import Header, Sink
from scorrnet_cli.writers.hdf5_file import CalmFile, uninterrupted

FORMAT_VERSION = 1
_FLOATS = {"u": "px", "v": "px", "zncc": "", "sigma_u": "px", "sigma_v": "px"}
_FLAGS = ("mask", "valid")
_DATA = "entry/displacement"
_FRAMES = "entry/frames"
_PROCESS = "entry/process"


class Hdf5Sink(Sink):
    """An HDF5 file of the layout above, each frame compressed as one chunk."""

    def __init__(self, path: Path, header: Header) -> None:
        self._raw = CalmFile(path)
        with uninterrupted():
            self._file = h5py.File(self._raw, "w")
        try:
            with self._writing() as file:
                _create_entry(file, header)
                _create_data(file, header)
                _create_vtkhdf(file, header)
                file.flush()
        except BaseException:
            self.close()
            raise

    def write(self, first: int, field: Field) -> None:
        """Write all arrays of `field` and the names of its images."""
        for index, info in enumerate(field.deformed):
            with self._writing() as file:
                data = file[_DATA]
                for name in _FLOATS:
                    data[name][first + index] = getattr(field, name)[index]
                for name in _FLAGS:
                    data[name][first + index] = getattr(field, name)[index].astype(np.uint8)
                deformed = file[f"{_FRAMES}/deformed"]
                deformed["name"][first + index] = info.name
                deformed["sha256"][first + index] = info.sha256
                file.flush()

    def close(self) -> None:
        """Close the file; OSError if not all of it could be written."""
        with self._writing() as file:
            file.close()
            self._raw.close()

    @contextmanager
    def _writing(self) -> Iterator[h5py.File]:
        """Give the file for a change; OSError if the disk has refused it, whatever HDF5 says."""
        try:
            with uninterrupted():
                yield self._file
        finally:
            self._raw.check()


def _create_entry(file: h5py.File, header: Header) -> None:
    """Make all groups but the data: who, when, how, and room for the names of the images."""
    file.attrs.update(NX_class="NXroot", default="entry")
    entry = file.create_group("entry")
    entry.attrs.update(NX_class="NXentry", default="displacement", format_version=FORMAT_VERSION)
    frames = _create_group(file, _FRAMES, "NXcollection")
    frames["reference/name"] = header.reference.name
    frames["reference/sha256"] = header.reference.sha256
    for name in ("name", "sha256"):
        frames.create_dataset(f"deformed/{name}", (header.n_frames,), h5py.string_dtype())
    for name in ("reference", "deformed"):
        frames[name].attrs["NX_class"] = "NXcollection"
    process = _create_group(file, _PROCESS, "NXprocess")
    process["program"] = "scorrnet"
    process["version"] = header.process.version
    process["date"] = header.process.date
    process["device"] = header.process.device
    process["weights"] = json.dumps(dict(header.process.weights))
    process["settings"] = header.process.settings.to_json()


def _create_data(file: h5py.File, header: Header) -> None:
    """Make the NXdata group with its axes, and its arrays filled with NaN and 0."""
    data = _create_group(file, _DATA, "NXdata")
    data.attrs["signal"] = "u"
    data.attrs["auxiliary_signals"] = ["v"]
    data.attrs["axes"] = ["frame", "y", "x"]
    for name, size, unit in zip(data.attrs["axes"], (header.n_frames, *header.shape), ("", "px", "px"), strict=True):
        data[name] = np.arange(size, dtype=np.int64)
        if unit:
            data[name].attrs["units"] = unit
    packing = {
        "shape": (header.n_frames, *header.shape),
        "chunks": (1, *header.shape),
        "compression": "gzip",
        "compression_opts": 1,
        "shuffle": True,
    }
    for name, unit in _FLOATS.items():
        array = data.create_dataset(name, dtype="f4", fillvalue=np.nan, **packing)
        array.attrs["interpretation"] = "image"
        if unit:
            array.attrs["units"] = unit
    for name in _FLAGS:
        data.create_dataset(name, dtype="u1", **packing).attrs["interpretation"] = "image"


def _create_vtkhdf(file: h5py.File, header: Header) -> None:
    """Make the group that VTK and ParaView read, as specified in VTKHDF 2.2.

    A 2-D image over time is stored as (T, H, W), which is the shape of our arrays, so that hard links suffice.
    But VTK takes a single step for a still image, of (H, W): for it the arrays are virtual, views of the data.
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
    points = vtk.create_group("PointData")
    arrays = {name: file[f"{_DATA}/{name}"] for name in (*_FLOATS, *_FLAGS)}
    if header.n_frames == 1:
        for name, array in arrays.items():
            view = h5py.VirtualLayout(header.shape, array.dtype)
            view[...] = h5py.VirtualSource(".", array.name, array.shape)[0]
            points.create_virtual_dataset(name, view)
        return
    steps = vtk.create_group("Steps")
    steps.attrs["NSteps"] = header.n_frames
    steps["Values"] = np.arange(header.n_frames, dtype=np.float64)
    for name, array in arrays.items():
        points[name] = array
        steps[f"PointDataOffsets/{name}"] = np.arange(header.n_frames, dtype=np.int64)


def _create_group(file: h5py.File, name: str, nx_class: str) -> h5py.Group:
    group = file.create_group(name)
    group.attrs["NX_class"] = nx_class
    return group


def read_hdf5(path: str | os.PathLike[str]) -> Field:
    """Read a whole result back.

    Parameters
    ----------
    path : path-like
        An HDF5 file written by scorrnet.

    Returns
    -------
    Field
        Equal in every array and name to what was written.

    Raises
    ------
    UsageError
        If the file is missing, is no result of scorrnet, or was written by a newer version of it.
    """
    with _opened(path) as file:
        data = file[_DATA]
        names = file[f"{_FRAMES}/deformed/name"].asstr()[...]
        hashes = file[f"{_FRAMES}/deformed/sha256"].asstr()[...]
        reference = file[f"{_FRAMES}/reference"]
        return Field(
            **{name: data[name][...] for name in _FLOATS},
            **{name: data[name][...].astype(bool) for name in _FLAGS},
            reference=FrameInfo(_text(reference, "name"), _text(reference, "sha256")),
            deformed=tuple(FrameInfo(name, sha256) for name, sha256 in zip(names, hashes, strict=True)),
            process=_read_process(file, path),
        )


def read_settings(path: str | os.PathLike[str]) -> Settings:
    """Read the settings a result was measured with.

    Raises
    ------
    UsageError
        As `read_hdf5` does, or if the settings are not known to this version.
    """
    with _opened(path) as file:
        return _read_process(file, path).settings


def _read_process(file: h5py.File, path: str | os.PathLike[str]) -> Process:
    """Return how the result was made."""
    process = file[_PROCESS]
    return Process(
        version=_text(process, "version"),
        date=_text(process, "date"),
        device=_text(process, "device"),
        weights=json.loads(_text(process, "weights")),
        settings=Settings.from_mapping(json.loads(_text(process, "settings")), str(path)),
    )


def _text(group: h5py.Group, name: str) -> str:
    """Return a scalar text dataset."""
    return str(group[name].asstr()[()])


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[Any]:
    """Open a result for reading; UsageError for everything that shows it is none."""
    try:
        with h5py.File(path, "r") as file:
            version = int(file["entry"].attrs["format_version"])
            if version > FORMAT_VERSION:
                raise UsageError(
                    f"The result has format {version}, this scorrnet reads up to {FORMAT_VERSION}",
                    str(path),
                    "Update scorrnet",
                )
            yield file
    except FileNotFoundError:
        raise UsageError("There is no such result", str(path), "Check the name and the folder") from None
    except (OSError, KeyError, ValueError) as error:
        raise UsageError(
            f"This is not a whole HDF5 result of scorrnet: {error}",
            str(path),
            "Give an .h5 file it has written",
        ) from error
