"""How coarse a pattern is."""

from __future__ import annotations

import torch
from torch import Tensor

from scorrnet_cli.numerics.filters import wide_mean

LARGEST_LAG_PX = 12
LIGHT_PX = 16.0  # standard deviation of the window whose mean counts as light, not as pattern


def correlation_length_px(image: Tensor, mask: Tensor) -> float:
    """Return the shift at which a pattern is half as like itself as unshifted, along x and y.

    For speckle of 2, 4, 8 and 15 px it is some 1.2, 1.9, 3.2 and 5.0 px. Noise hardly changes it, for what is alike
    only without a shift is not counted.

    Parameters
    ----------
    image : (H, W) float32
        Grey levels.
    mask : (H, W) bool
        Where the pattern is.

    Returns
    -------
    float
        Length in px, at most `LARGEST_LAG_PX`; 0 if there is no pattern but noise, or none at all.
    """
    pattern, counted = without_light(image, mask)
    itself, next_to, beyond = (_likeness(pattern, counted, lag) for lag in range(3))
    unshifted = max(next_to, min(itself, 2 * next_to - beyond))  # as if there were no noise
    if unshifted <= 0:
        return 0.0
    before = unshifted
    for lag in range(1, LARGEST_LAG_PX + 1):
        here = _likeness(pattern, counted, lag)
        if here < 0.5 * unshifted:
            return lag - 1 + (before - 0.5 * unshifted) / (before - here)
        before = here
    return float(LARGEST_LAG_PX)


def without_light(image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Take the light, the mean over some 16 px, off the pattern of an image (H, W).

    Returns
    -------
    pattern : (H, W) float32
        Grey levels about the light; 0 outside the mask.
    counted : (H, W) float32
        The mask (H, W) bool as 0 and 1.
    """
    counted = mask.to(image.dtype)
    centred = image - image.mean()
    return (centred - wide_mean(centred[None], counted, LIGHT_PX)[0]) * counted, counted


def _likeness(pattern: Tensor, counted: Tensor, lag: int) -> float:
    """Mean product of points of a pattern (H, W), 0 outside of what is counted, that lie `lag` apart along an axis."""
    products = count = 0.0
    for axis, length in enumerate(pattern.shape):
        if length > lag:
            first, second = (each.narrow(axis, 0, length - lag) for each in (pattern, counted))
            products += float((first * pattern.narrow(axis, lag, length - lag)).sum(dtype=torch.float64))
            count += float((second * counted.narrow(axis, lag, length - lag)).sum(dtype=torch.float64))
    return products / max(count, 1.0)
