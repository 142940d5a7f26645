"""The least-squares problem that every pixel solves, its solution, and how uncertain that is."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from scorrnet_cli.gauge import noise_gain
from scorrnet_cli.numerics.filters import gaussian, gradient, wide_mean
from scorrnet_cli.refinement.matching import Comparison, Surface

LARGEST_STEP_PX = 1.0
LINES = 10.0  # squared slope across lines over that along them
GRADIENT_NOISE = 130 / 144  # sum of the squares of the coefficients of the 5-point formula


def moved_slope(reference: Surface, field: Tensor, window_px: float) -> Tensor:
    """Gradient of the deformed image at the displaced points: (I + grad u)^-T grad f.

    Parameters
    ----------
    reference : Surface
        f, and where it counts.
    field : (2, H, W) float32
        Displacement u, px; smoothed before its slopes are taken.
    window_px : float
        Standard deviation of the window that smooths it, px; 4 px if this is less.

    Returns
    -------
    (2, H, W) float32
        Along x and y, in units of the reference's grey per px.
    """
    fx, fy = reference.slope
    plane = reference.plane_through(field)
    (ux, vx), (uy, vy) = gradient(plane + wide_mean(field - plane, reference.mask.float(), max(window_px, 4.0)))
    a, b, c, d = 1 + ux, vx, uy, 1 + vy  # (I + grad u)^T = [[a, b], [c, d]]
    determinant = (a * d - b * c).clamp_min(0.1)
    return torch.stack([(d * fx - b * fy) / determinant, (a * fy - c * fx) / determinant])


def correction(slope: Tensor, state: Comparison, window_px: float) -> Tensor:
    """Gauss-Newton correction of a displacement: A^-1 b of `refine`.

    Parameters
    ----------
    slope : (2, H, W) float32
        Gradient J of the deformed image at the displaced points, from `moved_slope`.
    state : Comparison
        The images at the field: residual d and weight w.
    window_px : float
        Standard deviation of the window G, px.

    Returns
    -------
    (2, H, W) float32
        What is to be added to u and v, px; within `LARGEST_STEP_PX` of 0 each.
    """
    pull = gaussian(slope * (state.residual * state.weight), window_px)
    step = solve(gaussian(normal_matrix(slope, state.weight), window_px), pull)
    return step.clamp(-LARGEST_STEP_PX, LARGEST_STEP_PX)


def solve(matrix: Tensor, pull: Tensor) -> Tensor:
    """Solve symmetric 2x2 systems (3, H, W), slightly regularised, for the vectors (2, H, W)."""
    ixx, ixy, iyy = _inverse(matrix)
    return torch.stack([ixx * pull[0] + ixy * pull[1], ixy * pull[0] + iyy * pull[1]])


def uncertainty(slope: Tensor, state: Comparison, window_px: float, averagings: int) -> Tensor:
    """Standard uncertainty of u and v, of independent noise with the variance of the residual.

    The estimate is linear in the noise n, of variance v: u = A^-1 G * (w J n), so its covariance is
    A^-1 (G^2 * w^2 v J J^T) A^-1, and the square of a Gaussian of width s is one of width s / sqrt(2) over 4 pi s^2.
    More than one averaging widens the band.

    Parameters
    ----------
    slope, state, window_px
        As for `correction`.
    averagings : int
        How often the window has averaged, see `gauge.averagings`.

    Returns
    -------
    (2, H, W) float32
        px; infinite where the image does not vary in every direction by more than its noise makes it seem to.
    """
    weight = state.weight
    freedom = 2 * sum(1 / n for n in range(1, averagings + 1)) / (2 * math.pi * window_px**2)  # spent, of each pixel
    variance = wide_mean(state.residual[None] ** 2, weight, max(2 * window_px, 8.0))[0] / max(1 - freedom, 0.2)
    matrix = gaussian(normal_matrix(slope, weight), window_px)
    ixx, ixy, iyy = _inverse(matrix)
    squares = gaussian(normal_matrix(slope, weight**2 * variance), window_px / math.sqrt(2))
    sxx, sxy, syy = squares / (4 * math.pi * window_px**2)
    uu = ixx * (ixx * sxx + ixy * sxy) + ixy * (ixx * sxy + ixy * syy)
    vv = ixy * (ixy * sxx + iyy * sxy) + iyy * (ixy * sxy + iyy * syy)
    sigma = torch.stack([uu, vv]).clamp_min(0).sqrt() * noise_gain(averagings)
    return torch.where(_is_pattern(matrix, weight, variance, window_px), sigma, torch.full_like(sigma, math.inf))


def lines(slope: Tensor, state: Comparison, window_px: float) -> Tensor:
    """Find where the image varies in one direction by far more than in the other.

    Parameters
    ----------
    slope : (2, H, W) float32
        Gradient of the image.
    state, window_px
        As for `correction`; of `state` only the weight counts.

    Returns
    -------
    (H, W) bool
        True where the mean squared slope across is more than `LINES` times that along.
    """
    xx, xy, yy = gaussian(normal_matrix(slope, state.weight), window_px)
    middle, radius = 0.5 * (xx + yy), torch.hypot(0.5 * (xx - yy), xy)
    varied: Tensor = middle + radius > LINES * (middle - radius)
    return varied


def normal_matrix(slope: Tensor, weight: Tensor) -> Tensor:
    """Entries xx, xy, yy (3, H, W) of w J J^T."""
    jx, jy = slope
    return torch.stack([jx * jx, jx * jy, jy * jy]) * weight


def _inverse(matrix: Tensor) -> Tensor:
    """Entries xx, xy, yy of the inverse of symmetric 2x2 matrices (3, H, W), slightly regularised."""
    xx, xy, yy = matrix
    ridge = 1e-4 * (xx + yy) + 1e-9
    xx, yy = xx + ridge, yy + ridge
    determinant: Tensor = xx * yy - xy * xy
    return torch.stack([yy, -xy, xx]) / determinant.clamp_min(1e-18)


def _is_pattern(matrix: Tensor, weight: Tensor, variance: Tensor, window_px: float) -> Tensor:
    """True (H, W) where the image varies in every direction by more than its noise makes it seem to.

    Noise of variance s^2 / 2 in each image gives each gradient component the variance 0.903 s^2 / 2 (5-point formula).
    """
    xx, xy, yy = matrix
    noise = GRADIENT_NOISE * 0.5 * variance * gaussian(weight[None], window_px)[0]
    smaller = 0.5 * (xx + yy) - torch.hypot(0.5 * (xx - yy), xy) - noise
    pattern: Tensor = smaller > 0.5 * noise + 1e-6
    return pattern
