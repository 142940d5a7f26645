"""What strain is asked for and what it is: the virtual strain gauge, its settings and its readings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorrnet_cli.arrays import FloatArray
from scorrnet_cli.errors import UsageError

MEASURES = ("green-lagrange", "euler-almansi", "hencky", "small")
WEIGHTS = ("uniform", "gaussian")
LARGEST_WINDOW_PX = 501
GAUSSIAN_SHARE = 0.25  # of the window is the standard deviation of Gaussian weights
DEFAULT_PASSES = 4
"""Of the refinement with one window."""
ADAPTIVE_AVERAGING_PX = 10.0
"""What the refinement with several windows averages over: a Gaussian of 13 px where nothing moves, as measured on the
unmoved star of `benchmarks/strain.py`, and less where the field varies. With 10 px the stated uncertainty of strain is
up to 2.4 times too large on the one (`docs/windows.md`), and too small where the window is narrow, as about a hole."""
NETWORK_AVERAGING_PX = 2.5
"""The same of the network's own field, not refined."""
BLUNTED = 1.5
"""Error by a gauge over its difference from one of half the size: 4/3 within a surface, 2 at its edge."""
NOISE_ALLOWED = 2.5
"""Of the square of that difference: so many times what noise makes of it on average."""

HIGHEST, SAMPLES = 7.5, 257  # frequencies that are summed, rad per standard deviation of the window
FARTHEST = 50.0  # such standard deviations beyond which no errors are alike; such a sum repeats itself after 200


@dataclass(frozen=True)
class StrainSettings:
    """How strain is taken from displacement.

    Attributes
    ----------
    window_px : int
        Side of the square that a polynomial is fitted to about each point, px; odd, so that the point is its middle.
    measure : str
        One of `MEASURES`; see `strain_measures`.
    order : int
        Degree of the polynomial, 1 or 2.
    weights : str
        ``uniform``, or ``gaussian`` with a standard deviation of a quarter of the window.
    averaging_px : float
        Standard deviation of the Gaussian window that averages noise as the displacement's did, px. It makes errors of
        neighbouring points alike, and belongs to the size of the virtual strain gauge.
    averaging_passes : int
        How often one window averaged, see `averagings`; 1 with several. With more of them errors are alike to farther
        off, and opposite beyond.

    Raises
    ------
    UsageError
        If a value makes no sense.
    """

    window_px: int = 25
    measure: str = MEASURES[0]
    order: int = 1
    weights: str = WEIGHTS[0]
    averaging_px: float = ADAPTIVE_AVERAGING_PX
    averaging_passes: int = 1

    def __post_init__(self) -> None:
        least = 2 * self.order + 1
        if self.order not in (1, 2):
            raise UsageError("The order of the strain fit must be 1 or 2", f"strain order = {self.order}")
        if not (least <= self.window_px <= LARGEST_WINDOW_PX and self.window_px % 2 == 1):
            raise UsageError(
                f"The strain window must be an odd number of px, {least} to {LARGEST_WINDOW_PX}",
                f"strain window = {self.window_px}",
            )
        if self.measure not in MEASURES:
            raise UsageError("Unknown strain measure", self.measure, f"Choose one of {', '.join(MEASURES)}")
        if self.weights not in WEIGHTS:
            raise UsageError("Unknown weights of the strain fit", self.weights, f"Choose {' or '.join(WEIGHTS)}")

    def taps(self, offsets_px: NDArray[Any]) -> NDArray[np.float64]:
        """Return the weights along one axis, (N,), of points at distances (N,) from the middle of the window, px."""
        if self.weights == "uniform":
            return np.ones(len(offsets_px))
        return np.asarray(np.exp(-0.5 * (offsets_px / (GAUSSIAN_SHARE * self.window_px)) ** 2), np.float64)

    def correlation(self, distances_px: NDArray[Any]) -> NDArray[np.float64]:
        """Return how alike the errors of displacement are of points at some distances (N,), -1..1.

        A Gaussian window G that averages n times leaves white noise filtered with 1 - (1 - G)^n. Their
        autocorrelation along x is the sum of the cosines of all frequencies along x, weighted by what passes of them.
        """
        frequencies, passed = _passed(self.averaging_passes)
        window_px = self.averaging_px * noise_gain(self.averaging_passes)
        distances = distances_px / window_px
        return np.where(distances < FARTHEST, np.cos(np.multiply.outer(distances, frequencies)) @ passed, 0.0)

    def correlation_matrix(self, count: int) -> NDArray[np.float64]:
        """Return how alike the errors are of points in a row, 1 px apart, (count, count)."""
        at = np.arange(count)
        return np.asarray(self.correlation(at)[abs(at[:, None] - at)])

    def halved(self) -> StrainSettings:
        """Return the gauge with half the window, or the same where there is no smaller one."""
        return replace(self, window_px=max(2 * self.order + 1, 2 * (self.window_px // 4) + 1))

    @property
    def subset_px(self) -> float:
        """Side of the square subset that averages noise as much as the displacement's Gaussian window, px.

        A Gaussian of standard deviation s averages over 4 pi s^2 px^2.
        """
        return math.sqrt(4 * math.pi) * self.averaging_px

    @property
    def vsg_size_px(self) -> int:
        """Size of the virtual strain gauge, px: strain window + subset - 1.

        As in iDICs, A Good Practices Guide for Digital Image Correlation (2018); the step is 1 px here.
        """
        return round(self.window_px + self.subset_px - 1)


@dataclass(frozen=True, eq=False)
class Strain:
    """Strain at every point of one or more frames, at the pixels of the reference image.

    Arrays are (T, H, W) float32 without unit (0.01 is 1 %), NaN where there is none. x is to the right and y down.

    Attributes
    ----------
    exx, eyy, exy : (T, H, W) float32
        Components; `exy` is tensor shear, half the change of angle.
    sigma_exx, sigma_eyy, sigma_exy : (T, H, W) float32
        Standard uncertainties; NaN also where that of the displacement is not known.
    how : StrainSettings
        How they were taken.
    """

    exx: FloatArray
    eyy: FloatArray
    exy: FloatArray
    sigma_exx: FloatArray
    sigma_eyy: FloatArray
    sigma_exy: FloatArray
    how: StrainSettings

    @property
    def measure(self) -> str:
        """The strain measure, one of `MEASURES`."""
        return self.how.measure

    @property
    def window_px(self) -> int:
        """Side of the strain window, px."""
        return self.how.window_px

    @property
    def vsg_size_px(self) -> int:
        """Size of the virtual strain gauge, px."""
        return self.how.vsg_size_px

    @property
    def order(self) -> int:
        """Degree of the fitted polynomial."""
        return self.how.order

    @property
    def weights(self) -> str:
        """Weights of the fit, one of `WEIGHTS`."""
        return self.how.weights

    @property
    def e1(self) -> FloatArray:
        """Larger principal strain."""
        return self._principal(1)

    @property
    def e2(self) -> FloatArray:
        """Smaller principal strain."""
        return self._principal(-1)

    @property
    def angle_deg(self) -> FloatArray:
        """Direction of `e1`, degrees in (-90, 90], from +x towards +y.

        As y points down, positive angles are clockwise on the screen. Where both principal strains are equal every
        direction is principal, and 0 is given.
        """
        angle: FloatArray = np.degrees(0.5 * np.arctan2(2 * self.exy, self.exx - self.eyy))
        return np.where(angle == -90, -angle, angle)  # the same direction

    @property
    def von_mises(self) -> FloatArray:
        """Equivalent strain of von Mises: sqrt(2/3 e:e) with e3 = -(e1 + e2).

        That is 2/sqrt(3) sqrt(e1^2 + e1 e2 + e2^2). It assumes that the volume stays, as in plastic flow, and is then
        the axial strain of a tensile test (Hill, The Mathematical Theory of Plasticity, 1950, chapter 2). In terms
        of finite strain this is so for `hencky`, for the other measures to first order.
        """
        exx, eyy, exy = (part.astype(np.float64) for part in (self.exx, self.eyy, self.exy))
        # e1^2 + e1 e2 + e2^2 by the invariants: (e1 + e2)^2 - e1 e2
        square: NDArray[np.float64] = (exx + eyy) ** 2 - (exx * eyy - exy**2)
        return (np.sqrt(4 / 3 * square)).astype(np.float32)

    @staticmethod
    def stack(parts: Sequence[Strain]) -> Strain:
        """Put strains taken in one way behind each other along T."""
        return Strain(
            **{name: np.concatenate([getattr(part, name) for part in parts]) for name in ARRAYS}, how=parts[0].how
        )

    def __getitem__(self, frames: slice) -> Strain:
        """Return the strain of some frames."""
        return Strain(**{name: getattr(self, name)[frames] for name in ARRAYS}, how=self.how)

    def _principal(self, sign: int) -> FloatArray:
        mean, half = 0.5 * (self.exx + self.eyy), 0.5 * (self.exx - self.eyy)
        principal: FloatArray = mean + sign * np.hypot(half, self.exy)
        return principal


COMPONENTS = ("exx", "eyy", "exy")
"""Of strain; xy is shear."""
ARRAYS = tuple(item.name for item in fields(Strain) if item.name != "how")
"""The arrays of `Strain`."""


def averaging_px(*, refined: bool, window_px: float | None, passes: int) -> float:
    """Standard deviation of the Gaussian window that averages noise as much as the refinement does, px.

    Parameters
    ----------
    refined : bool
        Whether the network's field was refined.
    window_px : float or None
        Standard deviation of the one window; None if several were used.
    passes : int
        Number of passes with it.
    """
    if not refined:
        return NETWORK_AVERAGING_PX
    return ADAPTIVE_AVERAGING_PX if window_px is None else window_px / noise_gain(averagings(passes))


def averagings(passes: int) -> int:
    """How often one window averages in some passes: the field that they start from is smoothed by it, too."""
    return passes + 1


@cache
def _passed(count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Frequencies along one axis, rad per standard deviation of the window, and the share of the power at each."""
    frequencies = np.linspace(0.0, HIGHEST, SAMPLES)
    of_window = np.exp(-0.5 * (frequencies[:, None] ** 2 + frequencies**2))
    counts = np.where(frequencies > 0, 2.0, 1.0)  # there are negative ones, too
    power = counts * ((1 - (1 - of_window) ** count) ** 2 @ counts)
    return frequencies, power / power.sum()


def noise_gain(count: int) -> float:
    """Standard deviation of a displacement that a Gaussian window averaged `count` times over that of one time.

    After n times the estimate passes 1 - (1 - G)^n of the frequencies; with G = t and k^2 ~ -log t the ratio of the
    integrals over the plane is that of (1 - (1 - t)^n)^2 / t and t over t in (0, 1): 2 H_n - H_2n and 1/2, with the
    harmonic numbers H.
    """
    return math.sqrt(2 * (2 * _harmonic(count) - _harmonic(2 * count)))


def _harmonic(n: int) -> float:
    return sum(1 / k for k in range(1, n + 1))
