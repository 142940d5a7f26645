"""Images of any size, brought to the multiples that networks need and back."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def pad_to_multiple(image: Tensor, multiple: int, smallest: int) -> tuple[Tensor, tuple[int, int]]:
    """Continue (N, C, H, W) at the right and the bottom by repeating its border.

    Returns
    -------
    padded : (N, C, H', W')
        H' and W' are multiples of `multiple`, at least `smallest`.
    size : (int, int)
        H, W: `padded[..., :H, :W]` is the image.
    """
    height, width = image.shape[-2:]
    down = max(height + -height % multiple, smallest) - height
    right = max(width + -width % multiple, smallest) - width
    return F.pad(image, (0, right, 0, down), mode="replicate"), (height, width)
