"""Dense Gauss-Newton refinement of a displacement field, with its correlation and its uncertainty.

Every pixel solves the least-squares problem of subset correlation with a Gaussian window, but the sums over
windows are filters of whole images (Lucas, Kanade, 1981; the dense form of the inverse-compositional scheme). With
f the reference, g the deformed image, J the gradient of g taken at the displaced points,

    d = f - (gain g(X + u) + offset),   A = G * (w J J^T),   b = G * (w J d),   u <- u + A^-1 b

where G is a Gaussian and w is 0 outside the mask and wherever X + u leaves the deformed image. Each pass multiplies
what is left of an error at spatial frequency k by 1 - G(k): passes buy resolution and pay noise. The field that they
start from is smoothed by G first, so that n passes find 1 - (1 - G)^(n + 1) of a wave.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import NamedTuple

import torch
from torch import Tensor

from scorrnet_cli.device import network_precision
from scorrnet_cli.gauge import averagings
from scorrnet_cli.models.fusion import ACROSS, DOWN, PLAIN, Fuser, Fusion, View, Weigher, asked
from scorrnet_cli.numerics.filters import gaussian, masked_gaussian, repeated, wide_mean
from scorrnet_cli.refinement.least_squares import LARGEST_STEP_PX, correction, lines, moved_slope, uncertainty
from scorrnet_cli.refinement.matching import Comparison, Spline, Surface, compare, deformed_spline, judge
from scorrnet_cli.refinement.windows import MIDDLE, Evidence, corrections, evidence, weigh

PHOTOMETRY_PASSES = 2  # gain and offset are matched anew in the first passes, then kept
LARGEST_LAST_STEP_PX = 0.1
LARGEST_SIGMA_PX = 0.5
FIRST_VIEWS = (ACROSS, DOWN)
VIEWS = ((ACROSS,), (ACROSS,), (PLAIN,))  # each time that the images are compared anew, and what is left is corrected
LOOKS = len(VIEWS)
APPROACH_PX = (5.0, 4.0, 3.0)  # windows of the passes before the fields for all windows are found
HALO_PX = 128  # of a tile: what lies farther off changes a result by less than 0.001 px
HALO_WINDOWS = 4.5  # the same for one window, in its standard deviations
ASSESSMENT_HALO_PX = 64  # the same of `assess`
ASSESSMENT_WINDOW_PX = 4.0  # in which a field is judged that is not refined


@dataclass(frozen=True)
class Refinement:
    """How to refine.

    Attributes
    ----------
    window_px : float
        Standard deviation of the Gaussian window, px.
    passes : int
        Number of Gauss-Newton passes.
    """

    window_px: float
    passes: int


class Refined(NamedTuple):
    """A field and how good it is; all (H, W), displacement and sigma (2, H, W).

    Attributes
    ----------
    displacement : float32
        u, v, px.
    valid : bool
        True where the result can be used.
    zncc : float32
        Zero-mean normalised cross-correlation, -1..1.
    sigma : (2, H, W) float32
        Standard uncertainty of u and v, px.
    fallback : bool
        True where the result of one window stands in for what the network would have said of features beyond those
        that it was trained with.
    """

    displacement: Tensor
    valid: Tensor
    zncc: Tensor
    sigma: Tensor
    fallback: Tensor


def halo_px(window_px: float | None) -> int:
    """What a tile must see of its surroundings for a refinement with one window, or with several (None), px."""
    return HALO_PX if window_px is None else max(HALO_PX, math.ceil(HALO_WINDOWS * window_px))


def refine(reference: Surface, deformed: Tensor | Spline, start: Tensor, how: Refinement) -> Refined:
    """Take a field to sub-pixel accuracy.

    Parameters
    ----------
    reference : Surface
        From `surface`.
    deformed : (H, W) float32 or Spline
        Grey levels, or their spline if that is known; of the whole image.
    start : (2, H, W) float32
        Field to start from, px; within about half a speckle of the truth.
    how : Refinement

    Returns
    -------
    Refined
    """
    cover = reference.mask.float()
    coefficients = deformed_spline(reference, deformed)
    field = _smooth_start(start, cover, compare(reference, coefficients, start, None, how.window_px), how.window_px)
    light: tuple[Tensor, Tensor] | None = None
    last = torch.zeros_like(start)
    for passes in range(1, how.passes + 1):
        state = compare(reference, coefficients, field, light if passes > PHOTOMETRY_PASSES else None, how.window_px)
        light = state.light
        last = correction(moved_slope(reference, field, how.window_px), state, how.window_px)
        field = field + last
    state = compare(reference, coefficients, field, None, how.window_px)
    slope = moved_slope(reference, field, how.window_px)
    sigma = uncertainty(slope, state, how.window_px, averagings(how.passes))
    zncc, matched = judge(reference, field, state, how.window_px)
    settled = last.abs().amax(0) < (LARGEST_LAST_STEP_PX if how.passes > 1 else LARGEST_STEP_PX)
    valid = matched & settled & (sigma.amax(0) < LARGEST_SIGMA_PX)
    return Refined(field, valid, zncc, sigma, torch.zeros_like(valid))


def refine_adaptively(
    reference: Surface, deformed: Tensor | Spline, start: Tensor, network: Fuser, noise: Tensor
) -> Refined:
    """Take a field to sub-pixel accuracy with windows as wide as the field is smooth.

    Parameters
    ----------
    reference : Surface
        From `surface`.
    deformed : (H, W) float32 or Spline
        Grey levels, or their spline if that is known; of the whole image.
    start : (2, H, W) float32
        Field to start from, px; within about half a speckle of the truth.
    network : FusionNet or FusionNets
        Weighs what several windows find, see `windows`.
    noise : () float32
        Variance of the residual where the field is right, from `overview`, of the whole image.

    Returns
    -------
    Refined
        `zncc`, and with it what is valid, is taken before the last correction, which is below the uncertainty.
    """
    coefficients = deformed_spline(reference, deformed)
    found = approach(reference, coefficients, start, noise)
    field, sigma = weigh(found, _asked(network.firsts, found, FIRST_VIEWS))
    known = _known(network.firsts, found)
    for weigher, views in zip(cycle(network.seconds), VIEWS, strict=False):
        left, state = look_again(reference, coefficients, field, sigma, noise)
        field, sigma = weigh(left, _asked([weigher], left, views))
        known = known & _known([weigher], left)
    fallback = ~repeated(known[0], 2, reference.mask.shape)
    field, sigma = torch.where(fallback, found.middle, field), torch.where(fallback, found.sigma, sigma)
    zncc, matched = judge(reference, field, state, MIDDLE[0])
    # What one window cannot tell from noise several may, as in faded speckle; but not the motion along lines.
    seen = found.sigma.isfinite().all(0) | ~lines(reference.slope, state, MIDDLE[0])
    return Refined(field, matched & seen & (sigma.amax(0) < LARGEST_SIGMA_PX), zncc, sigma, fallback)


def approach(reference: Surface, coefficients: Tensor, start: Tensor, noise: Tensor) -> Evidence:
    """Come close with a few passes, and solve there with all windows.

    Parameters
    ----------
    reference : Surface
    coefficients : (H, W) float32
        Of the deformed image, from `deformed_spline`.
    start : (2, H, W) float32
        As for `refine`, px.
    noise : () float32
        As for `refine_adaptively`.
    """
    field, state = come_close(reference, coefficients, start)
    slope = moved_slope(reference, field, MIDDLE[0])
    return evidence(field, slope, state, uncertainty(slope, state, *MIDDLE), noise)


def come_close(reference: Surface, coefficients: Tensor, start: Tensor) -> tuple[Tensor, Comparison]:
    """Take a field (2, H, W), px, to within a few hundredths of a pixel, and compare the images there.

    Parameters are those of `approach`.
    """
    window = MIDDLE[0]
    field = _smooth_start(start, reference.mask.float(), compare(reference, coefficients, start, None, window), window)
    for narrower in APPROACH_PX:
        state = compare(reference, coefficients, field, None, window)
        field = field + correction(moved_slope(reference, field, window), state, narrower)
    return field, compare(reference, coefficients, field, None, window)


def look_again(
    reference: Surface, coefficients: Tensor, field: Tensor, stated: Tensor, noise: Tensor
) -> tuple[Evidence, Comparison]:
    """Compare the images at a field, and find what is left to correct.

    Parameters
    ----------
    reference, coefficients, noise
        As for `approach`.
    field : (2, H, W) float32
        Displacement so far, px.
    stated : (2, H, W) float32
        Its standard uncertainty, px, as the networks state it.

    Returns
    -------
    Evidence
        Of `corrections`: its field in the middle is `field`.
    Comparison
        The images at `field`.
    """
    state = compare(reference, coefficients, field, None, MIDDLE[0])
    slope = moved_slope(reference, field, MIDDLE[0])
    return corrections(field, slope, state, uncertainty(slope, state, MIDDLE[0], 1), stated, noise), state


def _asked(weighers: Sequence[Weigher], found: Evidence, views: Sequence[View]) -> Fusion:
    with network_precision(found.features.device):
        return asked(weighers, found.features[None], views)


def _known(weighers: Sequence[Weigher], found: Evidence) -> Tensor:
    """True (1, h, w) where every one of them was trained with such features."""
    return torch.stack([weigher.knows(found.features[None]) for weigher in weighers]).all(0)


def assess(reference: Surface, deformed: Tensor | Spline, field: Tensor) -> Refined:
    """Say how well a field (2, H, W), px, matches the images, without changing it; sigma is NaN.

    The other parameters are those of `refine`.
    """
    coefficients = deformed_spline(reference, deformed)
    state = compare(reference, coefficients, field, None, ASSESSMENT_WINDOW_PX)
    zncc, matched = judge(reference, field, state, ASSESSMENT_WINDOW_PX)
    return Refined(field, matched, zncc, torch.full_like(field, math.nan), torch.zeros_like(matched))


def _smooth_start(start: Tensor, cover: Tensor, state: Comparison, window_px: float) -> Tensor:
    """Smooth a field by the window, so that the passes find it again; points that do not match follow those that do."""
    plane = state.plane_through(start)
    near = masked_gaussian(start - plane, state.weight, window_px)
    far = wide_mean(start - plane, state.weight + 1e-4 * cover, 4 * window_px)
    share = gaussian(state.weight[None], window_px)
    return plane + torch.where(share > 0.05, near, far)
