"""One surface has one paint: what else looks like speckle differs from it in what light does not change.

The networks judge a pattern by itself, and of grain or cloth beside the specimen, or in a hole, they are in doubt. The
specimen tells: how much its pattern is like itself a few pixels on, and how its grey levels are distributed, is nearly
the same all over it, in a shadow too, and of other things it is not.
"""

from __future__ import annotations

import torch
from torch import Tensor

from scorrnet_cli.filters import masked_gaussian, some_of, wide_mean
from scorrnet_cli.morphology import dilated, eroded

MAYBE, SURE = 0.15, 0.9  # probability above which a pattern may be paint, and above which it tells what the paint is
DOUBTED = 0.87  # mean probability around a point below which it is compared with the paint
SURE_PX = 1500  # that are needed to know the paint
EDGE_PX = 4  # from where it ends
DETAIL_PX, AROUND_PX = 6.0, 12.0  # windows, standard deviations: of a pattern's light and contrast, and of its measures
LAGS_PX = (1, 2, 4)
LEAST_SPREAD = (0.02, 0.03, 0.05, 0.08, 0.15)  # of each measure over a surface, however even it is
UNLIKE = 12.0  # mean square deviation of the measures, in their spreads; 95 % of a surface are below 2, cloth is at 20
HALF_PX = 8  # half the side of the squares that what is left out consists of


def unlike_paint(image: Tensor, probability: Tensor) -> Tensor:
    """Tell what may look like speckle but is not painted as the surest part of an image is.

    Parameters
    ----------
    image : (H, W) float32
        Grey levels of any scale.
    probability : (H, W) float32
        That each pixel shows speckle.

    Returns
    -------
    (H, W) bool
        Nothing if the paint is not known, or less of it than of what differs: then it may be the other way round.
    """
    nothing = torch.zeros_like(image, dtype=torch.bool)
    sure, maybe = probability > SURE, probability > MAYBE
    inner = eroded(sure, EDGE_PX)
    if int(inner.sum()) < SURE_PX:
        return nothing
    found = _measures(image, maybe)
    known = torch.stack([some_of(measure[inner]) for measure in found])  # (5, N)
    middle = known.median(1, keepdim=True).values
    spread = 1.4826 * (known - middle).abs().median(1, keepdim=True).values  # the standard deviation, if it is normal
    spread = torch.maximum(spread, spread.new_tensor(LEAST_SPREAD)[:, None])
    deviation = ((found - middle[..., None]) / spread[..., None]).square().mean(0)
    (around,) = wide_mean(probability[None], torch.ones_like(probability), DETAIL_PX)
    differs = maybe & (deviation > UNLIKE) & (around < DOUBTED)
    differs = differs & dilated(eroded(differs, HALF_PX), HALF_PX + 2)
    return differs if int(differs.sum()) <= int(sure.sum()) else nothing


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
