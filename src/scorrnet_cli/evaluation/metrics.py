"""Measures of a displacement field against its truth, shared by all evaluations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

RIM_PX = 15  # points closer to the border of an image do not count
STRAIN_WINDOW_PX = 25


@dataclass(frozen=True)
class Accuracy:
    """How far a measured field is from the truth.

    Attributes
    ----------
    mae_u, mae_v : float
        Mean absolute error over the valid points, px; NaN if there is none.
    rmse_u, rmse_v : float
        Root mean square error over the valid points, px.
    valid_share : float
        Valid points over all that count.
    mae_filled_u, mae_filled_v : float
        Mean absolute error over all that count, px, where a point that is not valid takes the value of the nearest
        that is: what a method leaves out cannot make it better.
    """

    mae_u: float
    mae_v: float
    rmse_u: float
    rmse_v: float
    valid_share: float
    mae_filled_u: float
    mae_filled_v: float


def accuracy(displacement: Tensor, valid: Tensor, truth: Tensor, counted: Tensor) -> Accuracy:
    """Compare a field with the truth.

    Parameters
    ----------
    displacement, truth : (2, H, W) float
        u, v, px.
    valid : (H, W) bool
        Where the field can be used.
    counted : (H, W) bool
        Where it is judged, see `counted_points`; if nowhere, all figures are NaN.

    Returns
    -------
    Accuracy
    """
    use = valid & torch.isfinite(displacement).all(0)
    error = displacement.double() - truth
    seen = error[:, use & counted]
    mae, rmse = seen.abs().mean(1), seen.square().mean(1).sqrt()
    filled = filled_by_nearest(error + truth, use) - truth if bool(use.any()) else torch.full_like(truth, math.nan)
    mae_filled = filled[:, counted].abs().mean(1)
    return Accuracy(
        mae_u=float(mae[0]),
        mae_v=float(mae[1]),
        rmse_u=float(rmse[0]),
        rmse_v=float(rmse[1]),
        valid_share=float(use[counted].double().mean()),
        mae_filled_u=float(mae_filled[0]),
        mae_filled_v=float(mae_filled[1]),
    )


def counted_points(mask: Tensor, truth: Tensor) -> Tensor:
    """Points (H, W) bool that count: of the mask, 15 px or more from the border of both images."""
    height, width = mask.shape
    x = torch.arange(width, device=mask.device)
    y = torch.arange(height, device=mask.device)[:, None]
    counted = mask & torch.isfinite(truth).all(0)
    for at_x, at_y in ((x, y), (x + truth[0], y + truth[1])):
        counted = counted & (at_x >= RIM_PX) & (at_x <= width - 1 - RIM_PX)
        counted = counted & (at_y >= RIM_PX) & (at_y <= height - 1 - RIM_PX)
    return counted


def filled_by_nearest(values: Tensor, known: Tensor) -> Tensor:
    """Give every point the values of the nearest known one (jump flooding; Rong, Tan, 2006).

    Parameters
    ----------
    values : (C, H, W) float
    known : (H, W) bool
        At least one point.

    Returns
    -------
    (C, H, W) float
    """
    height, width = known.shape
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    far = 4 * (height + width)
    nearest = torch.stack([torch.where(known, y, -far), torch.where(known, x, -far)])  # (2, H, W), row and column
    jump = 1 << max(height, width).bit_length()
    jumps = [jump >> shift for shift in range(1, jump.bit_length())]
    for step in [*jumps, 2, 1]:
        padded = F.pad(nearest, (step,) * 4, value=-far)
        best = (nearest[0] - y) ** 2 + (nearest[1] - x) ** 2
        for dy in (0, step, 2 * step):
            for dx in (0, step, 2 * step):
                other = padded[:, dy : dy + height, dx : dx + width]
                distance = (other[0] - y) ** 2 + (other[1] - x) ** 2
                nearest = torch.where(distance < best, other, nearest)
                best = torch.minimum(best, distance)
    return values[:, nearest[0], nearest[1]]


def strain_window(step_px: int) -> int:
    """Side of the window over which strain is taken to compare methods, in points `step_px` apart; odd."""
    return round(STRAIN_WINDOW_PX / step_px) // 2 * 2 + 1


def plane_slopes(values: Tensor, window: int, step_px: int = 1) -> tuple[Tensor, Tensor]:
    """Slopes along x and y of the plane that fits the points of a square window best.

    Parameters
    ----------
    values : (H, W) float
        Equidistant points; NaN where unknown.
    window : int
        Points along each side of the window; odd.
    step_px : int
        Distance of points, px.

    Returns
    -------
    (H - window + 1, W - window + 1) float64, twice
        Per px; NaN where the window holds an unknown point.
    """
    reach = window // 2
    ramp = torch.arange(-reach, reach + 1, dtype=torch.float64)
    ramp = ramp / (ramp.square().sum() * window * step_px)
    flat = torch.ones_like(ramp)
    known = torch.isfinite(values).double()
    whole = _windows(known, flat, flat) > window * window - 0.5
    filled = values.double().nan_to_num()
    slopes = (_windows(filled, ramp, flat), _windows(filled, flat, ramp))
    unknown = torch.full_like(slopes[0], math.nan)
    return torch.where(whole, slopes[0], unknown), torch.where(whole, slopes[1], unknown)


def _windows(values: Tensor, along_x: Tensor, along_y: Tensor) -> Tensor:
    """Weighted sums over all whole windows of (H, W)."""
    summed = F.conv2d(values[None, None], along_x.view(1, 1, 1, -1))
    return F.conv2d(summed, along_y.view(1, 1, -1, 1))[0, 0]


def spread(values: Tensor) -> float:
    """Standard deviation of the finite values; NaN if there are fewer than two."""
    known = values[torch.isfinite(values)]
    return float(known.double().std()) if known.numel() > 1 else math.nan


def averaged(parts: Sequence[float]) -> float:
    """Mean of those numbers that are not NaN; NaN if there is none."""
    known = [part for part in parts if not math.isnan(part)]
    return sum(known) / len(known) if known else math.nan
