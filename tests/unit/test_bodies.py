"""Bodies that the mask shows apart, and which of them move apart."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from scorrnet_cli.breakage.bodies import bodies
from scorrnet_cli.breakage.severed import severed
from scorrnet_cli.refinement.matching import Spline, deformed_spline, surface

HEIGHT, WIDTH = 170, 203


def _two_plates(gap_px: int) -> tuple[Tensor, Tensor]:
    """Two plates, one above the other, and which is the lower one."""
    mask = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    mask[10:160, 12:190] = True
    mask[85 : 85 + gap_px] = False
    lower = mask.clone()
    lower[:85] = False
    return mask, lower


def _turning(degrees: float) -> Tensor:
    """Displacement (2, H, W) of a rigid rotation."""
    y, x = torch.meshgrid(torch.arange(float(HEIGHT)), torch.arange(float(WIDTH)), indexing="ij")
    c, s = math.cos(math.radians(degrees)) - 1, math.sin(math.radians(degrees))
    return torch.stack([c * (x - 90) - s * (y - 80), s * (x - 90) + c * (y - 80)])


@pytest.mark.parametrize("gap_px", [1, 3, 8, 40])
@pytest.mark.parametrize("degrees", [0.0, 20.0])
def test_plates_that_move_apart_are_two_bodies(gap_px: int, degrees: float) -> None:
    mask, lower = _two_plates(gap_px)
    field = _turning(degrees)
    field[1, lower] += 1.0
    found = sorted(bodies(mask, field), key=lambda body: int(body.nonzero()[0, 0]))
    assert len(found) == 2
    assert torch.equal(found[0] | found[1], mask)
    assert not bool((found[0] & found[1]).any())
    taken_for_the_other = (found[0] & lower) | (found[1] & mask & ~lower)
    assert int(taken_for_the_other.sum()) == 0 if gap_px > 4 else not bool(taken_for_the_other[:82].any())


@pytest.mark.parametrize("gap_px", [3, 8, 40, 50])
@pytest.mark.parametrize("degrees", [0.0, 20.0])
def test_plates_that_move_as_one_are_one_body(gap_px: int, degrees: float) -> None:
    mask, lower = _two_plates(gap_px)
    field = _turning(degrees)
    field[0] += 0.05 * torch.randn(HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))
    field[:, ~mask] = 1000.0  # what the background does is not known
    field[1, lower] += 0.2
    (body,) = bodies(mask, field)
    assert torch.equal(body, mask)


@pytest.mark.parametrize("across", [20, 24, 400])
@pytest.mark.parametrize("gap_px", [60, 100, 120, 128, 200])
def test_bodies_of_any_distance_and_shape_are_compared(gap_px: int, across: int) -> None:
    """Far from each other nothing reaches from one to the other, so that they may count as two or as one."""
    mask = torch.zeros(260, 420, dtype=torch.bool)
    mask[4:24, 8 : 8 + across] = mask[24 + gap_px : 44 + gap_px, 8 : 8 + across] = True
    found = bodies(mask, torch.zeros(2, 260, 420))
    assert torch.equal(torch.stack(found).sum(0) > 0, mask)
    apart = torch.zeros(2, 260, 420)
    apart[0, 24 + gap_px :] = 2.0
    assert len(bodies(mask, apart)) == 2


@pytest.mark.parametrize("count", [12, 13, 30])
def test_there_may_be_many_bodies(count: int) -> None:
    mask = torch.zeros(90, 28 * count, dtype=torch.bool)
    field = torch.zeros(2, *mask.shape)
    for index in range(count):
        part = slice(28 * index + 2, 28 * index + 26)
        mask[5:85, part] = True
        field[1, :, part] = 1.5 * (-1) ** index
    found = bodies(mask, field)
    assert torch.equal(torch.stack(found).sum(0) > 0, mask)
    for body in found:
        assert float(field[1, body].std()) == 0.0  # none of them holds two that move apart


@pytest.mark.parametrize("degrees", [0.0, 20.0])
@pytest.mark.parametrize(("shift_px", "count"), [(3.0, 2), (0.0, 1)])
def test_a_fragment_has_a_shift_of_its_own(degrees: float, shift_px: float, count: int) -> None:
    mask = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    mask[10:160, 12:150] = mask[60:80, 157:177] = True
    field = _turning(degrees)
    field[1, :, 155:] += shift_px
    found = bodies(mask, field)
    assert len(found) == count
    assert all(bool(body[60:80, 157:177].any()) != bool(body[60:80, 20:150].any()) for body in found) == (count == 2)


def test_what_is_small_goes_with_the_body_beside_it() -> None:
    mask, lower = _two_plates(30)
    field = _turning(0.0)
    field[1, lower] += 3.0
    mask[108:112, 50:54] = mask[5:8, 100:103] = True
    upper, under = sorted(bodies(mask, field), key=lambda body: int(body.nonzero()[0, 0]))
    assert bool(under[108:112, 50:54].all())
    assert bool(upper[5:8, 100:103].all())
    assert torch.equal(upper | under, mask)


def test_each_body_is_refined_by_itself() -> None:
    mask, lower = _two_plates(8)
    field = _turning(0.0)
    field[1, lower] += 1.5
    image = torch.randn(HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1))
    seen = surface(image, mask)
    parts, torn = severed(seen, Spline(deformed_spline(seen, image)), field)
    assert not bool(torn.any())
    assert {int(part.surface.mask.sum()) for part in parts} == {int(lower.sum()), int((mask & ~lower).sum())}


def test_a_field_of_few_pixels_is_one_body() -> None:
    mask = torch.ones(3, 129, dtype=torch.bool)
    assert [part.tolist() for part in bodies(mask, torch.zeros(2, 3, 129))] == [mask.tolist()]
