"""Parts of a surface that have come apart."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from scorrnet_cli.breakage import severed as module
from scorrnet_cli.breakage.breaks import steepest
from scorrnet_cli.breakage.severed import Severed, joined, severed
from scorrnet_cli.refine import Refined
from scorrnet_cli.refinement.matching import Spline, Surface

HEIGHT, WIDTH = 200, 240

Seen = Callable[..., tuple[Surface, Spline]]


def _grid() -> tuple[Tensor, Tensor]:
    y, x = torch.meshgrid(torch.arange(float(HEIGHT)), torch.arange(float(WIDTH)), indexing="ij")
    return x, y


def _step(across: Tensor, width_px: float) -> Tensor:
    """A step from -1 to 1 at 0, smoothed as the network does it; none if the width is 0."""
    return torch.tanh(across / width_px) if width_px else torch.where(across < 0, -1.0, 1.0)


def _slid(jump_px: float, width_px: float) -> Tensor:
    """Field (2, H, W) of two halves that slide along row 100 by `jump_px`."""
    x, y = _grid()
    return torch.stack([0.5 * jump_px * _step(y - 99.5, width_px), 0.004 * x])


def _found(seen: tuple[Surface, Spline], field: Tensor) -> Severed:
    found = severed(*seen, field)
    owned = torch.stack([part.owned for part in found.parts]).sum(0)
    assert int(owned.max()) == 1 and not bool((owned[~seen[0].mask] > 0).any())
    return found


def test_a_smoothed_break_is_cut_and_a_steep_field_is_not(seen_moved: Seen) -> None:
    apart = _found(seen_moved(_slid(3.0, 0.0)), _slid(3.0, 4.0))
    assert len(apart.parts) == 2
    for part, side in zip(sorted(apart.parts, key=lambda part: float(part.owned[150].sum())), (-1.5, 1.5), strict=True):
        beside = part.owned.clone()
        beside[:90], beside[110:] = False, False
        assert float((part.field[0] - side)[beside].abs().median()) < 0.05
    steep = _found(seen_moved(_slid(3.0, 4.0)), _slid(3.0, 4.0))
    assert len(steep.parts) == 1 and not bool(steep.torn.any())


@pytest.mark.parametrize("spot_px", [1.0, 3.0])
def test_a_wrong_spot_elsewhere_hides_no_break(seen_moved: Seen, spot_px: float) -> None:
    field = _slid(2.0, 4.0)
    field[1, 40:43, 60:63] += spot_px
    assert len(_found(seen_moved(_slid(2.0, 0.0)), field).parts) == 2


def test_a_steep_band_elsewhere_hides_no_break(seen_moved: Seen) -> None:
    x, _ = _grid()
    band = torch.stack([torch.zeros(HEIGHT, WIDTH), 2.5 * torch.tanh((x - 60) / 5)])

    def crack(width_px: float) -> Tensor:
        open_px = 3.0 * (1 - torch.exp(-(((x - 130).clamp_min(0) / 25) ** 2)))
        return _slid(1.0, width_px) * open_px

    assert len(_found(seen_moved(band + crack(0.0)), band + crack(4.0)).parts) == 2


def test_a_crack_is_seen_in_a_surface_that_a_wire_crosses(seen_moved: Seen) -> None:
    x, y = _grid()
    mask = (y - 30).abs() > 2
    open_px = 3.0 * (1 - torch.exp(-(((x - 100).clamp_min(0) / 30) ** 2)))
    assert len(_found(seen_moved(_slid(1.0, 0.0) * open_px, mask), _slid(1.0, 4.0) * open_px).parts) == 2


def test_two_breaks_that_cross_leave_four_parts(seen_moved: Seen) -> None:
    def crossed(width_px: float) -> Tensor:
        x, y = _grid()
        return torch.stack([1.5 * _step(y - 99.5, width_px), 1.5 * _step(x - 119.5, width_px)])

    apart = _found(seen_moved(crossed(0.0)), crossed(4.0))
    assert len(apart.parts) == 4
    assert bool(apart.torn[60:70, 119].all()) and bool(apart.torn[99, 60:70].all())
    assert not bool(apart.torn[20:80, 20:100].any())


def test_one_break_after_the_other_is_found(seen_moved: Seen) -> None:
    def twice(width_px: float) -> Tensor:
        x, y = _grid()
        return torch.stack([1.5 * _step(y - 59.5, width_px) - 1.2 * _step(y - 139.5, width_px), 0.002 * x])

    apart = _found(seen_moved(twice(0.0)), twice(4.0))
    assert len(apart.parts) == 3
    assert bool(apart.torn[59:61, 20:220].all()) and bool(apart.torn[139:141, 20:220].all())


def test_windows_do_not_reach_across_a_notch_that_opens(seen_moved: Seen) -> None:
    x, y = _grid()
    mask = ((y - 99.5).abs() > 4) | (x < 110)
    open_px = 1.5 * (1 - torch.exp(-(((x - 110).clamp_min(0) / 40) ** 2)))
    field = _slid(1.0, 0.0) * open_px
    apart = _found(seen_moved(field, mask), field)
    assert len(apart.parts) == 2 and not bool(apart.torn.any())
    for part in apart.parts:
        assert bool(part.surface.mask[80, 210]) != bool(part.surface.mask[120, 210])


def test_ahead_of_its_tip_a_crack_is_not_torn(seen_moved: Seen) -> None:
    x, _ = _grid()
    open_px = 3.0 * (1 - torch.exp(-(((x - 110).clamp_min(0) / 25) ** 2)))
    apart = _found(seen_moved(_slid(1.0, 0.0) * open_px), _slid(1.0, 4.0) * open_px)
    assert len(apart.parts) == 2
    assert bool(apart.torn[99, 170:230].all()) and not bool(apart.torn[:, :90].any())
    assert bool(torch.stack([part.owned for part in apart.parts]).any(0)[:, :90].all())
    for part in apart.parts:
        assert bool(part.surface.mask[85:115, 40:80].all())
        assert bool(part.surface.mask[60, 200]) != bool(part.surface.mask[140, 200])


@pytest.mark.parametrize("width_px", [0.5, 2.0, 4.0])
def test_a_crack_in_a_surface_that_bends_is_cut_and_torn_nowhere_else(seen_moved: Seen, width_px: float) -> None:
    """Far from the crack its lips still move apart, but little from pixel to pixel; the network may smooth it."""
    y, x = torch.meshgrid(torch.arange(480.0), torch.arange(300.0), indexing="ij")
    across, ahead = y - 239.5, (x - 80).clamp_min(0)

    def bent(crack_px: float) -> Tensor:
        opens = 6 * torch.tanh(across / (crack_px + 0.8 * ahead)) * torch.exp(-x / 60)
        return torch.stack([-14 * torch.exp(-((across / 150) ** 2)), opens])

    apart = _found(seen_moved(bent(1e-6)), bent(width_px))
    assert len(apart.parts) == 2
    assert bool(apart.torn[239:241, 5:60].all())
    assert not bool((apart.torn & ((across.abs() > 20) | (x > 110))).any())


def test_a_turn_of_the_whole_is_no_break(seen_moved: Seen) -> None:
    x, y = _grid()
    c, s = math.cos(0.6) - 1, math.sin(0.6)
    turned = torch.stack([c * (x - 120) - s * (y - 100), s * (x - 120) + c * (y - 100)])
    assert len(_found(seen_moved(turned), turned).parts) == 1


def test_what_lies_outside_the_mask_does_not_matter(seen_moved: Seen) -> None:
    mask = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    mask[20:180, 20:220] = True
    field = _slid(2.0, 4.0)
    field[:, ~mask] = math.nan
    assert len(_found(seen_moved(_slid(2.0, 0.0), mask), field.nan_to_num(77.0)).parts) == 2
    assert steepest(field, mask) == pytest.approx(float(_slid(2.0, 4.0)[0].diff(dim=0).max()), abs=0.01)


def test_where_two_bodies_or_parts_meet_nothing_is_valid(seen_moved: Seen) -> None:
    x, y = _grid()
    mask = y != 100
    field = torch.stack([torch.where(y < 100, 0.0, 2.0) + 0 * x, 0 * x])
    seen = seen_moved(field, mask)
    apart = _found(seen, field)
    assert len(apart.parts) == 2 and bool(apart.torn[98:103, 50].all()) and not bool(apart.torn[90, 50])
    all_valid = [
        Refined(torch.full_like(field, number), mask, field[0], field, torch.zeros_like(mask)) for number in range(2)
    ]
    result = joined(apart, all_valid)
    assert torch.equal(result.valid, mask & ~apart.torn)
    for number, part in enumerate(apart.parts):
        assert bool((result.displacement[0][part.owned] == number).all())


def test_a_part_of_which_nothing_is_left_is_none(monkeypatch: pytest.MonkeyPatch, seen_moved: Seen) -> None:
    """Points here and there, where a motion matches by chance, are no part."""
    x, _ = _grid()
    field = torch.stack([torch.where(x < 120, 0.0, 10.0), 0 * x])
    seen = seen_moved(0 * field)
    mask = seen[0].mask
    scattered = torch.zeros_like(mask)
    scattered[::16, ::16] = True
    monkeypatch.setattr(module, "moving_parts", lambda field, known: [mask & ~scattered, scattered])
    (part,), torn = severed(*seen, field)
    assert not bool(torn.any())
    assert torch.equal(part.field, field)
    assert torch.equal(part.owned, mask) and torch.equal(part.surface.mask, mask)
