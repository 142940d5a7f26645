"""Painted bodies that move, cut out of whatever stands behind them.

What the camera sees of a specimen is kept apart from the background: the share of every pixel that it covers, and that
its paint does. Laid over any background these give the same specimen to the last digit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from scorrnet_cli.evaluation.hard.grounds import Ground
from scorrnet_cli.evaluation.rendering import Displacement, Outline, invert, photon_means
from scorrnet_cli.evaluation.speckle import REACH_PX, Disks, soft_inside


class Body(NamedTuple):
    """A part of the specimen that moves smoothly; parts may touch in the reference and must not overlap."""

    outline: Outline
    displacement: Displacement


class Cutout(NamedTuple):
    """What a camera sees of the specimen alone, without noise.

    Attributes
    ----------
    paint, cover : (H, W) float64
        Share of each pixel that is painted, and that the specimen covers.
    ground : (H, W) float64
        Grey levels that a ground which is not plain adds.
    """

    paint: Tensor
    cover: Tensor
    ground: Tensor


def cut_out(
    shape: tuple[int, int],
    disks: Disks,
    bodies: Sequence[Body],
    *,
    moved: bool,
    samples: int = 4,
    ground: Ground | None = None,
) -> Cutout:
    """Render a specimen before nothing.

    Parameters
    ----------
    shape : tuple of int
        Height and width, px.
    disks : Disks
        The paint of all bodies.
    bodies : sequence of Body
    moved : bool
        Whether in the deformed image.
    samples : int
        Per pixel and axis.
    ground : callable, optional
        What shows between the paint; plain if not given.

    Returns
    -------
    Cutout
    """

    def shares(x: Tensor, y: Tensor) -> Tensor:
        total = torch.zeros(3, *x.shape, dtype=torch.float64)
        for body in bodies:
            at_x, at_y = invert(x, y, body.displacement) if moved else (x, y)
            distance = body.outline(at_x, at_y)
            near = distance < REACH_PX
            inside, at_x, at_y = soft_inside(distance[near]), at_x[near], at_y[near]
            paint = inside * disks.cover(at_x, at_y)
            bare = torch.zeros_like(paint) if ground is None else (inside - paint) * ground(at_x, at_y)
            total[:, near] += torch.stack([paint, inside, bare])
        total[:2].clamp_(max=1.0)
        return total

    return Cutout(*photon_means(shape, shares, samples))


def true_field(shape: tuple[int, int], bodies: Sequence[Body]) -> tuple[Tensor, Tensor]:
    """Return where the reference shows the specimen and how that moves.

    Returns
    -------
    mask : (H, W) bool
    displacement : (2, H, W) float64
        u, v, px; NaN outside the mask.
    """
    y, x = torch.meshgrid(*(torch.arange(side, dtype=torch.float64) for side in shape), indexing="ij")
    mask = torch.zeros(shape, dtype=torch.bool)
    field = torch.full((2, *shape), math.nan, dtype=torch.float64)
    for body in bodies:
        inside = body.outline(x, y) <= 0
        mask |= inside
        field = torch.where(inside, torch.stack(body.displacement(x, y)), field)
    return mask, field
