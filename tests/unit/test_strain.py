"""Strain against analytic fields: exact where the polynomial is, and an uncertainty that is true."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch.utils._python_dispatch import TorchDispatchMode

from scorrnet_cli.errors import UsageError
from scorrnet_cli.gauge import ARRAYS, MEASURES, WEIGHTS, Strain, StrainSettings, averaging_px
from scorrnet_cli.settings import Settings
from scorrnet_cli.strain import strain

Array = NDArray[np.float64]
STRETCH = np.array([[1.12, 0.05], [-0.09, 0.91]])
Y, X = np.mgrid[:70, :90].astype(np.float64)


def expected(gradient: Array, measure: str) -> Array:
    """Strain tensor of a deformation gradient (2, 2), by matrix functions."""
    identity = np.eye(2)
    if measure == "small":
        return 0.5 * (gradient + gradient.T) - identity
    if measure == "euler-almansi":
        return np.asarray(0.5 * (identity - np.linalg.inv(gradient @ gradient.T)))
    values, vectors = np.linalg.eigh(gradient.T @ gradient)
    if measure == "hencky":
        return np.asarray(vectors @ np.diag(0.5 * np.log(values)) @ vectors.T)
    return np.asarray(vectors @ np.diag(0.5 * (values - 1)) @ vectors.T)


def affine(gradient: Array, x: Array = X, y: Array = Y) -> tuple[Array, Array]:
    """Displacement (1, H, W) of a deformation gradient."""
    slope = gradient - np.eye(2)
    return (slope[0, 0] * x + slope[0, 1] * y + 12)[None], (slope[1, 0] * x + slope[1, 1] * y - 30)[None]


def holed() -> NDArray[np.bool_]:
    """A surface with a hole, an edge and points that are missing here and there."""
    rng = np.random.default_rng(1)
    valid: NDArray[np.bool_] = (np.hypot(X - 40, Y - 30) > 12) & (X > 5) & (rng.random(X.shape) > 0.05)
    return valid[None]


def largest_error(found: Strain, tensor: Array, where: NDArray[np.bool_]) -> float:
    pairs = ((found.exx, tensor[0, 0]), (found.eyy, tensor[1, 1]), (found.exy, tensor[0, 1]))
    return max(float(np.abs(array[where] - value).max()) for array, value in pairs)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("weights", WEIGHTS)
def test_exact_on_affine_fields(measure: str, order: int, weights: str) -> None:
    u, v = affine(STRETCH)
    valid = holed()
    u[~valid], v[~valid] = np.nan, np.inf
    sigma = np.random.default_rng(2).uniform(0.002, 0.02, u.shape).astype(np.float32)
    found = strain(u, v, valid, StrainSettings(15, measure, order, weights), (sigma, sigma))
    assert largest_error(found, expected(STRETCH, measure), valid) < 1e-7
    for name in ("exx", "sigma_exx", "e1"):
        np.testing.assert_array_equal(np.isfinite(getattr(found, name)), valid)


def test_single_precision_is_enough() -> None:
    u, v = (part.astype(np.float32) for part in affine(STRETCH))
    found = strain(u, v, np.ones(u.shape, bool), StrainSettings())
    assert largest_error(found, expected(STRETCH, "green-lagrange"), np.ones(u.shape, bool)) < 1e-6


def test_a_rotation_is_no_strain() -> None:
    angle = np.radians(35)
    u, v = affine(np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]))
    for measure in ("green-lagrange", "euler-almansi", "hencky"):
        found = strain(u, v, np.ones(u.shape, bool), StrainSettings(measure=measure))
        assert largest_error(found, np.zeros((2, 2)), np.ones(u.shape, bool)) < 1e-7
    small = strain(u, v, np.ones(u.shape, bool), StrainSettings(measure="small"))
    assert abs(small.exx - (np.cos(angle) - 1)).max() < 1e-6


def test_second_order_is_exact_on_quadratic_fields() -> None:
    u = (1e-3 * X**2 - 5e-4 * X * Y + 2e-4 * Y**2)[None]
    valid = holed()
    found = strain(u, 0 * u, valid, StrainSettings(15, "small", 2))
    np.testing.assert_allclose(found.exx[valid], (2e-3 * X - 5e-4 * Y)[None][valid], atol=1e-7)
    np.testing.assert_allclose(found.exy[valid], 0.5 * (-5e-4 * X + 4e-4 * Y)[None][valid], atol=1e-7)
    first = strain(u, 0 * u, valid, StrainSettings(15, "small", 1))
    assert abs(first.exx[valid] - found.exx[valid]).max() > 1e-3


def test_strips_leave_no_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    u, v = rng.normal(size=(2, 1, *X.shape))
    sigma = rng.uniform(0.1, 1, u.shape).astype(np.float32)
    whole = strain(u, v, holed(), StrainSettings(25), (sigma, sigma))
    monkeypatch.setattr("scorrnet_cli.strain.STRIP_POINTS", 10 * X.shape[1])
    cut = strain(u, v, holed(), StrainSettings(25), (sigma, sigma))
    np.testing.assert_allclose(cut.exx, whole.exx, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(cut.sigma_exx, whole.sigma_exx, rtol=1e-5)


class Largest(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Remembers the size of the largest tensor in double precision that is made."""

    points = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor) and made.dtype == torch.float64:
            self.points = max(self.points, made.numel())
        return made


def test_only_strips_are_held_in_double_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    height, width = 3000, 20
    monkeypatch.setattr("scorrnet_cli.strain.STRIP_POINTS", 60 * width)
    u, v = np.random.default_rng(6).normal(size=(2, 1, height, width)).astype(np.float32)
    sigma = np.full_like(u, 0.1)
    with Largest() as largest:  # type: ignore[no-untyped-call]
        found = strain(u, v, np.ones(u.shape, bool), StrainSettings(), (sigma, sigma))
    assert np.isfinite(found.sigma_exy).all()
    assert largest.points < height * width
    assert {getattr(found, name).dtype for name in ARRAYS} == {np.dtype(np.float32)}


def test_points_without_neighbours_have_no_strain() -> None:
    valid = np.zeros((2, *X.shape), bool)
    valid[0, 30, :] = True  # a line: no slope across
    valid[1, 30:32, 40:42] = True  # four points of a window of 225
    u, v = (np.repeat(part, 2, 0) for part in affine(STRETCH))
    found = strain(u, v, valid, StrainSettings(15))
    assert not np.isfinite(found.exx).any()
    assert not np.isfinite(strain(u, v, np.zeros_like(valid), StrainSettings()).exx).any()


@pytest.mark.parametrize(
    ("window", "averaged", "order", "weights"),
    [(25, 12.0, 1, "uniform"), (25, 3.0, 1, "gaussian"), (11, 2.5, 1, "uniform"), (41, 4.0, 2, "uniform")],
)
def test_uncertainty_is_true_for_correlated_errors(window: int, averaged: float, order: int, weights: str) -> None:
    rng = np.random.default_rng(4)
    shape, rim = (130, 150), 8
    valid = np.zeros(shape, bool)
    valid[rim:-rim, rim:-rim] = True
    valid[50:80, 60:95] = False
    sigma = np.where(np.arange(shape[1]) < 75, 0.01, 0.02).astype(np.float32) * np.ones(shape, np.float32)
    how = StrainSettings(window, "green-lagrange", order, weights, averaged)
    gain = np.sqrt(4 * np.pi) * averaged  # of white noise by the filter
    errors, stated = [], None
    for _ in range(40):
        noise = gaussian_filter(rng.normal(size=(2, *shape)), (0, averaged, averaged), mode="wrap", truncate=5)
        u, v = sigma * noise * gain
        found = strain((u + 0.1 * np.mgrid[:130, :150][1])[None], v[None], valid[None], how, (sigma[None], sigma[None]))
        errors.append(np.stack([found.exx[0] - 0.105, found.eyy[0], found.exy[0]]))
        stated = np.stack([found.sigma_exx[0], found.sigma_eyy[0], found.sigma_exy[0]])
    assert stated is not None
    ratio = np.sqrt(np.mean(np.square(errors), 0)) / stated
    inside = np.zeros(shape, bool)
    inside[35:-35, 35:-35] = True
    for where in (inside & valid, ~inside & valid):  # far from the edge, and near to it
        for part in ratio:
            assert 0.8 < np.sqrt(np.mean(part[where] ** 2)) < 1.25


@pytest.mark.parametrize("passes", [1, 4, 100])
def test_errors_of_several_passes_are_alike_as_stated(passes: int) -> None:
    window = 5.0
    how = Settings(window_px=window, passes=passes).gauge
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(256), np.fft.fftfreq(256)))
    gaussian = np.exp(-2 * (np.pi * window * frequency) ** 2)
    correlation = np.fft.ifft2((1 - (1 - gaussian) ** (passes + 1)) ** 2).real
    np.testing.assert_allclose(how.correlation(np.arange(40)), correlation[0, :40] / correlation[0, 0], atol=1e-6)
    assert Settings().gauge.averaging_passes == Settings(window_px=window, refine=False).gauge.averaging_passes == 1


def test_a_point_of_unknown_uncertainty_leaves_the_others_theirs() -> None:
    shape = (1, 80, 90)
    u = np.zeros(shape, np.float32)
    sigma = np.full(shape, 0.01, np.float32)
    known = strain(u, u, np.ones(shape, bool), StrainSettings(), (sigma, sigma))
    sigma[0, 40, 45] = np.nan
    found = strain(u, u, np.ones(shape, bool), StrainSettings(), (sigma, sigma))
    np.testing.assert_allclose(found.sigma_exx, known.sigma_exx, rtol=0.05)


def test_what_lies_between_two_bodies_is_no_strain() -> None:
    """Each has its own, to the gap, and its own uncertainty; and so has a part of the frame."""
    y, x = np.mgrid[:100, :120].astype(np.float32)
    valid = np.ones((1, 100, 120), bool)
    valid[0, 47:53] = False
    lower = y >= 50
    u, v = (0.002 * x)[None], np.where(lower, 6.0 - 0.001 * y, 0.003 * y)[None]
    sigma = np.full(u.shape, 0.01, np.float32)
    how = StrainSettings(measure="small")
    found = strain(u, v, valid, how, (sigma, sigma))
    for body in (valid[0] & ~lower, valid[0] & lower):
        alone = strain(u, v, body[None], how, (sigma, sigma))
        for name in ("exx", "eyy", "exy", "sigma_eyy"):
            np.testing.assert_allclose(getattr(found, name)[0][body], getattr(alone, name)[0][body], atol=1e-7)
    np.testing.assert_allclose(found.eyy[0][valid[0]], np.where(lower, -0.001, 0.003)[valid[0]], atol=1e-6)
    assert np.isnan(found.eyy[~valid]).all()


def test_what_the_gauge_blunts_is_counted() -> None:
    how = StrainSettings(41, "small", averaging_px=3.0)
    y, x = np.mgrid[:120, :240].astype(np.float64)
    hole = np.hypot(x - 120, y - 60) < 15
    sigma = np.full((1, *x.shape), 1e-3, np.float32)
    wave = 0.2 * np.sin(2 * np.pi * x / 60)
    true = 0.2 * 2 * np.pi / 60 * np.cos(2 * np.pi * x / 60)
    found = strain(wave[None], 0 * wave[None], ~hole[None], how, (sigma, sigma))
    even = strain(0.1 * x[None], 0 * wave[None], ~hole[None], how, (sigma, sigma))
    inside = ~hole & (np.abs(x - 120) < 95)
    error = np.sqrt(np.mean((found.exx[0] - true)[inside] ** 2))
    stated = np.sqrt(np.mean(found.sigma_exx[0][inside] ** 2))
    noise = np.sqrt(np.mean(even.sigma_exx[0][inside] ** 2))
    assert error > 20 * noise
    assert 0.7 < error / stated < 1.4
    np.testing.assert_array_equal(found.sigma_eyy[0][inside] < 1.01 * even.sigma_eyy[0][inside], True)


def test_white_noise_would_be_understated() -> None:
    sigma = np.full((1, *X.shape), 0.01, np.float32)
    settings = [StrainSettings(averaging_px=length) for length in (0.1, 3.0)]
    zero, valid = np.zeros_like(sigma), np.ones(sigma.shape, bool)
    white, averaged = (strain(zero, zero, valid, how, (sigma, sigma)).sigma_exx[0, 35, 45] for how in settings)
    # white noise: s sqrt(12 / (n^2 - 1)) / n for n x n points; bins of 3 px take a little of that away
    assert white == pytest.approx(0.01 * np.sqrt(12 / (25**2 - 1)) / 25, rel=0.15)
    assert averaged > 5 * white


def test_uncertainty_is_unknown_without_that_of_the_displacement() -> None:
    u, v = affine(STRETCH)
    unknown = np.full(u.shape, np.nan, np.float32)
    found = strain(u, v, np.ones(u.shape, bool), StrainSettings(), (unknown, unknown))
    assert np.isfinite(found.exx).all()
    assert not np.isfinite(found.sigma_exx).any()


def test_principal_strains_and_their_direction() -> None:
    for degrees in (-60.0, 0.0, 30.0, 90.0):
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        axes = np.array([[c, -s], [s, c]])  # first column: the direction of e1, x right and y down
        tensor = axes @ np.diag([0.03, -0.01]) @ axes.T
        u, v = affine(np.eye(2) + tensor)
        found = strain(u, v, np.ones(u.shape, bool), StrainSettings(measure="small"))
        np.testing.assert_allclose(found.e1, 0.03, atol=1e-7)
        np.testing.assert_allclose(found.e2, -0.01, atol=1e-7)
        np.testing.assert_allclose((found.angle_deg - degrees + 90) % 180, 90, atol=1e-3)


def test_equivalent_strain_of_tension_at_constant_volume_is_the_axial_one() -> None:
    u, v = affine(np.diag([np.exp(0.2), np.exp(-0.1)]))
    found = strain(u, v, np.ones(u.shape, bool), StrainSettings(measure="hencky"))
    np.testing.assert_allclose(found.von_mises, 0.2, atol=1e-6)


def test_size_of_the_virtual_strain_gauge() -> None:
    assert StrainSettings(25, averaging_px=21 / np.sqrt(4 * np.pi)).vsg_size_px == 25 + 21 - 1
    two, five = (averaging_px(refined=True, window_px=5.0, passes=passes) for passes in (1, 4))
    assert two == pytest.approx(5.0 / np.sqrt(2 * (2 * 3 / 2 - 25 / 12)))  # the field they start from is smoothed, too
    assert five < 3.0  # passes bring detail back


@pytest.mark.parametrize(
    "wrong", [{"window_px": 24}, {"window_px": 1}, {"order": 3}, {"measure": "x"}, {"weights": "x"}, {"window_px": 999}]
)
def test_senseless_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        StrainSettings(**wrong)  # type: ignore[arg-type]


def test_the_direction_of_tension_along_y_does_not_jump() -> None:
    flat = np.zeros((1, 1, 2), np.float32)
    nearly = np.array([[[1e-10, -1e-10]]], np.float32)
    found = Strain(flat, flat + np.float32(0.01), nearly, flat, flat, flat, StrainSettings())
    assert found.angle_deg.tolist() == [[[90.0, 90.0]]]
