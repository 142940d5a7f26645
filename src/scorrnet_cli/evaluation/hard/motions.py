"""Displacements of hard cases, in closed form; all can be inverted, so that the deformed image is exact too."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from scorrnet_cli.evaluation.rendering import Displacement


def summed(*parts: Displacement) -> Displacement:
    """Add displacements up."""

    def displacement(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        moves = [part(x, y) for part in parts]
        return sum((u for u, _ in moves), torch.zeros_like(x)), sum((v for _, v in moves), torch.zeros_like(x))

    return displacement


def shift(u: float, v: float) -> Displacement:
    """Make a rigid shift, px."""
    return lambda x, y: (torch.full_like(x, u), torch.full_like(y, v))


def shear_band(point: tuple[float, float], angle_deg: float, slip_px: float, width_px: float) -> Displacement:
    """Make a band along which the two sides slide by `slip_px` each, with a shear of slip over width in its middle.

    Parameters
    ----------
    point : pair of float
        x and y of a point in the middle of the band, px.
    angle_deg : float
        Of the band, from +x towards +y (y is down).
    slip_px : float
        Positive if the side to the right, for one who looks along the band, moves forward, and the other back.
    width_px : float
        From the middle to where a side moves by tanh 1 of the slip.
    """
    c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))

    def displacement(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        across = (y - point[1]) * c - (x - point[0]) * s
        slip = slip_px * torch.tanh(across / width_px)
        return c * slip, s * slip

    return displacement


def waves(amplitude_px: float, period_px: float, angle_deg: float) -> Displacement:
    """Make plane waves of v that run along `angle_deg`.

    Parameters
    ----------
    amplitude_px : float
        Of v; u is 0.
    period_px : float
        From crest to crest.
    angle_deg : float
        From +x towards +y.
    """
    c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))

    def displacement(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        v = amplitude_px * torch.sin(2 * math.pi * (x * c + y * s) / period_px)
        return torch.zeros_like(v), v

    return displacement


def lip(tip: tuple[float, float], angle_deg: float, opening_px: float, length_px: float) -> Displacement:
    """Make the motion of one lip of a crack that runs from its tip along `angle_deg` (y is down).

    The lip moves to its right by half of `opening_px` far from the tip, by less near it, and not at all behind it; a
    negative opening gives the other lip.

    Parameters
    ----------
    tip : pair of float
        x and y, px.
    angle_deg : float
        From +x towards +y.
    opening_px : float
        Between both lips, far from the tip.
    length_px : float
        From the tip to where 1 - 1/e of it is reached.
    """
    c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))

    def displacement(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        along = ((x - tip[0]) * c + (y - tip[1]) * s).clamp_min(0.0)
        amount = 0.5 * opening_px * (1 - torch.exp(-((along / length_px) ** 2)))
        return -s * amount, c * amount

    return displacement
