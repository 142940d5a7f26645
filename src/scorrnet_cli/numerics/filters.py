"""Means around points of images and fields, most of them Gaussian, and what follows from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from scorrnet_cli.numerics.tiles import Box

_PLANE_POINTS = 1_000_000  # of a larger image, points enough for a plane
_SOME = 100_000  # values that are enough for a quantile
CACHED = 2**19  # samples that a processor's cache holds; larger images are filtered in strips that it does hold
STRIP_PX = 128
_KEYS = (-9 / 128, 111 / 128, 29 / 128, -3 / 128)  # cubic convolution a quarter behind the second of four samples


def gaussian(x: Tensor, sigma: float) -> Tensor:
    """Convolve with a Gaussian; beyond the border there is nothing.

    Parameters
    ----------
    x : (C, H, W) float32
    sigma : float
        Standard deviation, px.

    Returns
    -------
    (C, H, W) float32
    """
    radius = max(1, math.ceil(3.5 * sigma))
    block = _block(radius)
    offsets = torch.arange(block + 2 * radius, device=x.device)[:, None] - torch.arange(block, device=x.device)
    taps = torch.exp(-0.5 * ((offsets - radius) / sigma) ** 2) * ((offsets >= 0) & (offsets <= 2 * radius))
    band = taps / taps[:, :1].sum()  # (block + 2 radius, block)
    if x.device.type != "cpu" or x.numel() <= CACHED:
        return along_columns(F.pad(along_rows(x, band), (0, 0, radius, radius)), band)
    channels, height, _ = x.shape
    filtered = torch.empty_like(x)
    for channel in range(channels):
        for top in range(0, height, STRIP_PX):
            bottom = min(top + STRIP_PX, height)
            first, last = max(top - radius, 0), min(bottom + radius, height)
            rows = along_rows(x[channel : channel + 1, first:last], band)
            rows = F.pad(rows, (0, 0, first - top + radius, bottom + radius - last))
            filtered[channel, top:bottom] = along_columns(rows, band)[0]
    return filtered


def band_of(taps: Tensor) -> Tensor:
    """Matrix (block + 2 r, block) that sums points times taps (2 r + 1) along an axis."""
    radius = len(taps) // 2
    block = _block(radius)
    band = taps.new_zeros(block + 2 * radius, block)
    for column in range(block):
        band[column : column + 2 * radius + 1, column] = taps
    return band


def _block(radius: int) -> int:
    return 8 if radius < 12 else 16 if radius < 24 else 32 if radius < 40 else 64


def along_rows(x: Tensor, band: Tensor) -> Tensor:
    """Filter (C, H, W) along x: every block of columns is one matrix product, far faster than a 1-D convolution."""
    channels, height, width = x.shape
    reach, block = band.shape
    count, radius = -(-width // block), (reach - block) // 2
    padded = F.pad(x, (radius, count * block - width + radius)).view(channels * height, -1)
    windows = padded.as_strided((count, channels * height, reach), (block, padded.shape[1], 1))
    filtered = torch.bmm(windows, band.expand(count, -1, -1))  # (count, C * H, block)
    return filtered.permute(1, 0, 2).reshape(channels, height, count * block)[..., :width]


def along_columns(x: Tensor, band: Tensor) -> Tensor:
    """Filter (C, H + 2 radius, W) along y in the same way, to (C, H, W)."""
    channels, height, width = x.shape
    reach, block = band.shape
    height -= reach - block
    count = -(-height // block)
    padded = F.pad(x, (0, 0, 0, count * block - height))  # (C, H', W)
    shape, strides = (channels, count, reach, width), (padded.stride(0), block * width, width, 1)
    filtered = torch.matmul(band.T, padded.as_strided(shape, strides))  # (C, count, block, W)
    return filtered.view(channels, count * block, width)[:, :height]


def masked_gaussian(x: Tensor, weight: Tensor, sigma: float) -> Tensor:
    """Return the weighted Gaussian mean around each point.

    Parameters
    ----------
    x : (C, H, W) float32
        Finite also where `weight` is 0.
    weight : (H, W) float32
        0 where `x` does not count.
    sigma : float
        Standard deviation, px.

    Returns
    -------
    (C, H, W) float32
        0 where nothing within reach counts.
    """
    both = gaussian(torch.cat([x * weight, weight[None]]), sigma)
    return both[:-1] / both[-1:].clamp_min(1e-6)


def wide_mean(x: Tensor, weight: Tensor, sigma: float) -> Tensor:
    """Like `masked_gaussian`, also in parameters, for a wide window: at a quarter of the size and interpolated back."""
    height, width = weight.shape
    stacked = torch.cat([x * weight, weight[None]])
    fill = (0, -width % 4, 0, -height % 4)
    small = gaussian(F.avg_pool2d(F.pad(stacked[:, None], fill), 4)[:, 0], sigma / 4)
    mean = small[:-1] / small[-1:].clamp_min(1e-6)
    size = (height + fill[3], width + fill[1])
    return F.interpolate(mean[None], size, mode="bilinear", align_corners=False)[0, :, :height, :width]


def light_and_detail(image: Tensor, mean: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Return the light of an image, its detail, and the detail's standard deviation nearby.

    Parameters
    ----------
    image : (..., H, W) float32
    mean : callable
        Gives the mean around each point, in the same shape.
    """
    light = mean(image)
    detail = image - light
    return light, detail, mean(detail**2).clamp_min(0).sqrt()


def dimmed(image: Tensor, mean: Callable[[Tensor], Tensor], most: float) -> Tensor:
    """Dim what shines: detail beyond `most` standard deviations nearby; parameters are those of `light_and_detail`."""
    for _ in range(2):  # the first time what shines is in the contrast by which it is judged
        light, detail, contrast = light_and_detail(image, mean)
        image = light + detail.clamp(-most * contrast, most * contrast)
    return image


def some_of(values: Tensor) -> Tensor:
    """Thin out values (N,) that lie in rows: every so many-th, an odd number, so that no column is left out."""
    return values[:: values.numel() // _SOME | 1]


def halved(x: Tensor) -> Tensor:
    """Mean of every 2 x 2 pixels of (C, H, W), (C, ceil(H / 2), ceil(W / 2)); what is missing at an odd end repeats."""
    height, width = x.shape[-2:]
    return F.avg_pool2d(F.pad(x[None], (0, width % 2, 0, height % 2), mode="replicate")[0], 2)


def doubled(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Interpolate (C, h, w), as `halved` makes it, back to (C, H, W), by cubic convolution (Keys, 1981).

    The weights are those of parameter -1/2, which keep a parabola, at a quarter of a sample on either side. They are
    summed sample by sample, for products of so narrow matrices take ten times as long.
    """
    for axis, border in ((-1, (2, 2, 0, 0)), (-2, (0, 0, 2, 2))):
        padded = F.pad(x[None], border, mode="replicate")[0]
        near = [padded.narrow(axis, start, x.shape[axis]) for start in range(5)]  # from two samples before
        both = torch.stack([_weighted(near[3::-1]), _weighted(near[1:])], axis)  # a quarter before, a quarter behind
        x = both.flatten(axis - 1, axis)
    return x[..., : size[0], : size[1]]


def _weighted(near: Sequence[Tensor]) -> Tensor:
    """Interpolate a quarter of the way from the second of four samples to the third."""
    total = near[0] * _KEYS[0]
    for samples, weight in zip(near[1:], _KEYS[1:], strict=True):
        total.add_(samples, alpha=weight)
    return total


def binned(x: Tensor, size: int) -> Tensor:
    """Mean of every `size` x `size` pixels of (C, H, W); what is missing at the end counts as 0."""
    height, width = x.shape[-2:]
    return F.avg_pool2d(F.pad(x, (0, -width % size, 0, -height % size)), size)


def repeated(cells: Tensor, times: int, size: Sequence[int]) -> Tensor:
    """Map (H, W) of the pixels of cells (h, w), each as wide as so many pixels; what is beyond H and W is cut off."""
    return cells.repeat_interleave(times, 0).repeat_interleave(times, 1)[: size[0], : size[1]]


def gradient(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the derivatives along x and y of (C, H, W), by the 5-point formula (4th order)."""
    px, py = _continued(x, 2), _continued(x, 1)
    gx = (8 * (px[..., 3:-1] - px[..., 1:-3]) - (px[..., 4:] - px[..., :-4])) / 12
    gy = (8 * (py[..., 3:-1, :] - py[..., 1:-3, :]) - (py[..., 4:, :] - py[..., :-4, :])) / 12
    return gx, gy


def _continued(x: Tensor, axis: int) -> Tensor:
    """Continue (C, H, W) by two points at either end of an axis, turned about the border point so that slopes stay."""
    first, last = x.narrow(axis, 0, 1), x.narrow(axis, -1, 1)
    before, after = x.narrow(axis, 1, 2).flip(axis), x.narrow(axis, -3, 2).flip(axis)
    return torch.cat([2 * first - before, x, 2 * last - after], axis)


def plane_through(field: Tensor, weight: Tensor) -> Tensor:
    """Plane that fits a field best: smoothing what it leaves does not flatten slopes at borders.

    Parameters
    ----------
    field : (C, H, W) float32
    weight : (H, W) float32
        0 where the field does not count; all 0 gives 0.

    Returns
    -------
    (C, H, W) float32
    """
    height, width = weight.shape
    return plane_at(fitted_plane(field, weight), Box(0, 0, height, width), (height, width))


def fitted_plane(field: Tensor, weight: Tensor) -> Tensor:
    """Fit a plane to a field, see `plane_through`.

    Returns
    -------
    (3, C) float32
        Its mean and what it rises by along x and y, from the middle of the image to its border.
    """
    whole = Box(0, 0, *weight.shape)
    return plane_through_parts([(whole, field, weight)], weight.shape)


def plane_through_parts(parts: Sequence[tuple[Box, Tensor, Tensor]], size: Sequence[int]) -> Tensor:
    """Fit a plane to what is known of a field in parts of an image, as `fitted_plane` does to all of it.

    Parameters
    ----------
    parts : sequence of Box, (C, h, w) and (h, w)
        Where, the field there, and its weight.
    size : sequence of int
        Height and width of the image.
    """
    step = max(2, math.isqrt(sum(weight.numel() for _, _, weight in parts) // _PLANE_POINTS))
    bases, knowns, shares = [], [], []
    for box, field, weight in parts:
        share = weight[::step, ::step]
        counted = share > 0
        terms = torch.stack([torch.ones_like(share), *_unit_grid(box, size, weight, step)])
        bases.append(terms[:, counted].double())
        knowns.append(field[:, ::step, ::step][:, counted].double())
        shares.append(share[counted].double())
    basis, known, share = torch.cat(bases, 1), torch.cat(knowns, 1), torch.cat(shares)  # (3, K), (C, K), (K,)
    ridge = (1e-6 * share.sum() + 1e-12) * torch.eye(3, dtype=torch.float64, device=share.device)
    slopes = torch.linalg.solve((basis * share) @ basis.T + ridge, (basis * share) @ known.T)  # (3, C)
    fitted: Tensor = slopes.to(parts[0][1].dtype)
    return fitted


def plane_at(slopes: Tensor, box: Box, size: Sequence[int]) -> Tensor:
    """Plane (C, h, w) of `fitted_plane` in a box of an image of `size` (H, W)."""
    x, y = _unit_grid(box, size, slopes)
    return slopes[0, :, None, None] + slopes[1, :, None, None] * x + slopes[2, :, None, None] * y


def _unit_grid(box: Box, size: Sequence[int], like: Tensor, step: int = 1) -> tuple[Tensor, Tensor]:
    """Coordinates x and y (h, w) of every `step`-th pixel of a box, that run from -1 to 1 over the image."""
    x = torch.linspace(-1, 1, size[1], device=like.device)[box.left : box.right : step]
    y = torch.linspace(-1, 1, size[0], device=like.device)[box.top : box.bottom : step, None]
    return x.expand(len(y), -1), y.expand(-1, len(x))
