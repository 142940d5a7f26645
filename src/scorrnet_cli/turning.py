"""The motion of a specimen that has turned, by any angle: the network, which knows turns of some 30 degrees, looks at
the deformed image turned back by several angles, and the affine motion that brings the images together best is taken.

Only a part around the middle of the surface is looked at, so the cost does not grow with the image.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from scorrnet_cli import spline
from scorrnet_cli.consensus import affine_consensus
from scorrnet_cli.displace import Guide, displace, guide
from scorrnet_cli.models.corrnet import CorrNet, CorrNetConfig, normalise
from scorrnet_cli.tiles import Box, bounds

TURNS_DEG = (45.0, -45.0, 90.0, -90.0, 135.0, -135.0, 180.0)
PART_PX = 320  # side of the part that is looked at
SMALLEST_LIKENESS = 0.3  # correlation of the images, brought together, below which they show different things


def turned(network: CorrNet, reference: Guide, deformed: Tensor) -> Tensor | None:
    """Find the affine motion of a surface that has turned about its middle.

    Parameters
    ----------
    network : CorrNet
    reference : Guide
    deformed : (H, W) float32
        Grey image of any scale.

    Returns
    -------
    (2, H, W) float32 or None
        Displacement, px; None if no turn brings the images together.
    """
    box, middle = _part(reference.mask)
    part = guide(network, box.of(reference.grey), box.of(reference.mask))
    coefficients = spline.spline_coefficients(deformed)
    place = spline.Place(box.top, box.left, *deformed.shape)
    best, likeness = None, SMALLEST_LIKENESS
    for angle in TURNS_DEG:
        turn = _Turn.of(angle, middle, deformed)
        start = turn.at(_points(box, deformed))
        rest = displace(network, part, spline.spline_sample(coefficients, start, place))
        motion = affine_consensus(rest + turn.at(_points(box, deformed) + rest), part.mask)
        if motion is None:
            continue
        reached = _likeness(part, spline.spline_sample(coefficients, motion, place), motion, place)
        if reached > likeness:
            best, likeness = motion, reached
    return None if best is None else _continued(best, box, deformed)


def _part(mask: Tensor) -> tuple[Box, Tensor]:
    """Part of the image around the middle of a mask (H, W), and this middle (2,), px."""
    y, x = (places.float().mean() for places in torch.nonzero(mask, as_tuple=True))
    top, left = (round(float(middle)) - PART_PX // 2 for middle in (y, x))
    image = Box(0, 0, *mask.shape)
    box = Box(top, left, top + PART_PX, left + PART_PX).within(image)
    return (box if bool(box.of(mask).any()) else bounds(mask)), torch.stack([x, y])


class _Turn:
    """A rigid turn about a point."""

    def __init__(self, gradient: Tensor, middle: Tensor) -> None:
        self._gradient, self._middle = gradient, middle

    @staticmethod
    def of(angle_deg: float, middle: Tensor, like: Tensor) -> _Turn:
        c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
        return _Turn(like.new_tensor([[c - 1, -s], [s, c - 1]]), middle)

    def at(self, points: Tensor) -> Tensor:
        """Displacement (2, h, w) of points (2, h, w), px."""
        return torch.einsum("ij,jhw->ihw", self._gradient, points - self._middle[:, None, None])


def _points(box: Box, like: Tensor) -> Tensor:
    """Places (2, h, w) of the pixels of a box, px."""
    y = torch.arange(box.top, box.bottom, device=like.device, dtype=like.dtype)
    x = torch.arange(box.left, box.right, device=like.device, dtype=like.dtype)
    return torch.stack(torch.meshgrid(x, y, indexing="xy"))


def _likeness(part: Guide, brought_back: Tensor, motion: Tensor, place: spline.Place) -> float:
    """Correlation over a part of the reference with the deformed image (h, w) brought back by a motion (2, h, w)."""
    window = CorrNetConfig().normalise_px
    first, second = (normalise(image[None, None], window)[0, 0] for image in (part.grey, brought_back))
    counted = part.mask & spline.inside(motion, place=place)
    first, second = first[counted], second[counted]
    return float(first @ second / (first.norm() * second.norm()).clamp_min(1e-6))


def _continued(motion: Tensor, box: Box, like: Tensor) -> Tensor:
    """Continue an affine motion (2, h, w) of a box over the whole image (2, H, W)."""
    along_x = (motion[:, 0, -1] - motion[:, 0, 0]) / (box.width - 1)
    along_y = (motion[:, -1, 0] - motion[:, 0, 0]) / (box.height - 1)
    x, y = _points(Box(0, 0, *like.shape), like)
    first = motion[:, 0, 0, None, None]
    continued: Tensor = first + along_x[:, None, None] * (x - box.left) + along_y[:, None, None] * (y - box.top)
    return continued
