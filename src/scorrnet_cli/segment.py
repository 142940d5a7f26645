"""Grey image -> mask: where the speckled surface is."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from scorrnet_cli.filters import masked_gaussian
from scorrnet_cli.models.enet import ENet
from scorrnet_cli.padding import pad_to_multiple

TILE_PX = 320  # as in training
MAGNIFICATION = 1.5  # the network works at an eighth of what it sees: fine outlines have to be magnified for it
COARSEST_PX = 6.0  # detail coarser than this counts as light, not as speckle
NEIGHBOURHOOD_PX = 10.0
LIKELY = 0.5  # probability above which a pixel belongs to the surface
RIM_PX = 3
FAINTEST = 0.15  # contrast of a surface, as a share of its best part's, below which there is no paint


@torch.no_grad()
def speckle_probability(network: ENet, reference: Tensor) -> Tensor:
    """Return the probability (H, W) that each pixel of a grey image (H, W) shows speckle.

    The image is looked at as it is, where most of the surroundings are seen, and magnified, where fine outlines are;
    the mean is taken.
    """
    # Of such lengths the magnified ones are multiples of the network's stride, too.
    padded, (height, width) = pad_to_multiple(reference[None, None], 2 * network.stride, network.smallest_image_px)
    image = padded[0, 0]
    both = _in_tiles(network, image, 1.0) + _in_tiles(network, image, MAGNIFICATION)
    return both[:height, :width] / 2


def magnified(images: Tensor, magnification: float = MAGNIFICATION) -> Tensor:
    """Enlarge images (N, H, W); H and W grow by `magnification`, rounded."""
    size = [round(magnification * length) for length in images.shape[-2:]]
    return F.interpolate(images[None], size, mode="bicubic", align_corners=False)[0]


def _in_tiles(network: ENet, image: Tensor, magnification: float) -> Tensor:
    """Look at an image (H, W) in overlapping tiles, each magnified, and put together what is seen.

    Tiles are about as large as the images that the network was trained on: deep inside a large surface it would
    otherwise miss an edge in sight. Neighbours are turned and mirrored in different ways, which a random pattern does
    not care about, and their mean is taken.
    """
    side = int(TILE_PX / magnification) // (2 * network.stride) * (2 * network.stride)
    size = (min(side, image.shape[0]), min(side, image.shape[1]))
    places = [(y, x) for y in _places(image.shape[0], size[0]) for x in _places(image.shape[1], size[1])]
    weight = _bump(size[0], image)[:, None] * _bump(size[1], image)
    total, weights = torch.zeros_like(image), torch.zeros_like(image)
    for way, (y, x) in enumerate(places):
        part = slice(y, y + size[0]), slice(x, x + size[1])
        seen = _seen(network, magnified(image[None, *part], magnification)[0], way)
        total[part] += weight * F.interpolate(seen[None, None], size, mode="bilinear", align_corners=False)[0, 0]
        weights[part] += weight
    return total / weights


def _places(length: int, tile: int) -> list[int]:
    """Where tiles begin that overlap by a quarter or more and end flush with the image."""
    count = math.ceil(4 / 3 * (length - tile) / tile) + 1
    return [round(index * (length - tile) / max(1, count - 1)) for index in range(count)]


def _bump(length: int, like: Tensor) -> Tensor:
    """Weight (length,) of a tile's pixels, small at its ends, where it knows one side only."""
    middle = torch.arange(length, device=like.device) + 0.5
    return torch.sin(math.pi * middle / length) ** 2 + 1e-3


def _seen(network: ENet, tile: Tensor, way: int) -> Tensor:
    """Probability (h, w) of a tile, looked at in one of eight ways."""
    flips = [axis for axis in (0, 1) if way >> axis & 1]
    turned = bool(way >> 2 & 1)
    view = tile.flip(flips)
    view = view.T if turned else view
    scores = network(network.normalise(view[None, None]))
    probability: Tensor = scores.softmax(1)[0, 1]
    return (probability.T if turned else probability).flip(flips)


def segment(network: ENet, reference: Tensor) -> Tensor:
    """Find the speckled surface.

    Parameters
    ----------
    network : ENet
    reference : (H, W) float32
        Grey image of any scale.

    Returns
    -------
    (H, W) bool
    """
    return paint_probability(network, reference) > LIKELY


def paint_probability(network: ENet, reference: Tensor) -> Tensor:
    """Return the probability (H, W) that each pixel of a grey image (H, W) shows the paint of the specimen.

    The network sees patterns; what it cannot know from one window is whether the faint pattern of a plain wall is
    paint or the camera's noise. A surface has one paint, so what has far less contrast than its best part is none.
    """
    probability = speckle_probability(network, reference)
    likely = probability > LIKELY
    if not bool(likely.any()):
        return probability
    inner = _shrunk(likely)
    contrast = local_contrast(reference, inner)
    found = contrast[inner > 0] if bool((inner > 0).any()) else contrast[likely]
    best = torch.quantile(found[:: found.numel() // 100_000 | 1], 0.9)
    return probability.where(contrast > FAINTEST * best, 0.0)


def local_contrast(image: Tensor, counted: Tensor) -> Tensor:
    """Standard deviation (H, W) of the detail around each pixel of a grey image (H, W), among the pixels `counted`."""
    centred = image - image.mean()
    detail = centred - masked_gaussian(centred[None], counted, COARSEST_PX)[0]
    return masked_gaussian(detail[None] ** 2, counted, NEIGHBOURHOOD_PX)[0].sqrt()


def _shrunk(likely: Tensor) -> Tensor:
    """1 (H, W) where there is likely paint, but for its rim: the step to a bright wall is no contrast of the paint."""
    return 1 - F.max_pool2d((~likely).float()[None], 2 * RIM_PX + 1, 1, RIM_PX)[0]
