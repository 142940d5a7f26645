"""``scorrnet plot`` and ``scorrnet view``: files of every kind, what is said, how they fail."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from tests.pictures.conftest import SHIFT, STRAIN, H, Sequence, T, W, scorrnet, write

from scorrnet_cli.field import FrameInfo
from scorrnet_cli.frames import Frame
from scorrnet_cli.pictures import lettering, paper
from scorrnet_cli.pictures.images import Images
from scorrnet_cli.pictures.quantities import QUANTITIES
from scorrnet_cli.pictures.scale import Scale
from scorrnet_cli.pictures.stills import Artist, Wish, preview
from scorrnet_cli.snapshots import Snapshots
from scorrnet_cli.units import Calibration
from scorrnet_cli.writers import open_result


def shown(panel: Axes, image: int = 1) -> np.ma.MaskedArray[Any, Any]:
    """The values of a layer of a panel; masked where it lets the image below show."""
    return np.ma.masked_array(panel.images[image].get_array())


def artist(sequence: Sequence, *names: str, frames: tuple[int, ...] = (T - 1,), **wish: Any) -> Artist:
    with open_result(sequence.result) as stored:
        source = Snapshots(stored)
        for index in frames:  # read while the file is open
            source.at(index)
        images = Images.of(stored.path, stored.shape[1:], None)
        return Artist(source, images, Wish([QUANTITIES[name] for name in names], frames, **wish))


class TestFigures:
    def test_axes_values_and_bar(self, sequence: Sequence) -> None:
        (panel,) = artist(sequence, "u").figure().axes
        assert shown(panel, 0).shape == (H, W)
        values = shown(panel).data
        known = ~np.ma.getmaskarray(shown(panel))
        np.testing.assert_array_equal(known, sequence.field.valid[0])
        np.testing.assert_allclose(values[known], sequence.field.u[T - 1][known])
        (bar,) = panel.child_axes
        assert bar.get_ylabel() == "$u$ (px)"
        assert (panel.get_xlabel(), panel.get_ylabel()) == ("x (px)", "y (px)")
        assert panel.get_title() == f"def_{T - 1}.png"

    def test_strain_is_right_from_zero_on_and_says_its_gauge(self, sequence: Sequence) -> None:
        figure = artist(sequence, "exx").figure()
        panel = figure.axes[0]
        slope = T * STRAIN
        np.testing.assert_allclose(shown(panel).compressed(), 100 * (slope + slope**2 / 2), rtol=1e-3)
        low, high = panel.images[1].get_clim()
        assert low == 0
        assert high == pytest.approx(100 * (slope + slope**2 / 2), rel=1e-3)
        assert re.search(r"Green-Lagrange strain, window 25 px, VSG \d+ px", figure.get_supxlabel())

    def test_lengths_and_axes_in_mm(self, sequence: Sequence) -> None:
        write(sequence.result, replace(sequence.field, calibration=Calibration(0.5, "test")))
        panel = artist(sequence, "v").figure().axes[0]
        assert panel.get_xlabel() == "x (mm)"
        np.testing.assert_allclose(panel.get_xlim(), (-0.25, (W - 0.5) / 2))
        np.testing.assert_allclose(shown(panel).compressed(), T * SHIFT[1] * 0.5)
        assert panel.child_axes[0].get_ylabel() == "$v$ (mm)"

    def test_over_the_deformed_image(self, sequence: Sequence) -> None:
        panel = artist(sequence, "u", over_deformed=True, vectors=True, contours=True).figure().axes[0]
        with Image.open(sequence.folder / f"def_{T - 1}.png") as image:
            np.testing.assert_array_equal(shown(panel, 0), np.asarray(image))
        known = ~np.ma.getmaskarray(shown(panel))
        assert known[:, :15].sum() == 0, "the left edge, at x = 10, has moved to about 19"
        assert known[8, 25:60].all()
        assert panel.collections, "arrows"

    def test_frames_of_a_sheet_share_one_scale(self, sequence: Sequence) -> None:
        with open_result(sequence.result) as stored:
            images = Images.of(stored.path, stored.shape[1:], None)
            whole = Artist(Snapshots(stored), images, Wish([QUANTITIES["u"], QUANTITIES["zncc"]], range(T)))
            axes = whole.figure().axes
        panels = [panel for panel in axes if len(panel.images) == 2]
        assert len(panels) == 2 * T
        assert len({panel.images[1].get_clim() for panel in panels}) == 2
        assert len(axes) == 2 * T + 2, "one bar for each quantity"

    def test_a_frame_without_values_says_so(self, sequence: Sequence) -> None:
        empty = np.full((T, H, W), np.nan, np.float32)
        nothing = replace(sequence.field, u=empty, v=empty, valid=np.zeros((T, H, W), bool))
        write(sequence.result, nothing)
        (panel,) = artist(sequence, "u", vectors=True, contours=True).figure().axes
        assert [text.get_text() for text in panel.texts] == ["not measured"]

    def test_contours_lie_between_the_values_that_there_are(self, sequence: Sequence) -> None:
        (panel,) = artist(sequence, "u", contours=True).figure().axes
        (lines,) = panel.collections
        levels = np.asarray(lines.levels)  # type: ignore[attr-defined]
        known = sequence.field.u[T - 1][sequence.field.valid[0]]
        assert len(levels) >= 5
        assert known.min() < levels.min() < levels.max() < known.max()


class TestNames:
    long = "20260131_142500.250_cam0_specimen_No7_tension_run3_{:04d}.tif"

    @staticmethod
    def drawn(names: list[str], shape: tuple[int, int], columns: int, *, shared: bool) -> Figure:
        values = np.zeros(shape, np.float32)
        scale = Scale(0.0, 1.0, "px", diverging=False)
        panels = [paper.Panel(name, None, values, scale, "u") for name in names]
        return paper.draw(panels, columns, paper.Style(shape, shared=shared))

    @pytest.mark.parametrize("shape", [(60, 80), (100, 30)])
    def test_on_a_sheet_they_are_cut_to_the_panel_and_keep_their_end(self, shape: tuple[int, int]) -> None:
        names = [self.long.format(index) for index in range(12)]
        figure = self.drawn(names, shape, 4, shared=True)
        paper.pixels(figure, paper.DPI)
        for name, panel in zip(names, figure.axes, strict=False):
            title = panel.get_title()
            assert title[0] == "\N{HORIZONTAL ELLIPSIS}"
            assert name.endswith(f"{title[1:]}.tif")
            assert len(title) > len("0001"), "names still differ"
            assert panel.title.get_window_extent().width <= 1.02 * panel.get_window_extent().width

    def test_beside_bars_of_their_own_they_do_not_touch(self) -> None:
        figure = self.drawn([self.long.format(0)] * 2, (100, 20), 2, shared=False)
        paper.pixels(figure, paper.DPI)
        first, second = (panel.title.get_window_extent() for panel in figure.axes)
        assert 0 <= first.x0 < first.x1 < second.x0

    @pytest.mark.parametrize("name", ["def_0001.tif", ".tif", "", "a"])
    def test_short_ones_stay(self, name: str) -> None:
        figure = self.drawn([name] * 4, (60, 80), 2, shared=True)
        assert {panel.get_title() for panel in figure.axes[:4]} == {name}

    @pytest.mark.parametrize("suffix", ["png", "svg"])
    def test_they_are_no_formulae_and_in_any_script(self, sequence: Sequence, suffix: str) -> None:
        names = ("b$\\foo$.png", "试样_01.tif", "\N{PILE OF POO} $x$.tif")
        infos = tuple(replace(info, name=name) for info, name in zip(sequence.field.deformed, names, strict=True))
        write(sequence.result, replace(sequence.field, deformed=infos))
        target = sequence.folder / f"out.{suffix}"
        result = scorrnet("plot", sequence.result, "--field", "u", "--frame", "all", "-o", target)
        assert (result.exit_code, result.stderr) == (0, "")
        if suffix == "svg":
            assert all(f">{name}</text>" in target.read_text(encoding="utf-8") for name in names)

    def test_fonts_that_are_found_help_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(lettering, "_FALLBACKS", ("No Such Font", "DejaVu Serif"))
        figure = self.drawn(["a.tif"], (60, 80), 1, shared=False)
        assert figure.axes[0].title.get_fontfamily() == ["sans-serif", "DejaVu Serif"]


class TestOverview:
    @pytest.mark.parametrize("mm_per_px", [None, 0.05])
    def test_the_scale_is_used(self, sequence: Sequence, mm_per_px: float | None) -> None:
        scale = None if mm_per_px is None else Calibration(mm_per_px, "test")
        names = ("u", "v", "mask", "valid", "zncc", "sigma_u", "sigma_v", "fallback")
        arrays = {name: getattr(sequence.field, name)[:1] for name in names}
        field = replace(sequence.field, deformed=sequence.field.deformed[:1], calibration=scale, **arrays)
        _, u, _, zncc = preview(Frame(np.zeros((H, W), np.float32), field.reference), field).axes
        unit, factor = ("px", 1.0) if mm_per_px is None else ("mm", mm_per_px)
        np.testing.assert_allclose(shown(u).compressed(), factor * field.u[0][field.valid[0]], rtol=1e-6)
        np.testing.assert_allclose(shown(zncc).compressed(), field.zncc[0][field.valid[0]])
        np.testing.assert_allclose(u.get_xlim(), (-0.5 * factor, (W - 0.5) * factor))
        assert u.child_axes[0].get_ylabel() == f"$u$ ({unit})"
        assert zncc.get_xlabel() == f"x ({unit})"
        low, high = u.images[1].get_clim()
        assert 3 * factor < low < high < 4 * factor


class TestPlot:
    def test_default(self, sequence: Sequence, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(sequence.folder)
        result = scorrnet("plot", "test.h5")
        assert result.exit_code == 0, result.stderr
        assert "test-u-v.png" in result.stdout
        assert "colours from" in result.stdout
        assert result.stderr == ""
        with Image.open("test-u-v.png") as picture:
            assert picture.info["dpi"] == pytest.approx((300, 300), abs=1)
            assert picture.width > 1000

    @pytest.mark.parametrize(("suffix", "start"), [("pdf", b"%PDF"), ("svg", b"<?xml")])
    def test_vector_formats_keep_text_as_text(self, sequence: Sequence, suffix: str, start: bytes) -> None:
        target = sequence.folder / f"out.{suffix}"
        assert scorrnet("plot", sequence.result, "--field", "u", "-o", target, "-q").exit_code == 0
        content = target.read_bytes()
        assert content.startswith(start)
        if suffix == "svg":
            assert b">x (px)</text>" in content

    def test_gif_shows_every_frame(self, sequence: Sequence) -> None:
        target = sequence.folder / "out.gif"
        result = scorrnet("plot", sequence.result, "--field", "u", "--rate", "5", "-o", target)
        assert result.exit_code == 0, result.stderr
        with Image.open(target) as animation:
            assert getattr(animation, "n_frames") == T  # noqa: B009
            assert animation.info["duration"] == 200
            animation.seek(T - 1)
            assert animation.convert("RGB").getpixel((2, 2)) == (255, 255, 255)

    def test_gif_is_no_faster_than_browsers_show_it(self, sequence: Sequence) -> None:
        target = sequence.folder / "out.gif"
        assert scorrnet("plot", sequence.result, "--field", "u", "--rate", "60", "-o", target).exit_code == 0
        with Image.open(target) as animation:
            assert animation.info["duration"] == 20

    def test_mp4_shows_every_frame(self, sequence: Sequence) -> None:
        target = sequence.folder / "out.mp4"
        assert scorrnet("plot", sequence.result, "--field", "u", "-o", target, "-q").exit_code == 0
        with av.open(str(target)) as container:
            frames = list(container.decode(video=0))
        assert len(frames) == T
        assert frames[0].to_ndarray(format="rgb24")[1, 1].min() > 245
        assert np.abs(frames[0].to_ndarray(format="gray").astype(int) - frames[-1].to_ndarray(format="gray")).max() > 20

    def test_missing_images_are_said_and_done_without(self, sequence: Sequence) -> None:
        (sequence.folder / "ref.png").unlink()
        result = scorrnet("plot", sequence.result, "--field", "u", "-o", sequence.folder / "out.png", "-q")
        assert result.exit_code == 0
        assert "drawn without the image ref.png: it was not found; --images FOLDER" in result.stderr

    def test_images_that_have_changed_are_not_shown(self, sequence: Sequence) -> None:
        Image.fromarray(np.zeros((H, W), np.uint8)).save(sequence.folder / "def_0.png")
        result = scorrnet(
            "plot", sequence.result, "--over", "deformed", "--frame", "0,1", "-o", sequence.folder / "out.png", "-q"
        )
        assert result.exit_code == 0
        assert "def_0.png" in result.stderr
        assert "sha256" in result.stderr

    @pytest.mark.parametrize(
        ("arguments", "code", "said"),
        [
            (("-o", "out.bmp"), 7, ".png, .pdf, .svg, .gif, .mp4"),
            (("-o", "none/out.png"), 7, "does not exist"),
            (("-o", "test.h5"), 7, "suffix"),
            (("--field", "w"), 2, "von-mises"),
            (("--frame", "7"), 2, "0 to 2"),
            (("--limits", "2,1"), 2, "--limits 2,1"),
            (("--limits", "2"), 2, "LO,HI"),
            (("--limits=-inf,1",), 2, "finite"),
            (("--limits", "0,inf"), 2, "finite"),
            (("--limits", "nan,1"), 2, "finite"),
            (("--limits=-1e308,1e308",), 2, "finite"),
            (("--images", "none"), 2, "--images"),
            (("--over", "nothing"), 2, "deformed"),
        ],
    )
    def test_mistakes(
        self, sequence: Sequence, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int, said: str
    ) -> None:
        monkeypatch.chdir(sequence.folder)
        before = sorted(path.name for path in sequence.folder.iterdir())
        result = scorrnet("plot", "test.h5", *arguments)
        assert (result.exit_code, said in result.stderr) == (code, True), result.stderr
        assert sorted(path.name for path in sequence.folder.iterdir()) == before

    def test_nothing_is_replaced_unasked(self, sequence: Sequence) -> None:
        target = sequence.folder / "out.png"
        target.write_bytes(b"mine")
        assert scorrnet("plot", sequence.result, "-o", target).exit_code == 7
        assert target.read_bytes() == b"mine"
        assert scorrnet("plot", sequence.result, "-o", target, "--overwrite").exit_code == 0

    def test_no_result(self, sequence: Sequence) -> None:
        result = scorrnet("plot", sequence.folder / "ref.png", "-o", sequence.folder / "out.png")
        assert result.exit_code == 2
        assert "ref.png" in result.stderr

    @pytest.mark.parametrize(("package", "suffix", "extra"), [("matplotlib", "png", "plot"), ("av", "mp4", "video")])
    def test_what_to_install(
        self, sequence: Sequence, monkeypatch: pytest.MonkeyPatch, package: str, suffix: str, extra: str
    ) -> None:
        import importlib.util

        find = importlib.util.find_spec
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else find(name))
        result = scorrnet("plot", sequence.result, "-o", sequence.folder / f"out.{suffix}")
        assert result.exit_code == 2
        assert f"pip install -e '.[{extra}]'" in result.stderr

    def test_colours_of_small_values_are_told(self, sequence: Sequence) -> None:
        write(sequence.result, replace(sequence.field, calibration=Calibration(0.001, "test")))
        target = sequence.folder / "out.png"
        result = scorrnet("plot", sequence.result, "--field", "sigma", "--limits", "2e-6,4.5e-6", "-o", target)
        assert result.exit_code == 0, result.stderr
        assert "colours from 0.00000200 to 0.00000450 mm" in result.stdout

    def test_too_many_frames_for_a_sheet(self, sequence: Sequence) -> None:
        parts = [replace(sequence.field, deformed=sequence.field.deformed) for _ in range(5)]
        many = type(sequence.field).stack(parts)
        write(sequence.result, many)
        result = scorrnet("plot", sequence.result, "--frame", "all", "--field", "u", "-o", sequence.folder / "out.png")
        assert result.exit_code == 0, result.stderr
        assert "12 of 15 frames" in result.stderr


class TestView:
    def test_letters_without_a_terminal(self, sequence: Sequence) -> None:
        result = scorrnet("view", sequence.result, "--field", "u", "--frame", "all")
        assert result.exit_code == 0, result.stderr
        lines = result.stdout.splitlines()
        assert "\x1b" not in result.stdout
        assert max(map(len, lines)) <= 160
        assert sum("def_" in line for line in lines) == T
        assert lines[-1].endswith("(px)")
        assert any("@" in line and " " in line.strip() for line in lines[-20:-1]), "the hole is blank"

    def test_colours_in_a_terminal_but_not_with_no_color(
        self, sequence: Sequence, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in (("FORCE_COLOR", "1"), ("COLORTERM", "truecolor"), ("TERM", "xterm"), ("COLUMNS", "50")):
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("LINES", "24")
        monkeypatch.delenv("NO_COLOR", raising=False)
        coloured = scorrnet("view", sequence.result, "--field", "exx").stdout
        assert "\N{UPPER HALF BLOCK}" in coloured
        assert "\x1b[38;2;" in coloured
        assert "VSG" in coloured
        monkeypatch.setenv("NO_COLOR", "1")
        plain = scorrnet("view", sequence.result, "--field", "exx").stdout
        assert "\x1b[38" not in plain
        assert "\N{UPPER HALF BLOCK}" not in plain

    def test_mistakes(self, sequence: Sequence, tmp_path: Path) -> None:
        assert scorrnet("view", tmp_path / "none.h5").exit_code == 2
        assert scorrnet("view", sequence.result, "--field", "w").exit_code == 2
        result = scorrnet("view", sequence.result, "--limits=-inf,1")
        assert (result.exit_code, "finite" in result.stderr) == (2, True)


def test_units_tell_late_times_apart(sequence: Sequence) -> None:
    times = (100000.25, 100000.375, 100000.5)
    infos = tuple(replace(info, at_s=at_s) for info, at_s in zip(sequence.field.deformed, times, strict=True))
    write(sequence.result, replace(sequence.field, deformed=infos, time_source="told"))
    assert "100000.25 to 100000.5 s (told)" in scorrnet("units", sequence.result).stdout


def test_a_failed_image_has_no_hash_and_is_not_looked_for(sequence: Sequence) -> None:
    info = FrameInfo("def_0.png", "", "truncated")
    images = Images.of(str(sequence.result), (H, W), None)
    assert images.grey(info) is None


def test_the_last_frame_that_was_measured_is_shown(sequence: Sequence) -> None:
    *rest, last = sequence.field.deformed
    nothing = {name: getattr(sequence.field, name).copy() for name in ("u", "v", "valid", "zncc", "sigma_u", "sigma_v")}
    for name, values in nothing.items():
        values[-1] = False if name == "valid" else np.nan
    failed = replace(sequence.field, **nothing, deformed=(*rest, replace(last, failure="truncated")))
    write(sequence.result, failed)
    assert f"{rest[-1].name} (frame 1 of 0..2)" in scorrnet("view", sequence.result).stdout
    asked = scorrnet("view", sequence.result, "--frame", "2")
    assert (asked.exit_code, "not measured: truncated" in asked.stdout) == (0, True)
    result = scorrnet("strain", sequence.result, "--strain-window", "9")
    assert f"the last measured: {rest[-1].name}" in result.stdout
    assert "exx" in result.stdout and "min -," not in result.stdout
