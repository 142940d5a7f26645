"""What the images say where two parts of a surface meet."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from scorrnet_cli.breakage.seams import Seam, inland
from scorrnet_cli.numerics.morphology import meeting
from scorrnet_cli.refinement.matching import Spline, Surface

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


@pytest.fixture
def seam(seen_moved: Callable[..., tuple[Surface, Spline]]) -> Callable[..., Seam]:
    """Make a seam between the halves, `off_px` from where they meet, of images that were moved by a field."""

    def between(truth: Tensor, off_px: int = 0, **how: float) -> Seam:
        x, _ = _grid()
        halves = torch.stack([torch.stack([0 * x, 0 * x + v]) for v in (-0.5 * JUMP_PX, 0.5 * JUMP_PX)])
        return Seam(*seen_moved(truth, **how), halves, (x >= BREAK + off_px).long(), 0.5)

    return between


def test_a_break_is_told_from_a_steep_field(seam: Callable[..., Seam]) -> None:
    broken, steep = seam(_jumping()), seam(_smoothed())
    assert broken.is_broken(_smoothed(), broken.owners())
    assert not steep.is_broken(_smoothed(), steep.owners())
    assert not broken.is_broken(_jumping(), broken.owners())  # a cut explains nothing that the field does not


def test_noise_is_no_break(seam: Callable[..., Seam]) -> None:
    alike = _smoothed() + 0.02 * _jumping()
    for seed in range(12):
        between = seam(alike, noise=3.0, seed=seed)
        assert not between.is_broken(_smoothed(), between.owners())


def test_what_does_not_show_the_surface_says_nothing(seam: Callable[..., Seam]) -> None:
    _, y = _grid()
    broken = seam(_jumping())
    found = broken.owners()
    gone = torch.stack([0 * y, torch.where(y < 30, 200.0, 0.0)])
    assert broken.is_broken(_smoothed() + gone, found)
    noise = torch.randn(HEIGHT, WIDTH, generator=torch.Generator().manual_seed(5))
    broken._deformed.coefficients[50:] = noise[50:]  # something hides it
    assert not broken.is_broken(_smoothed(), found)
    broken._surface.core[46:] = 0.0  # and is known to
    assert broken.is_broken(_smoothed(), found)


@pytest.mark.parametrize("off_px", [-6, 5])
def test_points_go_to_the_side_that_matches(seam: Callable[..., Seam], off_px: int) -> None:
    between = seam(_jumping(), off_px)
    found = between.owners_in_their_light(between.owners())
    x, _ = _grid()
    away = inland(torch.ones(HEIGHT, WIDTH, dtype=torch.bool)) & ((x - BREAK + 0.5).abs() > 3)
    assert float((found.number == (x >= BREAK))[away].float().mean()) > 0.99
    torn = between.torn(found)
    assert bool(torn[10:-10, BREAK - 2 : BREAK + 2].all())
    assert float(torn.float().mean()) < 12 / WIDTH


def test_a_drop_across_a_break_is_torn_as_a_whole(seam: Callable[..., Seam]) -> None:
    between = seam(_jumping())
    found = between.owners()
    drop = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    drop[50:60, BREAK - 8 : BREAK + 8] = True
    torn, plain = (between.torn(found._replace(clear=found.clear & clear)) for clear in (~drop, drop | ~drop))
    assert bool(torn[drop].all())
    assert not bool(plain[50:60, BREAK - 8].any())


def test_where_the_parts_move_alike_nothing_is_torn(seen_moved: Callable[..., tuple[Surface, Spline]]) -> None:
    x, _ = _grid()
    still = torch.zeros(2, 2, HEIGHT, WIDTH)
    alike = Seam(*seen_moved(still[0]), still, (x >= BREAK).long(), 0.5)
    assert not bool(alike.torn(alike.owners()).any())
    assert bool(alike.healed(alike.owners()).all())


def test_ahead_of_a_tip_the_parts_are_healed(seen_moved: Callable[..., tuple[Surface, Spline]]) -> None:
    x, y = _grid()
    opening = JUMP_PX * (1 - torch.exp(-(((x - 60).clamp_min(0) / 15) ** 2)))
    truth = torch.stack([0 * x, torch.where(y < 60, -0.5, 0.5) * opening])
    motions = torch.stack([torch.stack([0 * x, side * opening]) for side in (-0.5, 0.5)])
    cracked = Seam(*seen_moved(truth), motions, (y >= 60).long(), 0.5)
    healed = cracked.healed(cracked.owners())
    assert bool(healed[20:100, :40].all())
    assert not bool(healed[40:80, 100:].any())


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
