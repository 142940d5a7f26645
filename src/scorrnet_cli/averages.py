"""How uncertain the mean over a rectangle is, when errors of neighbouring points are alike.

Errors of standard uncertainty s at two points have the covariance s s' r(dx) r(dy), with the correlation r of
`StrainSettings.correlation`. The variance of a mean is the mean of the covariances of all pairs of points (JCGM
100:2008, Guide to the Expression of Uncertainty in Measurement, 5.2.2). As r is taken along x and along y, the double
sum over all pairs is two products of matrices. For one Gaussian window the product is exact, for several passes nearly.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from scorrnet_cli.arrays import FloatArray
from scorrnet_cli.gauge import StrainSettings

Array = NDArray[np.float64]


def sigma_of_mean(sigma: FloatArray, how: StrainSettings) -> float:
    """Standard uncertainty of the mean of a displacement.

    Parameters
    ----------
    sigma : (h, w) float32
        Standard uncertainty of each point, px; NaN where it does not belong to the mean.
    how : StrainSettings
        What the displacement was averaged over.

    Returns
    -------
    float
        px; NaN if no uncertainty is known.
    """
    known = np.isfinite(sigma)
    if not known.any():
        return math.nan
    spread = np.where(known, sigma, 0.0).astype(np.float64)
    down, across = (how.correlation_matrix(size) for size in sigma.shape)
    return float(np.sqrt(np.sum(spread * (down @ spread @ across))) / known.sum())


def sigma_of_mean_strain(sigma: FloatArray, how: StrainSettings, *, shear: bool) -> float:
    """Standard uncertainty of the mean of a strain.

    The mean of slopes is a sum over the displacements, as a slope is; what the variance falls to in a full rectangle
    of the same shape is carried over to the uncertainties of the points.

    Parameters
    ----------
    sigma : (h, w) float32
        Standard uncertainty of each point along the axis of the strain, that is exx; for eyy give the transpose.
        NaN where it does not belong to the mean.
    how : StrainSettings
        How strain was taken.
    shear : bool
        Whether it is exy, whose two slopes count alike.

    Returns
    -------
    float
        NaN if no uncertainty is known.
    """
    known = np.isfinite(sigma)
    if not known.any():
        return math.nan
    share = math.sqrt(known.mean())  # a rectangle with gaps counts as a smaller one
    height, width = (max(1, round(side * share)) for side in sigma.shape)
    point = _slope_variance(1, 1, how)
    if shear:
        ratio = (_slope_variance(width, height, how) + _slope_variance(height, width, how)) / (2 * point)
    else:
        ratio = _slope_variance(width, height, how) / point
    typical = float(np.sqrt(np.mean(np.square(sigma[known], dtype=np.float64))))
    return typical * math.sqrt(ratio)


def _slope_variance(along: int, across: int, how: StrainSettings) -> float:
    """Variance of the mean of the slopes along one axis in a rectangle, for displacements of unit variance."""
    offsets = np.arange(how.window_px) - how.window_px // 2
    taps = how.taps(offsets)
    slope = taps * offsets / np.sum(taps * offsets**2)
    mean = taps / taps.sum()
    return _variance(np.convolve(slope, _box(along)), how) * _variance(np.convolve(mean, _box(across)), how)


def _box(size: int) -> Array:
    return np.full(size, 1 / size)


def _variance(weights: Array, how: StrainSettings) -> float:
    """Variance of a weighted sum along one axis of errors of unit variance."""
    return float(weights @ how.correlation_matrix(len(weights)) @ weights)
