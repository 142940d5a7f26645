"""Which colour stands for which value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from scorrnet_cli.field import FloatArray
from scorrnet_cli.pictures import colours
from scorrnet_cli.pictures.quantities import Quantity
from scorrnet_cli.units import short

_TAILS_PERCENT = (1.0, 99.0)
_LEAST_SPAN, _LEAST_HALF = 1e-9, 1e-3
_ONE_SIDED = 0.2  # share of the longer side of zero below which the shorter one is not worth half of the colours

Ends: TypeAlias = tuple[float, float] | None
"""Where nearly all values of a frame lie; None if it has none."""


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
        Whether zero, which lies within, is white, and what is as far from it on either side equally strong.
    """

    low: float
    high: float
    unit: str
    diverging: bool

    @property
    def colours(self) -> NDArray[np.uint8]:
        """RGB from the lowest to the highest value, (256, 3) uint8."""
        if not self.diverging:
            return colours.sequential()
        places = np.linspace(self.low, self.high, colours.COLOURS) / max(-self.low, self.high)  # -1..1
        table: NDArray[np.uint8] = colours.diverging()[np.rint((places + 1) / 2 * (colours.COLOURS - 1)).astype(int)]
        return table

    def paint(self, values: FloatArray) -> NDArray[np.uint8]:
        """Return the colours of values in `unit`: (..., 3) uint8; those beyond the ends take the colour of the end."""
        place = (np.nan_to_num(values) - self.low) / (self.high - self.low) * colours.COLOURS
        painted: NDArray[np.uint8] = self.colours[np.clip(place, 0, colours.COLOURS - 1).astype(int)]
        return painted

    def written(self, value: float) -> str:
        """Write a value in `unit` with about three digits of the width of the scale."""
        return short(value, self.high - self.low)


def choose_scale(
    quantity: Quantity, ends: Iterable[Ends], mm_per_px: float | None, limits: tuple[float, float] | None = None
) -> Scale:
    """Choose one scale for all frames, from the least to the greatest end of any frame.

    Parameters
    ----------
    quantity : Quantity
    ends : iterable of Ends
        Of each frame, from `ends_of`.
    mm_per_px : float or None
        The calibration, if there is one.
    limits : tuple of float, optional
        The ends in the unit that is shown, if the user has given them.

    Returns
    -------
    Scale
        If the quantity is centred, symmetric about zero; or from zero on where nearly all values lie on one side of it.
    """
    unit = quantity.unit(mm_per_px)
    if limits is not None:
        return Scale(*limits, unit, quantity.centred and limits[0] < 0.0 < limits[1])
    factor = quantity.factor(mm_per_px)
    known = [each for each in ends if each is not None]
    low = min((each[0] for each in known), default=0.0)
    high = max((each[1] for each in known), default=1.0)
    diverging = quantity.centred and min(-low, high) >= _ONE_SIDED * max(-low, high)
    if diverging:
        high = max(-low, high)
        low = -high
    elif quantity.centred:
        low, high = min(low, 0.0), max(high, 0.0)
    if high - low < _LEAST_SPAN:
        low, high = low - _LEAST_HALF, high + _LEAST_HALF
    return Scale(low * factor, high * factor, unit, diverging)


def ends_of(values: FloatArray) -> Ends:
    """Return what 1 % and 99 % of the known values lie below; None if there are none."""
    known = values[np.isfinite(values)]
    if not known.size:
        return None
    low, high = np.percentile(known, _TAILS_PERCENT)
    return float(low), float(high)
