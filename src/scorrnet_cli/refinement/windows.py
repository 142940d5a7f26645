"""Fields refined with several windows -> one field, averaged widely where it is smooth and narrowly where it is not.

Two images compared at a field u0 say of every pixel: J (u - u0) = d, with J the gradient and d the residual. What a
window makes of it is linear in u, so fields for many windows cost a few filters each and no further comparison:

    u <- u + (G * w J J^T)^-1 (G * (w J d + w J J^T (u0 - u)))

Each repetition recovers detail and noise (see `refine`). A network weighs the fields against each other.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from scorrnet_cli.models.fusion import Fusion
from scorrnet_cli.numerics.filters import doubled, gaussian, halved, wide_mean
from scorrnet_cli.refinement.least_squares import normal_matrix, solve
from scorrnet_cli.refinement.matching import Comparison

Windows: TypeAlias = tuple[tuple[float, int], ...]
"""Standard deviations of Gaussian windows, px, and repetitions with each."""

NARROW = ((2.0, 3), (3.5, 4))  # at full size
MIDDLE = (5.0, 4)  # the field that the others are compared with
WIDE = ((7.0, 3), (10.0, 3), (14.0, 3), (20.0, 3), (28.0, 2))  # at half size
NARROW_CORRECTIONS = ((1.5, 1), (2.5, 1), (4.5, 1))
WIDE_CORRECTIONS = ((8.0, 1), (16.0, 1))
WIDE_AGAIN = ((7.0, 3), (14.0, 3), (28.0, 2))  # whole fields, at half size
SMOOTH_PX = 12.0  # fields are kept as differences from one so smooth
DETAIL_PX, SURROUNDINGS_PX = 2.0, 16.0  # windows over which the residuals are summed up
FIT_PX = 3.0  # window over which it is summed up how well a field explains the images
NOTHING = 1e-9  # keeps logarithms finite where there is no surface; the same for all tiles
LEAST_MISFIT = 1e-7  # of the surface's variance
KNOWN_SIGMA_PX = (2e-4, 0.5)  # the range that the networks were trained with
STD_OVER_ERROR = 1.2533  # standard deviation over mean absolute error of a normal distribution


class Evidence(NamedTuple):
    """What the network sees and what it weighs.

    Attributes
    ----------
    features : (F, h, w) float32
        At half size. In this order: K differences of u, K of v, for each in its own uncertainty; 2 logarithms of that;
        9 of the surroundings; K of how well each field fits; and for corrections 2 more, the logarithms of the
        uncertainty so far. `FusionConfig.features` counts them, and a network held otherwise relies on the first 2 K
        (`Weigher.asked`).
    middle : (2, H, W) float32
        The field refined with the window in the middle, px.
    differences : (2, K, H, W) float32
        What the other fields add to it, px.
    spread : (2, h, w) float32
        Of the fields and of the noise, px, at half size.
    sigma : (2, H, W) float32
        Standard uncertainty of the window in the middle, px.
    """

    features: Tensor
    middle: Tensor
    differences: Tensor
    spread: Tensor
    sigma: Tensor


def evidence(field: Tensor, slope: Tensor, state: Comparison, sigma: Tensor, noise: Tensor) -> Evidence:
    """Solve with all windows.

    Parameters
    ----------
    field : (2, H, W) float32
        Where the images were compared, px; within a tenth of a pixel or so of the truth.
    slope : (2, H, W) float32
        Gradient of the deformed image there.
    state : Comparison
    sigma : (2, H, W) float32
        Standard uncertainty of the window in the middle, px.
    noise : () float32
        Variance of the residual where the field is right.
    """
    weight = state.weight
    smooth = _smooth(field, state)
    matrix = normal_matrix(slope, weight)
    misfit = slope * (state.residual * weight)
    pull = misfit + _times(matrix, field - smooth)
    middle = _repeated(matrix, pull, *MIDDLE)
    fields, half, half_matrix = _solved(matrix, pull, NARROW, WIDE)
    half_middle = halved(middle)[:, None]
    features, spread = _features(half - half_middle, sigma, half_matrix, state, noise)
    steps = torch.cat([half_middle, half], 1) - halved(field - smooth)[:, None]
    features = torch.cat([features, _fits(steps, halved(misfit), half_matrix, state)])
    return Evidence(features, smooth + middle, fields - middle[:, None], spread, sigma)


def corrections(
    field: Tensor, slope: Tensor, state: Comparison, sigma: Tensor, stated: Tensor, noise: Tensor
) -> Evidence:
    """Find with several windows what is left to correct, and with wide ones what a smoother field would be.

    Parameters are those of `evidence`; `stated` is the standard uncertainty (2, H, W) of the field, px.
    """
    rest = field - _smooth(field, state)
    matrix = normal_matrix(slope, state.weight)
    pull = slope * (state.residual * state.weight)
    steps, half_steps, half_matrix = _solved(matrix, pull, NARROW_CORRECTIONS, WIDE_CORRECTIONS)
    half_misfit, half_pull = halved(pull), halved(pull + _times(matrix, rest))
    smoother = torch.stack([_repeated(half_matrix, half_pull, window / 2, count) for window, count in WIDE_AGAIN], 1)
    half = torch.cat([half_steps, smoother - halved(rest)[:, None]], 1)
    height, width = rest.shape[-2:]
    wide = torch.stack([doubled(one, (height, width)) for one in smoother.unbind(1)], 1) - rest[:, None]
    features, spread = _features(half, sigma, half_matrix, state, noise)
    expected = halved(stated.clamp(*KNOWN_SIGMA_PX))
    none = torch.zeros_like(half[:, :1])
    fits = _fits(torch.cat([none, half], 1), half_misfit, half_matrix, state)
    features = torch.cat([features, fits, 0.5 * expected.log() + 2])
    return Evidence(features, field, torch.cat([steps, wide], 1), spread, sigma)


def weigh(found: Evidence, said: Fusion) -> tuple[Tensor, Tensor]:
    """Put the fields together.

    Parameters
    ----------
    found : Evidence
    said : Fusion
        What the network says of one image, N = 1.

    Returns
    -------
    field : (2, H, W) float32
        px.
    sigma : (2, H, W) float32
        Standard uncertainty, px.
    """
    height, width = found.middle.shape[-2:]
    size = (height + height % 2, width + width % 2)
    share = F.interpolate(said.share[0], size, mode="bilinear", align_corners=False)[..., :height, :width]
    correction = doubled(said.correction[0] * found.spread, (height, width))
    field = found.middle + (share * found.differences).sum(1) + correction
    sigma = STD_OVER_ERROR * (said.log_error[0].exp() * found.spread)
    up = F.interpolate(sigma[None], size, mode="bilinear", align_corners=False)[0, :, :height, :width]
    return field, up


def _solved(matrix: Tensor, pull: Tensor, narrow: Windows, wide: Windows) -> tuple[Tensor, Tensor, Tensor]:
    """Solve with K windows, the wide ones at half size.

    Parameters
    ----------
    matrix : (3, H, W) float32
        Entries xx, xy, yy of w J J^T at every pixel.
    pull : (2, H, W) float32
        w J times what is to be explained.
    narrow, wide : Windows

    Returns
    -------
    (2, K, H, W) float32
        The fields, px.
    (2, K, h, w) float32
        The same at half size.
    (3, h, w) float32
        The matrix at half size.
    """
    height, width = pull.shape[-2:]
    half_matrix, half_pull = halved(matrix), halved(pull)
    fine = [_repeated(matrix, pull, window, count) for window, count in narrow]
    coarse = [_repeated(half_matrix, half_pull, window / 2, count) for window, count in wide]
    full = torch.stack([*fine, *(doubled(field, (height, width)) for field in coarse)], 1)
    half = torch.stack([*(halved(field) for field in fine), *coarse], 1)
    return full, half, half_matrix


def _features(
    half: Tensor, sigma: Tensor, half_matrix: Tensor, state: Comparison, noise: Tensor
) -> tuple[Tensor, Tensor]:
    """What the network sees of differences (2, K, h, w), px, and the spread (2, h, w), px, that it speaks in."""
    own = halved(sigma.clamp(*KNOWN_SIGMA_PX))
    spread = (own**2 + (half**2).mean(1)).sqrt()
    relative = torch.asinh(half / own[:, None]).flatten(0, 1)
    return torch.cat([relative, 0.5 * own.log() + 2, _surroundings(half_matrix, state, noise)]), spread


def _fits(steps: Tensor, half_misfit: Tensor, half_matrix: Tensor, state: Comparison) -> Tensor:
    """How much of what is left between the images each field explains, compared with the first.

    Parameters
    ----------
    steps : (2, 1 + K, h, w) float32
        From the field at which the images were compared to each field, px, at half size.
    half_misfit : (2, h, w) float32
        w J d at half size.
    half_matrix : (3, h, w) float32
        w J J^T at half size.
    state : Comparison

    Returns
    -------
    (K, h, w) float32
        Of the sum of the squares w (d - J step)^2 near each point, how it compares: below 0 where the field is better.
    """
    (x, y), (xx, xy, yy) = steps, half_matrix
    square = halved(state.residual[None] ** 2 * state.weight)
    left = square - 2 * (x * half_misfit[0] + y * half_misfit[1]) + x * x * xx + 2 * x * y * xy + y * y * yy
    near = gaussian(left.clamp_min(0), FIT_PX / 2) + LEAST_MISFIT
    return torch.asinh(5 * (near[1:] / near[:1]).log())


def _smooth(field: Tensor, state: Comparison) -> Tensor:
    """Field (2, H, W) without detail, exact where it is affine."""
    plane = state.plane_through(field)
    return plane + wide_mean(field - plane, state.weight + 1e-6, SMOOTH_PX)


def _times(matrix: Tensor, field: Tensor) -> Tensor:
    """Symmetric 2x2 matrices (3, H, W) times vectors (2, H, W)."""
    xx, xy, yy = matrix
    return torch.stack([xx * field[0] + xy * field[1], xy * field[0] + yy * field[1]])


def _repeated(matrix: Tensor, pull: Tensor, window: float, count: int) -> Tensor:
    """Field (2, H, W) that a window finds in `count` repetitions, from zero on; `window` in samples."""
    within = gaussian(matrix, window)
    field = solve(within, gaussian(pull, window))
    for _ in range(count - 1):
        field = field + solve(within, gaussian(pull - _times(matrix, field), window))
    return field


def _surroundings(half_matrix: Tensor, state: Comparison, noise: Tensor) -> Tensor:
    """Features (9, h, w): how much pattern, surface and misfit is near, and how that compares to farther off.

    The last three tell how much misfit there is, over three windows, for the noise that the images have.
    """
    weight = halved(state.weight[None])[0]
    misfit = halved(state.residual[None] ** 2 * state.weight)[0]
    energy = half_matrix[0] + half_matrix[2]
    stacked = torch.stack([weight, misfit, energy])
    near, far = gaussian(stacked, DETAIL_PX / 2), gaussian(stacked, SURROUNDINGS_PX / 2)
    middle = gaussian(stacked[:2], MIDDLE[0] / 2)
    return torch.stack(
        [
            near[0],
            middle[0],
            far[0],
            _compared(near[1], far[1]),
            _compared(near[2], far[2]),
            0.5 * _compared(far[1], far[2]) + 1,
            *(_compared(around[1], around[0] * noise) for around in (near, middle, far)),
        ]
    )


def _compared(one: Tensor, other: Tensor) -> Tensor:
    return 0.5 * ((one + NOTHING) / (other + NOTHING)).log()
