"""Figures of each frame: means over the surface, and how much of it was measured."""

from __future__ import annotations

from dataclasses import dataclass, replace

from scorrnet_cli.field import READINGS
from scorrnet_cli.figures import FrameSummary, mean, summarise
from scorrnet_cli.pictures.quantities import QUANTITIES, values_of
from scorrnet_cli.snapshots import Snapshot


@dataclass(frozen=True)
class FrameMeans:
    """One frame in figures.

    Attributes
    ----------
    summary : FrameSummary
        With strain.
    means : dict of str to float
        Over the valid points, of `READINGS`, as stored: px or 1; NaN if there are none.
    """

    summary: FrameSummary
    means: dict[str, float]


def means_of(shown: Snapshot) -> FrameMeans:
    """Take the figures of a frame."""
    summary = summarise(replace(shown.field, strain_field=shown.strain), 0.0)
    return FrameMeans(summary, {name: mean(values_of(QUANTITIES[name], shown)) for name in READINGS})
