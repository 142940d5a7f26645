"""Grey image -> mask: where the speckled surface is."""

from __future__ import annotations

import torch
from torch import Tensor

from scorrnet_cli.masks.discriminant import told_apart
from scorrnet_cli.masks.drops import drops
from scorrnet_cli.masks.looks import LIKELY, agreed, look, mean
from scorrnet_cli.masks.paint import HALF, compared
from scorrnet_cli.masks.speckle_size import correlation_length_px
from scorrnet_cli.models.enet import Segmenter
from scorrnet_cli.numerics.filters import gaussian, masked_gaussian, some_of
from scorrnet_cli.numerics.morphology import dilated, eroded
from scorrnet_cli.numerics.padding import pad_to_multiple

REDUCTION = 0.5  # where a pattern fills all that the network sees, more surroundings tell what it is
MAGNIFICATIONS = (1.5, 2.0)  # the network works at an eighth of what it sees: fine outlines have to be magnified
FINE_PX = 3.0  # correlation length of the pattern below which the strong one is for it: dots of some 7 px
COARSEST_PX = 6.0  # detail coarser than this counts as light, not as speckle
NEIGHBOURHOOD_PX = 10.0
SMALL_PX = 40  # width of what the closest looks alone decide on
RIM_PX = 3
FAINTEST = 0.15  # contrast of a surface, as a share of its best part's, below which there is no paint
NOISE_PX, NOISE_LEFT = 0.8, 0.45  # a window, and the share of the contrast of the camera's noise that passes it at most
LEAST_PX = 1500  # of what is more than noise


@torch.no_grad()
def speckle_probability(network: Segmenter, reference: Tensor) -> Tensor:
    """Return the probability (H, W) that each pixel of a grey image (H, W) shows speckle.

    The image is looked at reduced, where much of the surroundings is seen; as it is; and magnified, where outlines are
    seen that are fine for the network. If the speckle is fine, too, the image is magnified further. The mean of the two
    closest looks is taken, but on what is wide all of them decide, most of all those that saw more than one pattern.
    """
    # Of such lengths the reduced and the magnified ones are multiples of the network's stride, too.
    multiple, smallest = 2 * network.stride, round(network.smallest_image_px / REDUCTION)
    padded, (height, width) = pad_to_multiple(reference[None, None], multiple, smallest, mirrored=True)
    image = padded[0, 0]
    weak, strong = MAGNIFICATIONS
    looks = [look(network, image, magnification) for magnification in (REDUCTION, 1.0, weak)]
    seen = mean(looks) > LIKELY
    if bool(seen.any()) and correlation_length_px(image, seen) < FINE_PX:
        looks.append(look(network, image, strong))
    near, all_looks = mean(looks[-2:]), agreed(looks)
    likely, surroundings = near > LIKELY, agreed([looks[0], *looks])  # the reduced look misses small bodies, but adds
    probability = near.where(~_wide(likely & (all_looks <= LIKELY)), all_looks)
    probability = probability.where(~_wide(~likely & (surroundings > LIKELY)), surroundings)
    return probability[:height, :width]


def segment(network: Segmenter, reference: Tensor) -> Tensor:
    """Find the speckled surface.

    Parameters
    ----------
    network : ENet or ENets
    reference : (H, W) float32
        Grey image of any scale.

    Returns
    -------
    (H, W) bool
    """
    return paint_probability(network, reference) > LIKELY


def paint_probability(network: Segmenter, reference: Tensor) -> Tensor:
    """Return the probability (H, W) that each pixel of a grey image (H, W) shows the paint of the specimen.

    The network sees patterns; what it cannot know from one window is whether the faint pattern of a plain wall is
    paint or the camera's noise. A surface has one paint, so what has far less contrast than its best part is none; what
    is like it otherwise and what is not, `paint` tells, what is like its surroundings, `discriminant`, and what looks
    like a hole in it and is a drop of it, `drops`.
    """
    probability = speckle_probability(network, reference)
    likely = probability > LIKELY
    if not bool(likely.any()):
        return probability
    inner = eroded(likely, RIM_PX)  # the step to a bright wall is no contrast of the paint
    counted = inner if bool(inner.any()) else likely
    contrast = local_contrast(reference, counted.float())
    best = _best_contrast(reference, contrast, counted)
    probability = compared(reference, probability.where(contrast > FAINTEST * best, 0.0))
    dropped = drops(reference, probability > LIKELY)  # before what is seen through holes is told from the surface
    probability = told_apart(reference, probability).where(~dropped, HALF)
    return probability.where(~drops(reference, probability > LIKELY), HALF)


def _best_contrast(image: Tensor, contrast: Tensor, counted: Tensor) -> Tensor:
    """Contrast () of the best part of the pixels `counted`, (H, W) bool.

    Where most of them show no more than the camera's noise, of which neighbours know nothing, while others have far
    more contrast, it is that of the others: a small specimen before a plain wall is not to be measured by the wall.
    """
    best = some_of(contrast[counted]).quantile(0.9)
    smoothed = local_contrast(gaussian((image - image.mean())[None], NOISE_PX)[0], counted.float())
    noise = counted & (smoothed < NOISE_LEFT * contrast)
    others = counted & ~noise
    if LEAST_PX <= int(others.sum()) < int(noise.sum()):
        better = some_of(contrast[others]).quantile(0.9)
        if bool(some_of(contrast[noise]).quantile(0.9) < FAINTEST * better):
            return better
    return best


def local_contrast(image: Tensor, counted: Tensor) -> Tensor:
    """Standard deviation (H, W) of the detail around each pixel of a grey image (H, W), among the pixels `counted`."""
    centred = image - image.mean()
    detail = centred - masked_gaussian(centred[None], counted, COARSEST_PX)[0]
    return masked_gaussian(detail[None] ** 2, counted, NEIGHBOURHOOD_PX)[0].sqrt()


def _wide(points: Tensor) -> Tensor:
    """Those of the points (H, W) bool that squares of `SMALL_PX` hold, and what of the points lies around these."""
    half = SMALL_PX // 2
    middles = eroded(points, half - 1)
    return dilated(middles, half + 2) | (points & dilated(middles, SMALL_PX))
