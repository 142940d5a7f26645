"""Drops of paint that are larger than the others look like holes; but they have the tone that the others have.

What is seen through a hole rarely has it, for that is another thing in another light; where what is seen beside the
surface has it, nothing is told.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from scorrnet_cli.filters import gaussian, wide_mean
from scorrnet_cli.morphology import dilated, eroded, labelled

AROUND_PX = 24.0  # standard deviation of the window for the light, the contrast and the tone of the paint
NOISE_PX = 0.8  # of what takes the noise off a drop
RIM_PX = 2  # of the mask and of its dots, where tones mix
STEP = 0.4  # from the mean to a dot's tone, in standard deviations of the grey levels: less is no dot
DOTS_PX = 200  # that are needed to know their tone
SPREADS, CLOSEST = 2.5, 0.16  # how far from it a drop may be: in its spreads, and at most in those of all grey levels
LARGER = 2.5  # than the largest of the dots; what is larger still is a hole
OUTSIDE_PX, COMMON = 48, 0.1  # share of what lies so near the surface above which holes have the tone, too
ENCLOSED = 0.55  # share of the outline of a drop that lies in the mask: some are cut in half by the edge
BLUR_PX = 3  # between a drop and what surrounds it


def drops(image: Tensor, mask: Tensor) -> Tensor:
    """Tell what looks like holes and notches of a surface but has the tone of its dots.

    Parameters
    ----------
    image : (H, W) float32
        Grey levels of any scale.
    mask : (H, W) bool
        The surface, without them.

    Returns
    -------
    (H, W) bool
    """
    counted = mask.to(image.dtype)
    centred = image - image.mean()
    (mean,) = wide_mean(centred[None], counted, AROUND_PX)
    (variance,) = wide_mean((centred - mean)[None] ** 2, counted, AROUND_PX)
    inner, step = eroded(mask, RIM_PX), STEP * variance.sqrt()
    found = torch.zeros_like(mask)
    for dots in (centred < mean - step, centred > mean + step):
        dots = eroded(dots & inner, RIM_PX // 2)
        if int(dots.sum()) >= DOTS_PX:
            known = dots.to(image.dtype)
            (tone,) = wide_mean(centred[None], known, AROUND_PX)
            (spread,) = wide_mean((centred - tone)[None] ** 2, known, AROUND_PX)
            tolerance = torch.minimum(SPREADS * spread.sqrt(), CLOSEST * variance.sqrt())
            alike = (gaussian(centred[None], NOISE_PX)[0] - tone).abs() < tolerance
            new = _enclosed(alike & ~mask, mask, LARGER * (_half_side(dots) + RIM_PX // 2))
            outside = dilated(mask, OUTSIDE_PX) & ~dilated(mask | new, RIM_PX + BLUR_PX)
            if int((alike & outside).sum()) <= COMMON * int(outside.sum()):
                found |= new
    closed = eroded(dilated(mask | found, BLUR_PX), BLUR_PX)
    return dilated(found, BLUR_PX) & closed & ~mask


def _half_side(points: Tensor) -> int:
    """Half the side of the largest square that points (H, W) bool hold, 0 or more."""
    least, most = 0, 1
    while bool(eroded(points, most).any()) and most < max(points.shape):
        least, most = most, 2 * most
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (middle, most) if bool(eroded(points, middle).any()) else (least, middle)
    return least


def _enclosed(points: Tensor, mask: Tensor, half_side: float) -> Tensor:
    """Those connected parts of points (H, W) bool beside a mask that it surrounds and no square of this size holds."""
    points = points & dilated(mask, 2 * round(half_side) + 2 * BLUR_PX)
    points = points & dilated(eroded(points, RIM_PX), RIM_PX)
    parts = labelled(points)
    count = int(parts.max()) + 1
    outline = _highest(parts, BLUR_PX + 1) * ~dilated(points, BLUR_PX - 1)
    area, length, inside = (each.flatten().bincount(minlength=count) for each in (parts, outline, outline * mask))
    fits = (area <= (2 * half_side + 2) ** 2) & (inside >= ENCLOSED * length)
    fits[parts[eroded(points, round(half_side) + 1)]] = False
    fits[0] = False
    return fits[parts]


def _highest(numbers: Tensor, reach_px: int) -> Tensor:
    """Highest of the numbers (H, W), 0 or more, within some rows and columns."""
    side = 2 * reach_px + 1
    down = F.max_pool2d(numbers[None].float(), (side, 1), 1, (reach_px, 0))  # there are fewer than 2^24 parts
    return F.max_pool2d(down, (1, side), 1, (0, reach_px))[0].long()
