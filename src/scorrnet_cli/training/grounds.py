"""What paint is sprayed on, where it shows between the dots: woven, brushed and grained material.

Without dots such a surface is no speckle, so that a network that sees both learns which of the two it looks for.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from scorrnet_cli.training.rng import Rng
from scorrnet_cli.training.textures import power_law, stretched_noise

KINDS = {"woven": 1.0, "brushed": 1.0, "grained": 1.0}
YARN_PX = (3.0, 24.0)  # width of a yarn
MOST_FLOAT = 4  # yarns that one of a twill runs over
DIRECTIONS = ((1, 0), (1, 1), (2, 1), (1, 2))  # of the yarns, in samples: along others a torus would have a seam
SCRATCH_PX = (0.7, 3.0)  # width of the marks of a brush
MOST_LENGTH = 100.0  # of such a mark, of its width


def worked(rng: Rng, period: int, oversampling: int) -> Tensor:
    """Make the texture of a bare material.

    Parameters
    ----------
    rng : Rng
    period : int
        Size of the torus in texture samples.
    oversampling : int
        Texture samples per image pixel.

    Returns
    -------
    (P, P) float32
        Zero mean, unit standard deviation, periodic.
    """
    kind = rng.pick(KINDS)
    if kind == "woven":
        texture = _woven(rng, period, rng.log_uniform(*YARN_PX) * oversampling)
    elif kind == "brushed":
        width = rng.log_uniform(*SCRATCH_PX) * oversampling
        texture = stretched_noise(rng, period, width, width * rng.log_uniform(4.0, MOST_LENGTH))
    else:
        texture = power_law(rng, period, rng.uniform(0.6, 1.6))
    return (texture - texture.mean()) / texture.std().clamp_min(1e-6)


def _woven(rng: Rng, period: int, yarn: float) -> Tensor:
    """Yarns (P, P) of some width in samples that run over and under each other: plain weave and twill.

    Those along and those across reflect the light differently, each is round, and no two are quite alike.
    """
    over = rng.integer(1, MOST_FLOAT)
    repeat = 2 * over
    a, b = DIRECTIONS[rng.integer(0, len(DIRECTIONS) - 1)]
    count = max(1, round(period / yarn / repeat / math.hypot(a, b))) * repeat
    at = torch.arange(period, device=rng.device) * (count / period)
    down, right = a * at[:, None] + b * at[None, :], a * at[None, :] - b * at[:, None]  # in yarns
    row, column = down.floor().long(), right.floor().long()
    bulge, shades = rng.uniform(0.0, 1.0), rng.uniform(0.0, 0.3) * rng.randn(2, count)
    along = bulge * torch.sin(math.pi * (down - row)) + shades[0][row % count]
    across = bulge * torch.sin(math.pi * (right - column)) + shades[1][column % count] + rng.uniform(-1.0, 1.0)
    return torch.where((column + row) % repeat < over, along, across)
