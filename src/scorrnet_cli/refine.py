"""Dense Gauss-Newton refinement of a displacement field, with its correlation and its uncertainty.

Every pixel solves the least-squares problem of subset correlation with a Gaussian window, but the sums over
windows are filters of whole images (Lucas, Kanade, 1981; the dense form of the inverse-compositional scheme). With
f the reference, g the deformed image, J the gradient of g taken at the displaced points,

    d = f - (gain g(X + u) + offset),   A = G * (w J J^T),   b = G * (w J d),   u <- u + A^-1 b

where G is a Gaussian and w is 0 outside the mask and wherever X + u leaves the deformed image. Each pass multiplies
what is left of an error at spatial frequency k by 1 - G(k): passes buy resolution and pay noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from scorrnet_cli import spline
from scorrnet_cli.filters import gaussian, gradient, masked_gaussian, plane_through, wide_mean

PHOTOMETRY_WINDOWS = 3.0  # width of the window for gain and offset, in windows of the displacement
PHOTOMETRY_PASSES = 2  # gain and offset are matched anew in the first passes, then kept
OUTLIER_SPREADS = 6.0  # residuals beyond so many standard deviations count little
CONVERGED_PX = 2e-4  # stop when the median correction falls below
LARGEST_STEP_PX = 1.0
SMALLEST_ZNCC = 0.5
SMALLEST_SUPPORT = 0.3  # share of the window that must match: less is extrapolation
SMALLEST_SPREAD = 0.05  # of the residuals, in standard deviations of the surface: below, none is an outlier
LARGEST_STRETCH = 2.0
NEIGHBOURHOOD_PX = 10.0
SMALLEST_AGREEMENT = 0.6  # share of the neighbourhood that must match too: the rest are chance matches
GRADIENT_NOISE = 130 / 144  # sum of the squares of the coefficients of the 5-point formula
LARGEST_SIGMA_PX = 0.5
LARGEST_LAST_STEP_PX = 0.1


@dataclass(frozen=True)
class Refinement:
    """How to refine.

    Attributes
    ----------
    window_px : float
        Standard deviation of the Gaussian window, px.
    passes : int
        Largest number of Gauss-Newton passes.
    """

    window_px: float
    passes: int


ASSESSMENT = Refinement(window_px=4.0, passes=1)  # the window in which a field is judged that is not refined


class Surface(NamedTuple):
    """What the refinement needs of the reference image, found once for a whole sequence."""

    grey: Tensor  # (H, W), mean 0 and standard deviation 1 on the surface
    scale: Tensor  # grey levels of one such unit
    slope: Tensor  # (2, H, W), gradient of `grey`, per px
    mask: Tensor  # (H, W) bool
    core: Tensor  # (H, W), 0 outside the mask and next to its edge, where the background shines in, else 1


def surface(reference: Tensor, mask: Tensor) -> Surface:
    """Prepare a reference image for `refine` and `assess`.

    Parameters
    ----------
    reference : (H, W) float32
        Grey levels.
    mask : (H, W) bool
        True where the surface is measured.
    """
    scale = reference[mask].std().clamp_min(1e-6)
    grey = (reference - reference[mask].mean()) / scale
    slope = torch.cat(gradient(grey[None]))
    core = 1 - F.max_pool2d((~mask).float()[None], 3, 1, 1)[0]
    return Surface(grey, scale, slope, mask, core)


class _State(NamedTuple):
    """The images compared at a field: the deformed image there, weight and residual of every pixel, and the light."""

    moved: Tensor  # (H, W)
    weight: Tensor  # (H, W)
    residual: Tensor  # (H, W)
    light: tuple[Tensor, Tensor]  # gain and offset, (H, W) each


class Refined(NamedTuple):
    """A field and how good it is; all (H, W), displacement (2, H, W).

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
    """

    displacement: Tensor
    valid: Tensor
    zncc: Tensor
    sigma: Tensor


def refine(reference: Surface, deformed: Tensor, start: Tensor, how: Refinement) -> Refined:
    """Take a field to sub-pixel accuracy.

    Parameters
    ----------
    reference : Surface
        From `surface`.
    deformed : (H, W) float32
        Grey levels.
    start : (2, H, W) float32
        Field to start from, px; within about half a speckle of the truth.
    how : Refinement

    Returns
    -------
    Refined
    """
    cover = reference.mask.float()
    coefficients = _coefficients(reference, deformed)
    field = _smooth_start(start, cover, _compare(reference, coefficients, start, None, how), how.window_px)
    light: tuple[Tensor, Tensor] | None = None
    last = torch.zeros_like(start)
    passes = 0
    for passes in range(1, how.passes + 1):
        state = _compare(reference, coefficients, field, light if passes > PHOTOMETRY_PASSES else None, how)
        light = state.light
        last = _step(_moved_slope(reference.slope, field, cover, how.window_px), state, how.window_px)
        field = field + last
        if float(last.abs().amax(0)[reference.mask].median()) < CONVERGED_PX:
            break
    state = _compare(reference, coefficients, field, None, how)
    sigma = _sigma(_moved_slope(reference.slope, field, cover, how.window_px), state, how.window_px, passes)
    zncc, matched = _judge(reference, field, state, how.window_px)
    settled = last.abs().amax(0) < (LARGEST_LAST_STEP_PX if how.passes > 1 else LARGEST_STEP_PX)
    return Refined(field, matched & settled & (sigma.amax(0) < LARGEST_SIGMA_PX), zncc, sigma)


def assess(reference: Surface, deformed: Tensor, field: Tensor) -> Refined:
    """Say how well a field matches the images, without changing it; sigma is NaN."""
    coefficients = _coefficients(reference, deformed)
    state = _compare(reference, coefficients, field, None, ASSESSMENT)
    zncc, matched = _judge(reference, field, state, ASSESSMENT.window_px)
    return Refined(field, matched, zncc, torch.full_like(field, math.nan))


def _judge(reference: Surface, field: Tensor, state: _State, window_px: float) -> tuple[Tensor, Tensor]:
    """Correlation (H, W), and True (H, W) where the images agree at the field, at the point and around it."""
    zncc = correlation(reference.grey, state.moved, reference.core * spline.inside(field, spline.RIM_PX))
    trusted, there = gaussian(torch.stack([state.weight, reference.core]), window_px)
    supported: Tensor = trusted >= SMALLEST_SUPPORT * there.clamp_min(1e-3)
    in_sight = reference.mask & spline.inside(field)
    agrees = in_sight & (zncc >= SMALLEST_ZNCC) & supported & _possible(field, reference.mask.float(), window_px)
    among = masked_gaussian(agrees.float()[None], in_sight.float(), NEIGHBOURHOOD_PX)[0]
    return zncc, agrees & (among >= SMALLEST_AGREEMENT)


def _possible(field: Tensor, cover: Tensor, window_px: float) -> Tensor:
    """True (H, W) where no line element is stretched beyond what a surface bears without being unrecognisable."""
    (ux, vx), (uy, vy) = gradient(masked_gaussian(field, cover, 0.5 * window_px))
    cxx, cxy, cyy = (1 + ux) ** 2 + vx**2, (1 + ux) * uy + vx * (1 + vy), uy**2 + (1 + vy) ** 2
    middle, radius = 0.5 * (cxx + cyy), torch.hypot(0.5 * (cxx - cyy), cxy)
    possible: Tensor = (middle - radius > LARGEST_STRETCH**-2) & (middle + radius < LARGEST_STRETCH**2)
    return possible


def _coefficients(reference: Surface, deformed: Tensor) -> Tensor:
    """Spline of the deformed image in the units of the reference, about its own mean."""
    return spline.spline_coefficients((deformed - deformed.mean()) / reference.scale)


def correlation(f: Tensor, moved: Tensor, weight: Tensor, window_px: float = 5.0) -> Tensor:
    """Zero-mean normalised cross-correlation in a Gaussian window.

    Parameters
    ----------
    f, moved : (H, W) float32
        Reference, and deformed image taken at the displaced points.
    weight : (H, W) float32
        0 where there is nothing to compare.
    window_px : float
        Standard deviation of the window, px.

    Returns
    -------
    (H, W) float32
        -1..1; 0 where one of the images has no contrast.
    """
    f = f - _mean(f, weight)
    moved = moved - _mean(moved, weight)
    moments = masked_gaussian(torch.stack([f, moved, f * f, moved * moved, f * moved]), weight, window_px)
    mf, mg, mff, mgg, mfg = moments
    spread = ((mff - mf**2).clamp_min(0) * (mgg - mg**2).clamp_min(0)).sqrt()
    zncc: Tensor = (mfg - mf * mg) / spread.clamp_min(1e-4)
    return zncc.clamp(-1.0, 1.0)


def _compare(
    reference: Surface, coefficients: Tensor, field: Tensor, light: tuple[Tensor, Tensor] | None, how: Refinement
) -> _State:
    """Take the deformed image at the displaced points and compare; `light` None matches it anew."""
    within = reference.core * spline.inside(field, spline.RIM_PX)
    moved = spline.spline_sample(coefficients, field)
    gain, offset = light or _match_light(reference.grey, moved, within, how.window_px * PHOTOMETRY_WINDOWS)
    residual = reference.grey - gain * moved - offset
    return _State(moved, within * _trust(residual, within), residual, (gain, offset))


def _smooth_start(start: Tensor, cover: Tensor, state: _State, window_px: float) -> Tensor:
    """Smooth a field by the window, so that the passes find it again; points that do not match follow those that do."""
    plane = plane_through(start, state.weight)
    near = masked_gaussian(start - plane, state.weight, window_px)
    far = wide_mean(start - plane, state.weight + 1e-4 * cover, 4 * window_px)
    share = gaussian(state.weight[None], window_px)
    return plane + torch.where(share > 0.05, near, far)


def _trust(residual: Tensor, within: Tensor) -> Tensor:
    """Weight (H, W) of each residual in a robust fit (Geman, McClure, 1985), 1 for those of common size."""
    common = residual[within > 0].abs()
    if common.numel() == 0:
        return torch.zeros_like(residual)
    some = common[:: common.numel() // 100_000 | 1]  # odd, so that no column is left out
    spread = (1.4826 * some.median()).clamp_min(SMALLEST_SPREAD)
    trust: Tensor = (1 + (residual / (OUTLIER_SPREADS * spread)) ** 2) ** -2
    return trust


def _mean(x: Tensor, weight: Tensor) -> Tensor:
    return (x * weight).sum() / weight.sum().clamp_min(1.0)


def _match_light(f: Tensor, moved: Tensor, weight: Tensor, window_px: float) -> tuple[Tensor, Tensor]:
    """Gain and offset (H, W) that bring `moved` to the local mean and contrast of `f`."""
    centre = _mean(moved, weight)
    moved = moved - centre
    means = wide_mean(torch.stack([f, moved, f * f, moved * moved]), weight, max(window_px, 8.0))
    mf, mg, mff, mgg = means
    gain = ((mff - mf**2).clamp_min(1e-8) / (mgg - mg**2).clamp_min(1e-8)).sqrt().clamp(0.1, 10.0)
    return gain, mf - gain * (mg + centre)


def _moved_slope(slope: Tensor, field: Tensor, cover: Tensor, window_px: float) -> Tensor:
    """Gradient (2, H, W) of the deformed image at the displaced points: (I + grad u)^-T grad f."""
    fx, fy = slope
    plane = plane_through(field, cover)
    (ux, vx), (uy, vy) = gradient(plane + wide_mean(field - plane, cover, max(window_px, 4.0)))
    a, b, c, d = 1 + ux, vx, uy, 1 + vy  # (I + grad u)^T = [[a, b], [c, d]]
    determinant = (a * d - b * c).clamp_min(0.1)
    return torch.stack([(d * fx - b * fy) / determinant, (a * fy - c * fx) / determinant])


def _normal_matrix(slope: Tensor, weight: Tensor, window_px: float) -> Tensor:
    """Entries xx, xy, yy (3, H, W) of G * (w J J^T)."""
    jx, jy = slope
    return gaussian(torch.stack([jx * jx, jx * jy, jy * jy]) * weight, window_px)


def _step(slope: Tensor, state: _State, window_px: float) -> Tensor:
    """Gauss-Newton correction (2, H, W), px."""
    bx, by = gaussian(slope * (state.residual * state.weight), window_px)
    ixx, ixy, iyy = _inverse(_normal_matrix(slope, state.weight, window_px))
    step = torch.stack([ixx * bx + ixy * by, ixy * bx + iyy * by])
    return step.clamp(-LARGEST_STEP_PX, LARGEST_STEP_PX)


def _inverse(matrix: Tensor) -> Tensor:
    """Entries xx, xy, yy of the inverse of symmetric 2x2 matrices (3, H, W), slightly regularised."""
    xx, xy, yy = matrix
    ridge = 1e-4 * (xx + yy) + 1e-9
    xx, yy = xx + ridge, yy + ridge
    determinant: Tensor = xx * yy - xy * xy
    return torch.stack([yy, -xy, xx]) / determinant.clamp_min(1e-18)


def _sigma(slope: Tensor, state: _State, window_px: float, passes: int) -> Tensor:
    """Standard uncertainty (2, H, W) of u and v, px, of independent noise with the variance of the residual.

    The estimate is linear in the noise n: u = A^-1 G * (w J n), so its covariance is A^-1 (G^2 * w J J^T s^2) A^-1,
    and the square of a Gaussian of width s is one of width s / sqrt(2) over 4 pi s^2. `passes` widen the band.
    """
    weight = state.weight
    spent = 2 * sum(1 / n for n in range(1, passes + 1)) / (2 * math.pi * window_px**2)  # degrees of freedom, a pixel
    variance = wide_mean(state.residual[None] ** 2, weight, max(2 * window_px, 8.0))[0] / max(1 - spent, 0.2)
    matrix = _normal_matrix(slope, weight, window_px)
    ixx, ixy, iyy = _inverse(matrix)
    sxx, sxy, syy = _normal_matrix(slope, weight**2 * variance, window_px / math.sqrt(2)) / (4 * math.pi * window_px**2)
    uu = ixx * (ixx * sxx + ixy * sxy) + ixy * (ixx * sxy + ixy * syy)
    vv = ixy * (ixy * sxx + iyy * sxy) + iyy * (ixy * sxy + iyy * syy)
    sigma = torch.stack([uu, vv]).clamp_min(0).sqrt() * _noise_gain(passes)
    return torch.where(_is_pattern(matrix, weight, variance, window_px), sigma, torch.full_like(sigma, math.inf))


def _is_pattern(matrix: Tensor, weight: Tensor, variance: Tensor, window_px: float) -> Tensor:
    """True (H, W) where the image varies in every direction by more than its noise makes it seem to.

    Noise of variance s^2 / 2 in each image gives each gradient component the variance 0.903 s^2 / 2 (5-point formula).
    """
    xx, xy, yy = matrix
    noise = GRADIENT_NOISE * 0.5 * variance * gaussian(weight[None], window_px)[0]
    smaller = 0.5 * (xx + yy) - torch.hypot(0.5 * (xx - yy), xy) - noise
    pattern: Tensor = smaller > 0.5 * noise + 1e-6
    return pattern


def _noise_gain(passes: int) -> float:
    """Standard deviation after `passes` passes over that after one, for a Gaussian window and smooth A.

    After n passes the estimate passes 1 - (1 - G)^n of the frequencies; with G = t and k^2 ~ -log t the ratio of
    the integrals over the plane is that of (1 - (1 - t)^n)^2 / t and t over t in (0, 1).
    """
    t = torch.linspace(0, 1, 20001, dtype=torch.float64)[1:]
    after = float(((1 - (1 - t) ** passes) ** 2 / t).mean())
    return math.sqrt(after / 0.5)
