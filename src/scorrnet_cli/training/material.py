"""Folders of photographs that enter the synthesis."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from scorrnet_cli.errors import FrameError
from scorrnet_cli.frames import read_frame

SIDE = 512


def load_photographs(folder: Path, device: torch.device) -> Tensor:
    """Read every image of a folder as a square grey picture.

    Returns
    -------
    (N, SIDE, SIDE) float32
        0 to 1, on `device`; the middle of each image, resized.

    Raises
    ------
    FrameError
        If the folder holds no image, or one that cannot be read.
    """
    pictures = [_square(path) for path in sorted(folder.glob("*")) if path.suffix.lower() in _SUFFIXES]
    if not pictures:
        raise FrameError("No image found", str(folder), f"Images end in {', '.join(sorted(_SUFFIXES))}")
    return torch.stack(pictures).to(device)


_SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".pgm"}


def _square(path: Path) -> Tensor:
    values = torch.from_numpy(read_frame(path).grey)
    side = min(values.shape)
    top, left = (values.shape[0] - side) // 2, (values.shape[1] - side) // 2
    middle = values[top : top + side, left : left + side]
    low, high = float(middle.min()), float(middle.max())
    resized = F.interpolate(middle[None, None], (SIDE, SIDE), mode="area" if side > SIDE else "bilinear")[0, 0]
    return (resized - low) / max(high - low, 1e-6)
