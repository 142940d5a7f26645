"""How the segmentation networks look at an image: in tiles, reduced, as it is, or magnified; what each look is worth.

A network asked about a tile that one pattern fills does not know whether that is paint or a rough wall; where it sees
both, it does. So looks that disagree count by what else their tiles show, and by how sure the network is there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from scorrnet_cli.models.enet import Segmenter

TILE_PX = 448  # as in training
# Probability above which a pixel belongs to the surface: less than a half, for whoever measures an image knows that it
# shows a surface, and a network asked about a window that a pattern fills does not.
LIKELY = 0.4
MIRRORED: tuple[tuple[int, ...], ...] = ((), (0,), (1,), (0, 1))  # axes
AT_ONCE = len(MIRRORED)  # tiles; so many keep all cores of a small machine busy
LEAST_TRUST = 0.03  # in a tile that a pattern fills, and in a look that finds no paint anywhere
EMPTY_TRUST, LITTLE = 0.3, 0.1  # in a tile without paint; share of the paint above which it counts in full
SURE, LEAST_PX = 0.7, 1600  # a look finds paint where so many pixels are as probable


class Look(NamedTuple):
    """What was seen, each (H, W): the probability of speckle, and how much it is to be trusted (0 to 1)."""

    probability: Tensor
    trust: Tensor


def magnified(images: Tensor, magnification: float) -> Tensor:
    """Enlarge images (N, H, W), or reduce them as a camera with fewer pixels would; H and W are rounded."""
    size = [round(magnification * length) for length in images.shape[-2:]]
    if magnification < 1:
        return F.interpolate(images[None], size, mode="area")[0]
    return F.interpolate(images[None], size, mode="bicubic", align_corners=False)[0]


def look(network: Segmenter, image: Tensor, magnification: float) -> Look:
    """Look at an image in overlapping tiles, each magnified or reduced, and put together what is seen.

    Tiles are about as large as the images that the network was trained on: deep inside a large surface it would
    otherwise miss an edge in sight. Neighbours are turned and mirrored in different ways, which a random pattern does
    not care about, and their mean is taken.

    Parameters
    ----------
    network : ENet or ENets
    image : (H, W) float32
        Grey levels of any scale.
    magnification : float
        Pixels that the network sees for one of the image, along both axes; below 1 it is reduced.

    Returns
    -------
    Look
        At the size of the image.
    """
    side = int(TILE_PX / magnification) // (2 * network.stride) * (2 * network.stride)
    size = (min(side, image.shape[0]), min(side, image.shape[1]))
    places = [(y, x) for y in _places(image.shape[0], size[0]) for x in _places(image.shape[1], size[1])]
    weight = _bump(size[0], image)[:, None] * _bump(size[1], image)
    total, trusted, weights = (torch.zeros_like(image) for _ in range(3))
    for first in range(0, len(places), AT_ONCE):
        parts = [(slice(y, y + size[0]), slice(x, x + size[1])) for y, x in places[first : first + AT_ONCE]]
        tiles = magnified(torch.stack([image[part] for part in parts]), magnification)
        seen = _seen(network, tiles, turned=bool(first // AT_ONCE % 2))
        for part, probability in zip(parts, F.interpolate(seen[None], size, mode="bilinear")[0], strict=True):
            total[part] += weight * probability
            trusted[part] += weight * _trust(probability)
            weights[part] += weight
    probability, trust = total / weights, trusted / weights
    is_blind = int((probability > SURE).sum()) < LEAST_PX
    return Look(probability, LEAST_TRUST * trust if is_blind else trust)


def _trust(probability: Tensor) -> Tensor:
    """How much () a tile (h, w) is to be trusted: by what it shows beside paint, and by how sure the network is there.

    What fills a tile may be paint or a rough wall; before something else the network knows.
    """
    share, sureness = probability.mean(), (2 * probability - 1).abs().mean().clamp_min(LEAST_TRUST)
    alone = LEAST_TRUST + (1 - LEAST_TRUST) * (1 - share)
    told = alone * (EMPTY_TRUST + (1 - EMPTY_TRUST) * (share / LITTLE).clamp(max=1.0))
    return sureness**2 * told


def mean(looks: Sequence[Look]) -> Tensor:
    """Mean (H, W) of what some looks say."""
    return torch.stack([each.probability for each in looks]).mean(0)


def agreed(looks: Sequence[Look]) -> Tensor:
    """Mean (H, W) of what some looks say, by how much each is to be trusted there."""
    trust = torch.stack([each.trust for each in looks])
    return (trust * torch.stack([each.probability for each in looks])).sum(0) / trust.sum(0)


def _places(length: int, tile: int) -> list[int]:
    """Where tiles begin that overlap by an eighth or more and end flush with the image."""
    count = math.ceil(8 / 7 * (length - tile) / tile) + 1
    return [round(index * (length - tile) / max(1, count - 1)) for index in range(count)]


def _bump(length: int, like: Tensor) -> Tensor:
    """Weight (length,) of a tile's pixels, small at its ends, where it knows one side only."""
    middle = torch.arange(length, device=like.device) + 0.5
    return torch.sin(math.pi * middle / length) ** 2 + 1e-3


def _seen(network: Segmenter, tiles: Tensor, *, turned: bool) -> Tensor:
    """Probability (N, h, w) of at most four tiles, each looked at in one of the four ways to mirror it."""
    views = _mirrored(tiles)
    scores = network(network.normalise((views.mT if turned else views)[:, None]))
    probability = scores.float().softmax(1)[:, 1]
    return _mirrored(probability.mT if turned else probability)


def _mirrored(tiles: Tensor) -> Tensor:
    """Mirror the first tile (h, w) not at all, the second along y, the third along x, the fourth along both."""
    return torch.stack([tile.flip(axes) for tile, axes in zip(tiles, MIRRORED, strict=False)])
