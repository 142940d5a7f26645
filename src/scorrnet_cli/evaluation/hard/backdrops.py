"""What stands behind the specimens of hard cases: every procedural kind of the training, and some that it has not."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from scorrnet_cli.evaluation.networks import EVALUATION
from scorrnet_cli.training.backgrounds import background
from scorrnet_cli.training.rng import Rng
from scorrnet_cli.training.textures import power_law, speckle

SEED = 5  # second part of the key of random numbers
_GLYPHS, _GLYPH_ROWS, _GLYPH_COLUMNS = 40, 7, 5


def backdrop(kind: str, size: int, number: int) -> Tensor:
    """Draw a background.

    Parameters
    ----------
    kind : str
        One of the training's `backgrounds.KINDS`, or `newspaper`, `fabric`, `gravel`, `speckle`.
    size : int
        Height and width, px.
    number : int
        Which of this kind.

    Returns
    -------
    (size, size) float64
        Grey levels, 0 to 255.
    """
    key = (EVALUATION, SEED, number)
    drawn = _NEW[kind](Rng(key, _CPU), size) if kind in _NEW else background(_Decided(key, kind), size, None)
    return 255.0 * drawn.double().clamp(0.0, 1.0)


_CPU = torch.device("cpu")


class _Decided(Rng):
    """Random numbers of one background, whose kind is not left to chance."""

    def __init__(self, key: tuple[int, ...], kind: str) -> None:
        super().__init__(key, _CPU)
        self._kind = kind

    def pick(self, weights: dict[str, float]) -> str:
        return self._kind if self._kind in weights else super().pick(weights)


def _newspaper(rng: Rng, size: int) -> Tensor:
    """Columns of print: letters of a few strokes in words and lines, headlines, and gutters between the columns."""
    ink = torch.zeros(size, size)
    top = 0
    while top < size:
        scale = rng.integer(3, 4) if rng.chance(0.12) else 1
        height = scale * (_GLYPH_ROWS + 3)
        line = _line(rng, size // scale + 1)
        ink_line = line.repeat_interleave(scale, 0).repeat_interleave(scale, 1)[: size - top, :size]
        ink[top : top + len(ink_line)] = ink_line
        top += height
    for gutter in range(rng.integer(40, 120), size, 150):
        ink[:, gutter : gutter + 8] = 0.0
    soft = F.avg_pool2d(F.pad(ink[None, None], (1,) * 4, mode="replicate"), 3, 1)[0, 0]
    paper = rng.uniform(0.65, 0.85)
    return _turned(paper - rng.uniform(0.35, 0.6) * (0.4 * soft + 0.6 * ink), rng.uniform(-10, 10))


def _line(rng: Rng, width: int) -> Tensor:
    """One line of print, (rows, width), 1 where there is ink."""
    letters = _alphabet(rng)
    line = torch.zeros(_GLYPH_ROWS, width)
    left = 0
    while left + _GLYPH_COLUMNS < width:
        if not rng.chance(0.17):
            line[:, left : left + _GLYPH_COLUMNS] = letters[rng.integer(0, _GLYPHS - 1)]
        left += _GLYPH_COLUMNS + 1
    return line


def _alphabet(rng: Rng) -> Tensor:
    """Letters (N, rows, columns): each two to four straight strokes."""
    letters = torch.zeros(_GLYPHS, _GLYPH_ROWS, _GLYPH_COLUMNS)
    for letter in letters:
        for _ in range(rng.integer(2, 4)):
            if rng.chance(0.5):
                letter[rng.integer(0, 3) :, rng.integer(0, _GLYPH_COLUMNS - 1)] = 1.0
            else:
                letter[rng.integer(0, _GLYPH_ROWS - 1), rng.integer(0, 2) :] = 1.0
    return letters


def _fabric(rng: Rng, size: int) -> Tensor:
    """Plain weave: round threads that pass over and under each other, each a little different."""
    y, x = torch.meshgrid(torch.arange(float(size)), torch.arange(float(size)), indexing="ij")
    wobble = 0.6 * power_law(rng, size, 2.0)
    period = rng.uniform(5.0, 11.0)
    p, q = (x + wobble) / period, (y - wobble) / period
    column, row = p.floor(), q.floor()
    over = (column + row).remainder(2) == 0
    round_x, round_y = torch.sin(math.pi * (p - column)), torch.sin(math.pi * (q - row))
    shade = torch.where(over, round_x * (0.6 + 0.4 * round_y), round_y * (0.6 + 0.4 * round_x))
    tint = rng.rand(2, size)
    thread = torch.where(over, tint[0][column.long().clamp(0, size - 1)], tint[1][row.long().clamp(0, size - 1)])
    grain = 0.05 * rng.randn(size, size)
    return _turned(rng.uniform(0.1, 0.35) + 0.45 * shade * (0.8 + 0.4 * thread) + grain, rng.uniform(-30, 30))


def _gravel(rng: Rng, size: int) -> Tensor:
    """Stones: cells of scattered points, each of its own grey, lit from one side, dark where they meet."""
    cell = rng.uniform(10.0, 22.0)
    count = math.ceil(size / cell) + 4
    jitter, tint = rng.rand(2, count, count), 0.25 + 0.5 * rng.rand(count, count)
    y, x = torch.meshgrid(torch.arange(float(size)), torch.arange(float(size)), indexing="ij")
    column, row = (x / cell).floor().long() + 2, (y / cell).floor().long() + 2
    first, second = torch.full_like(x, 1e9), torch.full_like(x, 1e9)
    grey, slope = torch.zeros_like(x), torch.zeros_like(x)
    for down in (-2, -1, 0, 1, 2):
        for right in (-2, -1, 0, 1, 2):
            i, j = (row + down).clamp(0, count - 1), (column + right).clamp(0, count - 1)
            dx, dy = x - (j - 2 + jitter[0, i, j]) * cell, y - (i - 2 + jitter[1, i, j]) * cell
            distance = torch.hypot(dx, dy)
            nearer = distance < first
            second = torch.where(nearer, first, torch.minimum(second, distance))
            first = torch.where(nearer, distance, first)
            grey, slope = torch.where(nearer, tint[i, j], grey), torch.where(nearer, dx + dy, slope)
    joint = ((second - first) / (0.25 * cell)).clamp(0.0, 1.0)
    return joint * (grey - 0.12 * slope / cell) + 0.04 * power_law(rng, size, 0.6)


def _turned(image: Tensor, angle_deg: float) -> Tensor:
    """Turn an image about its middle; its corners are mirrored in."""
    c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    grid = F.affine_grid(torch.tensor([[[c, -s, 0.0], [s, c, 0.0]]]), [1, 1, *image.shape], align_corners=False)
    return F.grid_sample(image[None, None], grid, padding_mode="reflection", align_corners=False)[0, 0]


def _painted(rng: Rng, size: int) -> Tensor:
    """A wall that is speckled as the specimen is."""
    return 0.2 + 0.5 * speckle(rng, size, 1, (3.0, 5.0))


_NEW = {"newspaper": _newspaper, "fabric": _fabric, "gravel": _gravel, "speckle": _painted}
