"""The command line: what it prints, where it writes, and how it fails.

A stand-in for the pipeline measures at once what `FAKE_U` and `FAKE_V` say, so that everything around it is
tested without networks; `TestEndToEnd` runs the real thing.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import statistics
import struct
import subprocess
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
import torch
import typer
from PIL import Image
from torch import Tensor
from typer.testing import CliRunner, Result

import scorrnet_cli
from scorrnet_cli import archive, tracking, weights
from scorrnet_cli.cli import app, meaning
from scorrnet_cli.device import choose_device, describe
from scorrnet_cli.errors import MeasurementError, UsageError
from scorrnet_cli.field import BoolArray, Field, FrameInfo, Process
from scorrnet_cli.frames import Frame, check_same_shape, read_mask, sha256
from scorrnet_cli.masks.sureness import Sureness
from scorrnet_cli.settings import Settings
from scorrnet_cli.writers import read_hdf5, read_process

HEIGHT, WIDTH = 40, 60
FAKE_U, FAKE_V = 1.5, -0.25
CPU = torch.device("cpu")


@dataclass(frozen=True)
class FakeInstruments:
    settings: Settings
    device: str
    where: torch.device = CPU

    def process(self) -> Process:
        used = {"segmentation": "5" * 64, "displacement": "d" * 64}
        mask = self.settings.mask_file
        digest = sha256(mask) if mask and mask.is_file() else ""
        return Process("0", "2026-01-01T00:00:00+00:00", self.device, used, self.settings, digest)


@dataclass(frozen=True)
class FakePrepared:
    frame: Frame
    mask: BoolArray
    process: Process
    sureness: Sureness | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        return self.sureness.warnings if self.sureness else ()


def fake_load(settings: Settings) -> FakeInstruments:
    return FakeInstruments(settings, describe(choose_device(settings.device)))


def fake_prepare(instruments: FakeInstruments, reference: Frame, surface_mask: Tensor | None = None) -> FakePrepared:
    """Mask the left half, or what the settings say; an image of one grey level has no speckle."""
    if np.ptp(reference.grey) == 0:
        raise MeasurementError("No speckle was found", reference.info.name, "Give a --mask")
    mask = np.zeros(reference.shape, bool)
    mask[:, : WIDTH // 2] = True
    if instruments.settings.mask_file:
        mask = read_mask(instruments.settings.mask_file, reference.shape)
        return FakePrepared(reference, mask, instruments.process())
    return FakePrepared(reference, mask, instruments.process(), Sureness(200 * mask.astype(np.uint8), 0.5, 0.001))


def fake_measure_pair(
    instruments: FakeInstruments, prepared: FakePrepared, deformed: Frame, start: Tensor | None = None
) -> Field:
    """Give the known field, with one invalid point; an image of one grey level cannot be measured."""
    check_same_shape(prepared.frame, deformed)
    if np.ptp(deformed.grey) == 0:
        raise MeasurementError("Nothing matches", deformed.info.name)
    mask = prepared.mask[np.newaxis]
    valid = mask.copy()
    valid[0, 0, 0] = False

    def where(chosen: BoolArray, value: float) -> Any:
        return np.where(chosen, value, np.nan).astype(np.float32)

    u = where(valid, FAKE_U) + np.linspace(-1, 1, HEIGHT, dtype=np.float32)[:, np.newaxis]
    sigma = where(valid, 0.005 if instruments.settings.refine else np.nan)
    return Field(
        u=u,
        v=where(valid, FAKE_V),
        mask=mask,
        valid=valid,
        zncc=where(mask, 0.99),
        sigma_u=sigma,
        sigma_v=sigma,
        fallback=np.zeros_like(valid),
        reference=prepared.frame.info,
        deformed=(deformed.info,),
        process=instruments.process(),
    )


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """The stand-in, in the place of `scorrnet_cli.pipeline`."""
    fake = types.SimpleNamespace(load=fake_load, prepare=fake_prepare, measure_pair=fake_measure_pair)
    monkeypatch.setitem(sys.modules, "scorrnet_cli.pipeline", fake)
    monkeypatch.setattr(scorrnet_cli, "pipeline", fake, raising=False)
    monkeypatch.setattr(tracking, "pipeline", fake)
    return fake


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a reference, two deformed images, three more as pages, a flat and a narrow one."""
    rng = np.random.default_rng(7)
    images = rng.integers(0, 256, (4, HEIGHT, WIDTH), dtype=np.uint8)
    for name, image in zip(("ref", "def", "def2"), images, strict=False):
        Image.fromarray(image).save(tmp_path / f"{name}.png")
    Image.fromarray(np.full((HEIGHT, WIDTH), 90, np.uint8)).save(tmp_path / "flat.png")
    Image.fromarray(images[0, :, 1:].copy()).save(tmp_path / "narrow.png")
    tifffile.imwrite(tmp_path / "pages.tif", images[1:], photometric="minisblack")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def registered(words: str, group: Any) -> dict[str, Any]:
    """Return the commands of a group by their words, such as ``evaluate star``, and those of groups within it."""
    found: dict[str, Any] = {}
    for name, command in getattr(group, "commands", {}).items():
        path = f"{words} {name}".strip()
        found |= {path: command} | registered(path, command)
    return found


COMMANDS = registered("", typer.main.get_command(app))


def scorrnet(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="scorrnet")


def run_alone(*arguments: str, prefix: tuple[str, ...] = (), **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the program in a process of its own."""
    command = [*prefix, sys.executable, "-m", "scorrnet_cli", *arguments]
    source = str(Path(scorrnet_cli.__file__).parents[1])
    env = os.environ | {"PYTHONPATH": source, "COLUMNS": "200"} | options.pop("env", {})
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, **options)


def processor_s(command: list[str]) -> float:
    """Return the processor time that a command takes, which other work on the machine hardly changes."""
    before = os.times()
    subprocess.run(command, check=True, capture_output=True)
    after = os.times()
    return after.children_user - before.children_user + after.children_system - before.children_system


def assert_fails(result: Result, code: int, *parts: str) -> None:
    """Check for an exit code and for one line on stderr, and nothing else, that says why."""
    assert result.stdout == ""
    assert result.exit_code == code, result.stderr
    (line,) = result.stderr.splitlines()
    assert re.fullmatch(r"scorrnet: error: [^\n]+\.", line)
    for part in parts:
        assert part in line


@pytest.mark.usefixtures("pipeline", "folder")
class TestResult:
    def test_a_pair_becomes_a_file_and_a_table(self) -> None:
        result = scorrnet("measure", "ref.png", "def.png", "--device", "cpu")
        assert result.exit_code == 0, result.stderr
        assert result.stderr == ""
        rows = dict(re.split(r"\s{2,}", line.strip(), maxsplit=1) for line in result.stdout.splitlines())
        assert rows["image size"] == "60 x 40 px"
        assert rows["mask area"] == "1200 px (50.0%)"
        assert rows["valid"] == "99.9% of the mask"
        assert rows["u"] == "min 0.500, median 1.526, max 2.500 px"
        assert rows["v"] == "min -0.250, median -0.250, max -0.250 px"
        assert rows["zncc"] == "median 0.9900"
        assert rows["sigma"] == "median u 0.0050, v 0.0050 px"
        assert re.fullmatch(r"\d+\.\d\d s, \d+ points per second", rows["time"])
        assert rows["written to"] == "def.scorrnet.h5"
        field = read_hdf5("def.scorrnet.h5")
        assert field.shape == (1, HEIGHT, WIDTH)
        assert field.deformed[0].name == "def.png"

    def test_fine_scales_have_digits(self) -> None:
        result = scorrnet("measure", "ref.png", "def.png", "--mm-per-px", "4.2e-6")
        assert result.exit_code == 0, result.stderr
        assert re.search(
            r"^u .*; min 0\.000002100, median 0\.0000064\d\d, max 0\.000010500 mm$", result.stdout, re.MULTILINE
        )

    @pytest.mark.parametrize("command", [("measure", "ref.png", "def.png"), ("batch", ".", "--pattern", "?ef*.png")])
    def test_what_is_not_refined_has_no_uncertainty(self, command: tuple[str, ...]) -> None:
        result = scorrnet(*command, "--no-refine", "-o", "plain.h5")
        assert result.exit_code == 0, result.stderr
        assert re.search(r"^sigma +not known without refinement", result.stdout, re.MULTILINE)

    def test_several_frames_have_a_line_each(self) -> None:
        result = scorrnet("measure", "ref.png", "def.png", "def2.png", "--device", "cpu", "-o", "out.h5")
        assert result.exit_code == 0, result.stderr
        lines = result.stdout.splitlines()
        (header,) = (line for line in lines if line.startswith("frame"))
        assert header.split() == [
            *("frame", "valid", "u", "min", "median", "max", "v", "min", "median", "max"),
            *("zncc", "sigma", "u", "sigma", "v", "time"),
        ]
        values = [
            "99.9%",
            "0.500",
            "1.526",
            "2.500",
            "-0.250",
            "-0.250",
            "-0.250",
            "0.9900",
            "0.0050",
            "0.0050",
        ]
        assert [line.split()[:11] for line in lines if line.startswith("def")] == [
            ["def.png", *values],
            ["def2.png", *values],
        ]
        assert [info.name for info in read_hdf5("out.h5").deformed] == ["def.png", "def2.png"]

    def test_json_follows_its_schema(self) -> None:
        arguments = (
            "def.png",
            "def2.png",
            "--json",
            "--no-refine",
            "--device",
            "cpu",
            "-o",
            "out.tif",
            "--plot",
        )
        result = scorrnet("measure", "ref.png", *arguments)
        assert result.exit_code == 0, result.stderr
        content = json.loads(result.stdout)
        assert content.pop("time_s") > 0
        assert content.pop("points_per_s") > 0
        hashes = [archive.sha256(Path(name).read_bytes()) for name in ("ref.png", "def.png", "def2.png")]
        for frame in content["frames"]:
            assert frame.pop("time_s") > 0
            assert frame["u_px"].pop("median") == pytest.approx(1.526, abs=1e-3)
        frame = {
            "error": None,
            "reference_frame": -1,
            "valid_share": 1199 / 1200,
            "u_px": {"min": 0.5, "max": 2.5},
            "v_px": {"min": FAKE_V, "median": FAKE_V, "max": FAKE_V},
            "zncc_median": float(np.float32(0.99)),
            "sigma_u_median_px": None,
            "sigma_v_median_px": None,
            "fallback_share": 0.0,
            "at_s": None,
            "strain": None,
        }
        assert content == {
            "schema": 2,
            "version": scorrnet_cli.__version__,
            "output": "out.tif",
            "plot": "out.png",
            "probability": None,
            "device": describe(CPU),
            "reference": {"name": "ref.png", "sha256": hashes[0]},
            "image_size_px": [WIDTH, HEIGHT],
            "mask_area_px": 1200,
            "mask_share": 0.5,
            "mask_unsure": 0.001,
            "warnings": [],
            "mm_per_px": None,
            "scale_source": None,
            "time_source": None,
            "increments": False,
            "strain": None,
            "frames": [
                {"name": "def.png", "sha256": hashes[1], **frame},
                {"name": "def2.png", "sha256": hashes[2], **frame},
            ],
        }

    def test_the_pages_of_a_file_are_frames(self) -> None:
        assert scorrnet("measure", "ref.png", "pages.tif", "def.png", "-o", "out.h5").exit_code == 0
        names = [info.name for info in read_hdf5("out.h5").deformed]
        assert names == ["pages.tif[0]", "pages.tif[1]", "pages.tif[2]", "def.png"]

    def test_the_first_page_of_a_lone_file_is_the_reference(self) -> None:
        assert scorrnet("measure", "pages.tif").exit_code == 0
        field = read_hdf5("pages.scorrnet.h5")
        assert field.reference.name == "pages.tif[0]"
        assert [info.name for info in field.deformed] == ["pages.tif[1]", "pages.tif[2]"]

    def test_quiet_prints_nothing_and_verbose_more(self) -> None:
        quiet = scorrnet("measure", "ref.png", "def.png", "-q")
        assert (quiet.exit_code, quiet.output) == (0, "")
        verbose = scorrnet("measure", "ref.png", "def.png", "-v", "--overwrite")
        assert "segmentation weights 5555" in verbose.stderr
        assert "surface of 1200 px, found" in verbose.stderr
        Image.new("L", (WIDTH, HEIGHT), 255).save("mask.png")
        given = scorrnet("measure", "ref.png", "def.png", "-v", "--overwrite", "--mask", "mask.png")
        assert f"surface of {WIDTH * HEIGHT} px, given" in given.stderr

    def test_the_device_that_auto_takes_is_said_once(self) -> None:
        result = scorrnet("measure", "ref.png", "def.png", "def2.png")
        first, *frames = result.stderr.splitlines()
        assert first == f"scorrnet: measuring on {describe(choose_device('auto'))}"
        assert [re.match(r"scorrnet: \d of 2  \S+  valid 99.9%", line) is not None for line in frames] == [True, True]


class TestMaskInDoubt:
    @pytest.fixture(autouse=True)
    def unsure(self, pipeline: types.SimpleNamespace, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let the mask be unsure, unless it is given."""

        def prepare(instruments: FakeInstruments, reference: Frame) -> FakePrepared:
            found = fake_prepare(instruments, reference)
            unsure = found.sureness and dataclasses.replace(found.sureness, share=0.995, unsure_share=0.3)
            return dataclasses.replace(found, sureness=unsure)

        monkeypatch.setattr(pipeline, "prepare", prepare)

    def test_it_is_said_with_what_to_do(self) -> None:
        result = scorrnet("measure", "ref.png", "def.png", "--device", "cpu", "--json")
        assert result.exit_code == 0
        first, second = result.stderr.splitlines()
        assert first.startswith("scorrnet: warning: 99.5% of the image was taken for speckle; look at it with --plot")
        assert second.startswith("scorrnet: warning: the mask is unsure: ")
        assert "come to 30% of it" in second
        assert second.endswith("--mask FILE")
        content = json.loads(result.stdout)
        assert content["mask_unsure"] == 0.3
        assert [f"scorrnet: warning: {each}" for each in content["warnings"]] == [first, second]

    def test_a_mask_that_is_given_is_not_doubted(self) -> None:
        Image.new("L", (WIDTH, HEIGHT), 255).save("mask.png")
        result = scorrnet("measure", "ref.png", "def.png", "--device", "cpu", "--mask", "mask.png", "--json")
        assert result.stderr == ""
        content = json.loads(result.stdout)
        assert content["mask_unsure"] is None
        assert content["warnings"] == []

    def test_the_probability_is_written_beside_the_result(self) -> None:
        result = scorrnet("measure", "ref.png", "def.png", "--probability", "-o", "out.ome.tif", "--json")
        assert json.loads(result.stdout)["probability"] == "out.probability.png"
        with Image.open("out.probability.png") as picture:
            assert picture.mode == "L"
            assert np.unique(np.asarray(picture)[:, : WIDTH // 2]) == [200]
            assert np.unique(np.asarray(picture)[:, WIDTH // 2 :]) == [0]
        again = scorrnet("measure", "ref.png", "def2.png", "--probability", "-o", "out.tif")
        assert_fails(again, 7, "out.probability.png")

    def test_a_mask_that_is_given_has_no_probability(self) -> None:
        result = scorrnet("measure", "ref.png", "def.png", "--probability", "--mask", "mask.png")
        assert_fails(result, 2, "--probability", "--mask")


@pytest.mark.usefixtures("pipeline", "folder")
def test_what_a_shell_does_not_expand_is_expanded_in_natural_order() -> None:
    for number in (10, 9, 1):
        Path(f"img_{number}.png").write_bytes(Path("def.png").read_bytes())
    result = scorrnet("measure", "ref.png", "img_*.png", "def[1].png", "-o", "out.h5")
    assert (result.exit_code, "There is no such image" in result.stderr) == (6, True)  # what def[1].png is a name of
    assert [info.name for info in read_hdf5("out.h5").deformed] == [
        *(f"img_{number}.png" for number in (1, 9, 10)),
        "def[1].png",
    ]
    assert scorrnet("measure", "ref.png", "none_*.png").exit_code == 3


@pytest.mark.usefixtures("pipeline", "folder")
class TestPartlyFailed:
    def test_the_others_are_written_and_the_reason_is_said(self) -> None:
        Path("broken.png").write_bytes(Path("def.png").read_bytes()[:80])
        arguments = ("def.png", "flat.png", "broken.png", "narrow.png", "none.png", "def2.png")
        result = scorrnet("measure", "ref.png", *arguments, "--device", "cpu", "-o", "out.h5", "--json")
        assert result.exit_code == 6
        *notes, error = result.stderr.splitlines()
        warnings = [line for line in notes if "warning" in line]
        assert error == ("scorrnet: error: 4 of 6 pairs could not be measured (out.h5). Their reasons are recorded.")
        for number, (line, part) in enumerate(
            zip(warnings, ("Nothing matches", "truncated", "59 x 40 px", "no such image"), strict=True),
            start=2,
        ):
            assert re.match(rf"scorrnet: warning: frame {number} of 6, \w+\.png, could not be measured: ", line)
            assert part in line
        field = read_hdf5("out.h5")
        assert [info.name for info in field.deformed] == list(arguments)
        failed = np.array([False, True, True, True, True, False])
        assert (field.valid.any(axis=(1, 2)) == ~failed).all()
        for name in ("u", "v", "zncc", "sigma_u", "sigma_v"):
            assert np.isnan(getattr(field, name)[failed]).all()
        assert (field.mask.sum(axis=(1, 2)) == 1200).all()
        frames = json.loads(result.stdout)["frames"]
        assert [frame["error"] is not None for frame in frames] == failed.tolist()
        assert frames[1]["u_px"] == {"min": None, "median": None, "max": None}

    def test_pages_that_are_not_there_fail_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        tifffile.imwrite(
            "a.tif", np.random.default_rng(0).random((3, HEIGHT, WIDTH), np.float32), photometric="minisblack"
        )
        shapes = [(HEIGHT, WIDTH)] * 5
        monkeypatch.setattr("scorrnet_cli.batch.sources.page_shapes", lambda path: shapes)
        result = scorrnet("measure", "a.tif")
        assert result.exit_code == 6
        assert "2 of 4 pairs" in result.stderr and "fewer images than its header says" in result.stderr
        assert read_hdf5(Path("a.scorrnet.h5")).valid.any(axis=(1, 2)).tolist() == [True, True, False, False]

    def test_a_page_that_is_damaged_fails_alone(self) -> None:
        rng = np.random.default_rng(3)
        pages = rng.integers(0, 256, (2, HEIGHT, WIDTH)).astype(np.float32)
        pages[1, 5, 5] = np.nan
        tifffile.imwrite("nan.tif", pages, photometric="minisblack")
        result = scorrnet("measure", "ref.png", "nan.tif", "-o", "out.h5")
        assert result.exit_code == 6
        digest = hashlib.sha256(Path("nan.tif").read_bytes()).hexdigest()
        assert read_hdf5("out.h5").deformed[1] == FrameInfo(
            "nan.tif[1]", digest, "The image has pixels that are not a number or infinite"
        )

    def test_the_reasons_are_recorded_if_every_pair_fails(self) -> None:
        result = scorrnet("measure", "ref.png", "flat.png", "flat.png", "--device", "cpu", "-o", "out.h5")
        assert result.exit_code == 6
        assert "2 of 2 pairs" in result.stderr
        assert [info.failure for info in read_hdf5("out.h5").deformed] == ["Nothing matches"] * 2


@pytest.mark.usefixtures("pipeline")
class TestErrors:
    def test_images_that_cannot_be_read(self, folder: Path) -> None:
        whole = (folder / "ref.png").read_bytes()
        for name, content, reason in (
            ("empty.png", b"", "is empty"),
            ("truncated.png", whole[: len(whole) // 2], "truncated"),
            ("text.png", b"no image", "not an image"),
        ):
            (folder / name).write_bytes(content)
            assert_fails(scorrnet("measure", name, "def.png"), 3, reason, name)
            assert_fails(scorrnet("measure", "ref.png", name), 3, reason, name)
        assert_fails(scorrnet("measure", "none.png", "def.png"), 3, "no such image", "none.png")
        assert_fails(scorrnet("measure", "ref.png", folder), 3, "folder")
        assert not list(folder.glob("*scorrnet*"))

    @pytest.mark.parametrize("arguments", [("secret.png", "def.png"), ("ref.png", "secret.png")])
    def test_images_that_may_not_be_read(self, folder: Path, arguments: tuple[str, ...]) -> None:
        (folder / "secret.png").write_bytes((folder / "ref.png").read_bytes())
        (folder / "secret.png").chmod(0)
        # root may read anything unless those rights are taken away
        rights = "-dac_override,-dac_read_search"
        prefix = ("setpriv", "--bounding-set", rights) if os.geteuid() == 0 else ()
        done = run_alone("measure", *arguments, prefix=prefix)
        assert done.returncode == 3, done.stderr
        assert done.stderr == "scorrnet: error: The image cannot be opened: Permission denied (secret.png).\n"

    def test_shapes_that_differ(self, folder: Path) -> None:
        result = scorrnet("measure", "ref.png", "narrow.png")
        assert_fails(result, 3, "ref.png is 60 x 40 px", "narrow.png is 59 x 40 px")

    def test_an_image_of_one_pixel(self, folder: Path) -> None:
        Image.new("L", (1, 1)).save("dot.png")
        assert_fails(scorrnet("measure", "dot.png", "dot.png"), 3, "1 x 1 px", "smaller than")

    def test_a_constant_image(self, folder: Path) -> None:
        assert_fails(scorrnet("measure", "flat.png", "def.png", "--device", "cpu"), 6, "No speckle")
        assert_fails(scorrnet("measure", "ref.png", "flat.png", "--device", "cpu"), 6, "Nothing matches")
        assert not list(folder.glob("*scorrnet*"))

    def test_a_single_image(self, folder: Path) -> None:
        assert_fails(scorrnet("measure", "ref.png"), 3, "nothing to compare", "Give DEF")

    def test_a_mask_that_is_black(self, folder: Path) -> None:
        Image.new("L", (WIDTH, HEIGHT)).save("black.png")
        result = scorrnet("measure", "ref.png", "def.png", "--mask", "black.png", "--device", "cpu")
        assert_fails(result, 3, "black throughout", "black.png")

    def test_an_output_that_exists(self, folder: Path) -> None:
        (folder / "def.scorrnet.h5").write_text("mine")
        assert_fails(scorrnet("measure", "ref.png", "def.png"), 7, "exists already", "--overwrite")
        assert (folder / "def.scorrnet.h5").read_text() == "mine"
        assert scorrnet("measure", "ref.png", "def.png", "--overwrite").exit_code == 0
        assert h5py.is_hdf5(folder / "def.scorrnet.h5")

    def test_a_picture_that_exists(self, folder: Path) -> None:
        (folder / "out.png").write_text("mine")
        assert_fails(scorrnet("measure", "ref.png", "def.png", "-o", "out.h5", "--plot"), 7, "out.png")
        assert not (folder / "out.h5").exists()

    def test_an_output_that_would_replace_an_image(self, folder: Path) -> None:
        before = {path: path.read_bytes() for path in folder.iterdir()}
        for arguments in (("-o", "def.h5", "--plot"), ("-o", str(folder / "ref.png"))):
            result = scorrnet("measure", "ref.png", "def.png", "--overwrite", *arguments)
            assert_fails(result, 7, "would replace an image", "Give another name")
        assert {path: path.read_bytes() for path in folder.iterdir()} == before

    def test_an_output_that_cannot_be(self, folder: Path) -> None:
        assert_fails(scorrnet("measure", "ref.png", "def.png", "-o", "out.png"), 7, "suffix", ".ome.tif")
        assert_fails(scorrnet("measure", "ref.png", "def.png", "-o", "none/out.h5"), 7, "does not exist")

    def test_a_read_only_folder(self, folder: Path) -> None:
        (folder / "locked").mkdir(mode=0o555)
        # root may write anywhere unless that right is taken away
        prefix = ("setpriv", "--bounding-set", "-dac_override") if os.geteuid() == 0 else ()
        done = run_alone("measure", "ref.png", "def.png", "-o", "locked/out.h5", prefix=prefix)
        assert done.returncode == 7, done.stderr
        assert done.stderr == (
            "scorrnet: error: The folder is not writable (locked/out.h5). "
            "Choose another folder or change its permissions.\n"
        )

    def test_cuda_that_is_absent(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        result = scorrnet("measure", "ref.png", "def.png", "--device", "cuda")
        assert_fails(result, 5, "No CUDA device", "--device cpu")

    @pytest.mark.parametrize(
        ("arguments", "part"),
        [
            (("--device", "gpu"), "'gpu'"),
            (("--roi", "1,2,3"), "X,Y,W,H"),
            (("--roi", "1,2,3,x"), "X,Y,W,H"),
            (("--roi", "1,2,0,4"), "at least 1"),
            (("--window", "0.5"), "between 1 and 64"),
            (("--window", "5", "--passes", "0"), "between 1 and 100"),
            (("--passes", "5"), "one window"),
            (("--passes", "two"), "--passes"),
            (("--no-refine", "--window", "5"), "--window"),
            (("--no-refine", "--refinement-weights", "r.safetensors"), "--refinement-weights"),
            (("--window", "5", "--refinement-weights", "r.safetensors"), "--refinement-weights"),
            (("--mask", "all", "--segmentation-weights", "s.safetensors"), "--segmentation-weights"),
            (("--nonsense",), "--nonsense"),
            (("--settings", "none.toml"), "none.toml"),
        ],
    )
    def test_usage(self, folder: Path, arguments: tuple[str, ...], part: str) -> None:
        assert_fails(scorrnet("measure", "ref.png", "def.png", *arguments), 2, part)

    def test_a_command_that_is_none(self) -> None:
        assert_fails(scorrnet("mesure"), 2, "No such command", "measure")

    def test_a_choice_that_is_none(self) -> None:
        result = scorrnet("export", "test.h5", "--to", "word")
        assert_fails(result, 2, "Invalid value for '--to': 'word' is not one of 'csv', ")

    def test_a_plot_without_matplotlib(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        assert_fails(scorrnet("measure", "ref.png", "def.png", "--plot"), 2, "pip install -e '.[plot]'")


@pytest.mark.usefixtures("folder")
class TestSurprises:
    """What is raised in the midst of measuring becomes a line and an exit code, and leaves no result."""

    def measure(self, pipeline: types.SimpleNamespace, error: BaseException, *arguments: str) -> Result:
        def fail(*_: Any) -> Field:
            raise error

        pipeline.measure_pair = fail
        result = scorrnet("measure", "ref.png", "def.png", "def2.png", "--device", "cpu", *arguments)
        assert not list(Path().glob("*scorrnet*"))
        return result

    def test_a_bug(self, pipeline: types.SimpleNamespace) -> None:
        result = self.measure(pipeline, ZeroDivisionError("division\nby zero"))
        assert_fails(result, 1, "ZeroDivisionError: division by zero", "--debug")

    def test_a_bug_with_debug(self, pipeline: types.SimpleNamespace) -> None:
        result = self.measure(pipeline, ZeroDivisionError("division by zero"), "--debug")
        assert result.exit_code == 1
        assert result.stderr.startswith("Traceback")
        assert result.stderr.splitlines()[-1].startswith("scorrnet: error: ZeroDivisionError")

    @pytest.mark.parametrize(
        "error",
        [
            torch.OutOfMemoryError("CUDA out of memory"),
            MemoryError(),
            RuntimeError("cuFFT error: CUFFT_ALLOC_FAILED"),
            RuntimeError("CUDA error: out of memory"),
        ],
    )
    def test_too_little_memory(self, pipeline: types.SimpleNamespace, error: Exception) -> None:
        assert_fails(self.measure(pipeline, error), 5, "Out of memory", "--roi")

    def test_ctrl_c(self, pipeline: types.SimpleNamespace) -> None:
        assert_fails(self.measure(pipeline, KeyboardInterrupt()), 130, "Interrupted")


@pytest.mark.usefixtures("pipeline", "folder")
class TestSettings:
    ASKED = Settings(device="cpu", window_px=6.0, passes=3, roi=(2, 3, 20, 10), mask="ref.png")
    FLAGS = ("--device", "cpu", "--window", "6", "--passes", "3", "--roi", "2,3,20,10", "--mask", "ref.png")
    TOML = """
        device = "cpu"
        window_px = 6.0
        passes = 3
        roi = [2, 3, 20, 10]
        mask = "ref.png"
    """

    def test_flags_are_saved_in_the_result(self) -> None:
        assert scorrnet("measure", "ref.png", "def.png", *self.FLAGS).exit_code == 0
        assert read_process(Path("def.scorrnet.h5")).settings == self.ASKED

    def test_weights_of_ones_own_are_passed_on(self) -> None:
        flags = ("--segmentation-weights", "s.safetensors", "--displacement-weights", "d.safetensors")
        assert scorrnet("measure", "ref.png", "def.png", *flags).exit_code == 0
        expected = Settings(segmentation_weights="s.safetensors", displacement_weights="d.safetensors")
        assert read_process(Path("def.scorrnet.h5")).settings == expected

    def test_who_says_how_strain_is_taken_wants_it(self) -> None:
        for flags, wanted in (
            (("--strain-window", "9"), True),
            (("--strain-order", "2"), True),
            (("--no-strain", "--strain-window", "9"), False),
            ((), False),
        ):
            result = scorrnet("measure", "ref.png", "def.png", "--mask", "all", "--overwrite", *flags)
            assert result.exit_code == 0, result.stderr
            assert read_process(Path("def.scorrnet.h5")).settings.strain == wanted

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
    def test_toml_is_as_good_as_flags(self, encoding: str) -> None:
        Path("mine.toml").write_text(self.TOML, encoding=encoding)
        assert scorrnet("measure", "ref.png", "def.png", "--settings", "mine.toml").exit_code == 0
        assert read_process(Path("def.scorrnet.h5")).settings == self.ASKED

    def test_an_earlier_result_is_replayed(self) -> None:
        assert scorrnet("measure", "ref.png", "def.png", *self.FLAGS).exit_code == 0
        replay = ("--settings", "def.scorrnet.h5", "-o", "again.h5")
        result = scorrnet("measure", "ref.png", "def2.png", *replay)
        assert result.exit_code == 0
        assert "def.scorrnet.h5 was measured by scorrnet 0, and this is" in result.stderr  # as the stand-in says
        assert read_process(Path("again.h5")).settings == self.ASKED

    def test_the_mask_of_an_earlier_result_is_known_by_its_hash(self) -> None:
        Path("a").mkdir()
        mask = Path("ref.png").read_bytes()
        Path("roi.png").write_bytes(mask)
        assert scorrnet("measure", "ref.png", "def.png", "--mask", "roi.png", "-o", "a/x.h5").exit_code == 0
        replay = ("measure", "ref.png", "def.png", "--settings", "a/x.h5", "-o")
        assert scorrnet(*replay, "1.h5").exit_code == 0
        Path("roi.png").write_bytes(Path("def.png").read_bytes())
        assert_fails(scorrnet(*replay, "2.h5"), 2, "Cannot find the mask that this result was measured with", "roi.png")
        assert scorrnet(*replay, "3.h5", "--mask", "roi.png").exit_code == 0
        assert scorrnet("strain", "3.h5", "--settings", "a/x.h5").exit_code == 0
        Path("a/roi.png").write_bytes(mask)
        assert scorrnet(*replay, "4.h5").exit_code == 0
        assert read_process("4.h5").settings.mask == "a/roi.png"
        assert read_process("4.h5").mask_sha256 == read_process("a/x.h5").mask_sha256 == sha256(Path("ref.png"))

    def test_weights_of_an_earlier_result_are_known_by_their_hash(
        self, process: Process, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        own = Path("d.safetensors")
        own.write_bytes(b"as they were")
        made = dataclasses.replace(
            process,
            settings=Settings(displacement_weights="d.safetensors"),
            weights={"segmentation": "0" * 64, "displacement": sha256(own)},
        )
        monkeypatch.setattr("scorrnet_cli.writers.read_process", lambda _: made)
        files = ("mask", "segmentation_weights", "displacement_weights")
        assert meaning.base(Path("x.h5"), files=files) == made.settings
        own.write_bytes(b"others")
        assert meaning.base(Path("x.h5")) == made.settings
        with pytest.raises(UsageError, match="displacement weights that this result was measured with"):
            meaning.base(Path("x.h5"), files=files)

    def test_a_replay_by_another_program_or_other_weights_is_told(
        self, process: Process, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bundled = {role: network.sha256 for role, network in weights.bundled_manifest()[0].networks.items()}
        same = dataclasses.replace(process, version=scorrnet_cli.__version__, settings=Settings(), weights=bundled)
        own = dataclasses.replace(
            same, settings=Settings(displacement_weights="own"), weights=bundled | {"displacement": "1" * 64}
        )
        for made, parts in (
            (same, ()),
            (own, ()),
            (dataclasses.replace(same, version="0.0.1"), ("old.h5 was measured by scorrnet 0.0.1, and this is",)),
            (
                dataclasses.replace(same, weights=bundled | {"refinement": "1" * 64}),
                ("other bundled weights (refinement)",),
            ),
        ):
            monkeypatch.setattr("scorrnet_cli.writers.read_process", lambda _, made=made: made)
            told = meaning.changes_since(Path("old.h5"))
            assert len(told) == len(parts)
            assert all(part in line for part, line in zip(parts, told, strict=True))
        assert meaning.changes_since(Path("mine.toml")) == meaning.changes_since(None) == []

    def test_flags_come_before_the_file(self) -> None:
        Path("mine.toml").write_text(self.TOML)
        flags = ("--settings", "mine.toml", "--mask", "all", "--passes", "5")
        assert scorrnet("measure", "ref.png", "def.png", *flags).exit_code == 0
        assert read_process(Path("def.scorrnet.h5")).settings == self.ASKED.but(mask="all", passes=5)
        unrefined = ("--settings", "mine.toml", "--no-refine", "-o", "again.h5")
        assert scorrnet("measure", "ref.png", "def.png", *unrefined).exit_code == 0
        assert read_process(Path("again.h5")).settings == self.ASKED.but(refine=False)

    @pytest.mark.parametrize(
        ("text", "part"),
        [
            ("windw = 3", "'windw'"),
            ("passes = 'x'", "'passes'"),
            ("= 3", "no TOML"),
            ("passes = 0", "between"),
        ],
    )
    def test_a_wrong_file_is_a_usage_error(self, text: str, part: str) -> None:
        Path("mine.toml").write_text(text)
        assert_fails(scorrnet("measure", "ref.png", "def.png", "--settings", "mine.toml"), 2, part)


class TestWeightsCommands:
    @pytest.fixture
    def home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A bundled archive of files that are no networks, and an empty cache."""
        folder = tmp_path / "home"
        folder.mkdir()
        for name in (*archive.ROLES, "card"):
            (folder / name).write_text(name * 10)
        facts: dict[str, Any] = {
            "architecture": "enet",
            "input": "grey",
            "stride": 8,
            "smallest_image_px": 32,
            "recipe": "",
        }
        entries = {
            "segmentation": {**facts, "displacement_range_px": None, "figures": {"iou": 0.975}},
            "displacement": {**facts, "displacement_range_px": 32, "figures": {"median_error_px": 0.05}},
            "refinement": {**facts, "displacement_range_px": None, "figures": {"z": 1.0}},
        }
        files = {role: folder / role for role in archive.ROLES}
        archive.pack(files, entries, folder / "card", folder / weights.ARCHIVE)
        monkeypatch.setattr(weights, "_HOMES", (folder,))
        monkeypatch.setenv(weights.CACHE_VARIABLE, str(tmp_path / "cache"))
        return folder

    def test_extract_weights_says_where_to(self, home: Path, tmp_path: Path) -> None:
        result = scorrnet("extract-weights")
        assert result.exit_code == 0, result.stderr
        target = Path(result.stdout.removesuffix("\n"))
        assert target.parent == tmp_path / "cache"
        assert (target / "displacement.safetensors").read_text() == "displacement" * 10
        other = scorrnet("extract-weights", home / weights.ARCHIVE, "--to", tmp_path / "mine")
        assert Path(other.stdout.strip()) == tmp_path / "mine" / target.name

    def test_a_corrupted_archive_is_refused(self, home: Path, tmp_path: Path) -> None:
        path = home / weights.ARCHIVE
        data = path.read_bytes()
        middle = len(data) // 2
        path.write_bytes(data[:middle] + struct.pack("B", data[middle] ^ 1) + data[middle + 1 :])
        assert_fails(scorrnet("extract-weights"), 4, archive.sha256(data), archive.sha256(path.read_bytes()))
        copy = tmp_path / "copy.zip"
        copy.write_bytes(data[:middle])
        assert_fails(scorrnet("extract-weights", copy), 4, "Not a sound weights archive", "copy.zip")
        assert not (tmp_path / "cache").exists() or not list((tmp_path / "cache").iterdir())

    def test_a_cache_that_cannot_be_written(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(weights.CACHE_VARIABLE, str(home / "card" / "cache"))
        assert_fails(scorrnet("extract-weights"), 7, "SCORRNET_CACHE")

    def test_info_lists_versions_device_hashes_and_figures(self, home: Path) -> None:
        result = scorrnet("info")
        assert result.exit_code == 0, result.stderr
        digest = archive.sha256((home / weights.ARCHIVE).read_bytes())
        for part in (
            scorrnet_cli.__version__,
            torch.__version__,
            describe(choose_device("auto")),
            digest,
            *(archive.sha256((role * 10).encode()) for role in archive.ROLES),
            "IoU of the mask, mean of the images: 0.975",
            "median_error_px: 0.05",
            "displacements up to 32 px",
        ):
            assert part in result.stdout


class TestPicture:
    @pytest.mark.usefixtures("pipeline", "folder")
    @pytest.mark.parametrize("suffix", [".h5", ".ome.tif"])
    def test_it_lies_beside_the_result(self, suffix: str) -> None:
        Path("sub").mkdir()
        result = scorrnet("measure", "ref.png", "def.png", "--plot", "-o", f"sub/out{suffix}")
        assert result.exit_code == 0, result.stderr
        assert "out.png" in result.stdout
        with Image.open("sub/out.png") as picture:
            assert min(picture.size) > 600
        assert sorted(path.name for path in Path("sub").iterdir()) == sorted([f"out{suffix}", "out.png"])

    def test_panels_are_labelled_and_what_is_unknown_is_left_out(
        self, make_field: Callable[[int, int, int], Field]
    ) -> None:
        from scorrnet_cli.pictures.stills import preview

        field = make_field(1, 40, 50)
        figure = preview(Frame(np.zeros((40, 50), np.float32), field.reference), field)
        panels = figure.axes
        bars = [bar for panel in panels for bar in panel.child_axes]
        assert [bar.get_ylabel() for bar in bars] == ["$u$ (px)", "$v$ (px)", r"$\mathrm{ZNCC}$"]
        for panel, name in zip(panels[1:], ("u", "v", "zncc"), strict=True):
            shown = panel.images[1].get_array()
            values = getattr(field, name)[0]
            assert shown is not None
            assert (np.ma.getmaskarray(shown) == (np.isnan(values) | ~field.valid[0])).all()


class TestHelp:
    def test_it_answers_at_once(self, tmp_path: Path) -> None:
        """Processor time, beside that of a program that has no more than a help, so that any machine will do."""
        smallest = tmp_path / "smallest.py"
        smallest.write_text("import typer\napp = typer.Typer()\n@app.command()\ndef nothing(): pass\napp()\n")
        own = [sys.executable, "-m", "scorrnet_cli", "--help"]
        times = [(processor_s(own), processor_s([sys.executable, str(smallest), "--help"])) for _ in range(5)]
        program_s, least_s = (statistics.median(column) for column in zip(*times, strict=True))
        assert program_s < 2.6 * least_s

    @pytest.mark.parametrize(
        "arguments", [["--help"], ["--version"], *([*words.split(), "--help"] for words in COMMANDS)], ids=" ".join
    )
    def test_it_imports_nothing_heavy(self, arguments: list[str]) -> None:
        code = (
            "import sys; from scorrnet_cli.cli import app\n"
            f"try: app({arguments!r})\n"
            "except SystemExit as end: assert end.code == 0\n"
            "heavy = {'torch', 'numpy', 'h5py', 'tifffile', 'PIL', 'matplotlib'} & set(sys.modules)\n"
            "assert not heavy, heavy"
        )
        source = str(Path(scorrnet_cli.__file__).parents[1])
        subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": source}, check=True)

    @pytest.mark.parametrize("words", COMMANDS)
    def test_every_command_explains_itself(self, words: str) -> None:
        *group, name = words.split()
        assert re.search(rf"^\W+{name} ", scorrnet(*group, "--help").stdout, re.MULTILINE)
        result = scorrnet(*words.split(), "--help")
        assert result.exit_code == 0
        assert f"Usage: scorrnet {words} " in result.stdout

    @pytest.mark.parametrize("words", COMMANDS)
    def test_descriptions_fit_80_columns(self, words: str) -> None:
        """Typer keeps the ends of lines, but for those of the first paragraph, and leaves a blank at either side."""
        _, *paragraphs = COMMANDS[words].help.split("\n\n")
        lines = [line for paragraph in paragraphs for line in paragraph.splitlines()]
        assert max((len(re.sub(r"\[/?bold\]", "", line)) for line in lines), default=0) <= 78

    @pytest.mark.parametrize("words", COMMANDS)
    def test_quiet_speaks_of_json_where_there_is_json(self, words: str) -> None:
        options = {option: parameter for parameter in COMMANDS[words].params for option in parameter.opts}
        if "--quiet" in options:
            assert "--json" in options or "--json" not in options["--quiet"].help

    def test_the_networks_to_train_are_not_torn_apart(self) -> None:
        shown = CliRunner().invoke(app, ["train", "--help"], env={"COLUMNS": "80"}).stdout
        assert "segmentation, displacement or refinement" in shown
        assert "NETWORK" in shown
        assert "|displacement|" not in shown

    def test_no_command_shows_the_help(self) -> None:
        result = scorrnet()
        assert result.exit_code == 2
        assert "measure" in result.stdout
        assert result.stderr == ""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 512 x 512 images of speckle that moves by u = 3, v = -2 px, and a flat one."""
    folder = tmp_path_factory.mktemp("pair")
    rng = np.random.default_rng(0)
    noise = np.fft.rfft2(rng.normal(size=(640, 640)))
    frequency = np.hypot(np.fft.fftfreq(640)[:, np.newaxis], np.fft.rfftfreq(640))
    pattern = np.fft.irfft2(noise * np.exp(-((frequency / 0.08) ** 2)))
    levels = np.clip(128 + 60 * pattern / pattern.std(), 0, 255)
    for name, (x, y) in {"ref": (60, 60), "def": (57, 62)}.items():
        image = levels[y : y + 512, x : x + 512] + rng.normal(scale=1.0, size=(512, 512))
        Image.fromarray(np.clip(image, 0, 255).astype(np.uint8)).save(folder / f"{name}.png")
    Image.new("L", (512, 512), 90).save(folder / "flat.png")
    return folder


@pytest.mark.weights
class TestEndToEnd:
    """The installed program with its trained weights, in processes of its own."""

    def test_a_known_shift_is_measured(self, pair: Path, tmp_path: Path) -> None:
        cache = {weights.CACHE_VARIABLE: str(tmp_path)}
        output = str(tmp_path / "out.h5")
        done = run_alone(
            "measure", "ref.png", "def.png", "--device", "cpu", "--json", "-o", output, cwd=pair, env=cache
        )
        assert done.returncode == 0, done.stderr
        (frame,) = json.loads(done.stdout)["frames"]
        assert frame["u_px"]["median"] == pytest.approx(3, abs=0.02)
        assert frame["v_px"]["median"] == pytest.approx(-2, abs=0.02)
        assert frame["valid_share"] > 0.9
        assert frame["zncc_median"] > 0.95

    @pytest.mark.parametrize(
        ("arguments", "code", "part"),
        [
            (("flat.png", "def.png", "--device", "cpu"), 6, "contrast"),
            (("ref.png", "def.png", "--device", "cuda"), 5, "CUDA"),
            (("ref.png", "def.png", "--segmentation-weights", "ref.png"), 4, "safetensors"),
        ],
    )
    def test_failures(self, pair: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, part: str) -> None:
        hidden = {"CUDA_VISIBLE_DEVICES": "", weights.CACHE_VARIABLE: str(tmp_path)}
        output = tmp_path / "out.h5"
        done = run_alone("measure", *arguments, "-o", str(output), cwd=pair, env=hidden)
        assert done.returncode == code, done.stderr
        assert part in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr
        assert not output.exists()
