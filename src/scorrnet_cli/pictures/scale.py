"""Which colour stands for which value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scorrnet_cli.field import FloatArray
from scorrnet_cli.pictures import colours
from scorrnet_cli.pictures.quantities import Quantity

_TAILS_PERCENT = (1.0, 99.0)
_LEAST_SPAN = 1e-9


@dataclass(frozen=True)
class Scale:
    """A scale of colours.

    Attributes
    ----------
    low, high : float
        The values at its ends, in `unit`.
    unit : str
        ``px``, ``mm``, ``%`` or empty.
    diverging : bool
        Whether its middle is white and stands for zero.
    """

    low: float
    high: float
    unit: str
    diverging: bool

    @property
    def colours(self) -> NDArray[np.uint8]:
        """RGB from the lowest to the highest value, (256, 3) uint8."""
        return colours.diverging() if self.diverging else colours.sequential()

    def paint(self, values: FloatArray) -> NDArray[np.uint8]:
        """Return the colours of values in `unit`: (..., 3) uint8; those beyond the ends take the colour of the end."""
        place = (np.nan_to_num(values) - self.low) / (self.high - self.low) * colours.COLOURS
        painted: NDArray[np.uint8] = self.colours[np.clip(place, 0, colours.COLOURS - 1).astype(int)]
        return painted


def choose_scale(
    quantity: Quantity,
    frames: Iterable[FloatArray],
    mm_per_px: float | None,
    limits: tuple[float, float] | None = None,
) -> Scale:
    """Choose one scale for all frames.

    Its ends are the lowest 1 % and the highest 99 % of any frame. Where zero is the middle, they are made symmetric
    unless the values lie all on one side and far from zero.

    Parameters
    ----------
    quantity : Quantity
    frames : iterable of (H, W) float32
        Values as stored, NaN where unknown; looked at one after the other.
    mm_per_px : float or None
        The calibration, if there is one.
    limits : tuple of float, optional
        The ends in the unit that is shown, if the user has given them.
    """
    unit = quantity.unit(mm_per_px)
    if limits is not None:
        return Scale(*limits, unit, quantity.centred and limits[0] < 0.0 < limits[1])
    factor = quantity.factor(mm_per_px)
    low, high = widest(frames)
    if quantity.centred:
        high = max(-low, high)
        low = -high
    if high - low < _LEAST_SPAN:
        low, high = low - 1e-3, high + 1e-3
    return Scale(low * factor, high * factor, unit, quantity.centred)


def widest(frames: Iterable[FloatArray]) -> tuple[float, float]:
    """Return the least 1 % and the largest 99 % that any frame has; 0 and 1 if there are no values."""
    ends = []
    for values in frames:
        known = values[np.isfinite(values)]
        if known.size:
            ends.append(np.percentile(known, _TAILS_PERCENT))
    if not ends:
        return 0.0, 1.0
    lows, highs = zip(*ends, strict=True)
    return float(min(lows)), float(max(highs))
