"""Fields continued from where they are known."""

from __future__ import annotations

import torch
from torch import Tensor

from scorrnet_cli.numerics.filters import binned, plane_through, wide_mean
from scorrnet_cli.numerics.local_fit import Window, fitted, spread_out

FAR_PX = 24.0  # reach of what single points add to the motion of the whole
NEAR_PX = 10.0  # standard deviation of the window in which planes are fitted
CELL_PX = 4
_LITTLE = 1e-3  # weight of the motion of the whole, which is what is left far from known points


def extrapolate(field: Tensor, known: Tensor) -> Tensor:
    """Continue a field from where it is known: the affine motion of the whole, and near known points what they add.

    Parameters
    ----------
    field : (2, H, W) float32
        Displacement, px.
    known : (H, W) bool
        Where it is right.

    Returns
    -------
    (2, H, W) float32
    """
    plane, rest, weight = _plane_and_rest(field, known)
    continued: Tensor = plane + wide_mean(rest, weight + _LITTLE, FAR_PX)
    return continued


def extrapolate_slopes(field: Tensor, known: Tensor) -> Tensor:
    """Continue a field across a gap of some 10 px as it changes beside it, by planes fitted to what is known there.

    Parameters and result are those of `extrapolate`. That takes no slopes along; farther off it is the less wrong.
    """
    plane, rest, weight = _plane_and_rest(field, known)
    cells = binned(torch.cat([rest, weight[None]]), CELL_PX).double()
    cover = cells[-1]
    weight_of_cells = cover**2 + _LITTLE  # what is known of a cell in part lies beside its middle
    means = cells[:-1] * cover / weight_of_cells
    height, width = known.shape
    continued = spread_out(fitted(means, weight_of_cells, _window(field.device)), CELL_PX, (height, width))
    return plane + continued.nan_to_num().to(plane.dtype)


def _plane_and_rest(field: Tensor, known: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Affine motion of the whole, what the known points add to it, 0 elsewhere, and their weight."""
    weight = known.float()
    plane = plane_through(field, weight)
    return plane, torch.where(known, field - plane, torch.zeros_like(field)), weight


def _window(device: torch.device) -> Window:
    radius = round(3 * NEAR_PX / CELL_PX)
    offsets_px = CELL_PX * torch.arange(-radius, radius + 1, dtype=torch.float64, device=device)
    return Window(torch.exp(-0.5 * (offsets_px / NEAR_PX) ** 2), 1)
