"""What stands behind a specimen: plain walls, gradients, clutter, texture and photographs."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from scorrnet_cli.training.rng import Rng
from scorrnet_cli.training.rough import ROUGH
from scorrnet_cli.training.textures import power_law, speckle

KINDS = {
    "plain": 1.2,
    "clutter": 1.5,
    "texture": 0.8,
    "stripes": 0.5,
    "halftone": 0.8,
    "defocused": 0.4,
    "grain": 0.8,
    "leaves": 2.4,
    "stones": 2.0,
    "relief": 2.0,
    "strokes": 1.2,
    "mesh": 2.4,
    "marks": 4.5,
    "tiles": 2.2,
}
PHOTOGRAPH_SHARE = 0.25
THINGS_SHARE, MOST_THINGS = 0.4, 4
MOST_AMPLIFIED = 3.0  # of a background that is to be as rich in contrast as a paint
GRAIN = (0.005, 0.06)  # standard deviation of the kind `grain`, where the range of greys is 1


def scene(rng: Rng, size: int, photographs: Tensor | None, scale: float = 1.0) -> Tensor:
    """Make a background before which other things may stand: grained ones, and pieces of other backgrounds.

    Parameters and result are those of `background`.
    """
    behind = background(rng, size, photographs, scale)
    if not rng.chance(THINGS_SHARE):
        return behind
    for _ in range(rng.integer(1, MOST_THINGS)):
        cover = _thing(rng, size, scale)
        if rng.chance(0.5):
            front = rng.uniform(0.0, 1.0) + rng.uniform(0.02, 0.25) * _natural(rng, size, rng.uniform(0.0, 1.2), scale)
        else:
            front = background(rng, size, photographs, scale)
        behind = behind + cover * (front - behind)
    return behind.clamp_(0, 1)


def in_greys_of(rng: Rng, scene: Tensor, paint: Tensor) -> Tensor:
    """Show a background about as bright and as rich in contrast as a paint: only patterns tell them apart.

    Parameters
    ----------
    rng : Rng
    scene : (H, W) float32
        The background, 0 to 1.
    paint : (P, P) float32
        Radiance of the paint, 0 to 1.1.

    Returns
    -------
    (H, W) float32
        0 to 1.
    """
    strength = rng.log_uniform(0.5, 1.5) * paint.std() / scene.std().clamp_min(1e-6)
    centred = (scene - scene.mean()) * strength.clamp_max(MOST_AMPLIFIED)
    return (paint.mean() + rng.uniform(-0.1, 0.1) + centred).clamp_(0, 1)


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
        return (base + rng.uniform(0.03, 0.25) * _natural(rng, size, rng.uniform(1.2, 2.5), scale)).clamp_(0, 1)
    if kind == "stripes":
        return _stripes(rng, base, scale)
    if kind == "halftone":
        return _halftone(rng, base, scale)
    if kind == "defocused":
        blobs = speckle(rng, size, 1, (30 * scale, 90 * scale))
        soft = F.avg_pool2d(blobs[None, None], 21, 1, 10, count_include_pad=False)[0, 0]
        return (base + rng.uniform(-0.6, 0.6) * (soft - 0.5)).clamp_(0, 1)
    if kind in ROUGH:
        drawn = ROUGH[kind](rng, F.avg_pool2d(base[None, None], round(scale), ceil_mode=True)[0, 0])
        return _resized(drawn, size).clamp_(0, 1)
    if kind == "grain":
        count = math.ceil(size / scale)
        return (base + rng.log_uniform(*GRAIN) * _enlarged(rng.randn(count, count), size)).clamp_(0, 1)
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
    grain = _natural(rng, size, rng.uniform(0.5, 2.0), scale)
    for _ in range(rng.integer(3, 14)):
        cover = _thing(rng, size, scale)
        paint = rng.uniform(0.0, 1.0) + (rng.uniform(0.0, 0.15) * grain if rng.chance(0.4) else 0.0)
        base = base + cover * (paint - base)
    return base.clamp_(0, 1)


def _thing(rng: Rng, size: int, scale: float) -> Tensor:
    """How much of each sample (size, size) a box, disc or bar covers."""
    x, y = _grid(size, rng.device)
    cx, cy = rng.uniform(-0.5, 0.5), rng.uniform(-0.5, 0.5)
    a, b = rng.log_uniform(0.01, 0.4), rng.log_uniform(0.01, 0.4)
    angle = rng.uniform(0.0, math.pi)
    c, s = math.cos(angle), math.sin(angle)
    p, q = ((x - cx) * c + (y - cy) * s) / a, ((y - cy) * c - (x - cx) * s) / b
    distance = torch.maximum(p.abs(), q.abs()) - 1 if rng.chance(0.6) else torch.sqrt(p**2 + q**2) - 1
    return (0.5 - distance * min(a, b) * size / (2.0 * scale)).clamp(0.0, 1.0)


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


def _natural(rng: Rng, size: int, exponent: float, scale: float) -> Tensor:
    """Texture as natural images have it, down to single pixels of the image: finer grain would average away."""
    return _enlarged(power_law(rng, math.ceil(size / scale), exponent), size)


def _enlarged(image: Tensor, size: int) -> Tensor:
    return F.interpolate(image[None, None], (size, size))[0, 0]


def _resized(image: Tensor, size: int) -> Tensor:
    return F.interpolate(image[None, None], (size, size), mode="bilinear", align_corners=False)[0, 0]
