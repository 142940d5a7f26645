"""Speckle as a formula: a Boolean model of overlapping soft disks that lives in the material (Sur et al., 2018).

The paint is known at every point, so any image of it is rendered from the disks and none is interpolated from another.

> F. Sur, B. Blaysat, M. Grediac, Rendering deformed speckle images with a Boolean model, Journal of Mathematical
> Imaging and Vision 60 (2018) 634-650.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

EDGE_PX = 0.25  # standard deviation of the soft edge: paint runs a little, and samples 1/4 px apart resolve it
REACH_PX = 4 * EDGE_PX  # beyond it an edge is as good as sharp


@dataclass(frozen=True)
class Paint:
    """What is thrown at a surface.

    Attributes
    ----------
    dot_px : tuple of float
        Smallest and largest diameter of the disks, px.
    share : float
        Of the surface that is covered, below 1; at most 0.4 of disks that keep apart.
    mixed : bool
        Whether the disks of each octave of diameters take the same area, so that there are a few large and very many
        small ones; else their diameters are evenly distributed.
    apart : bool
        Whether no two disks overlap, as in patterns that are printed; else they lie anywhere.
    faintest : float
        How much of the ground the faintest disk hides; the darkest hides it all.
    """

    dot_px: tuple[float, float] = (3.0, 5.0)
    share: float = 0.5
    mixed: bool = False
    apart: bool = False
    faintest: float = 1.0


USUAL_PAINT = Paint()


@dataclass(frozen=True)
class Disks:
    """Overlapping disks, and which of them touch each cell of 1 x 1 px.

    Attributes
    ----------
    x, y, radius : (N + 1,) float64
        Centres and radii in material coordinates, px; the last is no disk.
    opacity : (N + 1,) float64
        How much of the ground each disk hides, 0 to 1.
    table : (cells, K) int64
        The disks that touch each cell, filled up with N.
    count : (cells,) int64
        How many disks touch each cell.
    corner : tuple of int
        x and y of the first cell's left upper corner, px.
    size : tuple of int
        Rows and columns of cells.
    """

    x: Tensor
    y: Tensor
    radius: Tensor
    opacity: Tensor
    table: Tensor
    count: Tensor
    corner: tuple[int, int]
    size: tuple[int, int]

    def cover(self, x: Tensor, y: Tensor) -> Tensor:
        """Share of paint, 0 to 1, at material points.

        Parameters
        ----------
        x, y : (...) float64
            Points, px; beyond the cells there is no paint.

        Returns
        -------
        (...) float64
        """
        rows, columns = self.size
        row = (y.floor().long() - self.corner[1]).clamp_(0, rows - 1)
        column = (x.floor().long() - self.corner[0]).clamp_(0, columns - 1)
        cell = (row * columns + column).flatten()
        count = self.count[cell]
        bare = torch.ones(cell.numel(), dtype=torch.float64)
        left = torch.nonzero(count > 0)[:, 0]
        flat_x, flat_y = x.flatten(), y.flatten()
        layer = 0
        while left.numel():
            disk = self.table[:, layer][cell[left]]
            beyond = torch.hypot(flat_x[left] - self.x[disk], flat_y[left] - self.y[disk]) - self.radius[disk]
            bare[left] *= 1 - self.opacity[disk] * soft_inside(beyond)
            layer += 1
            left = left[count[left] > layer]
        return (1 - bare).view(x.shape)


def soft_inside(distance: Tensor) -> Tensor:
    """Presence, 1 to 0, of a body with a soft edge at signed distances from it, px, negative inside."""
    return 0.5 * torch.erfc(distance / (math.sqrt(2) * EDGE_PX))


def scatter_disks(shape: tuple[int, int], seed: int, paint: Paint = USUAL_PAINT, margin_px: int = 32) -> Disks:
    """Throw disks at random until they cover a share of the surface.

    Parameters
    ----------
    shape : tuple of int
        Height and width of the image, px.
    seed : int
    paint : Paint
    margin_px : int
        How far the paint goes on beyond the image.

    Returns
    -------
    Disks
    """
    rng = np.random.default_rng(seed)
    rows, columns = (side + 2 * margin_px for side in shape)
    low, high = (0.5 * diameter for diameter in paint.dot_px)
    mean_square = (low * low + low * high + high * high) / 3
    if paint.mixed:  # the number falls as the cube of the diameter rises
        mean_square = 2 * math.log(high / low) / (low**-2 - high**-2)
    layers = paint.share if paint.apart else -math.log(1.0 - paint.share)
    number = round(layers / (math.pi * mean_square) * rows * columns)
    if paint.apart:
        x, y = _kept_apart(rng, number, (rows, columns), 2 * high)
    else:
        x, y = rng.uniform(0, columns, number), rng.uniform(0, rows, number)
    x, y = x - margin_px, y - margin_px
    radius = rng.uniform(high**-2, low**-2, number) ** -0.5 if paint.mixed else rng.uniform(low, high, number)
    opacity = rng.uniform(paint.faintest, 1.0, number)
    table, count = _touching(x + margin_px, y + margin_px, radius, (rows, columns))
    nothing = (0.0, 0.0, -1e9, 0.0)
    each = (x, y, radius, opacity)
    x, y, radius, opacity = (np.append(values, last) for values, last in zip(each, nothing, strict=True))
    return Disks(
        x=torch.from_numpy(x),
        y=torch.from_numpy(y),
        radius=torch.from_numpy(radius),
        opacity=torch.from_numpy(opacity),
        table=torch.from_numpy(table),
        count=torch.from_numpy(count),
        corner=(-margin_px, -margin_px),
        size=(rows, columns),
    )


def _kept_apart(
    rng: np.random.Generator, number: int, size: tuple[int, int], distance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Throw points, x and y (number,), and keep those that are no nearer than a distance to one that was kept."""
    rows, columns = size
    kept: dict[tuple[int, int], list[tuple[float, float]]] = {}
    points: list[tuple[float, float]] = []
    for _ in range(200 * number):
        if len(points) == number:
            break
        x, y = rng.uniform(0, columns), rng.uniform(0, rows)
        row, column = int(y / distance), int(x / distance)
        near = (kept.get((row + i, column + j), ()) for i in (-1, 0, 1) for j in (-1, 0, 1))
        if all(math.hypot(x - other[0], y - other[1]) >= distance for cell in near for other in cell):
            kept.setdefault((row, column), []).append((x, y))
            points.append((x, y))
    else:
        raise ValueError(f"{number} disks do not fit {distance} px apart into {columns} x {rows} px")
    found = np.array(points)
    return found[:, 0], found[:, 1]


def _touching(x: np.ndarray, y: np.ndarray, radius: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """List the disks that touch each cell, see `Disks`; positions count from the first cell's corner."""
    rows, columns = size
    reach = math.ceil(radius.max() + REACH_PX)
    steps = np.arange(-reach, reach + 1)
    row = np.floor(y).astype(np.int64)[:, None, None] + steps[:, None]
    column = np.floor(x).astype(np.int64)[:, None, None] + steps
    apart_y = np.maximum(np.abs(y[:, None, None] - row - 0.5) - 0.5, 0.0)
    apart_x = np.maximum(np.abs(x[:, None, None] - column - 0.5) - 0.5, 0.0)
    touches = np.hypot(apart_x, apart_y) < radius[:, None, None] + REACH_PX
    touches &= (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    disk = np.nonzero(touches)[0]
    cell = (row * columns + column)[touches]
    order = np.argsort(cell, kind="stable")
    cell, disk = cell[order], disk[order]
    count = np.bincount(cell, minlength=rows * columns)
    place = np.arange(cell.size) - (np.cumsum(count) - count)[cell]
    table = np.full((rows * columns, int(count.max())), len(x), dtype=np.int64)
    table[cell, place] = disk
    return table, count
