"""Displacements put one behind the other, carried along, and agreed on."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from scorrnet_cli.composition import carry, compose, filled
from scorrnet_cli.numerics.consensus import affine_consensus
from scorrnet_cli.refine import Refined

HEIGHT, WIDTH = 120, 150


def _grid() -> tuple[Tensor, Tensor]:
    y, x = torch.meshgrid(torch.arange(float(HEIGHT)), torch.arange(float(WIDTH)), indexing="ij")
    return x, y


def _one(x: Tensor, y: Tensor) -> Tensor:
    return torch.stack([3.2 + 0.1 * (x - 60) + 0.6 * torch.sin(y / 15), -2.1 - 0.05 * (y - 60)])


def _two(x: Tensor, y: Tensor) -> Tensor:
    return torch.stack([-1.3 + 0.2 * (x - 60), 4.4 + 0.5 * torch.cos(x / 12) - 0.1 * (y - 60)])


def _result(field: Tensor, valid: Tensor, sigma: float = 0.01) -> Refined:
    field = field.where(valid, torch.nan)
    zncc, sigmas = torch.where(valid, 0.9, torch.nan), torch.full_like(field, sigma).where(valid, torch.nan)
    return Refined(field, valid, zncc, sigmas, torch.zeros_like(valid))


def test_the_second_displacement_is_taken_where_the_first_ends() -> None:
    x, y = _grid()
    first, second = (x > 20) & (x < 100) & (y > 20) & (y < 90), (x > 10) & (x < 105) & (y > 10) & (y < 100)
    total = compose(_result(_one(x, y), first), _result(_two(x, y), second))
    u, v = _one(x, y)
    truth = torch.stack([u, v]) + _two(x + u, y + v)
    assert total.valid.sum() > 0.9 * first.sum()
    assert not bool((total.valid & ~first).any())
    error = (total.displacement - truth)[:, total.valid].abs()
    inner = total.valid & (x > 25) & (x < 90) & (y > 25) & (y < 85)
    assert float((total.displacement - truth)[:, inner].abs().max()) < 1e-3
    assert float(error.max()) < 0.05  # next to the edge of the second, which the spline feels


@pytest.mark.parametrize("gap_px", [4, 6, 12])
def test_bodies_that_move_apart_do_not_disturb_each_other(gap_px: int) -> None:
    x, y = _grid()
    left = x < 70
    there = (left | (x >= 70 + gap_px)) & (x > 8) & (x < 140) & (y > 8) & (y < 110)
    step = torch.stack([torch.where(left, 0.5, 0.25), torch.where(left, 2.3, -2.1)])
    total = compose(_result(step, there), _result(step, there))
    assert float(total.valid.sum()) > 0.9 * float(there.sum())
    assert float((total.displacement - 2 * step)[:, total.valid].abs().max()) < 0.005


def test_the_border_of_the_image_is_as_good_as_the_rest() -> None:
    x, y = _grid()
    everywhere = torch.ones_like(x, dtype=torch.bool)
    first = torch.stack([0.3 - 0.004 * (x - 75), -0.3 - 0.005 * (y - 60)])  # to the inside on all sides
    second = torch.stack([3 + 0.1 * x, -2 + 0.2 * y])
    total = compose(_result(first, everywhere), _result(second, everywhere))
    truth = first + torch.stack([3 + 0.1 * (x + first[0]), -2 + 0.2 * (y + first[1])])
    error = (total.displacement - truth)[:, total.valid].abs()
    assert float(total.valid.float().mean()) > 0.99
    assert float(error.max()) < 0.01


def test_large_displacements_cost_no_digits() -> None:
    x, y = _grid()
    all_of_it = torch.ones(HEIGHT, WIDTH, dtype=torch.bool)
    first = torch.stack([-12.3 - 0.01 * x, 8.1 + 0.02 * y])
    second = torch.stack([900 + 0.2 * x - 0.1 * y, -700 + 0.05 * x + 0.3 * y])
    u, v = x.double() + first[0], y.double() + first[1]
    truth = first + torch.stack([900 + 0.2 * u - 0.1 * v, -700 + 0.05 * u + 0.3 * v])
    total = compose(_result(first, all_of_it), _result(second, all_of_it))
    assert float((total.displacement - truth)[:, total.valid].abs().max()) < 3e-4  # float32 has steps of 6e-5 there


def test_what_the_second_does_not_know_is_not_valid() -> None:
    x, y = _grid()
    shift = torch.stack([torch.full_like(x, 30.0), torch.zeros_like(y)])
    everywhere, hole = torch.ones_like(x, dtype=torch.bool), (x - 75).abs() > 10
    total = compose(_result(shift, everywhere), _result(shift, hole))
    known = (x + 30 < WIDTH) & ((x + 30 - 75).abs() > 10)
    assert torch.equal(total.valid, known)
    assert bool(torch.isfinite(total.displacement[:, total.valid]).all())
    assert bool(torch.isfinite(total.zncc[total.valid]).all())


def test_sigma_of_independent_errors_is_true() -> None:
    """Fields with independent noise, composed many times: the spread is what sigma says, slopes included."""
    x, y = _grid()
    generator = torch.Generator().manual_seed(4)
    valid = torch.ones_like(x, dtype=torch.bool)
    u, v = _one(x, y)
    stretch = torch.stack([0.8 * (x - 60), 0.3 * (x - 60) - 0.4 * (y - 60)])
    truth = torch.stack([u, v]) + torch.stack([0.8 * (x + u - 60), 0.3 * (x + u - 60) - 0.4 * (y + v - 60)])
    inner = (x > 40) & (x < 80) & (y > 40) & (y < 80)
    squares, said = [], []
    for _ in range(40):
        noise = 0.02 * torch.randn(2, 2, 1, 1, generator=generator).expand(2, 2, HEIGHT, WIDTH)
        one, two = _result(_one(x, y) + noise[0], valid, 0.02), _result(stretch + noise[1], valid, 0.02)
        total = compose(one, two)
        squares.append(((total.displacement - truth)[:, inner] ** 2).mean(1))
        said.append(total.sigma[:, inner].mean(1))
    ratio = torch.stack(squares).mean(0).sqrt() / torch.stack(said).mean(0)
    assert ratio.tolist() == pytest.approx([1.0, 1.0], abs=0.25)
    expected = [0.02 * (1.8**2 + 1) ** 0.5, 0.02 * (0.3**2 + 0.6**2 + 1) ** 0.5]
    assert said[0].tolist() == pytest.approx(expected, rel=0.02)


def test_a_field_is_continued_where_it_is_not_known() -> None:
    x, y = _grid()
    truth = torch.stack([3 + 0.1 * x, -7 + 0.2 * y])
    known = (x > 40) & (x < 100) & (y > 30) & (y < 90)
    continued = filled(truth.where(known, torch.nan), known)
    torch.testing.assert_close(continued, truth, atol=0.01, rtol=0)
    assert bool((filled(truth, torch.zeros_like(known)) == 0).all())


@pytest.mark.parametrize("turn", [0.0, 1.2])
def test_what_is_carried_arrives_without_gaps(turn: float) -> None:
    x, y = _grid()
    cosine, sine = torch.cos(torch.tensor(turn)), torch.sin(torch.tensor(turn))
    dx, dy = x - 60, y - 60
    field = torch.stack([1.4 * cosine * dx - sine * dy - dx + 5, 1.4 * sine * dx + cosine * dy - dy])
    known = (dx.abs() < 25) & (dy.abs() < 25)
    values, reached = carry(torch.stack([x, y]), field, known)
    back_x, back_y = x - 65, y - 60
    from_x, from_y = (cosine * back_x + sine * back_y) / 1.4, -sine * back_x + cosine * back_y
    inside = torch.maximum(from_x.abs(), from_y.abs()) < 23.5
    outside = torch.maximum(from_x.abs(), from_y.abs()) > 26.5
    assert bool(reached[inside].all())
    assert not bool(reached[outside].any())
    error = values - torch.stack([from_x, from_y]) - 60
    assert float(error[:, inside].abs().max()) < 0.8
    assert bool((values[:, ~reached] == 0).all())


def test_the_affine_motion_is_found_among_wrong_points() -> None:
    x, y = _grid()
    truth = torch.stack([0.3 * x, -0.09 * (y - 60)])
    generator = torch.Generator().manual_seed(1)
    wrong = 40 * (torch.rand(2, HEIGHT, WIDTH, generator=generator) - 0.5)
    right = x < 60
    found = affine_consensus(torch.where(right, truth, wrong), torch.ones_like(right))
    assert found is not None
    torch.testing.assert_close(found, truth, atol=0.3, rtol=0)
    assert affine_consensus(truth, torch.zeros_like(right)) is None
