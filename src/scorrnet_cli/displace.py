"""Two images and a mask -> displacement, by the network."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from scorrnet_cli.models.corrnet import CorrNet, Encoded
from scorrnet_cli.padding import pad_to_multiple


class Guide(NamedTuple):
    """What the network needs of the reference image, found once for a whole sequence."""

    reference: Encoded
    mask: Tensor  # (1, 1, H', W') float32, padded
    size: tuple[int, int]  # H, W of the image


@torch.no_grad()
def guide(network: CorrNet, reference: Tensor, mask: Tensor) -> Guide:
    """Prepare a reference image for `displace`.

    Parameters
    ----------
    network : CorrNet
    reference : (H, W) float32
        Grey image of any scale.
    mask : (H, W) bool
        True where the surface is speckled.
    """
    image, (height, width) = pad_to_multiple(reference[None, None], network.stride, network.smallest_image_px)
    cover = torch.zeros_like(image)  # beyond the image there is no surface
    cover[0, 0, :height, :width] = mask.float()
    return Guide(network.encode(image), cover, (height, width))


@torch.no_grad()
def displace(network: CorrNet, reference: Guide, deformed: Tensor) -> Tensor:
    """Measure the displacement of every pixel.

    Parameters
    ----------
    network : CorrNet
    reference : Guide
        From `guide`.
    deformed : (H, W) float32
        Grey image of any scale.

    Returns
    -------
    (2, H, W) float32
        u, v in px at reference pixels, everywhere; it means something inside the mask.
    """
    image, (height, width) = pad_to_multiple(deformed[None, None], network.stride, network.smallest_image_px)
    field = network.steps(reference.reference, network.encode(image), reference.mask)[-1]
    return field[0, :, :height, :width]
