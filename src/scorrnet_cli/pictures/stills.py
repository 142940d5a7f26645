"""From frames of a result to panels of a figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from scorrnet_cli.field import Field
from scorrnet_cli.frames import Frame
from scorrnet_cli.pictures.images import Images
from scorrnet_cli.pictures.layout import arrangement
from scorrnet_cli.pictures.moving import moved
from scorrnet_cli.pictures.paper import Panel, Style, draw
from scorrnet_cli.pictures.quantities import PLAIN, QUANTITIES, Quantity, values_of
from scorrnet_cli.pictures.scale import Ends, Scale, choose_scale, ends_of
from scorrnet_cli.pictures.vectors import arrows, longest_px, magnification
from scorrnet_cli.snapshots import Snapshot, Snapshots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from scorrnet_cli.gauge import Strain


@dataclass(frozen=True)
class Wish:
    """What is to be drawn, and how.

    Attributes
    ----------
    quantities : sequence of Quantity
    frames : sequence of int
        Counted from 0.
    over_deformed : bool
        Whether the values are drawn where the surface has moved to, over the deformed images.
    contours : bool
        Whether lines of equal value are drawn.
    vectors : bool
        Whether displacement is drawn as arrows.
    limits : tuple of float, optional
        Ends of the colour scale, in the unit that is shown.
    """

    quantities: Sequence[Quantity]
    frames: Sequence[int]
    over_deformed: bool = False
    contours: bool = False
    vectors: bool = False
    limits: tuple[float, float] | None = None


class Artist:
    """Draws frames of a result, all with the same colours and arrows.

    Parameters
    ----------
    snapshots : Snapshots
    images : Images
    wish : Wish

    Attributes
    ----------
    scales : dict of str to Scale
        By name of the quantity.
    """

    def __init__(self, snapshots: Snapshots, images: Images, wish: Wish) -> None:
        self._snapshots = snapshots
        self._grey = lru_cache(maxsize=1)(images.grey)
        self._wish = wish
        self._magnified = 1.0
        self.scales = self._look_through()

    def _look_through(self) -> dict[str, Scale]:
        """Look at all frames once, to choose what they share."""
        wish = self._wish
        ends: dict[str, list[Ends]] = {each.name: [] for each in wish.quantities}
        longest = 0.0
        if wish.limits is None or wish.vectors:
            for shown in self._snapshots.one_by_one(wish.frames):
                longest = max(longest, longest_px(shown.field))
                for each in wish.quantities if wish.limits is None else ():
                    ends[each.name].append(ends_of(values_of(each, shown)))
        self._magnified = magnification(longest, self._snapshots.result.shape[1:])
        mm = self._snapshots.mm_per_px
        return {each.name: choose_scale(each, ends[each.name], mm, wish.limits) for each in wish.quantities}

    def figure(self, frames: Sequence[int] | None = None) -> Figure:
        """Draw frames, all that were wished for if not told which; each quantity of each frame is a panel.

        Several quantities of several frames are rows and columns: frames lie along the narrower side of the images.
        """
        frames = self._wish.frames if frames is None else frames
        quantities = self._wish.quantities
        height, width = self._snapshots.result.shape[1:]
        rows = [[self._panel(shown, each) for each in quantities] for shown in self._snapshots.one_by_one(frames)]
        several = len(frames) > 1
        if several and len(quantities) > 1:
            if height > width:
                rows = [list(column) for column in zip(*rows, strict=True)]
            columns = len(rows[0])
        else:
            columns = arrangement(len(frames) * len(quantities), (height, width), shared=several)
        style = Style(
            (height, width), self._snapshots.mm_per_px, self._wish.contours, shared=several, note=self._note()
        )
        return draw([panel for row in rows for panel in row], columns, style)

    def _panel(self, shown: Snapshot, quantity: Quantity) -> Panel:
        scale = self.scales[quantity.name]
        values = values_of(quantity, shown) * np.float32(quantity.factor(self._snapshots.mm_per_px))
        image = self._snapshots.result.image_under(shown.index)
        if self._wish.over_deformed:
            values = moved(values, shown.field.u[0], shown.field.v[0])
            image = shown.field.deformed[0]
        grey = None if image is None else self._grey(image)
        vectors = None
        if self._wish.vectors:
            vectors = arrows(shown.field, self._magnified, to_moved=self._wish.over_deformed)
        return Panel(shown.name, grey, values, scale, quantity.symbol, arrows=vectors)

    def _note(self) -> str:
        """Say what the figure does not show by itself."""
        parts = []
        moving = self._wish.vectors or any(each.kind != PLAIN for each in self._wish.quantities)
        if self._snapshots.result.is_incremental and moving:
            parts.append("from frame to frame")
        if any(each.needs_strain for each in self._wish.quantities):
            parts.append(gauge_words(self._snapshots.at(self._wish.frames[-1]).strain))
        if self._wish.vectors:
            parts.append(f"arrows: displacement \N{MULTIPLICATION SIGN} {self._magnified:g}")
        return "; ".join(parts)


def gauge_words(strain: Strain) -> str:
    """Say in a few words how strain was taken."""
    return f"{measure_words(strain.measure)} strain, window {strain.window_px} px, VSG {strain.vsg_size_px} px"


def measure_words(measure: str) -> str:
    """Write a strain measure as people do: names have capitals."""
    return "-".join(part.capitalize() for part in measure.split("-")) if measure != "small" else measure


def preview(under: Frame, field: Field) -> Figure:
    """Draw what a measurement gave in one figure: the mask's outline, u, v and zncc.

    Lengths are in mm where the scale is known, as in `Artist`.

    Parameters
    ----------
    under : Frame
        The image at whose pixels they lie: the reference, or for increments the one before.
    field : Field
        T = 1.
    """
    mm_per_px = field.calibration.mm_per_px if field.calibration else None
    grey = under.grey
    panels = [Panel(f"{under.info.name}: mask", grey, outline=field.mask[0])]
    for name in ("u", "v", "zncc"):
        quantity = QUANTITIES[name]
        values = values_of(quantity, Snapshot(0, field))
        scale = choose_scale(quantity, [ends_of(values)], mm_per_px)
        shown = values * np.float32(quantity.factor(mm_per_px))
        between = ", from the frame before" if field.lies_at >= 0 and quantity.kind != PLAIN else ""
        title = f"{field.deformed[0].name}: {name}{between}"
        panels.append(Panel(title, grey, shown, scale, quantity.symbol))
    return draw(panels, arrangement(len(panels), grey.shape, shared=False), Style(grey.shape, mm_per_px))
