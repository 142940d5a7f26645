"""Frame -> mask: where the speckled surface is."""

from __future__ import annotations

import torch
from torch import Tensor

from scorrnet_cli.models.enet import ENet
from scorrnet_cli.padding import pad_to_multiple


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
