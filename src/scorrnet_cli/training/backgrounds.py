"""What stands behind a specimen: plain walls, gradients, clutter, texture and photographs."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from scorrnet_cli.training.rng import Rng
from scorrnet_cli.training.textures import power_law, speckle

KINDS = {"plain": 2.5, "clutter": 2.0, "texture": 1.0, "stripes": 0.6, "halftone": 0.4, "defocused": 0.6, "grain": 1.0}
PHOTOGRAPH_SHARE = 0.4


def background(rng: Rng, size: int, photographs: Tensor | None, scale: float = 1.0) -> Tensor:
    """Make one background.

    Parameters
    ----------
    rng : Rng
    size : int
        Height and width.
    photographs : (N, S, S) float32, optional
        Natural images, 0 to 1.
    scale : float
        Samples per image pixel.

    Returns
    -------
    (size, size) float32
        Grey, 0 to 1.
    """
    if photographs is not None and rng.chance(PHOTOGRAPH_SHARE):
        return _photograph(rng, size, photographs)
    kind = rng.pick(KINDS)
    base = _gradient(rng, size)
    if kind == "clutter":
        return _clutter(rng, base, scale)
    if kind == "texture":
        return (base + rng.uniform(0.03, 0.25) * power_law(rng, size, rng.uniform(1.2, 2.5))).clamp_(0, 1)
    if kind == "stripes":
        return _stripes(rng, base, scale)
    if kind == "halftone":
        return _halftone(rng, base, scale)
    if kind == "defocused":
        blobs = speckle(rng, size, 1, (30 * scale, 90 * scale))
        soft = F.avg_pool2d(blobs[None, None], 21, 1, 10, count_include_pad=False)[0, 0]
        return (base + rng.uniform(-0.6, 0.6) * (soft - 0.5)).clamp_(0, 1)
    if kind == "grain":
        return (base + rng.log_uniform(0.005, 0.06) * rng.randn(size, size)).clamp_(0, 1)
    return base


def _grid(size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    axis = torch.linspace(-0.5, 0.5, size, device=device)
    return axis[None, :], axis[:, None]


def _gradient(rng: Rng, size: int) -> Tensor:
    x, y = _grid(size, rng.device)
    slope = rng.uniform(0.0, 0.6)
    angle = rng.uniform(0.0, 2 * math.pi)
    level = rng.uniform(0.0, 0.1) if rng.chance(0.35) else rng.uniform(0.0, 1.0)
    plane = level + slope * (x * math.cos(angle) + y * math.sin(angle))
    return plane.clamp(0.0, 1.0)


def _photograph(rng: Rng, size: int, photographs: Tensor) -> Tensor:
    """A random window of a photograph, turned, scaled, and with another contrast."""
    image = photographs[rng.integer(0, len(photographs) - 1)]
    side = rng.uniform(0.3, 1.0)
    angle = rng.integer(0, 3) * math.pi / 2 + rng.uniform(-0.2, 0.2)
    c, s = side * math.cos(angle), side * math.sin(angle)
    flip = -1.0 if rng.chance(0.5) else 1.0
    dx, dy = (rng.uniform(-1, 1) * (1 - side) for _ in range(2))
    theta = torch.tensor([[[c * flip, -s, dx], [s * flip, c, dy]]], device=rng.device)
    grid = F.affine_grid(theta, [1, 1, size, size], align_corners=False)
    window = F.grid_sample(image[None, None], grid, padding_mode="reflection", align_corners=False)[0, 0]
    gain = rng.uniform(0.5, 1.3)
    return (gain * window + rng.uniform(-0.2, 0.2)).clamp_(0, 1)


def _clutter(rng: Rng, base: Tensor, scale: float) -> Tensor:
    """Boxes, discs and bars of many greys, some of them textured."""
    size = len(base)
    x, y = _grid(size, rng.device)
    grain = power_law(rng, size, rng.uniform(0.5, 2.0))
    for _ in range(rng.integer(3, 14)):
        cx, cy = rng.uniform(-0.5, 0.5), rng.uniform(-0.5, 0.5)
        a, b = rng.log_uniform(0.01, 0.4), rng.log_uniform(0.01, 0.4)
        angle = rng.uniform(0.0, math.pi)
        c, s = math.cos(angle), math.sin(angle)
        p, q = ((x - cx) * c + (y - cy) * s) / a, ((y - cy) * c - (x - cx) * s) / b
        distance = torch.maximum(p.abs(), q.abs()) - 1 if rng.chance(0.6) else torch.sqrt(p**2 + q**2) - 1
        cover = (0.5 - distance * min(a, b) * size / (2.0 * scale)).clamp(0.0, 1.0)
        paint = rng.uniform(0.0, 1.0) + (rng.uniform(0.0, 0.15) * grain if rng.chance(0.4) else 0.0)
        base = base + cover * (paint - base)
    return base.clamp_(0, 1)


def _stripes(rng: Rng, base: Tensor, scale: float) -> Tensor:
    x, y = _grid(len(base), rng.device)
    period = rng.log_uniform(4.0, 80.0) * scale / len(base)
    angle = rng.uniform(0.0, math.pi)
    wave = torch.sin(2 * math.pi * (x * math.cos(angle) + y * math.sin(angle)) / period)
    return (base + rng.uniform(0.05, 0.5) * torch.tanh(rng.log_uniform(0.5, 6.0) * wave)).clamp_(0, 1)


def _halftone(rng: Rng, base: Tensor, scale: float) -> Tensor:
    """A regular grid of dots or holes, as perforated sheet and print have: no speckle, for it repeats."""
    x, y = _grid(len(base), rng.device)
    wave = 2 * math.pi * len(base) / (rng.log_uniform(5.0, 40.0) * scale)
    angle = rng.uniform(0.0, math.pi)
    c, s = math.cos(angle), math.sin(angle)
    dots = torch.cos(wave * (x * c + y * s)) * torch.cos(wave * (y * c - x * s))
    return (base + rng.uniform(-0.5, 0.5) * torch.sigmoid(8 * (dots - 0.3))).clamp_(0, 1)
