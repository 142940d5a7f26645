"""Gaussian filters of images and fields."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


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
    taps = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, device=x.device) / sigma) ** 2)
    taps = taps / taps.sum()
    x = F.conv2d(x[:, None], taps.view(1, 1, 1, -1), padding=(0, radius))
    return F.conv2d(x, taps.view(1, 1, -1, 1), padding=(radius, 0))[:, 0]


def masked_gaussian(x: Tensor, weight: Tensor, sigma: float) -> Tensor:
    """Return the Gaussian mean of `x` (C, H, W) over the points of positive `weight` (H, W); 0 where there is none."""
    both = gaussian(torch.cat([x * weight, weight[None]]), sigma)
    return both[:-1] / both[-1:].clamp_min(1e-6)


def wide_mean(x: Tensor, weight: Tensor, sigma: float) -> Tensor:
    """Like `masked_gaussian` for a wide window, at a quarter of the size and interpolated back."""
    height, width = weight.shape
    stacked = torch.cat([x * weight, weight[None]])
    fill = (0, -width % 4, 0, -height % 4)
    small = gaussian(F.avg_pool2d(F.pad(stacked[:, None], fill), 4)[:, 0], sigma / 4)
    mean = small[:-1] / small[-1:].clamp_min(1e-6)
    size = (height + fill[3], width + fill[1])
    return F.interpolate(mean[None], size, mode="bilinear", align_corners=False)[0, :, :height, :width]


def gradient(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the derivatives along x and y of (C, H, W), by the 5-point formula (4th order)."""
    px = F.pad(x[None], (2, 2, 0, 0), mode="replicate")[0]
    py = F.pad(x[None], (0, 0, 2, 2), mode="replicate")[0]
    gx = (8 * (px[..., 3:-1] - px[..., 1:-3]) - (px[..., 4:] - px[..., :-4])) / 12
    gy = (8 * (py[..., 3:-1, :] - py[..., 1:-3, :]) - (py[..., 4:, :] - py[..., :-4, :])) / 12
    return gx, gy
