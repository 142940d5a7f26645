"""Speckle as it is painted: textures on a torus, rendered in the Fourier domain.

Dots are discs or ellipses (their spectrum is a Bessel function), summed and saturated: the Boolean model of
overlapping paint. Sprays and spatters mix dot sizes, prints put the dots on a jittered grid, filtered noise gives the
labyrinths of toner and etching. `varied` makes of these what hands, cans and microscopes do to them. Every texture is
periodic, so any displaced window of it can be sampled.
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
LARGEST_DROP_PX = 32.0  # of a spray can's mist
VARIED_KINDS = {"plain": 1.0, "shaded": 1.2, "jittered": 1.2, "net": 0.8, "two": 0.8}
FINER, FINEST_PX = 0.4, 1.5  # dots of the second of two patterns, of the first's, and in image pixels
PITCH = (1.05, 2.2)  # of jittered dots, in their diameters
JITTER = (0.12, 1.2)  # about its node, of the pitch: barely irregular to all over the place
MOST_STRETCHED = 2.5  # of jittered dots, length over width
TONE = (0.35, 3.0)  # exponent of the tone curve
GRAIN_STRENGTH = (0.03, 0.25)  # standard deviation of grain in paint, where ground is 0 and paint 1
PATCHINESS = (0.2, 0.8)  # how much of the paint is missing where it is thinnest


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


def varied(rng: Rng, period: int, oversampling: int, dot_px: Sequence[float], mist_share: float = 0.0) -> Tensor:
    """Make one speckle texture (P, P), 0 to 1, of the less regular kinds; parameters are those of `speckle`.

    Drops may be of many tones, or printed apart from each other; lines may cross to a net; two patterns may lie over
    each other. Then the tones may be bent, the ground may be grainy, and the paint may be thicker here than there.
    """
    kind = rng.pick(VARIED_KINDS)
    if kind == "shaded":
        paint = _shaded(rng, period, oversampling, dot_px)
    elif kind == "jittered":
        paint = _jittered(rng, period, max(2.0, rng.log_uniform(*dot_px)) * oversampling)
    elif kind == "net":
        paint = _net(rng, period, rng.log_uniform(*dot_px) * oversampling)
    else:
        paint = speckle(rng, period, oversampling, dot_px, mist_share)
    if kind == "two":
        share = rng.uniform(0.25, 0.75)
        finer = (max(FINEST_PX, FINER * dot_px[0]), dot_px[1])
        paint = share * paint + (1 - share) * speckle(rng, period, oversampling, finer, mist_share)
    if rng.chance(0.4):
        paint = paint.clamp_min(1e-4) ** rng.log_uniform(*TONE)
    if rng.chance(0.3):
        light = power_law(rng, period, rng.uniform(2.0, 3.0))
        paint = paint * (1 - rng.uniform(*PATCHINESS) * torch.sigmoid(2.0 * light))
    if rng.chance(0.4):
        grain = power_law(rng, period // oversampling, rng.uniform(0.0, 1.2))
        grain = grain.repeat_interleave(oversampling, 0).repeat_interleave(oversampling, 1)
        paint = paint + rng.log_uniform(*GRAIN_STRENGTH) * grain
    return paint.clamp_(0.0, 1.0)


def _shaded(rng: Rng, period: int, oversampling: int, dot_px: Sequence[float]) -> Tensor:
    """Drops (P, P) each of its own tone and of all sizes down to a pixel, the finest ones many and faint."""
    largest = max(3.0, rng.log_uniform(*dot_px))
    sizes = [max(1.0, largest * share) for share in (1.0, 0.6, 0.36, 0.22)]
    cover, falling = rng.log_uniform(0.2, 2.5), rng.uniform(-0.5, 0.8)
    areas = [(size / largest) ** falling for size in sizes]
    layers = []
    for size, area in zip(sizes, areas, strict=True):
        layer = _dots(rng, period, size * oversampling, cover * area / sum(areas), False)
        tones = rng.uniform(0.1, 0.5) + rng.rand(period, period)
        layers.append(Layer(layer.source * tones, layer.spectrum))
    return _painted(layers, period)


def _jittered(rng: Rng, period: int, diameter: float) -> Tensor:
    """Equal dots (P, P), each about its node of a grid of cells little larger than they: random patterns as printed.

    Some are stretched along an axis, as on a specimen that was strained before.
    """
    pitch = rng.uniform(*PITCH) * diameter
    aspect = rng.log_uniform(1.0, MOST_STRETCHED) if rng.chance(0.3) else 1.0
    wide = math.sqrt(aspect) if rng.chance(0.5) else 1 / math.sqrt(aspect)
    columns = max(2, round(period / (pitch * wide)))
    rows = max(2, round(period / (pitch / wide * rng.uniform(0.8, 1.0))))
    cell = torch.arange(columns * rows, device=rng.device)
    nodes = torch.stack([cell % columns + 0.5 * (cell // columns % 2) * rng.integer(0, 1), cell // columns], 1)
    reach = torch.tensor([rng.log_uniform(*JITTER) for _ in range(2)], device=rng.device)
    steps = torch.tensor([period / columns, period / rows], device=rng.device)
    position = (nodes + reach * (rng.rand(columns * rows, 2) - 0.5)) * steps
    kept = rng.rand(columns * rows) > rng.uniform(0.0, 0.3)
    half = 0.5 * diameter
    return _painted([_stamped(rng, period, half * wide, half / wide, position[kept].round().long(), 0.0)], period)


def _net(rng: Rng, period: int, size: float) -> Tensor:
    """Lines of random course (P, P) that meet, with cells of some `size` samples between: etched grain, dried paint."""
    noise = _band(rng, period, size) - rng.uniform(-0.4, 0.4)
    return torch.sigmoid(rng.log_uniform(3.0, 12.0) * (rng.uniform(0.2, 0.7) - noise.abs()))


def _painted(layers: Sequence[Layer], period: int) -> Tensor:
    """Paint (P, P) of all dots of some layers."""
    spectrum = sum(torch.fft.rfft2(layer.source) * layer.spectrum for layer in layers)
    paint: Tensor = torch.fft.irfft2(spectrum, s=(period, period))
    return paint.clamp_(0.0, 1.0)


def _mist(rng: Rng, period: int, oversampling: int, dot_px: Sequence[float]) -> Tensor:
    """Spray drops whose diameters are distributed log-normally, about a size between the most and the largest ones."""
    spread = rng.uniform(*MIST_SPREAD)
    size = rng.log_uniform(*dot_px) * math.exp(-(spread**2))
    sizes = [min(max(size * math.exp(spread * z), 1.5), LARGEST_DROP_PX) * oversampling for z in MIST]
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
    return _stamped(rng, period, long_axis, short_axis, position, rng.uniform(0.0, math.pi))


def _stamped(rng: Rng, period: int, along_px: float, across_px: float, position: Tensor, angle: float) -> Layer:
    """Put equal ellipses, of these half axes along and across an angle, at samples (N, 2)."""
    flat = (position[:, 1] % period) * period + position[:, 0] % period
    source = torch.zeros(period * period, device=rng.device)
    source.index_add_(0, flat, torch.ones_like(flat, dtype=torch.float32))
    fx, fy = _frequencies(period, rng.device)
    along = (fx * math.cos(angle) + fy * math.sin(angle)) * along_px
    across = (fy * math.cos(angle) - fx * math.sin(angle)) * across_px
    radial = 2 * math.pi * torch.sqrt(along**2 + across**2).clamp_min_(1e-6)
    disc = 2 * torch.special.bessel_j1(radial) / radial * (math.pi * along_px * across_px)
    edge = torch.exp(-2 * (math.pi * 0.55) ** 2 * (fx**2 + fy**2))
    return Layer(source.view(period, period), disc * edge)


def _filtered_noise(rng: Rng, period: int, size: float) -> Tensor:
    """Threshold band-limited noise softly; `size` is the width of its blobs in samples."""
    noise = _band(rng, period, size)
    return torch.sigmoid(rng.log_uniform(0.8, 8.0) * (noise - rng.uniform(-0.5, 0.5)))


def _band(rng: Rng, period: int, size: float) -> Tensor:
    """Band-limited noise (P, P) of unit standard deviation, with blobs of some `size` samples."""
    fx, fy = _frequencies(period, rng.device)
    squared = fx**2 + fy**2
    low = torch.exp(-squared * (size * 1.3) ** 2)
    high = 1 - torch.exp(-squared * (size * rng.uniform(2.0, 8.0)) ** 2)
    noise: Tensor = torch.fft.irfft2(torch.fft.rfft2(rng.randn(period, period)) * low * high, s=(period, period))
    return noise / noise.std().clamp_min(1e-6)


def softened(paint: Tensor, sigma: float) -> Tensor:
    """Blur a periodic texture (P, P) by a Gaussian of `sigma` samples, and stretch it to 0 to 1 again."""
    fx, fy = _frequencies(paint.shape[-1], paint.device)
    fall = torch.exp(-2 * (math.pi * sigma) ** 2 * (fx**2 + fy**2))
    soft: Tensor = torch.fft.irfft2(torch.fft.rfft2(paint) * fall, s=paint.shape[-2:])
    lowest, highest = soft.amin(), soft.amax()
    return (soft - lowest) / (highest - lowest).clamp_min(1e-3)


def stretched_noise(rng: Rng, period: int, across: float, along: float) -> Tensor:
    """Make noise with grains that are long in some direction.

    Parameters
    ----------
    rng : Rng
    period : int
        Size P of the torus in texture samples.
    across, along : float
        About how wide and how long a grain is, in texture samples; the direction is drawn.

    Returns
    -------
    (P, P) float32
        Unit standard deviation, periodic.
    """
    fx, fy = _frequencies(period, rng.device)
    angle = rng.uniform(0.0, math.pi)
    c, s = math.cos(angle), math.sin(angle)
    fall = torch.exp(-(((fx * c + fy * s) * along) ** 2) - ((fy * c - fx * s) * across) ** 2)
    noise: Tensor = torch.fft.irfft2(torch.fft.rfft2(rng.randn(period, period)) * fall, s=(period, period))
    return noise / noise.std().clamp_min(1e-6)


def power_law(rng: Rng, period: int, exponent: float) -> Tensor:
    """Make noise whose amplitude falls as frequency to the power of -`exponent`, as in natural images.

    Parameters
    ----------
    rng : Rng
    period : int
        Size P of the torus in texture samples.
    exponent : float
        0 is white noise.

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
