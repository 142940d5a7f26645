"""The camera of hard cases: contrast, blur, uneven light, glare, noise and 8 bits."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from scorrnet_cli.evaluation.hard.bodies import Cutout

SHINE = 1500.0  # grey levels of a pixel that shines, before the lens spreads it over its neighbours
SHADOW_PX = (70.0, 30.0)  # width of the strip in shadow, and how far it passes from the middle of the image


@dataclass(frozen=True)
class Camera:
    """How a scene is photographed.

    Attributes
    ----------
    ground, ink : float
        Grey levels of the specimen's ground and paint; beyond 255 they saturate.
    defocus_px : float
        Radius of the disk that each point becomes, px.
    smear_px : int
        How far the deformed image moves while it is exposed, px along x; odd. The truth is that of the middle.
    tilt : float
        By how much the light rises across the image, as a share of its mean; falls by as much in the deformed one.
    shadow : float
        Share of the light that a straight thing takes from a strip across the image; it stays where it is.
    glare : float
        Grey levels that a spot of light adds at its middle; it lies elsewhere in the deformed image.
    glints : float
        Share of the specimen's pixels that shine; elsewhere in the deformed image.
    noise : float
        Standard deviation, grey levels.
    """

    ground: float = 190.0
    ink: float = 60.0
    defocus_px: float = 0.0
    smear_px: int = 1
    tilt: float = 0.0
    shadow: float = 0.0
    glare: float = 0.0
    glints: float = 0.0
    noise: float = 2.0


def expose(camera: Camera, specimen: Cutout, behind: Tensor, seed: int, *, deformed: bool) -> Tensor:
    """Photograph a specimen before a background.

    Parameters
    ----------
    camera : Camera
    specimen : Cutout
    behind : (H, W) float64
        The background, grey levels.
    seed : int
        Of the noise, which does not depend on what is seen.
    deformed : bool
        Whether this is the deformed image.

    Returns
    -------
    (H, W) float32
        Whole grey levels, 0 to 255.
    """
    front = camera.ground * specimen.cover + (camera.ink - camera.ground) * specimen.paint + specimen.ground
    scene = front + (1 - specimen.cover) * behind
    scene = _convolved(scene, _disk(camera.defocus_px)) if camera.defocus_px else scene
    if deformed and camera.smear_px > 1:
        scene = _convolved(scene, torch.full((1, camera.smear_px), 1 / camera.smear_px, dtype=torch.float64))
    lit = scene * _light(camera, scene, deformed) + _spot(camera, scene, deformed)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(scene.shape, generator=generator, dtype=torch.float64)
    if camera.glints:
        shining = torch.rand(scene.shape, generator=generator, dtype=torch.float64) < camera.glints
        lit = lit + SHINE * _convolved(shining * specimen.cover, _disk(1.0))
    return (lit + camera.noise * noise).round().clamp_(0.0, 255.0).float()


def _light(camera: Camera, scene: Tensor, deformed: bool) -> Tensor:
    rise = -camera.tilt if deformed else camera.tilt
    height, width = scene.shape
    x = torch.linspace(-0.5, 0.5, width, dtype=torch.float64)
    y = torch.linspace(-0.5, 0.5, height, dtype=torch.float64)[:, None]
    along = 0.8 * x + 0.6 * y
    light = 1 + rise * along
    if not camera.shadow:
        return light
    from_middle = SHADOW_PX[0] / 2 - (width * along + SHADOW_PX[1]).abs()
    return light * (1 - camera.shadow * torch.sigmoid(from_middle))


def _spot(camera: Camera, scene: Tensor, deformed: bool) -> Tensor:
    height, width = scene.shape
    place = 0.62 if deformed else 0.38
    x = (torch.arange(width, dtype=torch.float64) / width - place) / 0.15
    y = (torch.arange(height, dtype=torch.float64)[:, None] / height - 0.45) / 0.15
    return camera.glare * torch.exp(-0.5 * (x**2 + y**2))


def _disk(radius_px: float) -> Tensor:
    """Kernel of a disk whose edge is soft over a pixel."""
    reach = math.ceil(radius_px + 0.5)
    step = torch.arange(-reach, reach + 1, dtype=torch.float64)
    inside = (radius_px + 0.5 - torch.hypot(step, step[:, None])).clamp(0.0, 1.0)
    return inside / inside.sum()


def _convolved(image: Tensor, kernel: Tensor) -> Tensor:
    height, width = kernel.shape
    padded = F.pad(image[None, None], (width // 2, width // 2, height // 2, height // 2), mode="replicate")
    return F.conv2d(padded, kernel[None, None])[0, 0]
