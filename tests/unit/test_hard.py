"""The test bed of hard cases: exact rendering, cases of every kind, figures and bars that can be wrong."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from scorrnet_cli.errors import UsageError
from scorrnet_cli.evaluation.fields import affine
from scorrnet_cli.evaluation.hard import outlines
from scorrnet_cli.evaluation.hard.backdrops import backdrop
from scorrnet_cli.evaluation.hard.bars import bars
from scorrnet_cli.evaluation.hard.bed import FOUND, GIVEN, Points, Trial, kind_figures
from scorrnet_cli.evaluation.hard.bodies import Body, Cutout, cut_out, true_field
from scorrnet_cli.evaluation.hard.case import Case
from scorrnet_cli.evaluation.hard.cases import CASES, chosen
from scorrnet_cli.evaluation.hard.motions import lip, shear_band, shift, summed, waves
from scorrnet_cli.evaluation.hard.optics import Camera, expose
from scorrnet_cli.evaluation.rendering import Displacement, invert
from scorrnet_cli.evaluation.speckle import scatter_disks

SHAPE = (48, 64)


def grid(height: int = SHAPE[0], width: int = SHAPE[1]) -> tuple[Tensor, Tensor]:
    y, x = torch.meshgrid(
        torch.arange(height, dtype=torch.float64), torch.arange(width, dtype=torch.float64), indexing="ij"
    )
    return x, y


class TestBodies:
    def test_a_whole_shift_moves_the_picture(self) -> None:
        disks = scatter_disks(SHAPE, 1)
        body = Body(outlines.plate((26.0, 22.0), (12.0, 10.0), 20.0), shift(7.0, -4.0))
        still, moved = (cut_out(SHAPE, disks, [body], moved=moved) for moved in (False, True))
        for before, after in zip(still, moved, strict=True):
            torch.testing.assert_close(after.roll((4, -7), (0, 1))[8:40, 8:50], before[8:40, 8:50], atol=1e-9, rtol=0)

    def test_parts_that_touch_leave_no_seam(self) -> None:
        disks = scatter_disks(SHAPE, 2)
        plate = outlines.plate((31.5, 23.5), (24.0, 18.0))
        left, right = outlines.half_plane((30.3, 23.0), 70.0), outlines.half_plane((30.3, 23.0), 250.0)
        parts = [Body(outlines.cut(plate, other), shift(0.0, 0.0)) for other in (left, right)]
        whole = cut_out(SHAPE, disks, [Body(plate, shift(0.0, 0.0))], moved=False)
        torch.testing.assert_close(cut_out(SHAPE, disks, parts, moved=False).paint, whole.paint, atol=1e-3, rtol=0)
        assert float(whole.cover.sum()) == pytest.approx(4 * 24 * 18, rel=1e-3)
        mask, _ = true_field(SHAPE, parts)
        assert torch.equal(mask, true_field(SHAPE, [Body(plate, shift(0.0, 0.0))])[0])

    def test_the_truth_is_that_of_each_body(self) -> None:
        bodies = [
            Body(outlines.disk((15.0, 20.0), 9.0), shift(1.0, 2.0)),
            Body(outlines.disk((45.0, 20.0), 9.0), shift(-3.0, 0.5)),
        ]
        mask, field = true_field(SHAPE, bodies)
        assert field[:, 20, 15].tolist() == [1.0, 2.0]
        assert field[:, 20, 45].tolist() == [-3.0, 0.5]
        assert bool(field[:, ~mask].isnan().all())


@pytest.mark.parametrize(
    "displacement",
    [
        summed(shift(3.0, -2.0), waves(1.5, 32.0, 15.0)),
        shear_band((30.0, 20.0), 100.0, 9.0, 12.0),
        lip((20.0, 25.0), -70.0, 14.0, 70.0),
        affine(0.8, 45.0, (1.3, -2.6)),
    ],
)
def test_motions_can_be_inverted(displacement: Displacement) -> None:
    x, y = grid()
    u, v = displacement(x, y)
    back_x, back_y = invert(x + u, y + v, displacement)
    torch.testing.assert_close(back_x, x, atol=1e-6, rtol=0)
    torch.testing.assert_close(back_y, y, atol=1e-6, rtol=0)


def test_a_crack_opens_in_front_of_its_tip_alone() -> None:
    x, y = grid()
    right, left = (lip((20.0, 24.0), 0.0, sign * 6.0, 10.0)(x, y)[1] for sign in (1, -1))
    assert bool((right[:, :20] == 0).all())
    assert float((right - left)[24, 60]) == pytest.approx(6.0, abs=1e-3)


class TestCamera:
    def specimen(self, cover: float) -> Cutout:
        flat = torch.full(SHAPE, cover, dtype=torch.float64)
        return Cutout(torch.zeros_like(flat), flat, torch.zeros_like(flat))

    def test_what_is_covered_does_not_depend_on_what_is_behind(self) -> None:
        behind = [torch.full(SHAPE, level, dtype=torch.float64) for level in (10.0, 240.0)]
        hidden = [expose(Camera(), self.specimen(1.0), each, 1, deformed=True) for each in behind]
        assert torch.equal(*hidden)
        half = [expose(Camera(noise=0.0), self.specimen(0.5), each, 1, deformed=True) for each in behind]
        assert float(half[0][0, 0]) == (190 + 10) / 2
        assert float(half[1][0, 0]) == (190 + 240) / 2

    def test_noise_saturation_and_blur(self) -> None:
        nothing = torch.zeros(200, 200, dtype=torch.float64)
        grey = expose(Camera(noise=4.0), Cutout(nothing, nothing, nothing), nothing + 100.0, 1, deformed=False)
        assert float(grey.std()) == pytest.approx(4.0, rel=0.03)
        bright = expose(Camera(), Cutout(nothing, nothing, nothing), nothing + 300.0, 1, deformed=False)
        assert float(bright.min()) == 255.0
        point = nothing.clone()
        point[100, 100] = 200.0
        still = Camera(defocus_px=3.0, smear_px=5, noise=0.0)
        for deformed in (False, True):
            spread = expose(still, Cutout(nothing, nothing, nothing), point * 20, 1, deformed=deformed)
            assert float((spread.sum(0) * torch.arange(200)).sum() / spread.sum()) == pytest.approx(100.0, abs=1e-6)
            assert int((spread.sum(0) > 0).sum()) == (11 if deformed else 7)


class TestCases:
    def test_they_stay_as_they_are(self) -> None:
        assert [case.number for case in CASES] == list(range(len(CASES)))
        kinds = {(case.group, case.kind) for case in CASES}
        assert len(kinds) == len({kind for _, kind in kinds}), "a kind that two groups share cannot be asked for"
        for group, kind in kinds:
            assert sum((case.group, case.kind) == (group, kind) for case in CASES) >= 2

    def test_displacements_are_those_of_their_kind(self) -> None:
        ranges = {"to 32 px": (16.0, 36.0), "32 to 64 px": (32.0, 70.0)}
        for case in CASES:
            if case.kind in ranges:
                low, high = ranges[case.kind]
                mask, truth = true_field((case.size_px, case.size_px), case.bodies)
                moved = torch.hypot(*truth)[mask]
                assert low < float(moved.median()) < high

    def test_a_pair_is_drawn_again_the_same(self) -> None:
        (case, *_) = chosen("newspaper")
        body = Body(outlines.disk((24.0, 24.0), 14.0), shift(1.2, 0.3))
        case = replace(case, size_px=48, bodies=(body,))
        first, again = case.render(), case.render()
        for one, other in zip(first, again, strict=True):
            torch.testing.assert_close(one, other, atol=0, rtol=0, equal_nan=True)
        other_case = replace(case, number=case.number + 1).render()
        assert not torch.equal(first.reference, other_case.reference)

    def test_choosing(self) -> None:
        assert chosen(None) == list(CASES)
        assert {case.kind for case in chosen("gravel, thin")} == {"gravel", "thin"}
        assert {case.group for case in chosen("speckle")} == {"speckle"}
        with pytest.raises(UsageError, match="no kind 'magic'"):
            chosen("thin,magic")


@pytest.mark.parametrize("kind", ["newspaper", "fabric", "gravel", "speckle", "plain", "stripes"])
def test_backgrounds(kind: str) -> None:
    drawn, again, other = (backdrop(kind, 96, number) for number in (3, 3, 4))
    assert drawn.shape == (96, 96)
    assert 0.0 <= float(drawn.min()) <= float(drawn.max()) <= 255.0
    assert torch.equal(drawn, again)
    assert not torch.equal(drawn, other)
    if kind != "plain":
        assert float(drawn.std()) > 5.0


def points(network: list[float], refined: list[float], moved: float = 5.0, slope: float = 0.0) -> Points:
    known = torch.tensor(network)
    return Points(known, torch.tensor(refined), torch.full_like(known, moved), torch.full_like(known, slope))


def trial(case: Case, found: Points, given: Points, iou: float = 1.0) -> Trial:
    mask = torch.ones(10, 10, dtype=torch.bool)
    seen = torch.arange(100).view(10, 10) < 100 * iou
    picture = torch.zeros(10, 10)
    return Trial(case, picture, picture, mask, seen, picture, {FOUND: found, GIVEN: given})


CASE = Case("background", "gravel", 0, ())
NAN = math.nan


class TestFigures:
    def test_by_kind(self) -> None:
        one = trial(CASE, points([0.1, 0.3, NAN, 2.0], [0.3, 0.0, NAN, NAN]), points([0.1] * 4, [0.01] * 4), 0.9)
        two = trial(CASE, points([0.2], [0.05]), points([0.1], [0.01]), 0.8)
        found, given, *rest = kind_figures([one, two])
        assert [each.group for each in rest] == ["all", "all"]
        assert (found.mask, given.mask, found.pairs) == ("found", "true", 2)
        assert found.iou == pytest.approx(0.85)
        assert found.least_iou == pytest.approx(0.8)
        assert found.network_mean_px == pytest.approx((0.1 + 0.3 + 2.0 + 0.2) / 4)
        assert found.network_below_1px == pytest.approx(3 / 5)
        assert found.valid_share == pytest.approx(3 / 5)
        assert found.below_01px == pytest.approx(2 / 5)
        assert found.rmse_px == pytest.approx(math.sqrt((0.3**2 + 0.05**2) / 3 / 2))

    def test_bars_take_the_points_that_they_are_for(self) -> None:
        good = points([0.01] * 1000, [0.001] * 1000)
        far = points([0.5] * 97 + [3.0] * 3, [0.001] * 100, moved=50.0)
        steep = points([9.0] * 100, [0.001] * 100, slope=0.5)
        turned = points([9.0] * 100, [0.05] * 96 + [0.2] * 4, slope=0.5)
        mine = [trial(CASE, each, each, 0.95) for each in (good, far, steep)]
        mine.append(trial(Case("motion", "stretch of 30 to 80 %", 1, ()), turned, turned))
        table = {(bar.what.split(":")[0], bar.quantity): bar for bar in bars(mine, 0.004)}
        assert table["to 32 px, gradients to 0.3", "median"].holds
        assert table["to 32 px, gradients to 0.3", "below 1 px"].given == 1.0
        assert table["32 to 64 px", "below 1 px"].given == pytest.approx(0.97)
        assert table["32 to 64 px", "below 1 px"].holds is False
        turn = table["rotation of 20 to 45 degrees, stretch of 30 to 80 %", "below 0.1 px"]
        assert turn.given == pytest.approx(0.96)
        assert turn.holds
        assert table["noise of 2 grey levels, to 32 px", "RMSE over valid"].found > 0.001
        assert table["IoU of the mask, hard backgrounds", "mean"].found == pytest.approx(0.95)
        assert table["IoU of the mask, hard backgrounds", "mean"].holds is False
        assert table["exchange of the background", "largest change, rms"].holds

    def test_what_was_not_measured_holds_nothing(self) -> None:
        (bar,) = [
            each for each in bars([trial(CASE, points([NAN], [NAN]), points([NAN], [NAN]))]) if "32 to" in each.what
        ]
        assert bar.holds is None
