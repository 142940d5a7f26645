"""The networks: shapes, invariances, budget, and the correlation against its definition."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from scorrnet_cli.displace import displace, guide
from scorrnet_cli.masks.looks import EMPTY_TRUST, LEAST_TRUST, LIKELY, TILE_PX, Look, _places, agreed, look
from scorrnet_cli.models import enet
from scorrnet_cli.models.correlation import correlate, expected_offset
from scorrnet_cli.models.corrnet import CorrNet, least_squares_step, normalise, warp
from scorrnet_cli.models.enet import ENet
from scorrnet_cli.models.inference import make_ready
from scorrnet_cli.numerics.padding import pad_to_multiple
from scorrnet_cli.segment import MAGNIFICATIONS, REDUCTION, segment, speckle_probability
from scorrnet_cli.training.recipe import bundled_recipe, load_recipe


def _one_by_one(ours: Tensor, theirs: Tensor, radius: int) -> Tensor:
    height, width = ours.shape[-2:]
    padded = F.pad(theirs, (radius,) * 4)
    size = range(2 * radius + 1)
    parts = [(ours * padded[:, :, y : y + height, x : x + width]).mean(1) for y in size for x in size]
    return torch.stack(parts, 1)


@pytest.mark.parametrize(("width", "radius"), [(21, 3), (16, 2), (5, 5), (33, 1)])
def test_correlation_and_its_gradient_equal_the_definition(width: int, radius: int) -> None:
    torch.manual_seed(0)
    ours = torch.randn(2, 5, 9, width, dtype=torch.float64, requires_grad=True)
    theirs = torch.randn(2, 5, 9, width, dtype=torch.float64, requires_grad=True)
    found, expected = correlate(ours, theirs, radius), _one_by_one(ours, theirs, radius)
    torch.testing.assert_close(found, expected)
    weight = torch.randn_like(expected)
    for ours_found, ours_expected in zip(
        torch.autograd.grad(found, (ours, theirs), weight),
        torch.autograd.grad(expected, (ours, theirs), weight),
        strict=True,
    ):
        torch.testing.assert_close(ours_found, ours_expected)


def test_expected_offset_points_at_the_best_match() -> None:
    match = torch.full((1, 49, 8, 8), -1.0)
    match[:, 3 * 7 + 5] = 1.0  # dy = 0, dx = 2
    offset = expected_offset(match, torch.tensor(30.0))
    torch.testing.assert_close(offset, torch.tensor([2.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 8, 8))


def test_warp_takes_the_image_at_displaced_points() -> None:
    image = torch.arange(30.0).view(1, 1, 5, 6)
    field = torch.zeros(1, 2, 5, 6)
    field[:, 0], field[:, 1] = 1.0, -1.0
    assert float(warp(image, field)[0, 0, 3, 2]) == pytest.approx(float(image[0, 0, 2, 3]))


def test_least_squares_step_finds_a_small_shift() -> None:
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")

    def scene(dx: float, dy: float) -> Tensor:
        return (torch.sin((x + dx) / 2.3) * torch.cos((y + dy) / 2.9))[None, None]

    step = least_squares_step(scene(0.0, 0.0), scene(-0.2, 0.1), torch.ones(1, 1, 64, 64), 5.0)
    inner = step[0, :, 16:-16, 16:-16]
    assert float((inner[0] - 0.2).abs().max()) < 0.03
    assert float((inner[1] + 0.1).abs().max()) < 0.03


def test_normalised_image_does_not_know_gain_and_offset() -> None:
    image = torch.rand(1, 1, 48, 56) * 200
    torch.testing.assert_close(normalise(image, 17), normalise(37.0 * image + 4000.0, 17), rtol=1e-3, atol=1e-3)


def test_displacement_network_keeps_to_its_budget() -> None:
    network = CorrNet()
    image = torch.rand(1, 1, 128, 128)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        field = network(image, image, torch.ones_like(image))
    assert field.shape == (1, 2, 128, 128)
    assert counter.get_total_flops() / 128**2 <= 150e3
    assert 0.8e6 < sum(parameter.numel() for parameter in network.parameters()) < 1.2e6


def test_every_size_is_padded_and_unpadded() -> None:
    network = CorrNet().eval()
    for height, width in ((33, 70), (64, 64), (41, 32)):
        image = torch.rand(height, width) * 255
        seen = guide(network, image, torch.ones(height, width, dtype=torch.bool))
        field = displace(network, seen, image)
        assert field.shape == (2, height, width)
        assert bool(torch.isfinite(field).all())
    padded, size = pad_to_multiple(torch.rand(1, 1, 5, 70), 8, 32)
    assert padded.shape == (1, 1, 32, 72)
    assert size == (5, 70)


@pytest.mark.parametrize(
    ("mirrored", "row"),
    [(False, [0, 1, 2, 2, 2, 2, 2, 2]), (True, [0, 1, 2, 2, 1, 0, 0, 1])],
    ids=("repeated", "mirrored"),
)
def test_images_go_on_beyond_their_border(mirrored: bool, row: list[int]) -> None:
    image = torch.arange(3.0)[None, None, None, :] + 10 * torch.arange(4.0)[None, None, :, None]
    padded, _ = pad_to_multiple(image, 4, 8, mirrored=mirrored)
    below = [0, 1, 2, 3, 3, 2, 1, 0] if mirrored else [0, 1, 2, 3, 3, 3, 3, 3]
    assert padded[0, 0].tolist() == [[10 * y + x for x in row] for y in below]


def test_segmentation_has_the_published_parameter_names() -> None:
    published = ENet(shortcuts=False)
    names = published.state_dict()
    assert names["asymmetric2_3.ext_conv2.3.weight"].shape == (32, 32, 1, 5)
    assert names["upsample4_0.ext_tconv1.weight"].shape == (32, 32, 2, 2)
    assert names["transposed_conv.weight"].shape == (16, 2, 3, 3)
    assert sum(value.numel() for value in published.parameters()) == pytest.approx(0.349e6, rel=0.01)
    assert set(names) < set(ENet().state_dict())


@torch.no_grad()
def test_shortcuts_show_the_decoder_what_the_encoder_saw() -> None:
    torch.manual_seed(1)
    plain, short = ENet(shortcuts=False).eval(), ENet().eval()
    added = short.load_state_dict(plain.state_dict(), strict=False).missing_keys
    assert {name.partition(".")[0] for name in added} == {"shortcut4", "regular4_3", "regular4_4", "shortcut5"}
    image = torch.rand(2, 1, 64, 96)
    before = short(image)
    torch.testing.assert_close(before, plain(image), rtol=1e-4, atol=1e-4)  # nothing yet
    for shortcut in (short.shortcut4, short.shortcut5):
        kept = shortcut.conv.weight.data.clone()
        torch.nn.init.normal_(shortcut.conv.weight)
        assert float((short(image) - before).abs().max()) > 0.01
        shortcut.conv.weight.data = kept


@torch.no_grad()
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format], ids=["channels last", "first"])
def test_the_segmentation_computes_in_the_layout_of_its_weights(layout: torch.memory_format) -> None:
    network, kept = ENet().eval(), []
    for weight in network.parameters():
        weight.data = weight.data.contiguous(memory_format=layout) if weight.dim() == 4 else weight.data
    for block in list(network.children())[1:]:  # the first sees an image of one channel
        block.register_forward_pre_hook(lambda _, given: kept.append(given[0].is_contiguous(memory_format=layout)))
    network(torch.rand(2, 1, 64, 96))
    assert len(kept) > 25
    assert all(kept)


def test_a_surface_narrower_than_two_rims_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(2)
    image, strip = 100 + 40 * torch.randn(60, 90), torch.zeros(60, 90)
    strip[30:35] = 0.9
    monkeypatch.setattr("scorrnet_cli.segment.speckle_probability", lambda network, reference: strip)
    assert torch.equal(segment(ENet(), image), strip > 0)


def test_segmentation_does_not_know_gain_and_offset() -> None:
    torch.manual_seed(0)
    network = ENet().eval()
    image = torch.rand(61, 90) * 255
    probability = speckle_probability(network, image)
    assert probability.shape == (61, 90)
    torch.testing.assert_close(probability, speckle_probability(network, image * 257 + 30), rtol=1e-3, atol=1e-4)
    assert segment(network, image).dtype == torch.bool


def test_glints_do_not_make_all_else_faint(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(4)
    dots = torch.rand(24, 24, generator=generator).round().repeat_interleave(4, 0).repeat_interleave(4, 1)
    image = (20 + 15 * dots)[None, None]
    glints = torch.rand(image.shape, generator=generator) < 0.003
    shining = image.where(~glints, torch.tensor(255.0))

    def strength(seen: Tensor) -> float:
        return float(seen[~glints].std())

    plain = strength(ENet.normalise(image))
    assert 0.8 < strength(ENet.normalise(shining)) / plain < 1.05
    monkeypatch.setattr(enet, "GLINT", math.inf)
    assert strength(ENet.normalise(image)) == pytest.approx(plain, rel=0.02)  # dots are no glints
    assert strength(ENet.normalise(shining)) < 0.6 * plain


class _Levels(ENet):
    """Tells speckle by the grey level of each pixel alone, so that every way to look at it gives the same."""

    @staticmethod
    def normalise(images: Tensor) -> Tensor:
        return images

    def forward(self, images: Tensor) -> Tensor:
        return torch.cat([torch.zeros_like(images), images], 1)


@pytest.mark.parametrize(("height", "width"), [(48, 32), (256, 304), (704, 512)])
def test_tiles_come_together_where_they_were_taken(height: int, width: int) -> None:
    image = torch.linspace(-3, 3, height * width).view(height, width)
    torch.testing.assert_close(look(_Levels(), image, 1.0).probability, image.sigmoid(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("magnification", (REDUCTION, *MAGNIFICATIONS))
@pytest.mark.parametrize(("height", "width"), [(48, 32), (256, 304), (704, 512)])
def test_what_is_seen_magnified_lies_where_it_was(height: int, width: int, magnification: float) -> None:
    rise = torch.linspace(-0.4, 0.4, height)[:, None] + torch.linspace(-1, 1, width)
    left = (look(_Levels(), rise, magnification).probability.logit() - rise)[4:-4, 4:-4]
    shift = left.mean(1) / (0.8 / (height - 1)), left.mean(0) / (2 / (width - 1))
    assert all(float(each.abs().median()) < 0.05 for each in shift)


def _see(
    monkeypatch: pytest.MonkeyPatch,
    what: Callable[[Tensor, float], Tensor],
    trust: Callable[[float], float] = lambda _: 1.0,
) -> None:
    """Let looks at an image, by magnification, give what is wished."""

    def seen(_: ENet, image: Tensor, magnification: float) -> Look:
        return Look(what(image, magnification), torch.full_like(image, trust(magnification)))

    monkeypatch.setattr("scorrnet_cli.segment.look", seen)


@pytest.mark.parametrize(("dot_px", "weakly", "mean"), [(4, 0.9, 0.8), (20, 0.9, 0.55), (4, 0.3, 0.25)])
def test_the_probability_is_the_mean_of_looks_that_fit_the_speckle(
    monkeypatch: pytest.MonkeyPatch, dot_px: int, weakly: float, mean: float
) -> None:
    """Fine speckle is magnified further; coarse speckle, or what is none, is not."""
    looks = {0.5: 0.5, 1.0: 0.2, 1.5: weakly, 2.0: 0.7}
    _see(monkeypatch, lambda image, times: torch.full_like(image, looks[times]))
    dots = torch.rand(12, 20, generator=torch.Generator().manual_seed(2)).round()
    image = 200 * dots.repeat_interleave(dot_px, 0).repeat_interleave(dot_px, 1)
    torch.testing.assert_close(speckle_probability(_Levels(), image), torch.full(image.shape, mean))


def test_what_fills_a_tile_or_shows_no_paint_is_trusted_less() -> None:
    image = torch.full((64, 2 * TILE_PX), -9.0)
    image[:, TILE_PX:] = 9.0
    trust = look(_Levels(), image, 1.0).trust
    assert float(trust[:, 0].mean()) == pytest.approx(EMPTY_TRUST, rel=0.02)
    assert float(trust[:, TILE_PX].mean()) == pytest.approx(0.5, rel=0.05)  # the tile in the middle sees both
    assert float(trust[:, -1].mean()) == pytest.approx(LEAST_TRUST, rel=0.02)


def test_a_look_that_is_unsure_is_trusted_less() -> None:
    image = torch.full((64, TILE_PX), -9.0)
    image[:, TILE_PX // 2 :] = 9.0
    sure, unsure, ignorant = (look(_Levels(), level * image, 1.0) for level in (1.0, 0.1, 0.0))
    assert float(unsure.trust.mean()) < 0.25 * float(sure.trust.mean())
    assert bool(agreed([ignorant, ignorant]).isfinite().all())
    assert torch.equal(agreed([sure, unsure]) > LIKELY, sure.probability > LIKELY)


def test_a_look_that_finds_no_paint_anywhere_is_trusted_least() -> None:
    image = torch.full((256, 256), -1.0)
    image[:128] = 0.5  # a probability of 0.62
    found = look(_Levels(), image, 1.0)
    assert float(found.trust.max()) < LEAST_TRUST
    image[:128] = 2.0
    assert float(look(_Levels(), image, 1.0).trust.min()) > 0.05


@pytest.mark.parametrize(("trusted", "is_paint"), [((0.5,), False), ((1.0, 1.5, 2.0), True)])
def test_of_looks_that_disagree_those_decide_that_saw_both(
    monkeypatch: pytest.MonkeyPatch, trusted: tuple[float, ...], is_paint: bool
) -> None:
    _see(
        monkeypatch,
        lambda image, magnification: torch.full_like(image, 0.01 if magnification == 0.5 else 0.99),
        lambda magnification: 1.0 if magnification in trusted else LEAST_TRUST,
    )
    probability = speckle_probability(_Levels(), _fine_dots(96, 96))
    assert torch.equal(probability > LIKELY, torch.full((96, 96), is_paint))


@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 1e-5), (torch.bfloat16, 0.02)])
def test_a_network_made_ready_says_what_it_said_before(dtype: torch.dtype, most: float) -> None:
    torch.manual_seed(0)
    network = ENet()
    for _ in range(8):  # normalisation learns what the layers give
        network(torch.rand(4, 1, 64, 64))
    network.eval()
    image = torch.rand(1, 1, 64, 96)
    with torch.no_grad():
        before = network(image).softmax(1)
        make_ready(network, dtype)
        after = network(image)
    assert after.dtype == dtype
    assert float((after.float().softmax(1) - before).abs().mean()) < most
    joined = [layer for layer in network.modules() if isinstance(layer, torch.nn.Sequential)]
    assert joined and not any(isinstance(part, torch.nn.BatchNorm2d) for layer in joined for part in layer)


def _fine_dots(height: int, width: int) -> Tensor:
    dots = torch.rand(height // 2, width // 2, generator=torch.Generator().manual_seed(3)).round()
    return 200 * dots.repeat_interleave(2, 0).repeat_interleave(2, 1)


def test_the_closest_look_decides_on_what_is_small_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two holes that only the closest look sees: the small one is one, the wide one is not."""
    closest = torch.ones(128, 256)
    closest[40:60, 30:50] = closest[30:100, 150:220] = 0

    _see(monkeypatch, lambda image, magnification: closest if magnification == 2 else torch.full_like(image, 0.75))
    probability = speckle_probability(_Levels(), _fine_dots(128, 256))
    assert float(probability[50, 40]) == pytest.approx(0.375)
    assert float(probability[60, 190]) == pytest.approx(0.6)  # of all, the reduced one twice
    assert float(probability[60, 151]) == pytest.approx(0.6)  # to its rim
    assert float(probability[10, 10]) == pytest.approx(0.875)


@pytest.mark.parametrize(("reduced", "probability"), [(0.8, 0.46), (0.3, 0.25)])
def test_what_the_reduced_look_finds_counts_twice(
    monkeypatch: pytest.MonkeyPatch, reduced: float, probability: float
) -> None:
    looks = {0.5: reduced, 1.0: 0.3, 1.5: 0.2, 2.0: 0.2}
    _see(monkeypatch, lambda image, times: torch.full_like(image, looks[times]))
    found = speckle_probability(_Levels(), _fine_dots(96, 96))
    torch.testing.assert_close(found, torch.full_like(found, probability))


def test_the_reduced_look_is_one_of_all_where_it_misses_what_the_others_find(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small body of which the reduced look sees nothing is found; what two looks see nothing of is not."""
    near = torch.zeros(160, 320)
    near[40:110, 30:100] = near[40:110, 200:270] = 1
    plain = near.clone()
    plain[:, 160:] = 0

    _see(
        monkeypatch,
        lambda image, magnification: {0.5: torch.zeros_like(image), 1.0: plain, 1.5: 0.9 * near}[magnification],
    )
    monkeypatch.setattr("scorrnet_cli.segment.correlation_length_px", lambda *_: 5.0)
    found = speckle_probability(_Levels(), torch.zeros(160, 320)) > 0.4
    assert bool(found[41:109, 31:99].all())
    assert not bool(found[:, 160:].any())


@pytest.mark.parametrize("magnification", (REDUCTION, 1.0, *MAGNIFICATIONS))
@pytest.mark.parametrize("shape", [(48, 32), (336, 208), (208, 640)])
def test_the_network_sees_no_more_than_in_training(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int], magnification: float
) -> None:
    """And always a multiple of its stride, magnified as it shall be."""
    assert load_recipe(bundled_recipe("segmentation")).synth.size == TILE_PX
    sizes: list[tuple[int, ...]] = []

    def noted(self: ENet, images: Tensor) -> Tensor:
        sizes.append(tuple(images.shape[2:]))
        return torch.cat([images, images], 1)

    monkeypatch.setattr(_Levels, "forward", noted)
    look(_Levels(), torch.zeros(shape), magnification)
    assert all(side <= TILE_PX and side % ENet.stride == 0 for size in sizes for side in size)
    largest = TILE_PX - 2 * ENet.stride
    in_one = [axis for axis in (0, 1) if magnification * shape[axis] <= largest]  # seen in one tile along this axis
    assert all(size[axis] == magnification * shape[axis] for size in sizes for axis in in_one)


@pytest.mark.parametrize("length", [256, 257, 384, 448, 449, 1000])
def test_tiles_overlap_by_an_eighth_and_end_flush(length: int) -> None:
    begins = _places(length, 256)
    assert begins[0] == 0
    assert begins[-1] == length - 256
    assert all(0 < later - earlier <= 224 for earlier, later in pairwise(begins))


def test_what_is_far_fainter_than_the_surface_is_no_surface(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where the network sees speckle everywhere, a wall with the camera's noise is left out."""
    monkeypatch.setattr("scorrnet_cli.segment.speckle_probability", lambda *_: torch.ones(128, 256))
    generator = torch.Generator().manual_seed(0)
    image = 100 + 2 * torch.randn(128, 256, generator=generator)
    image[:, :128] += 80 * (torch.rand(128, 128, generator=generator) > 0.5)
    found = segment(ENet(), image)
    assert bool(found[:, :128].all())
    assert float(found[:, 160:].float().mean()) == 0
