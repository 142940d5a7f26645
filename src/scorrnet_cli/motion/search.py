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

from scorrnet_cli.displace import Guide, displace
from scorrnet_cli.models.corrnet import CorrNet
from scorrnet_cli.motion.patchwork import assessed
from scorrnet_cli.motion.shifts import common_shift
from scorrnet_cli.motion.turning import turned
from scorrnet_cli.numerics import spline
from scorrnet_cli.numerics.consensus import affine_consensus, moving_parts, nearest_part
from scorrnet_cli.numerics.continuation import extrapolate
from scorrnet_cli.numerics.filters import masked_gaussian
from scorrnet_cli.refinement.matching import SMALLEST_ZNCC, Spline, Surface

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

    @property
    def sought(self) -> Sought:
        """The field as it is."""
        return Sought(self.field, self.share)


@torch.no_grad()
def search(
    network: CorrNet,
    guide: Guide,
    surface: Surface,
    deformed: Tensor,
    ready: Spline,
    start: Tensor | None = None,
    *,
    always_ask: bool = False,
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
    always_ask : bool
        Whether the network is asked however close the start comes: where nothing, or one window only, refines what it
        finds, what that does not see would stay from the frame before.

    Returns
    -------
    Sought
        u, v at reference pixels.
    """
    images = _Images(network, guide, surface, deformed, ready)
    if start is not None:
        led = images.judged(start)
        if not always_ask and images.match_closely(led):
            return led.sought
        near = _around(images, led)
        if near is not None:
            return near
    found = images.seen()
    if found.share >= ENOUGH:
        return _reached_farther(images, found).sought if images.may_go_on(found) else found.sought
    return _outward(images, found)


@dataclass(frozen=True)
class _Images:
    """The images that are searched, in all the forms that are needed; see `search`."""

    network: CorrNet
    guide: Guide
    surface: Surface
    deformed: Tensor
    ready: Spline

    def seen(self, around: Tensor | None = None) -> _Found:
        """Ask the network, which looks around a field (2, H, W), or around zero."""
        return self.judged(displace(self.network, self.guide, self.deformed, around))

    def judged(self, field: Tensor) -> _Found:
        """Say how well a field (2, H, W) matches."""
        return self._summed(field, *assessed(self.surface, self.ready, field))

    def better(self, one: _Found, other: _Found) -> _Found:
        """Take at each point the field that matches better, where it lies in a patch that matches."""
        take = self.dependable(other) & ((other.zncc > one.zncc) | ~self.dependable(one))
        field = torch.where(take, other.field, one.field)
        return self._summed(field, torch.where(take, other.zncc, one.zncc), torch.where(take, other.valid, one.valid))

    def dependable(self, found: _Found) -> Tensor:
        """True (H, W) where a point matches and its neighbourhood does, which chance matches do not."""
        in_sight = self._in_sight(found.field).float()
        density = masked_gaussian(found.valid.float()[None], in_sight, NEIGHBOURHOOD_PX)[0]
        return found.valid & (density > AGREEING)

    def match_closely(self, found: _Found) -> bool:
        """Tell whether a field comes so close that the refinement needs no more."""
        in_sight = self._in_sight(found.field)
        close = found.valid & in_sight & (found.zncc >= CLOSE_ZNCC)
        return int(close.sum()) >= CLOSE_ENOUGH * max(1, int(in_sight.sum()))

    def may_go_on(self, found: _Found) -> bool:
        """Tell whether what does not match moves so far that the network may not have seen it."""
        in_sight = self._in_sight(found.field)
        missed = in_sight & ~found.valid & (torch.hypot(*found.field) > FAR_PX)
        return float(missed.sum()) > MISSED * float(in_sight.sum())

    def shared_shift(self, where: Tensor) -> Tensor:
        """Return the shift (2, 1, 1) that most of a part (H, W) bool of the surface shares."""
        return common_shift(self.guide.grey, self.deformed, where)[:, None, None]

    def continued(self, found: _Found, known: Tensor) -> Tensor:
        """Continue a field (2, H, W) from where it is known: of the parts that move each in its own way, each point
        takes the motion that matches there best.
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
            zncc, _ = assessed(self.surface, self.ready, motion)
            best, highest = torch.where(zncc > highest, motion, best), torch.maximum(zncc, highest)
        return best

    def _summed(self, field: Tensor, zncc: Tensor, valid: Tensor) -> _Found:
        in_sight = self._in_sight(field)
        matched = float((valid & in_sight).sum())
        return _Found(field, zncc, valid, matched, matched / max(1.0, float(in_sight.sum())))

    def _in_sight(self, field: Tensor) -> Tensor:
        """True (H, W) for points of the surface that lie in the deformed image."""
        return self.surface.mask & spline.inside(field)


def _around(images: _Images, led: _Found) -> Sought | None:
    """Search around a field, once; None if it has led astray, so far that parts may lie beyond the network's reach."""
    found = images.seen(led.field)
    if float((found.field - led.field).abs().amax(0)[images.surface.mask].median()) > ASTRAY_PX:
        return None
    if found.share >= ENOUGH:
        return found.sought
    best = images.better(led, found)
    known = images.dependable(best)
    if not bool(known.any()):
        return led.sought
    return Sought(torch.where(known, best.field, images.continued(best, known)), best.share)


def _reached_farther(images: _Images, found: _Found) -> _Found:
    """Look once whether what is missed, which is little, goes on as the rest does."""
    around = affine_consensus(found.field, images.dependable(found))
    farther = found if around is None else images.seen(around)
    return farther if farther.share >= found.share + MISSED else found


def _outward(images: _Images, found: _Found) -> Sought:
    """Go on from a field of which not enough matches: look around where most of the surface may be, then round by round
    around what was found as it continues, and where that ends around a part that moves on its own.
    """
    around = _rough(images, found)
    parted = False  # whether what is left was last sought as such a part
    for _ in range(ROUNDS):
        candidate = images.seen(around)
        if candidate.share >= ENOUGH:
            return candidate.sought
        better = images.better(found, candidate)
        grown, found = better.matched - found.matched, better
        known = images.dependable(found)
        if grown >= GROWTH * float(images.surface.mask.sum()):
            parted, rest = False, images.continued(found, known)
        elif not parted:
            parted, rest = True, images.shared_shift(images.surface.mask & ~known)
        else:
            break
        around = torch.where(known, found.field, rest)
    around = torch.where(known, found.field, images.continued(found, known))
    last = images.better(found, images.seen(around))
    return Sought(torch.where(images.dependable(last), last.field, around), last.share)


def _rough(images: _Images, found: _Found) -> Tensor:
    """Return a field (2, H, W) near most of the surface: that on which what was found agrees, or else by patches."""
    around = affine_consensus(found.field, images.dependable(found))
    if around is None:
        around = turned(images.network, images.guide, images.deformed)
    if around is None:
        around = images.shared_shift(images.surface.mask).expand_as(found.field)
    return around
