"""Strain in HDF5 results, written with the displacement or added afterwards.

The layout, beside that of `hdf5`::

    /entry/strain           NXdata, signal exx, auxiliary signals eyy and exy, axes frame, y, x; strain_measure,
                            vsg_size_px, strain_window_px, strain_order, strain_weights, averaging_px, averaging_passes
      exx, eyy, exy, sigma_exx, sigma_eyy, sigma_exy    (T, H, W) float32, NaN where there is no value
      frame, y, x           those of displacement

Principal strains, their direction and the equivalent strain follow from these exactly, see `gauge.Strain`, and are
not stored: they would double the size and could only disagree.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np

from scorrnet_cli.gauge import ARRAYS, Strain, StrainSettings
from scorrnet_cli.writers.hdf5_make import DATA, STRAIN, create_group, create_image, show_in_vtk

_AXES = ("frame", "y", "x")


def create_strain(file: h5py.File, how: StrainSettings, parts: Sequence[str] = ()) -> None:
    """Make the strain group, filled with NaN, in a file that has its displacement; one that is there is replaced.

    Parameters
    ----------
    file : h5py.File
    how : StrainSettings
    parts : sequence of str
        As for `hdf5.write_view`.
    """
    if STRAIN in file:
        del file[STRAIN]
    group = create_group(file, STRAIN, "NXdata")
    group.attrs.update(
        signal="exx",
        auxiliary_signals=["eyy", "exy"],
        axes=list(_AXES),
        strain_measure=how.measure,
        vsg_size_px=how.vsg_size_px,
        strain_window_px=how.window_px,
        strain_order=how.order,
        strain_weights=how.weights,
        averaging_px=how.averaging_px,
        averaging_passes=how.averaging_passes,
    )
    for axis in _AXES:
        group[axis] = file[f"{DATA}/{axis}"]
    shape = file[f"{DATA}/u"].shape
    for name in ARRAYS:
        create_image(group, name, shape, "f4", parts, fillvalue=np.nan)
    show_in_vtk(file["VTKHDF"], {name: group[name] for name in ARRAYS})


def write_strain(file: h5py.File, frame: int, strain: Strain | None) -> None:
    """Write the strain of one frame.

    Parameters
    ----------
    file : h5py.File
        With the group of `create_strain`.
    frame : int
        Which, counted from 0.
    strain : Strain or None
        (1, H, W); None writes NaN.
    """
    for name in ARRAYS:
        file[STRAIN][name][frame] = np.nan if strain is None else getattr(strain, name)[0]


def read_strain_settings(file: Any) -> StrainSettings | None:
    """Return how the strain of a result was taken; None if it has none."""
    if STRAIN not in file:
        return None
    said = file[STRAIN].attrs
    return StrainSettings(
        window_px=int(said["strain_window_px"]),
        measure=str(said["strain_measure"]),
        order=int(said["strain_order"]),
        weights=str(said["strain_weights"]),
        averaging_px=float(said["averaging_px"]),
        averaging_passes=int(said.get("averaging_passes", 1)),  # files of format 2 may lack it
    )


def read_strain(file: Any, chosen: slice) -> Strain | None:
    """Read the strain of some frames; None if the file has none."""
    how = read_strain_settings(file)
    if how is None:
        return None
    return Strain(**{name: file[STRAIN][name][chosen] for name in ARRAYS}, how=how)
