"""Glints, dust and pixels that do not work: what stands out of an image so far that it is nothing of the pattern.

No pattern is as far from its mean as what shines on a dark surface. But sparse paint stands out of its ground just as
far, so what is found here may be left out only where the rest still shows a pattern.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from scorrnet_cli.numerics.filters import some_of, wide_mean
from scorrnet_cli.numerics.morphology import dilated

SPREADS = 5.0  # standard deviations of the pattern beyond which nothing belongs to it
TAIL = 0.2  # share of the darkest, and of the brightest points that may be glints when the first are sought
NEARBY_PX = 16.0
BLUR_PX = 1  # into which a glint is blurred without standing out
MOST = 0.25  # share of a surface: where more stands out, it is the pattern
ROUNDS = 10


class Cleared(NamedTuple):
    """An image (H, W) in which glints have the grey level around them, and True (H, W) where they were."""

    image: Tensor
    glints: Tensor


def cleared(image: Tensor, surface: Tensor) -> Cleared:
    """Take what stands out off a surface.

    Parameters
    ----------
    image : (H, W) float32
        Grey levels of any scale.
    surface : (H, W) bool
        True where the surface is looked at. Its rim, where the background shines in, should not be.
    """
    nothing = torch.zeros_like(surface)
    if not bool(surface.any()):
        return Cleared(image, nothing)
    glints = _outliers(image, surface)
    for _ in range(ROUNDS):  # as long as there are others: those that are left out raise the spread no more
        pattern = (surface & ~glints).float()
        light = wide_mean(image[None], pattern, NEARBY_PX)[0]
        squares = (image - light) ** 2
        nearby = wide_mean(squares[None], pattern, NEARBY_PX)[0]
        whole = (squares * pattern).sum() / pattern.sum().clamp_min(1.0)
        beyond = surface & (squares > SPREADS**2 * torch.maximum(nearby, whole))
        more = surface & dilated(beyond, BLUR_PX) & ~glints
        if not bool(more.any()):
            break
        glints = glints | more
    count = int(glints.sum())
    if count == 0 or count > MOST * int(surface.sum()):
        return Cleared(image, nothing)
    return Cleared(painted_over(image, glints, surface), glints)


def painted_over(image: Tensor, points: Tensor, surface: Tensor) -> Tensor:
    """Give some points (H, W) bool of an image (H, W) the grey level of the surface (H, W) bool around them."""
    light = wide_mean(image[None], (surface & ~points).float(), NEARBY_PX)[0]
    return torch.where(points, light, image)


def _outliers(image: Tensor, surface: Tensor) -> Tensor:
    """True (H, W) where a surface is far from most of its grey levels, however much of it is."""
    low, high = some_of(image[surface]).quantile(image.new_tensor([TAIL, 1 - TAIL]))
    far: Tensor = (image - (low + high) / 2).abs() > SPREADS * (high - low) / 2
    return surface & far
