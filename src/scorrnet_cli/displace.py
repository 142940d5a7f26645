"""Two images and a mask -> displacement, by the network."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from scorrnet_cli import spline
from scorrnet_cli.filters import plane_through, wide_mean
from scorrnet_cli.models.corrnet import CorrNet, CorrNetConfig, Encoded, normalise
from scorrnet_cli.padding import pad_to_multiple

SHIFT_WINDOW_PX = 9  # width over which shifts count as common
EXTRAPOLATION_PX = 24.0  # reach of what single points add to the motion of the whole


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
        u, v in px at reference pixels, everywhere; it means something inside the mask.
    """
    seen = deformed if start is None else spline.taken_at(deformed[None], start)[0]
    image, (height, width) = pad_to_multiple(seen[None, None], network.stride, network.smallest_image_px)
    field = network.steps(reference.reference, network.encode(image), reference.mask)[-1]
    rest = field[0, :, :height, :width]
    return rest if start is None else rest + spline.taken_at(start, rest)


def common_shift(reference: Guide, deformed: Tensor, part: Tensor) -> Tensor:
    """Find the shift that most of a part of the surface shares, however large, by correlating whole images.

    Parameters
    ----------
    reference : Guide
    deformed : (H, W) float32
        Grey image of any scale.
    part : (H, W) bool
        The points in question.

    Returns
    -------
    (2,) float32
        u, v in whole px.
    """
    height, width = reference.size
    first = reference.reference.image[0, 0, :height, :width] * part
    second = normalise(deformed[None, None], CorrNetConfig().normalise_px)[0, 0]
    size = (2 * height, 2 * width)
    spectrum = torch.fft.rfft2(first, s=size).conj() * torch.fft.rfft2(second, s=size)
    match = torch.fft.irfft2(spectrum, s=size)
    match = F.avg_pool2d(match.roll((height, width), (0, 1))[None], SHIFT_WINDOW_PX, 1, SHIFT_WINDOW_PX // 2)[0]
    best = int(match.argmax())
    v, u = best // size[1] - height, best % size[1] - width
    return torch.tensor([float(u), float(v)], device=deformed.device)


def extrapolate(field: Tensor, known: Tensor) -> Tensor:
    """Continue a field from where it is known: the affine motion of the whole, and near known points what they add.

    Parameters
    ----------
    field : (2, H, W) float32
        Displacement, px.
    known : (H, W) bool
        Where it is right.

    Returns
    -------
    (2, H, W) float32
    """
    weight = known.float()
    plane = plane_through(field, weight)
    rest = torch.where(known, field - plane, torch.zeros_like(field))
    continued: Tensor = plane + wide_mean(rest, weight + 1e-3, EXTRAPOLATION_PX)  # far from known points, the plane
    return continued
