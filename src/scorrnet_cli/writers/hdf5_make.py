"""Pieces that HDF5 results are made of: groups, arrays of all frames, and what VTK reads of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import h5py
import numpy as np

DATA = "entry/displacement"
STRAIN = "entry/strain"


def create_group(file: h5py.File, name: str, nx_class: str) -> h5py.Group:
    """Make a group of a NeXus class.

    Parameters
    ----------
    file : h5py.File
    name : str
        Its path in the file; what is missing of that is made.
    nx_class : str
        Such as ``NXdata``.
    """
    group = file.create_group(name)
    group.attrs["NX_class"] = nx_class
    return group


def create_array(
    group: h5py.Group, name: str, shape: tuple[int, ...], dtype: Any, parts: Sequence[str], **how: Any
) -> h5py.Dataset:
    """Make an array whose first axis counts frames, of data of its own or as a view of other files.

    Parameters
    ----------
    group : h5py.Group
    name : str
        Of the array in the group.
    shape : tuple of int
        (T, ...), T being the number of frames.
    dtype : dtype-like
        As h5py takes it.
    parts : sequence of str
        Empty, or T files of one frame each, as for `hdf5.write_view`: then the array shows theirs of the same path.
    **how
        Goes to h5py; of a view, only ``fillvalue`` does, which stands for files that are missing.
    """
    if not parts:
        return group.create_dataset(name, shape, dtype, **how)
    view = h5py.VirtualLayout(shape, dtype)
    for index, part in enumerate(parts):
        file = part.replace("%", "%%")  # HDF5 takes a single one for a place to fill in
        view[index : index + 1] = h5py.VirtualSource(file, f"{group.name}/{name}", (1, *shape[1:]))
    return group.create_virtual_dataset(name, view, how.get("fillvalue"))


def create_image(
    group: h5py.Group, name: str, shape: tuple[int, ...], dtype: Any, parts: Sequence[str], **how: Any
) -> h5py.Dataset:
    """Make an array (T, H, W), each frame compressed as one chunk; parameters are those of `create_array`."""
    packing = {"chunks": (1, *shape[1:]), "compression": "gzip", "compression_opts": 1, "shuffle": True}
    array = create_array(group, name, shape, dtype, parts, **packing, **how)
    array.attrs["interpretation"] = "image"
    return array


def show_in_vtk(vtk: h5py.Group, arrays: Mapping[str, h5py.Dataset]) -> None:
    """Show arrays (T, H, W) in a VTKHDF group; what was there under their names is replaced.

    A 2-D image over time is stored as (T, H, W), which is the shape of our arrays, so that hard links suffice.
    But VTK takes a single step for a still image, of (H, W): for it the arrays are virtual, views of the data.
    """
    points = vtk.require_group("PointData")
    for name, array in arrays.items():
        if name in points:
            del points[name]
        frames, *shape = array.shape
        if frames == 1:
            view = h5py.VirtualLayout(tuple(shape), array.dtype)
            view[...] = h5py.VirtualSource(".", array.name, array.shape)[0]
            points.create_virtual_dataset(name, view)
            continue
        points[name] = array
        offsets = vtk.require_group("Steps/PointDataOffsets")
        offsets.require_dataset(name, (frames,), np.int64)[...] = np.arange(frames)
