"""MATLAB .mat (version 5) by scipy.io: arrays (h, w, T), as MATLAB has rows first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorrnet_cli.errors import OutputError, not_installed
from scorrnet_cli.exporters.base import Format, Grid
from scorrnet_cli.exporters.spool import about, spooled

LARGEST_BYTES = 2**31 - 2**10
"""An array of a .mat of version 5 must be smaller than 2 GiB; room is left for its name."""


def write_all(path: Path, grid: Grid, after_frame: Callable[[], None]) -> None:
    """Write all frames; OutputError if an array is too large for the format, UsageError without scipy.

    Parameters are those of `Format.write_all`.
    """
    try:
        from scipy.io import savemat
    except ImportError as error:
        raise not_installed("--to mat needs scipy", "mat") from error
    size = 4 * len(grid.result.frames) * len(grid.y) * len(grid.x)
    if size > LARGEST_BYTES:
        raise OutputError("An array would be larger than the 2 GiB of a .mat file", todo="Give a larger --step")
    names = {name: _in_matlab(value) for name, value in about(grid).items()}
    with spooled(path, grid, after_frame) as arrays, path.open("wb") as file:
        for name, source in arrays.items():
            savemat(file, {name: np.load(source, mmap_mode="r").transpose(1, 2, 0)})
        savemat(file, names, oned_as="column")


def _in_matlab(value: NDArray[Any]) -> Any:
    """Return texts as MATLAB has them: one as characters, several as cells."""
    if value.dtype.kind != "U":
        return value
    return value.astype(object) if value.ndim else str(value)


FORMAT = Format("MATLAB, one file with arrays (H, W, T)", ".mat", write_all=write_all)
