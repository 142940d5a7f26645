"""Outlines of specimens as signed distances, negative inside, so that they can be taken at any displaced point."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from scorrnet_cli.training.fields import Hole
from scorrnet_cli.training.rng import Rng

Distance = Callable[[Tensor], Tensor]

KINDS = {"strip": 2.0, "dog_bone": 2.0, "plate": 3.0, "ring": 1.0, "blob": 1.5, "polygon": 1.0}
HOLED_SHARE, MOST_HOLES = 0.5, 6
STRIP = (0.03, 0.42)  # half of a strip's width, of the image
RING = (0.06, 0.4)  # half of a ring's width, of its radius
SPAN_PX = 320.0  # in larger images strips may be as narrow as in one of this size
PERFORATION = (1.2, 6.0)  # radius of the holes of a perforated plate, of a dot's diameter: narrower ones are gaps
PITCH = (2.6, 6.0)  # from one of them to the next, of their radius
MOST_WINDOWS = 3.0  # side of a scene of which a window is seen, of the window's


@dataclass(frozen=True)
class Specimen:
    """A painted surface and the unpainted body that carries it.

    Attributes
    ----------
    painted, body : callable
        Points (2, H, W) in px to signed distance (H, W) in px, negative inside; the painted part lies in the body.
    edge_px : float
        Width over which the paint fades at its edge.
    """

    painted: Distance
    body: Distance
    edge_px: float = field(default=0.5)


def whole_frame() -> Specimen:
    """Return a specimen without an edge in sight."""

    def inside(xy: Tensor) -> Tensor:
        return torch.full_like(xy[0], -1e3)

    return Specimen(inside, inside)


def specimen(rng: Rng, span_px: float, perforated_share: float = 0.0, dot_px: float = 0.0) -> Specimen:
    """Draw a specimen that covers part of an image.

    A share of them has rows of holes a few times as wide as the dots of the paint are. No hole is narrower than two
    dots: it could not be told from a gap between them.

    Parameters
    ----------
    rng : Rng
    span_px : float
        Height and width of the image.
    perforated_share : float
        Share of the specimens with rows of holes, 0 to 1.
    dot_px : float
        Diameter of the dots; 0 sets no limit to the holes.
    """
    outline = _outline(rng, span_px)
    cuts = [_hole(rng, span_px, dot_px) for _ in range(rng.integer(1, MOST_HOLES))] if rng.chance(HOLED_SHARE) else []
    cuts += [_notch(rng, span_px) for _ in range(rng.integer(1, 2))] if rng.chance(0.3) else []
    cuts += [_perforation(rng, span_px, dot_px)] if perforated_share and rng.chance(perforated_share) else []

    def body(xy: Tensor) -> Tensor:
        distance = outline(xy)
        for cut in cuts:
            distance = torch.maximum(distance, -cut(xy))
        return distance

    rim = rng.uniform(1.0, 8.0) if rng.chance(0.4) else 0.0
    grip = _half_plane(rng, span_px) if rng.chance(0.25) else None

    def painted(xy: Tensor) -> Tensor:
        distance = body(xy) + rim
        return distance if grip is None else torch.maximum(distance, -grip(xy))

    return Specimen(painted, body, rng.log_uniform(0.5, 4.0))


def piece(rng: Rng, window_px: float, perforated_share: float = 0.0, dot_px: float = 0.0) -> Specimen:
    """Draw a specimen larger than the image, and what is seen of it through a window: a part, all or nothing.

    The window is the image, `window_px` high and wide. The other parameters are those of `specimen`.
    """
    span = rng.uniform(1.0, MOST_WINDOWS) * window_px
    corner = torch.tensor([rng.uniform(0.0, span - window_px) for _ in range(2)], device=rng.device)[:, None, None]
    whole = specimen(rng, span, perforated_share, dot_px)
    return Specimen(lambda xy: whole.painted(xy + corner), lambda xy: whole.body(xy + corner), whole.edge_px)


def together(one: Specimen, other: Specimen) -> Specimen:
    """Return two specimens, which may touch or hide parts of each other, as one with one paint."""

    def painted(xy: Tensor) -> Tensor:
        return torch.minimum(one.painted(xy), other.painted(xy))

    def body(xy: Tensor) -> Tensor:
        return torch.minimum(one.body(xy), other.body(xy))

    return Specimen(painted, body, one.edge_px)


def drilled(whole: Specimen, hole: Hole) -> Specimen:
    """Return a specimen with one more round hole."""

    def within(xy: Tensor) -> Tensor:
        return hole.radius_px - torch.hypot(xy[0] - hole.x, xy[1] - hole.y)

    def painted(xy: Tensor) -> Tensor:
        return torch.maximum(whole.painted(xy), within(xy))

    def body(xy: Tensor) -> Tensor:
        return torch.maximum(whole.body(xy), within(xy))

    return Specimen(painted, body, whole.edge_px)


def _outline(rng: Rng, span: float) -> Distance:
    kind = rng.pick(KINDS)
    local = _placed(rng, span)
    size = rng.uniform(0.22, 0.6) * span
    if kind == "strip":
        half_width = rng.log_uniform(STRIP[0] * min(span, SPAN_PX), STRIP[1] * span)
        return lambda xy: local(xy)[1].abs() - half_width
    if kind == "dog_bone":
        waist, flare, onset = rng.uniform(0.3, 0.7), rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.9) * size

        def dog_bone(xy: Tensor) -> Tensor:
            p = local(xy)
            growth = ((p[0].abs() - onset) / size).clamp(0.0, 1.0)
            return p[1].abs() - size * (waist + flare * growth**2)

        return dog_bone
    if kind == "plate":
        width, height, corner = size, size * rng.uniform(0.4, 1.5), rng.uniform(0.0, 0.3) * size

        def plate(xy: Tensor) -> Tensor:
            p = local(xy)
            qx, qy = p[0].abs() - width + corner, p[1].abs() - height + corner
            outside = torch.sqrt(qx.clamp_min(0.0) ** 2 + qy.clamp_min(0.0) ** 2)
            return outside + torch.maximum(qx, qy).clamp_max(0.0) - corner

        return plate
    if kind == "ring":
        thickness = rng.log_uniform(*RING) * size
        return lambda xy: (torch.hypot(*local(xy)) - size).abs() - thickness
    if kind == "polygon":
        return _polygon(rng, local, size)
    return _blob(rng, local, size)


def _placed(rng: Rng, span: float) -> Callable[[Tensor], Tensor]:
    """Return a map from image points to points of a turned and shifted frame."""
    beyond = 0.5 if rng.chance(0.3) else 0.0  # most of the specimen may lie outside the frame
    x, y = (rng.uniform(0.2 - beyond, 0.8 + beyond) * span for _ in range(2))
    upright = rng.chance(0.5)
    angle = rng.integer(0, 3) * math.pi / 2 + rng.uniform(-0.05, 0.05) if upright else rng.uniform(0, 2 * math.pi)
    c, s = math.cos(angle), math.sin(angle)

    def local(xy: Tensor) -> Tensor:
        dx, dy = xy[0] - x, xy[1] - y
        return torch.stack([dx * c + dy * s, dy * c - dx * s])

    return local


def _blob(rng: Rng, local: Callable[[Tensor], Tensor], size: float) -> Distance:
    waves = [(n, rng.uniform(0.0, 0.3) / n, rng.uniform(0, 2 * math.pi)) for n in range(2, 7)]

    def blob(xy: Tensor) -> Tensor:
        p = local(xy)
        angle = torch.atan2(p[1], p[0])
        radius = torch.full_like(angle, size)
        for n, amplitude, phase in waves:
            radius = radius + size * amplitude * torch.cos(n * angle + phase)
        return torch.hypot(p[0], p[1]) - radius

    return blob


def _polygon(rng: Rng, local: Callable[[Tensor], Tensor], size: float) -> Distance:
    """A convex polygon: the largest of its half-plane distances."""
    count = rng.integer(3, 6)
    sides = [(2 * math.pi * (k + rng.uniform(-0.25, 0.25)) / count, size * rng.uniform(0.6, 1.1)) for k in range(count)]

    def polygon(xy: Tensor) -> Tensor:
        p = local(xy)
        distances = [p[0] * math.cos(angle) + p[1] * math.sin(angle) - reach for angle, reach in sides]
        return torch.stack(distances).amax(0)

    return polygon


def _hole(rng: Rng, span: float, dot_px: float) -> Distance:
    """An ellipse; the distance is approximate, exact on the rim."""
    x, y = rng.uniform(0.1, 0.9) * span, rng.uniform(0.1, 0.9) * span
    a = max(rng.log_uniform(0.02, 0.18) * span, dot_px)
    b = max(a * (rng.uniform(0.3, 1.0) if rng.chance(0.3) else 1.0), dot_px)

    def hole(xy: Tensor) -> Tensor:
        return (torch.hypot((xy[0] - x) / a, (xy[1] - y) / b) - 1) * min(a, b)

    return hole


def _perforation(rng: Rng, span: float, dot_px: float) -> Distance:
    """Rows of equal round holes."""
    local = _placed(rng, span)
    radius = rng.log_uniform(*PERFORATION) * dot_px
    pitch = torch.tensor([rng.uniform(*PITCH) * radius for _ in range(2)], device=rng.device)[:, None, None]
    most = torch.tensor([rng.integer(0, 6), rng.integer(0, 3)], device=rng.device)[:, None, None]

    def perforation(xy: Tensor) -> Tensor:
        p = local(xy)
        nearest = torch.round(p / pitch).clamp(-most, most) * pitch
        return torch.hypot(*(p - nearest)) - radius

    return perforation


def _notch(rng: Rng, span: float) -> Distance:
    """A wedge or a saw cut that runs in from somewhere."""
    x, y, angle = rng.uniform(0.1, 0.9) * span, rng.uniform(0.1, 0.9) * span, rng.uniform(0, 2 * math.pi)
    slope = rng.uniform(0.0, 0.5)
    half_width = rng.log_uniform(0.004, 0.03) * span
    c, s = math.cos(angle), math.sin(angle)

    def notch(xy: Tensor) -> Tensor:
        along, across = (xy[0] - x) * c + (xy[1] - y) * s, (xy[1] - y) * c - (xy[0] - x) * s
        return torch.maximum(across.abs() - half_width - slope * along.clamp_min(0.0), -along)

    return notch


def _half_plane(rng: Rng, span: float) -> Distance:
    """One end of the image, as a grip takes it."""
    angle, reach = rng.integer(0, 3) * math.pi / 2, rng.uniform(0.05, 0.3) * span
    c, s, middle = math.cos(angle), math.sin(angle), 0.5 * span

    def grip(xy: Tensor) -> Tensor:
        return (xy[0] - middle) * c + (xy[1] - middle) * s + middle - reach

    return grip
