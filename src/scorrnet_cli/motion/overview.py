"""What is found out about two images as a whole before any part of them is refined: how they move, and their noise.

What is left between the images at a point may be noise or detail of the displacement that is not yet found, and one
point does not tell which. But the noise is much the same all over an image: the least that is left anywhere is it. And
smoothing in windows flattens no slope if the plane that displaces the whole is taken out first; the network's field
gives it poorly, for next to edges it errs most.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from scorrnet_cli.numerics.filters import fitted_plane, gaussian, halved, plane_through_parts
from scorrnet_cli.numerics.tiles import Box, bounds, pieces_with
from scorrnet_cli.refine import come_close
from scorrnet_cli.refinement.matching import Comparison, Surface

PATCHES, PATCH_PX, HALO_PX = 8, 64, 32  # places that are looked at, and what is looked at around them
WINDOW_PX = 8.0  # over which the squared residuals are averaged
LEAST = 0.1  # quantile of these averages that is taken
SUPPORT = 0.5  # share of the surface in the window, compared to where there is most, that an average needs
_STEP = (0.7548776662466927, 0.5698402909980532)  # of points that fill a square evenly (R2, Roberts, 2018)


class Overview(NamedTuple):
    """What all parts of an image are told.

    Attributes
    ----------
    motion : (3, 2) float32
        The plane that displaces the whole, see `fitted_plane`.
    noise : () float32
        Variance of what is left between the images where the displacement is right, in units of the surface's variance.
    """

    motion: Tensor
    noise: Tensor


@torch.no_grad()
def overview(reference: Surface, coefficients: Tensor, field: Tensor) -> Overview:
    """Look at a few places all over a surface.

    Parameters
    ----------
    reference : Surface
        The whole.
    coefficients : (H, W) float32
        Of the deformed image, from `deformed_spline`.
    field : (2, H, W) float32
        Displacement, px, within about half a speckle of the truth.
    """
    motion = fitted_plane(field, reference.mask.float())
    size = reference.mask.shape
    moving, left = [], []
    for box in _places(reference.mask):
        outer = box.grown(HALO_PX).within(Box(0, 0, *size))
        near, state = come_close(reference.part(outer, motion), coefficients, outer.of(field))
        moving.append((outer, near, state.weight))
        left.append(misfits(state))
    return Overview(plane_through_parts(moving, size), least(torch.cat(left)))


def misfits(state: Comparison) -> Tensor:
    """Mean squared residual (N,) in a window around each of the points, of half the image's size, that have support."""
    sums = halved(torch.stack([state.weight, state.residual**2 * state.weight]))
    weight, misfit = gaussian(sums, WINDOW_PX / 2)
    there = weight > SUPPORT * weight.max()
    found: Tensor = misfit[there] / weight[there]
    return found


def least(found: Tensor) -> Tensor:
    """Return the least of some mean squares (N,), but for the few that are so small by chance; 0 if there are none."""
    return found.quantile(LEAST) if found.numel() else found.new_zeros(())


def _places(mask: Tensor) -> list[Box]:
    """Boxes all over a surface (H, W), the same ones each time; all of it if it is small."""
    whole = bounds(mask)
    if whole.height * whole.width <= PATCHES * (PATCH_PX + 2 * HALO_PX) ** 2:
        return [whole]
    boxes = pieces_with(mask, whole, PATCH_PX)
    if len(boxes) <= PATCHES:
        return boxes
    points = ((number * _STEP[0] % 1, number * _STEP[1] % 1) for number in range(1, PATCHES + 1))
    wanted = [(whole.left + x * whole.width, whole.top + y * whole.height) for x, y in points]
    return list(dict.fromkeys(min(boxes, key=lambda box: _distance(box, *point)) for point in wanted))


def _distance(box: Box, x: float, y: float) -> float:
    """Distance of the middle of a box from a point, px."""
    return math.hypot(0.5 * (box.left + box.right) - x, 0.5 * (box.top + box.bottom) - y)
