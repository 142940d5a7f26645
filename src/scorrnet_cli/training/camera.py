"""What the camera does to a scene: blur, pixel integration, light, noise and quantisation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from scorrnet_cli.numerics import filters
from scorrnet_cli.training.rng import Rng

OVERSAMPLING = 2
OUT_OF_FOCUS_SHARE = 0.12
GREY_LEVELS = {"255": 0.6, "4095": 0.2, "65535": 0.2}  # the largest of 8, 12 and 16 bits, and how often
GLINTS = (3e-4, 6e-3)  # of them for each image pixel
SHINE = (2.0, 30.0)  # radiance of a sample; four of them are a pixel
DARKEST_SHADE = 0.12  # of the light, that a shadow leaves
PENUMBRA_PX = (0.5, 12.0)
MARGIN = 4  # image pixels around the frame that blur reaches into


@dataclass(frozen=True)
class Camera:
    """One camera setting, shared by the two frames of a pair up to light and noise.

    Attributes
    ----------
    blur_px : float
        Standard deviation of the optical blur, image pixels.
    noise_floor, noise_slope : float
        Variance of the noise in grey levels squared: floor + slope * grey.
    noise_blur_px : float
        Standard deviation of the blur that demosaicing or compression put on the noise, px; 0 for none.
    levels : int
        Number of grey levels.
    """

    blur_px: float
    noise_floor: float
    noise_slope: float
    noise_blur_px: float
    levels: int


def camera(rng: Rng, noise: Sequence[float]) -> Camera:
    """Draw a camera: sharp to soft, quiet to noisy (standard deviation between two of 255 grey levels)."""
    sigma = rng.log_uniform(noise[0], noise[1])
    share = rng.uniform(0.0, 1.0)
    levels = int(rng.pick(GREY_LEVELS))
    noise_blur = rng.uniform(0.4, 0.9) if rng.chance(0.3) else 0.0
    blur = rng.uniform(0.9, 1.6) if rng.chance(OUT_OF_FOCUS_SHARE) else rng.uniform(0.15, 0.9)
    return Camera(blur, share * sigma**2, (1 - share) * sigma**2 / 128, noise_blur, levels)


def expose(rng: Rng, scene: Tensor, settings: Camera) -> Tensor:
    """Photograph an oversampled scene.

    Parameters
    ----------
    rng : Rng
    scene : (H', W') float32
        Radiance 0 to 1, `OVERSAMPLING` samples per pixel, with `MARGIN` pixels on each side.
    settings : Camera

    Returns
    -------
    (H, W) float32
        Grey levels 0 to 255 (fractions where the camera has more than 8 bits).
    """
    blurred = gaussian(scene, settings.blur_px * OVERSAMPLING * rng.uniform(0.9, 1.1))
    edge = MARGIN * OVERSAMPLING
    pixels = F.avg_pool2d(blurred[None, None, edge:-edge, edge:-edge], OVERSAMPLING)[0, 0]
    grey = 255.0 * pixels * _light(rng, pixels) + (rng.uniform(0.0, 12.0) if rng.chance(0.5) else 0.0)
    variance = settings.noise_floor + settings.noise_slope * grey
    noise = rng.randn(*grey.shape)
    if settings.noise_blur_px > 0:
        noise = gaussian(noise, settings.noise_blur_px)
        noise = noise / noise.std().clamp_min(1e-6)
    noisy = grey + torch.sqrt(variance.clamp_min_(0.0)) * noise
    step = 255.0 / settings.levels
    return (torch.round(noisy / step) * step).clamp_(0.0, 255.0)


def glints(rng: Rng, scene: Tensor) -> Tensor:
    """Points of a scene (H', W') that shine: their radiance, mostly more than the camera can tell from white."""
    share = rng.log_uniform(*GLINTS) / OVERSAMPLING**2
    return (rng.rand(*scene.shape) < share) * rng.log_uniform(*SHINE)


def shade(rng: Rng, scene: Tensor) -> Tensor:
    """Share of the light (H', W') that reaches a scene beside something straight that casts a shadow on it."""
    height, width = scene.shape
    x = torch.arange(width, device=scene.device)[None, :] / OVERSAMPLING
    y = torch.arange(height, device=scene.device)[:, None] / OVERSAMPLING
    angle, soft = rng.uniform(0.0, 2 * math.pi), rng.log_uniform(*PENUMBRA_PX)
    middle = (rng.uniform(0.2, 0.8) * width / OVERSAMPLING, rng.uniform(0.2, 0.8) * height / OVERSAMPLING)
    distance = (x - middle[0]) * math.cos(angle) + (y - middle[1]) * math.sin(angle)
    if rng.chance(0.5):
        distance = distance.abs() - rng.log_uniform(4.0, 0.3 * width / OVERSAMPLING)
    dark = (0.5 - distance / soft).clamp_(0.0, 1.0)
    return 1 - dark * (1 - rng.log_uniform(DARKEST_SHADE, 0.8))


def _light(rng: Rng, pixels: Tensor) -> Tensor:
    """Gain, a gradient of illumination, and vignetting; differs from frame to frame."""
    gain = rng.uniform(0.8, 1.2)
    if rng.chance(0.4):
        return torch.full_like(pixels, gain)
    height, width = pixels.shape
    x = torch.linspace(-0.5, 0.5, width, device=pixels.device)[None, :]
    y = torch.linspace(-0.5, 0.5, height, device=pixels.device)[:, None]
    angle, slope = rng.uniform(0.0, 2 * math.pi), rng.uniform(0.0, 0.3)
    tilt = 1 + slope * (x * math.cos(angle) + y * math.sin(angle))
    return gain * tilt * (1 - rng.uniform(0.0, 0.4) * (x**2 + y**2))


def gaussian(image: Tensor, sigma: float) -> Tensor:
    """Blur an image (H, W), which goes on beyond its border as it is there, by a Gaussian of `sigma` samples."""
    margin = math.ceil(4 * sigma) + 1
    padded = F.pad(image[None, None], (margin,) * 4, mode="replicate")[0]
    return filters.gaussian(padded, sigma)[0, margin:-margin, margin:-margin]
