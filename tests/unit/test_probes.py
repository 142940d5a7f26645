"""Probes against fields known by formula, and their uncertainties against simulated errors."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from scorrnet_cli.averages import sigma_of_mean, sigma_of_mean_strain
from scorrnet_cli.errors import UsageError
from scorrnet_cli.field import Field, FrameInfo, Process
from scorrnet_cli.gauge import Strain, StrainSettings
from scorrnet_cli.layers import Extent, LayeredResult, Layers, open_layers
from scorrnet_cli.numerics.filters import gaussian
from scorrnet_cli.probes import Line, Point, Rectangle, profile, sample
from scorrnet_cli.settings import Settings
from scorrnet_cli.strain import doubts_within, strain, strain_of, strain_within, whole_of
from scorrnet_cli.writers import Header, add_strain, open_writer

H, W, T = 90, 120, 3
HOW = StrainSettings()
# u = a + b x + c y, v = d + e x + f y: slopes of frame t are t times these
B, C, E, F = 0.010, 0.004, -0.006, 0.020
SIGMA = 0.003


def affine(
    step: int, x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return 1.5 + step * (B * x + C * y), -0.5 + step * (E * x + F * y)


def affine_field() -> Field:
    """A field of three frames, affine, with a hole of 20 x 20 px at (50, 40)."""
    y, x = np.mgrid[:H, :W].astype(np.float64)
    valid = np.ones((T, H, W), bool)
    valid[:, 40:60, 50:70] = False
    both = [affine(step, x, y) for step in range(T)]
    sigma = np.where(valid, SIGMA, np.nan).astype(np.float32)
    u, v = (np.where(valid, np.stack(part), np.nan).astype(np.float32) for part in zip(*both, strict=True))
    process = Process("0", "2026-01-01T00:00:00+00:00", "cpu", {}, Settings())
    infos = tuple(FrameInfo(f"d{step}.png", "") for step in range(T))
    return Field(
        u,
        v,
        valid,
        valid,
        np.where(valid, 1, np.nan).astype(np.float32),
        sigma,
        sigma,
        np.zeros_like(valid),
        FrameInfo("r.png", ""),
        infos,
        process,
    )


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    field = affine_field()
    path = tmp_path_factory.mktemp("probes") / "affine.h5"
    with open_writer(path, Header((H, W), T, field.reference, field.process)) as writer:
        writer.append(field)
    return path


def layers_of(path: Path, index: int = T - 1, box: Extent | None = None) -> Layers:
    with open_layers(path) as opened:
        return opened.layers(index, box, for_means=True)


@pytest.mark.parametrize("place", [(10, 20), (33.25, 21.75), (118.9, 88.9), (0, 0), (W - 1, H - 1), (70, 45.5)])
def test_a_point_is_exact_on_an_affine_field(result: Path, place: tuple[float, float]) -> None:
    probe = Point("p", *place)
    for index in range(T):
        reading = probe.read(layers_of(result, index, probe.box), HOW)
        u, v = affine(index, *map(np.asarray, place))
        assert reading["u"] == pytest.approx(float(u), abs=1e-6)
        assert reading["v"] == pytest.approx(float(v), abs=1e-6)
        assert reading["sigma_u"] == pytest.approx(SIGMA)
        gradient = np.array([[B, C], [E, F]]) * index
        green = (gradient + gradient.T + gradient.T @ gradient) / 2
        assert [reading["exx"], reading["eyy"], reading["exy"]] == pytest.approx(
            [green[0, 0], green[1, 1], green[0, 1]], abs=1e-6
        )


def test_what_is_not_valid_is_nan_and_not_zero(result: Path) -> None:
    layers = layers_of(result)
    assert all(math.isnan(value) for value in Point("in the hole", 60, 50).read(layers, HOW).values())
    assert math.isnan(sample(layers, "u", 49.5, 50))  # half of it would come from the hole
    assert math.isfinite(sample(layers, "u", 49, 50))
    reading = Line("into the hole", 10, 50, 60, 50).read(layers, HOW)
    assert math.isnan(reading["strain"])
    assert math.isfinite(reading["u1"])
    assert math.isnan(reading["u2"])
    reading = Rectangle("in the hole", 52, 42, 10, 10).read(layers, HOW)
    assert reading.pop("points") == 0
    assert all(math.isnan(value) for value in reading.values())


def test_a_line_is_an_extensometer(result: Path) -> None:
    ends = (10.5, 12.25, 100.0, 80.0)
    reading = Line("l", *ends).read(layers_of(result), HOW)
    x, y = np.array(ends[::2]), np.array(ends[1::2])
    u, v = affine(T - 1, x, y)
    before, after = (math.hypot(*(np.diff(part)[0] for part in pair)) for pair in ((x, y), (x + u, y + v)))
    assert reading["length"] == pytest.approx(after, abs=1e-5)
    assert reading["elongation"] == pytest.approx(after - before, abs=1e-5)
    assert reading["strain"] == pytest.approx(after / before - 1, abs=1e-7)
    assert (reading["u1"], reading["v2"]) == pytest.approx((u[0], v[1]), abs=1e-6)
    assert reading["sigma_elongation"] == pytest.approx(math.sqrt(2) * SIGMA, rel=0.01)  # the ends are far apart
    assert reading["sigma_strain"] == pytest.approx(reading["sigma_elongation"] / before)


def _plain_layers(arrays: dict[str, NDArray[np.float64]], valid: NDArray[np.bool_]) -> Layers:
    planes = {name: values.astype(np.float32) for name, values in arrays.items()}
    return Layers(0, FrameInfo("", ""), Extent(0, 0, W, H), valid, valid, planes)


def test_the_ends_of_a_line_over_a_crack_err_each_by_itself() -> None:
    one = np.ones((H, W))
    arrays = {"u": 0 * one, "v": 0 * one, "sigma_u": SIGMA * one, "sigma_v": SIGMA * one}
    whole = np.ones((H, W), bool)
    cracked = whole.copy()
    cracked[28:32] = False
    line = Line("gauge", 40, 25, 40, 35)
    near, apart = (line.read(_plain_layers(arrays, valid), HOW)["sigma_elongation"] for valid in (whole, cracked))
    assert apart == pytest.approx(math.sqrt(2) * SIGMA)
    assert near < 0.75 * apart


@pytest.mark.parametrize("measure", ["green-lagrange", "euler-almansi"])
@pytest.mark.parametrize("turn_deg", [0, 90])
def test_the_mean_strain_of_a_long_rectangle_is_sure_along_it(measure: str, turn_deg: int) -> None:
    y, x = np.mgrid[:H, :W].astype(np.float64)
    c, s = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
    arrays = {"u": c * x - s * y - x, "v": s * x + c * y - y, "sigma_u": 0 * x, "sigma_v": 0 * x}
    arrays |= {f"noise_{name}": 0 * x + 1e-4 for name in ("exx", "eyy", "exy")}
    arrays |= dict.fromkeys(("exx", "eyy", "exy", "missed_exx", "missed_eyy", "missed_exy"), 0 * x)
    layers = _plain_layers(arrays, np.ones((H, W), bool))
    reading = Rectangle("bar", 5, 30, 80, 6).read(layers, replace(HOW, measure=measure))
    along, across = ("eyy", "exx") if measure == "euler-almansi" and turn_deg else ("exx", "eyy")
    # The mean of slopes along the bar is the difference of its ends; that of slopes across it has no such luck.
    assert reading[f"sigma_{along}"] < 0.6 * reading[f"sigma_{across}"]


def test_rotation_is_no_strain_of_a_line() -> None:
    turn = math.radians(40)
    y, x = np.mgrid[:H, :W].astype(np.float64)
    u, v = x * (math.cos(turn) - 1) - y * math.sin(turn), x * math.sin(turn) + y * (math.cos(turn) - 1)
    arrays = {"u": u, "v": v, "sigma_u": u * 0, "sigma_v": u * 0}
    all_true = np.ones((H, W), bool)
    layers = _plain_layers(arrays, all_true)
    assert Line("l", 5, 5, 80, 70).read(layers, HOW)["strain"] == pytest.approx(0, abs=1e-6)


def test_a_rectangle_averages_its_valid_points(result: Path) -> None:
    probe = Rectangle("r", 40, 30, 30, 20)
    reading = probe.read(layers_of(result, box=probe.box), HOW)
    y, x = np.mgrid[30:50, 40:70]
    outside = ~((y >= 40) & (x >= 50))
    u, v = affine(T - 1, x, y)
    assert reading["points"] == outside.sum() == 400
    assert reading["u"] == pytest.approx(u[outside].mean(), abs=1e-6)
    assert reading["v"] == pytest.approx(v[outside].mean(), abs=1e-6)
    assert reading["exx"] == pytest.approx(2 * B + 2 * B**2 + 2 * E**2, abs=1e-6)
    assert reading["sigma_u"] < SIGMA


def test_a_profile_goes_from_end_to_end(result: Path) -> None:
    line = Line("cut", 20, 30, 50, 70)  # 50 px
    values = profile(line, layers_of(result, box=line.box))
    assert values["distance"].tolist() == list(range(51))
    assert (values["x"][-1], values["y"][-1]) == pytest.approx((50, 70))
    known = np.isfinite(values["u"])
    u, v = affine(T - 1, values["x"], values["y"])
    assert np.abs(values["u"] - u)[known].max() < 1e-6
    assert np.abs(values["v"] - v)[known].max() < 1e-6
    assert known.sum() > 30


def write_uneven(path: Path, window_px: int) -> None:
    """Write a result whose displacement is rough, and a hundred times less sure on the right than on the left."""
    field = affine_field()
    process = replace(field.process, settings=replace(field.process.settings, strain_window_px=window_px))
    rng = np.random.default_rng(7)
    u, v = (part + rng.normal(0, 0.05, part.shape).astype(np.float32) for part in (field.u, field.v))
    level = np.geomspace(1e-3, 1e-1, W) * rng.uniform(0.5, 2, (T, H, W))
    sigma = np.where(field.valid, level, np.nan).astype(np.float32)
    with open_writer(path, Header((H, W), T, field.reference, process)) as writer:
        writer.append(replace(field, u=u, v=v, sigma_u=sigma, sigma_v=2 * sigma, process=process))


@pytest.mark.parametrize("window", [3, 25, 41])
@pytest.mark.parametrize(
    "probe",
    [Point("p", 30.5, 20.5), Point("corner", 119, 89), Rectangle("r", 80, 50, 20, 20)],
    ids=lambda probe: probe.name,
)
def test_a_part_gives_the_same_as_the_whole_and_as_stored(
    tmp_path: Path, probe: Point | Rectangle, window: int
) -> None:
    uneven, stored = tmp_path / "uneven.h5", tmp_path / "stored.h5"
    write_uneven(uneven, window)
    with open_layers(uneven) as opened:
        how = opened.gauge
    add_strain(uneven, how, strain_of, stored)
    readings = []
    for path in (stored, uneven):
        for box in (None, probe.box):
            with open_layers(path) as opened:
                readings.append(probe.read(opened.layers(T - 1, box, for_means=probe.of_means), how))
    assert math.isfinite(readings[0]["exx"])
    assert math.isfinite(readings[0]["sigma_exy"])
    for reading in readings[1:]:
        assert reading == pytest.approx(readings[0], rel=2e-7, abs=1e-12)


def correlated(rng: np.random.Generator, count: int, side: int, averaging_px: float) -> NDArray[np.float32]:
    """White noise filtered with a Gaussian, of unit variance, (count, side, side)."""
    margin = math.ceil(4 * averaging_px)
    white = torch.from_numpy(rng.normal(size=(count, side + 2 * margin, side + 2 * margin)).astype(np.float32))
    inner = gaussian(white, averaging_px)[:, margin:-margin, margin:-margin].numpy()
    noise: NDArray[np.float32] = (inner * math.sqrt(4 * math.pi) * averaging_px).astype(np.float32)
    return noise


SIDE, COUNT, LEVEL = 56, 200, 0.01
SMALL = StrainSettings(window_px=15, averaging_px=4.0, measure="small")


@pytest.fixture(scope="module")
def noisy() -> tuple[NDArray[np.float32], Strain]:
    """Displacement along x that is all error, (COUNT, SIDE, SIDE), and the strain taken from such u and v."""
    noise = LEVEL * correlated(np.random.default_rng(3), 2 * COUNT, SIDE, SMALL.averaging_px)
    u, v = noise[:COUNT], noise[COUNT:]
    level = np.full(u.shape, LEVEL, np.float32)
    return u, strain(u, v, np.ones(u.shape, bool), SMALL, (level, level))


@pytest.mark.parametrize(("width", "height"), [(1, 1), (8, 8), (32, 12)])
def test_the_stated_uncertainty_of_means_is_that_of_simulated_errors(
    noisy: tuple[NDArray[np.float32], Strain], width: int, height: int
) -> None:
    u, taken = noisy
    rows, columns = (slice((SIDE - size) // 2, (SIDE - size) // 2 + size) for size in (height, width))
    inside = (slice(None), rows, columns)
    stated = sigma_of_mean(np.full((height, width), LEVEL, np.float32), SMALL)
    assert u[inside].mean((1, 2)).std() == pytest.approx(stated, rel=0.12)
    for name, along_x in (("exx", 1.0), ("eyy", 0.0), ("exy", 0.5)):
        noise = getattr(taken, f"sigma_{name}")[inside][0]
        stated = sigma_of_mean_strain(noise, 0 * noise, SMALL, along_x)
        assert getattr(taken, name)[inside].mean((1, 2)).std() == pytest.approx(stated, rel=0.2), name


@pytest.mark.parametrize("along", ["x", "y"])
@pytest.mark.parametrize("reach_px", [8.0, 15.0, 30.0])
def test_what_the_gauge_blunts_of_a_peak_does_not_average_out(reach_px: float, along: str) -> None:
    side, level = 120, 5e-4
    how = StrainSettings(averaging_px=4.0, measure="small")
    at = torch.arange(side, dtype=torch.float64) - side // 2
    true = 0.01 * torch.exp(-0.5 * (at / reach_px) ** 2).numpy()
    moved = 0.01 * reach_px * math.sqrt(math.pi / 2) * torch.erf(at / (reach_px * math.sqrt(2)))
    noise = level * correlated(np.random.default_rng(11), 2 * 5, side, how.averaging_px)
    x, y = (moved.numpy()[None, :], 0.0) if along == "x" else (0.0, moved.numpy()[:, None])
    there, stated_px = np.ones((1, side, side), bool), np.full((1, side, side), level, np.float32)
    like = affine_field()
    fields = [
        Field(
            (noise[index] + x).astype(np.float32)[None],
            (noise[5 + index] + y).astype(np.float32)[None],
            there,
            there,
            stated_px,
            stated_px,
            stated_px,
            ~there,
            like.reference,
            like.deformed[:1],
            like.process,
        )
        for index in range(5)
    ]
    for width in (10, 40, 80):
        part = slice((side - width) // 2, (side - width) // 2 + width)
        ratios = []
        for field in fields:
            reasons = doubts_within(field, how, part, part, whole_of(field))
            noisy, missed = (doubt[0] if along == "x" else doubt[1].T for doubt in reasons)
            found = getattr(strain_within(field, how, part, part, whole_of(field)), f"e{along}{along}")
            stated = sigma_of_mean_strain(noisy, missed, how, 1.0)
            ratios.append((found.mean() - true[part].mean()) / stated)
        assert 0.5 < math.sqrt(np.mean(np.square(ratios))) < 1.6, width


def test_gaps_make_a_mean_less_certain() -> None:
    sigma = np.full((40, 40), 0.01, np.float32)
    some = sigma.copy()
    some[:, 10:] = np.nan
    how = StrainSettings(averaging_px=3.0)
    assert sigma_of_mean(sigma, how) < sigma_of_mean(some, how) < 0.01
    assert math.isnan(sigma_of_mean(sigma * np.nan, how))


@pytest.mark.parametrize(
    "probe", [Point("far", 119.5, 20), Line("far", -0.5, 2, 50, 50), Rectangle("far", 100, 0, 21, 5)]
)
def test_a_probe_outside_the_image_is_refused(probe: Point | Line | Rectangle) -> None:
    with pytest.raises(UsageError, match=r"does not lie within the image \(far\).*120 x 90"):
        probe.check((H, W))
    Point("corner", W - 1, H - 1).check((H, W))


def test_lines_and_rectangles_need_a_size() -> None:
    with pytest.raises(UsageError, match="two different ends"):
        Line("l", 5, 5, 5, 5)
    with pytest.raises(UsageError, match="at least 1 px"):
        Rectangle("r", 5, 5, 0, 5)


def test_failed_frames_stay_empty(tmp_path: Path) -> None:
    field = affine_field()
    failed = replace(field.deformed[1], failure="too dark")
    gap = Field.empty(field.mask[0], field.reference, failed, field.process)
    with open_writer(tmp_path / "a.h5", Header((H, W), 1, field.reference, field.process)) as writer:
        writer.append(gap)
    with open_layers(tmp_path / "a.h5") as opened:
        assert isinstance(opened, LayeredResult)
        reading = Rectangle("r", 5, 5, 20, 20).read(opened.layers(0, for_means=True), HOW)
    assert reading.pop("points") == 0
    assert all(math.isnan(value) for value in reading.values())
