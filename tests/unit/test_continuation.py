"""Fields continued from where they are known."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from scorrnet_cli.numerics.continuation import extrapolate, extrapolate_slopes

SIZE = 320


def _grid() -> tuple[Tensor, Tensor]:
    y, x = torch.meshgrid(torch.arange(float(SIZE)), torch.arange(float(SIZE)), indexing="ij")
    return x, y


@pytest.mark.parametrize("how", [extrapolate, extrapolate_slopes])
def test_an_affine_motion_goes_on(how: Callable[[Tensor, Tensor], Tensor]) -> None:
    x, y = _grid()
    truth = torch.stack([3 + 0.1 * x - 0.05 * y, -7 + 0.2 * y])
    known = (x > 100) & (x < 180) & (y > 120) & (y < 200)
    torch.testing.assert_close(how(truth.where(known, torch.nan).nan_to_num(99.0), known), truth, atol=0.01, rtol=0)


def test_slopes_go_on_across_a_gap() -> None:
    x, y = _grid()
    truth = torch.stack([2e-4 * (x - 160) ** 2 + 0.02 * y, 1e-4 * (x - 160) * (y - 160)])
    gap = (x - 160).abs() < 8
    field = truth.where(~gap, 5.0)
    inner = (y - 160).abs() < 120
    for side in (x < 160, x >= 160):
        near = gap & side & inner
        assert float((extrapolate_slopes(field, side & ~gap) - truth)[:, near].abs().max()) < 0.12
        assert float((extrapolate(field, side & ~gap) - truth)[:, near].abs().max()) > 0.3
