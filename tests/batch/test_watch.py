"""A folder that is measured while it is being written."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from PIL import Image
from typer.testing import Result

from scorrnet_cli.batch.finding import find_images
from scorrnet_cli.batch.watch import Watch
from scorrnet_cli.frames import Frame
from scorrnet_cli.writers import read_hdf5

Run = Callable[..., Result]
Draw = Callable[[Path, int], Path]


def names(path: Path) -> list[str]:
    return [info.name for info in read_hdf5(path).deformed]


@pytest.fixture
def camera(folder: Path) -> Callable[[list[int]], Thread]:
    """Return a function that takes all images away and writes these ones back, slowly, in two halves each."""
    images = {path: path.read_bytes() for path in folder.iterdir()}

    def record(numbers: list[int]) -> Thread:
        for path in images:
            path.unlink()

        def write() -> None:
            for number in numbers:
                path = folder / f"img_{number}.png"
                content = images[path]
                with path.open("wb") as file:
                    file.write(content[: len(content) // 2])
                    file.flush()
                    time.sleep(0.15)
                    file.write(content[len(content) // 2 :])

        return Thread(target=write)

    return record


def watch(folder: Path, idle_s: float | None, patience_s: float = 5.0) -> Watch:
    return Watch(lambda: find_images(folder), idle_s, poll_s=0.02, settle_s=0.05, patience_s=patience_s)


def test_files_come_when_they_are_complete(folder: Path, camera: Any) -> None:
    writer = camera([0, 1, 2, 10])
    writer.start()
    found = []
    for path in watch(folder, 1.0):
        found.append(path.name)
        assert path.stat().st_size > 1500  # not half of it
    writer.join()
    assert found == [f"img_{number}.png" for number in (0, 1, 2, 10)]


def test_a_file_that_never_becomes_complete_holds_up_the_others_only_for_a_while(folder: Path, camera: Any) -> None:
    camera([])
    whole = (folder.parent / "whole.png", folder / "b.png")
    (folder / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    for path in whole:
        Image.new("L", (40, 40)).save(path)
    began = time.monotonic()
    assert [path.name for path in watch(folder, 0.8, patience_s=0.4)] == ["a.png", "b.png"]
    assert time.monotonic() - began >= 1.2


def test_stop_ends_it_after_what_is_complete(folder: Path) -> None:
    watching = watch(folder, None)
    found = []
    for path in watching:
        found.append(path.name)
        if len(found) == 3:
            (folder / "img_11.png").write_bytes(b"\x89PNG\r\n\x1a\n")
            watching.stop.set()
    assert found == [f"img_{number}.png" for number in range(11)]


def test_a_folder_is_measured_while_it_is_written(
    folder: Path, scorrnet: Run, pipeline: Any, camera: Any, contents: Any
) -> None:
    assert scorrnet("batch", folder, "--stop", "6", "-o", "whole.h5").exit_code == 0
    writer = camera(list(range(6)))
    writer.start()
    result = scorrnet("batch", folder, "--watch", "--idle", "1.5")
    writer.join()
    assert result.exit_code == 0, result.stderr
    assert "5  img_5.png  valid 100.0%" in result.stderr
    assert contents(folder / "scorrnet.h5") == contents(Path("whole.h5"))


def test_ctrl_c_ends_it_well(folder: Path, scorrnet: Run, pipeline: Any) -> None:
    def before(frame: Frame) -> None:
        if frame.info.name == "img_4.png":
            os.kill(os.getpid(), signal.SIGINT)

    pipeline.before = before
    result = scorrnet("batch", folder, "--watch")
    assert result.exit_code == 0, result.stderr
    assert len(names(folder / "scorrnet.h5")) == 11
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_interrupts_and_the_watch_goes_on_later(
    folder: Path, scorrnet: Run, pipeline: Any, draw: Draw
) -> None:
    def before(frame: Frame) -> None:
        if frame.info.name in ("img_4.png", "img_5.png"):
            os.kill(os.getpid(), signal.SIGINT)

    pipeline.before = before
    result = scorrnet("batch", folder, "--watch")
    assert (result.exit_code, "is kept in" in result.stderr) == (130, True)
    pipeline.before = lambda frame: None
    pipeline.measured.clear()
    draw(folder / "img_12.png", 12)
    result = scorrnet("batch", folder, "--watch", "--resume", "--idle", "0.8")
    assert result.exit_code == 0, result.stderr
    assert pipeline.measured == [f"img_{number}.png" for number in range(5, 13)]
    assert names(folder / "scorrnet.h5") == [f"img_{number}.png" for number in range(1, 13)]


def test_the_view_grows_with_the_folder(
    folder: Path, scorrnet: Run, pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scorrnet_cli.batch.parts._SMALLEST_VIEW", 4)
    seen = []

    def before(frame: Frame) -> None:
        if frame.info.name == "img_11.png":
            time.sleep(0.5)
            seen.append(read_hdf5(folder / "scorrnet.h5.parts" / "so_far.h5").valid.any(axis=(1, 2)).tolist())

    pipeline.before = before
    assert scorrnet("batch", folder, "--watch", "--idle", "0.6").exit_code == 0
    assert seen == [10 * [True] + 6 * [False]]


def test_nothing_to_watch(tmp_path: Path, scorrnet: Run, pipeline: Any) -> None:
    result = scorrnet("batch", tmp_path, "--watch", "--idle", "0.3")
    assert (result.exit_code, "no image" in result.stderr) == (3, True)
    (tmp_path / "a.png").write_bytes(b"")
    assert scorrnet("batch", tmp_path / "a.png", "--watch").exit_code == 2
