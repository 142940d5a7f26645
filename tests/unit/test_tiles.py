"""Images cut into tiles: nothing is left out, no seam shows, and memory that is short is made do with."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from torch import Tensor

from scorrnet_cli import weights
from scorrnet_cli.displace import displace, guide
from scorrnet_cli.errors import DeviceError
from scorrnet_cli.motion.overview import overview
from scorrnet_cli.motion.patchwork import by_tiles
from scorrnet_cli.numerics import spline, tiles
from scorrnet_cli.numerics.tiles import Box, cut, fill
from scorrnet_cli.refine import (
    ASSESSMENT_HALO_PX,
    HALO_PX,
    Refined,
    Refinement,
    assess,
    halo_px,
    refine,
    refine_adaptively,
)
from scorrnet_cli.refinement.matching import Spline, Surface, deformed_spline, surface
from scorrnet_cli.training.rng import Rng
from scorrnet_cli.training.textures import speckle

HEIGHT, WIDTH = 352, 416
CPU = torch.device("cpu")


def _pair(width: int = WIDTH, bend: float = 1.0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Reference and deformed image, mask and truth: a plate with a hole that moves by tens of px, with noise."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, HEIGHT), torch.linspace(-1, 1, width), indexing="ij")
    bent = bend * torch.stack([torch.sin(3 * x + 1) * y, 2 * y * y * x - torch.cos(2.5 * y)])
    truth = torch.stack([37.3 + 3 * x, -21.6 + 0 * y]) + bent
    paint = 30 + 190 * speckle(Rng((5,), CPU), (width + 100) // 8 * 8, 1, (5.0, 5.0))
    place = spline.Place(60, 40, *paint.shape)
    noise = Rng((6,), CPU)
    mask = ((x**2 + y**2) > 0.04) & (x.abs() < 0.6) & (y.abs() < 0.6)
    reference = spline.spline_sample(spline.spline_coefficients(paint), truth, place).where(mask, torch.tensor(60.0))
    deformed = paint[60 : 60 + HEIGHT, 40 : 40 + width]
    return reference + 2 * noise.randn(HEIGHT, width), deformed + 2 * noise.randn(HEIGHT, width), mask, truth


def test_tiles_cover_the_mask_once_and_see_around_themselves() -> None:
    mask = torch.zeros(3000, 2600, dtype=torch.bool)
    mask[301:1500, 7:2600] = True
    mask[1500:2900, 2000:2100] = True
    covered = torch.zeros(3000, 2600)
    image = Box(0, 0, 3000, 2600)
    for tile in cut(mask, 96):
        tile.inner.of(covered).add_(1)
        assert max(tile.outer.height, tile.outer.width) <= tiles.LARGEST_PX + 16
        assert tile.outer.top % 8 == 0 and tile.outer.left % 8 == 0
        needed = Box(*(edge - 96 for edge in tile.inner[:2]), *(edge + 96 for edge in tile.inner[2:])).within(image)
        assert needed.within(tile.outer) == needed
    assert bool((covered[mask] == 1).all())
    assert float(covered.max()) == 1
    assert float(covered.mean()) < 0.7  # where there is nothing, nothing is done


def test_a_part_is_sampled_where_it_lies() -> None:
    coefficients = spline.spline_coefficients(torch.rand(60, 80))
    field = 30 * torch.rand(2, 60, 80) - 15
    box = Box(8, 16, 50, 77)
    place = spline.Place(box.top, box.left, 60, 80)
    whole, part = spline.spline_sample(coefficients, field), spline.spline_sample(coefficients, box.of(field), place)
    torch.testing.assert_close(part, box.of(whole), atol=0, rtol=0)
    assert torch.equal(spline.inside(box.of(field), 2, place), box.of(spline.inside(field, 2)))


@pytest.mark.weights
def test_no_seam_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    reference, deformed, mask, truth = _pair()
    seen = surface(reference, mask)
    ready = Spline(deformed_spline(seen, deformed))
    network, _ = weights.load_network("displacement", CPU)
    fusion, _ = weights.load_network("refinement", CPU)
    around = torch.tensor([40.0, -24.0])[:, None, None].expand(2, HEIGHT, WIDTH)
    where = guide(network, reference, mask)

    def stage(part: Surface, deformed: Spline, field: Tensor) -> Refined:
        return refine_adaptively(part, deformed, field, fusion, seen_as_a_whole.noise)

    start = displace(network, where, deformed, around)
    seen_as_a_whole = overview(seen, ready.coefficients, start)
    whole = by_tiles(stage, seen, ready, start, HALO_PX, seen_as_a_whole.motion)
    monkeypatch.setattr(tiles, "LARGEST_PX", 2 * HALO_PX + 128)
    assert len(cut(mask, HALO_PX)) >= 4
    start = displace(network, where, deformed, around)
    of_tiles = by_tiles(stage, seen, ready, start, HALO_PX, seen_as_a_whole.motion)
    both = whole.valid & of_tiles.valid
    assert float(both[mask].float().mean()) > 0.97
    assert float((whole.valid != of_tiles.valid).float().mean()) < 1e-3
    assert float((whole.displacement - truth)[:, both].square().mean().sqrt()) < 0.02
    difference = (whole.displacement - of_tiles.displacement).norm(dim=0)[both]
    assert 0 < float(difference.quantile(0.999)) < 1e-3
    assert float(difference.max()) < 2e-3  # next to the edge of the mask
    assert float((whole.zncc - of_tiles.zncc)[both].abs().max()) < 1e-3
    assert float((whole.sigma / of_tiles.sigma)[:, both].log().abs().max()) < 0.05


@pytest.mark.parametrize(
    ("window_px", "width", "bend", "bound_px"),
    [
        (5.0, WIDTH, 1.0, 1e-3),
        (45.0, 1000, 0.1, 1e-4),  # several halos wide; with the halo of narrow windows it is 3e-4
        (None, WIDTH, 1.0, 1e-3),
    ],
)
def test_no_seam_shows_with_one_window_and_without_refinement(
    monkeypatch: pytest.MonkeyPatch, window_px: float | None, width: int, bend: float, bound_px: float
) -> None:
    reference, deformed, mask, truth = _pair(width, bend)
    seen = surface(reference, mask)
    ready = Spline(deformed_spline(seen, deformed))
    start, halo = (truth + 0.2, halo_px(window_px)) if window_px else (truth, ASSESSMENT_HALO_PX)

    def stage(part: Surface, deformed: Spline, field: Tensor) -> Refined:
        return refine(part, deformed, field, Refinement(window_px, 4)) if window_px else assess(part, deformed, field)

    with torch.no_grad():
        whole = by_tiles(stage, seen, ready, start, halo)
        monkeypatch.setattr(tiles, "LARGEST_PX", 2 * halo + 128)
        assert len(cut(mask, halo)) >= 4
        parts = by_tiles(stage, seen, ready, start, halo)
    assert float((whole.valid != parts.valid).float().mean()) < 1e-3
    assert float((whole.displacement - parts.displacement)[:, whole.valid].abs().max()) < bound_px
    assert float((whole.zncc - parts.zncc)[mask].abs().max()) < 1e-3


def test_tiles_see_all_of_a_wide_window() -> None:
    assert halo_px(None) == halo_px(20.0) == HALO_PX
    assert halo_px(64.0) == 288


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("cuFFT error: CUFFT_ALLOC_FAILED")]
)
def test_short_memory_makes_tiles_smaller(error: RuntimeError) -> None:
    mask = torch.ones(600, 500, dtype=torch.bool)
    given = torch.rand(1, 600, 500)
    found = torch.zeros_like(given)
    sizes = []

    def work(tile: tiles.Tile) -> list[Tensor]:
        area = tile.inner.height * tile.inner.width
        sizes.append(area)
        if area > 20_000:
            raise error
        return [tile.inner.of(given)]

    fill([found], mask, 16, work)
    assert torch.equal(found, given)
    assert sizes[0] == 300_000 and 4_000 < min(sizes) < 20_000


def test_what_is_no_want_of_memory_is_raised() -> None:
    def work(_: tiles.Tile) -> list[Tensor]:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with pytest.raises(RuntimeError, match="illegal"):
        fill([torch.zeros(300, 300)], torch.ones(300, 300, dtype=torch.bool), 16, work)


def test_too_little_memory_for_the_smallest_tile_is_said() -> None:
    def work(_: tiles.Tile) -> list[Tensor]:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(DeviceError, match="too little memory") as error:
        fill([torch.zeros(300, 300)], torch.ones(300, 300, dtype=torch.bool), 16, work)
    assert error.value.exit_code == 5


# The peak of what is held at one time: large arrays go back to the system when they are freed. It is read from where a
# process starts at nothing; `getrusage` starts at the peak of its parent.
_PEAK = """
import re, sys, numpy as np, torch
from pathlib import Path
from scorrnet_cli import instruments, pipeline
from scorrnet_cli.numerics import tiles
from scorrnet_cli.field import FrameInfo
from scorrnet_cli.settings import Settings
from scorrnet_cli.frames import Frame

instruments.keep_freed_memory = lambda: False
tiles.LARGEST_PX = 384
side = int(sys.argv[1])
noise = np.random.default_rng(0).normal(size=(side + 4, side + 4)).astype(np.float32)
paint = sum(noise[y : y + side, x : x + side] for y in range(4) for x in range(4))
one, other = (Frame(20 * paint + shift, FrameInfo("x", "")) for shift in (0, 1))
ready = pipeline.load(Settings(device="cpu", window_px=5.0))
prepared = pipeline.prepare(ready, one, torch.ones(side, side, dtype=torch.bool))
assert pipeline.measure_pair(ready, prepared, other).valid.mean() > 0.9
print(1024 * int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1]))
"""


@pytest.mark.weights
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is told elsewhere")
def test_memory_grows_by_little_more_than_the_arrays_of_the_result() -> None:
    sides = (768, 1152)  # whole tiles, all of one size
    large_arrays_apart = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "4000000"}
    small, large = (
        int(subprocess.check_output([sys.executable, "-c", _PEAK, str(side)], env=large_arrays_apart)) for side in sides
    )
    assert (large - small) / (sides[1] ** 2 - sides[0] ** 2) < 140  # bytes a pixel; in one piece it is about 500


def test_where_nothing_was_compared_there_is_no_correlation() -> None:
    image = torch.rand(64, 2700, generator=torch.Generator().manual_seed(1))
    mask = torch.zeros(64, 2700, dtype=torch.bool)
    mask[:, :200] = True
    seen = surface(image, mask)
    found = by_tiles(assess, seen, Spline(deformed_spline(seen, image)), torch.zeros(2, 64, 2700), ASSESSMENT_HALO_PX)
    assert float(found.zncc[8:-8, 8:190].median()) > 0.99
    assert bool(found.zncc[:, 2000:].isnan().all())
