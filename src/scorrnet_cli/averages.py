"""How uncertain the mean over a rectangle is, when errors of neighbouring points are alike.

Errors of standard uncertainty s at two points have the covariance s s' r(dx) r(dy), with the correlation r of
`StrainSettings.correlation`. The variance of a mean is the mean of the covariances of all pairs of points (JCGM
100:2008, Guide to the Expression of Uncertainty in Measurement, 5.2.2). As r is taken along x and along y, the double
sum over all pairs is two convolutions, one along each. For one Gaussian window the product is exact, for several passes
nearly.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from scorrnet_cli.arrays import FloatArray
from scorrnet_cli.gauge import BLUNTED, NOISE_ALLOWED, StrainSettings

Array = NDArray[np.float64]

_AT_ONCE = 256  # rows


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
    return math.sqrt(float(np.vdot(_alike(spread, how), _alike(spread.T, how).T))) / int(known.sum())


def sigma_of_mean_strain(noise: FloatArray, missed: FloatArray, how: StrainSettings, along_x: float) -> float:
    """Standard uncertainty of the mean of a strain.

    The mean of slopes is a sum over the displacements, as a slope is; what the variance by noise falls to in a full
    rectangle of the same shape is carried over to the uncertainties of the points. What the gauge blunts is no noise
    and does not average out: of a peak all of it has one sign. It is estimated from the mean as it is from each point.

    Parameters
    ----------
    noise : (h, w) float32
        Standard uncertainty of each point by noise; NaN where it does not belong to the mean.
    missed : (h, w) float32
        What a gauge of half the size finds more, see `strain.Doubts`; NaN where not known.
    how : StrainSettings
        How strain was taken.
    along_x : float
        Share of its variance that slopes along x have, 0 to 1; the rest is of those along y.

    Returns
    -------
    float
        NaN if no uncertainty is known.
    """
    known = np.isfinite(noise)
    if not known.any():
        return math.nan
    share = math.sqrt(known.mean())  # a rectangle with gaps counts as a smaller one
    height, width = (max(1, round(side * share)) for side in noise.shape)
    typical = float(np.mean(np.square(noise[known], dtype=np.float64))) / _slope_variance(1, 1, how)
    variance, sharper = (
        typical * (along_x * _slope_variance(width, height, one) + (1 - along_x) * _slope_variance(height, width, one))
        for one in (how, how.halved())
    )
    compared = missed[np.isfinite(missed)]
    difference = float(compared.mean(dtype=np.float64)) if compared.size else 0.0
    blunted = max(0.0, difference**2 - NOISE_ALLOWED * max(0.0, sharper - variance))
    return math.sqrt(variance + BLUNTED**2 * blunted)


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
    return float(weights @ _alike(weights[np.newaxis], how)[0])


def _alike(rows: Array, how: StrainSettings) -> Array:
    """Sum of each row (N, n), around each of its points, weighted by how alike the errors of two points are."""
    count = rows.shape[1]
    size = 2 ** math.ceil(math.log2(2 * count))  # beyond the end of a row there is nothing
    ring = np.zeros(size)
    ring[:count] = how.correlation(np.arange(count))
    ring[size - count + 1 :] = ring[count - 1 : 0 : -1]
    passed = np.fft.rfft(ring)
    found = np.empty(rows.shape)
    for first in range(0, len(rows), _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        found[part] = np.fft.irfft(np.fft.rfft(rows[part], size) * passed, size)[:, :count]
    return found
