"""Strain, scale and times on the command line: taken, printed, stored, and refused where they make no sense."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from scorrnet_cli.cli import app
from scorrnet_cli.gauge import MEASURES
from scorrnet_cli.strain import strain_of
from scorrnet_cli.writers import Header, open_writer, read_hdf5

ROOT = Path(__file__).parents[2]
FLAGS = ("--no-refine", "--device", "cpu")
UNITS = ("--mm-per-px", "0.05", "--fps", "10")


def scorrnet(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="scorrnet")


def rows_of(result: Result) -> dict[str, str]:
    lines = (re.split(r"\s{2,}", line.strip(), maxsplit=1) for line in result.stdout.splitlines())
    return {line[0]: line[1] for line in lines if len(line) == 2}


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A result without strain in the current folder."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copyfile(ROOT / "tests" / "data" / "result_format_1.h5", tmp_path / "old.h5"))


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with parts of rendered images, ref, def_1.00s and def_2.00s, in the current one."""
    folder = tmp_path / "images"
    folder.mkdir()
    names = {"reference": "a_0.00s", "deformed": "b_1.00s", "unmoved": "c_2.50s"}
    for source, name in names.items():
        whole = Image.open(ROOT / "examples" / "star" / f"{source}.png")
        whole.crop((700, 90, 796, 170)).save(folder / f"{name}.png")
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.mark.weights
def test_measure_takes_strain_and_units(images: Path) -> None:
    pair = (images / "a_0.00s.png", images / "b_1.00s.png")
    result = scorrnet("measure", *pair, "-o", "a.h5", "--strain", "--strain-window", "15", *UNITS, *FLAGS)
    assert result.exit_code == 0, result.stderr
    rows = rows_of(result)
    assert rows["scale"] == "0.05 mm per px (--mm-per-px)"
    assert rows["times"] == "10 images per second"
    assert rows["taken at"] == "0.1 s"
    assert rows["strain"].startswith("green-lagrange, planes fitted to 15 x 15 px (uniform weights), virtual strain ")
    field = read_hdf5("a.h5")
    np.testing.assert_array_equal(field.strain_field.exx, strain_of(field).exx)  # type: ignore[union-attr]
    least, most = np.nanmin(field.v), np.nanmax(field.v)
    assert rows["v"].startswith(f"min {least:.3f}, ")
    assert rows["v"].endswith(f"max {0.05 * most:.5f} mm")
    assert f"max {np.nanmax(field.strain_field.eyy):.6f}; sigma -" in rows["eyy"]  # type: ignore[union-attr]


@pytest.mark.weights
def test_a_window_larger_than_the_surface_is_told(images: Path) -> None:
    pair = (images / "a_0.00s.png", images / "b_1.00s.png")
    result = scorrnet("measure", *pair, "-o", "a.h5", "--strain-window", "301", "--roi", "20,20,30,30", *FLAGS)
    assert result.exit_code == 0, result.stderr
    assert rows_of(result)["exx, eyy, exy"].endswith("try a smaller --strain-window")


@pytest.mark.weights
def test_json_tells_strain_and_units(images: Path) -> None:
    files = sorted(images.iterdir())
    result = scorrnet(
        "measure",
        *files,
        *("-o", "a.h5", "--strain", "--strain-measure", "small", *FLAGS, "--json"),
        *("--scale-bar", "0,0,30,40,5", "--times", "names"),
    )
    content = json.loads(result.stdout)
    assert content["mm_per_px"] == pytest.approx(0.1)
    assert (content["scale_source"], content["time_source"]) == (
        "scale bar of 5 mm, (0, 0) to (30, 40) px",
        "time stamps in file names",
    )
    assert [frame["at_s"] for frame in content["frames"]] == [1.0, 2.5]
    assert content["strain"] == {
        "measure": "small",
        "window_px": 25,
        "order": 1,
        "weights": "uniform",
        "vsg_size_px": 33,
    }
    strain = read_hdf5("a.h5").strain_field
    assert strain is not None
    found = content["frames"][1]["strain"]["exy"]
    assert found["max"] == pytest.approx(float(np.nanmax(strain.exy[1])))
    assert content["frames"][0]["strain"]["sigma_exy_median"] is None
    table = scorrnet("measure", *files, "-o", "b.h5", "--strain", *UNITS, *FLAGS).stdout
    assert len([line for line in table.splitlines() if line.startswith(("b_1", "c_2"))]) == 4
    assert re.search(r"^b_1.00s.png +0.1 s .* mm ", table, re.MULTILINE)


@pytest.mark.weights
@pytest.mark.parametrize("suffix", [".h5", ".frames"])
def test_batch_takes_strain_and_units(images: Path, suffix: str) -> None:
    Image.new("L", (96, 80), 90).save(images / "d_3.00s.png")
    flags = ("--strain", "--mm-per-px", "0.05", "--times", "names", "-o", "a.h5", *FLAGS)
    result = scorrnet("batch", images, *flags, *(("--split",) if suffix == ".frames" else ()))
    assert result.exit_code == 6, result.stderr
    rows = rows_of(result)
    assert rows["v"].endswith(" mm")
    assert ", its sigma -" in rows["eyy"]
    path = Path("a.h5") if suffix == ".h5" else sorted(Path("a.frames").iterdir())[0]
    field = read_hdf5(path)
    assert [info.at_s for info in field.deformed] == ([1.0, 2.5, 3.0] if suffix == ".h5" else [1.0])
    assert field.calibration is not None
    assert field.strain_field is not None
    assert np.isfinite(field.strain_field.exx[0]).any()
    assert not np.isfinite(field.strain_field.exx[3:]).any()


@pytest.mark.weights
def test_batch_counts_all_images_at_a_rate_and_resumes_with_the_same(images: Path) -> None:
    for name in ("d", "e"):
        shutil.copyfile(images / "b_1.00s.png", images / f"{name}.png")
    flags = ("batch", images, "-o", "a.h5", "--every", "2", "--fps", "4", *FLAGS)
    assert scorrnet(*flags).exit_code == 0
    assert [info.at_s for info in read_hdf5("a.h5").deformed] == [0.5, 1.0]  # images 2 and 4
    unnamed = scorrnet("batch", images, "-o", "b.h5", "--times", "names", *FLAGS)
    assert unnamed.exit_code == 3
    assert "d.png" in unnamed.stderr
    assert not Path("b.h5.parts").exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--strain-window", "24"), "odd number"),
        (("--strain-measure", "logarithmic"), "green-lagrange"),
        (("--strain-order", "3"), "1 or 2"),
        (("--mm-per-px", "0"), "positive"),
        (("--mm-per-px", "1", "--scale-bar", "0,0,1,0,1"), "given twice"),
        (("--scale-bar", "0,0,1"), "five numbers"),
        (("--fps", "10", "--times", "names"), "--fps and --times"),
        (("--times", "sun"), "names or tiff"),
    ],
)
def test_senseless_options_are_refused(images: Path, flags: tuple[str, ...], words: str) -> None:
    result = scorrnet("measure", *sorted(images.iterdir()), "-o", "a.h5", *flags)
    assert result.exit_code == 2
    assert words in result.stderr


def test_strain_is_added_to_a_result(old: Path) -> None:
    result = scorrnet("strain", old, "--strain-window", "11", "--strain-measure", "hencky")
    assert result.exit_code == 0, result.stderr
    rows = rows_of(result)
    assert rows["strain"].startswith("hencky, planes fitted to 11 x 11 px")
    assert "virtual strain gauge 45 px" in rows["strain"]
    assert rows["written to"] == str(old)
    field = read_hdf5(old)
    how = field.process.settings.asked_gauge
    assert how is not None
    assert (how.window_px, how.measure) == (11, "hencky")
    np.testing.assert_array_equal(field.strain_field.exx, strain_of(field, how).exx)  # type: ignore[union-attr]
    assert scorrnet("strain", old, "-q", "--strain-measure", "green-lagrange").stdout == ""
    field = read_hdf5(old)
    assert field.process.settings.strain_measure == "green-lagrange"
    assert field.strain_field.measure == "green-lagrange"  # type: ignore[union-attr]
    assert field.strain_field.window_px == 11  # type: ignore[union-attr]


def test_strain_of_a_copy_as_a_settings_file_says(old: Path) -> None:
    before = old.read_bytes()
    Path("s.toml").write_text('strain_weights = "gaussian"\nstrain_window_px = 15\n')
    assert scorrnet("strain", old, "-o", "new.h5", "--settings", "s.toml", "--strain-order", "2").exit_code == 0
    strain = read_hdf5("new.h5").strain_field
    assert strain is not None
    assert (strain.weights, strain.window_px, strain.order) == ("gaussian", 15, 2)
    assert old.read_bytes() == before
    again = scorrnet("strain", old, "-o", "new.h5")
    assert again.exit_code == 7
    assert scorrnet("strain", old, "-o", "new.h5", "--overwrite").exit_code == 0


@pytest.mark.parametrize(("name", "words"), [("a.tif", "HDF5 results only"), ("none.h5", "no such result")])
def test_strain_needs_an_hdf5_result(old: Path, name: str, words: str) -> None:
    result = scorrnet("strain", name)
    assert result.exit_code == 2
    assert words in result.stderr
    assert name in result.stderr


@pytest.mark.parametrize(
    ("reference", "images", "numbers"),
    [
        ("img_0.png", ["img_2.png", "img_10.png"], [1, 2]),
        ("img_2.png", ["img_1.png", "img_10.png"], [0, 2]),  # as batch --reference img_2.png counts
        ("reference.png", ["a_1.png", "a_2.png"], [1, 2]),
        ("b.png", ["c.png", "a.png"], [1, 2]),  # in an order of their own
        ("a.tif[0]", ["a.tif[1]", "a.tif[2]"], [1, 2]),
    ],
)
def test_a_rate_counts_from_the_first_image(old: Path, reference: str, images: list[str], numbers: list[int]) -> None:
    field = read_hdf5(old)
    infos = tuple(replace(info, name=name) for info, name in zip(field.deformed, images, strict=True))
    field = replace(field, reference=replace(field.reference, name=reference), deformed=infos)
    with open_writer(Path("a.h5"), Header(field.shape[1:], 2, field.reference, field.process)) as writer:
        writer.append(field)
    assert scorrnet("units", "a.h5", "--fps", "10").exit_code == 0
    assert [info.at_s for info in read_hdf5("a.h5").deformed] == [number / 10 for number in numbers]


def test_a_window_wider_than_the_surface_is_told_of(old: Path) -> None:
    result = scorrnet("strain", old, "--strain-window", "101")
    assert result.exit_code == 0, result.stderr
    assert "the strain window of 101 px is wider than the surface" in result.stderr
    assert "wider" not in scorrnet("strain", old, "--strain-window", "11").stderr


def test_units_are_stated_and_shown(old: Path) -> None:
    assert rows_of(scorrnet("units", old)) == {"scale": "not known: px", "times": "not known"}
    result = scorrnet("units", old, "--mm-per-px", "0.042", "--fps", "25")
    assert result.exit_code == 0, result.stderr
    assert rows_of(result)["times"] == "0.04 to 0.08 s (25 frames of the result per second)"
    outside = scorrnet("units", old, "--scale-bar", "0,0,100,0,5")
    assert (outside.exit_code, "within the image of 64 x 40 px" in outside.stderr) == (2, True)
    assert rows_of(scorrnet("units", old, "--scale-bar", "0,0,50,0,2.5"))["scale"].startswith(
        "0.05 mm per px (scale bar"
    )
    field = read_hdf5(old)
    assert [info.at_s for info in field.deformed] == [0.04, 0.08]
    assert field.calibration is not None
    assert field.calibration.mm_per_px == 0.05  # replaced, not multiplied
    for flags, code, words in ((("--times", "tiff"), 2, "Measure with"), (("--times", "names"), 3, "no time")):
        wrong = scorrnet("units", old, *flags)
        assert wrong.exit_code == code
        assert words in wrong.stderr


def test_what_is_added_to_a_result_is_hdf5(old: Path) -> None:
    for command in (("units", old, "--mm-per-px", "0.1"), ("strain", old)):
        result = scorrnet(*command, "-o", "new.tif")
        assert (result.exit_code, "new.tif" in result.stderr) == (7, True)
        assert not Path("new.tif").exists()


@pytest.mark.parametrize("change", [("units", "--mm-per-px", "0.1"), ("strain", "-q")])
def test_a_result_that_is_changed_stays_where_and_whose_it_is(
    old: Path, monkeypatch: pytest.MonkeyPatch, change: tuple[str, ...]
) -> None:
    Path("disk").mkdir()
    real = old.rename("disk/old.h5")
    old.symlink_to("disk/old.h5")
    real.chmod(0o600)
    command, *flags = change
    result = scorrnet(command, old, *flags)
    assert result.exit_code == 0, result.stderr
    assert old.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o600
    field = read_hdf5(real)
    assert (field.calibration is not None) == (command == "units")
    assert (field.strain_field is not None) == (command == "strain")
    before = real.read_bytes()
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)  # which root is always granted
    refused = scorrnet(command, old, *flags)
    assert (refused.exit_code, "write-protected" in refused.stderr) == (7, True)
    assert real.read_bytes() == before


def test_help_names_every_measure() -> None:
    text = scorrnet("strain", "--help").stdout
    assert all(measure in text for measure in MEASURES)
