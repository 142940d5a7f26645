"""Figures of each frame: means over the surface, and how much of it was measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scorrnet_cli.field import FloatArray
from scorrnet_cli.pictures.quantities import QUANTITIES, values_of
from scorrnet_cli.snapshots import Snapshot

AVERAGED = ("u", "v", "exx", "eyy", "exy")


@dataclass(frozen=True)
class FrameMeans:
    """One frame in figures.

    Attributes
    ----------
    name : str
        The deformed image.
    failure : str
        Why nothing was measured; empty if something was.
    at_s : float or None
        When it was taken, if that is known.
    valid_share : float
        Valid points over masked pixels.
    means : dict of str to float
        Over the valid points, of `AVERAGED`, as stored: px or 1; NaN if there are none.
    zncc, sigma_u, sigma_v, sigma_exx, sigma_eyy, sigma_exy : float
        Medians.
    """

    name: str
    failure: str
    at_s: float | None
    valid_share: float
    means: dict[str, float]
    zncc: float
    sigma_u: float
    sigma_v: float
    sigma_exx: float
    sigma_eyy: float
    sigma_exy: float


def means_of(shown: Snapshot) -> FrameMeans:
    """Take the figures of a frame."""
    field, strain = shown.field, shown.strain
    masked = int(field.mask.sum())
    return FrameMeans(
        name=shown.name,
        failure=field.deformed[0].failure,
        at_s=field.deformed[0].at_s,
        valid_share=int(field.valid.sum()) / masked if masked else 0.0,
        means={name: _mean(values_of(QUANTITIES[name], shown)) for name in AVERAGED},
        zncc=_median(field.zncc),
        sigma_u=_median(field.sigma_u),
        sigma_v=_median(field.sigma_v),
        sigma_exx=_median(strain.sigma_exx),
        sigma_eyy=_median(strain.sigma_eyy),
        sigma_exy=_median(strain.sigma_exy),
    )


def _mean(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean(dtype=np.float64)) if known.size else float("nan")


def _median(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else float("nan")
