"""What one part of a specimen hides of another: of two points that arrive at one place, the one in front is in sight.

Where parts slide over each other, what is behind matches by chance what is in front, dark drops above all.
"""

from __future__ import annotations

import torch
from torch import Tensor

from scorrnet_cli.composition import landing
from scorrnet_cli.numerics.morphology import dilated
from scorrnet_cli.refine import Refined

CELL_PX = 2  # side of what counts as one place
APART_PX = 8.0  # in the reference image: closer together, points arrive at one place because they are pressed together
WORSE = 0.05  # by which what is behind matches worse than what is in front
BESIDE_PX, SURE = 3, 0.9  # points beside hidden ones are hidden, too, but for those that match so well


def hidden(result: Refined) -> Tensor:
    """True (H, W) where a point is valid but lies behind another in the deformed image."""
    valid, width = result.valid, result.valid.shape[1]
    here = torch.nonzero(valid.flatten())[:, 0]  # of these points only, as there is much at work on each
    zncc = result.zncc.flatten()[here]
    place = landing(result.displacement.where(valid, 0.0))[0].flatten()[here]
    cells = place // width // CELL_PX * width + place % width // CELL_PX
    best = zncc.new_full((valid.numel(),), -1.0).scatter_reduce_(0, cells, zncc, "amax")[cells]
    wins = zncc == best
    first = torch.full_like(valid.flatten(), valid.numel(), dtype=torch.int64)
    winner = first.scatter_reduce_(0, cells[wins], here[wins], "amin")[cells]
    apart = torch.hypot((here % width - winner % width).float(), (here // width - winner // width).float())
    behind = torch.zeros_like(valid)
    behind.view(-1)[here[(apart > APART_PX) & (best > zncc + WORSE)]] = True
    return behind | (dilated(behind, BESIDE_PX) & valid & (result.zncc < SURE))
