"""Drops of paint that are larger than the others look like holes; but they have the tone that the others have.

What is seen through a hole rarely has it, for that is another thing in another light. Where much of what is seen beside
the surface has it, too, so many holes must have it that it is no accident. Where nothing is seen there, nothing is
told.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from scorrnet_cli.numerics.filters import gaussian, wide_mean
from scorrnet_cli.numerics.morphology import dilated, eroded, highest, labelled

AROUND_PX = 24.0  # standard deviation of the window for the light, the contrast and the tone of the paint
NOISE_PX = 0.8  # of what takes the noise off a drop
RIM_PX, DOT_RIM_PX = 2, 1  # of the mask and of its dots, where tones mix
STEP = 0.4  # from the mean to a dot's tone, in standard deviations of the grey levels: less is no dot
DOTS_PX = 200  # that are needed to know their tone
SPREADS, CLOSEST = 2.5, 0.16  # how far from it a drop may be: in its spreads, and at most in those of all grey levels
LARGER = 2.5  # than the largest of the dots; what is larger still is a hole
SEVERAL = 3  # of the largest dots there are so many: one mark is no measure
COMPACT = 0.35  # share of the square around a drop that it fills, or two that meet do; a slit does not
OUTSIDE_PX, COMMON = 48, 0.1  # share of what lies so near the surface above which a hole may have the tone, too
ACCIDENT = 0.01  # probability that as many of the holes as have it do by chance, above which nothing is told
SEEN = 0.02  # area of that, as a share of the surface, below which nothing is known of it
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
    dots = min((inner & (centred < mean - step), inner & (centred > mean + step)), key=lambda tone: int(tone.sum()))
    dots = eroded(dots, DOT_RIM_PX)  # of the two tones the one that covers less; the other is the ground
    nothing = torch.zeros_like(mask)
    if int(dots.sum()) < DOTS_PX:
        return nothing
    known = dots.to(image.dtype)
    (tone,) = wide_mean(centred[None], known, AROUND_PX)
    (spread,) = wide_mean((centred - tone)[None] ** 2, known, AROUND_PX)
    tolerance = torch.minimum(SPREADS * spread.sqrt(), CLOSEST * variance.sqrt())
    alike = (gaussian(centred[None], NOISE_PX)[0] - tone).abs() < tolerance
    half_side = LARGER * (_half_side(dots) + DOT_RIM_PX)
    found = _enclosed(alike & ~mask, mask, half_side)
    outside = dilated(mask, OUTSIDE_PX) & ~dilated(mask | found, RIM_PX + BLUR_PX)
    seen = int(outside.sum())
    if seen < max(1.0, SEEN * int(mask.sum())):
        return nothing
    common = int((alike & outside).sum()) / seen
    if common > COMMON:
        others = _enclosed(~mask, mask, half_side) & ~dilated(found, BLUR_PX + 1)  # holes that do not have the tone
        hits = _parts(found)
        if common == 1 or _at_least(hits, hits + _parts(others), common) > ACCIDENT:
            return nothing
    closed = eroded(dilated(mask | found, BLUR_PX), BLUR_PX)
    return dilated(found, BLUR_PX) & closed & ~mask


def _parts(points: Tensor) -> int:
    return int(labelled(points).max())


def _at_least(hits: int, trials: int, share: float) -> float:
    """Probability that chance, with a share of more than 0 and less than 1, hits so often (binomial distribution)."""

    def logarithm(k: int) -> float:
        ways = math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1)
        return ways + k * math.log(share) + (trials - k) * math.log1p(-share)

    return sum(math.exp(logarithm(k)) for k in range(hits, trials + 1))


def _half_side(dots: Tensor) -> int:
    """Half the side of the largest squares, 0 or more, that several of the dots (H, W) bool hold."""

    def held(half: int) -> bool:
        return _parts(eroded(dots, half)) >= SEVERAL

    least, most = 0, 1
    while held(most) and most < max(dots.shape):
        least, most = most, 2 * most
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (middle, most) if held(middle) else (least, middle)
    return least


def _enclosed(points: Tensor, mask: Tensor, half_side: float) -> Tensor:
    """Those parts of points (H, W) bool that a mask surrounds, that are compact, and no larger than such a square."""
    points = points & dilated(mask, 2 * round(half_side) + 2 * BLUR_PX)
    points = points & dilated(eroded(points, RIM_PX), RIM_PX)
    parts = labelled(points)
    count = int(parts.max()) + 1
    outline = highest(parts.float(), BLUR_PX + 1).long() * ~dilated(points, BLUR_PX - 1)
    area, length, inside = (each.flatten().bincount(minlength=count) for each in (parts, outline, outline * mask))
    extent = torch.stack([_extent(parts, points, axis, count) for axis in (0, 1)]).amax(0)
    fits = (area <= (2 * half_side + 2) ** 2) & (area >= COMPACT * extent**2)
    fits &= (length > 0) & (inside >= ENCLOSED * length)
    fits[parts[eroded(points, round(half_side) + 1)]] = False
    fits[0] = False
    return fits[parts]


def _extent(parts: Tensor, points: Tensor, axis: int, count: int) -> Tensor:
    """Number of rows, or columns, (count,) int64 from the first to the last of each part."""
    numbers, places = parts[points], points.nonzero()[:, axis]
    nowhere = places.new_zeros(count)
    first = nowhere.scatter_reduce(0, numbers, places, "amin", include_self=False)
    last = nowhere.scatter_reduce(0, numbers, places, "amax", include_self=False)
    return last - first + 1
