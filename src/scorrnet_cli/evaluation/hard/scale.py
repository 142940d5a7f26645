"""Whether the surface is found at every size of speckle and image: one scene, photographed from near and far."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from scorrnet_cli.errors import MeasurementError
from scorrnet_cli.evaluation.fields import affine
from scorrnet_cli.evaluation.hard import outlines
from scorrnet_cli.evaluation.hard.backdrops import backdrop
from scorrnet_cli.evaluation.hard.bed import frame
from scorrnet_cli.evaluation.hard.bodies import Body, cut_out, true_field
from scorrnet_cli.evaluation.hard.optics import Camera, expose
from scorrnet_cli.evaluation.speckle import scatter_disks
from scorrnet_cli.pipeline import Instruments, prepare

SEED = 7_000_000
SAMPLES = 2  # per pixel and axis: nothing is measured to a hundredth of a pixel here
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
        shape, middle = (size, size), (0.5 * size, 0.5 * size)
        plate = outlines.plate(middle, (0.33 * size, 0.27 * size), 8.0)
        hole, notch = outlines.disk(middle, 0.08 * size), outlines.plate((0.75 * size, 0.55 * size), (0.12 * size, 4.0))
        bodies = [Body(outlines.cut(plate, hole, notch), affine(0.0, 0.0, (0.0, 0.0), size))]
        disks = scatter_disks(shape, SEED + number, (0.9 * dot_px, 1.1 * dot_px))
        specimen = cut_out(shape, disks, bodies, moved=False, samples=SAMPLES)
        image = expose(Camera(), specimen, backdrop("clutter", size, 2000 + number), SEED + number, deformed=False)
        mask, _ = true_field(shape, bodies)
        yield ScaleFigures(size, dot_px, _iou(instruments, image, mask))


def _iou(instruments: Instruments, image: Tensor, mask: Tensor) -> float:
    try:
        found = torch.from_numpy(prepare(instruments, frame(image)).mask)
    except MeasurementError:
        return 0.0
    return float((found & mask).sum()) / float((found | mask).sum())
