"""Classical subset correlation against exact displacement."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from scorrnet_cli.evaluation.fields import affine, quadratic
from scorrnet_cli.evaluation.icgn import Correlated, _composed, _map_matrix, correlate
from scorrnet_cli.evaluation.rendering import Displacement, Pair, make_pair, photographed

SIZE = 160


def _points(low: int = 35, high: int = SIZE - 35, step: int = 6) -> Tensor:
    y, x = torch.meshgrid(*(torch.arange(low, high, step),) * 2, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()])


def _pair(displacement: Displacement, seed: int = 1) -> Pair:
    return make_pair((SIZE, SIZE), displacement, seed)


def _rmse(pair: Pair, found: Correlated, points: Tensor) -> float:
    error = found.displacement - pair.truth[:, points[1], points[0]]
    return float(error[:, found.valid].square().mean().sqrt())


@pytest.mark.parametrize(("order", "most"), [(1, 0.001), (2, 0.0016)])
def test_affine_fields_are_found_by_both_orders(order: int, most: float) -> None:
    pair, points = _pair(affine(0.02, 1.0, (0.3, -0.2), SIZE)), _points()
    found = correlate(pair.reference, pair.deformed, pair.mask, pair.truth.float().round(), points, order)
    assert bool(found.valid.all())
    assert _rmse(pair, found, points) < most
    assert float(found.zncc.min()) > 0.999


def test_large_strain_and_rotation_from_a_field_that_is_off() -> None:
    pair, points = _pair(affine(0.3, 20.0, (0.3, -0.2), SIZE)), _points(60, 100)
    found = correlate(pair.reference, pair.deformed, pair.mask, pair.truth.float() + 0.3, points, 1)
    assert bool(found.valid.all())
    assert _rmse(pair, found, points) < 0.004


def test_a_field_of_second_order_needs_the_second_order() -> None:
    pair, points = _pair(quadratic(0.04, SIZE)), _points()
    start = pair.truth.float() + 0.1
    first, second = (correlate(pair.reference, pair.deformed, pair.mask, start, points, order) for order in (1, 2))
    assert bool(second.valid.all())
    assert _rmse(pair, second, points) < 0.002
    # the mean of x^2 over a subset of 21 px is 36.7: half of the second derivative times that is missed
    missed = 0.5 * 0.04 / (SIZE / 2) * 36.7
    assert 0.6 * missed < _rmse(pair, first, points) < 2.2 * missed


@pytest.mark.parametrize("order", [1, 2])
def test_noise_is_as_uncertain_as_it_says(order: int) -> None:
    pair, points = _pair(affine(0.0, 0.0, (0.4, 0.6), SIZE)), _points()
    noisy = photographed(pair, 3)
    found = correlate(noisy.reference, noisy.deformed, noisy.mask, pair.truth.float().round(), points, order)
    error = found.displacement - pair.truth[:, points[1], points[0]]
    assert 0.75 < float((error / found.sigma).square().mean().sqrt()) < 1.25
    # the bound of information: sqrt(2) times 2 grey levels over 21 times the slope of 19, and twice for 12 unknowns
    bound = 2**0.5 * 2 / (21 * 19)
    assert float(found.sigma.mean()) == pytest.approx(bound * order, rel=0.2)


def test_light_does_not_matter() -> None:
    pair, points = _pair(affine(0.01, 0.0, (0.4, 0.6), SIZE)), _points()
    start = pair.truth.float()
    plain, lit = (
        correlate(pair.reference, image, pair.mask, start, points, 1)
        for image in (pair.deformed, 0.7 * pair.deformed + 30)
    )
    assert float((plain.displacement - lit.displacement).abs().max()) < 1e-3


def test_what_leaves_the_image_or_finds_no_match_is_invalid() -> None:
    pair = _pair(affine(0.0, 0.0, (30.0, 0.0), SIZE))
    points = torch.tensor([[60, 140, 60], [80, 80, 30]])
    deformed = pair.deformed.clone()
    deformed[:50] = pair.reference.flip(0)[:50]
    found = correlate(pair.reference, deformed, pair.mask, pair.truth.float(), points, 1)
    assert found.valid.tolist() == [True, False, False]


def test_subsets_are_cut_at_the_mask() -> None:
    pair = _pair(affine(0.0, 0.0, (0.0, 0.0), SIZE))
    mask = pair.mask.clone()
    mask[:, 80:] = False
    deformed = pair.deformed.clone()
    deformed[:, 80:] = pair.reference.flip(1)[:, 80:]
    points = torch.stack([torch.full((10,), 76), torch.arange(40, 120, 8)])
    start = torch.full((2, SIZE, SIZE), 0.2)
    found = correlate(pair.reference, deformed, mask, start, points, 1)
    assert bool(found.valid.all())
    assert float(found.displacement.abs().max()) < 0.01


@pytest.mark.parametrize("terms", [3, 6])
def test_composing_with_the_same_map_gives_the_identity(terms: int) -> None:
    generator = torch.Generator().manual_seed(2)
    shape = 0.05 * torch.randn(2, 4, terms, generator=generator)
    assert float(_composed(shape, shape).abs().max()) < 1e-6
    torch.testing.assert_close(_composed(shape, torch.zeros_like(shape)), shape)
    matrix = _map_matrix(shape.double())
    xi = torch.tensor([0.2, -0.1], dtype=torch.float64)
    monomials = torch.stack(
        [torch.ones(()).double(), *xi, *((xi[0] ** 2, xi.prod(), xi[1] ** 2) if terms == 6 else ())]
    )
    moved = xi + torch.einsum("ank,k->na", shape.double(), monomials)
    torch.testing.assert_close((matrix @ monomials)[:, 1:3], moved)
