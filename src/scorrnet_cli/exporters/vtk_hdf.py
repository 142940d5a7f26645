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


def write_all(path: Path, grid: Grid, after_frame: Callable[[], None]) -> None:
    """Write all frames."""
    frames = grid.result.frames
    height, width = len(grid.y), len(grid.x)
    with h5py.File(path, "w") as file:
        vtk = file.create_group("VTKHDF")
        vtk.attrs["Version"] = np.array([2, 2], np.int64)
        vtk.attrs["Type"] = np.bytes_("ImageData")  # fixed length, as VTK requires
        vtk.attrs["WholeExtent"] = np.array([0, width - 1, 0, height - 1, 0, 0], np.int64)
        vtk.attrs["Origin"] = np.array([0.0, -(height - 1) * grid.spacing, 0.0])
        vtk.attrs["Spacing"] = np.full(3, grid.spacing)
        vtk.attrs["Direction"] = np.eye(3).ravel()
        points = vtk.create_group("PointData")
        for step, layers in enumerate(grid.frames()):
            for name, values in point_arrays(layers).items():
                if step == 0:
                    shape = values.shape if len(frames) == 1 else (len(frames), *values.shape)
                    chunks = values.shape if len(frames) == 1 else (1, *values.shape)
                    points.create_dataset(name, shape, values.dtype, chunks=chunks, compression="gzip", shuffle=True)
                points[name][... if len(frames) == 1 else step] = values
            after_frame()
        if len(frames) > 1:
            steps = vtk.create_group("Steps")
            steps.attrs["NSteps"] = len(frames)
            steps["Values"] = np.array([grid.time(index) for index in frames], np.float64)
            for name in points:
                steps[f"PointDataOffsets/{name}"] = np.arange(len(frames), dtype=np.int64)


FORMAT = Format("VTKHDF, one file with time steps for ParaView", ".vtkhdf", write_all=write_all)
