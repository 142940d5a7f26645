"""Displacement fields that a specimen can have, as closed forms at reference pixels.

A field is a smooth map Y(X), and where there is a crack a jump on top: x = Y + jump(Y). The jump opens along
a line, so the gap that it leaves in the deformed image is known exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from scorrnet_cli.training.rng import Rng

ELEMENT_SIZES_PX = (4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
FAINT_PX = (0.004, 0.2)  # amplitude of the local part of faint fields, of the size of the noise or below
FAINT_OPENING_PX = (0.05, 2.0)  # of their cracks
HOLE_PX = (6.0, 60.0)  # radius of the holes that concentrate strain
FAR_STRAIN = (5e-4, 0.03)  # far from them
COMPRESSED_SHARE = 0.3
DRILLED_SHARE = 0.7  # of them; the others are inclusions, which stretch as their rim does


@dataclass(frozen=True)
class Crack:
    """A straight crack in deformed coordinates that opens from its tip.

    Attributes
    ----------
    x, y : float
        The tip, px.
    angle : float
        Direction in which the crack runs, rad.
    opening_px : float
        Distance of the lips far from the tip.
    length_px : float
        Over which the opening grows as a square root, as in linear elastic fracture.
    """

    x: float
    y: float
    angle: float
    opening_px: float
    length_px: float

    def _along_across(self, xy: Tensor) -> tuple[Tensor, Tensor]:
        dx, dy = xy[0] - self.x, xy[1] - self.y
        c, s = math.cos(self.angle), math.sin(self.angle)
        return dx * c + dy * s, dy * c - dx * s

    def _opening(self, along: Tensor) -> Tensor:
        return self.opening_px * torch.sqrt((along / self.length_px).clamp(0.0, 1.0))

    def jump(self, xy: Tensor) -> Tensor:
        """Return the displacement (2, H, W) of the points `xy` (2, H, W) as the lips part."""
        along, across = self._along_across(xy)
        amount = 0.5 * self._opening(along) * torch.where(across < 0, -1.0, 1.0)
        return torch.stack([-math.sin(self.angle) * amount, math.cos(self.angle) * amount])

    def gap(self, xy: Tensor) -> Tensor:
        """Return the signed distance (H, W) to the open gap, negative inside it, px."""
        along, across = self._along_across(xy)
        opening = self._opening(along)
        return torch.where(opening > 0, across.abs() - 0.5 * opening, torch.full_like(across, 1e3))


class Hole(NamedTuple):
    """A round hole: its centre and its radius, px."""

    x: float
    y: float
    radius_px: float


@dataclass(frozen=True)
class FieldRange:
    """How far fields go.

    Attributes
    ----------
    displacement_px : float
        Largest |u| and |v|.
    rotation_deg : float
    stretch : float
        Largest stretch and shear.
    gradient : float
        Largest rms gradient of the local part.
    element_share, wave_share : float
        How many of the fields have a random local part, and how many a plane wave.
    steep_share : float
        How many of the waves have any steepness up to the largest alike, instead of any order of magnitude of it.
    faint_share : float
        How many of the fields have a local part that is barely above the noise.
    hole_share : float
        How many of the fields have strain that concentrates about a hole.
    """

    displacement_px: float = 32.0
    rotation_deg: float = 20.0
    stretch: float = 0.3
    gradient: float = 0.12
    element_share: float = 0.75
    wave_share: float = 0.35
    steep_share: float = 0.0
    faint_share: float = 0.0
    hole_share: float = 0.0


Term = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Motion:
    """A displacement field in closed form: scaled smooth terms, a shift, and a crack on top.

    Where there is a hole in the surface, it is round after the smooth motion.
    """

    terms: tuple[Term, ...]
    scale: Tensor  # (2, 1, 1)
    shift: Tensor  # (2, 1, 1), px
    crack: Crack | None
    hole: Hole | None = None

    def at(self, xy: Tensor) -> Tensor:
        """Return the displacement (2, H, W) in px at a regular grid of reference points `xy` (2, H, W)."""
        u = self._smooth(xy)
        return u if self.crack is None else u + self.crack.jump(xy + u)

    def moved(self, hole: Hole) -> Hole:
        """Return a hole where the smooth motion takes its centre."""
        centre = self.shift.new_tensor([hole.x, hole.y])[:, None, None]
        x, y = (centre + self._smooth(centre)).flatten().tolist()
        return hole._replace(x=x, y=y)

    def _smooth(self, xy: Tensor) -> Tensor:
        return self.scale * sum(term(xy) for term in self.terms) + self.shift


def motion(rng: Rng, xy: Tensor, span_px: float, limits: FieldRange) -> Motion:
    """Draw a field whose displacement stays within the limits.

    Parameters
    ----------
    rng : Rng
    xy : (2, H, W) float32
        Regular grid of reference points that covers the image, px.
    span_px : float
        Size of the image, px.
    limits : FieldRange
    """
    terms = [_affine(rng, span_px, limits)]
    faint = bool(limits.faint_share) and rng.chance(limits.faint_share)  # without faint fields no number is drawn
    if rng.chance(limits.element_share):
        terms += [_elements(rng, xy, limits, faint) for _ in range(rng.integer(1, 2))]
    if rng.chance(limits.wave_share):
        terms.append(_wave(rng, limits, faint))
    drilled = None
    if limits.hole_share and rng.chance(limits.hole_share):  # without holes no number is drawn
        hole = _hole(rng, span_px)
        drilled = hole if rng.chance(DRILLED_SHARE) else None
        terms.append(_concentrated(rng, hole))
    u = torch.stack([term(xy) for term in terms]).sum(0)
    scale = (limits.displacement_px / u.abs().amax(dim=(1, 2)).clamp_min(1e-6)).clamp_max(1.0)[:, None, None]
    shift = _shift(rng, scale * u, limits)[:, None, None]
    crack = None
    if rng.chance(0.12):
        crack = Crack(
            x=rng.uniform(0.2, 0.8) * span_px,
            y=rng.uniform(0.2, 0.8) * span_px,
            angle=rng.uniform(0.0, 2 * math.pi),
            opening_px=rng.log_uniform(*FAINT_OPENING_PX) if faint else rng.uniform(0.5, 8.0),
            length_px=rng.uniform(0.1, 0.6) * span_px,
        )
    field = Motion(tuple(terms), scale, shift, crack)
    return field if drilled is None else replace(field, hole=field.moved(drilled))


def _shift(rng: Rng, u: Tensor, limits: FieldRange) -> Tensor:
    """Draw a rigid shift (2,) that keeps the whole field within the limits."""
    low, high = u.amin(dim=(1, 2)), u.amax(dim=(1, 2))
    small = rng.chance(0.35)
    values = []
    for axis in range(2):
        least, most = -limits.displacement_px - float(low[axis]), limits.displacement_px - float(high[axis])
        if small:
            least, most = max(least, -2.0), min(most, 2.0)
        values.append(rng.uniform(min(least, most), max(least, most)))
    return torch.tensor(values, device=u.device)


def _affine(rng: Rng, span_px: float, limits: FieldRange) -> Term:
    """Rotation, stretch and shear about a point of the image."""
    small = 0.1 if rng.chance(0.6) else 1.0
    angle = math.radians(rng.uniform(-1, 1) * limits.rotation_deg * (small if rng.chance(0.8) else 1.0))
    gxx, gyy, gxy = (rng.uniform(-1, 1) * limits.stretch * small for _ in range(3))
    c, s = math.cos(angle), math.sin(angle)
    turn = torch.tensor([[c, -s], [s, c]])
    stretch = torch.tensor([[1 + gxx, 0.5 * gxy], [0.5 * gxy, 1 + gyy]])
    gradient = (turn @ stretch - torch.eye(2)).to(rng.device)
    centre = torch.tensor([rng.uniform(0.2, 0.8) * span_px for _ in range(2)], device=rng.device)
    return lambda xy: torch.einsum("ij,jhw->ihw", gradient, xy - centre[:, None, None])


def _elements(rng: Rng, xy: Tensor, limits: FieldRange, faint: bool) -> Term:
    """Cubic B-spline field (C2) with random nodal values."""
    size = ELEMENT_SIZES_PX[rng.integer(0, len(ELEMENT_SIZES_PX) - 1)]
    height = rng.log_uniform(*FAINT_PX) if faint else rng.log_uniform(0.002, limits.gradient) * size * 1.6
    columns = _nodes(rng, xy[0, 0], size)
    rows = _nodes(rng, xy[1, :, 0], size)
    values = rng.randn(2, len(rows), len(columns)) * height
    return lambda at: _spline_basis(at[1, :, 0], rows, size) @ values @ _spline_basis(at[0, 0], columns, size).T


def _nodes(rng: Rng, points: Tensor, size: float) -> Tensor:
    """Positions (n,) of spline nodes `size` apart, with a random phase, that support all of `points`."""
    first = float(points.min()) - (1.0 + rng.uniform(0.0, 1.0)) * size
    count = math.ceil((float(points.max()) - first) / size) + 3
    return first + size * torch.arange(count, device=points.device, dtype=points.dtype)


def _spline_basis(points: Tensor, nodes: Tensor, size: float) -> Tensor:
    """Values (N, n) of cubic B-splines of width 4 `size` centred on `nodes` (n,) at `points` (N,)."""
    t = ((points[:, None] - nodes[None, :]) / size).abs()
    inner = 2 / 3 - t**2 + 0.5 * t**3
    outer = (2 - t).clamp_min(0.0) ** 3 / 6
    return torch.where(t < 1, inner, outer)


def _wave(rng: Rng, limits: FieldRange, faint: bool) -> Term:
    """A plane wave, or a wave whose period grows along its crests as in the star images."""
    period = rng.log_uniform(9.0, 200.0)
    amplitude = rng.log_uniform(*FAINT_PX) if faint else _steepness(rng, limits) * period / (2 * math.pi)
    angle, direction, phase = (rng.uniform(0.0, 2 * math.pi) for _ in range(3))
    growth = rng.uniform(0.0, 0.004)
    c, s = math.cos(angle), math.sin(angle)

    def wave(xy: Tensor) -> Tensor:
        along = xy[0] * c + xy[1] * s
        local = period * (1 + growth * (xy[1] * c - xy[0] * s)).clamp(0.3, 3.0)
        height = amplitude * torch.cos(2 * math.pi * along / local + phase)
        return torch.stack([math.cos(direction) * height, math.sin(direction) * height])

    return wave


def _steepness(rng: Rng, limits: FieldRange) -> float:
    """Largest gradient of a wave."""
    steepest = limits.gradient * 1.5
    if limits.steep_share and rng.chance(limits.steep_share):  # without steep waves no number is drawn
        return rng.uniform(0.0, steepest)
    return rng.log_uniform(0.01, steepest)


def _hole(rng: Rng, span_px: float) -> Hole:
    x, y = (rng.uniform(0.0, 1.0) * span_px for _ in range(2))
    return Hole(x, y, rng.log_uniform(*HOLE_PX))


def _concentrated(rng: Rng, hole: Hole) -> Term:
    """Strain about a round hole in a plate under tension or compression in some direction."""
    strain, poisson = rng.log_uniform(*FAR_STRAIN), rng.uniform(0.0, 0.5)
    if rng.chance(COMPRESSED_SHARE):
        strain = -strain
    angle = rng.uniform(0.0, math.pi)
    return lambda xy: plate_with_hole(xy, hole, strain, poisson, angle)


def plate_with_hole(xy: Tensor, hole: Hole, strain: float, poisson: float, angle: float) -> Tensor:
    """Displacement (2, H, W) of points `xy` (2, H, W) of a plate under tension about a round hole, px.

    Kirsch (1898), plane stress. Within the radius, where there may be something else, it stretches evenly, so that the
    field goes on over the rim.

    Parameters
    ----------
    xy : (2, H, W) float32
    hole : Hole
    strain : float
        Along the tension, far from the hole.
    poisson : float
        Poisson's ratio.
    angle : float
        Direction of the tension, rad.
    """
    c, s = math.cos(angle), math.sin(angle)
    dx, dy = xy[0] - hole.x, xy[1] - hole.y
    along, across = dx * c + dy * s, dy * c - dx * s
    squared = (along**2 + across**2).clamp_min(1e-6)
    near = hole.radius_px**2 / squared.clamp_min(hole.radius_px**2)  # 1 within the radius
    twice_cos, twice_sin = (along**2 - across**2) / squared, 2 * along * across / squared
    away = (1 - poisson) + (1 + poisson) * near + ((1 + poisson) * (1 - near**2) + 4 * near) * twice_cos
    around = -((1 + poisson) * (1 + near**2) + 2 * (1 - poisson) * near) * twice_sin
    u, v = away * along - around * across, away * across + around * along
    return 0.5 * strain * torch.stack([u * c - v * s, u * s + v * c])
