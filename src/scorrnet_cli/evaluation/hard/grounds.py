"""Grounds that are not plain, as formulas in the material: what shows of woven cloth or brushed metal between dots."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

Ground: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Grey levels that a ground adds to its mean at material points x, y, px; all float64 of one shape."""

_WAVES = 40
_EDGE = 3.0  # how suddenly one yarn dives under the other


def woven(yarn_px: float, swing: float) -> Ground:
    """Plain weave of yarns of a width; those along x and along y are `swing` grey levels brighter and darker."""

    def grey(x: Tensor, y: Tensor) -> Tensor:
        over = torch.sin(math.pi * x / yarn_px) * torch.sin(math.pi * y / yarn_px)
        return swing * torch.tanh(_EDGE * over)

    return grey


def brushed(width_px: float, length_px: float, angle_deg: float, swing: float, seed: int) -> Ground:
    """Make marks of a brush: plane waves of random wave numbers and phases, summed.

    Parameters
    ----------
    width_px, length_px : float
        Of a mark, about: one over the standard deviation of the wave numbers across and along the marks, rad/px.
    angle_deg : float
        Of the marks, from +x towards +y.
    swing : float
        Standard deviation, grey levels.
    seed : int
    """
    rng = np.random.default_rng(seed)
    across = rng.normal(0.0, 1 / width_px, _WAVES)
    along = rng.normal(0.0, 1 / length_px, _WAVES)
    phase = rng.uniform(0.0, 2 * math.pi, _WAVES)
    c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))

    def grey(x: Tensor, y: Tensor) -> Tensor:
        total = torch.zeros_like(x)
        for k_across, k_along, start in zip(across, along, phase, strict=True):
            total += torch.cos((k_along * c - k_across * s) * x + (k_along * s + k_across * c) * y + start)
        return swing * math.sqrt(2 / _WAVES) * total

    return grey
