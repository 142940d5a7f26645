"""The star: where a known curve is resolved, and what a known measurement comes to."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from scorrnet_cli.evaluation.methods import Measured, Method
from scorrnet_cli.evaluation.metrics import RIM_PX
from scorrnet_cli.evaluation.star import (
    STARS,
    Star,
    centre_curve,
    centre_noise,
    resolution,
    star_figures,
    strain_noise,
)

SMALL = Star("small", 81, 300, 10.0, 0.4)


def _measured(displacement: Tensor, step: int = 1) -> Measured:
    found = Measured(displacement, torch.isfinite(displacement).all(0), torch.full_like(displacement, math.nan), step)
    if step > 1:
        thin = torch.full_like(displacement, math.nan)
        thin[:, ::step, ::step] = displacement[:, ::step, ::step]
        found = found._replace(displacement=thin, valid=torch.isfinite(thin).all(0))
    return found


def test_stars_are_those_of_the_challenge() -> None:
    first, last = STARS["1-2"], STARS["5"]
    assert (first.height, first.width, last.height, last.width) == (501, 2000, 501, 4000)
    edges = torch.tensor([0.0, 1999.0])
    assert first.period(edges).tolist() == pytest.approx([10.0, 150.0])
    edges = torch.tensor([0.0, 3999.0])  # the formula counts x from 1
    assert last.period(edges).tolist() == pytest.approx([10.0, 10 + 290 * 3999 / 4000])
    x = torch.arange(2000.0)
    u, v = first.displacement(x, torch.full_like(x, 250.0))
    assert float(u.abs().max()) == 0.0
    torch.testing.assert_close(v, torch.full_like(v, 0.5))
    _, half = first.displacement(torch.tensor([0.0]), torch.tensor([255.0]))
    assert float(half) == pytest.approx(-0.5, abs=1e-6)


@pytest.mark.parametrize("l10", [14.0, 27.0, 84.0])
def test_a_gaussian_response_is_resolved_where_it_reaches_90_percent(l10: float) -> None:
    period = np.linspace(11, 149, 1970)
    ratio = 0.9 ** ((l10 / period) ** 2)
    noise = 0.02 * np.random.default_rng(1).standard_normal(len(period))
    curve = resolution(period, ratio + noise)
    assert curve.l10_px == pytest.approx(l10, rel=0.04)
    assert curve.l10_last_px >= curve.l10_px


def test_first_and_last_crossing_are_told_apart() -> None:
    period = np.linspace(10, 150, 1400)
    ratio = np.where(period < 20, 0.5 + 0.05 * (period - 10), 1.0) - 0.3 * np.exp(-(((period - 90) / 18) ** 2))
    curve = resolution(period, ratio)
    assert 15 < curve.l10_px < 22
    assert 100 < curve.l10_last_px < 115


def test_what_is_never_resolved_has_no_l10() -> None:
    period = np.linspace(10, 150, 1400)
    for ratio in (np.full_like(period, 0.5), np.full_like(period, 1.0)):
        curve = resolution(period, ratio)
        assert math.isnan(curve.l10_px)
        assert math.isnan(curve.l10_last_px)
    assert math.isnan(resolution(period[:5], period[:5]).l10_px)


@pytest.mark.parametrize("step", [1, 5])
def test_the_curve_is_that_of_the_centre_row_without_its_ends(step: int) -> None:
    displacement = torch.zeros(2, 81, 300)
    displacement[1, 40] = 0.5 * torch.linspace(0.5, 1.0, 300)
    displacement[1, 40, 100] = math.nan
    curve = centre_curve(SMALL, _measured(displacement, step))
    places = np.array([x for x in range(RIM_PX, 300 - RIM_PX) if x % step == 0 and x != 100])
    assert curve.period_px == pytest.approx(10 + 0.4 * places)
    assert curve.ratio == pytest.approx(np.linspace(0.5, 1.0, 300)[places], abs=1e-6)
    with pytest.raises(ValueError, match="centre row"):
        centre_curve(SMALL, _measured(displacement, 3))


def test_noise_is_that_of_the_centre_row_and_of_planes() -> None:
    noise = torch.randn(2, 201, 400, generator=torch.Generator().manual_seed(1))
    noise[1] = 0
    noise[1, 100] = 0.02 * torch.randn(400, generator=torch.Generator().manual_seed(2))
    assert centre_noise(_measured(noise)) == pytest.approx(0.02, rel=0.1)
    dense = 1 / math.sqrt(25 * 25 * (25**2 - 1) / 12)
    assert strain_noise(_measured(noise)) == pytest.approx(dense, rel=0.15)
    thin = 1 / (5 * math.sqrt(5 * 5 * (5**2 - 1) / 12))
    assert strain_noise(_measured(noise, 5)) == pytest.approx(thin, rel=0.15)


def _pretended(noise_px: float) -> Method:
    """A method that gives 95 % of the truth of `SMALL`, or of the unmoved scene, with noise."""
    calls: list[int] = []

    def measure(reference: Tensor, deformed: Tensor, mask: Tensor) -> Measured:
        calls.append(1)
        y, x = torch.meshgrid(*(torch.arange(float(side)) for side in mask.shape), indexing="ij")
        truth = torch.stack(SMALL.displacement(x, y)) if len(calls) < 3 else torch.zeros(2, *mask.shape)
        noise = noise_px * torch.randn(truth.shape, generator=torch.Generator().manual_seed(len(calls)))
        return _measured((0.95 * truth + noise).float())

    return measure


def test_figures_of_a_known_method() -> None:
    (found,) = star_figures(SMALL, {"mine": _pretended(0.01)})
    assert (found.star, found.method) == ("small", "mine")
    # the mean of |0.05 * 0.5 cos| is 0.025 * 2 / pi, and noise adds in squares
    assert 0.014 < found.mae_v_noisy < 0.022
    assert found.accuracy_noisy.valid_share == 1.0
    assert found.noise_px == pytest.approx(0.01, rel=0.2)
    assert math.isnan(found.l10_px)
    assert math.isnan(found.mei_px2)


def test_mei_is_noise_times_resolution() -> None:
    def blunt(reference: Tensor, deformed: Tensor, mask: Tensor) -> Measured:
        y, x = torch.meshgrid(*(torch.arange(float(side)) for side in mask.shape), indexing="ij")
        response = 0.9 ** ((40.0 / SMALL.period(x)) ** 2)
        moved = float((deformed - reference).abs().mean()) > 5  # noise alone changes less
        v = response * SMALL.displacement(x, y)[1] if moved else torch.zeros_like(x)
        noise = 0.01 * torch.randn(x.shape, generator=torch.Generator().manual_seed(3))
        return _measured(torch.stack([noise, v + noise]))

    (found,) = star_figures(SMALL, {"blunt": blunt})
    assert found.l10_px == pytest.approx(40.0, rel=0.05)
    assert found.mei_px2 == pytest.approx(found.noise_px * found.l10_px)
    assert found.strain_mei == pytest.approx(found.noise_px * found.l10_px**2)
