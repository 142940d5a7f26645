"""Displacement as arrows at the nodes of a coarse grid."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scorrnet_cli.field import Field, FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ACROSS = 20  # arrows along the longer side
_OUTLINE_PX = 1.2


@dataclass(frozen=True)
class Arrows:
    """Arrows of a frame.

    Attributes
    ----------
    x, y : (N) float32
        Where they begin or end, px.
    u, v : (N) float32
        Displacement, px.
    magnified : float
        How much longer they are drawn than they are.
    pivot : str
        ``tail`` if they begin at x, y, ``tip`` if they end there.
    """

    x: FloatArray
    y: FloatArray
    u: FloatArray
    v: FloatArray
    magnified: float
    pivot: str

    def draw(self, axes: Axes, mm: float) -> None:
        """Draw them on axes on which a pixel measures `mm`, black with a white rim, so that any colour shows them."""
        from matplotlib.patheffects import Normal, Stroke

        if not self.x.size:
            return
        length = self.magnified * mm
        quiver = axes.quiver(
            self.x * mm,
            self.y * mm,
            self.u * length,
            self.v * length,
            angles="xy",
            scale_units="xy",
            scale=1.0,
            pivot=self.pivot,
            width=0.003,
            headwidth=3.6,
            headlength=4.0,
            headaxislength=3.6,
            minshaft=2.5,  # short ones have a small head, so that all show how long they are
            zorder=3,
        )
        quiver.set_path_effects([Stroke(linewidth=_OUTLINE_PX, foreground="white"), Normal()])


def longest_px(field: Field) -> float:
    """Return the length, px, that 99 % of the displacements of a frame do not exceed."""
    length = np.hypot(field.u, field.v)[field.valid]
    return float(np.percentile(length, 99.0)) if length.size else 0.0


def magnification(longest: float, shape: tuple[int, int]) -> float:
    """Choose how much arrows are magnified, a round number, so that arrows of the longest just do not touch.

    Parameters
    ----------
    longest : float
        Longest displacement of all frames, px.
    shape : tuple of int
        (H, W) of the images.
    """
    if longest == 0.0:
        return 1.0
    fitting = _step(shape) / longest
    power = 10.0 ** math.floor(math.log10(fitting))
    return power * max(digit for digit in (1.0, 1.5, 2.0, 3.0, 5.0, 7.0) if digit * power <= fitting * (1 + 1e-9))


def arrows(field: Field, magnified: float, *, to_moved: bool) -> Arrows:
    """Take arrows from a field.

    Parameters
    ----------
    field : Field
        T = 1.
    magnified : float
        From `magnification`.
    to_moved : bool
        Whether they end where the points have moved to, instead of beginning where they were.
    """
    step = _step(field.shape[1:])
    y, x = (axis.ravel() for axis in np.mgrid[step // 2 : field.shape[1] : step, step // 2 : field.shape[2] : step])
    u, v = field.u[0, y, x], field.v[0, y, x]
    known = np.isfinite(u) & np.isfinite(v)
    x, y, u, v = x[known].astype(np.float32), y[known].astype(np.float32), u[known], v[known]
    if to_moved:
        return Arrows(x + u, y + v, u, v, magnified, "tip")
    return Arrows(x, y, u, v, magnified, "tail")


def _step(shape: tuple[int, int]) -> int:
    """Return the distance between arrows, px."""
    return max(1, max(shape) // _ACROSS)
