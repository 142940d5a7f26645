"""Frame -> mask: where the speckled surface is."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from scorrnet_cli.models.enet import ENet


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


@torch.no_grad()
def speckle_probability(network: ENet, reference: Tensor) -> Tensor:
    """Return the probability (H, W) that each pixel of a grey image (H, W) shows speckle."""
    image, (height, width) = pad_to_multiple(reference[None, None], network.stride, network.smallest_image_px)
    scores = network(network.normalise(image))
    probability: Tensor = scores.softmax(1)[0, 1, :height, :width]
    return probability


def segment(network: ENet, reference: Tensor) -> Tensor:
    """Find the speckled surface.

    Parameters
    ----------
    network : ENet
    reference : (H, W) float32
        Grey image of any scale.

    Returns
    -------
    (H, W) bool
    """
    return speckle_probability(network, reference) > 0.5
