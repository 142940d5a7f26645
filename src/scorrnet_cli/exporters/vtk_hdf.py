"""VTKHDF 2.2 image data with time steps, one file for ParaView; coordinates and arrays as in `vtk_image`.

As specified in the VTK documentation, "VTKHDF file format". VTK takes a still image without steps, of (h, w).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from scorrnet_cli.exporters.base import Format, Grid
from scorrnet_cli.exporters.vtk_image import point_arrays
from scorrnet_cli.layers import Layers
from scorrnet_cli.writers.hdf5_file import CalmFile


def write_all(path: Path, grid: Grid, after_frame: Callable[[], None]) -> None:
    """Write all frames; OSError if the disk refuses them. Parameters are those of `Format.write_all`."""
    raw = CalmFile(path)
    with raw.writing():
        file = h5py.File(raw, "w")
    try:
        with raw.writing():
            _create_image(file, grid)
        for step, layers in enumerate(grid.frames()):
            with raw.writing():
                _write_frame(file, len(grid.result.frames), step, layers)
                file.flush()
            after_frame()
        with raw.writing():
            _create_steps(file, grid)
    finally:
        with raw.writing():
            file.close()
            raw.close()


def _create_image(file: h5py.File, grid: Grid) -> None:
    """Say where the points lie."""
    height, width = len(grid.y), len(grid.x)
    vtk = file.create_group("VTKHDF")
    vtk.attrs["Version"] = np.array([2, 2], np.int64)
    vtk.attrs["Type"] = np.bytes_("ImageData")  # fixed length, as VTK requires
    vtk.attrs["WholeExtent"] = np.array([0, width - 1, 0, height - 1, 0, 0], np.int64)
    vtk.attrs["Origin"] = np.array([0.0, -(height - 1) * grid.spacing, 0.0])
    vtk.attrs["Spacing"] = np.full(3, grid.spacing)
    vtk.attrs["Direction"] = np.eye(3).ravel()


def _write_frame(file: h5py.File, frames: int, step: int, layers: Layers) -> None:
    """Write the arrays of one of so many frames; the first makes room for all."""
    points = file.require_group("VTKHDF/PointData")
    for name, values in point_arrays(layers).items():
        if step == 0:
            shape = values.shape if frames == 1 else (frames, *values.shape)
            chunks = values.shape if frames == 1 else (1, *values.shape)
            points.create_dataset(name, shape, values.dtype, chunks=chunks, compression="gzip", shuffle=True)
        points[name][... if frames == 1 else step] = values


def _create_steps(file: h5py.File, grid: Grid) -> None:
    """Say when the frames were taken, if there are several."""
    frames = grid.result.frames
    if len(frames) == 1:
        return
    steps = file.create_group("VTKHDF/Steps")
    steps.attrs["NSteps"] = len(frames)
    steps["Values"] = np.array([grid.time(index) for index in frames], np.float64)
    for name in file["VTKHDF/PointData"]:
        steps[f"PointDataOffsets/{name}"] = np.arange(len(frames), dtype=np.int64)


FORMAT = Format("VTKHDF, one file with time steps for ParaView", ".vtkhdf", write_all=write_all)
