"""Sets of pixels that grow and shrink, and are told apart."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage

from scorrnet_cli.numerics.morphology import dilated, eroded, highest, in_squares, labelled
from scorrnet_cli.segment import SMALL_PX, _wide


@pytest.mark.parametrize("shape", [(40, 56), (3, 31, 17)])
@pytest.mark.parametrize("reach", [1, 4, 20])
def test_sets_grow_and_shrink_by_squares(shape: tuple[int, ...], reach: int) -> None:
    points = torch.rand(shape, generator=torch.Generator().manual_seed(reach)) > 0.98
    planes = points.view(1, -1, *shape[-2:]).float()
    by_squares = F.max_pool2d(planes, 2 * reach + 1, 1, reach).view(shape) > 0
    assert torch.equal(dilated(points, reach), by_squares)
    assert torch.equal(eroded(~points, reach), ~by_squares)
    assert bool(eroded(torch.ones(shape, dtype=torch.bool), reach).all())  # beyond the border all is in the set


def test_what_is_wide_includes_its_ragged_rim_and_nothing_narrow_elsewhere() -> None:
    points = torch.zeros(200, 300, dtype=torch.bool)
    points[20:120, 20:120] = True
    points[60:80, 120:130] = True  # a tooth of the rim
    points[150:160, 20:280] = True  # a band of its own
    wide = _wide(points)
    assert bool(wide[20:120, 20:120].all())
    assert bool(wide[60:80, 120:130].all())
    assert not bool(wide[140:].any())
    assert not bool(wide[:, 131 + SMALL_PX // 2 :].any())
    assert not bool(wide[30:50, 125:].any())


@pytest.mark.parametrize("share", [0.3, 0.55, 0.65])
def test_connected_parts_are_those_of_scipy(share: float) -> None:
    points = torch.rand(90, 120, generator=torch.Generator().manual_seed(3)) < share
    found, (known, count) = labelled(points), ndimage.label(points.numpy())
    pairs = {(int(one), int(other)) for one, other in zip(found[points], known[points.numpy()], strict=True)}
    assert len(pairs) == count == len({one for one, _ in pairs})
    assert not bool(found[~points].any())


def test_one_part_winds_and_nothing_has_none() -> None:
    spiral = torch.zeros(9, 9, dtype=torch.bool)
    spiral[0], spiral[:, 8], spiral[8], spiral[2:, 0], spiral[2, :7], spiral[2:7, 6] = (True,) * 6
    assert len(set(labelled(spiral)[spiral].tolist())) == 1
    assert not bool(labelled(torch.zeros(5, 4, dtype=torch.bool)).any())


@pytest.mark.parametrize("reach", [1, 3, 7])
def test_the_highest_values_around_are_found(reach: int) -> None:
    values = torch.randn(40, 56, generator=torch.Generator().manual_seed(reach)) - 10  # all below 0
    assert torch.equal(highest(values, reach), F.max_pool2d(values[None], 2 * reach + 1, 1, reach)[0])


def test_squares_of_a_set_are_kept_and_lines_are_not() -> None:
    points = torch.zeros(40, 40, dtype=torch.bool)
    points[5:12, 5:12], points[20:26] = True, True
    kept = in_squares(points, 3)
    assert bool(kept[5:12, 5:12].all())
    assert int(kept.sum()) == 49


def test_parts_that_share_a_corner_may_count_as_one() -> None:
    diagonal = torch.eye(6, dtype=torch.bool)
    both = torch.cat([diagonal, torch.zeros(6, 1, dtype=torch.bool), diagonal.flip(1)], 1)
    assert int(labelled(both).max()) == 12
    numbers = labelled(both, by_corners=True)
    assert int(numbers.max()) == 2
    assert bool((numbers[:, :6] == diagonal).all()) and bool((numbers[:, 7:] == 2 * diagonal.flip(1)).all())
