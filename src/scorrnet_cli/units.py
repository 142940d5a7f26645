"""How large a pixel is on the specimen, and when each image was taken: stated once, beside values that stay in px."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scorrnet_cli.errors import UsageError

_TIME_WIDTH_S = 1e-4  # of a time of which three digits are the microsecond


SMALLEST_MM, LARGEST_MM = 1e-8, 1e6
"""Per px: a hundredth of a nm, which no microscope resolves, and a km; TIFF can tell no other resolutions."""


@dataclass(frozen=True)
class Calibration:
    """The scale of the images.

    Attributes
    ----------
    mm_per_px : float
        Length on the specimen of one pixel, mm. Displacements in px times this are mm.
    source : str
        Where it is known from, for people.
    bar : tuple of float, optional
        x, y of both ends of the scale bar that it was taken from, px.

    Raises
    ------
    UsageError
        If the scale is that of no camera.
    """

    mm_per_px: float
    source: str
    bar: tuple[float, float, float, float] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mm_per_px) and self.mm_per_px > 0):
            raise UsageError("The scale must be a positive number of mm per px", f"mm per px = {self.mm_per_px}")
        if not SMALLEST_MM <= self.mm_per_px <= LARGEST_MM:
            what = f"The scale must be between {SMALLEST_MM:g} and {LARGEST_MM:g} mm per px"
            raise UsageError(what, f"mm per px = {self.mm_per_px:g}", "Is it in mm?")

    @classmethod
    def of_scale_bar(cls, text: str) -> Calibration:
        """Take the scale from two points of known distance.

        Parameters
        ----------
        text : str
            ``X1,Y1,X2,Y2,MM``: the points in px of the reference image, and their distance in mm.

        Raises
        ------
        UsageError
            If it is not five numbers, the points are the same, or the distance is not positive.
        """
        try:
            x1, y1, x2, y2, mm = (float(value) for value in text.split(","))
        except ValueError as error:
            raise UsageError("A scale bar is five numbers, X1,Y1,X2,Y2,MM", text) from error
        px = math.hypot(x2 - x1, y2 - y1)
        if not (math.isfinite(px) and px > 0):
            raise UsageError("The ends of the scale bar must be two points", text)
        source = f"scale bar of {mm:g} mm, ({x1:g}, {y1:g}) to ({x2:g}, {y2:g}) px"
        return cls(mm / px, source, (x1, y1, x2, y2))

    def check_within(self, shape: tuple[int, int]) -> None:
        """Raise UsageError if the scale was taken from a bar that does not lie within an image (H, W)."""
        height, width = shape
        x1, y1, x2, y2 = self.bar or (0.0, 0.0, 0.0, 0.0)
        if not (0 <= min(x1, x2) <= max(x1, x2) <= width and 0 <= min(y1, y2) <= max(y1, y2) <= height):
            what = f"The scale bar does not lie within the image of {width} x {height} px"
            raise UsageError(what, self.source, "Give its ends in px of the reference image")


def steps_in_time(times_s: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Give every image a time of its own, for readers that know frames by their times.

    Parameters
    ----------
    times_s : sequence of float
        When each image was taken, s, rising; NaN where that is not known.

    Returns
    -------
    (T) float64
        Rising: what is not known lies evenly between what is, and beyond it at the median distance of neighbours, or
        at 1 s. The numbers of the images if nothing is known.
    """
    numbers, times = np.arange(len(times_s), dtype=np.float64), np.array(times_s, np.float64)
    known = np.isfinite(times)
    if not known.any():
        return numbers
    places, values = numbers[known], times[known]
    apart = float(np.median(np.diff(values) / np.diff(places))) if len(values) > 1 else 1.0
    beyond = numbers - numbers.clip(places[0], places[-1])
    steps: NDArray[np.float64] = np.interp(numbers, places, values) + apart * beyond
    return steps


def short(value: float, width: float) -> str:
    """Write a value with about three digits of `width`, the range of which it is one, positive."""
    digits = max(0, 2 - math.floor(math.log10(width)))
    return f"{round(value, digits) + 0.0:.{digits}f}"  # no minus before a zero


def seconds(value: float) -> str:
    """Write a time, s, to the microsecond, or with about three digits if it is shorter than 100 of them."""
    return short(value, min(abs(value), _TIME_WIDTH_S) or _TIME_WIDTH_S).rstrip("0").rstrip(".")
