"""Grey levels of any camera brought to one scale."""

from __future__ import annotations

import math

import numpy as np

from scorrnet_cli.arrays import FloatArray

MARK_SPREADS = 4.0  # standard deviations of the image beyond which a level may be a mark
MARK_GAP = 2.0  # from a mark to the nearest grey level, in the range of these


def standard_levels(grey: FloatArray) -> FloatArray | None:
    """Bring an image to mean 0 and standard deviation 1.

    Levels that are no grey levels, such as a time stamp written into 12-bit data or a value for missing pixels, are
    first brought to the nearest that is: they would make all else faint. Such a level is farther from all others than
    these ever are from each other.

    Parameters
    ----------
    grey : (H, W) float32
        Grey levels of any scale.

    Returns
    -------
    (H, W) float32, or None
        None if the image has no contrast at all.
    """
    levels, spread = _centred(grey)
    if spread == 0:
        return None
    low, high = float(levels.min()), float(levels.max())
    if max(-low, high) > MARK_SPREADS * spread:
        levels, spread = _centred(_without_marks(levels, low, high))
    levels /= np.float32(spread)
    return levels


def _centred(grey: FloatArray) -> tuple[FloatArray, float]:
    """Image (H, W) of mean 0, and its standard deviation."""
    levels = grey - np.float32(grey.mean(dtype=np.float64))
    return levels, math.sqrt(np.square(levels, dtype=np.float64).mean())


def _without_marks(grey: FloatArray, low: float, high: float) -> FloatArray:
    """Image (H, W) of extreme levels `low` and `high`, each brought to the next one if it is a mark."""
    others = grey[(grey > low) & (grey < high)]
    darkest, brightest = (float(others.min()), float(others.max())) if others.size else (low, low)
    if darkest == brightest:
        return grey
    gap = MARK_GAP * (brightest - darkest)
    return grey.clip(darkest if darkest - low > gap else low, brightest if high - brightest > gap else high)
