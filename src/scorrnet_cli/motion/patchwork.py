"""Refinement and assessment of fields of any size, tile by tile."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from scorrnet_cli.numerics.filters import fitted_plane
from scorrnet_cli.numerics.tiles import Tile, fill
from scorrnet_cli.refine import ASSESSMENT_HALO_PX, Refined, assess
from scorrnet_cli.refinement.matching import Spline, Surface

Stage: TypeAlias = Callable[[Surface, Spline, Tensor], Refined]
"""Takes a part of the reference, the whole deformed image and the field of the part."""


def by_tiles(
    stage: Stage, reference: Surface, deformed: Spline, field: Tensor, halo: int, motion: Tensor | None = None
) -> Refined:
    """Let a stage work on parts of an image.

    All parts are told the plane that displaces the whole, which they could not know. What else a stage takes from all
    it sees, the spread of the residuals that it trusts, it takes from the part: where they differ, it is the better.

    Parameters
    ----------
    stage : callable
    reference : Surface
        The whole.
    deformed : Spline
        The whole.
    field : (2, H, W) float32
        Displacement to work on, px.
    halo : int
        What the stage must see around a part, px.
    motion : (3, 2) float32, optional
        The plane that displaces the whole, if it is known better than from the field.

    Returns
    -------
    Refined
        Where there is no surface near: the field as it was, not valid, zncc and sigma NaN.
    """
    shape = reference.mask.shape
    nothing = torch.zeros_like(reference.mask)
    found = Refined(
        field.clone(),
        nothing,
        field.new_full(shape, math.nan),
        field.new_full(field.shape, math.nan),
        torch.zeros_like(nothing),
    )
    _fill(stage, reference, deformed, field, halo, found._asdict(), motion)
    return found


def assessed(reference: Surface, deformed: Spline, field: Tensor) -> tuple[Tensor, Tensor]:
    """Say where a field (2, H, W), px, matches the images: `zncc` and `valid` (H, W) of `assess`.

    Parameters are those of `by_tiles`.
    """
    zncc, valid = field.new_zeros(reference.mask.shape), torch.zeros_like(reference.mask)
    _fill(assess, reference, deformed, field, ASSESSMENT_HALO_PX, {"zncc": zncc, "valid": valid})
    return zncc, valid


@torch.no_grad()
def _fill(
    stage: Stage,
    reference: Surface,
    deformed: Spline,
    field: Tensor,
    halo: int,
    outputs: dict[str, Tensor],
    motion: Tensor | None = None,
) -> None:
    plane = fitted_plane(field, reference.mask.float()) if motion is None else motion

    def work(tile: Tile) -> list[Tensor]:
        part = stage(reference.part(tile.outer, plane), deformed, tile.outer.of(field))
        return [tile.keep(getattr(part, name)) for name in outputs]

    fill(list(outputs.values()), reference.mask, halo, work)
