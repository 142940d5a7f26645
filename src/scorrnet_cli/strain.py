"""Strain from displacement: a polynomial fitted about every point, its slopes, and the measure of strain from these.

With the deformation gradient F = I + grad u of reference positions, C = F^T F and B = F F^T (Holzapfel, Nonlinear
Solid Mechanics, 2000, chapter 2):

    green-lagrange   (C - I) / 2           along material lines of the reference; rotation gives none
    euler-almansi    (I - B^-1) / 2        along lines of the deformed state; rotation gives none
    hencky           ln(C) / 2             true strain along material lines of the reference
    small            (grad u + grad u^T) / 2, for small strain and rotation only
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from scorrnet_cli.arrays import AnyFloatArray, BoolArray, FloatArray
from scorrnet_cli.field import Field
from scorrnet_cli.gauge import ARRAYS, Strain, StrainSettings
from scorrnet_cli.local_fit import Window, binned, slope_variances, slopes, spread_out

STRIP_POINTS = 2**18  # that are worked on at once, to bound the memory
LARGEST_PREFERENCE = 10.0  # how many times the weight of a middling point the surest point has
GAUSSIAN_SHARE = 0.25  # of the window is the standard deviation of Gaussian weights
STEP = 1e-4  # of the numerical derivatives of strain by slope


def strain_of(field: Field, how: StrainSettings | None = None) -> Strain:
    """Take the strain of a measured field.

    Parameters
    ----------
    field : Field
    how : StrainSettings, optional
        If not given, what the settings of the field's measurement say.
    """
    how = how or field.process.settings.gauge
    return strain(field.u, field.v, field.valid, how, (field.sigma_u, field.sigma_v))


def with_strain(field: Field) -> Field:
    """Take the strain of a field if its settings ask for it: the last stage, of displacements that are final."""
    return replace(field, strain_field=strain_of(field)) if field.process.settings.strain else field


def strain(
    u: AnyFloatArray,
    v: AnyFloatArray,
    valid: BoolArray,
    how: StrainSettings,
    sigma: tuple[AnyFloatArray, AnyFloatArray] | None = None,
) -> Strain:
    """Take strain from displacement by local polynomial fits.

    Parameters
    ----------
    u, v : (T, H, W) float
        Displacement to the right and down, px, at reference pixels.
    valid : (T, H, W) bool
        True where it can be used.
    how : StrainSettings
    sigma : pair of (T, H, W) float, optional
        Standard uncertainties of `u` and `v`, px; NaN where unknown. Points weigh 1 / (sigma_u^2 + sigma_v^2), within
        a tenth to ten times the middling weight of the frame.

    Returns
    -------
    Strain
        NaN where `valid` is False, less than a tenth of the window is valid, or the points lie in a line.
    """
    arrays: dict[str, list[FloatArray]] = {name: [] for name in ARRAYS}
    for index in range(len(u)):
        moved = torch.from_numpy(np.stack([u[index], v[index]])).double()
        known = torch.from_numpy(valid[index] & np.isfinite(u[index]) & np.isfinite(v[index]))
        stated = None if sigma is None else torch.from_numpy(np.stack([s[index] for s in sigma])).double()
        planes = _frame(moved, known, stated, how).float().numpy()
        for name, plane in zip(ARRAYS, planes, strict=True):
            arrays[name].append(plane)
    return Strain(**{name: np.stack(planes) for name, planes in arrays.items()}, how=how)


def _frame(moved: Tensor, known: Tensor, sigma: Tensor | None, how: StrainSettings) -> Tensor:
    """Strains and their uncertainties (6, H, W) of one frame, strip by strip; float64."""
    height, width = known.shape
    if sigma is not None and not bool((sigma.isfinite().all(0) & known).any()):
        sigma = None
    moved = moved.where(known, 0.0)
    weight = known.double() if sigma is None else _weights(known, sigma)
    bin_px = 2 * (how.window_px // 16) + 1
    halo = bin_px * (how.window_px // (2 * bin_px) + 2)  # a bin more than the window reaches, to interpolate
    step = max(1, STRIP_POINTS // (width * bin_px)) * bin_px
    out = torch.full((6, height, width), math.nan, dtype=torch.float64)
    for top in range(0, height, step):
        start, bottom = max(0, top - halo), min(height, top + step)
        part, inner = slice(start, bottom + halo), slice(top - start, bottom - start)
        gradient = slopes(moved[:, part], weight[part], _window(how, 1))
        out[:3, top:bottom] = _measured(gradient, how.measure)[:, inner]
        if sigma is not None:
            variances = _variances(sigma[:, part], weight[part], how, bin_px)
            out[3:, top:bottom] = _propagated(gradient, variances, how.measure)[:, inner]
    return out.where(known & out[:3].isfinite().all(0), math.nan)


def _weights(known: Tensor, sigma: Tensor) -> Tensor:
    """Weights (H, W) by the uncertainties (2, H, W); where these are not known, the least."""
    variance = (sigma**2).sum(0)
    relative = variance / variance[known & variance.isfinite()].median()
    limited = relative.nan_to_num(LARGEST_PREFERENCE).clamp(1 / LARGEST_PREFERENCE, LARGEST_PREFERENCE)
    return known / limited


def _window(how: StrainSettings, bin_px: int) -> Window:
    """Return the window in bins: as many as hold its pixels, each with the mean weight of its own."""
    radius = how.window_px // 2
    bins = -(-(radius - bin_px // 2) // bin_px)
    reach = bins * bin_px + bin_px // 2
    offset = torch.arange(-reach, reach + 1, dtype=torch.float64)
    taps = torch.ones_like(offset)
    if how.weights == "gaussian":
        taps = torch.exp(-0.5 * (offset / (GAUSSIAN_SHARE * how.window_px)) ** 2)
    return Window((taps * (offset.abs() <= radius)).view(-1, bin_px).mean(1), how.order)


def _variances(sigma: Tensor, weight: Tensor, how: StrainSettings, bin_px: int) -> Tensor:
    """Variances and covariance (2, 3, H, W) of the slopes along x and y of u and of v."""
    known = sigma.where(weight > 0, 0.0)
    means = binned(torch.cat([known * weight, weight[None]]), bin_px)
    coarse = slope_variances(means[:2], means[2], _window(how, bin_px), how.averaging_px, bin_px)
    height, width = weight.shape
    return spread_out(coarse.flatten(0, 1), bin_px, (height, width)).view(2, 3, height, width)


def _propagated(gradient: Tensor, variances: Tensor, measure: str) -> Tensor:
    """Standard uncertainty (3, H, W) of strain, to first order, with errors of u and v that are independent."""
    total = gradient.new_zeros(3, *gradient.shape[2:])
    for part in range(2):
        by_x, by_y = (_derivative(gradient, part, axis, measure) for axis in range(2))
        xx, xy, yy = variances[part]
        total += by_x**2 * xx + 2 * by_x * by_y * xy + by_y**2 * yy
    return total.clamp_min(0).sqrt()


def _derivative(gradient: Tensor, part: int, axis: int, measure: str) -> Tensor:
    """Derivative (3, H, W) of strain by one slope."""
    step = torch.zeros(2, 2, 1, 1, dtype=torch.float64)
    step[part, axis] = STEP
    return (_measured(gradient + step, measure) - _measured(gradient - step, measure)) / (2 * STEP)


def _measured(gradient: Tensor, measure: str) -> Tensor:
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


def _logarithm(lagrange: Tensor) -> Tensor:
    """Hencky strain ln(C) / 2 of C = I + 2 E, (3, H, W) each, by the eigenvalues m + d and m - d of C."""
    xx, yy, xy = 2 * lagrange
    mean, half = 1 + 0.5 * (xx + yy), 0.5 * (xx - yy)
    spread = torch.hypot(half, xy)
    slope = torch.where(spread > 1e-9, torch.atanh(spread / mean) / spread, 1 / mean)  # its limit
    middle = 0.5 * torch.log(mean**2 - spread**2)
    return 0.5 * torch.stack([middle + slope * half, middle - slope * half, slope * xy])
