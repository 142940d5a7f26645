"""Scale and times are taken as stated, and nothing is guessed."""

from __future__ import annotations

import datetime
import math
from pathlib import Path

import numpy as np
import pytest
import tifffile

from scorrnet_cli.errors import FrameError, UsageError
from scorrnet_cli.field import FrameInfo
from scorrnet_cli.images.clock import Clock, check_rising
from scorrnet_cli.units import Calibration, steps_in_time


def test_scale_bar() -> None:
    scale = Calibration.of_scale_bar("10,20,40,60,2.5")  # 50 px
    assert scale.mm_per_px == pytest.approx(0.05)
    assert scale.source == "scale bar of 2.5 mm, (10, 20) to (40, 60) px"


def test_a_scale_bar_lies_within_the_image() -> None:
    scale = Calibration.of_scale_bar("10,20,40,60,2.5")
    scale.check_within((60, 40))
    for shape in ((59, 40), (60, 39)):
        with pytest.raises(UsageError, match=r"within the image of .*\(10, 20\) to \(40, 60\)"):
            scale.check_within(shape)
    Calibration(0.05, "told").check_within((1, 1))


@pytest.mark.parametrize("text", ["1,2,3,4", "a,b,c,d,e", "1,1,1,1,5", "0,0,10,0,-1", "0,0,10,0,0", "0,0,inf,0,1"])
def test_senseless_scale_bars_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Calibration.of_scale_bar(text)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_senseless_scales_and_rates_are_refused(value: float) -> None:
    with pytest.raises(UsageError):
        Calibration(value, "")
    with pytest.raises(UsageError):
        Clock(value)


def test_a_clock_is_one_thing() -> None:
    for wrong in ((None, None), (25.0, "names"), (None, "moon")):
        with pytest.raises(UsageError):
            Clock(*wrong)


# a fraction of the second or a number; minutes; an exponent
UNCLEAR = (
    "cam_20260131_142500_250.tif",
    "cam_20260131-142500-250000.tif",
    "2026-01-31_14h25m00s250.tif",
    "t_1m_30s.tif",
    "1min 30s.tif",
    "12.5e-3s.tif",
)


def test_a_rate_counts_images() -> None:
    assert Clock(25.0).read(Path("any.png"), 0, 50) == 2.0
    assert Clock(25.0).source == "25 images per second"


@pytest.mark.parametrize(
    ("name", "later"),
    [
        ("cam_20260131_142500.250.tif", 0.25),
        ("cam0-2026-01-31T14-25-01,5_12.tif", 1.5),
        ("2026.01.31 14:26:00.png", 60.0),
        ("20260131142502.bmp", 2.0),
        ("20260131_142503_0001.bmp", 3.0),  # a counter is no fraction
    ],
)
def test_dates_in_names(name: str, later: float) -> None:
    clock = Clock(None, "names")
    assert clock.read(Path(name), 0, 7) - clock.read(Path("a_20260131_142500_1.tif"), 0, 0) == pytest.approx(later)


@pytest.mark.parametrize(
    ("name", "seconds"),
    [("a_12.5s.tif", 12.5), ("load_12,5s_7.tif", 12.5), ("t=80ms_3.tif", 0.08), ("3 s.tif", 3.0), ("run-3s.tif", 3.0)],
)
def test_seconds_in_names(name: str, seconds: float) -> None:
    assert Clock(None, "names").read(Path(name), 0, 0) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "name",
    [
        "img_0012.tif",
        "20261399_142500.tif",
        "1s_2s.tif",
        "12_5steel.tif",
        "100.tif",
        "t_-2.5s.tif",
        "-2s.tif",
        *UNCLEAR,
    ],
)
def test_names_without_a_time_are_refused(name: str) -> None:
    with pytest.raises(FrameError) as caught:
        Clock(None, "names").read(Path(name), 0, 0)
    assert name in str(caught.value)
    assert caught.value.exit_code == 3


def test_images_are_taken_one_after_another() -> None:
    check_rising([("a", 0.0), ("b", None), ("c", 0.1), ("d", 7.0)])
    for later in (1.5, 1.0):
        with pytest.raises(FrameError, match=r"do not rise: 1.5 s, and then 1.*\(b, d\)"):
            check_rising([("a", 0.0), ("b", 1.5), ("c", None), ("d", later)])


def test_tags_of_tiff(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    image = np.zeros((40, 40), np.uint8)
    with tifffile.TiffWriter(path) as tiff:
        for second in (7, 9):
            tiff.write(image, datetime=f"2026:01:31 14:25:{second:02d}", metadata=None)
    clock = Clock(None, "tiff")
    assert clock.read(path, 1, 0) - clock.read(path, 0, 0) == 2.0
    tifffile.imwrite(tmp_path / "b.tif", image, metadata=None)
    (tmp_path / "c.tif").write_text("no TIFF")
    for name, page in (("b.tif", 0), ("c.tif", 0), ("a.tif", 2), ("missing.tif", 0)):
        with pytest.raises(FrameError, match=name):
            clock.read(tmp_path / name, page, 0)


def test_tags_are_those_of_the_images_and_not_of_thumbnails(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        for second in (0, 10, 20):
            stamp = datetime.datetime(2026, 1, 31, 14, 25, second)
            tiff.write(np.zeros((40, 56), np.uint8), datetime=stamp, subfiletype=0)
            tiff.write(np.zeros((10, 14), np.uint8), subfiletype=1)
    clock = Clock(None, "tiff")
    first = clock.read(tmp_path / "a.tif", 0, 0)
    assert [clock.read(tmp_path / "a.tif", page, page) - first for page in range(3)] == [0, 10, 20]


def test_the_name_of_a_file_of_several_images_tells_no_times() -> None:
    clock = Clock(None, "names")
    assert clock.read(Path("cam_12.5s.tif"), 0, 0) == 12.5
    with pytest.raises(FrameError, match="holds several images"):
        clock.read(Path("cam_12.5s.tif"), 1, 1)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("a.tif", ("a.tif", 0)),
        ("a.tif[12]", ("a.tif", 12)),
        ("cam[2]_5s.tif", ("cam[2]_5s.tif", 0)),
        ("b[1].tif[3]", ("b[1].tif", 3)),
    ],
)
def test_only_what_ends_a_name_is_a_page(name: str, place: tuple[str, int]) -> None:
    assert FrameInfo(name, "").place == place


def test_a_stem_is_plain_and_short() -> None:
    assert FrameInfo("a b (1)/\u00e9.tif[3]", "").stem.replace("\u00e9", "e") == "e"
    assert FrameInfo(" Cam 1 (left).png", "").stem == "Cam_1_left"
    assert len(FrameInfo("x" * 240 + ".tif", "").stem) == 60


@pytest.mark.parametrize(
    ("times", "steps"),
    [
        ([math.nan, 4.0, 6.0, math.nan], [2.0, 4.0, 6.0, 8.0]),
        ([5.0, math.nan, 9.0], [5.0, 7.0, 9.0]),
        ([math.nan, 3.0, math.nan], [2.0, 3.0, 4.0]),
        ([0.0, 1.0, 4.0, math.nan], [0.0, 1.0, 4.0, 6.0]),
        ([math.nan, math.nan], [0.0, 1.0]),
    ],
)
def test_every_image_has_a_time_of_its_own(times: list[float], steps: list[float]) -> None:
    assert steps_in_time(times).tolist() == steps


@pytest.mark.parametrize("mm_per_px", [1e-10, 1e10])
def test_a_scale_that_no_camera_has_is_refused(mm_per_px: float) -> None:
    with pytest.raises(UsageError, match=r"between 1e-08 and 1e\+06 mm per px"):
        Calibration(mm_per_px, "told")
