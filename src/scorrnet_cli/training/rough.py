"""Backgrounds as rough as speckle: heaps of things, stones, relief in slanting light, strokes, meshes, motifs, print.

Each is drawn at one sample a pixel on a plain background, (size, size) float32, grey of 0 to 1; the result may leave
that range.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from scorrnet_cli.training.rng import Rng
from scorrnet_cli.training.textures import power_law


def leaves(rng: Rng, base: Tensor) -> Tensor:
    """Things that lie over each other, each of its own grey and lit from one side: leaves, chips, coins, rubble.

    The dead leaves model (Matheron, 1968), with one leaf for each cell of a grid, in layers of ever smaller ones.
    """
    cell = rng.log_uniform(9.0, 60.0)
    light, angle = rng.uniform(0.0, 0.35), rng.uniform(0.0, 2 * math.pi)
    spread = rng.uniform(0.1, 0.5)
    for _ in range(rng.integer(1, 3)):
        base = _leaf_layer(rng, base, cell, (light * math.cos(angle), light * math.sin(angle)), spread)
        cell = max(7.0, 0.5 * cell)
    return base


def _leaf_layer(rng: Rng, base: Tensor, cell: float, light: tuple[float, float], spread: float) -> Tensor:
    count = math.ceil(len(base) / cell) + 2
    right, down, grey, depth = rng.rand(4, count, count)
    grey = rng.uniform(0.2, 0.8) + spread * (2 * grey - 1)
    reach = cell * rng.uniform(0.5, 1.0) * (0.6 + 0.4 * rng.rand(count, count))
    turn, flat = math.pi * rng.rand(count, count), rng.uniform(0.4, 1.0)
    highest, image = torch.zeros_like(base), base
    for at, dx, dy in _nearby(len(base), cell, right, down):
        c, s = torch.cos(turn[at]), torch.sin(turn[at])
        distance = torch.hypot(dx * c + dy * s, (dy * c - dx * s) / flat) / reach[at]
        seen = (distance < 1) & (depth[at] > highest)
        highest = torch.where(seen, depth[at], highest)
        image = torch.where(seen, grey[at] + (light[0] * dx + light[1] * dy) / cell, image)
    return image


def _nearby(
    size: int, cell: float, right: Tensor, down: Tensor
) -> Iterator[tuple[tuple[Tensor, Tensor], Tensor, Tensor]]:
    """Give the nodes about each of (size, size) pixels, one for each cell of a grid that lie anywhere in it.

    Parameters
    ----------
    size : int
    cell : float
        Side of a cell, px.
    right, down : (K, K) float32
        Where in its cell a node lies, 0 to 1; the first and the last cells lie beyond the image.

    Yields
    ------
    (Tensor, Tensor), (size, size) float32, (size, size) float32
        Nine times: which node it is, as an index of (K, K), and how far the pixel lies right of it and below it, px.
    """
    axis = torch.arange(float(size), device=right.device)
    x, y = axis[None, :], axis[:, None]
    column, row, last = (x / cell).long() + 1, (y / cell).long() + 1, len(right) - 1
    for i, j in product((-1, 0, 1), repeat=2):
        at = (row + i).clamp(0, last), (column + j).clamp(0, last)
        yield at, x - (at[1] - 1 + right[at]) * cell, y - (at[0] - 1 + down[at]) * cell


def stones(rng: Rng, base: Tensor) -> Tensor:
    """Round things that touch, each of its own grey, with dark gaps: pebbles, cobbles, grains, bubbles, scales.

    A cellular texture (Worley, A cellular texture basis function, 1996): how much nearer a point is to the centre of
    its own stone than to the next one's tells how far inside it is.
    """
    cell = rng.log_uniform(6.0, 40.0)
    count = math.ceil(len(base) / cell) + 2
    right, down, grey, reach = rng.rand(4, count, count)
    reach = 1 + rng.uniform(0.0, 0.5) * (2 * reach - 1)
    stretch, angle = rng.uniform(0.6, 1.0), rng.uniform(0.0, math.pi)
    nearest, second = torch.full_like(base, math.inf), torch.full_like(base, math.inf)
    tone = torch.zeros_like(base)
    for at, dx, dy in _nearby(len(base), cell, right, down):
        across = dy * math.cos(angle) - dx * math.sin(angle)
        distance = torch.hypot(dx * math.cos(angle) + dy * math.sin(angle), across / stretch) / (cell * reach[at])
        tone = torch.where(distance < nearest, grey[at], tone)
        second = torch.minimum(second, torch.maximum(distance, nearest))
        nearest = torch.minimum(nearest, distance)
    inside = ((second - nearest - rng.uniform(0.0, 0.2)) / rng.uniform(0.2, 0.9)).clamp(0.0, 1.0)
    dome = (1 - (1 - inside) ** 2).sqrt()
    shade = rng.uniform(0.0, 0.5) * (2 * tone - 1) + rng.uniform(0.0, 0.6) * dome
    shade = shade + rng.uniform(0.0, 0.3) * _slope(rng, dome) + rng.uniform(0.0, 0.12) * power_law(rng, len(base), 1.0)
    return base + rng.uniform(0.3, 1.0) * (shade - shade.mean())


def relief(rng: Rng, base: Tensor) -> Tensor:
    """A rough surface in slanting light: plaster, stucco, leather, bark, crumpled sheet."""
    height = power_law(rng, len(base), rng.uniform(1.0, 2.4))
    shape = rng.pick({"smooth": 1.0, "ridged": 1.0, "trowelled": 1.0})
    if shape == "ridged":
        height = -height.abs()
    elif shape == "trowelled":
        height = torch.sigmoid(rng.log_uniform(2.0, 12.0) * (height - rng.uniform(-0.7, 0.7)))
    slope = torch.tanh(rng.uniform(0.5, 2.0) * _slope(rng, height))
    return base + rng.log_uniform(0.04, 0.3) * (slope + rng.uniform(-0.5, 0.5) * height / height.std().clamp_min(1e-6))


def _slope(rng: Rng, height: Tensor) -> Tensor:
    """Slope (H, W) of a surface towards some light, of unit standard deviation."""
    angle = rng.uniform(0.0, 2 * math.pi)
    down, right = torch.gradient(height)
    slope = math.cos(angle) * right + math.sin(angle) * down
    return slope / slope.std().clamp_min(1e-6)


def strokes(rng: Rng, base: Tensor) -> Tensor:
    """Strokes that more or less share a direction: grass, hair, scratches, brushed metal."""
    size = len(base)
    length = rng.log_uniform(8.0, 50.0)
    width = rng.log_uniform(0.6, 0.25 * length)
    main, spread = rng.uniform(0.0, math.pi), rng.uniform(0.05, 1.6)
    density = rng.log_uniform(0.02, 2.0) / (length * width)
    fy = torch.fft.fftfreq(size, device=base.device)[:, None]
    fx = torch.fft.rfftfreq(size, device=base.device)[None, :]
    total = torch.zeros_like(base)
    for _ in range(5):
        angle = main + rng.uniform(-1, 1) * spread
        along, across = fx * math.cos(angle) + fy * math.sin(angle), fy * math.cos(angle) - fx * math.sin(angle)
        stroke = torch.exp(-2 * math.pi**2 * ((0.5 * length * along) ** 2 + (0.5 * width * across) ** 2))
        points = (rng.rand(size, size) < density / 5) * rng.randn(size, size)
        total += torch.fft.irfft2(torch.fft.rfft2(points) * stroke, s=(size, size))
    total = total / total.std().clamp_min(1e-6)
    return base + rng.uniform(0.05, 0.4) * torch.tanh(rng.uniform(0.5, 2.0) * total)


def mesh(rng: Rng, base: Tensor) -> Tensor:
    """Two families of lines that cross, and fields between them: nets, tiles, bricks, cloth.

    Fields may be flat or round, of one grey, of two that take turns, or of many.
    """
    size = len(base)
    axis = torch.arange(float(size), device=base.device)
    angle, lean = rng.uniform(0.0, math.pi), rng.uniform(-0.3, 0.3) if rng.chance(0.3) else 0.0
    x, y = axis[None, :] + lean * axis[:, None], axis[:, None]
    wobble = rng.uniform(0.0, 1.5) * power_law(rng, size, 2.0)
    pitch = rng.log_uniform(3.5, 50.0)
    p = (x * math.cos(angle) + y * math.sin(angle) + wobble) / pitch
    q = (y * math.cos(angle) - x * math.sin(angle) + wobble) / (pitch * rng.uniform(0.5, 1.0))
    p = p + 0.5 * q.floor().remainder(2) if rng.chance(0.3) else p  # bricks
    row, column = q.round().long(), p.round().long()
    fields = rng.uniform(0.0, 0.3) * (2 * rng.rand(64, 64) - 1) if rng.chance(0.5) else base.new_zeros(64, 64)
    height = rng.uniform(-0.5, 0.5) + fields[column.remainder(64), row.remainder(64)]
    if rng.chance(0.4):
        height = height + rng.uniform(-0.3, 0.3) * (row + column).remainder(2)
    to_x, to_y = (p - column).abs(), (q - row).abs()  # 0 in the middle of a field, 1/2 on a line
    if rng.chance(0.5):
        line, soft = rng.uniform(0.05, 0.35), rng.uniform(1.0, 4.0) / pitch
        inside = ((0.5 - torch.maximum(to_x, to_y) - 0.5 * line) / soft + 0.5).clamp(0.0, 1.0)
    else:
        inside = (torch.cos(math.pi * to_x) * torch.cos(math.pi * to_y)).clamp_min(0.0) ** rng.uniform(0.3, 1.5)
    return base + inside * height


def tiles(rng: Rng, base: Tensor) -> Tensor:
    """One small motif again and again, now lighter and now darker: knitwear, wallpaper, stamped sheet, keys."""
    size = len(base)
    axis = torch.arange(float(size), device=base.device)
    angle, pitch = rng.uniform(0.0, math.pi), rng.log_uniform(4.0, 30.0)
    wobble = rng.uniform(0.0, 1.0) * power_law(rng, size, 2.0)
    x, y = axis[None, :] + wobble, axis[:, None] + wobble
    p = (x * math.cos(angle) + y * math.sin(angle)) / pitch
    q = (y * math.cos(angle) - x * math.sin(angle)) / (pitch * rng.log_uniform(0.5, 2.0))
    p = p + float(rng.pick({"0": 2.0, "0.5": 1.0, "0.333": 0.5})) * q.floor()
    column, row = p.floor(), q.floor()
    motif = power_law(rng, 8, rng.uniform(0.6, 2.0)).repeat(3, 3)[None, None]
    at = (torch.stack([p - column, q - row], -1) * 2 - 1) / 3
    drawn = F.grid_sample(motif, at[None], mode="bicubic", align_corners=False)[0, 0]
    if rng.chance(0.4):
        drawn = torch.tanh(rng.uniform(1.0, 4.0) * drawn)
    strength = 1 + rng.uniform(0.0, 0.6) * (2 * rng.rand(64, 64) - 1)
    return base + rng.uniform(0.05, 0.3) * strength[row.long().remainder(64), column.long().remainder(64)] * drawn


def marks(rng: Rng, base: Tensor) -> Tensor:
    """Rows of small marks with gaps, as print, lettering and scales have."""
    side = math.ceil(1.5 * len(base))
    page = _lettered(rng, side) if rng.chance(0.6) else _blocks(rng, side)
    angle = rng.uniform(-0.3, 0.3) + rng.integer(0, 3) * math.pi / 2
    c, s = 0.6 * math.cos(angle), 0.6 * math.sin(angle)
    theta = torch.tensor([[[c, -s, 0.0], [s, c, 0.0]]], device=base.device)
    grid = F.affine_grid(theta, [1, 1, *base.shape], align_corners=False)
    contrast = rng.uniform(0.05, 0.7) * (-1 if rng.chance(0.6) else 1)
    return base + contrast * F.grid_sample(page[None, None], grid, align_corners=False)[0, 0]


def _blocks(rng: Rng, side: int) -> Tensor:
    """A page (side, side) of rows of random blocks."""
    stroke = rng.log_uniform(1.0, 5.0)
    high, gap = rng.integer(3, 8), rng.integer(2, 5)  # of a row, in strokes
    columns, rows = math.ceil(side / stroke), math.ceil(side / (stroke * (high + gap)))
    ink = (rng.rand(rows, high, columns) < rng.uniform(0.3, 0.6)).float()
    ink[..., :: rng.integer(3, 6)] = 0.0  # between letters
    words = F.interpolate((rng.rand(1, rows, columns // 8 + 1) < 0.85).float(), columns)[0]  # gaps between words
    page = F.pad(ink * words[:, None], (0, 0, 0, gap)).reshape(-1, columns)
    return F.interpolate(page[None, None], (side, side))[0, 0]


def _lettered(rng: Rng, side: int) -> Tensor:
    """A page (side, side) of lines of letters, drawn from one alphabet."""
    fine = 2  # samples a pixel
    rows = round(fine * rng.log_uniform(5.0, 26.0))
    columns = round(rows * rng.uniform(0.5, 0.9))
    letters = F.pad(_alphabet(rng, rows, columns), (0, math.ceil(0.2 * rows), 0, round(rows * rng.uniform(0.3, 1.2))))
    down, across = (math.ceil(fine * side / length) for length in letters.shape[1:])
    text = (rng.rand(down, across) * len(letters)).long()
    page = letters[text] * (rng.rand(down, across) > rng.uniform(0.1, 0.4))[..., None, None]
    page = page.permute(0, 2, 1, 3).reshape(1, 1, down * letters.shape[1], -1)[..., : fine * side, : fine * side]
    return F.avg_pool2d(page, fine)[0, 0]


def _alphabet(rng: Rng, rows: int, columns: int) -> Tensor:
    """Letters (N, rows, columns), each of up to three straight strokes between the nodes of a small grid."""
    count, strokes = 24, 3
    aspect = columns / rows
    y = torch.linspace(-0.1, 1.1, rows, device=rng.device)[:, None].expand(rows, columns)
    x = torch.linspace(-0.1, aspect + 0.1, columns, device=rng.device).expand(rows, columns)
    nodes = rng.rand(4, count, strokes, 1, 1)
    from_x, to_x = ((3 * node).floor() / 2 * aspect for node in nodes[:2])
    from_y, to_y = ((4 * node).floor() / 3 for node in nodes[2:])
    run, rise = to_x - from_x, to_y - from_y
    along = (((x - from_x) * run + (y - from_y) * rise) / (run**2 + rise**2).clamp_min(1e-6)).clamp(0.0, 1.0)
    distance = torch.hypot(x - from_x - along * run, y - from_y - along * rise).amin(1)
    return ((rng.uniform(0.06, 0.14) - distance) * rows / 1.2 + 0.5).clamp(0.0, 1.0)


ROUGH = {
    "leaves": leaves,
    "stones": stones,
    "relief": relief,
    "strokes": strokes,
    "mesh": mesh,
    "marks": marks,
    "tiles": tiles,
}
