"""HDF5 results read back: whole, frame by frame, or how they were made."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np

try:
    import resource
except ImportError:  # on Windows, which has no such limit
    resource = None  # type: ignore[assignment]

from scorrnet_cli.errors import OutputError, UsageError
from scorrnet_cli.field import BoolArray, Field, FrameInfo, Process
from scorrnet_cli.gauge import StrainSettings
from scorrnet_cli.settings import Settings
from scorrnet_cli.writers.hdf5_make import DATA as DATA
from scorrnet_cli.writers.hdf5_strain import read_strain, read_strain_settings
from scorrnet_cli.writers.hdf5_units import read_scale, read_times

FORMAT_VERSION = 2
"""2 came with strain, scale, times and `fallback`; all of these may be missing, as they are in files of format 1."""
FLOATS = {"u": "px", "v": "px", "zncc": "", "sigma_u": "px", "sigma_v": "px"}
"""The arrays of numbers and their units."""
FLAGS = ("mask", "valid", "fallback")
FRAMES = "entry/frames"
PROCESS = "entry/process"
_OTHER_FILES = 200  # that a process may have open beside those of a view
RUN = "run.json"
"""Lies beside the frames of a run that has not ended, see `batch.parts`."""
MEASURED, FAILED = 1, 2
"""What `status` says of an image; 0 is one that has not been looked at."""


class StoredResult:
    """A result that lies in a file, of which one frame at a time is read; made by `open_result`.

    Attributes
    ----------
    path : str
        The file.
    shape : tuple of int
        Frames, height and width: (T, H, W).
    reference : FrameInfo
        The reference image.
    deformed : tuple of FrameInfo
        The T deformed images.
    process : Process
        How the result was made.
    calibration : Calibration or None
        The scale of the images, if it is known.
    time_source : str
        Where the times of the images are known from; empty if they are not.
    gauge : StrainSettings or None
        How its strain was taken; None if it has none.
    is_view : bool
        Whether it only shows the frames of other files.
    is_incremental : bool
        Whether displacements are from frame to frame, each at the pixels of `image_under`, and not from the reference.
    """

    def __init__(self, file: Any, path: str) -> None:
        self._file = file
        self._data = file[DATA]
        self.path = path
        frames, height, width = self._data["u"].shape
        self.shape: tuple[int, int, int] = frames, height, width
        reference = file[f"{FRAMES}/reference"]
        self.reference = FrameInfo(_text(reference, "name"), _text(reference, "sha256"))
        times, self.time_source = read_times(file, frames)
        self.deformed = tuple(
            replace(info, at_s=time)
            for info, time in zip(_read_deformed(file[f"{FRAMES}/deformed"]), times, strict=True)
        )
        self.process = _read_process(file, path)
        self.calibration = read_scale(file)
        self.gauge: StrainSettings | None = read_strain_settings(file)
        self.is_view = bool(self._data["u"].is_virtual)
        later = any(info.reference_frame >= 0 for info in self.deformed)
        self.is_incremental = later and self.process.settings.increments

    @property
    def parts(self) -> list[str]:
        """The files whose frames are shown, by their names beside this one; none if it holds its frames itself."""
        sources = self._data["u"].virtual_sources() if self.is_view else []
        return [source.file_name.replace("%%", "%") for source in sources]

    def image_under(self, index: int) -> FrameInfo | None:
        """Return the image at whose pixels the arrays of a frame lie; None if this file does not know it."""
        place = self.deformed[index].reference_frame if self.is_incremental else -1
        if place >= index:  # one frame of a sequence, by itself
            return None
        return self.reference if place < 0 else self.deformed[place]

    @cached_property
    def files(self) -> set[str]:
        """The names of the files that held the images."""
        return {name for info in (self.reference, *self.deformed) for name in (info.name, info.place[0])}

    def name_under(self, index: int) -> str:
        """Return the name of that image, or what it is if this file does not know it."""
        image = self.image_under(index)
        return "the image before" if image is None else image.name

    def mask(self, frames: Iterable[int]) -> BoolArray:
        """Return the pixels (H, W) that belong to the mask of any of some frames."""
        mask = np.zeros(self.shape[1:], bool)
        with _explained(self.path):
            for index in frames:
                mask |= self._flag("mask", slice(index, index + 1))[0]
        return mask

    def frame(self, index: int, *, strain: bool = True) -> Field:
        """Read one frame, counted from 0: a field with T = 1."""
        return self.frames(slice(index, index + 1), strain=strain)

    def frames(self, chosen: slice = slice(None), *, strain: bool = True) -> Field:
        """Read several frames, all if not told which, with or without the strain that is stored."""
        with _explained(self.path):
            arrays: dict[str, Any] = {name: self._data[name][chosen] for name in FLOATS}
            arrays |= {name: self._flag(name, chosen) for name in FLAGS}
            return Field(
                **arrays,
                reference=self.reference,
                deformed=self.deformed[chosen],
                process=self.process,
                calibration=self.calibration,
                time_source=self.time_source,
                strain_field=read_strain(self._file, chosen) if strain else None,
            )

    def _flag(self, name: str, chosen: slice) -> BoolArray:
        """Read a flag; files of format 1 have no `fallback`."""
        flags: BoolArray = self._data[name if name in self._data else "valid"][chosen].astype(bool)
        return flags if name in self._data else np.zeros_like(flags)


@contextmanager
def open_result(path: str | os.PathLike[str]) -> Iterator[StoredResult]:
    """Open a result to read it frame by frame.

    Parameters
    ----------
    path : path-like
        An HDF5 file written by scorrnet.

    Raises
    ------
    UsageError
        If the file is missing, is no result of scorrnet, or was written by a newer version of it.
    OutputError
        If it shows frames of files that are missing, those of a run that has not ended excepted, or of more files than
        may be open at once.
    """
    with ExitStack() as stack:
        with _explained(path):
            file = stack.enter_context(_opened(path))
            if file[f"{DATA}/u"].is_virtual:
                _let_open(len(file[f"{DATA}/u"].virtual_sources()), str(path))
            result = StoredResult(file, str(path))
        _check_parts(result)
        yield result


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
    UsageError, OutputError
        As `open_result` does.
    """
    with open_result(path) as result:
        return result.frames()


def read_process(path: str | os.PathLike[str]) -> Process:
    """Read how a result was made.

    Raises
    ------
    UsageError
        As `open_result` does, or if the settings are not known to this version.
    """
    with _explained(path), _opened(path) as file:
        return _read_process(file, path)


def _check_parts(result: StoredResult) -> None:
    """Raise OutputError if files whose frames a result shows are missing: HDF5 reads them as if they were empty."""
    path = Path(result.path)
    folders = {path.parent, path.resolve().parent}  # HDF5 looks beside a link and beside the file it leads to
    if any((folder / RUN).exists() for folder in folders):
        return
    parts = result.parts
    if missing := [name for name in parts if not any((folder / name).exists() for folder in folders)]:
        raise OutputError(
            f"{len(missing)} of {len(parts)} shards are missing",
            str(path.parent / missing[0]),
            "Put them back where they were written, or copy their folder along with the result",
        )


def _let_open(count: int, path: str) -> None:
    """Let so many files be open at once: HDF5 keeps those of a view open, and takes what it cannot open for missing."""
    if resource is None:
        return
    needed = count + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        what = f"The result shows frames of {count} files, but a process may open {hard} only"
        raise OutputError(what, path, "Let it open more (ulimit -n)")
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _read_deformed(group: h5py.Group) -> tuple[FrameInfo, ...]:
    """Return which images were measured; the first files of format 1 tell less of them."""
    names, digests = (group[name].asstr()[...] for name in ("name", "sha256"))
    reasons = group["reason"].asstr()[...] if "reason" in group else np.full(len(names), "")
    references = group["reference_frame"][...] if "reference_frame" in group else np.full(len(names), -1)
    rows = zip(names, digests, reasons, references, strict=True)
    return tuple(
        FrameInfo(str(name), str(digest), str(why), reference_frame=int(place)) for name, digest, why, place in rows
    )


def _read_process(file: h5py.File, path: str | os.PathLike[str]) -> Process:
    """Return how the result was made."""
    process = file[PROCESS]
    return Process(
        version=_text(process, "version"),
        date=_text(process, "date"),
        device=_text(process, "device"),
        weights=json.loads(_text(process, "weights")),
        settings=Settings.from_mapping(json.loads(_text(process, "settings")), str(path)),
        mask_sha256=_text(process, "mask_sha256") if "mask_sha256" in process else "",
    )


def _text(group: h5py.Group, name: str) -> str:
    """Return a scalar text dataset."""
    return str(group[name].asstr()[()])


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[Any]:
    """Open a result for reading; UsageError if it is newer than this program."""
    with h5py.File(path, "r") as file:
        version = int(file["entry"].attrs["format_version"])
        if version > FORMAT_VERSION:
            what = f"The result has format {version}, this scorrnet reads up to {FORMAT_VERSION}"
            raise UsageError(what, str(path), "Update scorrnet")
        yield file


@contextmanager
def _explained(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn everything that shows a file to be no whole result into a UsageError."""
    try:
        yield
    except FileNotFoundError:
        raise UsageError("There is no such result", str(path), "Check the name and the folder") from None
    except IsADirectoryError:
        raise UsageError("This is a folder", str(path), "Give an .h5 file that scorrnet has written") from None
    except (OSError, KeyError, ValueError) as error:
        whole = not isinstance(error, OSError) or h5py.is_hdf5(path)
        what = f"This is not a whole HDF5 result of scorrnet: {error}" if whole else "This is no HDF5 file"
        raise UsageError(what, str(path), "Give an .h5 file that scorrnet has written") from error
