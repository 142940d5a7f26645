"""Two images and a mask -> displacement, by the network."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from scorrnet_cli.device import network_precision
from scorrnet_cli.models.corrnet import CorrNet, Encoded
from scorrnet_cli.numerics import spline
from scorrnet_cli.numerics.padding import pad_to_multiple
from scorrnet_cli.numerics.tiles import Box, Tile, bounds, fill, fits

HALO_PX = 96  # of a tile: the reach of the network, and what its layers see of the surroundings


class Guide(NamedTuple):
    """What the network needs of the reference image, found once for a whole sequence."""

    grey: Tensor  # (H, W)
    variance: Tensor  # of `grey`
    mask: Tensor  # (H, W) bool
    home: Box  # the mask with a halo
    encoded: Encoded | None  # what the network knows of `home`, if that is looked at at once


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
    home = bounds(mask).grown(HALO_PX).within(Box(0, 0, *mask.shape))
    variance = reference.var(correction=0)
    encoded = _encode(network, home.of(reference), variance) if fits(home) else None
    return Guide(reference, variance, mask, home, encoded)


@torch.no_grad()
def displace(network: CorrNet, reference: Guide, deformed: Tensor, start: Tensor | None = None) -> Tensor:
    """Measure the displacement of every pixel.

    Parameters
    ----------
    network : CorrNet
    reference : Guide
        From `guide`.
    deformed : (H, W) float32
        Grey image of any scale.
    start : (2, H, W) float32, optional
        Field to search around, px; zero if not given. The network reaches about 40 px beyond it, and sees the
        deformed image as the field brings it back, so that rotation and strain count as far as they are left.

    Returns
    -------
    (2, H, W) float32
        u, v in px at reference pixels; it means something inside the mask, and is 0 far from it.
    """
    field = deformed.new_zeros(2, *deformed.shape)
    variance = deformed.var(correction=0)
    coefficients = None if start is None else spline.spline_coefficients(deformed)

    def work(tile: Tile) -> tuple[Tensor]:
        box = tile.outer
        if start is None or coefficients is None:
            return (tile.keep(_seen(network, reference, box, box.of(deformed), variance)),)
        led = box.of(start)
        brought_back = spline.spline_sample(coefficients, led, spline.Place(box.top, box.left, *deformed.shape))
        rest = _seen(network, reference, box, brought_back, variance)
        return (tile.keep(rest + spline.taken_at(led, rest)),)

    fill([field], reference.mask, HALO_PX, work)
    return field


def _seen(network: CorrNet, reference: Guide, box: Box, deformed: Tensor, variance: Tensor) -> Tensor:
    """Displacement (2, h, w) in a box, as the network finds it in `deformed` (h, w), part of an image of `variance`."""
    known = reference.encoded if box == reference.home else None
    first = known or _encode(network, box.of(reference.grey), reference.variance)
    cover = torch.zeros_like(first.image)  # beyond the image there is no surface
    cover[..., : box.height, : box.width] = box.of(reference.mask)
    second = _encode(network, deformed, variance)
    with network_precision(deformed.device, units_only=True):
        field = network.steps(first, second, cover)[-1]
    return field[0, :, : box.height, : box.width]


def _encode(network: CorrNet, image: Tensor, variance: Tensor) -> Encoded:
    """What the network knows of an image (h, w), continued to a size that it takes."""
    padded, _ = pad_to_multiple(image[None, None], network.stride, network.smallest_image_px)
    with network_precision(image.device, units_only=True):
        return network.encode(padded, variance)
