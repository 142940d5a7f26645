"""Fields brought down to the size at which they are shown."""

from __future__ import annotations

import numpy as np

from scorrnet_cli.field import FloatArray


def averaged(values: FloatArray, step: int) -> FloatArray:
    """Average squares of `step` pixels, of which half at least must be known: (ceil(H / step), ceil(W / step)).

    Squares that jut out of the field are averaged over what lies in it.
    """
    height, width = values.shape
    padded = np.pad(values, ((0, -height % step), (0, -width % step)), constant_values=np.nan)
    blocks = padded.reshape(padded.shape[0] // step, step, padded.shape[1] // step, step)
    known = np.isfinite(blocks)
    count = known.sum((1, 3))
    total = np.where(known, blocks, 0.0).sum((1, 3))
    sizes = [np.minimum(step, size - np.arange(0, size, step)) for size in values.shape]
    enough = 2 * count >= np.outer(*sizes)
    mean: FloatArray = np.where(enough, total / np.maximum(count, 1), np.nan).astype(np.float32)
    return mean
