"""Grey levels of any camera brought to one scale."""

from __future__ import annotations

import math

import numpy as np

from scorrnet_cli.arrays import FloatArray

MARK_SPREADS = 4.0  # standard deviations of the image beyond which a level is too rare for one of a pattern
MARK_GAP = 2.0  # from a mark to the nearest grey level, in the range of these
FREQUENT_MARK_GAP = 1000.0  # the same of a level that could be that of all dots of a pattern
THINNED = 8  # every so many pixels, along both axes, mostly are enough to tell that there are no marks


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
    rare = (-float(levels.min()) > MARK_SPREADS * spread, float(levels.max()) > MARK_SPREADS * spread)
    unmarked = _without_marks(grey, rare)
    if unmarked is not grey:
        levels, spread = _centred(unmarked)
    if spread == 0:
        return None
    levels /= np.float32(spread)
    return levels


def _centred(grey: FloatArray) -> tuple[FloatArray, float]:
    """Image (H, W) of mean 0, and its standard deviation."""
    levels = grey - np.float32(grey.mean(dtype=np.float64))
    return levels, math.sqrt(np.square(levels, dtype=np.float64).mean())


def _without_marks(grey: FloatArray, rare: tuple[bool, bool]) -> FloatArray:
    """Image (H, W), each of its two extreme levels brought to the next one if it is a mark; itself if none is.

    `rare` says of the lowest level and of the highest whether it is too rare for one of a pattern.
    """
    low, high = float(grey.min()), float(grey.max())
    ends = low, high
    for step in (THINNED, 1):  # beside fewer others more looks like a mark, but what is one never looks like none
        some = grey[::step, ::step]
        others = some[(some > low) & (some < high)]
        contrast = float(np.ptp(others)) if others.size else 0.0
        if contrast == 0:
            continue
        darkest, brightest = float(others.min()), float(others.max())
        below, above = (
            MARK_GAP if easily else FREQUENT_MARK_GAP for easily in (rare[0] or low < 0 <= darkest, rare[1])
        )
        ends = (
            darkest if darkest - low > below * contrast else low,
            brightest if high - brightest > above * contrast else high,
        )
        if ends == (low, high):
            break
    return grey if ends == (low, high) else grey.clip(*ends)
