"""Images for tests of what is told by comparing them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from scorrnet_cli.numerics.filters import gaussian
from scorrnet_cli.numerics.spline import spline_coefficients, spline_sample
from scorrnet_cli.refinement.matching import Spline, Surface, deformed_spline, surface


@pytest.fixture
def seen_moved() -> Callable[..., tuple[Surface, Spline]]:
    """Make images of a random pattern that a field (2, H, W), px, has moved; noise is a share of its contrast."""

    def seen(truth: Tensor, mask: Tensor | None = None, noise: float = 0.025, seed: int = 3) -> tuple[Surface, Spline]:
        generator = torch.Generator().manual_seed(seed)
        shape = truth.shape[1:]
        deformed = gaussian(torch.randn(1, *shape, generator=generator), 1.3)[0]
        deformed = deformed / deformed.std()
        reference = spline_sample(spline_coefficients(deformed), truth)
        reference, deformed = (
            image + noise * torch.randn(shape, generator=generator) for image in (reference, deformed)
        )
        shown = surface(reference, torch.ones(shape, dtype=torch.bool) if mask is None else mask)
        return shown, Spline(deformed_spline(shown, deformed))

    return seen
