"""What the bundled networks must reach: on fresh synthetic images alone, and with refinement on the examples."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from numpy.typing import NDArray

from scorrnet_cli import Settings, measure, measure_sequence, weights
from scorrnet_cli.errors import FrameError, MeasurementError
from scorrnet_cli.evaluation.networks import EVALUATION, displacement_figures, segmentation_figures
from scorrnet_cli.frames import read_mask
from scorrnet_cli.images.levels import standard_levels
from scorrnet_cli.segment import segment
from scorrnet_cli.training import backgrounds, camera, rough, specimens, textures
from scorrnet_cli.training.compared import refinement_figures
from scorrnet_cli.training.recipe import SynthRecipe, bundled_recipe, load_recipe
from scorrnet_cli.training.rng import Rng
from scorrnet_cli.training.synth import Material, make_references

EXAMPLES = Path(__file__).parents[2] / "examples"
CPU = torch.device("cpu")
RIM_PX = 15


def _rmse(found: NDArray[np.float32], true: NDArray[np.float32] | float, where: NDArray[np.bool_]) -> float:
    return float(np.sqrt(np.mean((found - true)[where] ** 2)))


def test_segmentation_of_usual_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sharp images of speckle that a good test has, before what stands in most laboratories."""
    usual = {
        "plain": 2.5,
        "clutter": 2.0,
        "texture": 1.0,
        "stripes": 0.6,
        "halftone": 0.4,
        "defocused": 0.6,
        "grain": 1,
    }
    monkeypatch.setattr(backgrounds, "KINDS", usual)
    monkeypatch.setattr(backgrounds, "THINGS_SHARE", 0.0)
    monkeypatch.setattr(backgrounds, "GRAIN", (0.0025, 0.03))
    monkeypatch.setattr(textures, "KINDS", {"dots": 0.3, "spray": 0.25, "print": 0.15, "noise": 0.3})
    monkeypatch.setattr(textures, "COVER", (0.25, 0.65))
    monkeypatch.setattr(camera, "OUT_OF_FOCUS_SHARE", 0.0)
    monkeypatch.setattr(camera, "GREY_LEVELS", {"255": 0.8, "4095": 0.2})
    monkeypatch.setattr(specimens, "STRIP", (0.15, 0.42))
    monkeypatch.setattr(specimens, "RING", (0.15, 0.4))
    monkeypatch.setattr(specimens, "HOLED_SHARE", 0.4)
    monkeypatch.setattr(specimens, "MOST_HOLES", 3)
    network, _ = weights.load_network("segmentation", CPU)
    recipe = SynthRecipe(size=256, dot_px=(1.5, 12.0), contrast=(0.1, 0.95), cloud_share=0.0)
    figures = segmentation_figures(network, recipe, 40)
    assert figures["iou"] >= 0.975
    assert figures["pooled_iou"] >= 0.975


def test_segmentation_of_images_as_hard_as_in_training() -> None:
    network, _ = weights.load_network("segmentation", CPU)
    recipe = replace(load_recipe(bundled_recipe("segmentation")).synth, size=320)
    figures = segmentation_figures(network, recipe, 30)
    assert figures["iou"] >= 0.85
    assert figures["median_iou"] >= 0.955


@pytest.mark.parametrize("noise", [1.5, 3.0])
@pytest.mark.parametrize("wall", [6.0, 120.0])
def test_a_small_specimen_before_a_noisy_plain_wall_is_found(noise: float, wall: float) -> None:
    """Most of what the network takes for speckle is the camera's noise."""
    size = (700, 760)
    network, _ = weights.load_network("segmentation", CPU)
    paint = textures.speckle(Rng((EVALUATION, 9), CPU), 160, 1, (4.0, 4.0))
    y, x = torch.meshgrid(*(torch.arange(length) for length in size), indexing="ij")
    disk = torch.hypot(x - 380.3, y - 350.2) < 60
    image = torch.full(size, wall)
    image[270:430, 300:460] = torch.where(disk[270:430, 300:460], 30 + 180 * paint, wall)
    image = (image + noise * torch.randn(size, generator=torch.Generator().manual_seed(1))).round().clamp(0, 255)
    levels = standard_levels(image.numpy())
    assert levels is not None
    mask = segment(network, torch.from_numpy(levels))
    assert int((mask & disk).sum()) > 0.95 * int((mask | disk).sum())


@pytest.mark.parametrize("size", [449, 501])
def test_speckle_is_seen_to_the_last_row_of_any_image(size: int) -> None:
    network, _ = weights.load_network("segmentation", CPU)
    recipe = SynthRecipe(size=size, whole_frame=1.0, dot_px=(3.0, 6.0), contrast=(0.4, 0.8), cloud_share=0.0)
    images, _ = make_references(Rng((EVALUATION, 7), CPU), 1, recipe, Material())
    mask = segment(network, images[0, 0])
    for rim in (mask[-4:], mask[:, -4:], mask[:4], mask[:, :4]):
        assert float(rim.float().mean()) > 0.98


def test_displacement_of_fresh_images() -> None:
    network, _ = weights.load_network("displacement", CPU)
    figures = displacement_figures(network, load_recipe(bundled_recipe("displacement")).synth, 40)
    assert figures["median_px"] <= 0.06
    assert figures["mean_px"] <= 0.25
    assert figures["below_1px"] >= 0.98


@pytest.mark.parametrize(("refined", "largest_rmse"), [(True, 0.008), (False, 0.1)])
def test_plate_with_a_hole_before_a_moving_background(refined: bool, largest_rmse: float) -> None:
    folder = EXAMPLES / "plate_hole"
    field = measure(folder / "reference.png", folder / "deformed.png", Settings(refine=refined))
    truth = np.load(folder / "truth.npz")
    plate = read_mask(folder / "mask.png", field.shape[1:])
    found = field.mask[0]
    assert (plate & found).sum() / (plate | found).sum() > 0.97
    valid = plate & field.valid[0]
    assert valid.sum() / plate.sum() > 0.95
    for name, values in (("u", field.u), ("v", field.v)):
        assert _rmse(values[0], truth[name], valid) < largest_rmse
    outside = field.valid[0] & ~plate
    assert outside.sum() / plate.sum() < 0.01
    if refined:
        share = (field.u[0] - truth["u"])[valid] / field.sigma_u[0][valid]
        assert 0.8 < share.std() < 1.4


@pytest.mark.parametrize(
    ("settings", "largest_mae", "largest_noise"),
    [(Settings(), 0.019, 0.004), (Settings(window_px=4.0, passes=6), 0.026, 0.03)],
)
def test_star_keeps_its_amplitude(settings: Settings, largest_mae: float, largest_noise: float) -> None:
    folder = EXAMPLES / "star"
    images = [folder / "deformed.png", folder / "unmoved.png"]
    with pytest.warns(UserWarning, match=r"reference\.png: .* of the image was taken for speckle"):
        field, still = measure_sequence(folder / "reference.png", images, settings)
    truth = np.load(folder / "truth.npz")
    inner = np.zeros(field.shape[1:], dtype=bool)
    inner[RIM_PX:-RIM_PX, RIM_PX:-RIM_PX] = True
    assert (field.valid[0] & inner).sum() / inner.sum() > 0.99
    inner &= field.valid[0]
    assert np.abs(field.v[0] - truth["v"])[inner].mean() < largest_mae
    assert np.abs(field.u[0])[inner].mean() < 0.016
    assert still.v[0][inner & still.valid[0]].std() < largest_noise


def test_every_pixel_can_be_measured_where_no_speckle_is_found(tmp_path: Path) -> None:
    """Scratched metal, here: a texture that is no paint, but can be matched."""
    scratched = 255 * rough.strokes(Rng((21,), CPU), torch.full((160, 160), 0.5)).clamp(0, 1).numpy()
    for name, values in (("ref.tif", scratched), ("def.tif", np.roll(scratched, (-2, 3), (0, 1)))):
        tifffile.imwrite(tmp_path / name, values.astype(np.float32))
    images = tmp_path / "ref.tif", tmp_path / "def.tif"
    with pytest.raises(MeasurementError, match="No speckled surface") as raised:
        measure(*images)
    assert raised.value.todo.endswith("--mask all")
    field = measure(*images, Settings(mask="all", roi=(20, 30, 100, 90)))
    assert field.mask[0].sum() == field.mask[0, 30:120, 20:120].sum() == 100 * 90
    assert field.valid[0].sum() > 0.98 * 100 * 90
    assert _rmse(field.u[0], 3.0, field.valid[0]) < 0.01
    assert _rmse(field.v[0], -2.0, field.valid[0]) < 0.01
    with pytest.raises(MeasurementError, match="holds 100 px of surface, and 256 are needed"):
        measure(*images, Settings(mask="all", roi=(20, 30, 10, 10)))
    with pytest.raises(FrameError, match="100,90,100,90 reaches beyond the image of 160 x 160 px"):
        measure(*images, Settings(mask="all", roi=(100, 90, 100, 90)))


def test_rigid_shifts() -> None:
    folder = EXAMPLES / "rigid_shift"
    truth = json.loads((folder / "truth.json").read_text())
    with pytest.warns(UserWarning, match="100.0% of the image") as warned:
        fields = list(measure_sequence(folder / "reference.png", [folder / name for name in truth]))
        measure(folder / "reference.png", folder / "reference.png", Settings(refine=False))
    assert [each.filename for each in warned] == [__file__] * 2  # where the user can do something about it
    for shift, field in zip(truth.values(), fields, strict=True):
        u, v = shift["u_px"], shift["v_px"]
        inner = field.valid[0].copy()
        inner[:RIM_PX], inner[-RIM_PX:], inner[:, :RIM_PX], inner[:, -RIM_PX:] = False, False, False, False
        assert inner.mean() > 0.7
        assert _rmse(field.u[0], u, inner) < 0.005
        assert _rmse(field.v[0], v, inner) < 0.005
        assert abs(field.u[0][inner].mean() - u) < 0.002
        assert abs(field.v[0][inner].mean() - v) < 0.002


def test_refinement_of_fresh_pairs() -> None:
    """The network halves the error of one window, and its uncertainty is what it says."""
    network, _ = weights.load_network("refinement", CPU)
    figures = refinement_figures(network, load_recipe(bundled_recipe("refinement")).synth, EVALUATION, 16)
    assert figures["mean_px"] < 0.6 * figures["one_window_px"]
    assert figures["mean_px"] <= figures["first_px"]
    assert 0.8 < figures["z"] < 1.25
