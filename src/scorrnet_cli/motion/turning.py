"""The motion of a specimen that has turned by any angle and gone anywhere: patches of it are turned by many angles and
sought in the whole deformed image, and where one of them stands out the network looks at what is around it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from scorrnet_cli.displace import Guide, displace, guide
from scorrnet_cli.models.corrnet import CorrNet
from scorrnet_cli.motion.shifts import Haystack, alone, detail, needle
from scorrnet_cli.numerics import spline
from scorrnet_cli.numerics.consensus import affine_consensus
from scorrnet_cli.numerics.tiles import Box, bounds

STEP_DEG = 10  # half of it is left at most, by which a patch may be turned and still be found
PATCH_PX, PATCHES = 64, 3
WINDOW_PX = 5  # by which its edges may be off then
SURE = 7.0  # standard deviations by which a patch stands out; by chance it does by some 6, before a plain wall by 8
PART_PX = 320  # side of the part that the network looks at
SMALLEST_LIKENESS = 0.3  # correlation of the images, brought together, below which they show different things


def turned(network: CorrNet, reference: Guide, deformed: Tensor) -> Tensor | None:
    """Find the affine motion of a surface that has turned and moved.

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
    for move, clearness in _clear_moves(reference, deformed):
        motion = _confirmed(network, reference, deformed, move, is_clear=clearness > SURE)
        if motion is not None:
            return motion
    return None


def _confirmed(network: CorrNet, reference: Guide, deformed: Tensor, move: _Move, *, is_clear: bool) -> Tensor | None:
    """Let the network look at what is around a patch that was found, and return the motion (2, H, W), px.

    None if it does not bring the images together; of what is too thin to tell, if the patch is not clear.
    """
    x, y = (round(float(place)) for place in move.middle)
    box = Box(y - PART_PX // 2, x - PART_PX // 2, y + PART_PX // 2, x + PART_PX // 2)
    box = box.within(Box(0, 0, *deformed.shape))
    part = guide(network, box.of(reference.grey), box.of(reference.mask))
    coefficients = spline.spline_coefficients(deformed)
    place = spline.Place(box.top, box.left, *deformed.shape)
    points = _points(box, deformed)
    rest = displace(network, part, spline.spline_sample(coefficients, move.at(points), place))
    motion = affine_consensus(rest + move.at(points + rest), part.mask)
    if motion is None:  # too thin for a motion to be fitted to it
        return move.at(_points(Box(0, 0, *deformed.shape), deformed)) if is_clear else None
    likeness = _likeness(part, spline.spline_sample(coefficients, motion, place), motion, place)
    return _continued(motion, box, deformed) if likeness > SMALLEST_LIKENESS else None


class _Move(NamedTuple):
    """A turn about a point and a shift."""

    angle_deg: float
    middle: Tensor  # (2,), px
    shift: Tensor  # (2,), px

    def at(self, points: Tensor) -> Tensor:
        """Displacement (2, h, w) of points (2, h, w), px."""
        c, s = math.cos(math.radians(self.angle_deg)), math.sin(math.radians(self.angle_deg))
        gradient = points.new_tensor([[c - 1, -s], [s, c - 1]])
        turn = torch.einsum("ij,jhw->ihw", gradient, points - self.middle[:, None, None])
        return turn + self.shift[:, None, None]


def _clear_moves(reference: Guide, deformed: Tensor) -> Iterator[tuple[_Move, float]]:
    """Find moves of a patch after which it stands out in the deformed image, and how clearly it does.

    Each is clearer than those before it; the last is the clearest of all, clear or not.
    """
    haystack, whole = Haystack(deformed, WINDOW_PX), needle(reference.grey, reference.mask)
    boxes = _patches(reference.mask)
    best, clearest, told = None, -math.inf, math.inf
    for angle in _angles():
        for box in boxes:
            middle = torch.tensor([(box.left + box.right - 1) / 2, (box.top + box.bottom - 1) / 2]).to(whole)
            shift, clearness = haystack.peak(_turned_patch(whole, box, middle, angle))
            if clearness > clearest:
                best, clearest = _Move(angle, middle, shift), clearness
        if best and clearest > SURE and clearest != told:
            told = clearest
            yield best, clearest
    if best and clearest != told:
        yield best, clearest


def _angles() -> Iterator[float]:
    """Angles all around, the small ones first."""
    for size in range(0, 181, STEP_DEG):
        yield float(size)
        if 0 < size < 180:
            yield -float(size)


def _patches(mask: Tensor) -> list[Box]:
    """Choose squares that hold much of a mask (H, W), apart from each other."""
    pieces = bounds(mask).pieces(PATCH_PX)
    cover = [float(box.of(mask).float().mean()) for box in pieces]
    full = [box for box, share in zip(pieces, cover, strict=True) if share >= 0.9 * max(cover)]
    return full[len(full) // (2 * PATCHES) :: -(-len(full) // PATCHES)]


def _turned_patch(whole: Tensor, box: Box, middle: Tensor, angle_deg: float) -> Tensor:
    """Image (H, W) of nothing but what a box of another holds, turned about the middle of the box."""
    patch = alone(whole, box)
    if angle_deg == 0:
        return patch
    reach = math.ceil(math.hypot(box.height, box.width) / 2)
    around = box.grown(reach - min(box.height, box.width) // 2).within(Box(0, 0, *whole.shape))
    back = _Move(-angle_deg, middle, torch.zeros_like(middle)).at(_points(around, whole))
    turned_ = spline.spline_sample(spline.spline_coefficients(around.of(patch)), back)
    around.of(patch).copy_(turned_ * spline.inside(back))
    return patch


def _points(box: Box, like: Tensor) -> Tensor:
    """Places (2, h, w) of the pixels of a box, px."""
    y = torch.arange(box.top, box.bottom, device=like.device, dtype=like.dtype)
    x = torch.arange(box.left, box.right, device=like.device, dtype=like.dtype)
    return torch.stack(torch.meshgrid(x, y, indexing="xy"))


def _likeness(part: Guide, brought_back: Tensor, motion: Tensor, place: spline.Place) -> float:
    """Correlation over a part of the reference with the deformed image (h, w) brought back by a motion (2, h, w)."""
    first, second = detail(part.grey), detail(brought_back)
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
