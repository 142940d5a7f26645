"""The example sets: the script makes the committed files, and the images hold the displacement that the truth tells.

The images are judged without any part of scorrnet: a quintic spline samples the deformed image where the truth says.
"""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

EXAMPLES = Path(__file__).parents[2] / "examples"
RIM_PX = 8
BLOCK_PX = 32


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    """Return examples/make_examples.py as a module."""
    spec = importlib.util.spec_from_file_location("make_examples", EXAMPLES / "make_examples.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def _image(name: str) -> NDArray[np.uint8]:
    with Image.open(EXAMPLES / name) as image:
        assert image.mode == "L"
        return np.asarray(image)


def _truth(name: str) -> NDArray[np.float32]:
    with np.load(EXAMPLES / name) as arrays:
        assert sorted(arrays) == ["u", "v"]
        truth = np.stack([arrays["u"], arrays["v"]])
    assert truth.dtype == np.float32
    return truth


def _pairs() -> list[tuple[str, str, str]]:
    rigid = [("rigid_shift", "reference.png", f"deformed_{number}.png") for number in (1, 2, 3)]
    return [*rigid, ("star", "reference.png", "deformed.png"), ("plate_hole", "reference.png", "deformed.png")]


def _field(folder: str, deformed: str) -> NDArray[np.float32]:
    if folder != "rigid_shift":
        return _truth(f"{folder}/truth.npz")
    shift = json.loads((EXAMPLES / folder / "truth.json").read_text(encoding="utf-8"))[deformed]
    field = np.empty((2, *_image(f"{folder}/{deformed}").shape), dtype=np.float32)
    field[0], field[1] = shift["u_px"], shift["v_px"]
    return field


class Comparison:
    """Reference and deformed image, sampled with a quintic spline at X + u(X), where both are surely the surface."""

    def __init__(self, folder: str, reference: str, deformed: str) -> None:
        self.reference = _image(f"{folder}/{reference}").astype(np.float64)
        self._spline = ndimage.spline_filter(_image(f"{folder}/{deformed}").astype(np.float64), 5, mode="mirror")
        self.field = _field(folder, deformed).astype(np.float64)
        height, width = self.reference.shape
        self._y, self._x = np.mgrid[:height, :width].astype(np.float64)
        at_x, at_y = self._x + self.field[0], self._y + self.field[1]
        seen = (at_x > RIM_PX) & (at_x < width - 1 - RIM_PX) & (at_y > RIM_PX) & (at_y < height - 1 - RIM_PX)
        surface = ndimage.binary_erosion(np.isfinite(self.field[0]), iterations=RIM_PX)
        self.where: NDArray[np.bool_] = seen & surface
        self.noise = math.sqrt(2 * np.mean(1.0 + 0.024 * self.reference[self.where]))

    def difference(self, off_u: float = 0.0, off_v: float = 0.0) -> NDArray[np.float64]:
        """Deformed minus reference at the points `where`, the truth put off by (off_u, off_v) px."""
        at = (self._y + self.field[1] + off_v, self._x + self.field[0] + off_u)
        points = [axis[self.where] for axis in at]
        sampled: NDArray[np.float64] = ndimage.map_coordinates(self._spline, points, order=5, prefilter=False)
        return sampled - self.reference[self.where]

    def rms(self, off_u: float = 0.0, off_v: float = 0.0) -> float:
        """Root mean square of the difference, grey levels."""
        return float(np.sqrt(np.mean(self.difference(off_u, off_v) ** 2)))


@pytest.mark.parametrize(("folder", "reference", "deformed"), _pairs())
def test_images_hold_the_true_displacement(folder: str, reference: str, deformed: str) -> None:
    pair = Comparison(folder, reference, deformed)
    assert pair.where.mean() > 0.4
    rms = pair.rms()
    assert 0.8 * pair.noise < rms < 1.15 * pair.noise
    for off in ((0.1, 0.0), (-0.1, 0.0), (0.0, 0.1), (0.0, -0.1)):
        assert pair.rms(*off) > 1.25 * rms


@pytest.mark.parametrize(("folder", "reference", "deformed"), _pairs())
def test_truth_has_no_bias_anywhere(folder: str, reference: str, deformed: str) -> None:
    pair = Comparison(folder, reference, deformed)
    difference = np.zeros(pair.where.shape)
    difference[pair.where] = pair.difference()
    # slopes of the reference at its own pixels: their noise goes with none of the difference, so it makes no bias
    step = np.array([-1.0, 8.0, 0.0, -8.0, 1.0]) / 12
    slopes = [np.where(pair.where, ndimage.convolve1d(pair.reference, step, axis), 0.0) for axis in (1, 0)]

    def error(part: tuple[slice, slice]) -> NDArray[np.float64]:
        """Least-squares estimate of truth minus what the images hold, px."""
        basis = np.stack([slope[part].ravel() for slope in slopes])
        found: NDArray[np.float64] = np.linalg.solve(basis @ basis.T, basis @ difference[part].ravel())
        return found

    assert np.abs(error((slice(None), slice(None)))).max() < 0.0015
    height, width = pair.where.shape
    blocks = [np.s_[y : y + BLOCK_PX, x : x + BLOCK_PX] for y in range(0, height, 32) for x in range(0, width, 32)]
    errors = [error(block) for block in blocks if pair.where[block].mean() > 0.5]
    assert len(errors) > 20
    assert np.abs(errors).max() < 0.02


def test_mask_is_the_strip_without_its_hole() -> None:
    mask = _image("plate_hole/mask.png")
    assert set(np.unique(mask)) == {0, 255}
    plate = mask == 255
    y, x = np.mgrid[:512, :512]
    radius = np.hypot(x - 252.0, y - 257.0)
    strip = np.abs(x - 252.0) <= 153.6
    assert not plate[radius < 44.6].any()
    assert plate[strip & (radius > 46.0)].all()
    assert not plate[np.abs(x - 252.0) > 154.2].any()
    assert (~plate & strip).sum() == pytest.approx(math.pi * 45.3**2, rel=0.003)
    truth = _truth("plate_hole/truth.npz")
    assert np.array_equal(np.isfinite(truth), np.stack([plate, plate]))


def test_mask_agrees_with_the_image() -> None:
    reference, mask = _image("plate_hole/reference.png").astype(np.float64), _image("plate_hole/mask.png") == 255
    contrast = ndimage.generic_gradient_magnitude(reference, ndimage.sobel) / 8
    inside = ndimage.binary_erosion(mask, iterations=4)
    outside = ndimage.binary_erosion(~mask, iterations=4, border_value=1)
    assert np.sqrt(np.mean(contrast[inside] ** 2)) > 3 * np.sqrt(np.mean(contrast[outside] ** 2))


def test_background_moves_on_its_own() -> None:
    reference, deformed = (_image(f"plate_hole/{name}.png").astype(np.float64) for name in ("reference", "deformed"))
    here = np.s_[5:490, 10:92]
    moved = np.s_[19:504, 1:83]
    assert np.std(deformed[moved] - reference[here]) < 1.1 * math.sqrt(2 * np.mean(1.0 + 0.024 * reference[here]))
    assert np.std(deformed[here] - reference[here]) > 15
    assert np.std(deformed[5:490, 22:104] - reference[here]) > 15


def test_unmoved_star_differs_by_noise_alone() -> None:
    reference, unmoved = (_image(f"star/{name}.png").astype(np.float64) for name in ("reference", "unmoved"))
    difference = unmoved - reference
    assert np.std(difference) == pytest.approx(2 * math.sqrt(2), rel=0.1)
    bright, dark = reference > 150, reference < 70
    assert np.std(difference[bright]) > 1.2 * np.std(difference[dark])
    assert abs(np.mean(difference)) < 0.02
    along = np.mean(difference[:, 1:] * difference[:, :-1]) / np.var(difference)
    assert abs(along) < 0.01


def test_plate_truth_is_kirschs() -> None:
    u, v = _truth("plate_hole/truth.npz").astype(np.float64)
    turn = np.exp(-1j * math.radians(1.0))
    y, x = np.mgrid[:512, :512]
    at = (x - 252.0) + 1j * (y - 257.0)
    pulled = (at + u + 1j * v - (12.4 - 7.3j)) * turn - at
    strain, radius = 0.0195, 45.3
    rim = np.isfinite(u) & (np.abs(at) < radius + 1.0)
    angle = np.angle(at[rim] / 1j)  # from the pull, which is along y
    radial = (pulled[rim] * at[rim].conj() / np.abs(at[rim])).real
    np.testing.assert_allclose(radial, strain * radius * (1 + 2 * np.cos(2 * angle)), atol=0.06)
    ahead, astern = pulled[258, 252 + 46], pulled[256, 252 + 46]
    assert (ahead - astern).imag / 2 == pytest.approx(3 * strain, rel=0.06)  # the stress concentration
    r, theta, kappa = np.maximum(np.abs(at) / radius, 0.1), np.angle(at / 1j), (3 - 0.33) / (1 + 0.33)
    along = r * (kappa + 1) * np.cos(theta) + 2 / r * ((1 + kappa) * np.cos(theta) + np.cos(3 * theta))
    across = r * (kappa - 3) * np.sin(theta) + 2 / r * ((1 - kappa) * np.sin(theta) + np.sin(3 * theta))
    polar = along - 2 / r**3 * np.cos(3 * theta) + 1j * (across - 2 / r**3 * np.sin(3 * theta))
    plate = np.isfinite(u)
    expected = 1j * polar * strain * radius * (1 + 0.33) / 4
    np.testing.assert_allclose(pulled[plate], expected[plate], rtol=0, atol=3e-5)
    assert np.abs(expected[plate].imag).max() > 5


def test_star_truth_is_that_of_the_challenge() -> None:
    u, v = _truth("star/truth.npz")
    y, x = np.mgrid[:251, :1000]
    assert not u.any()
    np.testing.assert_allclose(v, 0.5 * np.cos(2 * np.pi * (y - 125) / (10 + 140 * x / 999)), rtol=0, atol=1e-5)


def test_script_makes_the_rigid_set(script: ModuleType, tmp_path: Path) -> None:
    script.make_rigid_shift(tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {path.name for path in (EXAMPLES / "rigid_shift").iterdir()}
    for name in sorted(names - {"truth.json"}):
        with Image.open(tmp_path / name) as image:
            assert np.array_equal(np.asarray(image), _image(f"rigid_shift/{name}")), name
    made, kept = (json.loads((folder / "truth.json").read_text()) for folder in (tmp_path, EXAMPLES / "rigid_shift"))
    assert made == kept


def test_script_makes_the_star(script: ModuleType) -> None:
    rows = (112, 136)
    speckle = script.Speckle.scatter(script.STAR_SHAPE, script.STAR_SEED)

    def back(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        material: tuple[NDArray[np.float64], NDArray[np.float64]] = script.invert(x, y, script.star_displacement)
        return material

    for name, view, seed in (("reference", script.still, 1), ("unmoved", script.still, 2), ("deformed", back, 3)):
        picture = np.zeros(script.STAR_SHAPE)
        picture[slice(*rows)] = script.render(speckle.painted, view, script.STAR_SHAPE, rows)[0]
        made = script.photograph(picture, script.STAR_SEED + seed)[slice(*rows)]
        assert np.array_equal(made, _image(f"star/{name}.png")[slice(*rows)]), name
    assert np.array_equal(script.truth_of(script.star_displacement, script.STAR_SHAPE), _truth("star/truth.npz"))


def test_script_makes_the_plate(script: ModuleType) -> None:
    rows = (216, 248)  # through the hole
    speckle = script.Speckle.scatter(script.PLATE_SHAPE, script.PLATE_SEED)

    def back(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        material: tuple[NDArray[np.float64], NDArray[np.float64]] = script.invert(x, y, script.plate_displacement)
        return material

    views = (("reference", script.still, (0.0, 0.0), 1), ("deformed", back, script.BACKGROUND_SHIFT_PX, 2))
    for name, view, shift, seed in views:
        picture = np.zeros(script.PLATE_SHAPE)
        picture[slice(*rows)] = script.plate_picture(speckle, view, shift, rows)
        made = script.photograph(picture, script.PLATE_SEED + seed)[slice(*rows)]
        assert np.array_equal(made, _image(f"plate_hole/{name}.png")[slice(*rows)]), name
    mask = script.plate_mask()
    assert np.array_equal(np.where(mask, 255, 0), _image("plate_hole/mask.png"))
    truth = script.truth_of(script.plate_displacement, script.PLATE_SHAPE)
    assert np.array_equal(np.where(mask, truth, np.float32(np.nan)), _truth("plate_hole/truth.npz"), equal_nan=True)


def test_inverse_is_exact(script: ModuleType) -> None:
    rng = np.random.default_rng(0)
    for displacement, (height, width) in (
        (script.star_displacement, script.STAR_SHAPE),
        (script.plate_displacement, script.PLATE_SHAPE),
    ):
        x, y = width * rng.random(5000), height * rng.random(5000)
        material_x, material_y = script.invert(x, y, displacement)
        u, v = displacement(material_x, material_y)
        np.testing.assert_allclose(material_x + u, x, rtol=0, atol=1e-9)
        np.testing.assert_allclose(material_y + v, y, rtol=0, atol=1e-9)


def test_speckle_covers_half(script: ModuleType) -> None:
    speckle = script.Speckle.scatter((256, 256), 5)
    x, y = np.meshgrid(np.arange(0, 256, 0.25), np.arange(0, 256, 0.25))
    ink = speckle.ink(x, y)
    assert ink.mean() == pytest.approx(0.5, abs=0.02)
    nearest = np.min(
        [np.hypot(x - cx, y - cy) - r for cx, cy, r in speckle.discs[:-1] if abs(cx - 50) < 14 and abs(cy - 50) < 14],
        axis=0,
    )
    part = np.s_[160:240, 160:240]  # 40 to 60 px
    np.testing.assert_allclose(ink[part], np.clip(0.5 - 8 * nearest[part], 0, 1), atol=1e-12)


def test_examples_are_small() -> None:
    assert sum(path.stat().st_size for path in EXAMPLES.glob("*/*") if path.name != "result.png") < 2_500_000
