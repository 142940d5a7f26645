"""Sets of pixels that grow and shrink."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from scorrnet_cli.morphology import dilated, eroded


@pytest.mark.parametrize("shape", [(40, 56), (3, 31, 17)])
@pytest.mark.parametrize("reach", [1, 4, 20])
def test_sets_grow_and_shrink_by_squares(shape: tuple[int, ...], reach: int) -> None:
    points = torch.rand(shape, generator=torch.Generator().manual_seed(reach)) > 0.98
    planes = points.view(1, -1, *shape[-2:]).float()
    by_squares = F.max_pool2d(planes, 2 * reach + 1, 1, reach).view(shape) > 0
    assert torch.equal(dilated(points, reach), by_squares)
    assert torch.equal(eroded(~points, reach), ~by_squares)
    assert bool(eroded(torch.ones(shape, dtype=torch.bool), reach).all())  # beyond the border all is in the set
