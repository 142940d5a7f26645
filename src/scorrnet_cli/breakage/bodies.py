"""Bodies that the mask shows apart and that move apart, too: no window may reach from one of them to another.

Between two of them is background, however narrow. Where the motion of one, continued to the other, meets that of the
other, as on both sides of a wire across the surface, they count as one.
"""

from __future__ import annotations

from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Tensor

from scorrnet_cli.numerics.consensus import fitted_motion
from scorrnet_cli.numerics.filters import repeated
from scorrnet_cli.numerics.morphology import dilated, labelled
from scorrnet_cli.numerics.tiles import Box, bounds

CELL_PX = 4  # a cell belongs to a body if all of it does
SMALLEST_CELLS = 9  # of a body
TURNING_CELLS = 25  # of one whose own motion is known; of a smaller one its shift is, and it turns as another does
MOST_BODIES = 100
APART_PX = 0.5  # what lets the rim be wrong by no more than its noise, where windows do reach across
DOUBT = 2.0  # how much more is asked for, in misfits of the motions
REACHES = (2, 4, 8, 16)  # cells; how far from each of two bodies a point between them is
NEIGHBOURHOOD = 12  # cells; by what lies so deep in bodies, where they come closest, their motions are compared


@torch.no_grad()
def bodies(mask: Tensor, field: Tensor) -> list[Tensor]:
    """Tell the bodies of a mask that move apart.

    Parameters
    ----------
    mask : (H, W) bool
    field : (2, H, W) float32
        Displacement, px; it means something on the mask.

    Returns
    -------
    list of (H, W) bool
        Largest first; together they are the mask.
    """
    if min(mask.shape) < CELL_PX:
        return [mask]
    cells = F.avg_pool2d(mask[None].float(), CELL_PX)[0] == 1
    names = labelled(cells)
    sizes = names.flatten().bincount()[1:]
    largest = [int(name) + 1 for name in sizes.argsort(descending=True)[:MOST_BODIES] if sizes[name] >= SMALLEST_CELLS]
    if len(largest) < 2:
        return [mask]
    motion = F.avg_pool2d(field[None], CELL_PX)[0].double()
    found = _together([names == name for name in largest], motion)
    if len(found) < 2:
        return [mask]
    owner = sum((number * part for number, part in enumerate(found, 1)), start=torch.zeros_like(names))
    nearest = repeated(_grown(owner, mask), CELL_PX, mask.shape)
    return [mask & (nearest == number) for number in range(1, len(found) + 1)]


def _together(parts: list[Tensor], motion: Tensor) -> list[Tensor]:
    """Unite the parts (h, w) of which one moves on as another does; `motion` is (2, h, w), of all."""
    group = list(range(len(parts)))
    whole = Box(0, 0, *motion.shape[-2:])
    around = [bounds(part).grown(REACHES[-1]) for part in parts]
    for one, other in combinations(range(len(parts)), 2):
        meeting = around[one].within(around[other])
        if group[one] == group[other] or min(meeting.height, meeting.width) <= 0:
            continue
        box = meeting.grown(REACHES[-1] + NEIGHBOURHOOD).within(whole)
        if not _apart(box.of(parts[one]), box.of(parts[other]), box.of(motion)):
            group = [group[one] if each == group[other] else each for each in group]
    return [
        torch.stack([part for part, each in zip(parts, group, strict=True) if each == name]).any(0)
        for name in dict.fromkeys(group)
    ]


def _apart(one: Tensor, other: Tensor, motion: Tensor) -> bool:
    """Whether two parts (h, w) move apart where they come closest; True if they are far from each other."""
    for reach in REACHES:
        between = dilated(one, reach) & dilated(other, reach)
        if bool(between.any()):
            break
    else:
        return True
    near = dilated(between, reach + NEIGHBOURHOOD)
    parts = (one & near, other & near)
    if int(parts[0].sum()) < int(parts[1].sum()):
        parts = parts[::-1]
    first, misfit = _motion(parts[0], motion)
    second, other_misfit = _motion(parts[1], motion, first)
    jump = (_places(between) @ (first - second)).square().sum(1).mean().sqrt()
    return bool(jump > APART_PX + DOUBT * (misfit + other_misfit))


def _motion(where: Tensor, motion: Tensor, like: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Affine motion (3, 2) at some cells (h, w), and the root mean square () of what it leaves, px.

    Of few cells it is `like` another, shifted.
    """
    places, found = _places(where), motion[:, where].T
    if like is not None and len(places) < TURNING_CELLS:
        fitted = like.clone()
        fitted[0] += (found - places @ like).mean(0)
    else:
        fitted = fitted_motion(places, found)
    return fitted, (places @ fitted - found).square().sum(1).mean().sqrt()


def _places(where: Tensor) -> Tensor:
    """Rows (N, 3) 1, x, y of some cells (h, w)."""
    y, x = where.nonzero(as_tuple=True)
    return torch.stack([torch.ones_like(x), x, y], 1).double()


def _grown(owner: Tensor, mask: Tensor) -> Tensor:
    """Let what is owned (h, w), 0 where by none, grow until all cells that are in part on the mask (H, W) are."""
    wanted = F.max_pool2d(mask[None].float(), CELL_PX, ceil_mode=True)[0] > 0
    owner = F.pad(owner, (0, wanted.shape[1] - owner.shape[1], 0, wanted.shape[0] - owner.shape[0]))
    while bool((wanted & (owner == 0)).any()):
        around = F.max_pool2d(owner[None].float(), 3, 1, 1)[0].to(owner.dtype)
        owner = torch.where(owner == 0, around, owner)
    return owner
