"""Two frames and a mask -> displacement, by the network."""

from __future__ import annotations

import torch
from torch import Tensor

from scorrnet_cli.models.corrnet import CorrNet
from scorrnet_cli.padding import pad_to_multiple


@torch.no_grad()
def displace(network: CorrNet, reference: Tensor, deformed: Tensor, mask: Tensor) -> Tensor:
    """Measure the displacement of every pixel.

    Parameters
    ----------
    network : CorrNet
    reference, deformed : (H, W) float32
        Grey images of any scale.
    mask : (H, W) bool
        True where the surface is speckled, in `reference`.

    Returns
    -------
    (2, H, W) float32
        u, v in px at reference pixels, everywhere; it means something inside the mask.
    """
    stacked = torch.stack([reference, deformed, mask.float()])[:, None]
    padded, (height, width) = pad_to_multiple(stacked, network.stride, network.smallest_image_px)
    padded[2, :, height:] = padded[2, :, :, width:] = 0.0  # beyond the image there is no surface
    field: Tensor = network(padded[0:1], padded[1:2], padded[2:3])
    return field[0, :, :height, :width]
