"""Seams, where two parts of a surface meet: whether it is broken there, and which part each point is of, by the images.

The network smooths a break of few pixels, so that its field looks like a steep one. Beside a break the motions of the
parts, each continued, leave less unexplained than the field does; in a steep field they leave far more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from scorrnet_cli.numerics.consensus import nearer, owned
from scorrnet_cli.numerics.filters import fitted_plane, gaussian
from scorrnet_cli.numerics.morphology import dilated, eroded, meeting
from scorrnet_cli.numerics.spline import inside
from scorrnet_cli.numerics.tiles import Tile, fill
from scorrnet_cli.refinement.matching import Comparison, Spline, Surface, compare

SEAM_PX = 12  # so near to where two parts meet, the images tell which of them a point belongs to
BESIDE_PX, MIXED_PX = 6, 2  # from a break, where it shows, and where a pixel sees both of its sides
BETTER = 0.2  # of what the field leaves unexplained beside a break, the least that the parts' own motions explain
SURE = 4.0  # standard deviations of that, which must not be chance
LARGEST_MISFIT = 0.3  # in standard deviations of the surface; more, as in a gap that opens, says no more
LARGEST_NOISE = 3.0  # the same in standard deviations of the noise, where that is more
MEDIAN_SQUARE = 0.455  # of what is normally distributed, over its variance
LIGHT_WINDOW_PX, MISFIT_WINDOW_PX = 4.0, 2.0
MAJORITY_WINDOW_PX = 3.0  # single dots may match by chance
CLEAR = 2.0  # by how many middling misfits of the better motion the next must be worse
DROP_PX = 6  # how far from a break a drop is followed, within which the images do not say which side it is of
TORN_PX = 3  # from a break; closer, which of its sides a point is of may be wrong
APART_PX = 0.3  # of the motions of two parts, below which that does not matter
RIM_PX = 4  # of the surface and of the image, where neither the network nor the images tell for sure
HALO_PX = 48  # what a tile must see of its surroundings for all of these


class Owners(NamedTuple):
    """Which part each point is of.

    Attributes
    ----------
    number : (H, W) int64
        Of the part.
    sure : (H, W) bool
        Where that is known; only on the surface.
    clear : (H, W) bool
        Where the images say so. They do not within a drop, which matches whatever is as dark.
    """

    number: Tensor
    sure: Tensor
    clear: Tensor

    def parts(self, points: Tensor, count: int) -> list[Tensor]:
        """Those of some points (H, W) bool that are of each of the parts."""
        return owned(self.number, points, count)


def inland(mask: Tensor) -> Tensor:
    """Points (H, W) of a mask away from its rim, where the background shines in, and from the border of the image."""
    return eroded(F.pad(mask, (RIM_PX,) * 4), RIM_PX)[RIM_PX:-RIM_PX, RIM_PX:-RIM_PX]


class Seam:
    """Where the parts of a surface meet whose motions differ.

    Parameters
    ----------
    surface : Surface
    deformed : Spline
    motions : (N, 2, H, W) float32
        Of the parts, continued to where the others are, px.
    number : (H, W) int64
        Of the part that each point is of, roughly.
    jump_px : float
        By which two motions differ at a break.
    near : (H, W) bool, optional
        Where a break may be; anywhere if not given.

    Attributes
    ----------
    points : (H, W) bool
        The seam.
    """

    def __init__(
        self,
        surface: Surface,
        deformed: Spline,
        motions: Tensor,
        number: Tensor,
        jump_px: float,
        near: Tensor | None = None,
    ) -> None:
        self._surface, self._deformed, self._motions, self._number = surface, deformed, motions, number
        self._differ: Tensor = (motions.amax(0) - motions.amin(0)).norm(dim=0)
        if near is not None:
            self._differ = self._differ.where(near, 0.0)
        self._jump_px = jump_px
        self._inland = inland(surface.mask)
        meet = meeting(owned(number, surface.mask, len(motions)), SEAM_PX)
        self.points = surface.mask & meet & (self._differ > 0.5 * jump_px)

    def owners(self, light: Tensor | None = None) -> Owners:
        """Tell by the images which part each point is of; `light` as in `_misfit`."""
        misfits = torch.stack([self._misfit(motion, self.points, light) for motion in self._motions])
        misfits = torch.stack([gaussian(misfit[None], MISFIT_WINDOW_PX)[0] for misfit in misfits])
        best, next_best = misfits.topk(2, 0, largest=False, sorted=True).values
        noise = best[self.points].median() if bool(self.points.any()) else 0.0
        number = torch.where(self.points, misfits.argmin(0), self._number)
        mask = self._surface.mask
        shares = torch.stack(owned(number, mask, len(misfits))).float()
        around = gaussian(shares, MAJORITY_WINDOW_PX).argmax(0)
        sure = mask & (~self.points | ((number == around) & self._inland))
        return Owners(around, sure, ~self.points | (next_best - best > CLEAR * noise))

    def cut(self, found: Owners) -> Tensor:
        """Field (2, H, W), px, that jumps from the motion of each part to that of the next."""
        return self._motions.gather(0, found.number.expand(1, 2, -1, -1))[0]

    def is_broken(self, field: Tensor, found: Owners) -> bool:
        """Whether the images tell a break from a steep field (2, H, W), px: beside it they differ less where it is cut.

        What noise makes of the difference is known from the points farther off.
        """
        parts = found.parts(self._surface.mask, len(self._motions))
        near = meeting(parts, BESIDE_PX)
        cut = self.cut(found)
        shown = self._inland & (self._surface.core > 0) & inside(field, RIM_PX) & inside(cut, RIM_PX)
        beside = shown & near & ~meeting(parts, MIXED_PX) & (self._differ > self._jump_px)
        farther = shown & meeting(parts, SEAM_PX) & ~near
        left, before = (self._misfit(each, beside | farther) for each in (cut, field))
        squares = [float(misfit[farther].median()) for misfit in (left, before)] if bool(farther.any()) else [0.0]
        noise = min(squares) / MEDIAN_SQUARE
        most = max(LARGEST_MISFIT**2, LARGEST_NOISE**2 * noise)
        left, before = (misfit[beside].clamp_max(most) for misfit in (left, before))
        gain = before - left
        unexplained = float(before.sum()) - noise * len(before)
        return float(gain.sum()) > max(BETTER * unexplained, SURE * float(gain.square().sum().sqrt()))

    def owners_in_their_light(self, found: Owners) -> Owners:
        """Tell again which part each point is of, in the light that the parts are seen in where each moves as it does.

        Motions that lead into a gap, or to another part, find other light there.
        """
        light = torch.zeros_like(self._motions[0])
        self._compared(self.cut(found), self.points, list(light), lambda state: state.light)
        return self.owners(light)

    def torn(self, found: Owners) -> Tensor:
        """Points (H, W) bool so near to where parts meet and move apart that they may be of either."""
        torn = meeting(found.parts(found.sure, len(self._motions)), TORN_PX)
        for _ in range(DROP_PX):
            torn = torn | (dilated(torn, 1) & ~found.clear)
        return torn & (self._differ > APART_PX)

    def healed(self, found: Owners) -> Tensor:
        """Points (H, W) bool nearer to where the parts meet and move as one than to where they move apart."""
        border = meeting(found.parts(self._surface.mask, len(self._motions)), 1)
        apart = self._differ > APART_PX
        return nearer(border & ~apart, border & apart)

    def _misfit(self, motion: Tensor, where: Tensor, light: Tensor | None = None) -> Tensor:
        """Squared difference (H, W) of the images at a motion (2, H, W), at the points `where` (H, W).

        Without the light (2, H, W) between them, gain and offset, it is matched anew.
        """
        misfit = motion.new_zeros(where.shape)
        self._compared(motion, where, [misfit], lambda state: [state.residual**2], light)
        return misfit

    def _compared(
        self,
        motion: Tensor,
        where: Tensor,
        outputs: Sequence[Tensor],
        asked: Callable[[Comparison], Sequence[Tensor]],
        light: Tensor | None = None,
    ) -> None:
        """Compare the images at a motion (2, H, W), tile by tile, and fill outputs (H, W) with what is asked of it."""
        plane = fitted_plane(motion, self._surface.mask.float())

        def work(tile: Tile) -> list[Tensor]:
            box = tile.outer
            lit = None if light is None else (box.of(light[0]), box.of(light[1]))
            part = self._surface.part(box, plane)
            state = compare(part, self._deformed.coefficients, box.of(motion), lit, LIGHT_WINDOW_PX)
            return [tile.keep(each) for each in asked(state)]

        fill(outputs, where, HALO_PX, work)
