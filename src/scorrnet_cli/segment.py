"""Grey image -> mask: where the speckled surface is."""

from __future__ import annotations

import torch
from torch import Tensor

from scorrnet_cli.filters import masked_gaussian
from scorrnet_cli.models.enet import ENet
from scorrnet_cli.padding import pad_to_multiple

COARSEST_PX = 6.0  # detail coarser than this counts as light, not as speckle
NEIGHBOURHOOD_PX = 10.0
FAINTEST = 0.15  # contrast of a surface, as a share of its best part's, below which there is no paint


@torch.no_grad()
def speckle_probability(network: ENet, reference: Tensor) -> Tensor:
    """Return the probability (H, W) that each pixel of a grey image (H, W) shows speckle.

    It is the mean over the eight ways to turn and mirror the image, which a random pattern does not care about.
    """
    total = torch.zeros_like(reference)
    for turned in (False, True):
        for flips in ((), (0,), (1,), (0, 1)):
            image = (reference.T if turned else reference).flip(flips)
            probability = _once(network, image).flip(flips)
            total += probability.T if turned else probability
    return total / 8


def _once(network: ENet, image: Tensor) -> Tensor:
    padded, (height, width) = pad_to_multiple(image[None, None], network.stride, network.smallest_image_px)
    scores = network(network.normalise(padded))
    probability: Tensor = scores.softmax(1)[0, 1, :height, :width]
    return probability


def segment(network: ENet, reference: Tensor) -> Tensor:
    """Find the speckled surface.

    The network sees patterns; what it cannot know from one window is whether the faint pattern of a plain wall is
    paint or the camera's noise. A surface has one paint, so what has far less contrast than its best part is none.

    Parameters
    ----------
    network : ENet
    reference : (H, W) float32
        Grey image of any scale.

    Returns
    -------
    (H, W) bool
    """
    likely = speckle_probability(network, reference) > 0.5
    if not bool(likely.any()):
        return likely
    contrast = local_contrast(reference)
    found = contrast[likely]
    best = torch.quantile(found[:: found.numel() // 100_000 | 1], 0.9)
    return likely & (contrast > FAINTEST * best)


def local_contrast(image: Tensor) -> Tensor:
    """Standard deviation (H, W) of the detail around each pixel of a grey image (H, W)."""
    everywhere = torch.ones_like(image)
    centred = image - image.mean()
    detail = centred - masked_gaussian(centred[None], everywhere, COARSEST_PX)[0]
    return masked_gaussian(detail[None] ** 2, everywhere, NEIGHBOURHOOD_PX)[0].sqrt()
