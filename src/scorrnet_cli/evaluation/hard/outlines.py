"""Outlines of specimens: signed distances, px, negative inside; approximate far from the edge, exact near it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from scorrnet_cli.evaluation.rendering import Outline


def everywhere(x: Tensor, _y: Tensor) -> Tensor:
    """Return the outline of a specimen without an edge in sight."""
    return torch.full_like(x, -1e3)


def plate(centre: tuple[float, float], half: tuple[float, float], angle_deg: float = 0.0) -> Outline:
    """Make a rectangle.

    Parameters
    ----------
    centre : pair of float
        x and y, px.
    half : pair of float
        Half its width and height, px, before it is turned.
    angle_deg : float
        By which it is turned about its centre, from +x towards +y.
    """
    c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))

    def outline(x: Tensor, y: Tensor) -> Tensor:
        dx, dy = x - centre[0], y - centre[1]
        return torch.maximum((c * dx + s * dy).abs() - half[0], (c * dy - s * dx).abs() - half[1])

    return outline


def disk(centre: tuple[float, float], radius: float) -> Outline:
    """Make a disk."""
    return lambda x, y: torch.hypot(x - centre[0], y - centre[1]) - radius


def half_plane(point: tuple[float, float], angle_deg: float) -> Outline:
    """Make what lies to the right of a line through a point, for one who looks along `angle_deg` (y is down)."""
    c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    return lambda x, y: (x - point[0]) * s - (y - point[1]) * c


def dog_bone(centre: tuple[float, float], waist: float, shoulder: float, length: float) -> Outline:
    """Make a tensile specimen that stands upright.

    Parameters
    ----------
    centre : pair of float
        x and y, px.
    waist, shoulder : float
        Half widths in the middle and far from it, px.
    length : float
        Over which it flares, px; that begins at 0.6 of it from the middle, upward and downward.
    """

    def outline(x: Tensor, y: Tensor) -> Tensor:
        flare = ((y - centre[1]).abs() / length - 0.6).clamp(0.0, 1.0)
        return (x - centre[0]).abs() - waist - (shoulder - waist) * flare**2

    return outline


def cut(outline: Outline, *holes: Outline) -> Outline:
    """Take holes out of an outline."""

    def rest(x: Tensor, y: Tensor) -> Tensor:
        distance = outline(x, y)
        for hole in holes:
            distance = torch.maximum(distance, -hole(x, y))
        return distance

    return rest


def ring(centre: tuple[float, float], radius: float, half_width: float) -> Outline:
    """Make a ring about a circle.

    Parameters
    ----------
    centre : pair of float
        x and y of the circle, px.
    radius : float
        Of the circle, px.
    half_width : float
        Of the ring on either side of it, px.
    """
    return lambda x, y: (torch.hypot(x - centre[0], y - centre[1]) - radius).abs() - half_width
