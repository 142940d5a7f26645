"""Colour maps without matplotlib, so that paper, terminal and browser show the same colours.

Equal steps of a value are equal steps of lightness in both maps, so that no edge is seen that is not in the data, and
both can be read in grey and with any colour vision.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

COLOURS = 256
"""Number of colours of a map."""

# viridis of matplotlib (van der Walt, Smith, 2015, CC0), every 16th colour.
_SEQUENTIAL = (
    "440154 48186a 472d7b 424086 3b528b 33638d 2c728e 26828e 21918c 1fa088 28ae80 3fbc73 5ec962 84d44b addc30 d8e219"
    " fde725"
)
# Blue over near-white to red in OKLab (Ottosson, 2020): lightness is linear on both arms; chroma, at these shares of
# an arm, is about as much as sRGB can show.
_BLUE_DEG, _RED_DEG = 260.0, 30.0
_LIGHTEST, _DARKEST = 0.97, 0.40
_SHARES = (0.0, 0.17, 0.33, 0.5, 0.65, 1.0)
_CHROMA = (0.0, 0.058, 0.108, 0.160, 0.178, 0.150)


@cache
def sequential() -> NDArray[np.uint8]:
    """Return the map for quantities that grow from a least value: (256, 3) uint8, RGB, dark to light."""
    stops = np.array([list(bytes.fromhex(colour)) for colour in _SEQUENTIAL.split()], float)
    places = np.linspace(0, len(stops) - 1, COLOURS)
    channels = [np.interp(places, np.arange(len(stops)), channel) for channel in stops.T]
    return np.stack(channels, -1).round().astype(np.uint8)


@cache
def diverging() -> NDArray[np.uint8]:
    """Return the map for quantities with zero in the middle: (256, 3) uint8, RGB, blue over white to red."""
    place = np.linspace(-1.0, 1.0, COLOURS)
    lightness = _LIGHTEST - (_LIGHTEST - _DARKEST) * np.abs(place)
    chroma = np.interp(np.abs(place), _SHARES, _CHROMA)
    hue = np.radians(np.where(place < 0, _BLUE_DEG, _RED_DEG))
    return _srgb(lightness, chroma * np.cos(hue), chroma * np.sin(hue))


def _srgb(lightness: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return colours of OKLab as sRGB, (N, 3) uint8."""
    cones = np.stack(
        [
            lightness + 0.3963377774 * a + 0.2158037573 * b,
            lightness - 0.1055613458 * a - 0.0638541728 * b,
            lightness - 0.0894841775 * a - 1.2914855480 * b,
        ]
    )
    matrix = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    linear = np.clip(matrix @ cones**3, 0.0, 1.0)
    bent = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return (255.0 * bent.T).round().astype(np.uint8)
