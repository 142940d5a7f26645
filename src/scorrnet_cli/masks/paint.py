"""One surface has one paint: what else looks like speckle differs from it in what light does not change.

The networks judge a pattern by itself, and of grain or cloth beside the specimen, or in a hole, they are in doubt. The
specimen tells: how much its pattern is like itself a few pixels on, and how its grey levels are distributed, is nearly
the same all over it, in a shadow too, and of other things it is not.
"""

from __future__ import annotations

import torch
from torch import Tensor

from scorrnet_cli.numerics.filters import masked_gaussian, some_of, wide_mean
from scorrnet_cli.numerics.morphology import eroded, in_squares

MAYBE = 0.15  # probability above which a pattern may be paint
HALF = 0.5  # from which it rather is; the probability of what looked doubtful and is like the paint
SURE = (0.9, 0.75, 0.6)  # above which it tells what the paint is: the first of which there is enough
SURE_PX = 1500  # that are enough
EDGE_PX = 4  # from where it ends
DETAIL_PX, AROUND_PX = 6.0, 12.0  # windows, standard deviations: of a pattern's light and contrast, and of its measures
LAGS_PX = (1, 2, 4)
LEAST_SPREAD = (0.02, 0.03, 0.05, 0.08, 0.15)  # of each measure over a surface, however even it is
LIKE = 3.0  # mean square deviation of the measures, in their spreads: 95 % of a surface are below 2, cloth is at 20
# What deviates by more than the first is no paint where the mean probability around it is below the second.
UNLIKE = ((12.0, 0.87), (40.0, 0.97))
LEAST_GRAIN = 0.4  # likeness of a paint to itself a pixel on below which the camera's noise may be like it
LIKE_HALF_PX, UNLIKE_HALF_PX = 3, 8  # half the side of the squares that what is changed consists of


def compared(image: Tensor, probability: Tensor) -> Tensor:
    """Compare all that may be speckle with the surest part of it.

    What is doubted and differs from it is no paint; what is doubted and is like it rather is than not.

    Parameters
    ----------
    image : (H, W) float32
        Grey levels of any scale.
    probability : (H, W) float32
        That each pixel shows speckle.

    Returns
    -------
    (H, W) float32
        That it shows the paint. As it was, if the paint is not known; and nothing is left out if less is sure than
        differs: then it may be the other way round.
    """
    for level in SURE:
        sure = probability > level
        inner = eroded(sure, EDGE_PX)
        if int(inner.sum()) >= SURE_PX:
            break
    else:
        return probability
    maybe = probability > MAYBE
    found = _measures(image, maybe)
    known = torch.stack([some_of(measure[inner]) for measure in found])  # (5, N)
    middle = known.median(1, keepdim=True).values
    spread = 1.4826 * (known - middle).abs().median(1, keepdim=True).values  # the standard deviation, if it is normal
    spread = torch.maximum(spread, spread.new_tensor(LEAST_SPREAD)[:, None])

    def deviation(measures: Tensor) -> Tensor:
        return ((measures - middle[..., None]) / spread[..., None]).square().mean(0)

    (around,) = wide_mean(probability[None], torch.ones_like(probability), DETAIL_PX)
    deviates, unlike = deviation(found), torch.zeros_like(maybe)
    del found, known  # a third of the memory
    for least, doubted_below in UNLIKE:
        unlike |= maybe & (deviates > least) & (around < doubted_below)
    unlike = in_squares(unlike, UNLIKE_HALF_PX)
    judged = probability if int(unlike.sum()) > int(sure.sum()) else probability.where(~unlike, 0.0)
    doubted = maybe & (probability < HALF)
    if float(middle[0]) < LEAST_GRAIN or not bool(in_squares(doubted, LIKE_HALF_PX).any()):
        return judged
    # By itself, so that the paint around a small hole does not speak for what is seen through it.
    like = doubted & (deviation(_measures(image, doubted)) < LIKE)
    return judged.where(~in_squares(like, LIKE_HALF_PX), HALF)


def _measures(image: Tensor, counted: Tensor) -> Tensor:
    """Measures (5, H, W) of the pattern around each pixel of an image (H, W), among the pixels `counted`, bool.

    How like it is to itself `LAGS_PX` on, along x and y; the logarithm of its kurtosis; its skewness.
    """
    weight = counted.to(image.dtype)
    centred = image - image.mean()
    detail = (centred - masked_gaussian(centred[None], weight, DETAIL_PX)[0]) * weight
    least = 1e-6 * detail.var() + torch.finfo(detail.dtype).tiny
    detail = detail * torch.rsqrt(masked_gaussian(detail[None] ** 2, weight, DETAIL_PX)[0] + least)
    powers = wide_mean(torch.stack([detail**2, detail**3, detail**4]), weight, AROUND_PX)
    variance = powers[0].clamp_min(1e-6)
    alike = [_alike(detail, weight, lag) / variance for lag in LAGS_PX]
    return torch.stack([*alike, (powers[2] / variance**2).clamp_min(1e-3).log(), powers[1] / variance**1.5])


def _alike(detail: Tensor, weight: Tensor, lag: int) -> Tensor:
    """Mean product (H, W) of points of a pattern that lie `lag` apart, along x and y, around each pixel."""
    products, count = torch.zeros_like(detail), torch.zeros_like(detail)
    for axis, size in enumerate(detail.shape):
        if size > lag:
            first, second = (part.narrow(axis, 0, size - lag) for part in (detail, weight))
            for start in (0, lag):
                products.narrow(axis, start, size - lag).add_(first * detail.narrow(axis, lag, size - lag))
                count.narrow(axis, start, size - lag).add_(second * weight.narrow(axis, lag, size - lag))
    ones = torch.ones_like(weight)
    total, pairs = wide_mean(torch.stack([products, count]), ones, AROUND_PX)
    mean: Tensor = total / pairs.clamp_min(1e-6)
    return mean
