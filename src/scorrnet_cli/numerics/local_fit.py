"""Slopes of a field by a polynomial fitted about every point, and how uncertain they are; all by filters of images.

About each point the sum over the window of k w (f - sum_m a_m p_m)^2 is made least, with the window's weights k, the
points' weights w, and the monomials p_m of the offset. The normal equations A a = b hold the moments of w and of
w f in the window, which are separable filters; about each point anew, so that nothing cancels (Savitzky, Golay, 1964,
with weights; Pan et al., Optical Engineering 46, 033601, 2007, for strain).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from scorrnet_cli.numerics.filters import along_columns, along_rows, band_of

LEAST_SHARE = 0.1  # of the window that must be known
LEAST_PIVOT = 1e-9  # relative; less is a singular fit: points in a line, for example
FADED = 1e-3  # patterns of error with a smaller share of the variance are left out

Alike: TypeAlias = Callable[[int], NDArray[np.float64]]
"""Number n of points in a row, 1 px apart, to the correlation (n, n) of their errors."""


@dataclass(frozen=True)
class Window:
    """Weights of a fit about its middle.

    Attributes
    ----------
    taps : (2 r + 1) float64
        Weights along one axis; the window's are their products.
    order : int
        Degree of the polynomial, 1 or 2.
    """

    taps: Tensor
    order: int

    @property
    def radius(self) -> int:
        """Points on each side of the middle."""
        return len(self.taps) // 2

    @property
    def offsets(self) -> Tensor:
        """Offsets of the taps over the radius, -1..1: powers of them stay of one size."""
        return torch.linspace(-1, 1, len(self.taps), dtype=torch.float64, device=self.taps.device)

    @property
    def terms(self) -> list[tuple[int, int]]:
        """Powers of x and y of each monomial: the constant, x and y come first."""
        return [(degree - j, j) for degree in range(self.order + 1) for j in range(degree + 1)]


def fitted(fields: Tensor, weight: Tensor, window: Window) -> Tensor:
    """Values (C, H, W) of the fits about every point, at the point itself; parameters are those of `slopes`."""
    return _fits(fields, weight, window)[0]


def slopes(fields: Tensor, weight: Tensor, window: Window) -> Tensor:
    """Slopes of fields by fits about every point.

    Parameters
    ----------
    fields : (C, H, W) float64
        Finite also where `weight` is 0.
    weight : (H, W) float64
        Of every point; 0 where the field is not known.
    window : Window

    Returns
    -------
    (C, 2, H, W) float64
        Derivatives along x and y, per px; NaN where too little of the window is known or the fit is singular.
    """
    return _fits(fields, weight, window)[1:3].transpose(0, 1) / window.radius


def slope_variances(sigmas: Tensor, weight: Tensor, window: Window, alike: Alike, bin_px: int) -> Tensor:
    """Variances and covariance of the slopes, for errors that are alike at neighbouring points.

    An error e of standard uncertainty s has at two points the covariance s s' r(dx) r(dy), with the correlation r at a
    distance. It is a sum of few products of patterns in x and y: the eigenvectors q of the matrix of r within the
    window. A slope is a sum of c e with known c, so its variance is the sum over the patterns of eigenvalue times (sum
    of c s q)^2, and each of these sums is a separable filter. All of it varies slowly, so that bins of pixels will do.

    Parameters
    ----------
    sigmas : (C, h, w) float64
        Standard uncertainty of the fields, px, times `weight`; means of bins.
    weight : (h, w) float64
        As in `slopes`; means of bins.
    window : Window
        Of bins.
    alike : callable
        The correlation r.
    bin_px : int
        Side of a bin, px.

    Returns
    -------
    (C, 3, h, w) float64
        Variance of the slope along x, covariance, variance along y; NaN where the fit is singular.
    """
    matrix, enough = _normal_matrix(weight, window)
    unit = torch.zeros(len(window.terms), 2, *weight.shape, dtype=torch.float64)
    unit[1, 0] = unit[2, 1] = 1 / (window.radius * bin_px)
    rows, regular = _solve(matrix, unit)  # of the inverse: the slopes are these times the right-hand side
    values, patterns = _patterns(len(window.taps), alike, bin_px)
    total = torch.zeros(len(sigmas), 3, *weight.shape, dtype=torch.float64)
    for i, across in enumerate(patterns):
        along = {power: _across(sigmas, _tap(window, power) * across) for power in range(window.order + 1)}
        for j, down in enumerate(patterns):
            if values[i] * values[j] < FADED * values[0] ** 2:
                continue
            columns = [band_of(_tap(window, power) * down) for power in range(window.order + 1)]
            sums = torch.stack([along_columns(along[x], columns[y]) for x, y in window.terms])  # (M, C, H, W)
            by_x, by_y = (rows[:, :, None] * sums[:, None]).sum(0)
            total += values[i] * values[j] * torch.stack([by_x * by_x, by_x * by_y, by_y * by_y], 1)
    return total.where(enough & regular, torch.nan)


def window_mean(x: Tensor, weight: Tensor, window: Window) -> Tensor:
    """Mean (C, H, W) of `x` (C, H, W) over the window about each point; NaN where all weights are 0.

    Parameters are those of `slopes`, with `x` for the fields.
    """
    (sums,) = _moments(torch.cat([x * weight, weight[None]]), window, [(0, 0)]).values()
    return sums[:-1] / sums[-1]


def spread_out(x: Tensor, size: int, shape: tuple[int, int]) -> Tensor:
    """Interpolate bins back to pixels, bilinearly, among the values that are known.

    Parameters
    ----------
    x : (C, h, w) float
        Of bins, as `binned` makes them; NaN where not known.
    size : int
        Side of a bin, px.
    shape : pair of int
        H and W.

    Returns
    -------
    (C, H, W) float
        NaN where no bin next to the pixel is known.
    """
    known = torch.isfinite(x)
    both = torch.cat([torch.where(known, x, 0.0), known.to(x.dtype)])[None]
    full = F.interpolate(both, scale_factor=size, mode="bilinear", align_corners=False)[0, :, : shape[0], : shape[1]]
    value, share = full.chunk(2)
    return value / share  # 0 / 0 is NaN


def _fits(fields: Tensor, weight: Tensor, window: Window) -> Tensor:
    """Coefficients (M, C, H, W) of the monomials about every point; NaN where `slopes` says."""
    matrix, enough = _normal_matrix(weight, window)
    sums = _moments(fields * weight, window, window.terms)
    right = torch.stack([sums[power] for power in window.terms])  # (M, C, H, W)
    solution, regular = _solve(matrix, right)
    return solution.where(enough & regular, torch.nan)


def _patterns(count: int, alike: Alike, bin_px: int) -> tuple[Tensor, Tensor]:
    """Eigenvalues, falling, and eigenvectors (K, count) of the correlation of errors of bins along an axis."""
    of_pixels = torch.from_numpy(alike(count * bin_px))
    values, vectors = torch.linalg.eigh(of_pixels.view(count, bin_px, count, bin_px).mean((1, 3)))
    kept = values.flip(0) > FADED * values[-1]
    return values.flip(0)[kept], vectors.T.flip(0)[kept]


def _tap(window: Window, power: int) -> Tensor:
    return window.taps * window.offsets**power


def _across(x: Tensor, taps: Tensor) -> Tensor:
    """Sum (C, H, W) along x times taps (2 r + 1), with r rows of nothing above and below for sums along y."""
    radius = len(taps) // 2
    return F.pad(along_rows(x, band_of(taps)), (0, 0, radius, radius))


def _normal_matrix(weight: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    """Matrix (M, M, H, W) of the normal equations, and where enough of the window is known, (H, W) bool."""
    powers = [(x, y) for x in range(2 * window.order + 1) for y in range(2 * window.order + 1 - x)]
    sums = _moments(weight[None], window, powers)
    matrix = torch.stack(
        [torch.stack([sums[a + c, b + d][0] for c, d in window.terms]) for a, b in window.terms]
    )  # (M, M, H, W)
    known = _moments((weight[None] > 0).double(), window, [(0, 0)])[0, 0][0]
    return matrix, known >= LEAST_SHARE * float(window.taps.sum()) ** 2


def _moments(x: Tensor, window: Window, powers: Sequence[tuple[int, int]]) -> dict[tuple[int, int], Tensor]:
    """Sums over the window of (C, H, W) times powers of the offsets in x and y."""
    taps = [_tap(window, power) for power in range(1 + max(max(pair) for pair in powers))]
    bands = [band_of(tap) for tap in taps]
    rows = {power: _across(x, taps[power]) for power in {pair[0] for pair in powers}}
    return {(i, j): along_columns(rows[i], bands[j]) for i, j in powers}


def _solve(matrix: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Solve symmetric, positive systems (M, M, H, W) for (M, K, H, W) by elimination, all pixels at once.

    Returns the solutions and where they are regular, (H, W) bool.
    """
    count = len(matrix)
    regular = torch.ones(matrix.shape[-2:], dtype=torch.bool, device=matrix.device)
    first = [matrix[k, k].clone() for k in range(count)]
    matrix, right = matrix.clone(), right.clone()
    for k in range(count):
        regular &= matrix[k, k] > LEAST_PIVOT * first[k]
        for i in range(k + 1, count):
            factor = matrix[i, k] / matrix[k, k]
            matrix[i, k:] -= factor * matrix[k, k:]
            right[i] -= factor * right[k]
    for k in range(count - 1, -1, -1):
        for j in range(k + 1, count):
            right[k] -= matrix[k, j] * right[j]
        right[k] /= matrix[k, k]
    return right, regular
