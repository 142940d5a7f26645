"""How uncertain strain is: by the noise of the displacement, and by what the gauge blunts of its detail."""

from __future__ import annotations

import torch
from torch import Tensor

from scorrnet_cli.gauge import BLUNTED, NOISE_ALLOWED, StrainSettings
from scorrnet_cli.numerics.filters import binned
from scorrnet_cli.numerics.local_fit import Window, slope_variances, slopes, spread_out, window_mean
from scorrnet_cli.strain_measures import derivative, strain_of_slopes


def uncertainty(moved: Tensor, gradient: Tensor, sigma: Tensor, weight: Tensor, how: StrainSettings) -> Tensor:
    """Standard uncertainty (3, H, W) of strain: of noise, and of what the gauge blunts where strain varies within it.

    By a gauge of half the size strain differs, for both reasons. The mean square of the difference over the gauge, less
    what noise may make of it, tells how much is blunted. All of it varies slowly, so that bins of pixels will do.

    Parameters
    ----------
    moved : (2, H, W) float64
        Displacement, px; 0 where `weight` is.
    gradient : (2, 2, H, W) float64
        Its slopes by the gauge.
    sigma : (2, H, W) float64
        Standard uncertainty of the displacement, px.
    weight : (H, W) float64
    how : StrainSettings
    """
    variance, difference, by_noise, means = _in_bins(moved, gradient, sigma, weight, how)
    excess = difference**2 - NOISE_ALLOWED * by_noise
    seen = (means[2] > 0) & excess.isfinite().all(0)
    blunted = window_mean(excess.where(seen, 0.0), seen.double(), window_of(how, bin_px_of(how))).clamp_min(0)
    variance = variance + BLUNTED**2 * blunted.nan_to_num(0.0)
    return spread_out(variance, bin_px_of(how), _size(weight)).sqrt()


def reasons(moved: Tensor, gradient: Tensor, sigma: Tensor, weight: Tensor, how: StrainSettings) -> Tensor:
    """Standard uncertainty (3) by noise alone, and (3) what a gauge of half the size finds more: (6, H, W).

    Parameters are those of `uncertainty`.
    """
    variance, difference, *_ = _in_bins(moved, gradient, sigma, weight, how)
    return spread_out(torch.cat([variance.sqrt(), difference]), bin_px_of(how), _size(weight))


def _in_bins(
    moved: Tensor, gradient: Tensor, sigma: Tensor, weight: Tensor, how: StrainSettings
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return, in bins, variance by noise, what half the gauge finds more, the variance of that, and `means`, see below.

    The first three are (3, h, w); what half the gauge finds is nothing where there is no smaller gauge.
    """
    bin_px = bin_px_of(how)
    means = binned(torch.cat([sigma.where(weight > 0, 0.0) * weight, weight[None]]), bin_px)
    coarse = _sampled(gradient, bin_px)
    variance = _propagated(coarse, means, how, bin_px)
    narrower = how.halved()
    if narrower == how:
        return variance, torch.zeros_like(variance), torch.zeros_like(variance), means
    sharper = _sampled(slopes(moved, weight, window_of(narrower, 1)), bin_px)
    difference = strain_of_slopes(sharper, how.measure) - strain_of_slopes(coarse, how.measure)
    by_noise = (_propagated(coarse, means, narrower, bin_px) - variance).clamp_min(0)
    return variance, difference, by_noise, means


def _size(x: Tensor) -> tuple[int, int]:
    height, width = x.shape
    return height, width


def _sampled(x: Tensor, bin_px: int) -> Tensor:
    """What lies in the middle of every bin of (..., H, W), or nearest to it at the end."""
    down, across = (
        torch.arange(0, size, bin_px).add(bin_px // 2).clamp_max(size - 1).to(x.device) for size in x.shape[-2:]
    )
    return x[..., down, :][..., across]


def _propagated(gradient: Tensor, means: Tensor, how: StrainSettings, bin_px: int) -> Tensor:
    """Variance (3, h, w) of strain by noise, to first order, with errors of u and v that are independent.

    Parameters
    ----------
    gradient : (2, 2, h, w) float64
        In the middle of bins; NaN counts as 0.
    means : (3, h, w) float64
        Means over bins of the weighted standard uncertainties of u and v, px, and of the weight.
    how : StrainSettings
    bin_px : int
    """
    variances = slope_variances(means[:2], means[2], window_of(how, bin_px), how.correlation_matrix, bin_px)
    known = gradient.nan_to_num(0.0)
    total = torch.zeros_like(variances[0])
    for part in range(2):
        by_x, by_y = (derivative(known, part, axis, how.measure) for axis in range(2))
        xx, xy, yy = variances[part]
        total += by_x**2 * xx + 2 * by_x * by_y * xy + by_y**2 * yy
    return total.clamp_min(0)


def window_of(how: StrainSettings, bin_px: int) -> Window:
    """Return the window in bins: as many as hold its pixels, each with the mean weight of its own."""
    radius = how.window_px // 2
    bins = -(-(radius - bin_px // 2) // bin_px)
    reach = bins * bin_px + bin_px // 2
    offset = torch.arange(-reach, reach + 1, dtype=torch.float64)
    taps = torch.from_numpy(how.taps(offset.numpy()))
    return Window((taps * (offset.abs() <= radius)).view(-1, bin_px).mean(1), how.order)


def bin_px_of(how: StrainSettings) -> int:
    """Side of the bins in which variances are taken, px; the first begins at the first pixel of the frame."""
    return 2 * (how.window_px // 16) + 1
