"""What pictures are made of: colours, scales, images, moved fields."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from scorrnet_cli.errors import UsageError
from scorrnet_cli.field import FrameInfo
from scorrnet_cli.frames import sha256
from scorrnet_cli.pictures import blocks, colours
from scorrnet_cli.pictures.coarse import averaged
from scorrnet_cli.pictures.images import Images
from scorrnet_cli.pictures.layout import arrangement
from scorrnet_cli.pictures.moving import moved
from scorrnet_cli.pictures.quantities import QUANTITIES, chosen_quantities
from scorrnet_cli.pictures.scale import Scale, choose_scale, ends_of
from scorrnet_cli.pictures.vectors import magnification
from scorrnet_cli.snapshots import chosen_frames, spread_evenly
from scorrnet_cli.units import seconds, short


def lightness(rgb: np.ndarray) -> np.ndarray:
    """CIE L* of sRGB colours."""
    linear = np.where(rgb <= 10, rgb / 255 / 12.92, ((rgb / 255 + 0.055) / 1.055) ** 2.4)
    luminance = linear @ np.array([0.2126, 0.7152, 0.0722])
    return np.asarray(116 * np.cbrt(np.maximum(luminance, 0.008856)) - 16)


class TestColours:
    def test_sequential_gets_lighter_in_even_steps(self) -> None:
        steps = np.diff(lightness(colours.sequential().astype(float))[::16])
        assert (steps > 0).all()
        assert steps.std() < 0.25 * steps.mean()

    def test_diverging_is_white_in_the_middle_and_as_dark_on_both_sides(self) -> None:
        found = lightness(colours.diverging().astype(float))
        assert found[[127, 128]].min() > 94
        assert (np.diff(found[:128:8]) > 0).all()
        assert (np.diff(found[128::8]) < 0).all()
        assert abs(found[0] - found[-1]) < 8
        assert colours.diverging()[0, 2] > colours.diverging()[0, 0]
        assert colours.diverging()[-1, 0] > colours.diverging()[-1, 2]

    def test_paint_clips(self) -> None:
        scale = Scale(0.0, 1.0, "px", diverging=False)
        painted = scale.paint(np.array([-9.0, 0.0, 1.0, 9.0], np.float32))
        np.testing.assert_array_equal(painted[[0, 3]], painted[[1, 2]])
        np.testing.assert_array_equal(painted[0], colours.sequential()[0])


class TestScale:
    def test_strain_is_symmetric_and_in_percent(self) -> None:
        scale = choose_scale(QUANTITIES["exx"], [(-0.01, 0.02), None, (0.0, 0.03)], None)
        assert (scale.low, scale.high) == pytest.approx((-3.0, 3.0))
        assert (scale.unit, scale.diverging) == ("%", True)

    @pytest.mark.parametrize(
        ("found", "shown"),
        [((0.5, 2), (0, 2)), ((-2, -0.5), (-2, 0)), ((-0.25, 2), (-0.25, 2)), ((-2, 0.25), (-2, 0.25))],
    )
    def test_strain_of_one_sign_has_all_colours(self, found: tuple[float, float], shown: tuple[float, float]) -> None:
        scale = choose_scale(QUANTITIES["e1"], [found], None)
        assert scale == Scale(100 * shown[0], 100 * shown[1], "%", diverging=False)

    def test_displacement_is_from_the_least_to_the_greatest_of_all_frames_in_mm(self) -> None:
        scale = choose_scale(QUANTITIES["u"], [(2.0, 4.0), (3.0, 8.0)], 0.5)
        assert (scale.low, scale.high, scale.unit, scale.diverging) == (1.0, 4.0, "mm", False)

    def test_limits_of_the_user_are_kept(self) -> None:
        assert choose_scale(QUANTITIES["exx"], [], None, (1.0, 2.0)) == Scale(1.0, 2.0, "%", diverging=False)

    def test_zero_is_white_whatever_the_limits(self) -> None:
        for limits in ((-1.0, 5.0), (-5.0, 1.0), (-2.0, 2.0)):
            scale = choose_scale(QUANTITIES["exx"], [], None, limits)
            assert scale.diverging
            below, zero, above = scale.paint(np.array([-0.9, 0.0, 0.9], np.float32)).astype(int)
            assert zero.min() > 235
            assert below[2] > below[0] and above[0] > above[2]  # blue and red
            assert abs(below.sum() - above.sum()) < 60

    def test_equivalent_strain_is_from_zero_on(self) -> None:
        assert choose_scale(QUANTITIES["von-mises"], [(0.02, 0.03)], None) == Scale(0.0, 3.0, "%", diverging=False)

    def test_one_value_and_none(self) -> None:
        assert choose_scale(QUANTITIES["u"], [(2.0, 2.0)], None) == Scale(1.999, 2.001, "px", diverging=False)
        assert choose_scale(QUANTITIES["u"], [None], None) == Scale(0.0, 1.0, "px", diverging=False)

    def test_ends_leave_out_one_percent(self) -> None:
        values = np.append(np.linspace(0, 100, 10001), np.nan).astype(np.float32)
        assert ends_of(values) == pytest.approx((1.0, 99.0))
        assert ends_of(np.full(3, np.nan, np.float32)) is None


class TestWritten:
    @pytest.mark.parametrize(
        ("value", "width", "expected"),
        [
            (0.0035, 0.001, "0.00350"),
            (3.5e-9, 1e-9, "0.00000000350"),
            (-12.3456, 4.0, "-12.35"),
            (1234.5, 900.0, "1234"),
        ],
    )
    def test_digits_follow_the_width(self, value: float, width: float, expected: str) -> None:
        assert short(value, width) == expected

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (0.0, "0"),
            (25.0, "25"),
            (100.0, "100"),
            (0.04, "0.04"),
            (100000.25, "100000.25"),
            (-0.5, "-0.5"),
            (1769869500.1 - 1769869500.0, "0.1"),  # time stamps hold no more than a quarter of a microsecond
            (2e-7, "0.0000002"),
            (2.56e-5, "0.0000256"),
        ],
    )
    def test_times(self, value: float, expected: str) -> None:
        assert seconds(value) == expected


class TestChoices:
    def test_quantities(self) -> None:
        assert [each.name for each in chosen_quantities(["u", "exx", "u"])] == ["u", "exx"]
        with pytest.raises(UsageError, match="von-mises"):
            chosen_quantities(["w"])

    @pytest.mark.parametrize(
        ("text", "expected"), [("last", [4]), ("all", [0, 1, 2, 3, 4]), ("0,3", [0, 3]), ("3,0,3", [0, 3])]
    )
    def test_frames(self, text: str, expected: list[int]) -> None:
        assert chosen_frames(text, [FrameInfo(f"{index}.png", "") for index in range(5)]) == expected

    def test_the_last_frame_is_the_last_that_was_measured(self) -> None:
        failed, fine = FrameInfo("a.png", "", failure="too dark"), FrameInfo("b.png", "")
        assert chosen_frames("last", [failed, fine, failed]) == [1]
        assert chosen_frames("last", [failed, failed]) == [1]

    @pytest.mark.parametrize("text", ["5", "-1", "first", "1.5", ""])
    def test_frames_that_are_none(self, text: str) -> None:
        with pytest.raises(UsageError, match="frame"):
            chosen_frames(text, [FrameInfo("a.png", "")] * 5)

    def test_frames_left_out_evenly(self) -> None:
        assert spread_evenly(range(101), 3) == [0, 50, 100]
        assert spread_evenly([4, 5], 3) == [4, 5]

    def test_arrangement_follows_the_shape(self) -> None:
        assert arrangement(4, (100, 1000), shared=True) == 1
        assert arrangement(4, (1000, 300), shared=True) == 4
        assert arrangement(4, (500, 500), shared=False) == 2

    @pytest.mark.parametrize(("longest", "expected"), [(0.0, 1.0), (25.0, 1.0), (27.0, 0.7), (0.05, 500.0)])
    def test_arrows_are_magnified_by_a_round_number(self, longest: float, expected: float) -> None:
        assert magnification(longest, (520, 100)) == pytest.approx(expected)


class TestAveraged:
    def test_means_of_what_is_known_where_half_is(self) -> None:
        values = np.array([[1, 3, 5], [np.nan, 5, np.nan], [np.nan, np.nan, 2]], np.float32)
        np.testing.assert_array_equal(averaged(values, 2), np.array([[3, 5], [np.nan, 2]], np.float32))

    def test_one_pixel_is_the_field(self) -> None:
        values = np.random.default_rng(1).normal(size=(5, 7)).astype(np.float32)
        np.testing.assert_array_equal(averaged(values, 1), values)


class TestMoved:
    def test_a_shift(self) -> None:
        rng = np.random.default_rng(2)
        values = rng.normal(size=(40, 50)).astype(np.float32)
        out = moved(values, np.full((40, 50), 7.0, np.float32), np.full((40, 50), -4.0, np.float32))
        np.testing.assert_array_equal(out[:36, 7:], values[4:, :43])
        assert np.isnan(out[36:]).all()
        assert np.isnan(out[:, :7]).all()

    @pytest.mark.parametrize("stretch", [0.3, 0.9])
    def test_a_stretch_leaves_no_gaps(self, stretch: float) -> None:
        x = np.mgrid[:60, :120][1].astype(np.float32)
        inside = (x > 9) & (x < 50)
        u = np.where(inside, stretch * x, np.nan).astype(np.float32)
        v = np.where(inside, 0.0, np.nan).astype(np.float32)
        out = moved(np.where(inside, x, np.nan).astype(np.float32), u, v)
        known = np.isfinite(out)
        first, last = round(10 * (1 + stretch)), round(49 * (1 + stretch))
        assert known[:, first + 1 : last].all()
        assert not known[:, : first - 2].any()
        assert not known[:, last + 3 :].any()
        assert np.abs(out - x / (1 + stretch))[known].max() <= 0.5 * (1 + stretch)

    def test_a_neck_is_closed_though_little_else_is_stretched(self) -> None:
        y, x = np.mgrid[:60, :400].astype(np.float32)
        u = 8.0 * np.tanh((x - 200) / 9) + 0.01 * x  # stretched by 0.9 in the middle, 3 % of the surface
        out = moved(x, u.astype(np.float32), (0.3 * np.sin(y / 3) * np.exp(-(((x - 200) / 9) ** 2))).astype(np.float32))
        assert np.isfinite(out[8:-8, 180:220]).all()

    @pytest.mark.parametrize("stretch", [1.5, 2.0, 2.2, 2.9])
    def test_stretch_opens_no_gaps(self, stretch: float) -> None:
        x = np.mgrid[:20, :80][1].astype(np.float32)
        u = ((stretch - 1) * (x - 2.25)).astype(np.float32)
        u[:, 40:] = np.nan
        out = moved(np.where(np.isfinite(u), x, np.nan), u, 0 * u)
        reached = slice(2, int(2.25 + stretch * (39 - 2.25)))
        assert np.isfinite(out[:, reached][:, :77]).mean() > 0.97
        assert np.isnan(out[:, reached.stop + 3 :]).all()

    def test_a_crack_stays_open(self) -> None:
        x = np.mgrid[:30, :60][1].astype(np.float32)
        u = np.where(x < 30, 0.0, 12.0).astype(np.float32)
        out = moved(x, u, np.zeros_like(u))
        assert np.isnan(out[:, 31:41]).all()
        np.testing.assert_array_equal(out[:, 42:], x[:, 30:48])

    def test_a_crack_of_few_pixels_stays_open_too(self) -> None:
        x = np.mgrid[:30, :60][1].astype(np.float32)
        u = np.where(x < 30, 0.0, 2.5).astype(np.float32)
        out = moved(x, u, np.zeros_like(u))
        assert np.isnan(out[:, 30:32]).all()
        assert np.isfinite(out[:, :29]).all() and np.isfinite(out[:, 34:]).all()

    def test_nothing_measured(self) -> None:
        nothing = np.full((9, 9), np.nan, np.float32)
        assert np.isnan(moved(nothing, nothing, nothing)).all()


class TestImages:
    def test_found_beside_the_result_and_checked(self, tmp_path: Path) -> None:
        pixels = np.random.default_rng(3).integers(0, 256, (40, 50), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "a.png")
        info = FrameInfo("a.png", sha256(tmp_path / "a.png"))
        images = Images.of(str(tmp_path / "r.h5"), (40, 50), None)
        np.testing.assert_array_equal(images.grey(info), pixels)
        assert images.missing == {}
        assert images.grey(FrameInfo("a.png", "0" * 64)) is None
        assert "changed" in images.missing["a.png"]
        assert images.grey(FrameInfo("b.png", info.sha256)) is None
        assert "not found" in images.missing["b.png"]

    def test_pages(self, tmp_path: Path) -> None:
        pages = np.random.default_rng(4).integers(0, 256, (3, 40, 50), dtype=np.uint8)
        tifffile.imwrite(tmp_path / "a.tif", pages, photometric="minisblack")
        images = Images.of(str(tmp_path / "r.h5"), (40, 50), tmp_path)
        np.testing.assert_array_equal(images.grey(FrameInfo("a.tif[2]", sha256(tmp_path / "a.tif"))), pages[2])

    def test_another_size_and_no_image(self, tmp_path: Path) -> None:
        Image.fromarray(np.zeros((40, 60), np.uint8)).save(tmp_path / "a.png")
        (tmp_path / "b.png").write_bytes(b"no image at all")
        images = Images.of(str(tmp_path / "r.h5"), (40, 50), None)
        for name in ("a.png", "b.png"):
            assert images.grey(FrameInfo(name, sha256(tmp_path / name))) is None
        assert "size" in images.missing["a.png"]
        assert "cannot be read" in images.missing["b.png"]

    def test_a_video_that_nothing_here_reads(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "a.avi").write_bytes(b"RIFF\0\0\0\0AVI LIST")
        monkeypatch.setitem(sys.modules, "av", None)
        images = Images.of(str(tmp_path / "r.h5"), (40, 50), None)
        assert images.grey(FrameInfo("a.avi[3]", sha256(tmp_path / "a.avi"))) is None
        assert "[video]" in images.missing["a.avi[3]"]

    def test_no_such_folder(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="--images"):
            Images.of("r.h5", (4, 5), tmp_path / "none")

    def test_an_unreadable_name_is_no_folder(self, tmp_path: Path) -> None:
        images = Images.of(os.fspath(tmp_path / "r.h5"), (4, 5), None)
        assert images.grey(FrameInfo("", "")) is None


class TestBlocks:
    scale = Scale(0.0, 10.0, "px", diverging=False)

    def test_letters_rise_with_the_value_and_nothing_is_blank(self) -> None:
        values = np.tile(np.linspace(0, 10, 18, dtype=np.float32), (4, 1))
        values[:, :2] = np.nan
        lines = blocks.picture(values, self.scale, 40, 20, coloured=False)
        assert [line.plain for line in lines] == ["  " + "".join(lines[0].plain[2:])] * 2
        ranks = [blocks.LETTERS.index(letter) for letter in lines[0].plain[2:]]
        assert ranks == sorted(ranks)
        assert ranks[-1] == len(blocks.LETTERS) - 1

    def test_it_fits(self) -> None:
        values = np.ones((300, 500), np.float32)
        for coloured in (True, False):
            lines = blocks.picture(values, self.scale, 60, 10, coloured=coloured)
            assert len(lines) <= 10
            assert max(line.cell_len for line in lines) <= 60

    def test_empty_rows_above_and_below_are_left_out(self) -> None:
        values = np.full((40, 10), np.nan, np.float32)
        values[20:24] = 5.0
        assert len(blocks.picture(values, self.scale, 60, 40, coloured=True)) == 2
        assert blocks.picture(np.full((40, 10), np.nan, np.float32), self.scale, 60, 40, coloured=True)

    def test_half_blocks_have_the_colours_of_their_values(self) -> None:
        (line,) = blocks.picture(np.array([[0.0], [10.0]], np.float32), self.scale, 20, 20, coloured=True)
        style = line.spans[0].style
        low, high = (tuple(int(part) for part in colours.sequential()[index]) for index in (0, -1))
        assert not isinstance(style, str)
        assert style.color is not None
        assert style.bgcolor is not None
        assert (tuple(style.color.get_truecolor()), tuple(style.bgcolor.get_truecolor())) == (low, high)
