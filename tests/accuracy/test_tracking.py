"""Sequences: large total motion, parts that leave and come back, and references that have to be updated."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from scorrnet_cli import pipeline
from scorrnet_cli.errors import MeasurementError
from scorrnet_cli.evaluation.fields import affine
from scorrnet_cli.evaluation.rendering import Displacement, Outline, Scene, photograph
from scorrnet_cli.evaluation.speckle import scatter_disks
from scorrnet_cli.field import Field, FloatArray, FrameInfo
from scorrnet_cli.frames import Frame
from scorrnet_cli.settings import Settings
from scorrnet_cli.tracking import Tracker

pytestmark = pytest.mark.weights
SAMPLES = 2  # a pixel and axis: true to about a hundredth of a pixel, and four times as fast as for measuring
LARGEST_RMSE_PX = 0.05


def frame(image: Tensor | FloatArray, name: str) -> Frame:
    return Frame(np.asarray(image, np.float32), FrameInfo(name, ""))


def tracked(images: Sequence[Tensor | FloatArray], mask: Tensor, settings: Settings | None = None) -> Iterator[Field]:
    """Measure images after the first one by one."""
    instruments = pipeline.load((settings or Settings()).but(device="cpu"))
    tracker = Tracker(instruments, pipeline.prepare(instruments, frame(images[0], "0"), mask))
    for index, image in enumerate(images[1:]):
        yield tracker.measure(index, frame(image, str(index + 1)))


def rendered(
    shape: tuple[int, int], outline: Outline, motions: Sequence[Displacement]
) -> tuple[list[Tensor], list[Tensor], Tensor]:
    """Photographs of a specimen at rest and after each motion, the displacement of each, and the mask."""
    y, x = torch.meshgrid(*(torch.arange(side, dtype=torch.float64) for side in shape), indexing="ij")
    scene = Scene(scatter_disks(shape, 3), outline)
    pictures = [scene.picture(shape, motion, samples=SAMPLES).float() for motion in (None, *motions)]
    photographs = [photograph(picture, 10 + number) for number, picture in enumerate(pictures)]
    return photographs, [torch.stack(motion(x, y)) for motion in motions], outline(x, y) < 0


def check(fields: Iterator[Field], truths: Sequence[Tensor]) -> None:
    for field, truth in zip(fields, truths, strict=True):
        valid = field.valid[0]
        error = np.stack([field.u[0], field.v[0]]) - truth.numpy()
        assert valid.sum() > 0.98 * field.mask.sum()
        assert math.sqrt((error[:, valid] ** 2).mean()) < LARGEST_RMSE_PX
        assert field.deformed[0].reference_frame == -1  # nothing needs more


@pytest.mark.slow
def test_a_tensile_test_to_40_percent_and_300_px() -> None:
    """A strip drawn from its left end to 20 to 60 %, 40 % in the mean, while its grip moves too."""
    shape, length, width, steps = (54, 480), 150.0, 40.0, 9

    def motion(strain: float, shift: float) -> Displacement:
        def displacement(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            along = 2 * math.pi * (x - 8) / length
            u = strain * ((x - 8) - 0.5 * length / (2 * math.pi) * torch.sin(along)) + shift
            return u, -0.3 * strain * (1 - 0.5 * torch.cos(along)) * (y - 26.5)

        return displacement

    def outline(x: Tensor, y: Tensor) -> Tensor:
        return torch.maximum((x - 8 - length / 2).abs() - length / 2, (y - 26.5).abs() - width / 2)

    motions = [motion(0.4 * step / steps, 241.0 * step / steps) for step in range(1, steps + 1)]
    images, truths, mask = rendered(shape, outline, motions)
    assert float(truths[-1][0][mask].max()) > 300
    check(tracked(images, mask), truths)


@pytest.mark.slow
def test_a_rotation_through_90_degrees_in_steps_of_5() -> None:
    side = 112
    middle = (side - 1) / 2

    def outline(x: Tensor, y: Tensor) -> Tensor:
        return torch.maximum((x - middle).abs() - 42, (y - middle).abs() - 28)

    motions = [affine(0.0, 5.0 * step, (0.0, 0.0), side) for step in range(1, 19)]
    images, truths, mask = rendered((side, side), outline, motions)
    check(tracked(images, mask), truths)


def test_a_part_that_leaves_is_lost_from_then_on_and_found_when_it_comes_back() -> None:
    """The left half stays; the right one is torn off, leaves the image, and comes back."""
    shape = (80, 200)
    y, x = torch.meshgrid(*(torch.arange(side, dtype=torch.float64) for side in shape), indexing="ij")

    def body(left: float) -> Outline:
        return lambda x, y: torch.maximum((x - left - 45).abs() - 45, (y - 40).abs() - 30)

    rest, torn = (Scene(scatter_disks(shape, seed), body(left)) for seed, left in ((1, 8.0), (2, 102.0)))
    still = rest.picture(shape, samples=SAMPLES)
    background = float(still[0, 0])
    shifts = [0.0, 18.0, 36.0, 70.0, 130.0, 130.0, 60.0, 28.0, 0.5]
    moved = [torn.picture(shape, affine(0.0, 0.0, (shift, 0.0)), samples=SAMPLES) for shift in shifts]
    images = [photograph((still + picture - background).float(), n) for n, picture in enumerate(moved)]
    left, right = x < 90, (x > 110) & (x < 184)
    mask = (body(8.0)(x, y) < 0) | (body(102.0)(x, y) < 0)
    for shift, field in zip(shifts[1:], tracked(images, mask), strict=True):
        found = torch.from_numpy(field.valid[0])
        assert float(found[mask & left].float().mean()) > 0.95, shift
        gone = mask & right & (x + shift > 200)
        there = mask & right & (x + shift < 192)
        if bool(gone.any()):
            assert float(found[gone].float().mean()) < 0.02, shift
        if shift in (18.0, 36.0, 0.5):
            assert float(found[there].float().mean()) > 0.95, shift
        u, sigma = torch.from_numpy(field.u[0]), torch.from_numpy(field.sigma_u[0])
        off = ((u - shift).abs() / sigma)[found & right]
        assert float(off.median().nan_to_num()) < 2, shift


EVERYWHERE = torch.ones(96, 96, dtype=torch.bool)


def test_the_reference_is_updated_where_it_must_and_preferred_where_it_can(fading: list[FloatArray]) -> None:
    fields = list(tracked(fading, EVERYWHERE))
    used = [field.deformed[0].reference_frame for field in fields]
    assert used[:2] == [-1, -1]
    assert min(used[5:8]) >= 2  # what the reference shows is all but gone
    assert used[-1] == -1
    for number, field in enumerate(fields, 1):
        assert field.valid.mean() > 0.6
        for off, sigma in zip(_off(field, number), (field.sigma_u, field.sigma_v), strict=True):
            stated = float(np.nanmedian(sigma))
            assert abs(off) < max(0.005, stated)
            assert stated < 0.6
        assert np.nanstd(field.u) < 0.75
    sigmas = [float(np.nanmedian(field.sigma_u)) for field in fields]
    assert sigmas[7] > sigmas[0]
    assert all(np.isfinite(field.sigma_u[field.valid]).all() for field in fields)


def _off(field: Field, number: int) -> tuple[float, float]:
    """By how much the medians of u and v are off in frame `number` of a fading pattern, px."""
    return float(np.nanmedian(field.u)) - 0.7 * number, float(np.nanmedian(field.v))


def test_updates_of_the_reference_do_not_drift(fading_of_seed: Callable[[int], list[FloatArray]]) -> None:
    """What fades in is noise as coarse as the speckle: one pattern's median is off by chance, several are not."""
    off = [
        [_off(field, number) for number, field in enumerate(tracked(fading_of_seed(seed), EVERYWHERE), 1)]
        for seed in (3, 4, 5)
    ]
    assert np.abs(np.mean(off, 0)).max() < 0.1


def test_without_updates_the_surface_is_lost(fading: list[FloatArray]) -> None:
    shares = []
    with suppress(MeasurementError):  # not one point was found
        for field in tracked(fading[:8], EVERYWHERE, Settings(update="never")):
            assert field.deformed[0].reference_frame == -1
            shares.append(field.valid.mean())
    assert shares[0] > 0.9
    assert len(shares) < 7 or shares[-1] < 0.3  # else chance matches


@pytest.mark.parametrize("every", [1, 3])
def test_updates_at_fixed_intervals(fading: list[FloatArray], every: int) -> None:
    still = fading[:2] + [np.roll(fading[1], 2 * step, 1) for step in range(1, 6)]
    fields = list(tracked(still, EVERYWHERE, Settings(update=str(every))))
    used = [field.deformed[0].reference_frame for field in fields]
    assert used == ([-1, 0, 1, 2, 3, 4] if every == 1 else [-1, -1, -1, 2, 2, 2])
    for number, field in enumerate(fields):
        assert np.nanmedian(field.u) == pytest.approx(0.7 + 2 * number, abs=0.03)


def test_a_bad_frame_becomes_no_reference(fading: list[FloatArray]) -> None:
    images = [fading[0], *(np.roll(fading[0], 2 * step, 1) for step in range(1, 6))]
    images[3] = np.random.default_rng(1).uniform(0, 255, fading[0].shape).astype(np.float32)
    instruments = pipeline.load(Settings(update="1", device="cpu"))
    tracker = Tracker(instruments, pipeline.prepare(instruments, frame(images[0], "0"), EVERYWHERE))
    for index, image in enumerate(images[1:]):
        try:
            found = tracker.measure(index, frame(image, str(index + 1)))
        except MeasurementError:
            assert index == 2
            continue
        if index != 2:
            assert np.nanmedian(found.u) == pytest.approx(2 * (index + 1), abs=0.03), index
            assert found.valid.mean() > 0.8, index
    assert found.deformed[0].reference_frame == 3


def test_increments_are_those_from_frame_to_frame_and_the_surface_moves_along(fading: list[FloatArray]) -> None:
    mask = torch.zeros(96, 96, dtype=torch.bool)
    mask[20:76, 20:60] = True
    still = fading[:2] + [np.roll(fading[1], 4 * step, 1) for step in range(1, 4)]
    fields = list(tracked(still, mask, Settings(increments=True)))
    assert [field.deformed[0].reference_frame for field in fields] == [-1, 0, 1, 2]
    assert {field.reference.name for field in fields} == {"0"}
    assert [round(float(np.nanmedian(field.u)), 1) for field in fields] == [0.7, 4.0, 4.0, 4.0]
    lefts = [int(np.flatnonzero(field.mask[0].any(0))[0]) for field in fields]
    assert lefts == pytest.approx([20, 21, 25, 29], abs=1)
    assert all(after.mask.sum() == pytest.approx(before.mask.sum(), rel=0.05) for before, after in pairwise(fields))


def test_frames_by_themselves_do_not_depend_on_each_other(fading: list[FloatArray]) -> None:
    alone = Settings(warm_start=False)
    whole = list(tracked(fading[:4], EVERYWHERE, alone))
    last = next(tracked([fading[0], fading[3]], EVERYWHERE, alone))
    assert np.array_equal(whole[-1].u, last.u, equal_nan=True)
    assert np.array_equal(whole[-1].sigma_u, last.sigma_u, equal_nan=True)


@pytest.mark.parametrize("passes", [None, 1])
def test_of_a_frame_nothing_stays_in_the_next_that_a_window_does_not_see(passes: int | None) -> None:
    def wave(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return 0.2 * torch.sin(2 * math.pi * x / 30), torch.zeros_like(y)

    def still(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(x), torch.zeros_like(y)

    shape = (192, 192)
    images, _, mask = rendered(shape, lambda x, y: torch.full_like(x, -100.0), [wave, still])
    settings = Settings(window_px=5.0, passes=passes)
    _, after = tracked(images, mask, settings)
    (alone,) = tracked([images[0], images[2]], mask, settings)
    sine = np.sin(2 * np.pi * np.arange(shape[1]) / 30)
    parts = [2 * float((field.u[0] * sine)[8:-8, 6:-6].mean()) for field in (after, alone)]
    assert abs(parts[0] - parts[1]) < 0.0006
