"""What cameras and software make of a picture before it is stored: sharpened edges, compression."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from scorrnet_cli.training.camera import gaussian
from scorrnet_cli.training.rng import Rng

SHARPENED_SHARE = 0.5
EDGE_PX = (0.7, 1.5)  # standard deviation of the blur whose opposite sharpens
AMOUNT = (0.3, 1.5)  # of the detail that is added
QUALITY = (40, 95)  # of JPEG


def processed(rng: Rng, image: Tensor) -> Tensor:
    """Sharpen a picture or store it as JPEG.

    Parameters
    ----------
    rng : Rng
    image : (H, W) float32
        Grey levels, 0 to 255.

    Returns
    -------
    (H, W) float32
        Whole grey levels, 0 to 255.
    """
    if rng.chance(SHARPENED_SHARE):
        detail = image - gaussian(image, rng.uniform(*EDGE_PX))
        return (image + rng.uniform(*AMOUNT) * detail).round_().clamp_(0.0, 255.0)
    return _as_jpeg(image, rng.integer(*QUALITY))


def _as_jpeg(image: Tensor, quality: int) -> Tensor:
    file = io.BytesIO()
    Image.fromarray(image.round().to(torch.uint8).cpu().numpy()).save(file, "JPEG", quality=quality)
    return torch.from_numpy(np.array(Image.open(file), dtype=np.float32)).to(image.device)
