"""``scorrnet report``: the page read by a parser, its packed fields unpacked, and opened in a real browser."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.pictures.conftest import SHIFT, STRAIN, H, Sequence, T, W, scorrnet, write

from scorrnet_cli.field import FloatArray, FrameInfo
from scorrnet_cli.report.charts import Curve, chart
from scorrnet_cli.report.packing import Grid, pack
from scorrnet_cli.report.practice import gaussian_resolution_px
from scorrnet_cli.units import Calibration

STATIC = (0.01, 0.02)


class Page(HTMLParser):
    """What a page holds: its tags, facts and data."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.content = path.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.cells: list[str] = []
        self.blank: set[str] = set()
        self._data = False
        self.data: dict[str, Any] = {}
        self.feed(self.content)
        self.facts = dict(zip(self.cells[::2], self.cells[1::2], strict=False))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append((tag, values))
        if tag not in ("meta", "input", "line", "path"):
            self.open.append(tag)
        if tag in ("th", "td"):
            self.cells.append("")
        if "contenteditable" in values:
            self.blank.add(values["aria-label"] or "")
        self._data = values.get("id") == "data"

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"{tag} closes something else"

    def handle_data(self, data: str) -> None:
        if self._data:
            self.data = json.loads(data)
            self._data = False
        elif self.open and self.open[-1] in ("th", "td"):
            self.cells[-1] += data


def unpacked(data: dict[str, Any], frame: int, name: str) -> FloatArray:
    """The inverse of the packing, written anew."""
    index = [field["name"] for field in data["fields"]].index(name)
    offset, gain, text = data["planes"][frame][index]
    raw = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8).reshape(2, -1).astype(np.uint16)
    numbers = np.cumsum(raw[0] * 256 + raw[1], dtype=np.uint16).astype(float)
    values = np.where(numbers == 0, np.nan, offset + gain * (numbers - 1))
    return values.reshape(data["grid"]["rows"], data["grid"]["columns"]).astype(np.float32)


@pytest.fixture
def page(sequence: Sequence) -> Page:
    target = sequence.folder / "report.html"
    result = scorrnet("report", sequence.result, "-o", target, "--title", "Plate <7> & more")
    assert result.exit_code == 0, result.stderr
    assert "report.html" in result.stdout
    return Page(target)


class TestPage:
    def test_it_is_whole_and_needs_nothing_else(self, page: Page) -> None:
        assert page.open == []
        for tag, values in page.tags:
            assert tag not in ("link", "iframe", "img")
            assert not ({"src", "href"} & set(values)), (tag, values)
        assert "http://" not in page.content
        assert "https://" not in page.content
        assert "<title>Plate &lt;7&gt; &amp; more</title>" in page.content
        assert page.data["image"].startswith("data:image/jpeg;base64,")

    def test_values_come_back(self, page: Page, sequence: Sequence) -> None:
        grid = page.data["grid"]
        assert grid["step"] == 1
        part = (slice(grid["y"], grid["y"] + grid["rows"]), slice(grid["x"], grid["x"] + grid["columns"]))
        for frame in range(T):
            for name in ("u", "zncc"):
                values = unpacked(page.data, frame, name)
                truth = getattr(sequence.field, name)[frame][part]
                np.testing.assert_array_equal(np.isnan(values), np.isnan(truth))
                np.testing.assert_allclose(values, truth, atol=2e-5)
            slope = (frame + 1) * STRAIN
            exx = unpacked(page.data, frame, "exx")
            np.testing.assert_allclose(exx[np.isfinite(exx)], 100 * (slope + slope**2 / 2), rtol=1e-3)
        (exx_field,) = (field for field in page.data["fields"] if field["name"] == "exx")
        assert (exx_field["unit"], exx_field["map"], exx_field["low"]) == ("%", "sequential", 0)

    def test_the_table_of_good_practice(self, page: Page) -> None:
        for name, part in {
            "Reference image": "ref.png, sha256",
            "Deformed images": "3: def_0.png to def_2.png",
            "Image size": f"{W} x {H} px",
            "Matching criterion": "ZNSSD",
            "Interpolant": "B-spline",
            "Subset (effective window)": "Gaussian windows",
            "Effective spatial resolution": "px",
            "Strain measure": "Green-Lagrange",
            "Strain window": "25 px",
            "Virtual strain gauge (VSG)": "px = strain window",
            "Source": "no static images were given",
            "u": "0.0030 px",
            "v": "0.0040 px",
            "Software": "scorrnet 1.0",
            "Weights, displacement": "abab",
            "Device": "cpu",
        }.items():
            assert part in page.facts[name], name
            assert name not in page.blank
        assert {"Camera", "Lens, focal length", "Scale", "Specimen, material"} <= page.blank
        assert page.facts["Camera"] == ""

    def test_a_static_result_gives_the_noise_floor(self, sequence: Sequence) -> None:
        rng = np.random.default_rng(1)
        noise = [rng.normal(0.001, sigma, (T, H, W)).astype(np.float32) for sigma in STATIC]
        still = replace(sequence.field, u=noise[0], v=noise[1], calibration=None)
        write(sequence.folder / "still.h5", still)
        write(sequence.result, replace(sequence.field, calibration=Calibration(0.1, "test")))
        target = sequence.folder / "report.html"
        options = ("--noise-floor", sequence.folder / "still.h5", "-o", target, "-q")
        assert scorrnet("report", sequence.result, *options).exit_code == 0
        facts = Page(target).facts
        assert re.fullmatch(r"0\.010\d px \((0\.9\d+|1\.0\d*|1) µm\); bias 0\.00\d+ px \(.* µm\)", facts["u"]), facts[
            "u"
        ]
        assert re.match(r"0\.0(19|20)\d px \((1\.9\d|2|2\.0\d) µm\)", facts["v"]), facts["v"]
        assert facts["exx"].endswith("µm/m")
        assert "measured between images at rest" in facts["Source"]
        assert facts["Scale"] == "0.1 mm per px (test)"

    def test_a_noise_floor_measured_otherwise_is_told(self, sequence: Sequence) -> None:
        made = sequence.field.process
        for passes, told in ((1, True), (4, False), (None, False)):
            process = replace(made, settings=replace(made.settings, window_px=5.0, passes=passes))
            write(sequence.folder / "still.h5", replace(sequence.field, process=process))
            own = replace(made, settings=replace(made.settings, window_px=5.0))
            write(sequence.result, replace(sequence.field, process=own))
            target = sequence.folder / "report.html"
            options = ("--noise-floor", sequence.folder / "still.h5", "-o", target, "-q", "--overwrite")
            assert scorrnet("report", sequence.result, *options).exit_code == 0
            assert ("another refinement" in target.read_text()) == told

    def test_a_scene_that_moved_is_no_scene_at_rest(self, sequence: Sequence) -> None:
        still = replace(sequence.field, v=0.01 * sequence.field.v)
        write(sequence.folder / "still.h5", replace(still, u=0.01 * sequence.field.u))
        write(sequence.folder / "moved.h5", replace(still, u=0.01 * sequence.field.u + np.float32(1.7)))
        there = np.array([1.7, -1.7], np.float32)[np.arange(len(still.u)) % 2, None, None]
        write(sequence.folder / "to and fro.h5", replace(still, u=0.01 * sequence.field.u + there))
        write(sequence.result, sequence.field)
        target = sequence.folder / "report.html"
        for name, told in (("still", False), ("moved", True), ("to and fro", True)):
            options = ("--noise-floor", sequence.folder / f"{name}.h5", "-o", target, "-q", "--overwrite")
            assert scorrnet("report", sequence.result, *options).exit_code == 0
            assert ("px and may not be at rest" in Page(target).facts["Source"]) == told

    def test_the_table_of_frames_has_digits_for_mm_and_tells_late_times_apart(self, sequence: Sequence) -> None:
        times = (100000.25, None, 100000.5)
        infos = [replace(info, at_s=at_s) for info, at_s in zip(sequence.field.deformed, times, strict=True)]
        calibration = Calibration(0.001, "test")
        timed = replace(sequence.field, deformed=tuple(infos), calibration=calibration, time_source="told")
        write(sequence.result, timed)
        target = sequence.folder / "report.html"
        assert scorrnet("report", sequence.result, "-o", target, "-q").exit_code == 0
        cells = Page(target).cells
        head = cells.index("time (s)")
        assert cells[head - 2 : head + 4] == ["frame", "image", "time (s)", "valid", "mean u (mm)", "mean v (mm)"]
        rows = [cells[cells.index(info.name) :] for info in infos]
        assert [row[1] for row in rows] == ["100000.25", "\N{EN DASH}", "100000.5"]
        for index, row in enumerate(rows):
            assert row[4] == f"\N{MINUS SIGN}{-0.001 * (index + 1) * SHIFT[1]:.7f}"

    def test_a_failed_frame_is_told(self, sequence: Sequence) -> None:
        field = sequence.field
        u, valid = field.u.copy(), field.valid.copy()
        u[1], valid[1] = np.nan, False
        infos = (field.deformed[0], FrameInfo("def_1.png", "", "truncated <file>"), field.deformed[2])
        write(sequence.result, replace(field, u=u, v=np.where(valid, field.v, np.nan), valid=valid, deformed=infos))
        target = sequence.folder / "report.html"
        assert scorrnet("report", sequence.result, "-o", target, "-q").exit_code == 0
        content = Page(target).content
        assert "not measured: truncated &lt;file&gt;" in content
        assert np.isnan(unpacked(Page(target).data, 1, "u")).all()

    def test_one_frame_has_no_curves(self, sequence: Sequence) -> None:
        names = ("u", "v", "mask", "valid", "zncc", "sigma_u", "sigma_v", "fallback")
        arrays = {name: getattr(sequence.field, name)[:1] for name in names}
        write(sequence.result, replace(sequence.field, deformed=sequence.field.deformed[:1], **arrays))
        target = sequence.folder / "report.html"
        assert scorrnet("report", sequence.result, "-o", target, "--field", "u", "-q").exit_code == 0
        page = Page(target)
        assert not any(tag == "svg" for tag, _ in page.tags)
        assert [field["name"] for field in page.data["fields"]] == ["u"]
        assert "Probes" not in page.content

    def test_one_frame_has_a_table_of_what_the_probes_read(self, sequence: Sequence) -> None:
        names = ("u", "v", "mask", "valid", "zncc", "sigma_u", "sigma_v", "fallback")
        arrays = {name: getattr(sequence.field, name)[:1] for name in names}
        scale = Calibration(0.01, "test")
        one = replace(sequence.field, deformed=sequence.field.deformed[:1], calibration=scale, **arrays)
        write(sequence.result, one)
        target = sequence.folder / "report.html"
        probes = ("--point", "tip <1>=20,40", "--line", "gauge=15,20,60,20", "--rect", "hot=55,10,12,12")
        assert scorrnet("report", sequence.result, "-o", target, "-q", *probes, "--point", "off=2,2").exit_code == 0
        page = Page(target)
        start = page.cells.index("standard uncertainty") + 2
        rows = {tuple(page.cells[at : at + 2]): page.cells[at + 2 : at + 5] for at in range(start, start + 5 * 23, 5)}
        u = 0.01 * (SHIFT[0] + 20 * STRAIN)
        assert rows["tip <1>", "u"] == [f"{u:.6f}", "0.000030", "mm"]
        assert rows["tip <1>", "v"] == ["\N{MINUS SIGN}0.020000", "0.000040", "mm"]
        assert rows["tip <1>", "exx"][::2] == ["1.0050", "%"]
        assert float(rows["tip <1>", "exx"][1]) > 0
        assert rows["gauge", "length"] == ["0.454500", "\N{EN DASH}", "mm"]
        assert rows["gauge", "elongation"] == ["0.004500", "0.000042", "mm"]
        assert rows["gauge", "strain"][::2] == ["1.0000", "%"]
        assert rows["hot", "points"] == ["144", "\N{EN DASH}", ""]
        assert rows["off", "u"] == ["\N{EN DASH}", "\N{EN DASH}", "mm"]

    @pytest.mark.parametrize(
        ("arguments", "code", "said"),
        [
            (("--noise-floor", "none.h5"), 2, "none.h5"),
            (("--field", "w"), 2, "von-mises"),
            (("--point", "400,5"), 2, "within the image"),
            (("-o", "none/report.html"), 7, "does not exist"),
            (("-o", "test.h5", "--overwrite"), 7, "Choose .html"),
            (("-o", "report.pdf"), 7, "Choose .html"),
        ],
    )
    def test_mistakes(
        self, sequence: Sequence, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int, said: str
    ) -> None:
        monkeypatch.chdir(sequence.folder)
        shutil.copy("test.h5", "still.h5")
        before = {path: path.read_bytes() for path in sequence.folder.iterdir()}
        result = scorrnet("report", "test.h5", *arguments)
        assert (result.exit_code, said in result.stderr) == (code, True), result.stderr
        assert {path: path.read_bytes() for path in sequence.folder.iterdir()} == before


class TestPacking:
    def test_round_trip_within_a_step(self) -> None:
        values = np.random.default_rng(3).normal(size=(30, 40)).astype(np.float32)
        values[:4] = np.nan
        offset, gain, text = pack(values)
        data = {
            "fields": [{"name": "u"}],
            "planes": [[(offset, gain, text)]],
            "grid": {"rows": 30, "columns": 40},
        }
        np.testing.assert_allclose(unpacked(data, 0, "u"), values, atol=0.51 * gain)
        assert gain < 2e-4

    def test_nothing_and_one_value(self) -> None:
        for values in (np.full((2, 3), np.nan, np.float32), np.full((2, 3), 7.0, np.float32)):
            data = {"fields": [{"name": "u"}], "planes": [[pack(values)]], "grid": {"rows": 2, "columns": 3}}
            np.testing.assert_array_equal(unpacked(data, 0, "u"), values)

    def test_a_hundred_frames_stay_below_twenty_megabytes(self) -> None:
        mask = np.ones((2048, 2048), bool)
        grid = Grid.around(mask, 100 * 11)
        noise = np.random.default_rng(4).normal(size=(grid.rows, grid.columns)).astype(np.float32)
        assert 100 * 11 * len(pack(noise)[2]) < 30e6, "even of pure noise"
        y, x = np.mgrid[: grid.rows, : grid.columns].astype(np.float32)
        assert 100 * 11 * len(pack(np.sin(x / 40) + 0.01 * y + 1e-3 * noise)[2]) < 20e6
        assert grid.columns >= 80

    def test_the_grid_is_around_the_surface(self) -> None:
        mask = np.zeros((300, 400), bool)
        mask[100:150, 200:300] = True
        assert Grid.around(mask, 1) == Grid(198, 99, 104, 52, 1)


class TestCharts:
    def test_gaps_and_ticks(self) -> None:
        svg = chart("Strain (%)", "frame", [0, 1, 2, 3], [Curve("a & b", [0.0, 1.0, float("nan"), 4.0])])
        assert svg.count("M") == 2
        assert "a &amp; b" in svg
        assert ">4<" in svg

    def test_ticks_are_told_apart_however_small_they_are(self) -> None:
        for values in ([1.2000e-4, 1.2002e-4], [0.0, 3e-9], [-2.0, 3.0], [1e5, 1e5 + 1e-3]):
            texts = re.findall(r'text-anchor="end">([^<]*)<', chart("t", "time (s)", [0.0, 1.5], [Curve("a", values)]))
            assert len(set(texts)) == len(texts) > 2, texts

    def test_there_are_no_parts_of_frames(self) -> None:
        svg = chart("t", "frame", [0.0, 1.0], [Curve("a", [1.0, 2.0])])
        assert re.findall(r'text-anchor="middle">([^<]*)<', svg) == ["0", "1", "frame"]

    def test_a_constant_and_nothing_at_all(self) -> None:
        for value in (0.0, 3.0, float("nan")):
            assert chart("t", "frame", [0, 1], [Curve("a", [value, value])]).endswith("</svg>")

    def test_a_point_that_stands_alone_is_drawn(self) -> None:
        nan = float("nan")
        svg = chart("t", "frame", [0, 1, 2, 3, 4], [Curve("a", [nan, 1.0, nan, 2.0, 3.0])])
        (path,) = re.findall(r' d="([^"]*)"', svg)
        alone, first, last = re.findall(r"([\d.]+ [\d.]+)", path)
        assert path == f"M{alone}M{first}L{last}"
        assert [f"{x} {y}" for x, y in re.findall(r'<circle [^>]*cx="([\d.]+)" cy="([\d.]+)"', svg)] == [alone]

    def test_many_names_are_put_below_each_other(self) -> None:
        curves = [Curve(f"a rather long name {index}", [0.0, 1.0]) for index in range(6)]
        assert 'y="18.5"' in chart("t", "frame", [0, 1], curves)
        assert 'y="37.5"' in chart("t", "frame", [0, 1], curves)


def test_resolution_of_one_window_is_where_the_transfer_is_ninety_percent() -> None:
    period = gaussian_resolution_px(5.0, 4)
    found = 1 - (1 - np.exp(-2 * np.pi**2 * 25 / period**2)) ** 5  # the start is smoothed by the window, too
    assert found == pytest.approx(0.9)


@dataclass
class Opened:
    """A page in a browser, and what it said and asked for."""

    tab: Any
    said: list[str]
    asked: list[str]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium without a screen; skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = os.environ.get("SCORRNET_BROWSER") or next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if path is None:
        pytest.skip("no Chromium is installed")
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(params=[(1280, 900), (390, 844)], ids=["wide", "narrow"])
def opened(browser: Any, sequence: Sequence, request: pytest.FixtureRequest) -> Iterator[Opened]:
    target = sequence.folder / "report.html"
    probes = ("--line", "gauge=15,20,60,20", "--rect", "hot=50,10,12,12", "--point", "tip=20,40")
    assert scorrnet("report", sequence.result, "-o", target, "-q", *probes).exit_code == 0
    width, height = request.param
    tab = browser.new_page(viewport={"width": width, "height": height})
    said: list[str] = []
    asked: list[str] = []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda asking: asked.append(asking.url))
    tab.goto(target.as_uri())
    tab.wait_for_selector(f"body[data-shown='{T - 1}']")
    yield Opened(tab, said, [url for url in asked if not url.startswith("data:")])
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [target.as_uri()]
    tab.close()


def pixels(tab: Any) -> str:
    """The picture as it is drawn."""
    return str(tab.evaluate("document.getElementById('picture').toDataURL()"))


class TestInABrowser:
    def test_nothing_sticks_out(self, opened: Opened) -> None:
        wide, room = opened.tab.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert wide <= room

    def test_the_slider_changes_the_picture_and_all_that_belongs_to_it(self, opened: Opened) -> None:
        tab = opened.tab
        before = pixels(tab)
        tab.locator("#slider").fill("0")
        tab.wait_for_selector("body[data-shown='0']")
        assert tab.locator("#frame-name").inner_text() == "0: def_0.png"
        assert pixels(tab) != before
        places = tab.locator(".chart").evaluate_all(
            "all => all.map(one => one.querySelector('.now').getAttribute('x1'))"
        )
        assert len(places) == 6
        assert set(places) == {"66.0"}
        tab.locator("#next").click()
        tab.wait_for_selector("body[data-shown='1']")
        assert tab.locator("#slider").input_value() == "1"

    def test_a_field_is_chosen_in_the_gallery(self, opened: Opened) -> None:
        tab = opened.tab
        before = pixels(tab)
        tab.get_by_role("button", name="eyy").click()
        assert "strain along y" in tab.locator("#caption").inner_text()
        assert pixels(tab) != before
        assert tab.locator("#gallery [aria-pressed='true']").count() == 1

    @pytest.mark.parametrize("at", [(20, 10), (60, 50)])
    def test_the_value_under_the_pointer(self, opened: Opened, at: tuple[int, int]) -> None:
        tab = opened.tab
        grid = tab.evaluate("JSON.parse(document.getElementById('data').textContent).grid")
        picture = tab.locator("#picture")
        picture.scroll_into_view_if_needed()
        box = picture.bounding_box()
        assert box is not None
        x, y = at
        tab.mouse.move(
            box["x"] + (x + 0.5 - grid["x"]) / grid["columns"] * box["width"],
            box["y"] + (y + 0.5 - grid["y"]) / grid["rows"] * box["height"],
        )
        assert tab.locator("#place").inner_text() == f"x {x} px, y {y} px"

        def read(name: str) -> float:
            text = tab.locator(f"[data-field={name}] td").nth(1).inner_text()
            return float(text.split()[0].replace("\N{MINUS SIGN}", "-"))

        assert read("u") == pytest.approx(T * (SHIFT[0] + STRAIN * x), abs=2e-3)
        assert read("v") == pytest.approx(T * SHIFT[1], abs=2e-3)
        slope = T * STRAIN
        assert read("exx") == pytest.approx(100 * (slope + slope**2 / 2), abs=5e-3)
        assert read("zncc") == pytest.approx(0.9 + 0.001 * x, abs=1e-4)

    def test_the_hole_is_said_to_be_not_measured(self, opened: Opened) -> None:
        tab = opened.tab
        box = tab.locator("#picture").bounding_box()
        tab.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        assert tab.locator("[data-field=u] td").nth(1).inner_text() == "not measured"

    def test_it_prints(self, opened: Opened) -> None:
        assert opened.tab.pdf(format="A4").startswith(b"%PDF")
