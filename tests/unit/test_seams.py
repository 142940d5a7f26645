"""What the images say where two parts of a surface meet."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from scorrnet_cli.filters import gaussian
from scorrnet_cli.matching import Spline, deformed_spline, surface
from scorrnet_cli.seams import Seam, inland, meeting
from scorrnet_cli.spline import spline_coefficients, spline_sample

HEIGHT, WIDTH, BREAK = 120, 160, 80
JUMP_PX = 3.0


def _grid() -> tuple[Tensor, Tensor]:
    y, x = torch.meshgrid(torch.arange(float(HEIGHT)), torch.arange(float(WIDTH)), indexing="ij")
    return x, y


def _jumping() -> Tensor:
    """Field (2, H, W) of two halves that slide by 3 px along column 80."""
    x, _ = _grid()
    return torch.stack([0 * x, torch.where(x < BREAK, -0.5, 0.5) * JUMP_PX])


def _smoothed() -> Tensor:
    x, _ = _grid()
    return torch.stack([0 * x, 0.5 * JUMP_PX * torch.tanh((x - BREAK + 0.5) / 4)])


def _seam(truth: Tensor, off_px: int = 0) -> Seam:
    """Seam between the halves, `off_px` from where they meet, of images that were moved by `truth` (2, H, W)."""
    generator = torch.Generator().manual_seed(3)
    deformed = gaussian(torch.randn(1, HEIGHT, WIDTH, generator=generator), 1.3)[0]
    deformed = 40 * deformed / deformed.std()
    reference = spline_sample(spline_coefficients(deformed), truth)
    reference, deformed = (image + torch.randn(HEIGHT, WIDTH, generator=generator) for image in (reference, deformed))
    seen = surface(reference, torch.ones(HEIGHT, WIDTH, dtype=torch.bool))
    x, _ = _grid()
    halves = torch.stack([torch.stack([0 * x, 0 * x + v]) for v in (-0.5 * JUMP_PX, 0.5 * JUMP_PX)])
    number = (x >= BREAK + off_px).long()
    return Seam(seen, Spline(deformed_spline(seen, deformed)), halves, number, 0.5)


def test_a_break_is_told_from_a_steep_field() -> None:
    broken, steep = _seam(_jumping()), _seam(_smoothed())
    assert broken.is_broken(_smoothed(), broken.owners())
    assert not steep.is_broken(_smoothed(), steep.owners())
    assert not broken.is_broken(_jumping(), broken.owners())  # a cut explains nothing that the field does not


@pytest.mark.parametrize("off_px", [-6, 5])
def test_points_go_to_the_side_that_matches(off_px: int) -> None:
    seam = _seam(_jumping(), off_px)
    found = seam.owners_in_their_light(seam.owners())
    x, _ = _grid()
    away = inland(torch.ones(HEIGHT, WIDTH, dtype=torch.bool)) & ((x - BREAK + 0.5).abs() > 3)
    assert float((found.number == (x >= BREAK))[away].float().mean()) > 0.99
    torn = seam.torn(found)
    assert bool(torn[10:-10, BREAK - 2 : BREAK + 2].all())
    assert float(torn.float().mean()) < 12 / WIDTH


def test_where_the_parts_move_alike_nothing_is_torn() -> None:
    seam = _seam(0 * _jumping())
    alike = Seam(seam._surface, seam._deformed, torch.zeros(2, 2, HEIGHT, WIDTH), seam._number, 0.5)
    assert not bool(alike.torn(alike.owners()).any())


def test_parts_meet_where_both_are_within_reach() -> None:
    left = torch.zeros(20, 30, dtype=torch.bool)
    left[:, :10] = True
    right = torch.zeros_like(left)
    right[:, 14:] = True
    assert not bool(meeting([left, right], 2).any())
    assert meeting([left, right], 4)[10].nonzero()[:, 0].tolist() == [10, 11, 12, 13]


def test_inland_is_away_from_the_rim_and_from_the_border() -> None:
    mask = torch.ones(30, 40, dtype=torch.bool)
    mask[:, 20] = False
    points = inland(mask)
    assert points[15].nonzero()[:, 0].tolist() == [*range(4, 16), *range(25, 36)]
    assert points[:, 10].nonzero()[:, 0].tolist() == list(range(4, 26))
