"""Masks as networks and hands draw them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from scorrnet_cli.training.rng import Rng


def careless(rng: Rng, masks: Tensor) -> Tensor:
    """Masks (N, 1, H, W) as a segmentation or a hand gives them: too wide or tight, or the whole frame; or right."""
    made = []
    for mask in masks:
        if rng.chance(0.1):
            mask = torch.ones_like(mask)
        elif rng.chance(0.5):
            reach = rng.integer(1, 3)
            wide = rng.chance(0.5)
            grown = F.max_pool2d(mask if wide else 1 - mask, 2 * reach + 1, 1, reach)
            mask = grown if wide else 1 - grown
        made.append(mask)
    return torch.stack(made)
