"""Periodic textures at any point, by cubic B-splines."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def sample_torus(textures_: Tensor, xy: Tensor) -> Tensor:
    """Sample periodic textures (C, P, P) by cubic B-splines at points (2, H, W) in samples.

    A cubic convolution whose parameter is not -1/2, as `grid_sample` has it, would move the texture by up to 0.047
    samples. The spline of 4 x 4 coefficients is put together from four bilinear samples, for its weights are positive
    (Sigg, Hadwiger, 2005, GPU Gems 2, chapter 20).
    """
    period = textures_.shape[-1]
    if bool((xy == torch.round(xy)).all()):
        x, y = torch.remainder(xy, period).long()
        return textures_[:, y, x]
    pad = 3
    wrapped = F.pad(_coefficients(textures_)[None], (pad,) * 4, mode="circular")
    position = torch.remainder(xy, period)
    whole = torch.floor(position)
    nearer, places = _pairs_of_weights(position - whole)
    places = whole + pad + places  # (2 pairs, 2 axes, H, W)
    out = torch.zeros(len(textures_), *xy.shape[1:], device=xy.device)
    for i in range(2):
        for j in range(2):
            grid = torch.stack([places[j, 0], places[i, 1]], -1)[None]
            grid = (grid * 2 + 1) / (period + 2 * pad) - 1
            sample = F.grid_sample(wrapped, grid, mode="bilinear", align_corners=False, padding_mode="border")[0]
            out += nearer[i, 1] * nearer[j, 0] * sample
    return out


def _coefficients(textures_: Tensor) -> Tensor:
    """Cubic B-spline coefficients of periodic textures (C, P, P)."""
    period = textures_.shape[-1]
    fy = torch.fft.fftfreq(period, device=textures_.device)[:, None]
    fx = torch.fft.rfftfreq(period, device=textures_.device)[None, :]
    sampled = (2 + torch.cos(2 * math.pi * fx)) * (2 + torch.cos(2 * math.pi * fy)) / 9
    coefficients: Tensor = torch.fft.irfft2(torch.fft.rfft2(textures_) / sampled, s=(period, period))
    return coefficients


def _pairs_of_weights(t: Tensor) -> tuple[Tensor, Tensor]:
    """Weights of the first two and the last two nodes of a cubic B-spline at a fraction `t`, and their centres."""
    s = 1 - t
    w0, w1, w2, w3 = s**3 / 6, 2 / 3 - t * t + t**3 / 2, 2 / 3 - s * s + s**3 / 2, t**3 / 6
    first, last = w0 + w1, w2 + w3
    return torch.stack([first, last]), torch.stack([w1 / first - 1, w3 / last + 1])
