"""A result against a truth file: any result of ours, and a field from wherever it is known."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import tifffile
import torch
from numpy.typing import NDArray
from torch import Tensor

from scorrnet_cli.errors import FrameError, UsageError
from scorrnet_cli.evaluation.metrics import Accuracy, accuracy, counted_points
from scorrnet_cli.field import BoolArray, Field

_LAYOUTS = "Give u and v as (2, H, W), (H, W, 2) or (T, 2, H, W)"
_FORMATS = "Give .npy, .npz or .h5 with u and v, or .tif"


def compare(
    field: Field, truth: NDArray[np.float64], mask: BoolArray | None = None, source: str = ""
) -> list[Accuracy]:
    """Judge every frame of a result.

    Parameters
    ----------
    field : Field
        T frames.
    truth : (1 or T, 2, H, W) float64
        u, v, px; NaN where there is nothing to measure. One field stands for all frames.
    mask : (H, W) bool, optional
        Where to judge; wherever the truth is known if not given.
    source : str
        Where the truth is from, for errors.

    Returns
    -------
    list of Accuracy
        Of a frame of which nothing is known, all figures are NaN. Points within 15 px of the border of either image are
        left out. What the result leaves out of the rest counts as not valid, its own mask notwithstanding.

    Raises
    ------
    FrameError
        If the shapes differ.
    UsageError
        If there is nothing to judge, or the displacements are from frame to frame, at pixels of other images.
    """
    if field.is_incremental:
        what = "The displacements are from frame to frame, and the truth is at the pixels of one reference"
        raise UsageError(what, "", "Measure to one reference, without --reference previous")
    frames, height, width = field.shape
    if truth.shape[2:] != (height, width):
        what = f"The result is {width} x {height} px but the truth {truth.shape[3]} x {truth.shape[2]} px"
        raise FrameError(what, source, "Give the truth at the pixels of the reference image")
    if len(truth) not in (1, frames):
        raise UsageError(f"The result has {frames} frames but the truth {len(truth)}", source, "Give one, or as many")
    found, judged = [], False
    for frame in range(frames):
        true = torch.from_numpy(truth[frame if len(truth) > 1 else 0])
        inside = torch.ones(height, width, dtype=torch.bool) if mask is None else torch.from_numpy(mask)
        counted = counted_points(inside, true)
        judged |= bool(counted.any())
        displacement = torch.from_numpy(np.stack([field.u[frame], field.v[frame]]))
        found.append(accuracy(displacement, _tensor(field.valid[frame]), true, counted))
    if not judged:
        raise UsageError("No point of the truth lies 15 px or more from the border", source, "Check the truth file")
    return found


def read_truth(path: Path) -> NDArray[np.float64]:
    """Read a field from a file.

    Parameters
    ----------
    path : Path
        ``.npy`` or ``.tif`` with both components, ``.npz`` or ``.h5`` with arrays ``u`` and ``v`` (or a result of
        scorrnet).

    Returns
    -------
    (T, 2, H, W) float64
        u, v, px.

    Raises
    ------
    UsageError
        If the file cannot be read or holds no field.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise UsageError("No format of a truth has this suffix", str(path), _FORMATS)
    try:
        array = reader(path)
    except FileNotFoundError:
        raise UsageError("There is no such truth file", str(path), "Check the name and the folder") from None
    except Exception as error:  # decoders stumble in many ways
        reason = " ".join(str(error).split()).rstrip(".")
        raise UsageError(f"The truth cannot be read: {reason}", str(path), _FORMATS) from error
    return _arranged(array, path)


def _arranged(array: NDArray[np.float64], path: Path) -> NDArray[np.float64]:
    """Bring any layout to (T, 2, H, W)."""
    if array.ndim == 3 and array.shape[2] == 2 and array.shape[0] != 2:
        array = np.moveaxis(array, 2, 0)
    if array.ndim == 3:
        array = array[np.newaxis]
    if array.ndim != 4 or array.shape[1] != 2:
        raise UsageError(f"An array of shape {array.shape} is no field", str(path), _LAYOUTS)
    return array


def _npy(path: Path) -> NDArray[np.float64]:
    with path.open("rb") as file:
        array: NDArray[np.float64] = np.load(file, allow_pickle=False).astype(np.float64)
    return array


def _npz(path: Path) -> NDArray[np.float64]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return _paired(arrays["u"], arrays["v"])


def _hdf5(path: Path) -> NDArray[np.float64]:
    with h5py.File(path, "r") as file:
        group = file.get("entry/displacement", file)
        return _paired(group["u"][...], group["v"][...])


def _tiff(path: Path) -> NDArray[np.float64]:
    return tifffile.imread(path).astype(np.float64)


def _paired(u: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.float64]:
    """Put u and v, (H, W) or (T, H, W), together as (2, H, W) or (T, 2, H, W)."""
    if u.shape != v.shape:
        raise ValueError(f"u is {u.shape} but v is {v.shape}")
    return np.stack([u, v], axis=-3).astype(np.float64)


def _tensor(flags: BoolArray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(flags))


_READERS = {".npy": _npy, ".npz": _npz, ".h5": _hdf5, ".hdf5": _hdf5, ".tif": _tiff, ".tiff": _tiff}
