"""The bias curve: rigid shifts by fractions of a pixel, which every interpolation takes differently."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from scorrnet_cli.evaluation.methods import Measured, Method
from scorrnet_cli.evaluation.metrics import averaged, counted_points, spread
from scorrnet_cli.evaluation.rendering import NOISE_FLOOR, NOISE_SLOPE, Displacement, Pair, Scene, photographed
from scorrnet_cli.evaluation.speckle import scatter_disks
from scorrnet_cli.numerics.filters import gradient

SHIFTS_PX = tuple(step / 20 for step in range(21))
SIZE_PX = 384
SEED = 700
_BLOCK_PX = 50  # wider than any window


@dataclass(frozen=True)
class Shift:
    """What a method makes of one rigid shift, the same along x and y.

    Attributes
    ----------
    shift_px : float
    bias_u, bias_v : float
        Mean error, px.
    std_u, std_v : float
        Standard deviation of the error, px.
    valid_share : float
    """

    shift_px: float
    bias_u: float
    bias_v: float
    std_u: float
    std_v: float
    valid_share: float


@dataclass(frozen=True)
class BiasCurve:
    """The bias curve of one method.

    Attributes
    ----------
    method : str
    noise : float
        0, or 1 for the Challenge's noise of about 2 grey levels.
    largest_bias_px : float
        Largest mean error, px, of u or v at any shift.
    std_px : float
        Root mean square of the standard deviations, px.
    window_px2 : float
        Area over which the method averages, as the correlation of its errors tells; NaN without noise.
    limit_px : float
        Standard deviation that no method which averages over this area can go below; NaN without noise.
    shifts : list of Shift
    """

    method: str
    noise: float
    largest_bias_px: float
    std_px: float
    window_px2: float
    limit_px: float
    shifts: list[Shift]


def bias_curves(
    methods: Mapping[str, Method],
    noises: Sequence[float] = (0.0, 1.0),
    shifts_px: Sequence[float] = SHIFTS_PX,
    size_px: int = SIZE_PX,
) -> Iterator[BiasCurve]:
    """Measure rigid shifts by several methods; speckle of 3 to 5 px, each image with a noise of its own.

    Parameters
    ----------
    methods : mapping of str to Method
    noises : sequence of float
        Noise of the images over that of the Challenge.
    shifts_px : sequence of float
        Of both u and v.
    size_px : int
        Height and width of the images.
    """
    clean = shifted_pairs(shifts_px, size_px)
    for noise in noises:
        pairs = [photographed(pair, SEED + 10 + 2 * index, noise) for index, pair in enumerate(clean)]
        for name, method in methods.items():
            found = [method(pair.reference, pair.deformed, pair.mask) for pair in pairs]
            yield _curve(name, noise, clean[0].reference, pairs, found)


def shifted_pairs(shifts_px: Sequence[float] = SHIFTS_PX, size_px: int = SIZE_PX) -> list[Pair]:
    """Render one speckle at rest and shifted, without noise."""
    shape = (size_px, size_px)
    scene = Scene(scatter_disks(shape, SEED))
    mask = torch.ones(shape, dtype=torch.bool)
    reference = scene.picture(shape).float()
    pairs = []
    for shift in shifts_px:
        deformed = scene.picture(shape, _rigid(shift)).float()
        pairs.append(Pair(reference, deformed, mask, torch.full((2, *shape), shift, dtype=torch.float64)))
    return pairs


def _rigid(shift_px: float) -> Displacement:
    return lambda x, y: (torch.full_like(x, shift_px), torch.full_like(y, shift_px))


def _curve(name: str, noise: float, clean: Tensor, pairs: Sequence[Pair], found: Sequence[Measured]) -> BiasCurve:
    shifts, windows = [], []
    for pair, measured in zip(pairs, found, strict=True):
        places, truth = measured.thinned(counted_points(pair.mask, pair.truth), pair.truth)
        displacement, valid = measured.thinned(measured.displacement, measured.valid)
        error = torch.where(places & valid, displacement - truth, math.nan)
        known = error[:, places & valid]
        bias, std = known.mean(1), known.std(1)
        shifts.append(
            Shift(
                shift_px=float(truth[0, 0, 0]),
                bias_u=float(bias[0]),
                bias_v=float(bias[1]),
                std_u=float(std[0]),
                std_v=float(std[1]),
                valid_share=known.shape[1] / float(places.sum()),
            )
        )
        windows += [_window_area(part, measured.step) for part in error]
    biases = [abs(part) for shift in shifts for part in (shift.bias_u, shift.bias_v)]
    variances = [part**2 for shift in shifts for part in (shift.std_u, shift.std_v)]
    window = averaged(windows) if noise else math.nan
    limit = _information_limit(clean, window, noise) if noise else math.nan
    return BiasCurve(name, noise, max(biases), math.sqrt(averaged(variances)), window, limit, shifts)


def _window_area(error: Tensor, step_px: int) -> float:
    """Area, px^2, of the window of a linear estimator whose error (H, W) this is, NaN where unknown.

    White noise filtered by a window h with sum 1 has the variance s^2 sum(h^2) at a point, and a mean over a block of
    B pixels has s^2 / B if the block is wide: the ratio of the two gives 1 / sum(h^2), the area of the window. What
    a block's border takes away falls with its width, so two widths are extrapolated.
    """
    error = (error - error.nanmean())[~error.isnan().all(1)][:, ~error.isnan().all(0)]
    sides = []
    for width_px in (_BLOCK_PX, 2 * _BLOCK_PX):
        block = width_px // step_px
        if min(error.shape) < 2 * block:
            return math.nan
        blocks = error.unfold(0, block, block).unfold(1, block, block).flatten(2).nanmean(2)
        lost = block**2 / error.numel()  # of the variance of a block, with the mean of all
        area = float(blocks.square().nanmean()) / (1 - lost) * (block * step_px) ** 2 / spread(error) ** 2
        sides.append(math.sqrt(area))
    return (2 * sides[1] - sides[0]) ** 2


def _information_limit(clean: Tensor, window_px2: float, noise: float) -> float:
    """Least standard deviation, px, of a shift found in a window: sqrt(2) s_n / (sqrt(N) g_rms).

    Both images have noise of standard deviation s_n; g_rms is the slope along one axis of the image without noise.
    """
    slopes = torch.cat(gradient(clean[None]))
    variance = noise**2 * float((NOISE_FLOOR + NOISE_SLOPE * clean).mean())
    return math.sqrt(2 * variance / (window_px2 * float(slopes.square().mean())))
