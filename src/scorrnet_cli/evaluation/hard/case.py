"""One hard case: a specimen, its paint, its motion, a camera and what stands behind."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from scorrnet_cli.evaluation.hard.backdrops import backdrop
from scorrnet_cli.evaluation.hard.bodies import Body, cut_out, true_field
from scorrnet_cli.evaluation.hard.grounds import Ground
from scorrnet_cli.evaluation.hard.optics import Camera, expose
from scorrnet_cli.evaluation.rendering import Pair
from scorrnet_cli.evaluation.speckle import USUAL_PAINT, Paint, scatter_disks

SIZE_PX = 320
SEED = 5_000_000
USUAL = Camera()
_REACH_PX = 24  # by which backgrounds that move do so at most


@dataclass(frozen=True)
class Case:
    """What is photographed, and how.

    Attributes
    ----------
    group, kind : str
        What is hard about it; figures are given by kind.
    number : int
        Of all cases; seeds follow from it.
    bodies : tuple of Body
        The specimen.
    paint : Paint
        The speckle.
    ground : callable, optional
        What shows between the paint; plain if not given.
    camera : Camera
    behind : str
        Kind of background, see `backdrops`.
    stays : bool
        Whether the background of the deformed image is that of the reference, moved; else it is another.
    size_px : int
        Height and width of the images.
    """

    group: str
    kind: str
    number: int
    bodies: tuple[Body, ...]
    paint: Paint = USUAL_PAINT
    ground: Ground | None = None
    camera: Camera = USUAL
    behind: str = "clutter"
    stays: bool = True
    size_px: int = SIZE_PX

    def render(self) -> Pair:
        """Make the two images, the mask and the truth; the truth is NaN outside the mask."""
        shape = (self.size_px, self.size_px)
        seed = SEED + 10 * self.number
        mask, truth = true_field(shape, self.bodies)
        margin = 32 + math.ceil(float(truth[:, mask].abs().max()))
        disks = scatter_disks(shape, seed, self.paint, margin)
        first, later = self._behind()
        reference = cut_out(shape, disks, self.bodies, moved=False, ground=self.ground)
        deformed = cut_out(shape, disks, self.bodies, moved=True, ground=self.ground)
        return Pair(
            expose(self.camera, reference, first, seed + 1, deformed=False),
            expose(self.camera, deformed, later, seed + 2, deformed=True),
            mask,
            truth,
        )

    def _behind(self) -> tuple[Tensor, Tensor]:
        """Backgrounds (H, W) of the two images."""
        wide = self.size_px + 2 * _REACH_PX
        first = backdrop(self.behind, wide, 2 * self.number)
        if self.stays:
            return _window(first, self.size_px, (0, 0)), _window(first, self.size_px, (-9, 14))
        return _window(first, self.size_px, (0, 0)), _window(
            backdrop(self.behind, wide, 2 * self.number + 1), self.size_px, (0, 0)
        )


def _window(image: Tensor, size: int, shift: tuple[int, int]) -> Tensor:
    x, y = _REACH_PX - shift[0], _REACH_PX - shift[1]
    return image[y : y + size, x : x + size]
