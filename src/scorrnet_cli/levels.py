"""Grey levels of any camera brought to one scale."""

from __future__ import annotations

import math

import numpy as np

from scorrnet_cli.arrays import FloatArray

MARK_SPREADS = 4.0  # standard deviations of the image beyond which a level is too rare for one of a pattern
MARK_GAP = 2.0  # from a mark to the nearest grey level, in the range of these
THINNED = 8  # every so many pixels tell in most images that there are no marks
FREQUENT_MARK_GAP = 1000.0  # the same of a level that could be that of all dots of a pattern


def standard_levels(grey: FloatArray) -> FloatArray | None:
    """Bring an image to mean 0 and standard deviation 1.

    Levels that are no grey levels, such as a time stamp written into 12-bit data or a value for missing pixels, are
    first brought to the nearest that is: they would make all else faint. Such a level is farther from all others than
    these ever are from each other; and it is rare, or negative among such as are not, or farther by orders of
    magnitude.

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
    below, above = (side > MARK_SPREADS * spread for side in (-float(levels.min()), float(levels.max())))
    if _ends(grey[::THINNED, ::THINNED], grey, rare=(below, above)) is not None:
        ends = _ends(grey, grey, rare=(below, above))
        if ends is not None:
            levels, spread = _centred(grey.clip(*ends))
    if spread == 0:
        return None
    levels /= np.float32(spread)
    return levels


def _centred(grey: FloatArray) -> tuple[FloatArray, float]:
    """Image (H, W) of mean 0, and its standard deviation."""
    levels = grey - np.float32(grey.mean(dtype=np.float64))
    return levels, math.sqrt(np.square(levels, dtype=np.float64).mean())


def _ends(some: FloatArray, grey: FloatArray, *, rare: tuple[bool, bool]) -> tuple[float, float] | None:
    """Darkest and brightest level of an image that is no mark; None if there are no marks.

    Parameters
    ----------
    some : (h, w) float32
        The levels that are looked at: part of the image is enough to tell that there are no marks.
    grey : (H, W) float32
        The image.
    rare : tuple of bool
        Whether the lowest level and the highest one are too rare for one of a pattern.
    """
    low, high = float(grey.min()), float(grey.max())
    others = some[(some > low) & (some < high)]
    darkest, brightest = (float(others.min()), float(others.max())) if others.size else (low, low)
    contrast = brightest - darkest
    if contrast == 0:
        return None if some is grey else (low, high)

    def is_mark(gap: float, *, easily: bool) -> bool:
        return gap > (MARK_GAP if easily else FREQUENT_MARK_GAP) * contrast

    below = is_mark(darkest - low, easily=rare[0] or low < 0 <= darkest)
    above = is_mark(high - brightest, easily=rare[1])
    return (darkest if below else low, brightest if above else high) if below or above else None
