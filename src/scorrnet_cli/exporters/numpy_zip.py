"""NumPy's .npz: every layer as an array (T, h, w), and what belongs to them; `numpy.load` reads it without pickle."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from scorrnet_cli.exporters.base import Format, Grid
from scorrnet_cli.exporters.spool import about, spooled


def write_all(path: Path, grid: Grid, after_frame: Callable[[], None]) -> None:
    """Write all frames; parameters are those of `Format.write_all`."""
    with (
        spooled(path, grid, after_frame) as arrays,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        for name, file in arrays.items():
            archive.write(file, f"{name}.npy")
        for name, value in about(grid).items():
            with archive.open(f"{name}.npy", "w") as entry:
                np.lib.format.write_array(entry, value, allow_pickle=False)


FORMAT = Format("NumPy, one file with arrays (T, H, W)", ".npz", write_all=write_all)
