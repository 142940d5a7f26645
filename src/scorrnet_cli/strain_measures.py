"""Measures of strain from the slopes of the displacement.

With the deformation gradient F = I + grad u of reference positions, C = F^T F and B = F F^T (Holzapfel, Nonlinear
Solid Mechanics, 2000, chapter 2):

    green-lagrange   (C - I) / 2           along material lines of the reference; rotation gives none
    euler-almansi    (I - B^-1) / 2        along lines of the deformed state; rotation gives none
    hencky           ln(C) / 2             true strain along material lines of the reference
    small            (grad u + grad u^T) / 2, for small strain and rotation only
"""

from __future__ import annotations

import torch
from torch import Tensor

STEP = 1e-4  # of the numerical derivatives of strain by slope


def strain_of_slopes(gradient: Tensor, measure: str) -> Tensor:
    """Strain exx, eyy, exy (3, H, W) of displacement gradients.

    Parameters
    ----------
    gradient : (2, 2, H, W) float64
        Of u and v, along x and y.
    measure : str
        One of `gauge.MEASURES`.
    """
    (ux, uy), (vx, vy) = gradient
    if measure == "small":
        return torch.stack([ux, vy, 0.5 * (uy + vx)])
    if measure == "euler-almansi":
        left = torch.stack([(1 + ux) ** 2 + uy**2, vx**2 + (1 + vy) ** 2, (1 + ux) * vx + uy * (1 + vy)])
        determinant = left[0] * left[1] - left[2] ** 2
        inverse = torch.stack([left[1], left[0], -left[2]]) / determinant
        return 0.5 * (torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)[:, None, None] - inverse)
    lagrange = torch.stack(
        [ux + 0.5 * (ux**2 + vx**2), vy + 0.5 * (uy**2 + vy**2), 0.5 * (uy + vx + ux * uy + vx * vy)]
    )
    return lagrange if measure == "green-lagrange" else _logarithm(lagrange)


def derivative(gradient: Tensor, part: int, axis: int, measure: str) -> Tensor:
    """Derivative of strain by one slope of the displacement, by a central difference.

    Parameters
    ----------
    gradient : (2, 2, H, W) float64
        As for `strain_of_slopes`.
    part, axis : int
        Which slope: that of u (0) or v (1), along x (0) or y (1).
    measure : str
        One of `gauge.MEASURES`.

    Returns
    -------
    (3, H, W) float64
        Of exx, eyy, exy, without unit.
    """
    step = torch.zeros(2, 2, 1, 1, dtype=torch.float64)
    step[part, axis] = STEP
    return (strain_of_slopes(gradient + step, measure) - strain_of_slopes(gradient - step, measure)) / (2 * STEP)


def _logarithm(lagrange: Tensor) -> Tensor:
    """Hencky strain ln(C) / 2 of C = I + 2 E, (3, H, W) each, by the eigenvalues m + d and m - d of C."""
    xx, yy, xy = 2 * lagrange
    mean, half = 1 + 0.5 * (xx + yy), 0.5 * (xx - yy)
    spread = torch.hypot(half, xy)
    slope = torch.where(spread > 1e-9, torch.atanh(spread / mean) / spread, 1 / mean)  # its limit
    middle = 0.5 * torch.log(mean**2 - spread**2)
    return 0.5 * torch.stack([middle + slope * half, middle - slope * half, slope * xy])
