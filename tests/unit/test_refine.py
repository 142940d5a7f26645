"""The interpolation and the refinement, against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from scorrnet_cli.numerics import spline
from scorrnet_cli.numerics.filters import gaussian, gradient, masked_gaussian, wide_mean
from scorrnet_cli.refine import Refinement, assess, refine
from scorrnet_cli.refinement.matching import surface
from scorrnet_cli.training.rng import Rng
from scorrnet_cli.training.textures import speckle

SIZE = 160


def _grid(size: int = SIZE) -> tuple[Tensor, Tensor]:
    y, x = torch.meshgrid(torch.arange(float(size)), torch.arange(float(size)), indexing="ij")
    return x, y


class _Waves:
    """A random band-limited pattern that can be taken exactly at any point."""

    def __init__(self, seed: int = 0, count: int = 300) -> None:
        rng = np.random.default_rng(seed)
        period, angle = rng.uniform(5.0, 14.0, count), rng.uniform(0, 2 * math.pi, count)
        self.kx = torch.tensor(2 * math.pi / period * np.cos(angle))
        self.ky = torch.tensor(2 * math.pi / period * np.sin(angle))
        self.phase = torch.tensor(rng.uniform(0, 2 * math.pi, count))
        self.scale = 40.0 / math.sqrt(count / 2)

    def at(self, x: Tensor, y: Tensor) -> Tensor:
        """Grey levels at points (H, W)."""
        total = torch.zeros(x.shape, dtype=torch.float64)
        for kx, ky, phase in zip(self.kx, self.ky, self.phase, strict=True):
            total += torch.cos(kx * x.double() + ky * y.double() + phase)
        return (128 + self.scale * total).float()


def _few_dots(seed: int) -> Tensor:
    """Paint (H, W) of dots that are far apart."""
    centres = torch.rand(1, SIZE, SIZE, generator=torch.Generator().manual_seed(seed)) < 0.003
    return 4000 * gaussian(centres.float(), 1.3)[0]


def test_spline_equals_scipy() -> None:
    rng = np.random.default_rng(0)
    image = rng.random((50, 70)).astype(np.float32)
    field = torch.from_numpy(rng.uniform(-4, 4, (2, 50, 70)).astype(np.float32))
    coefficients = spline.spline_coefficients(torch.from_numpy(image))
    np.testing.assert_allclose(coefficients, ndimage.spline_filter(image.astype(float), 5, mode="mirror"), atol=2e-5)
    y, x = np.mgrid[:50, :70]
    points = [y + field[1].numpy(), x + field[0].numpy()]
    expected = ndimage.map_coordinates(image.astype(float), points, order=5, mode="mirror")
    seen = spline.inside(field, spline.RIM_PX).numpy()
    assert 0.5 < seen.mean() < 1
    np.testing.assert_allclose(spline.spline_sample(coefficients, field).numpy()[seen], expected[seen], atol=2e-5)


def test_spline_takes_points_far_outside_without_failing() -> None:
    coefficients = spline.spline_coefficients(torch.rand(40, 40))
    field = torch.full((2, 40, 40), 500.0)
    field[:, :, :20] = -500.0
    assert bool(torch.isfinite(spline.spline_sample(coefficients, field)).all())
    assert not bool(spline.inside(field).any())


def test_filters_keep_what_they_must() -> None:
    x, y = _grid(64)
    plane = (3 * x - 2 * y)[None]
    assert float((gaussian(plane, 2.0) - plane)[0, 16:-16, 16:-16].abs().max()) < 1e-3
    weight = torch.zeros(64, 64)
    weight[20:40, 10:50] = 1
    constant = torch.full((1, 64, 64), 7.0)
    assert float((masked_gaussian(constant, weight, 4.0) - 7)[0, 20:40, 10:50].abs().max()) < 1e-4
    assert float((wide_mean(constant, weight, 12.0) - 7)[0, 20:40, 10:50].abs().max()) < 1e-3
    gx, gy = gradient(plane)
    torch.testing.assert_close(gx[0, 4:-4, 4:-4], torch.full((56, 56), 3.0))
    torch.testing.assert_close(gy[0, 4:-4, 4:-4], torch.full((56, 56), -2.0))


@pytest.mark.parametrize("stretch", [0.0, 0.02, 0.2])
def test_affine_field_without_noise(stretch: float) -> None:
    x, y = _grid()
    truth = torch.stack([0.37 + stretch * (x - 80), -0.21 - 0.3 * stretch * (y - 80) + 0.5 * stretch * (x - 80)])
    pattern = _Waves()
    # deformed(X + u(X)) = reference(X): the pattern lives in deformed coordinates
    reference, deformed = pattern.at(x + truth[0], y + truth[1]), pattern.at(x, y)
    mask = torch.ones(SIZE, SIZE, dtype=torch.bool)
    start = truth + 0.3
    result = refine(surface(reference, mask), deformed, start, Refinement(4.0, 8))
    counted = result.valid.clone()
    counted[:15], counted[-15:], counted[:, :15], counted[:, -15:] = False, False, False, False
    error = (result.displacement - truth)[:, counted]
    assert float(error.square().mean().sqrt()) < (0.0015 if stretch < 0.1 else 0.01)
    assert float(result.zncc[counted].median()) > 0.999


def test_noise_is_as_uncertain_as_it_says() -> None:
    """As a measurement does, it starts from a field that has the noise of the images already."""
    x, y = _grid()
    torch.manual_seed(0)
    pattern = _Waves(1)
    clean = pattern.at(x, y)
    reference, deformed = (clean + 2 * torch.randn(SIZE, SIZE) for _ in range(2))
    seen = surface(reference, torch.ones(SIZE, SIZE, dtype=torch.bool))
    start = refine(seen, deformed, torch.zeros(2, SIZE, SIZE), Refinement(2.0, 8)).displacement
    for how in (Refinement(4.0, 1), Refinement(4.0, 4), Refinement(6.0, 1), Refinement(8.0, 4)):
        result = refine(seen, deformed, start, how)
        share = (result.displacement / result.sigma)[:, 20:-20, 20:-20]
        assert 0.8 < float(share.std()) < 1.25, how


@pytest.mark.parametrize("passes", [1, 2, 4])
def test_passes_find_of_a_wave_what_they_are_said_to(passes: int) -> None:
    x, y = _grid()
    window, period, pattern = 6.0, 40.0, _Waves(4)
    wave = 0.2 * torch.sin(2 * math.pi * x / period)
    truth = torch.stack([0 * x, wave])
    seen = surface(pattern.at(x, y + wave), torch.ones(SIZE, SIZE, dtype=torch.bool))
    found = refine(seen, pattern.at(x, y), truth, Refinement(window, passes)).displacement[1]
    inside = (slice(30, -30), slice(30, -30))
    share = float((found * wave)[inside].sum() / (wave * wave)[inside].sum())
    passed = math.exp(-2 * (math.pi * window / period) ** 2)
    assert share == pytest.approx(1 - (1 - passed) ** (passes + 1), abs=0.03)


def test_gain_offset_and_light_gradient_do_not_move_the_field() -> None:
    x, y = _grid()
    pattern = _Waves(2)
    reference, deformed = pattern.at(x, y), pattern.at(x - 0.4, y + 0.3)
    mask = torch.ones(SIZE, SIZE, dtype=torch.bool)
    how = Refinement(4.0, 8)
    plain = refine(surface(reference, mask), deformed, torch.zeros(2, SIZE, SIZE), how)
    lit = refine(surface(reference, mask), deformed * (0.85 + 0.1 * x / SIZE) + 20, torch.zeros(2, SIZE, SIZE), how)
    difference = (plain.displacement - lit.displacement)[:, 15:-15, 15:-15]
    assert float(difference.square().mean().sqrt()) < 0.002


def test_nothing_of_the_background_enters() -> None:
    x, y = _grid()
    pattern = _Waves(3)
    mask = (x > 40) & (x < 120) & (y > 30) & (y < 130)
    seen = (x > 42) & (x < 122) & (y > 29) & (y < 129)
    reference = torch.where(mask, pattern.at(x, y), torch.tensor(20.0))
    fields = []
    for background in (20.0, 240.0):
        deformed = torch.where(seen, pattern.at(x - 2.0, y + 1.0), torch.tensor(background))
        start = torch.stack([torch.full_like(x, 2.2), torch.full_like(x, -1.2)])
        fields.append(refine(surface(reference, mask), deformed, start, Refinement(4.0, 6)).displacement)
    inner = (x > 46) & (x < 114) & (y > 36) & (y < 124)
    difference = (fields[0] - fields[1])[:, inner]
    assert float(difference.square().mean().sqrt()) < 0.01
    error = fields[0][:, inner] - torch.tensor([[2.0], [-1.0]])
    assert float(error.square().mean().sqrt()) < 0.01


def test_what_leaves_the_image_or_finds_no_match_is_invalid() -> None:
    x, y = _grid()
    pattern = _Waves(4)
    reference, deformed = pattern.at(x, y), pattern.at(x - 20.0, y)
    other = torch.rand(SIZE, SIZE) * 255
    deformed[:60] = other[:60]
    start = torch.zeros(2, SIZE, SIZE)
    start[0] = 20.0
    result = refine(surface(reference, torch.ones(SIZE, SIZE, dtype=torch.bool)), deformed, start, Refinement(4.0, 6))
    assert float(result.valid[:, -20:].float().mean()) == 0
    assert float(result.valid[:50].float().mean()) < 0.02
    assert float(result.valid[75:, 5:-30].float().mean()) > 0.99


def test_points_that_shine_elsewhere_in_the_other_image_are_left_out() -> None:
    x, y = _grid()
    torch.manual_seed(6)
    pattern = _Waves(6)
    images = []
    for moved in (0.0, 0.7):
        glints = gaussian((torch.rand(1, SIZE, SIZE) < 0.003).float(), 0.8)[0]
        images.append((0.3 * pattern.at(x - moved, y + 0.4 * moved) + 1000 * glints).clamp_max(255))
    mask = torch.ones(SIZE, SIZE, dtype=torch.bool)
    result = refine(surface(images[0], mask), images[1], torch.zeros(2, SIZE, SIZE), Refinement(4.0, 6))
    valid = result.valid[8:-8, 8:-8]
    error = (result.displacement - torch.tensor([0.7, -0.28])[:, None, None])[:, 8:-8, 8:-8][:, valid]
    assert float(valid.float().mean()) > 0.9  # 0.12 with glints counted
    assert float(error.square().mean().sqrt()) < 0.03


@pytest.mark.parametrize("levels", [2, 4])
def test_few_grey_levels_do_not_hold_the_field_at_whole_pixels(levels: int) -> None:
    x, y = _grid()
    pattern = _Waves(8)
    images = [((pattern.at(x - moved, y) / 256).clamp(0, 0.999) * levels).floor() for moved in (0.0, 0.2)]
    mask = torch.ones(SIZE, SIZE, dtype=torch.bool)
    result = refine(surface(images[0], mask), images[1], torch.zeros(2, SIZE, SIZE), Refinement(5.0, 6))
    u = result.displacement[0, 10:-10, 10:-10]
    assert float(u.mean()) == pytest.approx(0.2, abs=0.08)  # 0.00 with the steps taken for outliers
    assert float((u - 0.2).abs().median()) < 2.0 * float(result.sigma[0, 10:-10, 10:-10].median())


def test_few_dots_are_no_glints() -> None:
    paint = _few_dots(7)
    shift = torch.tensor([0.8, -0.6])
    moved = spline.spline_sample(spline.spline_coefficients(paint), -shift[:, None, None] * torch.ones(2, SIZE, SIZE))
    mask = torch.ones(SIZE, SIZE, dtype=torch.bool)
    result = refine(surface(paint, mask), moved, torch.zeros(2, SIZE, SIZE), Refinement(8.0, 8))
    inner = result.displacement[:, 10:-10, 10:-10][:, result.valid[10:-10, 10:-10]] - shift[:, None]
    assert float(result.valid[10:-10, 10:-10].float().mean()) > 0.97
    assert float(inner.square().mean().sqrt()) < 0.02


def test_assessment_changes_nothing() -> None:
    paint = speckle(Rng((9,), torch.device("cpu")), SIZE, 1, (4.0, 6.0)) * 200
    field = torch.zeros(2, SIZE, SIZE)
    result = assess(surface(paint, torch.ones(SIZE, SIZE, dtype=torch.bool)), paint, field)
    assert result.displacement is field
    assert float(result.zncc[10:-10, 10:-10].min()) > 0.99
    assert bool(torch.isnan(result.sigma).all())


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_unrelated_speckle_of_the_same_kind_is_not_taken_for_a_match(kind: str) -> None:
    if kind == "dense":
        images = [200 * speckle(Rng((seed,), torch.device("cpu")), SIZE, 1, (5.0, 5.0)) for seed in (31, 32)]
    else:
        images = [_few_dots(31), _few_dots(32)]
    mask = torch.ones(SIZE, SIZE, dtype=torch.bool)
    result = refine(surface(images[0], mask), images[1], torch.zeros(2, SIZE, SIZE), Refinement(4.0, 6))
    assert float(result.valid.float().mean()) < 0.02


def test_a_surface_without_pattern_or_with_stripes_is_not_measured() -> None:
    x, y = _grid()
    torch.manual_seed(0)
    stripes = 128 + 60 * torch.sin(x / 2)
    patch = torch.where((x < 80), torch.tensor(254.0), _Waves(5).at(x, y))
    mask = torch.ones(SIZE, SIZE, dtype=torch.bool)
    for scene, measured in ((stripes, 0.0), (patch, 0.5)):
        reference, deformed = (scene + 2 * torch.randn(SIZE, SIZE) for _ in range(2))
        result = refine(surface(reference, mask), deformed, torch.zeros(2, SIZE, SIZE), Refinement(4.0, 6))
        assert abs(float(result.valid.float().mean()) - measured) < 0.12
