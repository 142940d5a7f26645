"""Whether the surface is found at every size of speckle and image: one scene, photographed from near and far."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scorrnet_cli.evaluation.hard import outlines
from scorrnet_cli.evaluation.hard.still import found_mask, still
from scorrnet_cli.pipeline import Instruments

SEED = 7_000_000
SCALES = (
    (256, 2.0),
    (256, 4.0),
    (256, 8.0),
    (256, 15.0),
    (768, 2.0),
    (768, 4.0),
    (768, 8.0),
    (768, 15.0),
    (2048, 5.0),
)
"""Height and width of the image, px, and diameter of the speckle, px."""


@dataclass(frozen=True)
class ScaleFigures:
    """How well the surface is found.

    Attributes
    ----------
    size_px : int
        Height and width of the image.
    dot_px : float
        Diameter of the speckle, px.
    iou : float
        Of the mask that is found with the true one.
    """

    size_px: int
    dot_px: float
    iou: float


def scale_figures(instruments: Instruments, scales: Sequence[tuple[int, float]] = SCALES) -> Iterator[ScaleFigures]:
    """Look for a plate with a hole and a notch that grows with the image."""
    for number, (size, dot_px) in enumerate(scales):
        middle = (0.5 * size, 0.5 * size)
        plate = outlines.plate(middle, (0.33 * size, 0.27 * size), 8.0)
        hole, notch = outlines.disk(middle, 0.08 * size), outlines.plate((0.75 * size, 0.55 * size), (0.12 * size, 4.0))
        specimen = outlines.cut(plate, hole, notch)
        image, mask = still(specimen, size, dot_px, ("clutter", 2000 + number), SEED + number)
        found = found_mask(instruments, image)
        yield ScaleFigures(size, dot_px, float((found & mask).sum()) / float((found | mask).sum()))
