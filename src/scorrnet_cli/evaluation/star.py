"""The star of the DIC Challenge 2.0: how fine a detail a method resolves, and at what noise.

The displacement is v(x, y) = A cos(2 pi (y - yc) / p(x)), u = 0, with a period p that grows with x (Reu et al., 2022,
Experimental Mechanics 62, 639-654). Along the centre row the truth is A.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.polynomial import Polynomial
from torch import Tensor

from scorrnet_cli.evaluation.methods import Measured, Method
from scorrnet_cli.evaluation.metrics import (
    RIM_PX,
    Accuracy,
    accuracy,
    counted_points,
    plane_slopes,
    spread,
    strain_window,
)
from scorrnet_cli.evaluation.rendering import Pair, make_pair, photograph, photographed

LEVEL = 0.9  # of the amplitude, at which detail counts as resolved
DEGREE = 12  # of the polynomial through the curve
SEED = 500
_AMPLITUDE_PX = 0.5


@dataclass(frozen=True)
class Star:
    """One star: its size and its periods at the first and at the last column, px."""

    name: str
    height: int
    width: int
    first_px: float
    growth: float  # of the period, px a px

    def period(self, x: Tensor) -> Tensor:
        """Period of the wave at columns `x`, px."""
        return (self.first_px + self.growth * x).clamp_min(0.5 * self.first_px)

    def displacement(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return u and v, px, at points x, y."""
        centre = (self.height - 1) / 2
        return torch.zeros_like(x), _AMPLITUDE_PX * torch.cos(2 * math.pi * (y - centre) / self.period(x))

    def pair(self) -> Pair:
        """Render the star without noise."""
        return make_pair((self.height, self.width), self.displacement, SEED)


STARS = {
    "1-2": Star("1-2", 501, 2000, 10.0, 140 / 1999),
    "5": Star("5", 501, 4000, 10.0, 290 / 4000),
}


@dataclass(frozen=True)
class Curve:
    """Measured over true amplitude along the centre row.

    Attributes
    ----------
    period_px : (N,) float64
    ratio : (N,) float64
    smooth : Polynomial
        Of degree 12 through them.
    l10_px, l10_last_px : float
        Period at which the polynomial first and last rises through 0.9; NaN if it never does.
    """

    period_px: np.ndarray
    ratio: np.ndarray
    smooth: Polynomial
    l10_px: float
    l10_last_px: float


@dataclass(frozen=True)
class StarFigures:
    """What one method reaches on one star.

    Attributes
    ----------
    mae_v_noiseless, mae_v_noisy : float
        Mean absolute error of v over the whole star, px, points that were dropped filled by the nearest.
    accuracy_noiseless, accuracy_noisy : Accuracy
    l10_px, l10_last_px : float
        Of the noisy star.
    l10_noiseless_px : float
    noise_px : float
        n: standard deviation of v along the centre row between two pictures of the unmoved scene.
    mei_px2 : float
        n times l10.
    strain_mei : float
        n times l10 squared, px^3.
    strain_noise : float
        Standard deviation of exx between these pictures, of planes through windows of 25 px.
    curve : Curve
        Of the noisy star.
    """

    star: str
    method: str
    mae_v_noiseless: float
    mae_v_noisy: float
    accuracy_noiseless: Accuracy
    accuracy_noisy: Accuracy
    l10_px: float
    l10_last_px: float
    l10_noiseless_px: float
    noise_px: float
    mei_px2: float
    strain_mei: float
    strain_noise: float
    curve: Curve


def star_figures(star: Star, methods: Mapping[str, Method]) -> Iterator[StarFigures]:
    """Measure a star by several methods, one after the other: noiseless, noisy, and unmoved."""
    clean = star.pair()
    noisy = photographed(clean, SEED + 1)
    unmoved = photograph(clean.reference, SEED + 3)
    for name, method in methods.items():
        yield _figures(star, name, method, clean, noisy, unmoved)


def _figures(star: Star, name: str, method: Method, clean: Pair, noisy: Pair, unmoved: Tensor) -> StarFigures:
    pairs = (clean, noisy)
    measured = [method(pair.reference, pair.deformed, pair.mask) for pair in pairs]
    accuracies = [_accuracy(pair, found) for pair, found in zip(pairs, measured, strict=True)]
    curves = [centre_curve(star, found) for found in measured]
    still = method(noisy.reference, unmoved, noisy.mask)
    noise = centre_noise(still)
    return StarFigures(
        star=star.name,
        method=name,
        mae_v_noiseless=accuracies[0].mae_filled_v,
        mae_v_noisy=accuracies[1].mae_filled_v,
        accuracy_noiseless=accuracies[0],
        accuracy_noisy=accuracies[1],
        l10_px=curves[1].l10_px,
        l10_last_px=curves[1].l10_last_px,
        l10_noiseless_px=curves[0].l10_px,
        noise_px=noise,
        mei_px2=noise * curves[1].l10_px,
        strain_mei=noise * curves[1].l10_px ** 2,
        strain_noise=strain_noise(still),
        curve=curves[1],
    )


def _accuracy(pair: Pair, found: Measured) -> Accuracy:
    counted, truth = found.thinned(counted_points(pair.mask, pair.truth), pair.truth)
    displacement, valid = found.thinned(found.displacement, found.valid)
    return accuracy(displacement, valid, truth, counted)


def centre_curve(star: Star, found: Measured) -> Curve:
    """Take the curve along the centre row, 15 px from the border left out, and where it rises through 0.9.

    Raises
    ------
    ValueError
        If the method has not measured the centre row.
    """
    x = torch.arange(star.width, dtype=torch.float64)
    ratio = _centre_row(found) / _AMPLITUDE_PX
    x, ratio = x[RIM_PX : star.width - RIM_PX], ratio[RIM_PX : star.width - RIM_PX]
    known = torch.isfinite(ratio)
    return resolution(star.period(x[known]).numpy(), ratio[known].double().numpy())


def resolution(period_px: np.ndarray, ratio: np.ndarray) -> Curve:
    """Fit a curve by a polynomial on a scaled domain and find where it rises through 0.9.

    Parameters
    ----------
    period_px : (N,) float64
        Rising.
    ratio : (N,) float64
        Measured over true amplitude.

    Returns
    -------
    Curve
    """
    if len(period_px) <= DEGREE:
        return Curve(period_px, ratio, Polynomial([math.nan]), math.nan, math.nan)
    smooth = Polynomial.fit(period_px, ratio, DEGREE)  # scales the domain to -1..1
    fine = np.linspace(period_px[0], period_px[-1], 20 * len(period_px))
    above = smooth(fine) - LEVEL
    rising = np.flatnonzero((above[:-1] < 0) & (above[1:] >= 0))
    if not len(rising):
        return Curve(period_px, ratio, smooth, math.nan, math.nan)
    share = above[rising] / (above[rising] - above[rising + 1])
    crossings = fine[rising] + share * (fine[1] - fine[0])
    return Curve(period_px, ratio, smooth, float(crossings[0]), float(crossings[-1]))


def centre_noise(still: Measured) -> float:
    """Standard deviation of v along the centre row, px, 15 px at both ends left out."""
    return spread(_centre_row(still)[RIM_PX:-RIM_PX])


def strain_noise(still: Measured) -> float:
    """Standard deviation of exx of an unmoved scene, of planes fitted to u over windows of 25 px.

    The window alone is meant, the subset that each point averages over comes on top; `l10_px` tells that.
    """
    (u,) = still.thinned(still.displacement[0])
    rim = -(-RIM_PX // still.step)
    inner = u[rim:-rim, rim:-rim]
    return spread(plane_slopes(inner, strain_window(still.step), still.step)[0])


def _centre_row(found: Measured) -> Tensor:
    height = found.displacement.shape[1]
    centre = (height - 1) // 2
    if centre % found.step:
        raise ValueError(f"a step of {found.step} px leaves out the centre row")
    return found.displacement[1, centre]
