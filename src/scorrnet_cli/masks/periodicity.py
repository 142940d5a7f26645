"""Whether a pattern repeats: then it matches elsewhere, too, and a displacement may be wrong by a whole period."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from scorrnet_cli.masks.speckle_size import correlation_length_px, without_light

REPEATED = 0.6  # correlation; that of random speckle with itself elsewhere is below 0.2, with 8 grey levels 0.4
FARTHEST_PX = 64
LARGEST_PX = 1024  # side of the square in the midst of the surface that is looked at
MANY = 100_000  # points that tell where the midst is
LEAST_COMMON = 0.25  # share of the surface that must lie over itself when shifted
CHANCE = 6.0  # correlation times the root of the number of points, to which noise comes by chance
DIP = 0.3  # by which a pattern is less like itself on the way: along a stripe it is not
LEAST_LENGTHS = 2.0  # shift in correlation lengths
ON_THE_WAY = (0.25, 0.375, 0.5, 0.625, 0.75)


def period_px(image: Tensor, mask: Tensor) -> float | None:
    """Return the shortest shift at which a pattern is like itself again.

    Parameters
    ----------
    image : (H, W) float32
        Grey levels.
    mask : (H, W) bool
        Where the pattern is.

    Returns
    -------
    float or None
        Length of the shift, px; None if the pattern does not repeat within 64 px.
    """
    part = _middle(mask)
    image, mask = image[part], mask[part]
    length = correlation_length_px(image, mask)
    if length == 0:
        return None
    likeness = _likeness(image, mask)
    at_y, at_x = _shifts(image)
    shift = torch.hypot(at_y, at_x)
    peaks = (likeness > REPEATED) & (likeness == F.max_pool2d(likeness[None], 3, 1, 1)[0])
    rows, columns = torch.nonzero(peaks & (shift > LEAST_LENGTHS * length), as_tuple=True)
    for row, column in sorted(zip(rows.tolist(), columns.tolist(), strict=True), key=lambda place: float(shift[place])):
        way = torch.tensor(ON_THE_WAY, device=image.device)
        y, x = (way * at[row, column] + FARTHEST_PX for at in (at_y, at_x))
        if float(likeness[y.round().long(), x.round().long()].min()) < likeness[row, column] - DIP:
            return float(shift[row, column])
    return None


def _middle(mask: Tensor) -> tuple[slice, slice]:
    """Return where a square lies around the True of (H, W) that is nearest to the midst of them."""
    places = torch.nonzero(mask)
    places = places[:: 1 + len(places) // MANY]
    middle = places[(places - places.float().median(0).values).square().sum(1).argmin()].tolist()
    starts = (max(0, min(at - LARGEST_PX // 2, size - LARGEST_PX)) for at, size in zip(middle, mask.shape, strict=True))
    y, x = (slice(start, start + LARGEST_PX) for start in starts)
    return y, x


def _shifts(image: Tensor) -> tuple[Tensor, Tensor]:
    """Return the shifts along y and x, px, that `_likeness` has."""
    steps = torch.arange(-FARTHEST_PX, FARTHEST_PX + 1, dtype=torch.float32, device=image.device)
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    return y, x


def _likeness(image: Tensor, mask: Tensor) -> Tensor:
    """Correlation (129, 129) of a pattern with itself at every shift up to 64 px along y and x, see `_shifts`.

    It is that of the pattern without its noise, which is alike at no shift but none, see `correlation_length_px`; and 0
    where too little of the surface lies over itself, or noise comes to as much.
    """
    pattern, counted = without_light(image, mask)
    size = [max(length, FARTHEST_PX + 1) + FARTHEST_PX for length in image.shape]
    spectra = [torch.fft.rfft2(each, s=size) for each in (pattern, pattern**2, counted)]

    def products(first: int, second: int) -> Tensor:
        whole: Tensor = torch.fft.irfft2(spectra[first].conj() * spectra[second], s=size)
        whole = whole.roll((FARTHEST_PX, FARTHEST_PX), (0, 1))
        return whole[: 2 * FARTHEST_PX + 1, : 2 * FARTHEST_PX + 1]

    common = products(2, 2)
    energy = (products(1, 2) * products(2, 1)).clamp_min(0).sqrt()
    likeness = products(0, 0) / energy.clamp_min(1e-6 * float(energy.max()))
    near = (likeness[FARTHEST_PX + 1, FARTHEST_PX] + likeness[FARTHEST_PX, FARTHEST_PX + 1]) / 2
    next_to = (likeness[FARTHEST_PX + 2, FARTHEST_PX] + likeness[FARTHEST_PX, FARTHEST_PX + 2]) / 2
    unshifted = (2 * near - next_to).clamp(1e-6, 1)
    enough = (common > LEAST_COMMON * counted.sum()) & (likeness * common.clamp_min(0).sqrt() > CHANCE)
    return (likeness / unshifted).where(enough, torch.zeros_like(likeness))
