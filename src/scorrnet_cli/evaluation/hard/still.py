"""A specimen at rest: one image of it, and the mask that is found there."""

from __future__ import annotations

import torch
from torch import Tensor

from scorrnet_cli.errors import MeasurementError
from scorrnet_cli.evaluation.fields import affine
from scorrnet_cli.evaluation.hard.backdrops import backdrop
from scorrnet_cli.evaluation.hard.bed import frame
from scorrnet_cli.evaluation.hard.bodies import Body, cut_out, true_field
from scorrnet_cli.evaluation.hard.optics import Camera, expose
from scorrnet_cli.evaluation.rendering import Outline
from scorrnet_cli.evaluation.speckle import Paint, scatter_disks
from scorrnet_cli.pipeline import Instruments, prepare

SAMPLES = 2  # per pixel and axis: nothing is measured to a hundredth of a pixel here


def still(outline: Outline, size: int, dot_px: float, behind: tuple[str, int], seed: int) -> tuple[Tensor, Tensor]:
    """Photograph a specimen.

    Parameters
    ----------
    outline : callable
        Signed distance, px.
    size : int
        Height and width of the image, px.
    dot_px : float
        Diameter of the speckle, px.
    behind : tuple
        Kind and seed of the background.
    seed : int
        Of speckle and noise.

    Returns
    -------
    image : (H, W) float32
        Grey levels.
    mask : (H, W) bool
        Where the specimen is.
    """
    shape = (size, size)
    bodies = [Body(outline, affine(0.0, 0.0, (0.0, 0.0), size))]
    disks = scatter_disks(shape, seed, Paint((0.9 * dot_px, 1.1 * dot_px)))
    specimen = cut_out(shape, disks, bodies, moved=False, samples=SAMPLES)
    kind, background_seed = behind
    image = expose(Camera(), specimen, backdrop(kind, size, background_seed), seed, deformed=False)
    return image, true_field(shape, bodies)[0]


def found_mask(instruments: Instruments, image: Tensor) -> Tensor:
    """Return the mask (H, W) that the program finds; nothing if it refuses the image."""
    try:
        return torch.from_numpy(prepare(instruments, frame(image)).mask)
    except MeasurementError:
        return torch.zeros_like(image, dtype=torch.bool)
