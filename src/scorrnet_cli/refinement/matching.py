"""Two images compared at a displacement field: what is left between them, and whether they match."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from scorrnet_cli.numerics import spline
from scorrnet_cli.numerics.filters import (
    dimmed,
    gaussian,
    gradient,
    light_and_detail,
    masked_gaussian,
    plane_at,
    plane_through,
    some_of,
    wide_mean,
)
from scorrnet_cli.numerics.morphology import dilated, eroded
from scorrnet_cli.numerics.tiles import Box

SHINE_PX = 2  # rim of the surface into which blur and interpolation carry the background
PHOTOMETRY_WINDOWS = 3.0  # width of the window for gain and offset, in windows of the displacement
OUTLIER_SPREADS = 6.0  # residuals beyond so many standard deviations count little
SMALLEST_SPREAD = 0.05  # of the residuals, in standard deviations of the surface: below, none is an outlier
GLINT = 6.0  # difference between the images, in standard deviations of the pattern, that no misfit makes
GLINT_PX = 3  # into which blur, slope and interpolation carry it
DIMMED = 4.0  # brightest and darkest detail, in standard deviations nearby, that counts as contrast of the pattern
LARGEST_GAIN = 10.0  # between the images: beyond, one of them has no contrast there
SMALLEST_ZNCC = 0.5
SMALLEST_SUPPORT = 0.3  # share of the window that must match: less is extrapolation
LARGEST_STRETCH = 2.0
NEIGHBOURHOOD_PX = 10.0
SMALLEST_AGREEMENT = 0.6  # share of the neighbourhood that must match too: the rest are chance matches


class Surface(NamedTuple):
    """What the refinement needs of the reference image, found once for a whole sequence."""

    grey: Tensor  # (H, W), mean 0 and standard deviation 1 on the surface
    scale: Tensor  # of one such unit, in grey levels as the image was given
    slope: Tensor  # (2, H, W), gradient of `grey`, per px
    mask: Tensor  # (H, W) bool
    core: Tensor  # (H, W), 0 outside the mask and at its rim, where the background shines in, else 1
    contrast: Tensor  # (H, W), standard deviation of `grey` nearby, at least that of the whole, 1
    rounding: Tensor  # standard deviation of what the camera's grey levels leave of a difference between two images
    place: spline.Place | None = None  # in the image, of a part
    motion: Tensor | None = None  # (2, H, W) plane through the displacement of the whole, of a part

    def plane_through(self, field: Tensor) -> Tensor:
        """Plane (2, H, W) near a field: that of the whole if it is known, so that all its parts take the same."""
        return plane_through(field, self.mask.float()) if self.motion is None else self.motion

    def only(self, mask: Tensor) -> Surface:
        """Return a part of the surface, (H, W) bool, that has come off the rest."""
        return self._replace(mask=mask, core=self.core * _core(mask))

    def part(self, box: Box, motion: Tensor) -> Surface:
        """Return what lies in a box; `motion` (3, 2) is the plane that displaces the whole (see `fitted_plane`)."""
        height, width = self.mask.shape
        plane = plane_at(motion, box, (height, width))
        return Surface(
            box.of(self.grey),
            self.scale,
            box.of(self.slope),
            box.of(self.mask),
            box.of(self.core),
            box.of(self.contrast),
            self.rounding,
            spline.Place(box.top, box.left, height, width),
            plane,
        )


class Spline(NamedTuple):
    """A deformed image ready for comparison: from `deformed_spline`, of the whole image."""

    coefficients: Tensor  # (H, W)


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
    return Surface(grey, scale, slope, mask, _core(mask), _contrast(grey, mask), _rounding(grey[mask]))


def _core(mask: Tensor) -> Tensor:
    """0 (H, W) outside a mask and at its rim, else 1."""
    return eroded(mask, SHINE_PX).float()


def _contrast(grey: Tensor, mask: Tensor) -> Tensor:
    """Standard deviation (H, W) of a pattern nearby, at least that of the whole, as if nothing shone on it."""
    cover = mask.float()

    def nearby(image: Tensor) -> Tensor:
        return wide_mean(image[None], cover, NEIGHBOURHOOD_PX)[0]

    paint = dimmed(grey, nearby, DIMMED)
    return torch.maximum(light_and_detail(paint, nearby)[2], paint[mask].std())


def _rounding(values: Tensor) -> Tensor:
    """Standard deviation of the difference of two numbers that are rounded as some grey levels (N,) are."""
    levels: Tensor = torch.unique(some_of(values))
    step: Tensor = levels.diff().amin() if levels.numel() > 1 else levels.new_zeros(())
    return step / math.sqrt(6)


class Comparison(NamedTuple):
    """The images compared at a field: the deformed image there, weight and residual of every pixel, and the light."""

    moved: Tensor  # (H, W)
    weight: Tensor  # (H, W)
    residual: Tensor  # (H, W)
    light: tuple[Tensor, Tensor]  # gain and offset, (H, W) each
    motion: Tensor | None = None  # (2, H, W) plane through the displacement of the whole, if this is of a part

    def plane_through(self, field: Tensor) -> Tensor:
        """Plane (2, H, W) near a field: that of the whole if it is known, so that all its parts take the same."""
        return plane_through(field, self.weight) if self.motion is None else self.motion


def deformed_spline(reference: Surface, deformed: Tensor | Spline) -> Tensor:
    """Spline (H, W) of a deformed image, in the reference's units and about its own mean; found once if it is there."""
    if isinstance(deformed, Spline):
        return deformed.coefficients
    return spline.spline_coefficients((deformed - deformed.mean()) / reference.scale)


def compare(
    reference: Surface, coefficients: Tensor, field: Tensor, light: tuple[Tensor, Tensor] | None, window_px: float
) -> Comparison:
    """Take the deformed image at the displaced points and compare.

    Parameters
    ----------
    reference : Surface
        Of a part of the image, (h, w), or of all of it.
    coefficients : (H, W) float32
        Of the deformed image, from `deformed_spline`; always of all of it.
    field : (2, h, w) float32
        Displacement, px.
    light : pair of (h, w) float32, or None
        Gain and offset; None matches them anew.
    window_px : float
        Standard deviation of the window in which the displacement is sought, px.
    """
    within = reference.core * spline.inside(field, spline.RIM_PX, reference.place)
    moved = spline.spline_sample(coefficients, field, reference.place)
    matched, residual = _left(reference.grey, moved, within, light, window_px)
    glints = residual.abs() * within > GLINT * reference.contrast
    if bool(glints.any()):  # or dust, or pixels that do not work: nothing of the surface
        within = within * ~dilated(glints, GLINT_PX)
        matched, residual = _left(reference.grey, moved, within, light, window_px)
    weight = within * _trust(residual, within, reference.rounding)
    return Comparison(moved, weight, residual, matched, reference.motion)


def _left(
    f: Tensor, moved: Tensor, within: Tensor, light: tuple[Tensor, Tensor] | None, window_px: float
) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Gain and offset, those given or matched anew, and what they leave between two images; (H, W) each."""
    gain, offset = light or _match_light(f, moved, within, window_px * PHOTOMETRY_WINDOWS)
    return (gain, offset), f - gain * moved - offset


def judge(reference: Surface, field: Tensor, state: Comparison, window_px: float) -> tuple[Tensor, Tensor]:
    """Judge where the images agree at a field.

    Parameters
    ----------
    reference : Surface
    field : (2, H, W) float32
        Displacement, px.
    state : Comparison
        The images at `field`.
    window_px : float
        Standard deviation of the window in which the displacement is sought, px.

    Returns
    -------
    (H, W) float32
        Their `correlation`, -1..1.
    (H, W) bool
        True where they agree, at the point and around it: they correlate, enough of the window matches, the point is in
        sight, and the surface is not stretched beyond what it bears.
    """
    zncc = correlation(reference.grey, state.moved, (state.weight > 0).float())  # without glints
    trusted, there = gaussian(torch.stack([state.weight, reference.core]), window_px)
    supported: Tensor = trusted >= SMALLEST_SUPPORT * there.clamp_min(1e-3)
    in_sight = reference.mask & spline.inside(field, place=reference.place)
    agrees = in_sight & (zncc >= SMALLEST_ZNCC) & supported & _possible(reference, field, window_px)
    among = masked_gaussian(agrees.float()[None], in_sight.float(), NEIGHBOURHOOD_PX)[0]
    return zncc, agrees & (among >= SMALLEST_AGREEMENT)


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


def _possible(reference: Surface, field: Tensor, window_px: float) -> Tensor:
    """True (H, W) where no line element is stretched beyond what a surface bears without being unrecognisable."""
    plane = reference.plane_through(field)  # smoothing the rest flattens no slope at edges, as of a large rotation
    (ux, vx), (uy, vy) = gradient(plane + masked_gaussian(field - plane, reference.mask.float(), 0.5 * window_px))
    cxx, cxy, cyy = (1 + ux) ** 2 + vx**2, (1 + ux) * uy + vx * (1 + vy), uy**2 + (1 + vy) ** 2
    middle, radius = 0.5 * (cxx + cyy), torch.hypot(0.5 * (cxx - cyy), cxy)
    possible: Tensor = (middle - radius > LARGEST_STRETCH**-2) & (middle + radius < LARGEST_STRETCH**2)
    return possible


def _trust(residual: Tensor, within: Tensor, rounding: Tensor) -> Tensor:
    """Weight (H, W) of each residual in a robust fit (Geman, McClure, 1985), 1 for those of common size.

    Where there are few grey levels most residuals are nothing and those of edges, which tell the motion, are whole
    steps: no outliers.
    """
    common = residual[within > 0].abs()
    if common.numel() == 0:
        return torch.zeros_like(residual)
    spread = torch.maximum((1.4826 * some_of(common).median()).clamp_min(SMALLEST_SPREAD), rounding)
    trust: Tensor = (1 + (residual / (OUTLIER_SPREADS * spread)) ** 2) ** -2
    return trust


def _match_light(f: Tensor, moved: Tensor, weight: Tensor, window_px: float) -> tuple[Tensor, Tensor]:
    """Gain and offset (H, W) that bring `moved` to the local mean and contrast of `f`.

    Where one of them has next to no contrast the gain is kept within reach of that of the whole, which is not near 1 if
    something shone beside the surface in one image: it is in that image's units.
    """
    centre = _mean(moved, weight)
    moved = moved - centre
    contrasts = _mean((f - _mean(f, weight)) ** 2, weight), _mean(moved**2, weight)
    whole = (contrasts[0].clamp_min(1e-8) / contrasts[1].clamp_min(1e-12)).sqrt()
    means = wide_mean(torch.stack([f, moved, f * f, moved * moved]), weight, max(window_px, 8.0))
    mf, mg, mff, mgg = means
    gain = ((mff - mf**2).clamp_min(1e-8) / (mgg - mg**2).clamp_min(1e-8 / whole**2)).sqrt()
    gain = gain.clamp(whole.clamp_max(1.0) / LARGEST_GAIN, whole.clamp_min(1.0) * LARGEST_GAIN)
    return gain, mf - gain * (mg + centre)


def _mean(x: Tensor, weight: Tensor) -> Tensor:
    return (x * weight).sum() / weight.sum().clamp_min(1.0)
