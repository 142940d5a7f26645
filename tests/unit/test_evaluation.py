"""The evaluations with methods whose errors are known."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
import torch
from torch import Tensor

from scorrnet_cli.errors import FrameError, MeasurementError, UsageError
from scorrnet_cli.evaluation.bias import bias_curves
from scorrnet_cli.evaluation.fields import CASES, SIZE_PX, field_figures
from scorrnet_cli.evaluation.methods import NAMES, Measured, Method, chosen, nothing, remembering, subsets
from scorrnet_cli.evaluation.noise_floor import noise_floor
from scorrnet_cli.evaluation.rendering import Pair
from scorrnet_cli.evaluation.sigma import EVERYTHING, sigma_figures
from scorrnet_cli.evaluation.synthetic import samples, synthetic_figures
from scorrnet_cli.evaluation.truth import compare, read_truth
from scorrnet_cli.field import Field
from scorrnet_cli.numerics.filters import gaussian


def _result(displacement: Tensor, sigma_px: float = math.nan) -> Measured:
    shown = displacement.float()
    return Measured(shown, torch.isfinite(shown).all(0), torch.full_like(shown, sigma_px))


def _noise(shape: tuple[int, ...], seed: int, window_px: float = 0.0) -> Tensor:
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    if window_px:
        noise = gaussian(noise, window_px)
        noise = noise / noise[:, 20:-20, 20:-20].std()
    return noise


class TestMethods:
    def test_names_are_chosen(self) -> None:
        assert chosen(None) == list(NAMES)
        assert chosen("network, scorrnet,network") == ["network", "scorrnet"]
        with pytest.raises(UsageError, match="no method 'mine'"):
            chosen("scorrnet,mine")

    def test_results_are_remembered_for_the_same_images(self) -> None:
        asked: list[Tensor] = []

        def method(reference: Tensor, deformed: Tensor, mask: Tensor) -> Measured:
            asked.append(deformed)
            return nothing(mask)

        remembered = remembering(method)
        images = [torch.zeros(4, 4) for _ in range(3)]
        mask = torch.ones(4, 4, dtype=torch.bool)
        first = remembered(images[0], images[1], mask)
        assert remembered(images[0], images[1], mask) is first
        remembered(images[0], images[2], mask)
        assert len(asked) == 2

    def test_subsets_measure_every_fifth_point_of_the_mask(self) -> None:
        image = 100 + 40 * _noise((1, 80, 90), 1, 1.5)[0]
        mask = torch.ones(80, 90, dtype=torch.bool)
        mask[:, :30] = False
        method = subsets(1, lambda *_: _result(torch.full((2, 80, 90), 0.2)))
        found = method(image, image, mask)
        assert found.step == 5
        rows, columns = torch.nonzero(found.valid, as_tuple=True)
        assert set((rows % 5).tolist()) == set((columns % 5).tolist()) == {0}
        assert int(columns.min()) == 30
        assert float(found.displacement[:, found.valid].abs().max()) < 0.005
        assert bool(torch.isnan(found.displacement[:, ~found.valid]).all())
        assert not bool(subsets(1, lambda *_: nothing(mask))(image, image, mask).valid.any())


class TestBias:
    SHIFTS = (0.0, 0.25, 0.5)

    def _curve(self, noise: float, error: Callable[[int], Tensor]) -> tuple[float, float, float, float, list[float]]:
        calls: list[int] = []

        def method(reference: Tensor, deformed: Tensor, mask: Tensor) -> Measured:
            shift = self.SHIFTS[len(calls)]
            calls.append(1)
            return _result(shift + error(len(calls)))

        (curve,) = bias_curves({"mine": method}, (noise,), self.SHIFTS, size_px=320)
        biases = [each.bias_u for each in curve.shifts]
        return curve.largest_bias_px, curve.std_px, curve.window_px2, curve.limit_px, biases

    def test_mean_and_spread(self) -> None:
        largest, std, window, limit, biases = self._curve(
            0.0, lambda call: 0.004 * call - 0.004 + 0.01 * _noise((2, 320, 320), call)
        )
        assert biases == pytest.approx([0.0, 0.004, 0.008], abs=2e-4)
        assert largest == pytest.approx(0.008, abs=2e-4)
        assert std == pytest.approx(0.01, rel=0.02)
        assert math.isnan(window)
        assert math.isnan(limit)

    def test_the_window_is_known_from_the_errors(self) -> None:
        _, std, window, limit, _ = self._curve(1.0, lambda call: 0.01 * _noise((2, 320, 320), call, 4.0))
        # a Gaussian of standard deviation s has the area 4 pi s^2
        assert window == pytest.approx(4 * math.pi * 16, rel=0.3)
        assert std == pytest.approx(0.01, rel=0.05)
        # sqrt(2) times 2 grey levels over slopes of 19 a px and the root of the area
        assert limit == pytest.approx(2**0.5 * 2 / (19 * math.sqrt(window)), rel=0.1)


def test_fields_are_judged_at_edges_and_against_the_unmoved_pair() -> None:
    cases = [CASES[0], CASES[-1]]
    calls: list[int] = []

    def method(reference: Tensor, deformed: Tensor, mask: Tensor) -> Measured:
        case = cases[len(calls)]
        calls.append(1)
        y, x = torch.meshgrid(*(torch.arange(SIZE_PX, dtype=torch.float64),) * 2, indexing="ij")
        truth = torch.stack(case.displacement(x, y))
        error = 0.01 if case.outline is None else torch.where(case.outline(x, y) > -5, 0.06, 0.02)
        return _result(truth + error)

    unmoved, strip = field_figures({"mine": method}, (1.0,), cases)
    assert unmoved.rmse_px == pytest.approx(0.01, rel=1e-3)
    assert math.isnan(unmoved.edge_rmse_px)
    assert strip.edge_rmse_px == pytest.approx(0.06, rel=1e-3)
    assert strip.interior_rmse_px == pytest.approx(0.02, rel=1e-3)
    assert strip.over_unmoved == pytest.approx(strip.rmse_px / 0.01, rel=1e-3)
    assert strip.edge_valid_share == 1.0


def test_sigma_is_compared_with_errors() -> None:
    flat = torch.zeros(100, 100)
    pair = Pair(flat, flat, flat == 0, torch.zeros(2, 100, 100, dtype=torch.float64))
    methods: dict[str, Method] = {
        "honest": lambda *_: _result(0.02 * _noise((2, 100, 100), 1), 0.02),
        "boasting": lambda *_: _result(0.02 * _noise((2, 100, 100), 1), 0.01),
        "silent": lambda *_: _result(0.02 * _noise((2, 100, 100), 1)),
    }
    found = {(each.method, each.case): each for each in sigma_figures(methods, [("one", [pair]), ("two", [pair])])}
    assert found["honest", "one"].std == pytest.approx(1.0, rel=0.03)
    assert found["honest", "one"].p95 == pytest.approx(1.96, rel=0.03)
    assert found["honest", "one"].over_3 == pytest.approx(0.0027, abs=0.002)
    assert found["boasting", EVERYTHING].std == pytest.approx(2.0, rel=0.03)
    assert found["boasting", EVERYTHING].sigma_median_px == pytest.approx(0.01)
    assert math.isnan(found["silent", "two"].std)
    assert ("silent", EVERYTHING) not in found


class TestNoiseFloor:
    MASK = torch.ones(120, 150, dtype=torch.bool)

    def test_space_and_time_are_told_apart(self) -> None:
        fixed = 0.02 * _noise((2, 120, 150), 1)
        numbers = iter(range(2, 100))
        frames = [("still", torch.zeros(120, 150))] * 6

        def method(reference: Tensor, deformed: Tensor, mask: Tensor) -> Measured:
            field = 0.1 + fixed + 0.01 * _noise((2, 120, 150), next(numbers))
            field[:, 3, 4] = math.nan
            return _result(field)

        floor = {each.quantity: each for each in noise_floor("mine", method, frames[0][1], frames, self.MASK)}
        assert floor["u"].mean == pytest.approx(0.1, abs=1e-3)
        assert floor["v"].spatial == pytest.approx(math.hypot(0.02, 0.01), rel=0.03)
        assert floor["v"].temporal == pytest.approx(0.01, rel=0.03)
        assert (floor["u"].frames, floor["u"].points) == (6, 120 * 150 - 1)
        slope = math.sqrt(12 / (25**2 * (25**2 - 1)))
        assert floor["exx"].spatial == pytest.approx(math.hypot(0.02, 0.01) * slope, rel=0.25)
        assert floor["eyy"].temporal == pytest.approx(0.01 * slope, rel=0.25)
        assert floor["exy"].temporal == pytest.approx(0.01 * slope / math.sqrt(2), rel=0.25)

    def test_a_frame_without_a_whole_window_spoils_nothing(self) -> None:
        fields = iter([_noise((2, 120, 150), 1), _noise((2, 120, 150), 2), _noise((2, 120, 150), 3)])

        def method(reference: Tensor, deformed: Tensor, mask: Tensor) -> Measured:
            field = 0.01 * next(fields)
            if deformed is flats[1]:
                field[:, ::20, ::20] = math.nan
            return _result(field)

        flats = [torch.zeros(120, 150) for _ in range(3)]
        named = list(zip("abc", flats, strict=True))
        floor = {each.quantity: each for each in noise_floor("mine", method, flats[0], named, self.MASK)}
        slope = math.sqrt(12 / (25**2 * (25**2 - 1)))
        assert floor["exx"].spatial == pytest.approx(0.01 * slope, rel=0.25)
        assert abs(floor["exx"].mean) < 0.01 * slope

    def test_one_frame_tells_nothing_of_time(self) -> None:
        flat = torch.zeros(120, 150)
        floor = noise_floor("mine", lambda *_: _result(_noise((2, 120, 150), 1)), flat, [("a", flat)], self.MASK)
        assert all(math.isnan(each.temporal) for each in floor)

    def test_nothing_measured_is_an_error(self) -> None:
        flat = torch.zeros(120, 150)
        with pytest.raises(MeasurementError, match=r"black\.png"):
            noise_floor("mine", lambda *_: nothing(self.MASK), flat, [("black.png", flat)], self.MASK)


class TestSynthetic:
    def test_samples_go_through_noise_and_speckle(self) -> None:
        drawn = list(samples(6, 64))
        assert [each.noise for each in drawn[:4]] == [(0.2, 0.5), (0.5, 1.0), (1.0, 2.0), (2.0, 4.0)]
        assert drawn[4].noise == drawn[0].noise
        assert drawn[4].dot_px != drawn[0].dot_px
        again = next(samples(1, 64))
        assert torch.equal(again.pair.deformed, drawn[0].pair.deformed)

    def test_errors_are_sorted_by_group(self) -> None:
        drawn = [each.pair for each in samples(16, 96)]

        def method(reference: Tensor, deformed: Tensor, mask: Tensor) -> Measured:
            truth = next(each.truth for each in drawn if torch.equal(each.reference, reference))
            error = torch.where(torch.hypot(*truth) < 4, 0.01, 0.5)
            return _result(truth + error)

        found = [each for each in synthetic_figures({"mine": method}, 16, 96) if each is not None]
        table = {(each.by, each.group): each for each in found}
        by = "displacement, px"
        for group, error in (("1 to 4", 0.01), ("4 to 16", 0.5), ("16 and more", 0.5)):
            assert table[by, group].mae_px == pytest.approx(error, rel=1e-3)
            assert table[by, group].rmse_px == pytest.approx(error, rel=1e-3)
            assert table[by, group].mae_filled_px == pytest.approx(error, rel=1e-3)
        whole = table["all", ""]
        assert whole.valid_share == 1.0
        for kind in (by, "gradient", "noise, grey levels", "speckle, px"):
            assert sum(each.points for (other, _), each in table.items() if other == kind) == whole.points


class TestTruth:
    def test_increments_are_not_judged_at_the_reference(self, make_field: Callable[[int, int, int], Field]) -> None:
        field = make_field(2, 40, 50)
        truth = np.stack([field.u, field.v], 1).astype(np.float64)
        assert all(each.mae_u == 0 for each in compare(field, truth))
        later = dataclasses.replace(field.deformed[1], reference_frame=0)
        settings = field.process.settings.but(increments=True)
        process = dataclasses.replace(field.process, settings=settings)
        increments = dataclasses.replace(field, deformed=(field.deformed[0], later), process=process)
        with pytest.raises(UsageError, match="from frame to frame"):
            compare(increments, truth)

    def test_every_layout_is_read(self, tmp_path: Path) -> None:
        u, v = np.random.default_rng(1).normal(size=(2, 40, 50))
        both = np.stack([u, v])
        np.save(tmp_path / "first.npy", both)
        np.save(tmp_path / "last.npy", np.moveaxis(both, 0, 2))
        np.savez(tmp_path / "named.npz", u=u, v=v)
        tifffile.imwrite(tmp_path / "image.tif", both.astype(np.float32), photometric="minisblack")
        for name, group in (("plain.h5", ""), ("ours.h5", "entry/displacement/")):
            with h5py.File(tmp_path / name, "w") as file:
                file[f"{group}u"], file[f"{group}v"] = u[None], v[None]
        for path in tmp_path.iterdir():
            read = read_truth(path)
            assert read.shape == (1, 2, 40, 50), path.name
            np.testing.assert_allclose(read[0], both, rtol=1e-6)
        sequence = np.stack([both, both, both])
        np.save(tmp_path / "sequence.npy", sequence)
        np.testing.assert_array_equal(read_truth(tmp_path / "sequence.npy"), sequence)

    @pytest.mark.parametrize(
        ("name", "part"),
        [
            ("none.npy", "no such truth file"),
            ("text.npy", "cannot be read"),
            ("text.npz", "cannot be read"),
            ("text.tif", "cannot be read"),
            ("text.h5", "cannot be read"),
            ("other.npz", "cannot be read"),
            ("flat.npy", "is no field"),
            ("text.csv", "No format"),
            *((name, "cannot be read") for name in ("empty.npy", "cut.npz", "npy.npz", "npz.npy", "group.h5")),
        ],
    )
    def test_what_is_no_truth_is_said(self, tmp_path: Path, name: str, part: str) -> None:
        if name.startswith("text"):
            (tmp_path / name).write_text("no field")
        np.savez(tmp_path / "other.npz", x=np.zeros((4, 4)))
        np.save(tmp_path / "flat.npy", np.zeros((40, 50)))
        (tmp_path / "empty.npy").touch()
        (tmp_path / "cut.npz").write_bytes((tmp_path / "other.npz").read_bytes()[:100])
        (tmp_path / "npy.npz").write_bytes((tmp_path / "flat.npy").read_bytes())
        (tmp_path / "npz.npy").write_bytes((tmp_path / "other.npz").read_bytes())
        with h5py.File(tmp_path / "group.h5", "w") as file:
            file.create_group("u")
            file.create_group("v")
        with pytest.raises(UsageError, match=part):
            read_truth(tmp_path / name)

    def test_a_result_is_judged(self, make_field: Callable[[int, int, int], Field]) -> None:
        field = make_field(2, 60, 70)
        truth = np.stack([field.u[0], field.v[0]]).astype(np.float64)[np.newaxis]
        truth = np.where(np.isfinite(truth), truth, 0.0)
        truth[0, :, :20] = np.nan  # not the specimen
        same, other = compare(field, truth + 0.25)
        assert same.mae_u == pytest.approx(0.25, rel=1e-5)
        counted = field.valid[0, 20:45, 15:55]
        assert same.valid_share == pytest.approx(counted.mean(), abs=0.05)
        assert other.mae_u > 0.5
        mask = np.zeros((60, 70), bool)
        mask[30:40, 30:40] = True
        (part, _) = compare(field, truth, mask)
        assert part.valid_share == pytest.approx(field.valid[0, 30:40, 30:40].mean(), abs=1e-9)

    def test_shapes_must_agree(self, make_field: Callable[[int, int, int], Field]) -> None:
        field = make_field(2, 60, 70)
        with pytest.raises(FrameError, match="70 x 60 px but the truth 60 x 70 px"):
            compare(field, np.zeros((1, 2, 70, 60)))
        with pytest.raises(UsageError, match="2 frames but the truth 3"):
            compare(field, np.zeros((3, 2, 60, 70)))
        with pytest.raises(UsageError, match=r"No point.*truth\.tif"):
            compare(field, np.full((1, 2, 60, 70), np.nan), source="truth.tif")

    def test_a_frame_of_which_nothing_is_known_spoils_no_other(
        self, make_field: Callable[[int, int, int], Field]
    ) -> None:
        field = make_field(2, 60, 70)
        truth = np.nan_to_num(np.stack([field.u, field.v], axis=1)).astype(np.float64)
        truth[0] = np.nan
        lost, other = compare(field, truth)
        assert math.isnan(lost.mae_u) and math.isnan(lost.valid_share)
        assert other.mae_u == pytest.approx(0.0, abs=1e-6)
