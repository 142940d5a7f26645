"""The affine motion that most of what was found agrees on, however much of the rest is found wrongly.

Each cell of the field that is well known says how the whole would move if it moved like the cell, stretch and rotation
included (a local affine fit). The one that most known points confirm is taken and fitted to all of these (consensus of
random samples, Fischler, Bolles, 1981, with every cell as a sample).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from scorrnet_cli.numerics.filters import wide_mean

STEP_PX = 4  # from one point taken of the field to the next
MOST_POINTS = 1024  # along a side: of larger images fewer are taken
CELL = 8  # points; an affine motion is fitted to 3 x 3 cells
KNOWN = 0.7  # share of a cell that must be known
AGREEMENT_PX = 3.0
CELLS, VOTERS = 400, 5000
FITS = 3
MOST_PARTS = 4
SMALLEST_PART = 0.02  # of what is known
NEARNESS = ((1.0, 8.0), (1e-2, 32.0), (1e-4, 128.0))  # weight and px: what is near outweighs whatever is farther off


def affine_consensus(field: Tensor, known: Tensor) -> Tensor | None:
    """Find the affine motion that most known points of a field share.

    Parameters
    ----------
    field : (2, H, W) float32
        Displacement, px.
    known : (H, W) bool
        Where it was found, rightly or not.

    Returns
    -------
    (2, H, W) float32 or None
        px; None if nowhere is enough known.
    """
    height, width = known.shape
    x = torch.linspace(-1, 1, width, dtype=torch.float64, device=field.device)
    y = torch.linspace(-1, 1, height, dtype=torch.float64, device=field.device)[:, None]
    down, across = (slice(None, None, max(STEP_PX, -(-side // MOST_POINTS))) for side in (height, width))
    values, weight = field[:, down, across].double(), known[down, across].double()
    ones = torch.ones_like(weight)
    basis = torch.stack([ones, x[across] * ones, y[down] * ones])  # (3, h, w)
    motions = _local_motions(basis, values, weight)
    if not len(motions):
        return None
    counted = weight > 0
    places, found = basis[:, counted].T, values[:, counted].T  # (M, 3), (M, 2)
    every = len(places) // VOTERS + 1
    miss = (places[::every] @ motions - found[::every]).norm(dim=2)  # (M', N)
    best = motions[int((miss < AGREEMENT_PX).sum(1).argmax())]
    for _ in range(FITS):
        agree = (places @ best - found).norm(dim=1) < AGREEMENT_PX
        if int(agree.sum()) < 3 * CELL:
            return None
        best = fitted_motion(places[agree], found[agree])
    motion = torch.empty_like(field)
    for part, (constant, along_x, along_y) in zip(motion, best.T, strict=True):
        torch.add((constant + along_y * y).to(field.dtype), (along_x * x).to(field.dtype), out=part)
    return motion


def moving_parts(field: Tensor, known: Tensor) -> list[Tensor]:
    """Find the parts that move each in its own way, as those of a broken specimen do, largest first.

    Parameters
    ----------
    field : (2, H, W) float32
        Displacement, px.
    known : (H, W) bool
        Where it is right.

    Returns
    -------
    list of (H, W) bool
        At most four; what belongs to no part is in none of them.
    """
    parts: list[Tensor] = []
    left, least = known, SMALLEST_PART * float(known.sum())
    while len(parts) < MOST_PARTS:
        motion = affine_consensus(field, left)
        if motion is None:
            break
        part = left & ((field - motion).norm(dim=0) < AGREEMENT_PX)
        if float(part.sum()) <= least:
            break
        parts.append(part)
        left = left & ~part
    return parts


def fitted_motion(places: Tensor, found: Tensor) -> Tensor:
    """Fit an affine motion (3, 2) to points (N, 3); across a line on which they all lie, nothing changes."""
    middle, mean = places.mean(0), found.mean(0)
    offset = (places - middle)[:, 1:]
    matrix = offset.T @ offset
    ridge = 1e-9 * matrix.diagonal().sum() * torch.eye(2, dtype=matrix.dtype, device=matrix.device)
    slopes = torch.linalg.solve(matrix + ridge, offset.T @ (found - mean))
    return torch.cat([(mean - middle[1:] @ slopes)[None], slopes])


def nearest_part(parts: list[Tensor]) -> Tensor:
    """Tell of every point which of some parts (H, W) bool is nearest, by its number, (H, W) int64."""
    cover = torch.stack([part.float() for part in parts])
    everywhere = torch.ones_like(cover[0])
    near = torch.zeros_like(cover)
    for weight, reach_px in NEARNESS:
        near += weight * wide_mean(cover, everywhere, reach_px)
    return near.argmax(0)


def owned(number: Tensor, points: Tensor, count: int) -> list[Tensor]:
    """Share out points among parts.

    Parameters
    ----------
    number : (H, W) int64
        Of the part that each point is of, from 0, as of `nearest_part`.
    points : (H, W) bool
    count : int
        Of the parts.

    Returns
    -------
    list of (H, W) bool
        Those of the points that are of each part.
    """
    return [points & (number == each) for each in range(count)]


def nearer(points: Tensor, others: Tensor) -> Tensor:
    """True (H, W) where some points (H, W) bool are nearer than others; nowhere if there are none."""
    return nearest_part([others, points]) == 1 if bool(points.any()) else points


def _local_motions(basis: Tensor, values: Tensor, weight: Tensor) -> Tensor:
    """Fit an affine motion (N, 3, 2) to the surroundings of each well known cell, at most `CELLS` of them."""
    products = torch.cat(
        [(basis[:, None] * basis[None] * weight).flatten(0, 1), (basis[:, None] * values[None] * weight).flatten(0, 1)]
    )
    means = F.avg_pool2d(torch.cat([products, weight[None]])[None], CELL, ceil_mode=True)
    sums = F.avg_pool2d(means, 3, 1, 1)[0].flatten(1).T  # (cells, 9 + 6 + 1)
    chosen = sums[means[0, -1].flatten() > KNOWN]
    chosen = chosen[:: len(chosen) // CELLS + 1]
    matrix, pull = chosen[:, :9].view(-1, 3, 3), chosen[:, 9:15].view(-1, 3, 2)
    ridge = 1e-9 * torch.eye(3, dtype=matrix.dtype, device=matrix.device)
    motions: Tensor = torch.linalg.solve(matrix + ridge, pull)
    return motions
