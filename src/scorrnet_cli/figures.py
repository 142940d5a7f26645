"""What a measurement came to in figures, for each frame and for the whole."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scorrnet_cli.field import Field, FloatArray, FrameInfo
from scorrnet_cli.gauge import COMPONENTS, Strain, StrainSettings
from scorrnet_cli.units import Calibration

AT_REST_PX = 1.0  # images that moved by more as a whole are hardly those of a scene at rest


@dataclass(frozen=True)
class Spread:
    """Smallest, middle and largest value; NaN if there is none."""

    least: float
    median: float
    most: float


@dataclass(frozen=True)
class StrainSummary:
    """Strain over the points that have one.

    Attributes
    ----------
    exx, eyy, exy : Spread
    sigma_exx, sigma_eyy, sigma_exy : float
        Medians of the standard uncertainties; NaN without refinement.
    """

    exx: Spread
    eyy: Spread
    exy: Spread
    sigma_exx: float
    sigma_eyy: float
    sigma_exy: float


@dataclass(frozen=True)
class FrameSummary:
    """What one deformed image gave.

    Attributes
    ----------
    image : FrameInfo
        The deformed image.
    error : str or None
        Why it could not be measured; None if it was.
    points : int
        Number of valid points.
    valid_share : float
        Valid points over masked pixels.
    u, v : Spread
        Displacement over the valid points, px.
    zncc : float
        Median over the mask.
    sigma_u, sigma_v : float
        Medians of the standard uncertainties, px; NaN without refinement.
    fallback_share : float
        Share of the valid points where one window stands in for the refinement network.
    time_s : float
        Time of measuring it, without reading it.
    strain : StrainSummary, optional
        If strain was asked for.
    """

    image: FrameInfo
    error: str | None
    points: int
    valid_share: float
    u: Spread
    v: Spread
    zncc: float
    sigma_u: float
    sigma_v: float
    fallback_share: float
    time_s: float
    strain: StrainSummary | None = None


@dataclass(frozen=True)
class Report:
    """What the measurement of a sequence gave.

    Attributes
    ----------
    output : Path
        The result file.
    plot : Path or None
        The picture.
    device : str
        What computed.
    reference : FrameInfo
        The reference image.
    shape : tuple of int
        Its height and width, px.
    mask_area_px : int
        Number of masked pixels.
    frames : tuple of FrameSummary
        One for each deformed image.
    time_s : float
        Time of finding the mask and measuring every frame, without the start of the program.
    unsure_share : float or None
        How unsure the mask is, see `sureness`; None if it was given.
    warnings : tuple of str
        What the user should look at.
    probability : Path or None
        The picture of the probability that each pixel is speckle.
    calibration : Calibration, optional
        The scale of the images, if it is known.
    time_source : str
        Where the times of the images are known from; empty if they are not.
    gauge : StrainSettings, optional
        How strain was taken, if it was asked for.
    earlier_points : int
        Valid points of the frames that an earlier run had measured.
    increments : bool
        Whether displacement and strain are those from each frame to the next.
    """

    output: Path
    plot: Path | None
    device: str
    reference: FrameInfo
    shape: tuple[int, int]
    mask_area_px: int
    frames: tuple[FrameSummary, ...]
    time_s: float
    unsure_share: float | None = None
    warnings: tuple[str, ...] = ()
    probability: Path | None = None
    calibration: Calibration | None = None
    time_source: str = ""
    gauge: StrainSettings | None = None
    earlier_points: int = 0
    increments: bool = False

    @property
    def points_per_s(self) -> float:
        """Valid points of the frames that this run measured over its time."""
        return (sum(frame.points for frame in self.frames) - self.earlier_points) / self.time_s


def summarise(field: Field, time_s: float) -> FrameSummary:
    """Take the figures of a field of one frame."""
    points = int(field.valid.sum())
    return FrameSummary(
        image=field.deformed[0],
        error=field.deformed[0].failure or None,
        points=points,
        valid_share=valid_share(field),
        u=_spread(field.u),
        v=_spread(field.v),
        zncc=median(field.zncc),
        sigma_u=median(field.sigma_u),
        sigma_v=median(field.sigma_v),
        fallback_share=int(field.fallback.sum()) / points if points else 0.0,
        time_s=time_s,
        strain=None if field.strain_field is None else _strain_summary(field.strain_field),
    )


def valid_share(field: Field) -> float:
    """Valid points over masked pixels; 0 if there are none."""
    masked = int(field.mask.sum())
    return int(field.valid.sum()) / masked if masked else 0.0


def median(values: FloatArray) -> float:
    """Middle one of the known values; NaN if there is none."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else math.nan


def mean(values: FloatArray) -> float:
    """Mean of the known values; NaN if there is none."""
    known = values[np.isfinite(values)]
    return float(known.mean(dtype=np.float64)) if known.size else math.nan


def _strain_summary(strain: Strain) -> StrainSummary:
    exx, eyy, exy = (_spread(getattr(strain, name)) for name in COMPONENTS)
    sigmas = (median(getattr(strain, f"sigma_{name}")) for name in COMPONENTS)
    return StrainSummary(exx, eyy, exy, *sigmas)


def _spread(values: FloatArray) -> Spread:
    known = values[np.isfinite(values)]
    if not known.size:
        return Spread(math.nan, math.nan, math.nan)
    return Spread(float(known.min()), median(known), float(known.max()))
