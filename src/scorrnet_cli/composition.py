"""Displacements put one behind the other, and values carried from the pixels of one image to those of another."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from scorrnet_cli.breakage.bodies import bodies
from scorrnet_cli.numerics import spline
from scorrnet_cli.numerics.continuation import extrapolate
from scorrnet_cli.numerics.filters import gradient, masked_gaussian
from scorrnet_cli.refine import Refined

NEAR_PX = 2.0  # over which a field is continued smoothly beyond its edge, so that the spline does not ring there
SLOPE_WINDOW_PX = 4.0
_STRIP_PX = 256


def compose(first: Refined, second: Refined) -> Refined:
    """Put two displacements one behind the other: u(X) = u1(X) + u2(X + u1(X)).

    An error of u1 also moves the place where u2 is taken, so it counts I + grad u2 times; then the errors are added in
    quadrature. Noise of the image in the middle enters both, with opposite signs, and cancels in part: of few steps
    the sum states up to a third too much, of many, whose systematic errors add up, about what is true.

    Parameters
    ----------
    first, second : Refined
        The second starts from the image where the first ends.

    Returns
    -------
    Refined
        At the pixels of the first; `zncc` is that of the second, NaN where the first does not lead to it.
    """
    motion = filled(first.displacement, first.valid)
    onward = filled(second.displacement, second.valid)
    place, arrives = landing(motion)
    valid = first.valid & arrives & second.valid.flatten()[place]
    zncc = second.zncc.flatten()[place].where(first.valid & arrives, torch.nan)
    smooth = masked_gaussian(onward, second.valid.float(), SLOPE_WINDOW_PX)
    (ux, vx), (uy, vy) = (slope.flatten(1)[:, place] for slope in gradient(smooth))
    su, sv = first.sigma
    step = second.sigma.flatten(1)[:, place]
    carried = torch.stack([torch.hypot((1 + ux) * su, uy * sv), torch.hypot(vx * su, (1 + vy) * sv)])
    fallback = first.fallback | second.fallback.flatten()[place]
    further = _taken(second, onward, motion, place)
    return Refined(motion + further, valid, zncc, torch.hypot(carried, step), fallback)


def _taken(second: Refined, onward: Tensor, motion: Tensor, place: Tensor) -> Tensor:
    """Take the second displacement (2, H, W) where the first leads, of each body its own: at gaps the spline rings."""
    parts = bodies(second.valid, onward)
    if len(parts) == 1:
        return spline.taken_at(onward, motion)
    found = torch.zeros_like(motion)
    for part in parts:
        own = spline.taken_at(filled(second.displacement, part), motion)
        found = torch.where(part.flatten()[place], own, found)
    return found


def filled(field: Tensor, known: Tensor) -> Tensor:
    """Continue a field (2, H, W), px, over the points where it is not known (H, W) bool and may be NaN."""
    field = field.where(known, 0.0)
    if not bool(known.any()):
        return field
    far = extrapolate(field, known)
    near = far + masked_gaussian(field - far, known.float(), NEAR_PX)
    return torch.where(known, field, near)


def carry(values: Tensor, field: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Carry values along a displacement, from the pixels where it starts to those where it ends.

    Parameters
    ----------
    values : (C, H, W) float32
        Finite everywhere.
    field : (2, H, W) float32
        Displacement, px, finite everywhere.
    known : (H, W) bool
        The points to carry.

    Returns
    -------
    values : (C, H, W) float32
        Means of what arrives at each pixel; 0 where nothing does.
    reached : (H, W) bool
        Where something arrives. What a stretch opens between neighbours is closed, and so are slits of 2 px.
    """
    height, width = known.shape
    sums = values.new_zeros(len(values) + 1, height * width)
    together = torch.cat([field, values])
    for top in range(0, height, _STRIP_PX):  # what is at work on a point takes twenty times the memory of its value
        _arrive(sums, together, known, slice(top, min(top + _STRIP_PX, height)))
    sums = sums.view(-1, height, width)
    hit = (sums[-1:] > 0).float()
    closed = 1 - F.max_pool2d(1 - F.max_pool2d(hit, 3, 1, 1), 3, 1, 1)
    reached = torch.maximum(closed, hit)[0] > 0
    near = F.avg_pool2d(sums[None], 3, 1, 1)[0]  # of what has been closed
    mean = torch.where(hit > 0, sums[:-1] / sums[-1:].clamp_min(1.0), near[:-1] / near[-1:].clamp_min(1e-6))
    return mean * reached, reached


def landing(motion: Tensor) -> tuple[Tensor, Tensor]:
    """Pixel, counted along rows, on which each point lands (H, W), and whether that lies in the image."""
    height, width = motion.shape[-2:]
    x = (torch.arange(width, device=motion.device) + motion[0]).round().long()
    y = (torch.arange(height, device=motion.device)[:, None] + motion[1]).round().long()
    arrives = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return y.clamp(0, height - 1) * width + x.clamp(0, width - 1), arrives


def _arrive(sums: Tensor, carried: Tensor, known: Tensor, rows: slice) -> None:
    """Add up, at the pixels where they land, the values of some rows of `carried` (2 + C, H, W), taken at twice the
    density, whose first two say how far they go; the last of `sums` (C + 1, H W) counts them.
    """
    height, width = known.shape
    above, below = max(rows.start - 1, 0), min(rows.stop + 1, height)  # what the rows at the ends lie between
    fine = F.interpolate(carried[None, :, above:below], scale_factor=2, mode="bilinear", align_corners=False)[0]
    fine = fine[:, 2 * (rows.start - above) : 2 * (rows.stop - above)]
    from_there = known[rows].repeat_interleave(2, 0).repeat_interleave(2, 1)
    at_x = (torch.arange(2 * width, device=fine.device) - 0.5) / 2
    at_y = (torch.arange(2 * rows.start, 2 * rows.stop, device=fine.device)[:, None] - 0.5) / 2
    x, y = (at_x + fine[0]).round().long(), (at_y + fine[1]).round().long()
    arrives = from_there & (x >= 0) & (x < width) & (y >= 0) & (y < height)
    place = (y * width + x)[arrives]
    sums.index_add_(1, place, torch.cat([fine[2:], torch.ones_like(fine[:1])])[:, arrives])
