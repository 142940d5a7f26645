"""Sequences whose frames start from the ones before: what a stopped run goes on with is the same to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

from scorrnet_cli.batch import run
from scorrnet_cli.errors import UsageError
from scorrnet_cli.field import Field, FloatArray
from scorrnet_cli.frames import Frame
from scorrnet_cli.settings import Settings
from scorrnet_cli.tracking import Tracker
from scorrnet_cli.writers import read_hdf5, read_process

Run = Callable[..., Result]
Read = Callable[[Path], dict[str, Any]]
FLAGS = ("--device", "cpu", "--mask", "mask.png")


@pytest.fixture
def images(tmp_path: Path, fading: list[FloatArray], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of speckle that moves and turns into another one, and a mask of most of it."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number, image in enumerate(fading[:10]):
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / f"img_{number}.png")
    mask = np.zeros((96, 96), np.uint8)
    mask[8:88, 8:80] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.mark.weights
@pytest.mark.slow
@pytest.mark.parametrize("flags", [(), ("--update", "2"), ("--reference", "previous")])
def test_resumed_runs_equal_whole_ones(
    images: Path, scorrnet: Run, contents: Read, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...]
) -> None:
    result = scorrnet("batch", images, *FLAGS, *flags, "-o", "whole.h5")
    assert result.exit_code == 0, result.stderr
    with h5py.File("whole.h5") as file:
        used = file["entry/frames/deformed/reference_frame"][...].tolist()
    measure = Tracker.measure
    stops = (3, 6)
    for stop in stops:  # before and after references are updated

        def until(tracker: Tracker, index: int, frame: Frame, stop: int = stop) -> Field:
            if index == stop:
                raise KeyboardInterrupt
            return measure(tracker, index, frame)

        monkeypatch.setattr(Tracker, "measure", until)
        assert scorrnet("batch", images, *FLAGS, *flags, "--resume").exit_code == 130
    monkeypatch.setattr(Tracker, "measure", measure)
    result = scorrnet("batch", images, *FLAGS, *flags, "--resume")
    assert result.exit_code == 0, result.stderr
    assert contents(images / "scorrnet.h5") == contents(Path("whole.h5"))
    expected = {(): None, ("--update", "2"): [-1, -1, 1, 1, 3, 3, 5, 5, 7]}.get(flags, list(range(-1, 8)))
    assert used == expected if expected else max(used) >= 3
    if "previous" in flags:
        assert "from each frame to the next, not the total" in result.stdout
    elif max(used) >= 0:
        assert f"{sum(place >= 0 for place in used)} frames with an earlier frame" in result.stdout


@pytest.mark.weights
def test_how_a_sequence_is_tracked_is_kept_and_replayed(images: Path, scorrnet: Run) -> None:
    flags = ("--stop", "3", "--no-refine")
    assert scorrnet("batch", images, *FLAGS, *flags, "--no-warm-start", "--update", "never").exit_code == 0
    old = images / "scorrnet.h5"
    assert (read_process(old).settings.warm_start, read_process(old).settings.update) == (False, "never")
    assert scorrnet("batch", images, *flags, "--settings", old, "-o", "again.h5").exit_code == 0
    assert read_process("again.h5").settings == read_process(old).settings
    assert np.array_equal(read_hdf5("again.h5").u, read_hdf5(old).u, equal_nan=True)
    assert scorrnet("batch", images, *FLAGS, *flags, "-o", "b.h5", "--reference", "previous").exit_code == 0
    assert read_process("b.h5").settings.increments
    said = scorrnet("batch", images, *flags, "--settings", "b.h5", "-o", "d.h5")
    assert "from each frame to the next, not the total" in said.stdout
    pair = sorted(images.glob("*.png"))[:3]
    assert scorrnet("measure", *pair, "--settings", "b.h5", "-o", "e.h5").exit_code == 0  # promises that of REF
    assert not read_process("e.h5").settings.increments
    assert scorrnet("batch", images, *flags, "--settings", "b.h5", "-o", "c.h5", "--reference", "first").exit_code == 0
    assert not read_process("c.h5").settings.increments


@pytest.mark.parametrize(
    "settings",
    [
        {"update": "0"},
        {"update": "often"},
        {"update": "3", "increments": True},
        {"update": "-2"},
    ],
)
def test_what_makes_no_sense_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="update"):
        Settings(**settings)


def test_increments_of_frames_by_themselves_are_refused() -> None:
    with pytest.raises(UsageError, match="not each frame by itself"):
        Settings(increments=True, warm_start=False)


def test_usage(images: Path, scorrnet: Run) -> None:
    for flags in (
        ("--update", "0"),
        ("--update", "2", "--no-warm-start"),
        ("--update", "2", "--reference", "previous"),
        ("--update", "never", "--reference", "previous"),
    ):
        result = scorrnet("batch", images, *FLAGS, *flags)
        assert (result.exit_code, "update = " in result.stderr) == (2, True), result.stderr


@pytest.mark.weights
def test_frames_by_themselves_are_the_same_if_several_are_measured_at_once(
    images: Path, scorrnet: Run, contents: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    (images / "img_4.png").write_bytes(b"no image")
    alone = ("--no-warm-start", "--update", "never")
    assert scorrnet("batch", images, *FLAGS, "-o", "one.h5", *alone).exit_code == 6
    monkeypatch.setattr(run, "_AT_ONCE", {"cpu": 3})
    assert scorrnet("batch", images, *FLAGS, "-o", "three.h5", *alone).exit_code == 6
    assert contents(Path("one.h5")) == contents(Path("three.h5"))
