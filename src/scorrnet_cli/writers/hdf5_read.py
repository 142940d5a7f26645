"""HDF5 results read back: whole, or how they were made."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import h5py
import numpy as np

from scorrnet_cli.errors import UsageError
from scorrnet_cli.field import Field, FrameInfo, Process, Settings

FORMAT_VERSION = 1
FLOATS = {"u": "px", "v": "px", "zncc": "", "sigma_u": "px", "sigma_v": "px"}
"""The arrays of numbers and their units."""
FLAGS = ("mask", "valid")
DATA = "entry/displacement"
FRAMES = "entry/frames"
PROCESS = "entry/process"
MEASURED, FAILED = 1, 2
"""What `status` says of an image; 0 is one that has not been looked at."""


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
    with opened(path) as file:
        data = file[DATA]
        return Field(
            **{name: data[name][...] for name in FLOATS},
            **{name: data[name][...].astype(bool) for name in FLAGS},
            reference=read_reference(file),
            deformed=_read_deformed(file[f"{FRAMES}/deformed"]),
            process=read_process(file, path),
        )


def read_settings(path: str | os.PathLike[str]) -> Settings:
    """Read the settings a result was measured with.

    Raises
    ------
    UsageError
        As `read_hdf5` does, or if the settings are not known to this version.
    """
    with opened(path) as file:
        return read_process(file, path).settings


def read_reference(file: h5py.File) -> FrameInfo:
    """Return which image was the reference."""
    group = file[f"{FRAMES}/reference"]
    return FrameInfo(_text(group, "name"), _text(group, "sha256"))


def _read_deformed(group: h5py.Group) -> tuple[FrameInfo, ...]:
    """Return which images were measured; the first files of format 1 do not tell why one failed."""
    columns = [group[name].asstr()[...] for name in ("name", "sha256")]
    columns.append(group["reason"].asstr()[...] if "reason" in group else np.full(len(columns[0]), ""))
    return tuple(FrameInfo(*(str(value) for value in row)) for row in zip(*columns, strict=True))


def read_process(file: h5py.File, path: str | os.PathLike[str]) -> Process:
    """Return how the result was made."""
    process = file[PROCESS]
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
def opened(path: str | os.PathLike[str]) -> Iterator[Any]:
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
