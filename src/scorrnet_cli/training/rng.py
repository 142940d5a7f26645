"""Random numbers that depend on a seed and a step alone, so that a resumed training sees the same data."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


class Rng:
    """Scalars drawn on the host and arrays drawn on the device, both from one key.

    Parameters
    ----------
    key : sequence of int
        Such as (seed, step); equal keys give equal numbers on equal devices.
    device : torch.device
        Where arrays are made.
    """

    def __init__(self, key: Sequence[int], device: torch.device) -> None:
        self.device = device
        self.host = np.random.default_rng(list(key))
        self._generator = torch.Generator(device=device)
        self._generator.manual_seed(int(self.host.integers(2**62)))

    def chance(self, probability: float) -> bool:
        """Return True with the given probability."""
        return bool(self.host.random() < probability)

    def uniform(self, low: float, high: float) -> float:
        """Return a number between `low` and `high`."""
        return float(self.host.uniform(low, high))

    def log_uniform(self, low: float, high: float) -> float:
        """Return a number between `low` and `high` whose logarithm is uniform."""
        return math.exp(self.host.uniform(math.log(low), math.log(high)))

    def integer(self, low: int, high: int) -> int:
        """Return an integer from `low` to `high`, both included."""
        return int(self.host.integers(low, high + 1))

    def pick(self, weights: dict[str, float]) -> str:
        """Return one of the names, drawn with the given weights."""
        names = list(weights)
        share = np.array([weights[name] for name in names], dtype=float)
        return names[int(self.host.choice(len(names), p=share / share.sum()))]

    def rand(self, *shape: int) -> Tensor:
        """Return uniform numbers in [0, 1), float32 on the device."""
        return torch.rand(shape, generator=self._generator, device=self.device)

    def randn(self, *shape: int) -> Tensor:
        """Return standard normal numbers, float32 on the device."""
        return torch.randn(shape, generator=self._generator, device=self.device)
