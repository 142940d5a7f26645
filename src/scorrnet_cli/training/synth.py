"""Synthetic image pairs with a displacement that is exact at reference pixels.

The paint is a texture T in deformed coordinates. The deformed frame shows T(x), the reference frame
T(X + u(X)): both are sampled from the same oversampled texture and photographed by the same camera, so no
field has to be inverted and neither image is an interpolated copy of the other. Outlines are signed distances
taken at x and at X + u(X) alike, and the background of each frame is its own.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from scorrnet_cli.masks.looks import magnified
from scorrnet_cli.segment import MAGNIFICATIONS, REDUCTION
from scorrnet_cli.training import backgrounds, camera, fields, grounds, processing, specimens, textures
from scorrnet_cli.training.camera import MARGIN, OVERSAMPLING
from scorrnet_cli.training.recipe import SynthRecipe
from scorrnet_cli.training.rng import Rng
from scorrnet_cli.training.torus import sample_torus

SOFT_PX = (0.7, 3.5)  # standard deviation of the blur of soft paint: fine mist around drops, or the lens out of focus
DISCERNIBLE = 0.6  # diameter of the finest dots of a reduced image, of the finest of others
WORKED = (0.03, 0.5)  # standard deviation of a worked ground, where the ground is 0 and the paint 1
BRIGHTEST_GROUND = 0.65  # of full scale: highlights may saturate in the camera, never the whole surface


@dataclass(frozen=True)
class Material:
    """Photographs that may enter the synthesis, (N, S, S) float32, 0 to 1, on the training device."""

    photographs: Tensor | None = None
    speckles: Tensor | None = None


class Pairs(NamedTuple):
    """A batch of image pairs.

    Attributes
    ----------
    reference, deformed : (N, 1, H, W) float32
        Grey levels, 0 to 255.
    mask : (N, 1, H, W) float32
        1 where the surface is speckled, in the reference.
    displacement : (N, 2, H, W) float32
        u, v in px at reference pixels.
    seen : (N, 1, H, W) float32
        1 where the point is speckled and lies within the deformed frame.
    """

    reference: Tensor
    deformed: Tensor
    mask: Tensor
    displacement: Tensor
    seen: Tensor


def make_pairs(rng: Rng, count: int, recipe: SynthRecipe, material: Material) -> Pairs:
    """Draw a batch of `count` pairs."""
    made = [_make_pair(rng, recipe, material) for _ in range(count)]
    return Pairs(*(torch.stack(parts) for parts in zip(*made, strict=True)))


def make_references(rng: Rng, count: int, recipe: SynthRecipe, material: Material) -> tuple[Tensor, Tensor]:
    """Draw reference images alone, for the segmentation.

    Returns
    -------
    images : (N, 1, H, W) float32
        Grey levels, 0 to 255.
    masks : (N, 1, H, W) float32
        1 where the surface is speckled.
    """
    images, masks = [], []
    for _ in range(count):
        magnification = _magnification(rng, recipe)
        if magnification == 1:
            image, mask = _make_reference(rng, recipe, material)
        else:
            image, mask = _make_magnified(rng, recipe, material, magnification)
        images.append(image[None])
        masks.append(mask[None])
    return torch.stack(images), torch.stack(masks)


def _magnification(rng: Rng, recipe: SynthRecipe) -> float:
    """How much an image is magnified; where the recipe has no share of such images, no number is drawn."""
    if recipe.magnified_share and rng.chance(recipe.magnified_share):
        return MAGNIFICATIONS[rng.integer(0, len(MAGNIFICATIONS) - 1)]
    return REDUCTION if recipe.reduced_share and rng.chance(recipe.reduced_share) else 1.0


def _make_magnified(rng: Rng, recipe: SynthRecipe, material: Material, magnification: float) -> tuple[Tensor, Tensor]:
    """Image and mask (H, W) as `_make_reference` makes them, drawn smaller and magnified, or larger and reduced.

    Dots become as large by any magnification, the strong ones being for fine speckle, and by reduction, where the
    finest become grain, which is still speckle.
    """
    finest, coarsest = recipe.dot_px
    if magnification < 1:
        finest, coarsest = DISCERNIBLE * finest / magnification, coarsest / magnification
    else:
        coarsest = max(finest, coarsest * min(MAGNIFICATIONS) / magnification)
    size = math.ceil(recipe.size / magnification)
    drawn_as = dataclasses.replace(recipe, size=size, dot_px=(finest, coarsest))
    drawn = torch.stack(_make_reference(rng, drawn_as, material))
    image, mask = magnified(drawn, magnification)[:, : recipe.size, : recipe.size]
    return image, (mask >= 0.5).float()


def _make_reference(rng: Rng, recipe: SynthRecipe, material: Material) -> tuple[Tensor, Tensor]:
    """Image and mask (H, W)."""
    points = _points(recipe.size, rng.device)
    surface = _surface(rng, recipe, material)
    scene, mask = surface.render(points, None, surface.backdrop(rng, recipe, material))
    if recipe.shadow_share and rng.chance(recipe.shadow_share):  # without them no number is drawn
        scene = scene * camera.shade(rng, scene)
    if recipe.glint_share and rng.chance(recipe.glint_share):  # without them no number is drawn
        shining = camera.glints(rng, scene)
        scene = scene + (shining * mask if rng.chance(0.5) else shining)
    image = camera.expose(rng, scene, camera.camera(rng, recipe.noise))
    if recipe.processed_share and rng.chance(recipe.processed_share):  # without them no number is drawn
        image = processing.processed(rng, image)
    return image, _at_pixels(mask)


def _make_pair(rng: Rng, recipe: SynthRecipe, material: Material) -> Pairs:
    points = _points(recipe.size, rng.device)
    motion = fields.motion(rng, points, recipe.size, recipe.limits)
    moved = points + motion.at(points)
    surface = _surface(rng, recipe, material)
    if motion.hole is not None:
        surface = dataclasses.replace(surface, outline=specimens.drilled(surface.outline, motion.hole))
    behind = surface.backdrop(rng, recipe, material)
    scene, mask = surface.render(moved, None, behind)
    later = _later(rng, behind, surface, recipe, material)
    deformed_scene, _ = surface.render(points, motion.crack, later)
    settings = camera.camera(rng, recipe.noise)
    mask = _at_pixels(mask)
    axis = torch.arange(recipe.size, device=rng.device, dtype=torch.float32)
    pixels = torch.stack(torch.meshgrid(axis, axis, indexing="xy"))
    truth = motion.at(pixels)
    landed = pixels + truth
    inside = ((landed >= 0) & (landed <= recipe.size - 1)).all(0)
    return Pairs(
        camera.expose(rng, scene, settings)[None],
        camera.expose(rng, deformed_scene, settings)[None],
        mask[None],
        truth,
        (mask * inside)[None],
    )


def _points(size: int, device: torch.device) -> Tensor:
    """Oversampled grid of image coordinates (2, H', W'), px, with the camera's margin around it."""
    count = (size + 2 * MARGIN) * OVERSAMPLING
    axis = (torch.arange(count, device=device) + 0.5) / OVERSAMPLING - 0.5 - MARGIN
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([x, y])


def _at_pixels(oversampled: Tensor) -> Tensor:
    """Mask (H, W), 0 or 1, of the pixels that an oversampled mask (H', W') covers by half or more."""
    edge = MARGIN * OVERSAMPLING
    inner = oversampled[None, None, edge:-edge, edge:-edge]
    return (F.avg_pool2d(inner.float(), OVERSAMPLING)[0, 0] >= 0.5).float()


@dataclass(frozen=True)
class _Surface:
    """A painted specimen, in deformed coordinates."""

    outline: specimens.Specimen
    paint: Tensor  # (P, P), radiance of the paint on a torus
    bare: Tensor  # (P, P), radiance of the unpainted body

    def render(self, xy: Tensor, crack: fields.Crack | None, behind: Tensor) -> tuple[Tensor, Tensor]:
        """Show the surface at material points `xy` (2, H', W') before a background.

        Returns
        -------
        scene : (H', W') float32
        mask : (H', W') bool
            True where there is paint.
        """
        painted, body = self.outline.painted(xy), self.outline.body(xy)
        if crack is not None:
            gap = crack.gap(xy)
            painted, body = torch.maximum(painted, -gap), torch.maximum(body, -gap)
        both = sample_torus(torch.stack([self.paint, self.bare]), xy * OVERSAMPLING + 0.5)
        paint_cover = (0.5 - painted / self.outline.edge_px).clamp_(0.0, 1.0)
        body_cover = (0.5 - body * OVERSAMPLING).clamp_(0.0, 1.0)
        front = both[1] + paint_cover * (both[0] - both[1])
        return behind + body_cover * (front - behind), painted < 0

    def backdrop(self, rng: Rng, recipe: SynthRecipe, material: Material) -> Tensor:
        """Draw a background (H', W') for one frame."""
        count = (recipe.size + 2 * MARGIN) * OVERSAMPLING
        scene = backgrounds.scene(rng, count, material.photographs, float(OVERSAMPLING))
        if recipe.alike_share and rng.chance(recipe.alike_share):  # without them no number is drawn
            return backgrounds.in_greys_of(rng, scene, self.paint)
        return scene


def _surface(rng: Rng, recipe: SynthRecipe, material: Material) -> _Surface:
    period = int((recipe.size + 2 * MARGIN) * 1.1) * OVERSAMPLING // 8 * 8
    dots = recipe.dot_px
    if recipe.perforated_share:  # without holes sized by the dots no number is drawn
        dots = (rng.log_uniform(*dots),) * 2
    if material.speckles is not None and rng.chance(0.15):
        pattern = _photographed(rng, period, material.speckles)
    elif recipe.cloud_share and rng.chance(recipe.cloud_share):
        pattern = torch.sigmoid(rng.uniform(1, 3) * textures.power_law(rng, period, rng.uniform(0.4, 1.1)))
    else:
        varied = recipe.varied_share and rng.chance(recipe.varied_share)  # without them no number is drawn
        make = textures.varied if varied else textures.speckle
        pattern = make(rng, period, OVERSAMPLING, dots, recipe.mist_share)
    if recipe.soft_share and rng.chance(recipe.soft_share):  # without soft paint no number is drawn for it
        pattern = textures.softened(pattern, rng.log_uniform(*SOFT_PX) * OVERSAMPLING)
    contrast = rng.log_uniform(recipe.contrast[0], recipe.contrast[1])
    ground = rng.uniform(0.02, min(0.98 - contrast, BRIGHTEST_GROUND))
    unpainted = None
    if recipe.worked_share and rng.chance(recipe.worked_share):  # without worked grounds no number is drawn
        unpainted = rng.uniform(*WORKED) * grounds.worked(rng, period, OVERSAMPLING)
        pattern = pattern + (1 - pattern) * unpainted
    if rng.chance(0.5):
        pattern = 1 - pattern
        unpainted = None if unpainted is None else 1 - unpainted
    uneven = 1 + rng.uniform(0.0, 0.1) * textures.power_law(rng, period, 2.5) if rng.chance(0.3) else 1.0
    paint = ((ground + contrast * pattern) * uneven * rng.uniform(1.0, 1.15)).clamp_(0.0, 1.1)
    bare = rng.uniform(0.0, 1.0) + torch.zeros_like(paint)
    if rng.chance(0.5):
        bare = bare + rng.uniform(0.0, 0.05) * textures.power_law(rng, period, rng.uniform(1.0, 2.2))
    if unpainted is not None and rng.chance(0.5):
        bare = ground + contrast * unpainted
    whole = rng.chance(recipe.whole_frame)
    outline = specimens.whole_frame() if whole else _specimen(rng, recipe, dots[0] if recipe.perforated_share else 0.0)
    return _Surface(outline, paint, bare.clamp_(0.0, 1.0))


def _specimen(rng: Rng, recipe: SynthRecipe, dot_px: float) -> specimens.Specimen:
    first = _one_specimen(rng, recipe, dot_px)
    if recipe.several_share and rng.chance(recipe.several_share):  # without them no number is drawn
        return specimens.together(first, _one_specimen(rng, recipe, dot_px))
    return first


def _one_specimen(rng: Rng, recipe: SynthRecipe, dot_px: float) -> specimens.Specimen:
    if recipe.window_share and rng.chance(recipe.window_share):  # without windows no number is drawn
        return specimens.piece(rng, recipe.size, recipe.perforated_share, dot_px)
    return specimens.specimen(rng, recipe.size, recipe.perforated_share, dot_px)


def _later(rng: Rng, behind: Tensor, surface: _Surface, recipe: SynthRecipe, material: Material) -> Tensor:
    """Background of the deformed frame: at rest, moved, or another."""
    fate = rng.pick({"rest": 0.3, "moved": 0.35, "other": 0.35})
    if fate == "moved":
        reach = OVERSAMPLING * 24
        return torch.roll(behind, (rng.integer(-reach, reach), rng.integer(-reach, reach)), (0, 1))
    return surface.backdrop(rng, recipe, material) if fate == "other" else behind


def _photographed(rng: Rng, period: int, speckles: Tensor) -> Tensor:
    """Make a photographed speckle periodic by mirroring it."""
    image = speckles[rng.integer(0, len(speckles) - 1)]
    half = F.interpolate(image[None, None], (period // 2, period // 2), mode="bicubic", align_corners=False)[0, 0]
    half = half.clamp(0.0, 1.0)
    wide = torch.cat([half, half.flip(1)], 1)
    return torch.cat([wide, wide.flip(0)], 0)
