"""Motion far beyond the reach of the network is found, and what cannot be found is not made up."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from scorrnet_cli import pipeline, weights
from scorrnet_cli.displace import guide
from scorrnet_cli.evaluation.speckle import Paint, scatter_disks
from scorrnet_cli.field import FrameInfo
from scorrnet_cli.frames import Frame
from scorrnet_cli.motion.search import search
from scorrnet_cli.motion.shifts import common_shift
from scorrnet_cli.numerics.filters import gaussian
from scorrnet_cli.refine import Refinement, refine
from scorrnet_cli.refinement.matching import Spline, deformed_spline, surface
from scorrnet_cli.settings import Settings
from scorrnet_cli.training.rng import Rng
from scorrnet_cli.training.textures import speckle

SIZE = 320
CPU = torch.device("cpu")


def _grid() -> tuple[Tensor, Tensor]:
    y, x = torch.meshgrid(torch.arange(float(SIZE)), torch.arange(float(SIZE)), indexing="ij")
    return x, y


def _pair(truth: Tensor) -> tuple[Tensor, Tensor]:
    """Images (H, W) of one texture on a torus, moved by `truth` (2, H, W)."""
    period = 640
    paint = speckle(Rng((21,), CPU), period, 1, (5.0, 5.0))
    x, y = _grid()

    def sample(px: Tensor, py: Tensor) -> Tensor:
        grid = torch.stack([(px + 160.5) * 2 / period - 1, (py + 160.5) * 2 / period - 1], -1)
        shown = torch.nn.functional.grid_sample(paint[None, None], grid[None], mode="bicubic", align_corners=False)
        return 20 + 200 * shown[0, 0]

    noise = Rng((22,), CPU)
    return (
        sample(x + truth[0], y + truth[1]) + 2 * noise.randn(SIZE, SIZE),
        sample(x, y) + 2 * noise.randn(SIZE, SIZE),
    )


def _measured(
    truth: Tensor, pair: tuple[Tensor, Tensor] | None = None, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Measure a pair that was moved by `truth` (2, H, W); return what is valid and the error, (H, W), px."""
    reference, deformed = (Frame(image.numpy(), FrameInfo("made", "")) for image in pair or _pair(truth))
    instruments = pipeline.load(Settings(device="cpu", mask="given"))
    everywhere = torch.ones(SIZE, SIZE, dtype=torch.bool)
    prepared = pipeline.prepare(instruments, reference, everywhere if mask is None else mask)
    field = pipeline.measure_pair(instruments, prepared, deformed)
    found = torch.stack([torch.from_numpy(field.u[0]), torch.from_numpy(field.v[0])])
    return torch.from_numpy(field.valid[0]), (found - truth).norm(dim=0)


@pytest.mark.parametrize("motion", ["shift", "stretch", "turn", "break"])
def test_large_motion_is_found(motion: str) -> None:
    x, y = _grid()
    if motion == "shift":
        truth = torch.stack([torch.full_like(x, -87.3), torch.full_like(y, 64.6)])
    elif motion == "break":
        truth = torch.stack([torch.where(y < 160, 3.4, -2.7), torch.where(y < 160, -75.2, 4.5)])
    elif motion == "turn":  # by 110 degrees, and to the side
        truth = torch.stack([-1.342 * (x - 160) - 0.940 * (y - 160) + 9, 0.940 * (x - 160) - 1.342 * (y - 160) - 6])
    else:
        truth = torch.stack([0.4 * (x - 160), -0.1 * (y - 160)])
    valid, error = _measured(truth)
    landed = torch.stack([x, y]) + truth
    in_sight = ((landed >= 4) & (landed <= SIZE - 5)).all(0)
    if motion == "break":
        in_sight &= (y - 160).abs() > 12  # where windows straddle both parts
    assert float(valid[in_sight].float().mean()) > 0.95
    assert float((error[valid] > 1).float().mean()) < 0.002
    assert float(error[valid].median()) < 0.03


@pytest.mark.parametrize("angle_deg", [50.0, -100.0, 180.0])
def test_what_turns_before_a_plain_wall_is_found(angle_deg: float) -> None:
    x, y = _grid()
    c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    truth = torch.stack([(c - 1) * (x - 160) - s * (y - 160) + 3.3, s * (x - 160) + (c - 1) * (y - 160) - 2.1])
    back_x, back_y = c * (x - 163.3) + s * (y - 157.9), -s * (x - 163.3) + c * (y - 157.9)
    body, moved = (((u.abs() < 90) & (v.abs() < 55)) for u, v in ((x - 160, y - 160), (back_x, back_y)))
    noise = Rng((23,), CPU)  # in which patches are found by chance
    pair = [
        image.where(where, 120 + 1.5 * noise.randn(SIZE, SIZE))
        for image, where in zip(_pair(truth), (body, moved), strict=True)
    ]
    valid, error = _measured(truth, (pair[0], pair[1]), body)
    assert float(valid[body].float().mean()) > 0.98
    assert float(error[valid].median()) < 0.03


@pytest.mark.parametrize(("angle_deg", "shift_px"), [(10.0, 90.0), (-25.0, 70.0), (100.0, 110.0)])
@pytest.mark.parametrize("shape", ["disk", "ring", "strip"])
def test_what_turns_and_goes_far_is_found(shape: str, angle_deg: float, shift_px: float) -> None:
    x, y = _grid()
    from_middle = torch.hypot(x - 110, y - 160)
    body = {
        "disk": from_middle < 60,
        "ring": (from_middle < 90) & (from_middle > 55),
        "strip": ((y - 160).abs() < 14) & ((x - 110).abs() < 80),
    }[shape]
    c, s = math.cos(math.radians(angle_deg)) - 1, math.sin(math.radians(angle_deg))
    truth = torch.stack([c * (x - 110) - s * (y - 160) + shift_px, s * (x - 110) + c * (y - 160)])
    valid, error = _measured(truth, _pair(truth), body)
    landed = torch.stack([x, y]) + truth
    in_sight = body & ((landed >= 4) & (landed <= SIZE - 5)).all(0)
    assert float(valid[in_sight].float().mean()) > 0.98
    assert float(error[valid].median()) < 0.03
    assert float((error[valid] > 0.5).float().mean()) < 0.002


@pytest.mark.parametrize(("slope", "shift"), [(0.14, 26), (0.1, 30), (0.06, 34)])
def test_a_corner_beyond_the_reach_of_the_network_is_found(slope: float, shift: float) -> None:
    x, y = _grid()
    u, v = shift + slope * (x - 160) - 0.03 * (y - 160), -14 + 0.03 * (x - 160) - slope * (y - 160)
    valid, error = _measured(torch.stack([u, v]))
    landed = torch.stack([x + u, y + v])
    in_sight = ((landed >= 4) & (landed <= SIZE - 5)).all(0)
    assert float(valid[in_sight].float().mean()) > 0.9998
    assert float(error[valid].max()) < 0.1


@pytest.mark.parametrize("width", [8, 14])
def test_a_rim_that_stays_behind_does_not_cut_a_surface_that_moves_far(width: int) -> None:
    x, y = _grid()
    truth = torch.stack([-6 - 0.02 * (y - 160).abs(), -30 + 0.03 * (x - 160) + 2e-4 * (x - 160) * (y - 160)])
    reference, deformed = _pair(truth)
    rim = 200 + 60 * torch.rand(SIZE, width, generator=torch.Generator().manual_seed(1))
    reference[:, :width], deformed[:, :width] = rim, rim
    valid, error = _measured(truth, (reference, deformed))
    landed = torch.stack([x, y]) + truth
    in_sight = ((landed >= 4) & (landed <= SIZE - 5)).all(0) & (torch.minimum(x, landed[0]) > width + 6)
    assert float(valid[in_sight].float().mean()) > 0.999
    assert float(error[valid & in_sight].max()) < 0.2


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("paint", [Paint((4.0, 30.0), mixed=True), Paint((3.0, 8.0))])
def test_what_slides_behind_another_part_is_not_measured(paint: Paint, seed: int) -> None:
    disks = scatter_disks((SIZE, SIZE), seed, paint, 64)
    x, y = _grid()
    noise = torch.Generator().manual_seed(seed)

    def shown(at_x: Tensor, at_y: Tensor) -> Tensor:
        clean = 200 - 150 * disks.cover(at_x.double(), at_y.double()).float()
        return clean + 2 * torch.randn(SIZE, SIZE, generator=noise)

    in_front = y - 15 < 160  # the upper half comes down by 15 px, before the lower one, which goes up by 15 px
    deformed = torch.where(in_front, shown(x + 2.3, y - 15), shown(x - 3.1, y + 15))
    truth = torch.where(y < 160, torch.stack([0 * x - 2.3, 0 * y + 15]), torch.stack([0 * x + 3.1, 0 * y - 15]))
    valid, error = _measured(truth, (shown(x, y), deformed))
    hidden = (y >= 160) & (y < 190)
    landed = torch.stack([x, y]) + truth
    in_sight = ((landed >= 4) & (landed <= SIZE - 5)).all(0) & ~hidden
    assert int((valid & hidden).sum()) < 0.06 * int(hidden.sum())
    assert float(valid[in_sight].float().mean()) > 0.98
    assert float((error[valid & in_sight] > 1).float().mean()) < 0.001


def test_parts_that_come_apart_are_measured_up_to_the_break() -> None:
    x, y = _grid()
    truth = torch.stack([torch.where(y < 160, 3.4, -2.7) + 0.01 * x, torch.where(y < 160, -15.2, 24.5)])
    valid, error = _measured(truth)
    landed = torch.stack([x, y]) + truth
    in_sight = ((landed >= 4) & (landed <= SIZE - 5)).all(0)
    assert float(valid[in_sight & ((y - 159.5).abs() > 6)].float().mean()) > 0.995
    assert float(error[valid].max()) < 1.0
    near = valid & ((y - 159.5).abs() < 12)
    assert int(near.sum()) > 10 * SIZE and float(error[near].median()) < 0.05


@pytest.mark.parametrize("jump", [(2.0, 0.0), (4.0, 0.0), (8.0, 0.0), (15.0, 0.0), (0.0, -3.0), (3.0, -1.5)])
def test_parts_that_break_apart_by_little_are_told_apart(jump: tuple[float, float]) -> None:
    x, y = _grid()
    side = torch.where(y < 160 + 0.2 * (x - 160), 0.5, -0.5)
    truth = torch.stack([side * jump[0] + 0.01 * x, side * jump[1] + 0.2])
    valid, error = _measured(truth)
    inner = ((x - 160).abs() < 140) & ((y - 160).abs() < 140)
    assert float(valid[inner].float().mean()) > 0.96
    assert float((error[valid] > 0.1).float().mean()) < 0.001


@pytest.mark.parametrize("opening_px", [2.0, 5.0])
def test_the_lips_of_a_crack_are_told_apart_up_to_its_tip(opening_px: float) -> None:
    x, y = _grid()
    opening = opening_px * (1 - torch.exp(-(((x - 150).clamp_min(0) / 60) ** 2)))
    truth = torch.stack([0.004 * x, torch.where(y < 160, -0.5, 0.5) * opening + 0.3])
    valid, error = _measured(truth)
    assert float((error[valid] > 0.5).float().mean()) < 0.0005
    lips, ahead = ((part & ((y - 159.5).abs() < 12)) for part in ((x > 200) & (x < 300), (x > 20) & (x < 130)))
    assert float(valid[lips].float().mean()) > 0.6
    assert float(error[valid & lips].square().mean().sqrt()) < 0.05
    assert float(valid[ahead].float().mean()) > 0.99
    assert float(error[valid & ahead].max()) < 0.1


@pytest.mark.parametrize("kind", ["waves", "band", "swirl"])
def test_a_steep_field_is_in_one_piece(kind: str) -> None:
    x, y = _grid()
    still = torch.full_like(x, 0.3)
    if kind == "waves":
        truth = torch.stack([still, 8 * torch.sin(2 * math.pi * (x + 0.3 * y) / 60)])
    elif kind == "band":
        truth = torch.stack([3 * torch.tanh((y - 160) / 9), still])
    else:
        angle = 0.45 * torch.exp(-((x - 160) ** 2 + (y - 160) ** 2) / (2 * 50**2))
        truth = torch.stack([-(y - 160) * angle, (x - 160) * angle])
    valid, error = _measured(truth)
    inner = ((x - 160).abs() < 140) & ((y - 160).abs() < 140)
    assert float(valid[inner].float().mean()) > (0.96 if kind == "waves" else 0.999)
    assert float(error[valid & inner].median()) < 0.1


def test_out_of_focus_in_one_image_is_no_break() -> None:
    x, _ = _grid()
    truth = torch.stack([torch.full_like(x, 0.4), torch.full_like(x, 0.3)])
    reference, deformed = _pair(truth)
    generator = torch.Generator().manual_seed(1)
    blurred = gaussian(deformed[None], 3.0)[0] + 0.5 * torch.randn(SIZE, SIZE, generator=generator)
    valid, _ = _measured(truth, (reference, blurred))  # the field that the network finds is wrong in places
    assert float(valid.float().mean()) > 0.93


def test_unrelated_images_are_not_measured() -> None:
    still = torch.zeros(2, SIZE, SIZE)
    (reference, _), other = _pair(still), 255 * torch.rand(SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(SIZE, SIZE, dtype=torch.bool)
    network, _ = weights.load_network("displacement", CPU)
    seen, ready = guide(network, reference, mask), surface(reference, mask)
    with torch.no_grad():
        result = refine(
            ready,
            other,
            search(network, seen, ready, other, Spline(deformed_spline(ready, other))).field,
            Refinement(4.0, 6),
        )
    assert float(result.valid.float().mean()) < 0.005


def test_common_shift_is_exact_for_a_rigid_shift() -> None:
    truth = torch.stack([torch.full((SIZE, SIZE), 113.0), torch.full((SIZE, SIZE), -71.0)])
    reference, deformed = _pair(truth)
    mask = torch.ones(SIZE, SIZE, dtype=torch.bool)
    torch.testing.assert_close(common_shift(reference, deformed, mask), torch.tensor([113.0, -71.0]), atol=4.0, rtol=0)
