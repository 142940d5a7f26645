"""Folders of photographs that enter the synthesis."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from scorrnet_cli.errors import FrameError

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
        If the folder holds no image that can be read.
    """
    pictures = [_square(path) for path in sorted(folder.glob("*")) if path.suffix.lower() in _SUFFIXES]
    if not pictures:
        raise FrameError("No image found", str(folder), f"Images end in {', '.join(sorted(_SUFFIXES))}")
    return torch.stack(pictures).to(device)


_SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".pgm"}


def _square(path: Path) -> Tensor:
    try:
        with Image.open(path) as image:
            grey = image.convert("F" if image.mode.startswith(("I", "F")) else "L")
            values = torch.tensor(np.asarray(grey, dtype=np.float32))
    except OSError as error:
        raise FrameError(f"The image cannot be read: {error}", str(path)) from error
    side = min(values.shape)
    top, left = (values.shape[0] - side) // 2, (values.shape[1] - side) // 2
    middle = values[top : top + side, left : left + side]
    low, high = float(middle.min()), float(middle.max())
    resized = F.interpolate(middle[None, None], (SIDE, SIDE), mode="area" if side > SIDE else "bilinear")[0, 0]
    return (resized - low) / max(high - low, 1e-6)
