"""Speckle as it is painted: textures on a torus, rendered in the Fourier domain.

Dots are discs or ellipses (their spectrum is a Bessel function), summed and saturated: the Boolean model of
overlapping paint. Sprays and spatters mix dot sizes, prints put the dots on a jittered grid, filtered noise gives the
labyrinths of toner and etching. Every texture is periodic, so any displaced window of it can be sampled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from scorrnet_cli.training.rng import Rng

COVER = (0.12, 2.0)  # area of all dots over that of the ground; they overlap and so hide 11 to 86 % of it
KINDS = {"dots": 0.3, "spray": 0.2, "spatter": 0.15, "print": 0.1, "noise": 0.25}
SPATTER = (1.6, 1.0, 0.6, 0.36)  # diameters of its drops, of the usual one
MIST = (-1.5, -0.5, 0.5, 1.5, 2.5, 3.5)  # logarithms of the diameters of a spray can's drops, in standard deviations
MIST_SPREAD = (0.3, 0.7)  # standard deviation of these logarithms
LARGEST_DROP = 2.0  # of the largest dot


@dataclass(frozen=True)
class Layer:
    """One population of dots, or one filtered noise."""

    source: Tensor  # (P, P)
    spectrum: Tensor  # (P, P // 2 + 1)


def speckle(
    rng: Rng, period: int, oversampling: int, dot_px: Sequence[float] = (1.5, 12.0), mist_share: float = 0.0
) -> Tensor:
    """Make one speckle texture.

    Parameters
    ----------
    rng : Rng
    period : int
        Size of the torus in texture samples.
    oversampling : int
        Texture samples per image pixel.
    dot_px : sequence of float
        Smallest and largest dot diameter, image pixels.
    mist_share : float
        Share of textures with drops of all sizes, a few of them many times as large as most.

    Returns
    -------
    (P, P) float32
        0 (ground) to 1 (paint).
    """
    if mist_share and rng.chance(mist_share):  # without mist no number is drawn
        return _mist(rng, period, oversampling, dot_px)
    kind = rng.pick(KINDS)
    size = rng.log_uniform(dot_px[0], dot_px[1]) * oversampling
    if kind == "noise":
        return _filtered_noise(rng, period, size)
    shares = {"spray": (1.0, rng.uniform(0.3, 0.7)), "spatter": SPATTER}.get(kind, (1.0,))
    sizes = [max(size * share, 1.5 * oversampling) for share in shares]
    total_cover = rng.log_uniform(*COVER)
    return _painted([_dots(rng, period, each, total_cover / len(sizes), kind == "print") for each in sizes], period)


def _painted(layers: Sequence[Layer], period: int) -> Tensor:
    """Paint (P, P) of all dots of some layers."""
    spectrum = sum(torch.fft.rfft2(layer.source) * layer.spectrum for layer in layers)
    paint: Tensor = torch.fft.irfft2(spectrum, s=(period, period))
    return paint.clamp_(0.0, 1.0)


def _mist(rng: Rng, period: int, oversampling: int, dot_px: Sequence[float]) -> Tensor:
    """Spray drops whose diameters are distributed log-normally, about a size between the most and the largest ones."""
    spread = rng.uniform(*MIST_SPREAD)
    size = rng.log_uniform(*dot_px) * math.exp(-(spread**2))
    sizes = [min(max(size * math.exp(spread * z), 1.5), LARGEST_DROP * dot_px[1]) * oversampling for z in MIST]
    areas = [math.exp(-z * z / 2) * each**2 for z, each in zip(MIST, sizes, strict=True)]
    scale = rng.log_uniform(*COVER) / sum(areas)
    return _painted(
        [_dots(rng, period, *each, False) for each in zip(sizes, (scale * a for a in areas), strict=True)], period
    )


def _frequencies(period: int, device: torch.device) -> tuple[Tensor, Tensor]:
    fy = torch.fft.fftfreq(period, device=device)[:, None]
    fx = torch.fft.rfftfreq(period, device=device)[None, :]
    return fx, fy


def _dots(rng: Rng, period: int, diameter: float, cover: float, on_grid: bool) -> Layer:
    """Scatter discs or ellipses of one size; `cover` is the share of the ground they take before overlap."""
    aspect = rng.log_uniform(0.6, 1.0) if rng.chance(0.4) else 1.0
    long_axis, short_axis = 0.5 * diameter / math.sqrt(aspect), 0.5 * diameter * math.sqrt(aspect)
    count = max(4, round(cover * period * period / (math.pi * long_axis * short_axis)))
    if on_grid:
        side = max(2, round(math.sqrt(count)))
        cell = torch.arange(side * side, device=rng.device)
        jitter = rng.uniform(0.2, 0.8)
        points = torch.stack([cell % side, cell // side], 1) + jitter * rng.rand(side * side, 2)
        position = (points * (period / side)).long()
    else:
        position = (rng.rand(count, 2) * period).long()
    flat = (position[:, 1] % period) * period + position[:, 0] % period
    source = torch.zeros(period * period, device=rng.device)
    source.index_add_(0, flat, torch.ones_like(flat, dtype=torch.float32))
    angle = rng.uniform(0.0, math.pi)
    fx, fy = _frequencies(period, rng.device)
    along = (fx * math.cos(angle) + fy * math.sin(angle)) * long_axis
    across = (fy * math.cos(angle) - fx * math.sin(angle)) * short_axis
    radial = 2 * math.pi * torch.sqrt(along**2 + across**2).clamp_min_(1e-6)
    disc = 2 * torch.special.bessel_j1(radial) / radial * (math.pi * long_axis * short_axis)
    edge = torch.exp(-2 * (math.pi * 0.55) ** 2 * (fx**2 + fy**2))
    return Layer(source.view(period, period), disc * edge)


def _filtered_noise(rng: Rng, period: int, size: float) -> Tensor:
    """Threshold band-limited noise softly; `size` is the width of its blobs in samples."""
    fx, fy = _frequencies(period, rng.device)
    squared = fx**2 + fy**2
    low = torch.exp(-squared * (size * 1.3) ** 2)
    high = 1 - torch.exp(-squared * (size * rng.uniform(2.0, 8.0)) ** 2)
    noise: Tensor = torch.fft.irfft2(torch.fft.rfft2(rng.randn(period, period)) * low * high, s=(period, period))
    noise = noise / noise.std().clamp_min(1e-6)
    return torch.sigmoid(rng.log_uniform(0.8, 8.0) * (noise - rng.uniform(-0.5, 0.5)))


def softened(paint: Tensor, sigma: float) -> Tensor:
    """Blur a periodic texture (P, P) by a Gaussian of `sigma` samples, and stretch it to 0 to 1 again."""
    fx, fy = _frequencies(paint.shape[-1], paint.device)
    fall = torch.exp(-2 * (math.pi * sigma) ** 2 * (fx**2 + fy**2))
    soft: Tensor = torch.fft.irfft2(torch.fft.rfft2(paint) * fall, s=paint.shape[-2:])
    lowest, highest = soft.amin(), soft.amax()
    return (soft - lowest) / (highest - lowest).clamp_min(1e-3)


def power_law(rng: Rng, period: int, exponent: float) -> Tensor:
    """Make noise whose amplitude falls as frequency to the power of -`exponent`, as in natural images.

    Returns
    -------
    (P, P) float32
        Zero mean, unit standard deviation, periodic.
    """
    fx, fy = _frequencies(period, rng.device)
    fall = (fx**2 + fy**2).clamp_min_(1.0 / period**2) ** (-0.5 * exponent)
    fall[0, 0] = 0.0
    noise: Tensor = torch.fft.irfft2(torch.fft.rfft2(rng.randn(period, period)) * fall, s=(period, period))
    return noise / noise.std().clamp_min(1e-6)
