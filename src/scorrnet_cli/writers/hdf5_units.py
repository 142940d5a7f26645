"""The scale of the images and their times in HDF5 results; the values beside them stay in px.

The layout, beside that of `hdf5`::

    /entry/calibration      NXcollection, if the scale is known
      mm_per_px             float64, units mm/px
      source                where it is known from
    /entry/frames/deformed
      time                  (T) float64, s, NaN where it is not known; its attribute `source` says where it is from
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from scorrnet_cli.units import Calibration, steps_in_time
from scorrnet_cli.writers.hdf5_make import create_array, create_group

_SCALE = "entry/calibration"
_TIME = "entry/frames/deformed/time"


def write_scale(file: h5py.File, calibration: Calibration | None) -> None:
    """Say how large a pixel is, in place of what was said before."""
    if _SCALE in file:
        del file[_SCALE]
    if calibration is None:
        return
    group = create_group(file, _SCALE, "NXcollection")
    group["mm_per_px"] = calibration.mm_per_px
    group["mm_per_px"].attrs["units"] = "mm/px"
    group["source"] = calibration.source


def read_scale(file: Any) -> Calibration | None:
    """Return how large a pixel is; None if the result does not tell."""
    if _SCALE not in file:
        return None
    group = file[_SCALE]
    return Calibration(float(group["mm_per_px"][()]), str(group["source"].asstr()[()]))


def create_times(file: h5py.File, count: int, source: str, parts: Sequence[str] = ()) -> None:
    """Make room for the times of the images, unknown so far, in place of those that were there.

    Parameters
    ----------
    file : h5py.File
        With the group of the deformed images.
    count : int
        Number of the deformed images.
    source : str
        Where their times are known from; empty if they are not.
    parts : sequence of str
        As for `hdf5.write_view`.
    """
    if _TIME in file:
        del file[_TIME]
    group, _, name = _TIME.rpartition("/")
    times = create_array(file[group], name, (count,), "f8", parts, fillvalue=np.nan)
    times.attrs.update(units="s", source=source)


def write_times(file: h5py.File, first: int, times: Sequence[float | None]) -> None:
    """Say when images were taken; where that is known, VTK has it too.

    Parameters
    ----------
    file : h5py.File
        With the array of `create_times`.
    first : int
        Number of the first of these images, counted from 0.
    times : sequence of (float or None)
        One an image, s; None if it is not known.
    """
    file[_TIME][first : first + len(times)] = _seconds(times)
    tell_vtk(file, file[_TIME][: first + len(times)])


def tell_vtk(file: h5py.File, times: Sequence[float | None]) -> None:
    """Say when the images up to now were taken where VTK looks for it: see `steps_in_time`."""
    if "VTKHDF/Steps" in file and len(times):
        file["VTKHDF/Steps/Values"][: len(times)] = steps_in_time(_seconds(times))


def _seconds(times: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if time is None else time for time in times], np.float64)


def read_times(file: Any, count: int) -> tuple[list[float | None], str]:
    """Return when the `count` images were taken, and where that is known from."""
    if _TIME not in file:
        return [None] * count, ""
    values = file[_TIME][...]
    return [float(value) if np.isfinite(value) else None for value in values], str(file[_TIME].attrs["source"])
