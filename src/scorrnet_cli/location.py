"""Where a surface is found in the deformed image: as both images are, or without what is not of the surface.

Glints of the surface itself move with it and help to find it. Reflections of a lamp, scratches of a window and pixels
that do not work do not, and the network follows them. Which they are the images tell: without them the rest must match,
at more points than before or than the field found before explains, and with another field there; or, where the surface
moves too little for that, they fit better as they lie than moved as it does.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from scorrnet_cli.composition import carry, landing
from scorrnet_cli.displace import Guide, displace, guide
from scorrnet_cli.models.corrnet import CorrNet
from scorrnet_cli.motion.glints import BLUR_PX, cleared, painted_over
from scorrnet_cli.motion.islands import islands, moving, stays
from scorrnet_cli.motion.patchwork import assessed
from scorrnet_cli.motion.search import search
from scorrnet_cli.numerics import spline
from scorrnet_cli.numerics.continuation import extrapolate
from scorrnet_cli.numerics.filters import halved, repeated
from scorrnet_cli.numerics.morphology import dilated, eroded
from scorrnet_cli.refinement.matching import SHINE_PX, Spline, Surface, deformed_spline, surface

FEW, ALL = 0.01, 0.995  # so few glints do not lead astray where so much of the surface matches
AWAY = 0.1  # least share of the surface that tells what all of it does
MOST, LEAST = 0.99, 0.002  # islands are sought where less matches, and cover more
PATTERN = 0.5  # share of the points matched before that must match without, or what was taken off is the pattern
FEWER = 0.02  # share of the surface that may be matched by what was taken off alone
GLINTS_MORE, ISLANDS_MORE = 0.01, 0.0015  # share that must match besides: bright grains often are of the surface
LESS_LEFT = 0.85  # of what did not match, the share that still may not
ASTRAY_PX = 12  # from what does not move, within which it leads the network astray
ASTRAY_BY_PX = 1.0  # and by more than what
NEAR_PX = 2  # error of the field where what is in the deformed image is brought back


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
    """Prepare a reference image as it is.

    Parameters
    ----------
    network : CorrNet
    reference : (H, W) float32
        Grey levels.
    mask : (H, W) bool
        True where the surface is measured.
    """
    ready = surface(reference, mask)
    return Seen(guide(network, ready.grey, mask), ready)


def seen_without_glints(network: CorrNet, reference: Tensor, mask: Tensor, plain: Seen) -> Seen:
    """Prepare a reference image (H, W) without what shines on it; `plain`, the one as it is, if nothing does.

    The other parameters are those of `seen`.
    """
    bare = cleared(reference, eroded(mask, SHINE_PX))
    return _seen_but(network, bare.image, mask, bare.glints) if bool(bare.glints.any()) else plain


def _seen_but(network: CorrNet, painted: Tensor, mask: Tensor, covering: Tensor) -> Seen:
    """Prepare a reference image that was painted over where something hides the surface, (H, W) bool."""
    found = seen(network, painted, mask)
    core = found.surface.core * ~dilated(covering, BLUR_PX)
    return found._replace(surface=found.surface._replace(core=core))


@torch.no_grad()
def locate(
    network: CorrNet,
    plain: Seen,
    bare: Seen,
    deformed: Tensor,
    start: Tensor | None = None,
    *,
    always_ask: bool = False,
) -> Located:
    """Measure the displacement of every pixel, whatever lies on the images that is not of the surface.

    Parameters
    ----------
    network : CorrNet
    plain, bare : Seen
        The reference image as it is, and without glints.
    deformed : (H, W) float32
        Grey levels.
    start : (2, H, W) float32, optional
        As for `search`, px.
    always_ask : bool
        As for `search`.
    """
    ready = Spline(deformed_spline(plain.surface, deformed))
    field, share = search(network, plain.guide, plain.surface, deformed, ready, start, always_ask=always_ask)
    found = Located(plain.surface, ready, field)
    glints = _without_glints(plain, bare, deformed, start, found)
    if glints is None and share > MOST:
        return found
    known = _matched(found)
    better = None
    if glints and (share <= ALL or _cover(plain, glints) >= FEW):
        better = _better(network, found, known, glints, always_ask=always_ask)
    if glints and better is None:
        better = _resting(plain, found, known, glints)
    if better is None and share <= MOST:
        still = _without_islands(network, plain, deformed, found, known)
        better = None if still is None else _better(network, found, known, still, always_ask=always_ask)
    return better or found


class _Without(NamedTuple):
    """The images without what may not be of the surface."""

    reference: Seen
    deformed: Tensor
    covering: Tensor  # (H, W) bool, where it was in the deformed image
    start: Tensor | None  # for the search
    more: float  # share of the surface that must match besides


def _without_glints(plain: Seen, bare: Seen, deformed: Tensor, start: Tensor | None, found: Located) -> _Without | None:
    """Take glints off both images, if there are any."""
    rest = cleared(deformed, _where(plain.surface.mask, found.field))
    if bare is plain and not bool(rest.glints.any()):
        return None
    return _Without(bare, rest.image, rest.glints, start, GLINTS_MORE)


def _cover(plain: Seen, glints: _Without) -> float:
    """Share of a surface that glints cover in the image that has more of them."""
    there = int(plain.surface.core.sum())
    return max(int(glints.covering.sum()), there - int(glints.reference.surface.core.sum())) / max(1, there)


def _resting(plain: Seen, found: Located, known: Tensor, glints: _Without) -> Located | None:
    """Leave out glints that stay where they are while the surface moves, by however little; None if they go with it.

    Where the surface moves by less than a few pixels all matches, with them and without, but is held back by them.
    """
    reference, deformed, covering, *_ = glints
    points = ((plain.surface.core - reference.surface.core) > 0) | (covering & (plain.surface.core > 0))
    near = dilated(points, ASTRAY_PX)
    away = known & ~near
    motion = found.field
    if _share(away, plain, found.field) > AWAY:
        motion = torch.where(near, extrapolate(found.field, away), found.field)
    if not bool(points.any()) or not stays(plain.surface, found.deformed, points, motion):
        return None
    ready = Spline(deformed_spline(reference.surface, deformed))
    return _uncovered(Located(reference.surface, ready, motion), covering)


def _without_islands(network: CorrNet, plain: Seen, deformed: Tensor, found: Located, known: Tensor) -> _Without | None:
    """Take what is at rest in the midst of a moving surface, which matches where it is `known`, off both images."""
    covering = islands(plain.surface, found.deformed, found.field, known)
    if int(covering.sum()) < LEAST * int(plain.surface.core.sum()):
        return None
    mask = plain.surface.mask
    reference = _seen_but(network, painted_over(plain.surface.grey, covering, mask), mask, covering)
    around = extrapolate(found.field, moving(found.field, known) & ~dilated(covering, ASTRAY_PX))
    return _Without(reference, painted_over(deformed, covering, mask), covering, around, ISLANDS_MORE)


def _better(network: CorrNet, found: Located, known: Tensor, images: _Without, *, always_ask: bool) -> Located | None:
    """Search in the images without what may not be of the surface; None if it is of the surface.

    `known` (H, W) bool is where the images match as they are, at the field that was found in them.
    """
    reference, deformed, covering, start, more = images
    ready = Spline(deformed_spline(reference.surface, deformed))

    def matched_at(field: Tensor) -> Tensor:
        return _matched(Located(reference.surface, ready, field))

    matched, explained = (_share(points, reference, found.field) for points in (known, matched_at(found.field)))
    before = min(matched, explained)
    if before + more > 1:
        return None
    if explained < PATTERN * matched:  # nothing of the rest moves as was found: does it move as one at all?
        look = displace(network, reference.guide, deformed, start)
        if _share(matched_at(look), reference, look) < PATTERN * matched:
            return None
    field, _ = search(network, reference.guide, reference.surface, deformed, ready, start, always_ask=always_ask)
    now = matched_at(field)
    share = _share(now, reference, field)
    if share < matched - FEWER or share < before + more or 1 - share > LESS_LEFT * (1 - before):
        return None
    agreed = known & (torch.hypot(*(field - found.field)) < ASTRAY_BY_PX)
    gained, lost = (_share(points, reference, field) for points in (now & ~agreed, agreed & ~now))
    if gained - lost < more:  # noise matches at more points once a field is sought for it, and at other points no more
        return None
    return _uncovered(Located(reference.surface, ready, field), covering)


def _uncovered(found: Located, covering: Tensor) -> Located:
    """Leave out what of a surface is hidden in the deformed image, (H, W) bool."""
    place, arrives = landing(found.field)
    back = dilated(arrives & covering.flatten()[place], NEAR_PX)
    return found._replace(surface=found.surface._replace(core=found.surface.core * ~back))


def _matched(found: Located) -> Tensor:
    """True (H, W) where the images match at the field."""
    return assessed(*found)[1]


def _share(matched: Tensor, reference: Seen, field: Tensor) -> float:
    """Share that is matched, (H, W) bool, of the points of a surface that count and are in sight."""
    counted = (reference.surface.core > 0) & spline.inside(field)
    return int((matched & counted).sum()) / max(1, int(counted.sum()))


def _where(mask: Tensor, field: Tensor) -> Tensor:
    """True (H, W) where a surface (H, W) lies in the deformed image, but for its rim."""
    half = halved(field) / 2
    _, reached = carry(half[:0], half, halved(mask.float()[None])[0] == 1)
    return repeated(eroded(reached, SHINE_PX), 2, mask.shape)
