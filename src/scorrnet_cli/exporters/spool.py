"""Arrays of all frames, put together on the disk and not in the memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from scorrnet_cli.exporters.base import Grid
from scorrnet_cli.layers import LAYERS


@contextmanager
def spooled(beside: Path, grid: Grid, after_frame: Callable[[], None]) -> Iterator[dict[str, Path]]:
    """Give every layer, and `valid`, as a .npy file (T, h, w) in a hidden folder that is removed afterwards.

    Parameters
    ----------
    beside : Path
        A file in the folder where there is room.
    grid : Grid
        What is put together.
    after_frame : callable
        Called after each frame.
    """
    shape = (len(grid.result.frames), len(grid.y), len(grid.x))
    with tempfile.TemporaryDirectory(prefix=".scorrnet-", dir=beside.parent) as folder:
        paths = {name: Path(folder) / f"{name}.npy" for name in (*LAYERS, "valid")}
        with ExitStack() as opened:  # written, not mapped: a full disk ends a program that maps
            files = {name: opened.enter_context(path.open("wb")) for name, path in paths.items()}
            for name, file in files.items():
                kind = np.lib.format.dtype_to_descr(np.dtype(_kind(name)))
                np.lib.format.write_array_header_1_0(file, {"descr": kind, "fortran_order": False, "shape": shape})
            for layers in grid.frames():
                for name, file in files.items():
                    values = layers.valid if name == "valid" else layers.arrays[name]
                    file.write(np.ascontiguousarray(values, _kind(name)).tobytes())
                after_frame()
        yield paths


def _kind(name: str) -> type[np.generic]:
    return np.bool_ if name == "valid" else np.float32


def about(grid: Grid) -> dict[str, Any]:
    """Return what belongs to the arrays: places, names, times, units, and how strain was taken."""
    result = grid.result
    stored = result.stored
    known = {
        "x_px": grid.x.astype(np.float64),
        "y_px": grid.y.astype(np.float64),
        "frame": np.array(result.frames),
        "image": np.array([stored.deformed[index].name for index in result.frames]),
        "reference": np.array(stored.reference.name),
        "reference_of_frame": np.array([stored.name_under(index) for index in result.frames]),
        "increments": np.array(stored.is_incremental),
        "unit": np.array(result.unit),
        "strain_measure": np.array(result.gauge.measure),
        "vsg_size_px": np.array(result.gauge.vsg_size_px),
        "program": np.array(f"scorrnet {stored.process.version}"),
    }
    if result.unit != "px":
        known["mm_per_px"] = np.array(result.factor)
    if result.times_s is not None:
        known["time_s"] = np.array([result.times_s[index] for index in result.frames])
    return known
