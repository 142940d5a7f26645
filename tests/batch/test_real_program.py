"""The real program, killed at random moments, interrupted, and out of room: nothing that it had measured is lost."""

from __future__ import annotations

import multiprocessing
import os
import random
import resource
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

import scorrnet_cli
from scorrnet_cli.writers import read_hdf5

pytestmark = pytest.mark.weights
Read = Callable[[Path], dict[str, Any]]
SIZE, FRAMES, KILLS = 96, 20, 20
FLAGS = ("--no-refine", "--device", "cpu", "--mask", "mask.png")
LONGEST_S = 60.0


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    """What forks processes that have imported the program already, so that a run begins at once."""
    context = multiprocessing.get_context("forkserver")
    source = str(Path(scorrnet_cli.__file__).parents[1])
    before = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (source, before)))
    context.set_forkserver_preload(["scorrnet_cli.cli.batch_jobs", "scorrnet_cli.pipeline"])
    yield context
    os.environ["PYTHONPATH"] = before


@pytest.fixture
def speckles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of speckle that moves to the right by 0.7 px a frame, and a mask of all of it."""
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(3)
    noise = np.fft.rfft2(rng.normal(size=(SIZE, SIZE)))
    x, y = np.fft.rfftfreq(SIZE), np.fft.fftfreq(SIZE)[:, np.newaxis]
    noise *= np.exp(-((np.hypot(x, y) / 0.12) ** 2))
    for number in range(FRAMES + 1):
        pattern = np.fft.irfft2(noise * np.exp(-2j * np.pi * x * 0.7 * number))
        levels = np.clip(128 + 50 * pattern / pattern.std(), 0, 255)
        Image.fromarray(levels.astype(np.uint8)).save(folder / f"img_{number}.png")
    Image.new("L", (SIZE, SIZE), 255).save(tmp_path / "mask.png")
    monkeypatch.chdir(tmp_path)
    return folder


def start(server: Any, *arguments: str, prepare: str = "") -> BaseProcess:
    """Begin a run in a process of its own; what it says goes to ``said.txt``."""
    code = (
        "import os, sys\n"
        f"os.chdir({str(Path.cwd())!r})\n"
        "said = os.open('said.txt', os.O_WRONLY | os.O_CREAT | os.O_APPEND)\n"
        "os.dup2(said, 1); os.dup2(said, 2)\n"
        f"{prepare}\n"
        f"sys.argv = ['scorrnet', 'batch', 'images', *{(*FLAGS, *arguments)!r}]\n"
        "from scorrnet_cli.cli import main\n"
        "main()"
    )
    process: BaseProcess = server.Process(target=exec, args=(code, {}))
    process.start()
    return process


def finish(process: BaseProcess) -> int | None:
    process.join(LONGEST_S)
    if process.is_alive():
        process.kill()
    return process.exitcode


def whole_of(server: Any, contents: Read) -> dict[str, Any]:
    """Return what an uninterrupted run gives."""
    assert finish(start(server, "-o", "whole.h5")) == 0, Path("said.txt").read_text()
    return contents(Path("whole.h5"))


def kept() -> dict[int, bytes]:
    """Read every frame that is kept, all of it, and return u of each."""
    parts = Path("images/scorrnet.h5.parts")
    if Path("images/scorrnet.h5").exists() and not (parts / "run.json").exists():
        u = read_hdf5("images/scorrnet.h5").u
        return {index: u[index].tobytes() for index in range(len(u))}
    if not (parts / "run.json").exists():
        return {}
    frames = {int(path.stem): read_hdf5(path) for path in parts.glob("[0-9]*.h5")}
    if (parts / "so_far.h5").exists():
        with h5py.File(parts / "so_far.h5") as file:
            status = file["entry/frames/deformed/status"][...]
            assert set(np.flatnonzero(status)) == set(frames)
            for index, frame in frames.items():
                assert np.array_equal(file["entry/displacement/u"][index], frame.u[0], equal_nan=True)
    return {index: frame.u[0].tobytes() for index, frame in frames.items()}


@pytest.mark.slow
def test_twenty_kills_at_random_moments_lose_nothing(server: Any, speckles: Path, contents: Read) -> None:
    whole = whole_of(server, contents)
    began = time.perf_counter()
    assert finish(start(server, "-o", "again.h5")) == 0
    took_s = time.perf_counter() - began
    rng = random.Random(20)
    before: dict[int, bytes] = {}
    moments: list[int] = []
    finished = 0
    while len(moments) < KILLS:
        process = start(server, "--resume")
        time.sleep(rng.uniform(0.1, 0.5) * took_s)
        process.kill()
        process.join()
        if process.exitcode == 0:  # it was too fast
            finished += 1
            assert contents(speckles / "scorrnet.h5") == whole
            (speckles / "scorrnet.h5").unlink()
            before = {}
            assert finished < KILLS
            continue
        assert process.exitcode == -signal.SIGKILL, Path("said.txt").read_text()
        now = kept()
        assert now.items() >= before.items()
        moments.append(len(now))
        before = now
        if Path("images/scorrnet.h5").exists() and not Path("images/scorrnet.h5.parts/run.json").exists():
            (speckles / "scorrnet.h5").unlink()
            before = {}
    print(f"a whole run {took_s:.2f} s; frames kept after each kill {moments}; runs that ended before {finished}")
    assert finish(start(server, "--resume")) == 0, Path("said.txt").read_text()
    assert contents(speckles / "scorrnet.h5") == whole
    assert sorted(path.name for path in speckles.iterdir() if path.suffix != ".png") == ["scorrnet.h5"]


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LONGEST_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_ctrl_c_keeps_what_is_done(server: Any, speckles: Path, contents: Read) -> None:
    process = start(server)
    wait_for(lambda: len(list(speckles.glob("*.parts/[0-9]*.h5"))) >= 3)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGINT)
    assert finish(process) == 130, Path("said.txt").read_text()
    said = Path("said.txt").read_text()
    assert "kept in images/scorrnet.h5.parts; --resume goes on with it" in said
    assert "Traceback" not in said
    assert 3 <= len(kept()) <= FRAMES
    assert not list(speckles.glob("*.parts/.*"))
    assert finish(start(server, "--resume")) == 0
    assert contents(speckles / "scorrnet.h5") == whole_of(server, contents)


def test_files_that_may_not_grow_end_the_run_well(server: Any, speckles: Path, contents: Read) -> None:
    """A limit on the size of files stands in for a full disk: frames fit, the result does not."""
    whole = whole_of(server, contents)
    limit = Path("whole.h5").stat().st_size // 2
    unlimited = resource.RLIM_INFINITY
    prepare = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {unlimited}))"
    assert finish(start(server, prepare=prepare)) == 7, Path("said.txt").read_text()
    assert "larger than the file system allows" in Path("said.txt").read_text()
    assert len(kept()) == FRAMES
    assert not (speckles / "scorrnet.h5").exists()
    assert finish(start(server, "--resume")) == 0
    assert contents(speckles / "scorrnet.h5") == whole


def test_bad_frames_fail_alone(server: Any, speckles: Path) -> None:
    noise = np.random.default_rng(9).integers(0, 255, (SIZE, SIZE), dtype=np.uint8)
    Image.new("L", (SIZE, SIZE)).save(speckles / "img_3.png")
    whole = (speckles / "img_5.png").read_bytes()
    (speckles / "img_5.png").write_bytes(whole[: len(whole) // 2])
    Image.fromarray(noise).save(speckles / "img_7.png")
    assert finish(start(server)) == 6, Path("said.txt").read_text()
    field = read_hdf5(speckles / "scorrnet.h5")
    failed = {info.name: info.failure for info in field.deformed if info.failure}
    reasons = {"img_3.png": "no contrast", "img_5.png": "truncated", "img_7.png": "found again"}
    assert failed.keys() == reasons.keys()
    assert all(part in failed[name] for name, part in reasons.items())
    for index, info in enumerate(field.deformed):
        if not info.failure:
            assert np.nanmedian(field.u[index]) == pytest.approx(0.7 * (index + 1), abs=0.3)
            assert np.nanmedian(field.v[index]) == pytest.approx(0, abs=0.3)
