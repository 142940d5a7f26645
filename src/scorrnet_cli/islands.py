"""Islands at rest: reflections, scratches of a window and dust, which stay in the image while the surface moves on.

No piece of a surface can stay where it is while all around it moves. Parts at rest of a specimen that has come apart,
as in a grip, reach to the edge and are large.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from scorrnet_cli.filters import gaussian, masked_gaussian
from scorrnet_cli.matching import Spline, Surface, compare, correlation
from scorrnet_cli.morphology import dilated, eroded

FASTER_PX = 3.0  # than this moves the surface where something at rest can be told from it
LIGHT_WINDOW_PX, WINDOW_PX, MISFIT_WINDOW_PX = 4.0, 3.0, 2.0
ALIKE = 0.8  # correlation of the images at rest, which speckle that has moved does not reach
CONTRAST = 0.25  # least variance where that is asked, as a share of the surface's
SAME = 0.1  # largest misfit at rest, likewise, of the inside of an island, which may have no contrast
CROWD_WINDOW_PX, CROWD = 4.0, 0.22  # share of the points around that are alike: by chance it is less
LARGEST_RADIUS_PX = 64
PART_PX = 48  # width of what reaches to the edge and is part of the surface
RIM_PX = 2  # of an island
MOST = 0.3  # share of a surface: more is no island


def islands(surface: Surface, deformed: Spline, motion: Tensor) -> Tensor:
    """Find what is at rest in the midst of a surface that moves.

    Parameters
    ----------
    surface : Surface
    deformed : Spline
    motion : (2, H, W) float32
        Of the surface as a whole, px.

    Returns
    -------
    (H, W) bool
    """
    mask, core = surface.mask, surface.core
    moves = mask & (torch.hypot(*motion) > FASTER_PX)
    state = compare(surface, deformed.coefficients, torch.zeros_like(motion), None, LIGHT_WINDOW_PX)
    mean, square = masked_gaussian(torch.stack([surface.grey, surface.grey**2]), core, WINDOW_PX)
    (misfit,) = masked_gaussian(state.residual[None] ** 2, core, MISFIT_WINDOW_PX)
    alike = correlation(surface.grey, state.moved, core, WINDOW_PX) > ALIKE
    edges = moves & alike & (square - mean**2 > CONTRAST)
    crowded = edges & (gaussian(edges.float()[None], CROWD_WINDOW_PX)[0] > CROWD)
    at_rest = _reached(crowded, moves & (misfit < SAME) | edges)
    inland = F.pad(mask[1:-1, 1:-1], (1, 1, 1, 1)) & eroded(mask, 1)
    ashore = _reached(at_rest & ~inland, at_rest)
    parts = _reached(eroded(ashore, PART_PX // 2), ashore)
    found = dilated(at_rest & ~parts, RIM_PX) & mask
    return found if int(found.sum()) < MOST * int(mask.sum()) else torch.zeros_like(found)


def _reached(start: Tensor, within: Tensor) -> Tensor:
    """Grow a set (H, W) within another one, step by step."""
    for _ in range(LARGEST_RADIUS_PX):
        grown = dilated(start, 1) & within
        if torch.equal(grown, start):
            break
        start = grown
    return start
