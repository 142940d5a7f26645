"""How sure the segmentation is of its mask, and what to say of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scorrnet_cli.numerics.morphology import dilated

LEAST_SHARE, LARGEST_SHARE = 0.02, 0.98  # of the image: beyond, the mask is more often wrong than the specimen so small
UNSURE = (0.2, 0.8)  # probabilities between which a pixel may be speckle or not
EDGE_PX = 4  # closer to the edge of the mask every network is unsure
LARGEST_UNSURE_SHARE = 0.06  # of 321 images beyond it: the one with an IoU below 0.9, 33 of 293 above 0.97

Levels: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True)
class Sureness:
    """What the segmentation said of an image.

    Attributes
    ----------
    levels : (H, W) uint8
        Probability that a pixel shows speckle, 0 to 255 for 0 to 1.
    share : float
        Of the image, or of the region that is measured, that the mask covers.
    unsure_share : float
        Pixels with a probability of 0.2 to 0.8 that lie more than 4 px from the edge of the mask, over the area of the
        mask; the smaller, the surer.
    in_region : bool
        Whether a region was given, which the surface may well fill.
    """

    levels: Levels
    share: float
    unsure_share: float
    in_region: bool = False

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should look at; empty if all is well."""
        told = []
        what = "region" if self.in_region else "image"
        if self.share > LARGEST_SHARE and not self.in_region:
            told.append(f"{self.share:.1%} of the image was taken for speckle")
        if self.share < LEAST_SHARE:
            told.append(f"only {self.share:.1%} of the {what} was taken for speckle")
        if self.unsure_share > LARGEST_UNSURE_SHARE:
            told.append(f"the mask is unsure: pixels that may be speckle or not come to {self.unsure_share:.0%} of it")
        todo = "look at it with --plot or --probability, and if it is wrong give the surface with --mask FILE"
        return tuple(f"{each}; {todo}" for each in told)


def sureness(probability: Tensor, mask: Tensor, region: Tensor | None = None) -> Sureness:
    """Say how sure a mask is.

    Parameters
    ----------
    probability : (H, W) float32
        From `segment.paint_probability`.
    mask : (H, W) bool
        What was made of it.
    region : (H, W) bool, optional
        What is measured of the image; without it, all.
    """
    low, high = UNSURE
    measured = torch.ones_like(mask) if region is None else region
    maybe = (probability > low) & (probability < high) & measured
    found = float((mask & measured).sum())
    unsure = float((maybe & ~_near_edge(mask)).sum()) / max(1.0, found)
    levels = (255 * probability).round().byte().cpu().numpy()
    return Sureness(levels, found / float(measured.sum()), unsure, region is not None)


def _near_edge(mask: Tensor) -> Tensor:
    """True (H, W) within 4 px of where the mask begins or ends."""
    return dilated(mask, EDGE_PX) & dilated(~mask, EDGE_PX)
