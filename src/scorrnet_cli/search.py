"""Find the displacement however large: the network around zero, then around the affine motion that what was found
agrees on or, if there is none, the turn and shift after which patches are found or the shift that most of the surface
shares, then outward from what was found, and last around what the rest shares, as the parts of a broken specimen do.

The network reaches about 40 px. Where that is enough, nothing here costs more than a look at the result. In a sequence
the field of the frame before leads most of the way; where it leads so close that the refinement needs no more, the
network is not asked at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from scorrnet_cli import spline
from scorrnet_cli.consensus import affine_consensus, moving_parts, nearest_part
from scorrnet_cli.displace import Guide, displace, extrapolate
from scorrnet_cli.filters import masked_gaussian
from scorrnet_cli.matching import SMALLEST_ZNCC, Spline, Surface
from scorrnet_cli.models.corrnet import CorrNet
from scorrnet_cli.patchwork import assessed
from scorrnet_cli.shifts import common_shift
from scorrnet_cli.turning import turned

ENOUGH = 0.95  # share of the surface in sight that must match for the search to end
FAR_PX = 24.0  # beyond, the network misses the more the farther
MISSED = 0.001  # share of the surface that it may miss there
GROWTH = 0.01  # share of the surface that a round must add for another to be tried
ROUNDS = 8
CLOSE_ENOUGH = 0.98  # share of the surface in sight that a start must match closely for the network not to be asked
CLOSE_ZNCC = 0.8  # about 1 px off for speckle of 4 px, from where the refinement ends as from the network's field
ASTRAY_PX = 12.0  # most that a good start is off by
NEIGHBOURHOOD_PX = 8.0
AGREEING = 0.8  # share of its neighbourhood that must match for a point to be built upon


class Sought(NamedTuple):
    """A displacement (2, H, W), px, and the share of the surface in sight that matches."""

    field: Tensor
    share: float


@dataclass(frozen=True)
class _Found:
    """A field, how well it matches, and how much of the surface in sight does."""

    field: Tensor  # (2, H, W)
    zncc: Tensor  # (H, W)
    valid: Tensor  # (H, W) bool
    matched: float  # points
    share: float  # of the surface in sight


@torch.no_grad()
def search(
    network: CorrNet,
    guide: Guide,
    surface: Surface,
    deformed: Tensor,
    ready: Spline,
    start: Tensor | None = None,
    *,
    is_last: bool = False,
) -> Sought:
    """Measure the displacement of every pixel, beyond the reach of the network too.

    Parameters
    ----------
    network : CorrNet
    guide : Guide
        The reference image for the network.
    surface : Surface
        The reference image for the comparison.
    deformed : (H, W) float32
        Grey levels.
    ready : Spline
        The same for the comparison.
    start : (2, H, W) float32, optional
        Field to search around, px; nothing is sought beyond the reach of the network then, unless it has led astray.
    is_last : bool
        Whether no refinement follows: then the network is always asked, however close the start comes.

    Returns
    -------
    Sought
        u, v at reference pixels.
    """
    if start is not None:
        led = _look(surface, ready, start)
        if not is_last and _is_close(surface, led):
            return Sought(start, led.share)
        near = _around(network, guide, surface, deformed, ready, led)
        if near is not None:
            return near
    found = _look(surface, ready, displace(network, guide, deformed))
    if found.share >= ENOUGH and not _reaches_beyond(surface, found):
        return Sought(found.field, found.share)
    known = _dependable(surface, found)
    around = affine_consensus(found.field, known)
    if found.share >= ENOUGH:  # one look tells whether what is missed goes on as the rest does
        farther = found if around is None else _look(surface, ready, displace(network, guide, deformed, around))
        best = farther if farther.share >= found.share + MISSED else found
        return Sought(best.field, best.share)
    if around is None:
        around = turned(network, guide, deformed)
    if around is None:
        around = common_shift(guide.grey, deformed, surface.mask)[:, None, None].expand_as(found.field)
    parted = False  # whether what is left was last sought as a part that moves on its own
    for _ in range(ROUNDS):
        candidate = _look(surface, ready, displace(network, guide, deformed, around))
        if candidate.share >= ENOUGH:
            return Sought(candidate.field, candidate.share)
        better = _better(surface, found, candidate)
        grown, found = better.matched - found.matched, better
        known = _dependable(surface, found)
        if grown >= GROWTH * float(surface.mask.sum()):
            parted, rest = False, _continued(surface, ready, found, known)
        elif not parted:
            parted, rest = True, common_shift(guide.grey, deformed, surface.mask & ~known)[:, None, None]
        else:
            break
        around = torch.where(known, found.field, rest)
    around = torch.where(known, found.field, _continued(surface, ready, found, known))
    last = _better(surface, found, _look(surface, ready, displace(network, guide, deformed, around)))
    return Sought(torch.where(_dependable(surface, last), last.field, around), last.share)


def _reaches_beyond(surface: Surface, found: _Found) -> bool:
    """Tell whether what does not match moves so far that the network may not have seen it."""
    in_sight = surface.mask & spline.inside(found.field)
    missed = in_sight & ~found.valid & (torch.hypot(*found.field) > FAR_PX)
    return float(missed.sum()) > MISSED * float(in_sight.sum())


def _is_close(surface: Surface, led: _Found) -> bool:
    """Tell whether a field comes so close that the refinement needs no more."""
    in_sight = surface.mask & spline.inside(led.field)
    close = led.valid & in_sight & (led.zncc >= CLOSE_ZNCC)
    return int(close.sum()) >= CLOSE_ENOUGH * max(1, int(in_sight.sum()))


def _around(
    network: CorrNet, guide: Guide, surface: Surface, deformed: Tensor, ready: Spline, led: _Found
) -> Sought | None:
    """Search around a field, once; None if it has led astray, so far that parts may lie beyond the network's reach."""
    found = _look(surface, ready, displace(network, guide, deformed, led.field))
    if float((found.field - led.field).abs().amax(0)[surface.mask].median()) > ASTRAY_PX:
        return None
    if found.share >= ENOUGH:
        return Sought(found.field, found.share)
    best = _better(surface, led, found)
    known = _dependable(surface, best)
    if not bool(known.any()):
        return Sought(led.field, led.share)
    return Sought(torch.where(known, best.field, _continued(surface, ready, best, known)), best.share)


def _continued(surface: Surface, deformed: Spline, found: _Found, known: Tensor) -> Tensor:
    """Continue a field (2, H, W) from where it is known: of the parts that move each in its own way, each point takes
    the motion that matches there best.
    """
    parts = moving_parts(found.field, known)
    if len(parts) < 2:
        return extrapolate(found.field, known)
    motions = [extrapolate(found.field, part) for part in parts]
    nearest = nearest_part(parts)
    best = torch.zeros_like(found.field)
    for number, motion in enumerate(motions):
        best = torch.where(nearest == number, motion, best)
    highest = torch.full_like(found.zncc, SMALLEST_ZNCC)  # below, a match may be chance, and being near says more
    for motion in motions:
        zncc, _ = assessed(surface, deformed, motion)
        best, highest = torch.where(zncc > highest, motion, best), torch.maximum(zncc, highest)
    return best


def _look(surface: Surface, deformed: Spline, field: Tensor) -> _Found:
    return _summed(surface, field, *assessed(surface, deformed, field))


def _better(surface: Surface, one: _Found, other: _Found) -> _Found:
    """Take at each point the field that matches better, where it lies in a patch that matches."""
    take = _dependable(surface, other) & ((other.zncc > one.zncc) | ~_dependable(surface, one))
    field = torch.where(take, other.field, one.field)
    zncc, valid = torch.where(take, other.zncc, one.zncc), torch.where(take, other.valid, one.valid)
    return _summed(surface, field, zncc, valid)


def _summed(surface: Surface, field: Tensor, zncc: Tensor, valid: Tensor) -> _Found:
    in_sight = surface.mask & spline.inside(field)
    matched = float((valid & in_sight).sum())
    return _Found(field, zncc, valid, matched, matched / max(1.0, float(in_sight.sum())))


def _dependable(surface: Surface, found: _Found) -> Tensor:
    """True (H, W) where a point matches and its neighbourhood does, which chance matches do not."""
    in_sight = (surface.mask & spline.inside(found.field)).float()
    density = masked_gaussian(found.valid.float()[None], in_sight, NEIGHBOURHOOD_PX)[0]
    return found.valid & (density > AGREEING)
