"""Fields at the places of the reference image -> the same values where the surface has moved to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scorrnet_cli.field import FloatArray

_GROWN_PX = 2  # gaps of a surface stretched up to threefold are closed
_NEAR_PX = 0.75  # a point that lands farther off belongs to another part, where nothing is stretched
_TORN = 2.0  # difference of the displacements of neighbours, px, that is no stretch


def moved(values: FloatArray, u: FloatArray, v: FloatArray) -> FloatArray:
    """Lay values out over the deformed image.

    Every valid point is put where it has moved to; between these places, each pixel of the deformed image is followed
    back along the displacement of the nearest one. A pixel that no point of the surface has moved to is NaN, so that
    cracks stay open.

    Parameters
    ----------
    values, u, v : (H, W) float32
        At the pixels of the reference image, NaN where unknown; u, v in px.

    Returns
    -------
    (H, W) float32
        At the pixels of the deformed image, NaN where there is no surface.
    """
    height, width = u.shape
    source = _landed(u, v)
    for _ in range(_GROWN_PX):
        source = _grown(source)
    y, x = np.nonzero(source >= 0)
    from_y, from_x = np.divmod(source[y, x], width)
    reach = _NEAR_PX * (1.0 + _stretch(u, v))
    out = np.full((height, width), np.nan, np.float32)
    back_x, back_y = (np.rint(each).astype(int) for each in (x - u[from_y, from_x], y - v[from_y, from_x]))
    for near_x, near_y in ((from_x, from_y), (back_x, back_y)):  # the latter, which is nearer, has the last word
        inside = (near_x >= 0) & (near_x < width) & (near_y >= 0) & (near_y < height)
        to_x, to_y, near_x, near_y = x[inside], y[inside], near_x[inside], near_y[inside]
        with np.errstate(invalid="ignore"):
            miss = np.hypot(near_x + u[near_y, near_x] - to_x, near_y + v[near_y, near_x] - to_y)
            there = miss < reach[near_y, near_x]
        out[to_y[there], to_x[there]] = values[near_y[there], near_x[there]]
    return out


def _stretch(u: FloatArray, v: FloatArray) -> FloatArray:
    """How much the surface is stretched at most from each point (H, W) to its neighbours, 0 where it is torn.

    The nearest point of a surface lands the farther from a pixel the more it is stretched.
    """
    most = np.zeros(u.shape, np.float32)
    for part in (u, v):
        for axis in (0, 1):
            slope = np.nan_to_num(np.abs(np.diff(part, axis=axis)))
            slope[slope > _TORN] = 0.0
            before, behind = (
                np.pad(slope, [pad if axis == at else (0, 0) for at in (0, 1)]) for pad in ((0, 1), (1, 0))
            )
            most = np.maximum(most, np.maximum(before, behind))
    return most


def _landed(u: FloatArray, v: FloatArray) -> NDArray[np.int64]:
    """Return at each pixel of the deformed image the number of the reference pixel that landed there, -1 if none."""
    height, width = u.shape
    y, x = np.nonzero(np.isfinite(u) & np.isfinite(v))
    to_x, to_y = np.rint(x + u[y, x]).astype(int), np.rint(y + v[y, x]).astype(int)
    inside = (to_x >= 0) & (to_x < width) & (to_y >= 0) & (to_y < height)
    source = np.full((height, width), -1, np.int64)
    source[to_y[inside], to_x[inside]] = y[inside] * width + x[inside]
    return source


def _grown(source: NDArray[np.int64]) -> NDArray[np.int64]:
    """Fill each empty pixel from one of its four neighbours that is not."""
    padded = np.pad(source, 1, constant_values=-1)
    grown = source
    for neighbour in (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]):
        grown = np.where(grown < 0, neighbour, grown)
    return grown
