"""The synthesis is exact and repeatable, and a training that was cut goes on bit by bit."""

from __future__ import annotations

import csv
import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from scorrnet_cli.errors import FrameError, MeasurementError, OutputError, UsageError, WeightsError
from scorrnet_cli.models.enet import ENet, ENets
from scorrnet_cli.refine import Refinement, refine
from scorrnet_cli.refinement.matching import surface
from scorrnet_cli.training import backgrounds, camera, fields, grounds, loop, processing, specimens, synth, textures
from scorrnet_cli.training.loop import AVERAGED, CHECKPOINT, LOG, Trainer
from scorrnet_cli.training.loss import displacement_figures, displacement_loss, segmentation_figures, segmentation_loss
from scorrnet_cli.training.material import load_photographs
from scorrnet_cli.training.recipe import NETWORKS, Recipe, SynthRecipe, bundled_recipe, load_recipe
from scorrnet_cli.training.rng import Rng
from scorrnet_cli.training.synth import Material, make_pairs, make_references
from scorrnet_cli.training.torus import sample_torus
from scorrnet_cli.weights import Role

CPU = torch.device("cpu")


def _grid(size: int) -> Tensor:
    axis = torch.arange(float(size))
    return torch.stack(torch.meshgrid(axis, axis, indexing="xy"))


def test_equal_keys_give_equal_pairs() -> None:
    recipe = SynthRecipe(size=64)
    first, again, other = (make_pairs(Rng(key, CPU), 2, recipe, Material()) for key in ((1, 2), (1, 2), (1, 3)))
    for a, b in zip(first, again, strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(first.reference, other.reference)


def test_pairs_are_what_they_say() -> None:
    recipe = SynthRecipe(size=96)
    pairs = make_pairs(Rng((5,), CPU), 12, recipe, Material())
    assert pairs.reference.shape == pairs.mask.shape == (12, 1, 96, 96)
    assert pairs.displacement.shape == (12, 2, 96, 96)
    assert float(pairs.reference.min()) >= 0
    assert float(pairs.deformed.max()) <= 255
    assert set(pairs.mask.flatten().tolist()) == {0.0, 1.0}
    assert bool((pairs.seen <= pairs.mask).all())
    assert float(pairs.displacement.abs().max()) <= recipe.displacement_px + 8  # a crack may open on top


@pytest.mark.parametrize("shift", [(0.125, 0.375), (0.63, -0.87)])
def test_displacement_is_exact_at_reference_pixels(shift: tuple[float, float], monkeypatch: pytest.MonkeyPatch) -> None:
    """The refinement, started at the truth on quiet images, stays there: what moves it is an error of the truth."""
    quiet = camera.Camera(blur_px=0.7, noise_floor=0.0, noise_slope=0.0, noise_blur_px=0.0, levels=4095)
    rigid = fields.Motion((torch.zeros_like,), torch.ones(2, 1, 1), torch.tensor(shift)[:, None, None], None)
    monkeypatch.setattr(camera, "camera", lambda *_: quiet)
    monkeypatch.setattr(camera, "_light", lambda _rng, pixels: torch.full_like(pixels, 0.8))
    monkeypatch.setattr(fields, "motion", lambda *_: rigid)
    recipe = SynthRecipe(size=128, whole_frame=1.0, dot_px=(3.0, 5.0), contrast=(0.4, 0.6))
    for index in range(3):
        pairs = make_pairs(Rng((11, index), CPU), 1, recipe, Material())
        truth, seen = pairs.displacement[0], pairs.seen[0, 0] > 0
        result = refine(surface(pairs.reference[0, 0], seen), pairs.deformed[0, 0], truth, Refinement(8.0, 3))
        offset = (result.displacement - truth)[:, 16:-16, 16:-16].mean((1, 2))
        assert bool(result.valid[16:-16, 16:-16].all())
        assert float(offset.abs().max()) < 0.0012


def test_a_crack_opens_and_leaves_a_gap() -> None:
    crack = fields.Crack(x=10.0, y=32.0, angle=0.0, opening_px=4.0, length_px=20.0)
    points = _grid(64)
    jump = crack.jump(points)
    assert float(jump[1, 40, 50]) == pytest.approx(2.0)
    assert float(jump[1, 20, 50]) == pytest.approx(-2.0)
    assert float(jump[0].abs().max()) < 1e-5
    gap = crack.gap(points)
    assert float(gap[33, 50]) < 0 < float(gap[35, 50])
    moved = points + jump
    assert float(crack.gap(moved).min()) >= -1e-4  # no material point lies in the gap


def test_fields_keep_to_their_limits_and_are_smooth() -> None:
    points = _grid(96)
    limits = fields.FieldRange(displacement_px=20.0)
    for index in range(20):
        motion = fields.motion(Rng((3, index), CPU), points, 96.0, limits)
        u = dataclasses.replace(motion, crack=None).at(points)
        assert float(u.abs().max()) <= 20.01
        between = dataclasses.replace(motion, crack=None).at(points + 0.5)
        middle = 0.25 * (u[:, :-1, :-1] + u[:, 1:, :-1] + u[:, :-1, 1:] + u[:, 1:, 1:])
        assert float((between[:, :-1, :-1] - middle).abs().max()) < 1.0


def test_strain_concentrates_about_a_hole_as_kirsch_says() -> None:
    hole, strain, poisson, angle = fields.Hole(80.0, 70.0, 20.0), 0.002, 0.3, 0.4
    direction = torch.tensor([math.cos(angle), math.sin(angle)], dtype=torch.float64)
    normal = torch.tensor([-math.sin(angle), math.cos(angle)], dtype=torch.float64)

    def gradient(at: Tensor) -> Tensor:
        """Displacement gradient (2, 2) at a point (2,)."""
        step = 0.01 * torch.eye(2, dtype=torch.float64)
        points = (at + torch.cat([step, -step])).T[:, None]
        u = fields.plate_with_hole(points, hole, strain, poisson, angle)[:, 0]
        return (u[:, :2] - u[:, 2:]) / 0.02

    centre = torch.tensor([hole.x, hole.y], dtype=torch.float64)
    for place, expected in ((normal, 3 * strain), (direction, -strain)):  # the hoop strain at the rim
        tangent = direction if place is normal else normal
        slope = gradient(centre + place * (hole.radius_px + 0.02))
        assert float(tangent @ slope @ tangent) == pytest.approx(expected, rel=0.02)
        assert float(place @ slope @ place) == pytest.approx(-poisson * expected, rel=0.05)  # no stress across the rim
    far = gradient(centre + 4000 * direction)
    assert float(direction @ far @ direction) == pytest.approx(strain, rel=1e-3)
    assert float(normal @ far @ normal) == pytest.approx(-poisson * strain, rel=1e-3)


def test_most_of_the_holes_about_which_strain_concentrates_are_in_the_surface(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields, "HOLE_PX", (20.0, 30.0))
    shares = []
    for share in (0.0, 1.0):
        recipe = SynthRecipe(size=96, whole_frame=1.0, displacement_px=6.0, hole_share=share)
        missing = [
            1 - float(make_pairs(Rng((14, index), CPU), 1, recipe, Material()).mask.mean()) for index in range(16)
        ]
        shares.append(float(np.mean(np.array(missing) > 0)))
    assert shares[0] == 0.0
    assert 0.4 < shares[1] < 0.95
    assert max(missing) < 0.5


def test_waves_are_as_often_steep_as_the_recipe_says() -> None:
    points, spans = _grid(96), []
    for share in (0.0, 1.0):
        limits = fields.FieldRange(
            rotation_deg=0.0, stretch=0.0, gradient=0.2, element_share=0.0, wave_share=1.0, steep_share=share
        )
        for index in range(40):
            field = dataclasses.replace(fields.motion(Rng((16, index), CPU), points, 96.0, limits), crack=None)
            u = field.at(points)
            spacing = float(points[0, 0, 1] - points[0, 0, 0])
            slopes = torch.stack([u.diff(dim=1)[:, :, :-1], u.diff(dim=2)[:, :-1]]) / spacing
            spans.append(float(slopes.square().sum((0, 1)).sqrt().max()))
    rarely, often = (np.mean(np.array(part) > 0.15) for part in (spans[:40], spans[40:]))
    assert rarely < 0.35 and 0.4 < often < 0.8
    assert max(spans) < 0.6  # where the period is shorter than in the middle, waves are steeper


def test_faint_fields_are_faint() -> None:
    points, spans = _grid(96), []
    limits = fields.FieldRange(rotation_deg=0.0, stretch=0.0, element_share=1.0, wave_share=1.0, faint_share=1.0)
    for index in range(20):
        u = dataclasses.replace(fields.motion(Rng((15, index), CPU), points, 96.0, limits), crack=None).at(points)
        spans.append(float((u.amax(dim=(1, 2)) - u.amin(dim=(1, 2))).max()))
    assert 0.004 < min(spans) < 0.1
    assert max(spans) < 2.0


@pytest.mark.parametrize("dot", [3.0, 8.0])
def test_textures_are_periodic_and_have_the_dots_asked_for(dot: float) -> None:
    sizes, seams = [], []
    for index in range(6):
        paint = textures.speckle(Rng((2, index), CPU), 192, 1, (dot, dot))
        assert 0 <= float(paint.min()) <= float(paint.max()) <= 1
        spectrum = torch.fft.fft2(paint - paint.mean()).abs() ** 2
        correlation = torch.fft.ifft2(spectrum).real
        half = torch.nonzero(correlation[0, :96] < 0.5 * correlation[0, 0])[0]
        sizes.append(2 * float(half))
        seams.append(float((paint[:, 0] - paint[:, -1]).abs().mean() / paint.diff(dim=1).abs().mean()))
    assert np.mean(seams) < 1.5 and max(seams) < 4  # few dots lie on one line
    assert 0.4 * dot < float(np.median(sizes)) < 2.5 * dot


def test_soft_paint_is_blurred_as_asked_for_and_keeps_its_range() -> None:
    column = torch.arange(96)
    waves = torch.cos(2 * math.pi * column / 12) + torch.cos(2 * math.pi * column / 6)
    soft = textures.softened((0.5 + 0.2 * waves).expand(96, 96), 2.0)
    spectrum = torch.fft.rfft(soft[0]).abs()
    passed = [math.exp(-2 * (math.pi * 2.0 / period) ** 2) for period in (12, 6)]
    assert float(spectrum[8] / spectrum[16]) == pytest.approx(passed[0] / passed[1], rel=1e-3)
    assert float(soft.amin()) == pytest.approx(0.0, abs=1e-6)
    assert float(soft.amax()) == pytest.approx(1.0, abs=1e-6)


def test_recipe_says_how_much_of_the_paint_is_soft() -> None:
    detail = []
    for share in (0.0, 1.0):
        recipe = SynthRecipe(size=64, whole_frame=1.0, dot_px=(4.0, 6.0), noise=(0.01, 0.01), soft_share=share)
        images, _ = synth.make_references(Rng((6,), CPU), 12, recipe, Material())
        detail.append(float((images.diff(dim=-1).std(dim=(1, 2, 3)) / images.std(dim=(1, 2, 3))).mean()))
    assert detail[1] < 0.8 * detail[0]


def test_specimens_cover_part_of_the_frame_and_keep_paint_on_the_body() -> None:
    points = _grid(96)
    shares = []
    for index in range(60):
        shape = specimens.specimen(Rng((4, index), CPU), 96.0)
        painted, body = shape.painted(points) < 0, shape.body(points) < 0
        assert bool((painted <= body).all())
        shares.append(float(painted.float().mean()))
    assert 0.1 < float(np.mean(shares)) < 0.6


def test_two_specimens_are_the_union_of_both() -> None:
    points = _grid(96)
    one, other = (specimens.specimen(Rng((30, index), CPU), 96.0) for index in (1, 2))
    both = specimens.together(one, other)
    assert torch.equal(both.painted(points) < 0, (one.painted(points) < 0) | (other.painted(points) < 0))
    assert torch.equal(both.body(points) < 0, (one.body(points) < 0) | (other.body(points) < 0))


def test_strips_are_wide_and_thin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(specimens, "KINDS", {"strip": 1.0})
    points = _grid(96)
    bodies = [specimens.specimen(Rng((4, index), CPU), 96.0).body(points) < 0 for index in range(60)]
    shares = np.array([float(body.float().mean()) for body in bodies])
    assert (shares < 0.12).sum() > 8
    assert (shares > 0.4).sum() > 8


def test_every_kind_of_background_is_a_picture() -> None:
    for index in range(40):
        picture = backgrounds.background(Rng((6, index), CPU), 64, None)
        assert picture.shape == (64, 64)
        assert 0 <= float(picture.min()) <= float(picture.max()) <= 1


def test_things_stand_before_a_background(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backgrounds, "KINDS", {"plain": 1.0})
    changed = []
    for index in range(12):
        monkeypatch.setattr(backgrounds, "THINGS_SHARE", 0.0)
        alone = backgrounds.scene(Rng((8, index), CPU), 64, None)
        monkeypatch.setattr(backgrounds, "THINGS_SHARE", 1.0)
        picture = backgrounds.scene(Rng((8, index), CPU), 64, None)
        assert 0 <= float(picture.min()) <= float(picture.max()) <= 1
        changed.append(float((picture != alone).float().mean()))
    assert 0.02 < float(np.median(changed)) < 0.8


def test_a_background_in_the_greys_of_the_paint_keeps_its_pattern() -> None:
    scene, paint = (0.5 + 0.08 * Rng((9, part), CPU).randn(96, 96).clamp(-3, 3) for part in (100, 101))
    paint = 0.4 + 2 * (paint - 0.5)
    for index in range(12):
        shown = backgrounds.in_greys_of(Rng((9, index), CPU), scene, paint)
        assert abs(float(shown.mean() - paint.mean())) < 0.12
        assert 0.4 < float(shown.std() / paint.std()) < 1.6
        assert float(torch.corrcoef(torch.stack([shown.flatten(), scene.flatten()]))[0, 1]) > 0.97


def test_backgrounds_as_grey_as_the_paint_come_as_often_as_the_recipe_says() -> None:
    def step(share: float) -> float:
        recipe = SynthRecipe(size=64, whole_frame=0.0, noise=(0.01, 0.01), alike_share=share)
        images, masks = make_references(Rng((12,), CPU), 30, recipe, Material())
        inside, outside = ((images * part).sum((1, 2, 3)) / part.sum((1, 2, 3)) for part in (masks, 1 - masks))
        shows = (masks.mean((1, 2, 3)) - 0.5).abs() < 0.45
        return float((inside - outside)[shows].abs().median())

    assert step(1.0) < 0.6 * step(0.0)


def test_perforated_specimens_have_rows_of_holes_as_wide_as_some_dots() -> None:
    points = _grid(128)
    holes, widths = [], []
    for index in range(40):
        plain, cut = (specimens.specimen(Rng((13, index), CPU), 128.0, share, 3.0) for share in (0.0, 1.0))
        assert bool((cut.body(points) >= plain.body(points)).all())
        missing = (plain.body(points) < 0) & (cut.body(points) >= 0)
        holes.append(float(missing.sum()) / 128**2)
        widths.append(2 * float(cut.body(points)[missing].max()) if missing.any() else 0.0)
    assert 0.5 < float(np.mean(np.array(holes) > 0.001)) < 1.0  # some rows lie outside the specimen
    assert max(holes) < 0.6
    assert max(widths) <= 12 * 3.0
    assert float(np.mean(np.array(widths) > 2.4 * 3.0 - 1.5)) > 0.5


def test_no_hole_is_narrower_than_two_dots() -> None:
    depths = [-float(specimens._hole(Rng((15, index), CPU), 96.0, 9.0)(_grid(96)).min()) for index in range(40)]
    assert min(depths) > 9.0 - 0.8  # a pixel lies about its centre
    assert max(depths) > 12.0


def test_what_is_small_weighs_more() -> None:
    """A hole and a strip of 20 px cost more than as many wrong pixels inside what is large."""
    mask = torch.zeros(1, 1, 128, 128)
    mask[..., 8:120, 8:80] = 1
    mask[..., 54:74, 34:54] = 0
    mask[..., 8:120, 98:118] = 1
    right = torch.cat([-10 * (mask - 0.5), 10 * (mask - 0.5)], 1)
    costs = {}
    for name, (y, x) in {"hole": (64, 44), "strip": (64, 108), "large": (100, 44), "beyond": (64, 89)}.items():
        wrong = right.clone()
        wrong[..., y - 3 : y + 3, x - 3 : x + 3] *= -1
        costs[name] = float(segmentation_loss(wrong, mask) - segmentation_loss(right, mask))
    assert min(costs["hole"], costs["strip"], costs["beyond"]) > 1.5 * costs["large"]


class _Remembering(Rng):
    """Keeps with which probabilities it was asked."""

    def __init__(self) -> None:
        super().__init__((14,), CPU)
        self.asked: list[float] = []

    def chance(self, probability: float) -> bool:
        self.asked.append(probability)
        return super().chance(probability)


def test_without_a_share_no_number_is_drawn_for_it() -> None:
    """The other networks' recipes do not ask for it, and their images must stay what they were."""
    plain, asking = _Remembering(), _Remembering()
    recipe = SynthRecipe(size=64, whole_frame=0.1)
    make_references(plain, 3, dataclasses.replace(recipe, cloud_share=0.0), Material())
    assert 0.0 not in plain.asked
    asks = dataclasses.replace(
        recipe,
        soft_share=0.511,
        alike_share=0.512,
        perforated_share=0.513,
        window_share=0.514,
        magnified_share=0.515,
        mist_share=0.516,
        reduced_share=0.517,
        processed_share=0.518,
        several_share=0.519,
        glint_share=0.521,
        worked_share=0.522,
        shadow_share=0.523,
    )
    make_references(asking, 8, asks, Material())
    assert {0.511, 0.512, 0.513, 0.514, 0.515, 0.516, 0.517, 0.518, 0.519, 0.521, 0.522, 0.523} <= set(asking.asked)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_grain_of_all_sizes_is_a_surface_where_the_recipe_wants_it(
    monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    """The segmentation's does not: it would contradict the grained things in its backgrounds."""
    painted: list[int] = []

    def noted(rng: Rng, period: int, oversampling: int, dot_px: Sequence[float], mist_share: float) -> Tensor:
        painted.append(period)
        return rng.rand(period, period)

    monkeypatch.setattr(textures, "speckle", noted)
    make_references(Rng((20,), CPU), 3, SynthRecipe(size=64, whole_frame=1.0, cloud_share=share), Material())
    assert len(painted) == (0 if share else 3)


@pytest.mark.parametrize("kind", list(textures.VARIED_KINDS))
def test_irregular_paint_is_periodic_and_has_contrast(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(textures, "VARIED_KINDS", {kind: 1.0})
    seams = []
    for seed in range(8):
        paint = textures.varied(Rng((23, seed), CPU), 192, 2, (3.0, 8.0), 0.3)
        assert 0 <= float(paint.min()) <= float(paint.max()) <= 1
        assert float(paint.std()) > 0.02
        seams.append(float((paint[:, 0] - paint[:, -1]).abs().mean() / paint[:, 1::2].diff(dim=1).abs().mean()))
    assert np.mean(seams) < 1.5


def test_shaded_drops_have_many_tones() -> None:
    between = []
    for make in (textures._shaded, textures.speckle):
        paint = torch.stack([make(Rng((24, seed), CPU), 192, 3, (10.0, 14.0)) for seed in range(6)])
        between.append(float(((paint > 0.15) & (paint < 0.85)).float().mean()))
    assert between[0] > 0.2
    assert between[0] > 1.5 * between[1]


def test_jittered_dots_are_spread_more_evenly_than_scattered_ones() -> None:
    def unevenness(paint: Tensor) -> float:
        return float(F.avg_pool2d(paint[None, None], 48).std() / paint.mean())

    even, scattered = [], []
    for seed in range(8):
        rng = Rng((25, seed), CPU)
        printed = textures._jittered(rng, 384, 10.0)
        cover = -math.log(1 - float(printed.mean()))  # as much paint
        even.append(unevenness(printed))
        scattered.append(unevenness(textures._painted([textures._dots(rng, 384, 10.0, cover, False)], 384)))
    assert np.mean(even) < 0.7 * np.mean(scattered)


def test_some_jittered_dots_are_stretched_along_an_axis() -> None:
    along = []
    for seed in range(16):
        paint = textures._jittered(Rng((26, seed), CPU), 384, 12.0)
        vertical, horizontal = (float(paint.diff(dim=axis).square().mean()) for axis in (0, 1))
        along.append(vertical / horizontal)
    assert max(along) > 1.4  # lines along x
    assert min(along) < 0.7
    assert sum(0.9 < ratio < 1.1 for ratio in along) >= 6


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_recipe_says_how_much_of_the_paint_is_irregular(monkeypatch: pytest.MonkeyPatch, share: float) -> None:
    painted: list[int] = []
    made = textures.varied

    def noted(rng: Rng, period: int, oversampling: int, dot_px: Sequence[float], mist_share: float) -> Tensor:
        painted.append(period)
        return made(rng, period, oversampling, dot_px, mist_share)

    monkeypatch.setattr(textures, "varied", noted)
    recipe = SynthRecipe(size=64, whole_frame=1.0, cloud_share=0.0, varied_share=share)
    make_references(Rng((26,), CPU), 3, recipe, Material())
    assert len(painted) == (3 if share else 0)


def test_mist_has_drops_far_larger_than_most(monkeypatch: pytest.MonkeyPatch) -> None:
    drops: list[tuple[float, float]] = []

    def noted(rng: Rng, period: int, diameter: float, cover: float, on_grid: bool) -> textures.Layer:
        drops.append((diameter, cover))
        return made(rng, period, diameter, cover, on_grid)

    made = textures._dots
    monkeypatch.setattr(textures, "_dots", noted)
    for seed in range(20):
        drops.clear()
        paint = textures.speckle(Rng((22, seed), CPU), 240, 3, (1.5, 16.0), 1.0)
        numbers = torch.tensor([cover / diameter**2 for diameter, cover in drops])
        diameters = torch.tensor([diameter for diameter, _ in drops])
        most = diameters[numbers.argmax()]
        assert float(diameters.max()) >= min(2.0 * float(most), 96.0)
        assert float(diameters.min()) >= 4.49
        assert float(diameters.max()) <= textures.LARGEST_DROP_PX * 3
        assert 0.11 <= sum(cover for _, cover in drops) <= 2.01
        assert 0.05 < float(paint.mean()) < 0.95


def test_windows_show_parts_of_specimens_all_or_nothing() -> None:
    empty, full, at_border = [], [], []
    for share in (0.0, 1.0):
        recipe = SynthRecipe(size=96, whole_frame=0.0, window_share=share)
        _, masks = make_references(Rng((17,), CPU), 200, recipe, Material())
        shares = masks.mean((1, 2, 3))
        empty.append(float((shares == 0).float().mean()))
        full.append(float((shares > 0.99).float().mean()))
        ends = torch.cat([masks[:, 0, [0, -1]].flatten(1), masks[:, 0, :, [0, -1]].flatten(1)], 1)
        at_border.append(float(ends.mean()))
    assert empty[1] > 1.5 * empty[0]
    assert full[1] > 0.02 > 2 * full[0]
    assert at_border[1] > 1.4 * at_border[0]


def test_magnified_images_are_as_large_and_less_fine() -> None:
    fine = []
    for share in (0.0, 1.0):
        recipe = SynthRecipe(size=96, whole_frame=1.0, dot_px=(3.0, 3.2), noise=(5.0, 5.0), magnified_share=share)
        images, masks = make_references(Rng((15,), CPU), 12, recipe, Material())
        assert images.shape == masks.shape == (12, 1, 96, 96)
        assert bool((masks == 1).all())
        spectrum = torch.fft.rfft2(images - images.mean((2, 3), keepdim=True)).abs().square().mean((0, 1))
        fine.append(float(spectrum[36:60, 36:].sum() / spectrum.sum()))
    assert fine[1] < 0.2 * fine[0]


@pytest.mark.parametrize(("magnification", "size"), [(1.5, 64), (2.0, 48)])
def test_masks_of_magnified_images_fit_them(monkeypatch: pytest.MonkeyPatch, magnification: float, size: int) -> None:
    def disk(rng: Rng, recipe: SynthRecipe, material: Material) -> tuple[Tensor, Tensor]:
        assert recipe.size == size
        x, y = _grid(recipe.size)
        covered = (14.2 - torch.hypot(x - 20, y - 33)).clamp(0, 1)
        return 200 * covered, (covered >= 0.5).float()

    monkeypatch.setattr(synth, "_make_reference", disk)
    monkeypatch.setattr(synth, "MAGNIFICATIONS", (magnification,))
    images, masks = make_references(Rng((16,), CPU), 1, SynthRecipe(size=96, magnified_share=1.0), Material())
    x, y = _grid(96)
    centre = [magnification * (at + 0.5) - 0.5 for at in (20, 33)]  # a pixel's middle lies at half of it
    radius = torch.hypot(x - centre[0], y - centre[1])
    assert bool(((masks[0, 0] == 1) | (radius > 13.0 * magnification)).all())
    assert bool(((masks[0, 0] == 0) | (radius < 14.4 * magnification)).all())
    outline_px = 2 * math.pi * 13.7 * magnification
    assert float(((images > 100) != (masks > 0)).sum()) < 0.35 * outline_px


def test_dots_become_as_large_by_any_magnification(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: set[tuple[int, float]] = set()

    def noted(rng: Rng, recipe: SynthRecipe, material: Material) -> tuple[Tensor, Tensor]:
        drawn.add((recipe.size, recipe.dot_px[1]))
        return torch.zeros(recipe.size, recipe.size), torch.zeros(recipe.size, recipe.size)

    monkeypatch.setattr(synth, "_make_reference", noted)
    make_references(Rng((19,), CPU), 20, SynthRecipe(size=96, dot_px=(1.0, 12.0), magnified_share=1.0), Material())
    assert drawn == {(64, 12.0), (48, 9.0)}


def test_reduced_images_are_as_large_and_show_more(monkeypatch: pytest.MonkeyPatch) -> None:
    def disk(rng: Rng, recipe: SynthRecipe, material: Material) -> tuple[Tensor, Tensor]:
        assert recipe.size == 192
        assert recipe.dot_px[1] == 24.0
        assert 2.0 < recipe.dot_px[0] < 4.0
        x, y = _grid(recipe.size)
        covered = (28.3 - torch.hypot(x - 41.5, y - 66.5)).clamp(0, 1)
        return 200 * covered, (covered >= 0.5).float()

    monkeypatch.setattr(synth, "_make_reference", disk)
    recipe = SynthRecipe(size=96, dot_px=(2.0, 12.0), reduced_share=1.0)
    images, masks = make_references(Rng((27,), CPU), 1, recipe, Material())
    x, y = _grid(96)
    radius = torch.hypot(x - 20.5, y - 33.0)  # two pixels' middle lies between them
    assert bool(((masks[0, 0] == 1) | (radius > 13.2)).all())
    assert bool(((masks[0, 0] == 0) | (radius < 14.8)).all())
    assert float(((images > 100) != (masks > 0)).sum()) < 0.2 * 2 * math.pi * 14
    assert float(images[0, 0, 33, 20]) == 200


def test_processed_pictures_are_sharper_or_compressed(monkeypatch: pytest.MonkeyPatch) -> None:
    smooth = F.interpolate(Rng((28,), CPU).rand(1, 1, 16, 16), (96, 96), mode="bicubic")[0, 0]
    image = (40 + 120 * smooth).clamp(0, 255)
    steps = {}
    for share in (1.0, 0.0):
        monkeypatch.setattr(processing, "SHARPENED_SHARE", share)
        made = processing.processed(Rng((29,), CPU), image)
        assert bool((made == made.round()).all())
        assert 0 <= float(made.min()) <= float(made.max()) <= 255
        assert 0.5 < float((made - image).abs().mean()) < 8
        steps[share] = made.diff(dim=1).abs()
    assert float(steps[1.0].mean()) > 1.05 * float(image.diff(dim=1).abs().mean())
    at_blocks = float(steps[0.0][:, 7::8].mean())  # JPEG takes blocks of 8 px on their own
    assert at_blocks > 1.15 * float(steps[0.0][:, 3::8].mean())


def test_a_faint_background_is_not_made_a_rich_one() -> None:
    faint, paint = 0.5 + 0.001 * Rng((9, 100), CPU).randn(96, 96), Rng((9, 101), CPU).rand(96, 96)
    shown = backgrounds.in_greys_of(Rng((9, 0), CPU), faint, paint)
    assert float(shown.std()) <= 1.01 * backgrounds.MOST_AMPLIFIED * float(faint.std())


def test_the_grain_of_a_background_is_as_fine_as_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Finer grain would be averaged away in the camera, and grained things would be taken for speckle."""
    monkeypatch.setattr(backgrounds, "KINDS", {"grain": 1.0})

    def roughness(scale: int) -> float:
        drawn = [backgrounds.background(Rng((7, index), CPU), 64 * scale, None, scale) for index in range(40)]
        seen = torch.nn.functional.avg_pool2d(torch.stack(drawn)[:, None], scale)[:, 0]
        second = seen[:, :, 2:] - 2 * seen[:, :, 1:-1] + seen[:, :, :-2]
        return float(second.pow(2).mean().sqrt())

    assert roughness(2) > 0.9 * roughness(1)


@pytest.mark.parametrize("kind", list(grounds.KINDS))
def test_worked_grounds_are_periodic_and_have_contrast(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(grounds, "KINDS", {kind: 1.0})
    for index in range(6):
        ground = grounds.worked(Rng((33, index), CPU), 256, 2)
        assert ground.shape == (256, 256)
        assert abs(float(ground.mean())) < 1e-3
        assert abs(float(ground.std()) - 1) < 1e-3
        for axis in (0, 1):
            within = ground.diff(dim=axis).square().mean(dim=1 - axis)
            across = (ground.select(axis, 0) - ground.select(axis, -1)).square().mean()
            assert float(across) <= 1.5 * float(within.max())


def test_yarns_run_over_and_under_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grounds, "KINDS", {"woven": 1.0})
    monkeypatch.setattr(grounds, "MOST_FLOAT", 1)
    monkeypatch.setattr(grounds, "YARN_PX", (8.0, 8.0))
    monkeypatch.setattr(grounds, "DIRECTIONS", ((1, 0),))
    ground = torch.stack([grounds.worked(Rng((34, index), CPU), 256, 1) for index in range(6)])
    one_on = (ground * ground.roll(8, 1)).mean(dim=(1, 2))
    two_on = (ground * ground.roll((8, 8), (1, 2))).mean(dim=(1, 2))
    assert bool((one_on < 0).all())
    assert float(two_on.median()) > 0.5


def test_paint_on_a_worked_ground_hides_it_and_the_body_beside_it_may_be_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = SynthRecipe(size=64, worked_share=1.0, contrast=(0.4, 0.6), varied_share=0.0, cloud_share=0.0)
    rough = []
    for index in range(12):
        made = synth._surface(Rng((35, index), CPU), recipe, Material())
        plain = synth._surface(Rng((35, index), CPU), dataclasses.replace(recipe, worked_share=0.0), Material())
        assert bool(torch.isfinite(made.paint).all())
        assert not torch.equal(made.paint, plain.paint)
        rough.append(float(made.bare.std()) > 1.5 * float(plain.bare.std()) + 1e-4)
    assert 2 < sum(rough) < 10


def test_a_shadow_darkens_a_part_of_a_scene() -> None:
    scene = torch.ones(200, 160)
    for index in range(12):
        light = camera.shade(Rng((36, index), CPU), scene)
        darkest = float(light.min())
        assert light.shape == scene.shape
        assert float(light.max()) == 1.0
        assert camera.DARKEST_SHADE <= darkest <= 0.8
        assert 0.005 < float((light < 0.5 + darkest / 2).float().mean()) < 0.9


def test_glints_are_few_small_and_brighter_than_all_else() -> None:
    settings = camera.Camera(blur_px=0.3, noise_floor=1.0, noise_slope=0.0, noise_blur_px=0.0, levels=255)
    scene = torch.full(((128 + 2 * camera.MARGIN) * camera.OVERSAMPLING,) * 2, 0.2)
    shares, brightest = [], []
    for index in range(12):
        picture = camera.expose(Rng((31, index), CPU), scene + camera.glints(Rng((32, index), CPU), scene), settings)
        usual = float(picture.median())
        shares.append(float((picture > usual + 40).float().mean()))
        brightest.append(float(picture.max()))
    assert 0.0002 < np.mean(shares) < 0.02
    assert max(shares) < 0.05
    assert np.median(brightest) == 255


def test_noise_rises_with_grey_level() -> None:
    settings = camera.Camera(blur_px=0.3, noise_floor=1.0, noise_slope=0.05, noise_blur_px=0.0, levels=255)
    scene = torch.full(((128 + 2 * camera.MARGIN) * camera.OVERSAMPLING,) * 2, 0.2)
    scene[:, scene.shape[1] // 2 :] = 0.7
    picture = torch.stack([camera.expose(Rng((7, i), CPU), scene, settings) for i in range(2)])
    dark, bright = (part - part.mean(dim=(1, 2), keepdim=True) for part in (picture[:, :, 8:56], picture[:, :, 72:120]))
    high_pass = [(part[:, :, 1:] - part[:, :, :-1]).std() / math.sqrt(2) for part in (dark, bright)]
    assert 1.3 < float(high_pass[1] / high_pass[0]) < 2.0
    assert bool((picture == picture.round()).all())


def test_references_for_segmentation() -> None:
    images, masks = make_references(Rng((8,), CPU), 3, SynthRecipe(size=64, whole_frame=0.0), Material())
    assert images.shape == masks.shape == (3, 1, 64, 64)
    assert 0 < float(masks.mean()) < 1


def test_losses_are_zero_for_the_truth_and_figures_count_right() -> None:
    truth = torch.randn(2, 2, 16, 16)
    seen = torch.ones(2, 1, 16, 16)
    fields_found = [torch.nn.functional.avg_pool2d(truth, s) for s in (8, 8, 4, 2, 1, 1)]
    at_truth = displacement_loss(fields_found, truth, seen, 0.75)
    off = displacement_loss([field + 1 for field in fields_found], truth, seen, 0.75)
    assert float(at_truth) == pytest.approx(2.85 * 0.01**0.75, rel=1e-3)
    assert float(off) > 20 * float(at_truth)
    figures = displacement_figures(truth + torch.tensor([3.0, 4.0]).view(1, 2, 1, 1), truth, seen)
    assert figures["median_px"] == pytest.approx(5.0, rel=1e-5)
    assert figures["below_1px"] == 0
    mask = (torch.rand(2, 1, 16, 16) > 0.5).float()
    sure = torch.cat([-20 * (mask - 0.5), 20 * (mask - 0.5)], 1)
    assert float(segmentation_loss(sure, mask)) < 1e-3
    assert segmentation_figures(sure, mask) == {"iou": 1.0, "pooled_iou": 1.0}
    assert segmentation_figures(-sure, mask)["iou"] < 0.02


def _recipe(network: Role) -> Recipe:
    return Recipe(network, steps=6, batch=2, warmup=2, validate_every=3, validate_count=1, synth=SynthRecipe(size=64))


@pytest.mark.parametrize("network", NETWORKS)
def test_training_resumes_bit_exactly(network: Role, tmp_path: Path) -> None:
    recipe = _recipe(network)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        Trainer(recipe, tmp_path / "whole", CPU, Material()).run(None, None, lambda _: None)
        seen: list[int] = []
        Trainer(recipe, tmp_path / "cut", CPU, Material()).run(None, 4, lambda p: seen.append(p.step))
        Trainer(recipe, tmp_path / "cut", CPU, Material()).run(None, None, lambda p: seen.append(p.step))
    finally:
        torch.set_num_threads(threads)
    assert seen == [1, 2, 3, 4, 5, 6]
    whole, cut = (load_file(tmp_path / name / AVERAGED) for name in ("whole", "cut"))
    assert all(torch.equal(whole[name], cut[name]) for name in whole)
    rows = list(csv.DictReader((tmp_path / "whole" / LOG).read_text().splitlines()))
    assert [row["step"] for row in rows] == ["3", "6"]
    assert math.isfinite(float(rows[-1]["loss"]))


def test_batch_statistics_are_those_of_the_averaged_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "SETTLING_BATCHES", 3)
    trainer = Trainer(_recipe("segmentation"), tmp_path, CPU, Material())
    trainer.run(None, 2, lambda _: None)
    network = ENet()
    network.load_state_dict(trainer.averaged)
    means: list[Tensor] = []
    network.initial_block.batch_norm.register_forward_pre_hook(lambda _, x: means.append(x[0].mean((0, 2, 3))))
    trainer.task.network = network
    for batch in range(3):
        trainer.task.loss(Rng((loop.SETTLING, trainer.recipe.seed, batch), CPU))
    settled = trainer.averaged["initial_block.batch_norm.running_mean"]
    torch.testing.assert_close(settled, torch.stack(means).mean(0), rtol=0.01, atol=0.01)


def test_training_learns(tmp_path: Path) -> None:
    recipe = dataclasses.replace(_recipe("segmentation"), steps=40, batch=4, warmup=5, learning_rate=3e-3)
    losses: list[float] = []
    Trainer(recipe, tmp_path, CPU, Material()).run(None, None, lambda p: losses.append(p.loss))
    assert losses[-1] < 0.9 * losses[0]


def test_a_training_begins_with_given_weights(tmp_path: Path) -> None:
    first = Trainer(_recipe("refinement"), tmp_path / "first", CPU, Material())
    first.run(None, 2, lambda _: None)
    second = Trainer(_recipe("refinement"), tmp_path / "second", CPU, Material(), first.averaged_file)
    assert all(torch.equal(value, first.averaged[name]) for name, value in second.averaged.items())
    with pytest.raises(WeightsError, match="another displacement network"):
        Trainer(_recipe("displacement"), tmp_path / "third", CPU, Material(), first.averaged_file)


def test_shortcuts_are_trained_into_a_network_without(tmp_path: Path) -> None:
    published = ENet(shortcuts=False)
    save_file(published.state_dict(), tmp_path / "published.safetensors")
    trainer = Trainer(_recipe("segmentation"), tmp_path / "run", CPU, Material(), tmp_path / "published.safetensors")
    known = published.state_dict()
    assert all(torch.equal(trainer.network.state_dict()[name], known[name]) for name in known)
    trainer.run(None, 1, lambda _: None)
    assert float(trainer.network.state_dict()["shortcut4.conv.weight"].abs().max()) > 0


def test_of_several_networks_the_first_is_trained_on(tmp_path: Path) -> None:
    first, second = ENet(), ENet()
    save_file(ENets([first, second]).state_dict(), tmp_path / "two.safetensors")
    trainer = Trainer(_recipe("segmentation"), tmp_path / "run", CPU, Material(), tmp_path / "two.safetensors")
    assert all(torch.equal(trainer.network.state_dict()[name], value) for name, value in first.state_dict().items())


def test_a_segmentation_is_trained_for_its_mean_with_another(tmp_path: Path) -> None:
    """The other one stays as it is, and those images are taken that both together find hardest."""
    recipe = dataclasses.replace(_recipe("segmentation"), candidates=3)
    other = ENet()
    save_file(other.state_dict(), tmp_path / "other.safetensors")
    trainer = Trainer(recipe, tmp_path / "run", CPU, Material(), beside=tmp_path / "other.safetensors")
    first = {name: value.clone() for name, value in trainer.task.beside.state_dict().items()}
    trainer.run(None, 1, lambda _: None)
    assert all(torch.equal(value, first[name]) for name, value in trainer.task.beside.state_dict().items())
    images, masks = trainer.task._drawn(Rng((4,), CPU), 3)
    others = trainer.task._said(trainer.task.beside, images)
    hard = trainer.task._hardest(images, masks, others)
    assert trainer.network.training and len(hard) == recipe.batch
    trainer.network.eval()
    together = torch.logaddexp(trainer.task._said(trainer.network, images), others).detach()
    each = [float(segmentation_loss(together[i : i + 1], masks[i : i + 1])) for i in range(3)]
    assert sorted(hard.tolist(), key=each.__getitem__) == sorted(range(3), key=each.__getitem__)[-recipe.batch :]
    with pytest.raises(UsageError, match="beside another"):
        Trainer(_recipe("displacement"), tmp_path / "no", CPU, Material(), beside=tmp_path / "other.safetensors")


def test_minutes_stop_a_training(tmp_path: Path) -> None:
    final = Trainer(_recipe("segmentation"), tmp_path, CPU, Material()).run(0.0, None, lambda _: None)
    assert final.step == 1
    assert (tmp_path / CHECKPOINT).exists()


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    Trainer(_recipe("segmentation"), tmp_path, CPU, Material()).run(None, 1, lambda _: None)
    with pytest.raises(WeightsError, match="does not fit"):
        Trainer(_recipe("displacement"), tmp_path, CPU, Material())


def test_a_checkpoint_of_another_recipe_is_refused_but_a_longer_schedule_goes_on(tmp_path: Path) -> None:
    recipe = _recipe("segmentation")
    Trainer(recipe, tmp_path, CPU, Material()).run(None, 1, lambda _: None)
    with pytest.raises(UsageError, match="seed, batch differ"):
        Trainer(dataclasses.replace(recipe, seed=9, batch=3), tmp_path, CPU, Material())
    assert Trainer(dataclasses.replace(recipe, steps=99), tmp_path, CPU, Material()).step == 1


def test_a_checkpoint_of_another_objective_is_refused(tmp_path: Path) -> None:
    recipe, run = _recipe("segmentation"), tmp_path / "run"
    other = tmp_path / "other.safetensors"
    save_file(ENet().state_dict(), other)
    walls = Material(torch.rand(2, 64, 64))
    Trainer(recipe, run, CPU, walls, beside=other).run(None, 1, lambda _: None)
    assert Trainer(recipe, run, CPU, Material(walls.photographs), beside=other).step == 1
    with pytest.raises(UsageError, match="--beside"):
        Trainer(recipe, run, CPU, walls)
    with pytest.raises(UsageError, match="--backgrounds, --speckles"):
        Trainer(recipe, run, CPU, Material(None, torch.rand(1, 64, 64)), beside=other)


def test_a_checkpoint_knows_nothing_of_what_recipes_can_say_since(tmp_path: Path) -> None:
    recipe = _recipe("segmentation")
    Trainer(recipe, tmp_path, CPU, Material()).run(None, 1, lambda _: None)
    state = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    del state["recipe"]["synth"]["steep_share"]
    torch.save(state, tmp_path / CHECKPOINT)
    assert Trainer(recipe, tmp_path, CPU, Material()).step == 1
    steeper = dataclasses.replace(recipe, synth=dataclasses.replace(recipe.synth, steep_share=0.5))
    with pytest.raises(UsageError, match="synth differ"):
        Trainer(steeper, tmp_path, CPU, Material())


def test_a_log_has_no_lines_of_lost_steps(tmp_path: Path) -> None:
    recipe = _recipe("segmentation")
    Trainer(recipe, tmp_path, CPU, Material()).run(None, 2, lambda _: None)
    kept = (tmp_path / CHECKPOINT).read_bytes()
    Trainer(recipe, tmp_path, CPU, Material()).run(None, 2, lambda _: None)
    (tmp_path / CHECKPOINT).write_bytes(kept)
    Trainer(recipe, tmp_path, CPU, Material()).run(None, None, lambda _: None)
    rows = csv.DictReader((tmp_path / LOG).read_text().splitlines())
    assert [row["step"] for row in rows] == ["2", "3", "6"]


def test_weights_are_for_everybody_and_a_log_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    trainer = Trainer(_recipe("refinement"), tmp_path, CPU, Material())
    trainer.run(None, 1, lambda _: None)
    assert trainer.averaged_file.stat().st_mode == (tmp_path / CHECKPOINT).stat().st_mode
    (tmp_path / LOG).unlink()
    (tmp_path / LOG).mkdir()
    with pytest.raises(OutputError, match=LOG):
        Trainer(_recipe("refinement"), tmp_path, CPU, Material()).run(None, None, lambda _: None)


def test_a_training_that_diverges_stops(tmp_path: Path) -> None:
    trainer = Trainer(_recipe("segmentation"), tmp_path, CPU, Material())
    with torch.no_grad():
        next(trainer.network.parameters()).fill_(math.nan)
    with pytest.raises(MeasurementError, match="diverged at step 1"):
        trainer.run(None, None, lambda _: None)
    assert not (tmp_path / CHECKPOINT).exists()


def test_gradients_that_are_no_numbers_change_no_weight(tmp_path: Path) -> None:
    trainer = Trainer(_recipe("segmentation"), tmp_path, CPU, Material())
    next(trainer.network.parameters()).register_hook(lambda gradient: gradient * math.nan)  # type: ignore[no-untyped-call]
    with pytest.raises(MeasurementError, match="diverged at step 1"):
        trainer.run(None, None, lambda _: None)
    for state in (trainer.network.state_dict(), trainer.averaged):
        assert all(bool(torch.isfinite(value).all()) for value in state.values())


def test_bundled_recipes_load_and_wrong_ones_are_refused(tmp_path: Path) -> None:
    for network in NETWORKS:
        assert load_recipe(bundled_recipe(network)).network == network
    for text, message in (
        ("network = 'displacement'\nspeed = 3", "speed"),
        ("network = 'other'", "network"),
        ("network =", "TOML"),
        ("network = 'displacement'\n[synth]\nsmell = 1", "smell"),
        ("network = 'displacement'\nbatch = 0", "batch"),
        ("network = 'displacement'\nprecision = 'float16'", "precision"),
        ("network = 'displacement'\nsynth = 3", "table"),
        ("network = 'displacement'\n[synth]\nsize = 100", "multiple of 8"),
        ("network = 'displacement'\n[synth]\nsize = '128'", "size in the recipe is no int"),
        ("network = 'displacement'\n[synth]\ndot_px = 3", "dot_px in the recipe is no two numbers"),
        ("network = 'displacement'\n[synth]\nnoise = [0.1, 'x']", "noise in the recipe is no two numbers"),
        ("network = 'displacement'\n[synth]\ncloud_share = 2.0", "every share from 0 to 1"),
        ("network = 'displacement'\nlearning_rate = 'x'", "learning_rate in the recipe is no float"),
        ("network = 'displacement'\nlearning_rate = 0", "learning_rate above 0"),
    ):
        path = tmp_path / "recipe.toml"
        path.write_text(text)
        with pytest.raises(UsageError, match=message):
            load_recipe(path)
    with pytest.raises(UsageError, match="cannot be read"):
        load_recipe(tmp_path / "missing.toml")


def test_photographs_enter_as_squares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = np.tile(np.arange(80, dtype=np.uint8), (60, 1))
    Image.fromarray(picture).save(tmp_path / "a.png")
    loaded = load_photographs(tmp_path, CPU)
    assert loaded.shape == (1, 512, 512)
    assert float(loaded.min()) == 0
    assert float(loaded.max()) == 1
    monkeypatch.setattr(backgrounds, "PHOTOGRAPH_SHARE", 1.0)
    one, other = (backgrounds.background(Rng((1,), CPU), 64, photographs) for photographs in (loaded, loaded**3))
    assert not torch.equal(one, other)
    pairs = make_pairs(Rng((1,), CPU), 1, SynthRecipe(size=64), Material(loaded, loaded))
    assert bool(torch.isfinite(pairs.reference).all())
    with pytest.raises(FrameError, match="No image"):
        load_photographs(tmp_path / "nothing", CPU)
    (tmp_path / "b.png").write_bytes(b"not an image")
    with pytest.raises(FrameError, match=r"b\.png"):
        load_photographs(tmp_path, CPU)


def test_torus_sampling_wraps() -> None:
    paint = textures.speckle(Rng((1,), CPU), 96, 1, (4.0, 6.0))
    points = _grid(96)
    once = sample_torus(paint[None], points)
    torch.testing.assert_close(once[0], paint, atol=1e-4, rtol=0)
    torch.testing.assert_close(sample_torus(paint[None], points + 96), once, atol=1e-4, rtol=0)


@pytest.mark.parametrize("shift", [0.1, 0.25, 0.5, 0.75])
def test_torus_sampling_moves_a_pattern_by_what_it_is_told(shift: float) -> None:
    """Against the exact shift of a band-limited pattern, in the Fourier domain."""
    size = 128
    fx, fy = torch.fft.rfftfreq(size)[None, :], torch.fft.fftfreq(size)[:, None]
    noise = torch.fft.rfft2(Rng((3,), CPU).randn(size, size))
    spectrum = noise * torch.exp(-2 * (math.pi * 1.2) ** 2 * (fx**2 + fy**2))
    paint = torch.fft.irfft2(spectrum, s=(size, size))
    exact = torch.fft.irfft2(spectrum * torch.exp(2j * math.pi * fx * shift), s=(size, size))
    slope = torch.fft.irfft2(spectrum * 2j * math.pi * fx, s=(size, size))
    points = _grid(size) + torch.tensor([shift, 0.0])[:, None, None]
    error = sample_torus(paint[None], points)[0] - exact
    assert abs(float((error * slope).sum() / slope.square().sum())) < 0.005  # samples
    assert float(error.std() / exact.std()) < 0.01
