"""Shifts however large, by correlating parts of the reference with the whole deformed image."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from scorrnet_cli.models.corrnet import CorrNetConfig, normalise
from scorrnet_cli.numerics.tiles import Box, bounds

PATCH_PX, PATCHES = 96, 12
WINDOW_PX = 9  # width over which shifts count as common


class Peak(NamedTuple):
    """Where a part of the reference fits the deformed image best.

    `clearness` is how far that stands out of all other places, in standard deviations.
    """

    shift: Tensor  # (2,) float32: u, v in whole px
    clearness: float


class Haystack:
    """A deformed image, ready for parts of the reference to be sought in it.

    Parameters
    ----------
    deformed : (H, W) float32
        Grey image of any scale.
    window_px : int
        Width over which shifts count as common; odd. The wider, the more may a part be distorted, and the less does it
        stand out.
    """

    def __init__(self, deformed: Tensor, window_px: int) -> None:
        self._detail = F.avg_pool2d(detail(deformed)[None, None], window_px, 1, window_px // 2)[0, 0]
        self._spectrum = torch.fft.rfft2(self._detail)

    def peak(self, part: Tensor) -> Peak:
        """Find what fits a part of the reference, (H, W), 0 but there; see `needle`."""
        height, width = part.shape
        match = torch.fft.irfft2(torch.fft.rfft2(part).conj() * self._spectrum, s=(height, width))
        v, u = divmod(int(match.argmax()), width)
        clearness = float((match.max() - match.mean()) / match.std().clamp_min(1e-12))
        # On a torus a shift looks like its complement: take the one for which what overlaps is alike.
        candidates = [(down, right) for down in (v, v - height) for right in (u, u - width)]
        down, right = max(candidates, key=lambda shift: self._overlap(part, *shift))
        return Peak(torch.tensor([float(right), float(down)], device=part.device), clearness)

    def _overlap(self, part: Tensor, down: int, right: int) -> float:
        """Sum of the products of the images where they overlap, the deformed one displaced back."""
        image = Box(0, 0, *part.shape)
        if abs(down) >= image.height or abs(right) >= image.width:
            return -math.inf
        there = image.moved(down, right).within(image)
        return float((there.moved(-down, -right).of(part) * there.of(self._detail)).sum())


def needle(reference: Tensor, mask: Tensor) -> Tensor:
    """Make the reference (H, W) ready to be sought where the mask (H, W) is; elsewhere it is 0."""
    return detail(reference) * mask


def alone(whole: Tensor, box: Box) -> Tensor:
    """Image (H, W) of nothing but what a box of another holds."""
    patch = torch.zeros_like(whole)
    box.of(patch).copy_(box.of(whole))
    return patch


def common_shift(reference: Tensor, deformed: Tensor, part: Tensor) -> Tensor:
    """Find the shift that a part of the surface shares, however large, by correlating whole images.

    A turn by a few degrees spoils the correlation of the whole part, but not that of patches, so these are looked for
    too, and what stands out most from chance is taken.

    Parameters
    ----------
    reference, deformed : (H, W) float32
        Grey images of any scale.
    part : (H, W) bool
        The points in question.

    Returns
    -------
    (2,) float32
        u, v in whole px.
    """
    haystack, whole = Haystack(deformed, WINDOW_PX), needle(reference, part)
    sought = (whole, *(alone(whole, box) for box in _patches(part)))
    return max((haystack.peak(each) for each in sought), key=lambda peak: peak.clearness).shift


def _patches(part: Tensor) -> list[Box]:
    """Choose squares most of which lie in a part (H, W), all over it."""
    pieces = [box for box in bounds(part).pieces(PATCH_PX) if float(box.of(part).float().mean()) > 0.5]
    return pieces[:: len(pieces) // PATCHES + 1]


def detail(image: Tensor) -> Tensor:
    """Detail of an image (H, W), as the network sees it."""
    seen: Tensor = normalise(image[None, None], CorrNetConfig().normalise_px)[0, 0]
    return seen
