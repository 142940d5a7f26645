"""The rendered pairs hold the displacement that they say they hold, judged without any part of the measurement."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from scorrnet_cli.errors import ScorrnetError
from scorrnet_cli.evaluation import rendering
from scorrnet_cli.evaluation.fields import affine, strip_with_hole
from scorrnet_cli.evaluation.rendering import (
    NOISE_FLOOR,
    NOISE_SLOPE,
    Displacement,
    Pair,
    Scene,
    invert,
    make_pair,
    photograph,
    photographed,
)
from scorrnet_cli.evaluation.speckle import Paint, scatter_disks

SHAPE = (110, 260)


def _wave(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The shortest periods of the star, and a shift by a fraction of a pixel."""
    period = (10 + 0.07 * x).clamp_min(5.0)
    return torch.full_like(x, 0.37), 0.21 + 0.5 * torch.cos(2 * math.pi * (y - 50) / period)


def _least_squares_error(reference: NDArray[np.float64], moved: NDArray[np.float64]) -> NDArray[np.float64]:
    """Displacement, px, that is left between two images, over all of them."""
    step = np.array([-1.0, 8.0, 0.0, -8.0, 1.0]) / 12
    slopes = [ndimage.convolve1d(reference, step, axis)[15:-15, 15:-15].ravel() for axis in (1, 0)]
    basis = np.stack(slopes)
    difference = (moved - reference)[15:-15, 15:-15].ravel()
    found: NDArray[np.float64] = np.linalg.solve(basis @ basis.T, basis @ difference)
    return found


def _resampled(pair: Pair) -> NDArray[np.float64]:
    """The deformed image at X + u(X), by a quintic spline of scipy."""
    y, x = np.mgrid[: pair.mask.shape[0], : pair.mask.shape[1]].astype(np.float64)
    u, v = pair.truth.numpy()
    deformed = pair.deformed.double().numpy()
    sampled: NDArray[np.float64] = ndimage.map_coordinates(deformed, [y + v, x + u], order=5, mode="mirror")
    return sampled


@pytest.mark.parametrize(
    ("displacement", "blur_px", "most"),
    [
        (affine(0.0, 0.0, (0.37, 0.21)), 0.5, 0.001),
        (affine(0.0, 0.0, (0.37, 0.21)), 0.8, 0.0002),
        (affine(0.02, 1.0, (0.3, -0.2), 180), 0.8, 0.0004),
        (_wave, 0.8, 0.001),
    ],
)
def test_the_deformed_image_at_the_displaced_points_is_the_reference(
    displacement: Displacement, blur_px: float, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the blur of the evaluations the pixels alias a little, which no spline can mend; with more they do not.

    Optics blur stretched paint as they do any other, so under strain a pattern is left that is not noise but acts so.
    """
    monkeypatch.setattr(rendering, "BLUR_PX", blur_px)
    pair = make_pair(SHAPE, displacement, 1)
    reference, moved = pair.reference.double().numpy(), _resampled(pair)
    inner = np.s_[15:-15, 15:-15]
    assert np.std((moved - reference)[inner]) < 0.07 * np.std(reference[inner])
    assert np.abs(_least_squares_error(reference, moved)).max() < most
    shifted = _resampled(pair._replace(truth=pair.truth + 0.01))
    assert _least_squares_error(reference, shifted) == pytest.approx([0.01, 0.01], abs=0.002)


def test_more_samples_change_nothing() -> None:
    scene = Scene(scatter_disks(SHAPE, 2))
    coarse, fine = (scene.picture(SHAPE, _wave, samples=samples).numpy() for samples in (4, 10))
    assert np.abs(coarse - fine).max() < 0.01
    assert np.abs(_least_squares_error(fine, coarse)).max() < 1e-5


def test_a_shift_by_whole_pixels_moves_the_image() -> None:
    scene = Scene(scatter_disks((60, 70), 3))
    still = scene.picture((60, 70))
    moved = scene.picture((60, 70), lambda x, y: (torch.full_like(x, 3.0), torch.full_like(y, -2.0)))
    torch.testing.assert_close(moved[:-2, 3:], still[2:, :-3], atol=1e-9, rtol=0)


def test_speckle_covers_half_and_has_the_size_asked_for() -> None:
    shape = (200, 200)
    lengths = []
    for diameters in ((3.0, 5.0), (9.0, 11.0)):
        disks = scatter_disks(shape, 4, Paint(diameters))
        y, x = torch.meshgrid(*(torch.arange(side, dtype=torch.float64) for side in shape), indexing="ij")
        cover = disks.cover(x, y)
        assert float(cover.mean()) == pytest.approx(0.5, abs=0.04)
        assert (float(cover.min()), float(cover.max())) == pytest.approx((0.0, 1.0), abs=1e-6)
        centred = cover - cover.mean()
        along = [float((centred[:, lag:] * centred[:, : 200 - lag]).mean()) for lag in range(20)]
        lengths.append(next(lag for lag, value in enumerate(along) if value < 0.5 * along[0]))
    assert lengths[1] > 2 * lengths[0]
    assert float(disks.cover(torch.tensor([0.5]).double(), torch.tensor([1e6]).double())) == 0.0


def test_mixed_speckle_paints_as_much_with_each_octave_of_diameters() -> None:
    disks = scatter_disks((300, 300), 5, Paint((2.0, 16.0), 0.4, mixed=True))
    y, x = torch.meshgrid(*(torch.arange(side, dtype=torch.float64) for side in (300, 300)), indexing="ij")
    assert float(disks.cover(x, y).mean()) == pytest.approx(0.4, abs=0.04)
    radius = disks.radius[:-1]
    octaves = [radius[(radius >= low) & (radius < 2 * low)] for low in (1.0, 2.0, 4.0)]
    assert sum(len(octave) for octave in octaves) == len(radius)
    areas = torch.stack([(octave**2).sum() for octave in octaves])
    torch.testing.assert_close(areas / areas.mean(), torch.ones(3, dtype=torch.float64), atol=0.15, rtol=0)


def test_disks_that_keep_apart_do_not_overlap_and_cover_what_was_asked_for() -> None:
    disks = scatter_disks((160, 160), 6, Paint((6.0, 7.0), 0.35, apart=True))
    x, y = disks.x[:-1], disks.y[:-1]
    apart = torch.hypot(x - x[:, None], y - y[:, None]).fill_diagonal_(1e3)
    assert float(apart.min()) >= 7.0
    ys, xs = torch.meshgrid(*(torch.arange(0.0, side, 0.5).double() for side in (160, 160)), indexing="ij")
    assert float(disks.cover(xs, ys).mean()) == pytest.approx(0.35, abs=0.02)
    with pytest.raises(ValueError, match="do not fit"):
        scatter_disks((40, 40), 6, Paint((6.0, 7.0), 0.9, apart=True), 8)


def test_disks_of_many_tones_hide_a_part_of_the_ground() -> None:
    paint = Paint((8.0, 10.0), 0.2, faintest=0.1)
    full, faint = scatter_disks((120, 120), 7, replace(paint, faintest=1.0)), scatter_disks((120, 120), 7, paint)
    torch.testing.assert_close(full.x, faint.x)
    assert float(full.opacity[:-1].min()) == 1.0
    middles = faint.cover(faint.x[:-1], faint.y[:-1])
    assert bool((middles >= faint.opacity[:-1] - 1e-4).all())  # others may lie over it
    alone = torch.hypot(faint.x[:-1] - faint.x[:-1, None], faint.y[:-1] - faint.y[:-1, None]).fill_diagonal_(1e3)
    single = alone.amin(1) > 8.0
    assert int(single.sum()) > 5
    torch.testing.assert_close(middles[single], faint.opacity[:-1][single], atol=1e-4, rtol=0)


def test_the_inverse_of_a_displacement() -> None:
    y, x = torch.meshgrid(*(torch.arange(0.0, side, 0.5, dtype=torch.float64) for side in (80, 90)), indexing="ij")
    for displacement in (_wave, affine(0.3, 20.0, (5.0, -3.0))):
        at_x, at_y = invert(x, y, displacement)
        u, v = displacement(at_x, at_y)
        assert float((at_x + u - x).abs().max()) < 1e-6
        assert float((at_y + v - y).abs().max()) < 1e-6


def test_a_displacement_that_folds_is_refused() -> None:
    x = torch.linspace(0, 20, 50, dtype=torch.float64)
    with pytest.raises(ScorrnetError, match="inverted"):
        invert(x, x, lambda a, b: (5 * torch.sin(3 * a), torch.zeros_like(b)))


def test_noise_rises_with_the_grey_level_and_depends_on_the_seed_alone() -> None:
    for grey in (40.0, 200.0):
        picture = torch.full((300, 300), grey)
        noisy = photograph(picture, 5)
        assert torch.equal(noisy, photograph(picture, 5))
        assert not torch.equal(noisy, photograph(picture, 6))
        assert torch.equal(noisy, noisy.round())
        variance = NOISE_FLOOR + NOISE_SLOPE * grey + 1 / 12  # and that of the quantisation
        assert float(noisy.var()) == pytest.approx(variance, rel=0.03)
        assert float(noisy.mean()) == pytest.approx(grey, abs=0.03)
    both = photographed(Pair(picture, picture, picture > 0, torch.zeros(2, 300, 300)), 7)
    assert float(torch.corrcoef(torch.stack([both.reference.flatten(), both.deformed.flatten()]))[0, 1].abs()) < 0.02


def test_a_specimen_stands_before_a_backdrop_that_moves_on_its_own() -> None:
    pair = make_pair((384, 384), affine(0.0, 0.0, (2.0, 1.0)), 8, outline=strip_with_hole)
    y, x = torch.meshgrid(*(torch.arange(384.0) for _ in range(2)), indexing="ij")
    depth = strip_with_hole(x, y)
    assert torch.equal(pair.mask, depth < 0)
    behind = depth[14:, :-9] > 8
    moved = depth.roll((14, -9), (0, 1))[:-14, 9:]
    assert moved.shape == behind.shape
    backdrop = (depth > 8)[:-14, 9:] & (depth > 8)[14:, :-9]
    torch.testing.assert_close(pair.deformed[14:, :-9][backdrop], pair.reference[:-14, 9:][backdrop], atol=1e-3, rtol=0)
    inside = (depth < -8)[:-1, :-2]
    torch.testing.assert_close(pair.deformed[1:, 2:][inside], pair.reference[:-1, :-2][inside], atol=1e-3, rtol=0)
