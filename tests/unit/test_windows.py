"""Fields for several windows, and how they are put together, against closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from scorrnet_cli import refine
from scorrnet_cli.models.fusion import ACROSS, DOWN, PLAIN, Fusion, FusionConfig, FusionNet, FusionNets, View
from scorrnet_cli.numerics.filters import doubled, halved
from scorrnet_cli.refine import approach, look_again, refine_adaptively
from scorrnet_cli.refinement.matching import deformed_spline, surface
from scorrnet_cli.refinement.windows import Evidence, weigh
from scorrnet_cli.training.rng import Rng
from scorrnet_cli.training.textures import speckle
from scorrnet_cli.weights import load_network

SIZE = 128
CPU = torch.device("cpu")
NOISE = torch.tensor(1e-4)


def _grid(height: int = SIZE, width: int = SIZE) -> Tensor:
    return torch.stack(torch.meshgrid(torch.arange(float(width)), torch.arange(float(height)), indexing="xy"))


def _pattern() -> tuple[Tensor, Tensor, Tensor]:
    """Band-limited speckle, the same moved by an exact shift, and the shift (2, H, W), px."""
    paint = speckle(Rng((4,), CPU), SIZE, 1, (4.0, 5.0))
    fx, fy = torch.fft.rfftfreq(SIZE)[None, :], torch.fft.fftfreq(SIZE)[:, None]
    spectrum = torch.fft.rfft2(paint) * torch.exp(-2 * (math.pi * 0.8) ** 2 * (fx**2 + fy**2))
    u, v = 0.37, -0.21
    moved = torch.fft.irfft2(spectrum * torch.exp(-2j * math.pi * (fx * u + fy * v)), s=(SIZE, SIZE))
    still = torch.fft.irfft2(spectrum, s=(SIZE, SIZE))
    return 200 * still, 200 * moved, torch.tensor([u, v])[:, None, None].expand(2, SIZE, SIZE)


def _looked_at(error_px: float) -> tuple[Evidence, Tensor]:
    reference, deformed, truth = _pattern()
    seen = surface(reference, torch.ones(SIZE, SIZE, dtype=torch.bool))
    start = truth + error_px * torch.sin(_grid() / 9)
    return approach(seen, deformed_spline(seen, deformed), start, NOISE), truth


@pytest.mark.parametrize(("height", "width"), [(40, 60), (41, 59), (3, 2)])
def test_halved_and_doubled_keep_a_plane(height: int, width: int) -> None:
    x, y = _grid(height, width)
    plane = torch.stack([3 + 0.2 * x - 0.1 * y])
    again = doubled(halved(plane), (height, width))
    assert again.shape == plane.shape
    assert bool((again >= plane.min() - 0.1).all() and (again <= plane.max() + 0.1).all())
    inner = (slice(None), slice(4, -5), slice(4, -5))
    torch.testing.assert_close(again[inner], plane[inner], atol=1e-4, rtol=0)


def test_doubled_keeps_a_parabola() -> None:
    x, _ = _grid(64, 64)
    curve = doubled(halved((x / 8)[None] ** 2), (64, 64))[0, 8:-8, 8:-8]
    lift = 0.25 / 64  # the mean of x^2 over a pair of pixels lies above the square of its centre
    torch.testing.assert_close(curve, (x / 8)[8:-8, 8:-8] ** 2 + lift, atol=1e-4, rtol=0)


def test_every_window_finds_a_shift() -> None:
    found, truth = _looked_at(0.1)
    fields = found.middle[:, None] + found.differences
    error = (fields - truth[:, None])[..., 16:-16, 16:-16]
    assert fields.shape[:2] == (2, 7)
    assert float(error.abs().amax()) < 0.01
    assert float(error.square().mean().sqrt()) < 0.002


def test_a_network_that_says_nothing_gives_the_window_in_the_middle() -> None:
    found, _ = _looked_at(0.1)
    network = FusionNet()
    field, sigma = weigh(found, network.first(found.features[None]))
    torch.testing.assert_close(field, found.middle)
    assert bool((sigma > 0).all())


@pytest.mark.parametrize("view", [ACROSS, DOWN, View(True, True)])
def test_asked_in_all_views_a_network_says_the_same_of_mirrored_images(
    view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference, deformed, truth = _pattern()
    axes = [axis for axis, flip in ((-1, view.across), (-2, view.down)) if flip]
    signs = torch.tensor([-1.0 if view.across else 1.0, -1.0 if view.down else 1.0])[:, None, None]
    torch.manual_seed(0)
    network = FusionNet()
    for weigher in (network.first, network.second):
        torch.nn.init.normal_(weigher.last.weight, std=0.05)
        weigher.low.fill_(-1e6)
        weigher.high.fill_(1e6)

    def difference() -> float:
        """How far the field of mirrored images is from the mirrored field of the images as they are, px rms."""
        fields = []
        for turned, sign in (((), torch.ones(2, 1, 1)), (axes, signs)):
            ready = surface(reference.flip(turned), torch.ones(SIZE, SIZE, dtype=torch.bool))
            with torch.no_grad():
                found = refine_adaptively(ready, deformed.flip(turned), truth.flip(turned) * sign, network, NOISE)
            fields.append(found.displacement.flip(turned) * sign)
        return float((fields[1] - fields[0])[:, 16:-16, 16:-16].square().mean().sqrt())

    every = (PLAIN, ACROSS, DOWN, View(True, True))
    monkeypatch.setattr(refine, "FIRST_VIEWS", (PLAIN,))
    monkeypatch.setattr(refine, "VIEWS", ((PLAIN,),))
    alone = difference()
    monkeypatch.setattr(refine, "FIRST_VIEWS", every)
    monkeypatch.setattr(refine, "VIEWS", (every,))
    assert difference() < 0.02 * alone


def test_several_networks_take_turns() -> None:
    reference, deformed, truth = _pattern()
    seen = surface(reference, torch.ones(SIZE, SIZE, dtype=torch.bool))
    torch.manual_seed(1)
    networks = [FusionNet() for _ in range(2)]
    asked: list[str] = []
    for number, network in enumerate(networks):
        for name, weigher in (("first", network.first), ("second", network.second)):
            torch.nn.init.normal_(weigher.last.weight, std=0.05)
            weigher.low.fill_(-1e6)
            weigher.high.fill_(1e6)
            weigher.register_forward_hook(lambda *_, who=f"{number}.{name}": asked.append(who))
    with torch.no_grad():
        alone, together, twice = (
            refine_adaptively(seen, deformed, truth, network, NOISE).displacement
            for network in (networks[0], FusionNets(networks), FusionNets([networks[0], networks[0]]))
        )
        networks[1].second.high[0] = -1e6  # knows nothing
        stood_in = refine_adaptively(seen, deformed, truth, FusionNets(networks), NOISE).fallback
    turns = ["0.first", "1.first", "0.second", "1.second", "0.second"]
    assert asked == [*(["0.first"] * 2 + ["0.second"] * 3), *turns, *(["0.first"] * 2 + ["0.second"] * 3), *turns]
    assert torch.equal(alone, twice)
    assert not torch.allclose(alone, together, atol=1e-5)
    assert bool(stood_in.all())


def test_weights_and_correction_do_what_they_say() -> None:
    found, _ = _looked_at(0.1)
    half = SIZE // 2
    share, nothing = torch.zeros(1, 2, 7, half, half), torch.zeros(1, 2, half, half)
    share[0, 0, 3] = 1
    field, _ = weigh(found, Fusion(share, nothing, nothing))
    torch.testing.assert_close(field[0], found.middle[0] + found.differences[0, 3])
    torch.testing.assert_close(field[1], found.middle[1])
    field, sigma = weigh(found, Fusion(0 * share, nothing + 1, nothing))
    torch.testing.assert_close(field - found.middle, doubled(found.spread, (SIZE, SIZE)))
    assert float((sigma / 1.2533)[:, 8:-8, 8:-8].median()) == pytest.approx(float(found.spread.median()), rel=0.1)


def test_corrections_point_at_what_is_wrong() -> None:
    reference, deformed, truth = _pattern()
    seen = surface(reference, torch.ones(SIZE, SIZE, dtype=torch.bool))
    wrong = truth + 0.05
    left, _ = look_again(seen, deformed_spline(seen, deformed), wrong, torch.full_like(wrong, 0.05), NOISE)
    assert torch.equal(left.middle, wrong)
    inner = left.differences[..., 20:-20, 20:-20]
    assert float(inner.mean()) == pytest.approx(-0.05, abs=0.003)
    assert inner.shape[1] == 8


def test_the_configuration_counts_what_the_networks_are_shown() -> None:
    reference, deformed, truth = _pattern()
    seen = surface(reference, torch.ones(SIZE, SIZE, dtype=torch.bool))
    coefficients, config = deformed_spline(seen, deformed), FusionConfig()
    left, _ = look_again(seen, coefficients, truth, torch.full_like(truth, 0.05), NOISE)
    shown = approach(seen, coefficients, truth, NOISE), left
    assert tuple(each.features.shape[0] for each in shown) == config.features
    assert tuple(each.differences.shape[1] for each in shown) == config.fields


@pytest.mark.weights
def test_lines_show_no_motion_along_them() -> None:
    network, _ = load_network("refinement", torch.device("cpu"))
    assert isinstance(network, FusionNets)
    generator = torch.Generator().manual_seed(3)
    lines = 128 + 60 * torch.sin(torch.arange(float(SIZE)) / 2)[:, None].expand(SIZE, SIZE)
    images = [lines + 2 * torch.randn(SIZE, SIZE, generator=generator) for _ in range(2)]
    seen = surface(images[0], torch.ones(SIZE, SIZE, dtype=torch.bool))
    with torch.no_grad():
        result = refine_adaptively(seen, images[1], torch.zeros(2, SIZE, SIZE), network, NOISE)
    assert float(result.valid.float().mean()) < 0.05


def test_refinement_without_training_stays_near_the_truth_and_knows_what_left_the_image() -> None:
    reference, deformed, truth = _pattern()
    seen = surface(reference, torch.ones(SIZE, SIZE, dtype=torch.bool))
    with torch.no_grad():
        result = refine_adaptively(seen, deformed, truth + 0.2, FusionNet(), NOISE)
        gone = refine_adaptively(seen, deformed, truth + 200.0, FusionNet(), NOISE)
    inner = (slice(None), slice(16, -16), slice(16, -16))
    assert float((result.displacement - truth)[inner].abs().amax()) < 0.02
    assert bool(result.valid[16:-16, 16:-16].all())
    assert not bool(gone.valid.any())


def test_where_features_leave_the_known_range_one_window_stands_in() -> None:
    reference, deformed, truth = _pattern()
    seen = surface(reference, torch.ones(SIZE, SIZE, dtype=torch.bool))
    network = FusionNet()
    with torch.no_grad():
        found = approach(seen, deformed_spline(seen, deformed), truth, NOISE)
        untrained = refine_adaptively(seen, deformed, truth, network, NOISE)
        for weigher in (network.first, network.second):
            weigher.low.fill_(-1e6)
            weigher.high.fill_(1e6)
            assert weigher.last.bias is not None
            weigher.last.bias.fill_(0.3)  # says something
        trained = refine_adaptively(seen, deformed, truth, network, NOISE)
        where = (slice(40, 50), slice(60, 80))
        network.first.high[0] = float(found.features[0][where].amin()) - 1e-6
        partly = refine_adaptively(seen, deformed, truth, network, NOISE)
    assert bool(untrained.fallback.all())
    assert torch.equal(untrained.displacement, found.middle)
    assert torch.equal(untrained.sigma, found.sigma)
    assert not bool(trained.fallback.any())
    assert not torch.allclose(trained.displacement, found.middle)
    assert bool(partly.fallback[80:100, 120:160][:, :8].all())
    assert torch.equal(partly.displacement, torch.where(partly.fallback, found.middle, trained.displacement))


def test_a_weigher_knows_the_features_that_counted_and_no_others() -> None:
    weigher = FusionNet().second
    features = torch.linspace(-1, 1, 37)[None, :, None, None].repeat(1, 1, 2, 3)
    features[..., 1, 2] = 9.0
    assert not bool(weigher.knows(features).any())
    counted = torch.tensor([[[True, True, True], [True, True, False]]])
    weigher.widen(features, counted)
    assert torch.equal(weigher.knows(features), counted)
    weigher.widen(features, ~counted)
    assert bool(weigher.knows(features).all())
    weigher.widen(9 * features, torch.zeros_like(counted))
    assert not bool(weigher.knows(9 * features).all())
