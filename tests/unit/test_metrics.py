"""The measures shared by all evaluations, on arrays whose figures are known."""

from __future__ import annotations

import math

import pytest
import torch

from scorrnet_cli.evaluation.metrics import (
    RIM_PX,
    accuracy,
    averaged,
    counted_points,
    filled_by_nearest,
    plane_slopes,
    spread,
)


def test_errors_are_those_that_were_put_in() -> None:
    truth = torch.randn(2, 40, 50, dtype=torch.float64)
    error = torch.stack([torch.full((40, 50), 0.3), torch.full((40, 50), -0.1)])
    error[1, :, ::2] = 0.3
    everywhere = torch.ones(40, 50, dtype=torch.bool)
    found = accuracy((truth + error).float(), everywhere, truth, everywhere)
    assert found.mae_u == pytest.approx(0.3, abs=1e-6)
    assert found.rmse_u == pytest.approx(0.3, abs=1e-6)
    assert found.mae_v == pytest.approx(0.2, abs=1e-6)
    assert found.rmse_v == pytest.approx(math.sqrt(0.05), abs=1e-6)
    assert found.valid_share == 1.0
    assert found.mae_filled_v == pytest.approx(found.mae_v, abs=1e-6)


def test_dropping_hard_points_does_not_help() -> None:
    truth = torch.zeros(2, 30, 40, dtype=torch.float64)
    truth[0, :, 20:] = 5.0
    measured = torch.zeros(2, 30, 40)
    valid = torch.ones(30, 40, dtype=torch.bool)
    valid[:, 20:] = False
    measured[:, ~valid] = math.nan
    found = accuracy(measured, valid, truth, torch.ones(30, 40, dtype=torch.bool))
    assert found.mae_u == 0.0
    assert found.valid_share == 0.5
    assert found.mae_filled_u == pytest.approx(2.5)


def test_a_valid_point_without_a_number_is_not_valid() -> None:
    truth = torch.zeros(2, 10, 10, dtype=torch.float64)
    measured = torch.zeros(2, 10, 10)
    measured[1, 3] = math.nan
    everywhere = torch.ones(10, 10, dtype=torch.bool)
    found = accuracy(measured, everywhere, truth, everywhere)
    assert found.valid_share == pytest.approx(0.9)
    assert found.mae_filled_v == 0.0


def test_nothing_measured_is_not_a_number() -> None:
    everywhere = torch.ones(10, 10, dtype=torch.bool)
    found = accuracy(torch.zeros(2, 10, 10), ~everywhere, torch.zeros(2, 10, 10, dtype=torch.float64), everywhere)
    assert found.valid_share == 0.0
    assert math.isnan(found.mae_u)
    assert math.isnan(found.mae_filled_u)


def test_points_near_the_border_of_either_image_do_not_count() -> None:
    truth = torch.zeros(2, 100, 120, dtype=torch.float64)
    truth[0] = 10.0
    truth[1, 50, 60] = math.nan
    mask = torch.ones(100, 120, dtype=torch.bool)
    mask[:40] = False
    counted = counted_points(mask, truth)
    rows, columns = torch.nonzero(counted, as_tuple=True)
    assert (int(rows.min()), int(rows.max())) == (40, 99 - RIM_PX)
    assert (int(columns.min()), int(columns.max())) == (RIM_PX, 119 - RIM_PX - 10)
    assert not bool(counted[50, 60])


@pytest.mark.parametrize("seed", range(4))
def test_the_nearest_known_point_fills(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    known = torch.rand(33, 57, generator=generator) < (0.002 if seed else 0.3)
    known[7, 50] = True
    values = torch.rand(1, 33, 57, generator=generator)
    filled = filled_by_nearest(values, known)[0]
    y, x = torch.meshgrid(torch.arange(33.0), torch.arange(57.0), indexing="ij")
    places = torch.nonzero(known).float()
    distance = (y[..., None] - places[:, 0]) ** 2 + (x[..., None] - places[:, 1]) ** 2
    least = distance.amin(-1)
    owner = (distance == least[..., None]) & (values[0][known] == filled[..., None])
    assert float(owner.any(-1).float().mean()) > 0.999  # jump flooding may miss a point by a hair
    assert torch.equal(filled[known], values[0][known])


@pytest.mark.parametrize("step", [1, 5])
def test_slopes_of_a_plane(step: int) -> None:
    y, x = torch.meshgrid(torch.arange(30.0), torch.arange(40.0), indexing="ij")
    plane = (0.02 * x - 0.007 * y) * step + 3
    plane[10, 10] = math.nan
    ux, uy = plane_slopes(plane, 5, step)
    known = torch.isfinite(ux)
    assert int((~known).sum()) == 25
    torch.testing.assert_close(ux[known], torch.full_like(ux[known], 0.02), atol=1e-6, rtol=0)
    torch.testing.assert_close(uy[known], torch.full_like(uy[known], -0.007), atol=1e-6, rtol=0)


def test_noise_of_slopes() -> None:
    noise = torch.randn(300, 300, generator=torch.Generator().manual_seed(1))
    ux, _ = plane_slopes(noise, 25)
    # sigma / sqrt(sum of x^2 over the window)
    assert spread(ux) == pytest.approx(1 / math.sqrt(25 * 25 * (25**2 - 1) / 12), rel=0.1)


def test_means_and_spreads_leave_out_what_is_unknown() -> None:
    assert averaged([1.0, math.nan, 3.0]) == 2.0
    assert math.isnan(averaged([math.nan]))
    assert spread(torch.tensor([1.0, math.nan, 3.0])) == pytest.approx(math.sqrt(2))
    assert math.isnan(spread(torch.tensor([1.0, math.nan])))
