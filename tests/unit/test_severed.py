"""Parts of a surface that have come apart: none of them is empty."""

from __future__ import annotations

import pytest
import torch

from scorrnet_cli import severed as module
from scorrnet_cli.matching import Spline, deformed_spline, surface
from scorrnet_cli.severed import severed


def test_a_part_of_which_nothing_is_left_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Points here and there, where a motion matches by chance, are no part."""
    torch.manual_seed(0)
    image = torch.randn(96, 128)
    mask = torch.ones(96, 128, dtype=torch.bool)
    seen = surface(image, mask)
    field = torch.zeros(2, 96, 128)
    field[0, :, 64:] = 10.0
    scattered = torch.zeros_like(mask)
    scattered[::16, ::16] = True
    monkeypatch.setattr(module, "moving_parts", lambda field, known: [mask & ~scattered, scattered])
    (part,), torn = severed(seen, Spline(deformed_spline(seen, image)), field)
    assert not bool(torn.any())
    assert torch.equal(part.field, field)
    assert torch.equal(part.surface.mask, mask)
