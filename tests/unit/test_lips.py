"""Lips of a crack that ends within a surface."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from scorrnet_cli.arrays import BoolArray, FloatArray
from scorrnet_cli.breakage.lips import lips
from scorrnet_cli.gauge import StrainSettings
from scorrnet_cli.strain import strain

HEIGHT, WIDTH, TIP = 200, 240, 130


def _cracked(opening_px: float, width_px: int = 6) -> tuple[Tensor, Tensor]:
    """Where a surface with a crack along row 100 from column 130 on is known, and its field (2, H, W)."""
    y, x = torch.meshgrid(torch.arange(float(HEIGHT)), torch.arange(float(WIDTH)), indexing="ij")
    opening = opening_px * (1 - torch.exp(-(((x - TIP).clamp_min(0) / 40) ** 2)))
    field = torch.stack([0.01 * x, torch.where(y < 100, -0.5, 0.5) * opening + 0.002 * y])
    known = torch.ones(HEIGHT, WIDTH, dtype=torch.bool)
    known[100 - width_px // 2 : 100 + width_px // 2, TIP:] = False
    return known, field


@pytest.mark.parametrize("width_px", [4, 6, 14])
def test_no_window_reaches_from_one_lip_to_the_other(width_px: int) -> None:
    known, field = _cracked(3.0, width_px)
    above, below = sorted(lips(known, field), key=lambda lip: not bool(lip.owned[50, 200]))
    assert torch.equal(above.owned | below.owned, known)
    assert not bool((above.owned & below.owned).any())
    assert bool(above.owned[20 : 96 - width_px // 2, 160:].all()) and not bool(above.sees[100:124, 180:].any())
    assert bool(below.owned[104 + width_px // 2 : 180, 160:].all()) and not bool(below.sees[76:100, 180:].any())
    assert bool(above.sees[60:140, 20:100].all()) and bool(below.sees[60:140, 20:100].all())


def test_each_of_two_cracks_has_lips() -> None:
    known, field = _cracked(3.0)
    x = torch.arange(float(WIDTH))
    y = torch.arange(float(HEIGHT))[:, None]
    opening = 2.0 * (1 - torch.exp(-(((80 - x).clamp_min(0) / 40) ** 2))) * torch.exp(-(y - 40).abs() / 60)
    field[1] += torch.where(y < 40, -0.5, 0.5) * opening
    known[37:43, :80] = False
    found = lips(known, field)
    assert len(found) == 3
    assert torch.equal(torch.stack([lip.owned for lip in found]).sum(0) == 1, known)
    for at, across in (((20, 20), (60, 20)), ((60, 20), (20, 20)), ((80, 220), (120, 220)), ((120, 220), (80, 220))):
        (mine,) = (lip for lip in found if bool(lip.owned[at]))
        assert not bool(mine.sees[across])


@pytest.mark.parametrize("kind", ["closed", "hole", "specks"])
def test_gaps_that_do_not_open_are_no_cracks(kind: str) -> None:
    known, field = _cracked(0.3 if kind == "closed" else 0.0)
    y, x = torch.meshgrid(torch.arange(float(HEIGHT)), torch.arange(float(WIDTH)), indexing="ij")
    if kind != "closed":
        known = torch.ones_like(known)
        field = torch.stack([0.1 * x, -0.05 * y])  # strong strain, but no jump
    if kind == "hole":
        known &= torch.hypot(x - 120, y - 100) > 7
    elif kind == "specks":
        known &= torch.rand(HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0)) > 0.01
    assert len(lips(known, field)) == 1


def test_strain_is_right_up_to_a_crack() -> None:
    known, field = _cracked(3.0)
    u, v = (part[None].double().numpy() for part in field)
    found = strain(u, v, known[None].numpy(), StrainSettings(window_px=25, measure="small"))
    y = torch.arange(HEIGHT)[:, None].expand(HEIGHT, WIDTH)
    beside = known & ((y - 99.5).abs() < 12)
    beside[:, : TIP + 60] = False
    assert float((torch.from_numpy(found.eyy[0]) - 0.002)[beside].abs().max()) < 0.002
    assert int(torch.from_numpy(found.eyy[0]).isfinite()[known].sum()) == int(known.sum())


def _edge_crack(
    turn_deg: float, width_px: float, slant_deg: float = 0.0, length_px: int = 130
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Displacement u, v (1, H, W), and where it is known, about a crack that opens by 3 px, all of it turned."""
    y, x = np.mgrid[:260, :300].astype(float)
    known = (y >= 20) & (y < 240) & (x >= 150 - length_px) & (x < 270)
    c, s = np.cos(np.radians(slant_deg)), np.sin(np.radians(slant_deg))
    along, across = c * (x - 150) + s * (y - 130), c * (y - 130) - s * (x - 150)
    known &= ~((np.abs(across) <= width_px / 2) & (along < 0))
    wide = 1.5 * np.sqrt(np.hypot(along, across) / length_px)
    opened = wide * np.sin(np.arctan2(across, along) / 2) + 0.002 * across
    moved_x, moved_y = x - s * opened - 150, y + c * opened - 130
    c, s = np.cos(np.radians(turn_deg)), np.sin(np.radians(turn_deg))
    field = np.stack([c * moved_x - s * moved_y + 150 - x, s * moved_x + c * moved_y + 130 - y])[:, None]
    u, v = np.where(known, field, np.nan).astype(np.float32)
    return u, v, known[None]


@pytest.mark.parametrize("turn_deg", [3.0, 20.0, 90.0])
@pytest.mark.parametrize(("length_px", "most"), [(30, 0.055), (130, 0.03)])
def test_a_turn_of_the_whole_changes_no_strain_at_a_crack(turn_deg: float, length_px: int, most: float) -> None:
    still, turned = (strain(*_edge_crack(each, 6.0, 0.0, length_px), StrainSettings()) for each in (0.0, turn_deg))
    assert float(np.nanmax(still.e1)) < most  # with windows that reach across: 0.16
    for name in ("exx", "eyy", "exy"):
        np.testing.assert_allclose(getattr(turned, name), getattr(still, name), atol=1e-4)


@pytest.mark.parametrize("slant_deg", [0.0, 15.0, 30.0, 45.0])
@pytest.mark.parametrize("width_px", [1.0, 3.0, 8.0])
def test_a_crack_may_be_thin_and_slanted(width_px: float, slant_deg: float) -> None:
    found = strain(*_edge_crack(0.0, width_px, slant_deg), StrainSettings())
    assert int((found.e1 > 0.05).sum()) < 10  # of a cut of one pixel, with windows that reach across: 2,500


def test_a_wire_over_a_bent_surface_is_no_crack() -> None:
    y, x = torch.meshgrid(torch.arange(float(HEIGHT)), torch.arange(float(WIDTH)), indexing="ij")
    field = torch.stack([0.0 * x, 3.0 * (1 - torch.exp(-(((x - 100).clamp_min(0) / 30) ** 2)))])
    assert len(lips((y - 60).abs() > 2, field)) == 1


def test_a_notch_in_a_surface_that_bends_along_it_is_no_crack() -> None:
    y, x = torch.meshgrid(torch.arange(float(HEIGHT)), torch.arange(float(WIDTH)), indexing="ij")
    known = ~(((y - 100).abs() < 6) & (x > 100))
    field = torch.stack([0.0 * x, 4.0 * torch.exp(-(((x - 170) / 25) ** 2))])
    assert len(lips(known, field)) == 1


def test_a_dent_in_a_rim_is_no_crack() -> None:
    y, x = torch.meshgrid(torch.arange(float(HEIGHT)), torch.arange(float(WIDTH)), indexing="ij")
    known = ~((y < 8) & ((x - 120).abs() < 16))
    field = torch.stack([0.0 * x, 3.0 * torch.exp(-(((x - 112) / 15) ** 2))])
    assert len(lips(known, field)) == 1


def test_what_is_missing_at_the_border_of_the_image_is_no_crack() -> None:
    y, x = torch.meshgrid(torch.arange(float(HEIGHT)), torch.arange(float(WIDTH)), indexing="ij")
    known = ~((x >= WIDTH - 8) & ((y - 100).abs() < 36))
    field = torch.stack([0.0 * x, 6.0 * torch.exp(-(((y - 90) / 15) ** 2))])
    assert len(lips(known, field)) == 1


def test_what_has_left_the_image_says_nothing_of_a_gap() -> None:
    y, x = torch.meshgrid(torch.arange(float(HEIGHT)), torch.arange(float(WIDTH)), indexing="ij")
    known = ~(((y - 40).abs() < 3) & (x > 150))
    field = torch.stack([0.0 * x, torch.where(y < 40, -20.0 - y, -20.0)])  # guessed beyond the border
    assert len(lips(known, field)) == 1
    assert len(lips(known, field.abs())) == 2
