"""Where a surface is found in the deformed image: as both images are, or without what shines on them.

Glints of the surface itself move with it and help to find it. Reflections of a lamp, scratches of a window and pixels
that do not work do not, and the network follows them. Which they are the images tell: without what shines the rest must
match, and at more points than before, or at points that the field found before does not explain.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from scorrnet_cli import spline
from scorrnet_cli.composition import carry, landing
from scorrnet_cli.displace import Guide, displace, guide
from scorrnet_cli.filters import halved
from scorrnet_cli.glints import BLUR_PX, cleared
from scorrnet_cli.matching import SHINE_PX, Spline, Surface, deformed_spline, surface
from scorrnet_cli.models.corrnet import CorrNet
from scorrnet_cli.morphology import dilated, eroded
from scorrnet_cli.patchwork import assessed
from scorrnet_cli.search import search

FEW, ENOUGH = 0.01, 0.995  # so few glints do no harm where so many points match
PATTERN = 0.5  # share of the points matched with glints that must match without, or the glints are the pattern
MORE = 0.01  # share of the surface that must match without glints, and does not with them
FEWER = 0.02  # share that may be matched by glints alone
NEAR_PX = 2  # error of the field where glints of the deformed image are brought back


class Seen(NamedTuple):
    """A reference image ready for the network and for comparison."""

    guide: Guide
    surface: Surface


class Located(NamedTuple):
    """The images that are to be compared, and the displacement (2, H, W), px, by the network."""

    surface: Surface
    deformed: Spline
    field: Tensor


def seen(network: CorrNet, reference: Tensor, mask: Tensor) -> Seen:
    """Prepare a reference image (H, W) with its mask (H, W) bool, as it is."""
    ready = surface(reference, mask)
    return Seen(guide(network, ready.grey, mask), ready)


def seen_without_glints(network: CorrNet, reference: Tensor, mask: Tensor, plain: Seen) -> Seen:
    """Prepare a reference image (H, W) without what shines on it; `plain`, the one as it is, if nothing does."""
    bare = cleared(reference, eroded(mask, SHINE_PX))
    if not bool(bare.glints.any()):
        return plain
    found = seen(network, bare.image, mask)
    core = found.surface.core * ~dilated(bare.glints, BLUR_PX)
    return found._replace(surface=found.surface._replace(core=core))


@torch.no_grad()
def locate(
    network: CorrNet, plain: Seen, bare: Seen, deformed: Tensor, start: Tensor | None = None, *, is_last: bool = False
) -> Located:
    """Measure the displacement of every pixel, whatever shines on the surface.

    Parameters
    ----------
    network : CorrNet
    plain, bare : Seen
        The reference image as it is, and without glints.
    deformed : (H, W) float32
        Grey levels.
    start : (2, H, W) float32, optional
        As for `search`, px.
    is_last : bool
        As for `search`.
    """
    as_it_is = _located(network, plain, deformed, start, is_last=is_last)
    rest = cleared(deformed, _where(plain.surface.mask, as_it_is.field))
    between = bare.surface.core
    shining = max(int(rest.glints.sum()), int(plain.surface.core.sum() - between.sum()))
    if shining == 0:
        return as_it_is
    matched = _share(as_it_is, between)
    if matched > ENOUGH and shining < FEW * int(between.sum()):
        return as_it_is
    images = bare.surface, Spline(deformed_spline(bare.surface, rest.image))
    explained = _share(Located(*images, as_it_is.field), between)
    if (
        explained < PATTERN * matched
    ):  # nothing of the rest moves like that; a look tells whether it moves as one at all
        look = displace(network, bare.guide, rest.image, start)
        if _share(Located(*images, look), between) < PATTERN * matched:
            return as_it_is
    without = _located(network, bare, rest.image, start, is_last=is_last)
    found = _share(without, between)
    is_better = found > min(matched, explained) + MORE and found > matched - FEWER
    return _without(without, rest.glints) if is_better else as_it_is


def _located(network: CorrNet, reference: Seen, deformed: Tensor, start: Tensor | None, *, is_last: bool) -> Located:
    ready = Spline(deformed_spline(reference.surface, deformed))
    field = search(network, reference.guide, reference.surface, deformed, ready, start, is_last=is_last)
    return Located(reference.surface, ready, field)


def _without(found: Located, glints: Tensor) -> Located:
    """Leave out what of a surface lies under the glints (H, W) of the deformed image."""
    place, arrives = landing(found.field)
    hidden = dilated(arrives & glints.flatten()[place], NEAR_PX)
    return found._replace(surface=found.surface._replace(core=found.surface.core * ~hidden))


def _share(found: Located, where: Tensor) -> float:
    """Share of some points (H, W), 0 or 1, that match, of those in sight."""
    counted = (where > 0) & spline.inside(found.field)
    _, valid = assessed(*found)
    return int((valid & counted).sum()) / max(1, int(counted.sum()))


def _where(mask: Tensor, field: Tensor) -> Tensor:
    """True (H, W) where a surface (H, W) lies in the deformed image, but for its rim."""
    height, width = mask.shape
    half = halved(field) / 2
    _, reached = carry(half[:0], half, halved(mask.float()[None])[0] == 1)
    return eroded(reached, SHINE_PX).repeat_interleave(2, 0).repeat_interleave(2, 1)[:height, :width]
