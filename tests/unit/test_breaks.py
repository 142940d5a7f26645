"""Ridges of a field, and what they part."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from scorrnet_cli.breakage.breaks import longest, parted, ridges, steep_beside, steepest

HEIGHT, WIDTH = 160, 208


def _step(tip: int = 0, gap: int = 0) -> Tensor:
    """Field (2, H, W) that changes by 3 px across row 80, within some 8 px, from column `tip` on, or all but a gap."""
    y, x = torch.meshgrid(torch.arange(float(HEIGHT)), torch.arange(float(WIDTH)), indexing="ij")
    amount = 1 - torch.exp(-(((x - tip).clamp_min(0) / 20) ** 2)) if tip else torch.ones_like(x)
    if gap:
        amount = 1 - torch.exp(-(((x - gap) / 8) ** 2))
    v = 1.5 * amount * torch.tanh((y - 80) / 3)
    return torch.stack([0.3 * v + 0.01 * x, v])


def _parts(field: Tensor, mask: Tensor) -> list[Tensor]:
    most = steepest(field, mask)
    assert 0.45 < most < 0.6
    return parted(field, mask, longest(ridges(field, mask, steep_beside(most))))


@pytest.mark.parametrize("gap", [0, 106])
def test_a_ridge_from_edge_to_edge_parts_a_surface(gap: int) -> None:
    mask = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    mask[10:150, 8:200] = True
    parts = _parts(_step(gap=gap), mask)
    assert len(parts) == 2
    assert sorted(bool(part[40, 100]) for part in parts) == [False, True]
    assert not bool((parts[0] & parts[1]).any())
    for part in parts:
        assert bool(part[:80].any()) != bool(part[80:].any())
        assert int(part.sum()) > 0.35 * int(mask.sum())


def test_beside_a_ridge_that_ends_are_two_sides() -> None:
    mask = torch.ones(HEIGHT, WIDTH, dtype=torch.bool)
    above, below = _parts(_step(tip=90), mask)
    if not bool(above[60, 180]):
        above, below = below, above
    assert bool(above[64:72, 150:].all()) and not bool(above[80:, 150:].any())
    assert bool(below[92:100, 150:].all()) and not bool(below[:80, 150:].any())
    assert not bool((above | below)[:, :40].any())


def test_what_changes_outside_the_mask_is_no_ridge() -> None:
    field = torch.zeros(2, HEIGHT, WIDTH)
    mask = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    mask[20:140, 20:180] = True
    field[0, ~mask] = 50.0
    field[0, 60, 60] = 0.4
    assert steepest(field, mask) == pytest.approx(0.4)
    found = ridges(field, mask, steep_beside(0.4))
    assert int(found.sum()) == 5
    assert not any(bool(part.any()) for part in parted(field, mask, longest(found)))
