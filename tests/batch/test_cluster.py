"""Frames shared out to several processes: the result is that of one, whatever befalls them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import psutil
import pytest
import torch
from PIL import Image
from typer.testing import Result

from scorrnet_cli.training.rng import Rng
from scorrnet_cli.training.textures import speckle
from scorrnet_cli.writers import Header, read_hdf5, write_view

pytestmark = [pytest.mark.weights, pytest.mark.slow]
_FRAMES = 6


@pytest.fixture
def still(tmp_path: Path) -> Path:
    """A folder of small images of a moving pattern, and a mask of all of it."""
    folder = tmp_path / "images"
    folder.mkdir()
    _draw_moving(folder, slice(20, 84))
    Image.new("L", (64, 64), 255).save(tmp_path / "mask.png")
    return folder


def _draw_moving(folder: Path, seen: slice) -> None:
    """Draw some rows and columns of a moving pattern that fills the images."""
    paint = (30 + 190 * speckle(Rng((5,), torch.device("cpu")), 128, 1, (4.0, 4.0))).numpy()
    for number in range(_FRAMES):
        moved = np.roll(paint, (number, 2 * number), (0, 1))[seen, seen]
        Image.fromarray(moved.astype(np.uint8)).save(folder / f"img_{number}.png")


def _program(folder: Path, *arguments: str) -> list[str]:
    command = [sys.executable, "-m", "scorrnet_cli", "batch", folder.name, "--no-refine", "--mask", "mask.png"]
    return [*command, "--device", "cpu", *arguments]


def _run(folder: Path, *arguments: str) -> None:
    done = subprocess.run(_program(folder, *arguments), cwd=folder.parent, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def _kill_a_worker(program: subprocess.Popen[str], shards: Path, killed: list[int]) -> threading.Thread:
    """Kill one of the processes that measure as soon as the first frame is there."""

    def look() -> None:
        while program.poll() is None:
            if any(shards.glob("[0-9]*.h5")):
                processes = psutil.Process(program.pid).children(recursive=True)
                workers = [each for each in processes if "spawn_main" in " ".join(each.cmdline())]
                os.kill(workers[-1].pid, signal.SIGKILL)
                killed.append(workers[-1].pid)
                return
            time.sleep(0.01)

    thread = threading.Thread(target=look)
    thread.start()
    return thread


def test_workers_give_what_one_process_gives_even_if_one_is_killed(
    still: Path, contents: Callable[[Path], dict[str, Any]], scorrnet: Callable[..., Result]
) -> None:
    root = still.parent
    how = ("--strain", "--strain-window", "9", "--fps", "4", "--mm-per-px", "0.5")
    _run(still, "-o", "alone.h5", "--no-warm-start", "--update", "never", *how)
    killed: list[int] = []
    with subprocess.Popen(
        _program(still, "-o", "shared.h5", "--workers", "2", *how),
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        killer = _kill_a_worker(program, root / "shared.h5.parts", killed)
        _, said = program.communicate(timeout=300)
        killer.join()
    assert killed
    assert program.returncode == 0, said
    assert "Traceback" not in said, said
    assert sorted(path.name for path in root.iterdir()) == [
        *("alone.h5", "images", "mask.png", "shared.h5", "shared.h5.shards")
    ]
    with h5py.File(root / "alone.h5") as alone, h5py.File(root / "shared.h5") as shared:
        assert shared["entry/displacement/u"].is_virtual
        for name in ("displacement/u", "displacement/zncc", "displacement/valid", "strain/exx", "frames/deformed/time"):
            one, other = (file[f"entry/{name}"][...].tobytes() for file in (alone, shared))
            assert one == other, name
        assert shared["entry/calibration/mm_per_px"][()] == 0.5
    checked = scorrnet("merge", root / "shared.h5")
    assert checked.exit_code == 0 and f"{_FRAMES - 1} shards" in checked.stdout
    merged = scorrnet("merge", root / "shared.h5", "--copy")
    assert merged.exit_code == 0, merged.output
    assert contents(root / "shared.h5") == contents(root / "alone.h5")
    assert not (root / "shared.h5.shards").exists()
    again = scorrnet("merge", root / "shared.h5", "--copy")
    assert again.exit_code == 2 and "one piece" in again.stderr


def test_a_killed_run_of_workers_is_resumed_by_workers(
    still: Path, contents: Callable[[Path], dict[str, Any]], scorrnet: Callable[..., Result]
) -> None:
    root = still.parent
    _run(still, "-o", "alone.h5", "--no-warm-start", "--update", "never")
    with subprocess.Popen(_program(still, "-o", "shared.h5", "--workers", "2", "-q"), cwd=root) as program:
        processes = psutil.Process(program.pid)
        while not (kept := list((root / "shared.h5.parts").glob("[0-9]*.h5"))):
            assert program.poll() is None
            time.sleep(0.01)
        for each in [processes, *processes.children(recursive=True)]:
            each.kill()
    assert not (root / "shared.h5").exists()
    written = {path.name: path.stat().st_mtime_ns for path in kept}
    _run(still, "-o", "shared.h5", "--workers", "2", "--resume")
    shards = root / "shared.h5.shards"
    assert all((shards / name).stat().st_mtime_ns == at for name, at in written.items())  # not measured again
    assert scorrnet("merge", root / "shared.h5", "--copy").exit_code == 0
    assert contents(root / "shared.h5") == contents(root / "alone.h5")


def test_ctrl_c_ends_workers_without_a_word_of_their_own(still: Path) -> None:
    for number in range(_FRAMES, 120):
        shutil.copy(still / f"img_{number % _FRAMES}.png", still / f"img_{number}.png")
    command = _program(still, "-o", "shared.h5", "--workers", "2")
    with subprocess.Popen(
        command, cwd=still.parent, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as program:
        while not any((still.parent / "shared.h5.parts").glob("[0-9]*.h5")):
            assert program.poll() is None
            time.sleep(0.01)
        os.killpg(program.pid, signal.SIGINT)  # as a terminal does
        _, said = program.communicate(timeout=300)
    assert program.returncode == 130, said
    assert "Interrupted" in said
    assert "Traceback" not in said


def _quiet(command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_a_running_scheduler_gets_the_frames(
    still: Path, contents: Callable[[Path], dict[str, Any]], scorrnet: Callable[..., Result]
) -> None:
    root = still.parent
    _run(still, "-o", "alone.h5", "--no-warm-start", "--update", "never")
    known = root / "scheduler.json"
    dask = [sys.executable, "-m", "dask"]
    with contextlib.ExitStack() as stack:
        for command in (
            [
                *dask,
                "scheduler",
                "--host",
                "127.0.0.1",
                "--port",
                "0",
                "--no-dashboard",
                "--scheduler-file",
                str(known),
            ],
            *2 * [[*dask, "worker", "--scheduler-file", str(known), "--nthreads", "1", "--no-nanny", "--no-dashboard"]],
        ):
            process = stack.enter_context(_quiet(command, root))
            stack.callback(process.kill)
            while not known.exists():
                assert process.poll() is None
                time.sleep(0.05)
        address = json.loads(known.read_text())["address"]
        _run(still, "-o", "shared.h5", "--scheduler", address)
        Image.fromarray(np.tri(64, dtype=np.uint8)).save(root / "mask.png")  # under the name that the workers know
        _run(still, "-o", "other.h5", "--scheduler", address.removeprefix("tcp://"))
    for name in ("shared.h5", "other.h5"):
        assert scorrnet("merge", root / name, "--copy").exit_code == 0
    assert contents(root / "shared.h5") == contents(root / "alone.h5")
    assert read_hdf5(root / "other.h5").mask[0].sum() == 64 * 65 // 2


def test_what_is_doubtful_is_said_by_workers_too(still: Path) -> None:
    _draw_moving(still, slice(None))  # enough to be found by the network, which doubts a surface without an edge
    said = []
    for output, *flags in (("a.h5", "--no-warm-start"), ("b.h5", "--workers", "1")):
        command = [sys.executable, "-m", "scorrnet_cli", "batch", still.name, "--no-refine", "--device", "cpu"]
        done = subprocess.run(
            [*command, "--stop", "3", "--json", "--probability", "-o", output, *flags],
            cwd=still.parent,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        (sequence,) = json.loads(done.stdout)["sequences"]
        assert sequence["warnings"]
        assert all(f"warning: {warning}" in done.stderr.replace("\n", " ") for warning in sequence["warnings"])
        said.append((sequence["warnings"], sequence["mask_unsure"]))
    assert said[0] == said[1]
    assert (still.parent / "a.probability.png").read_bytes() == (still.parent / "b.probability.png").read_bytes()


def test_a_link_keeps_its_name(still: Path, scorrnet: Callable[..., Result]) -> None:
    root = still.parent
    (root / "store").mkdir()
    for path in sorted(still.iterdir()):
        path.rename(root / "store" / f"key_{path.name}")
        path.symlink_to(root / "store" / f"key_{path.name}")
    (root / "shared.h5").symlink_to(root / "store" / "old.h5")
    _run(still, "-o", "shared.h5", "--overwrite", "--workers", "2")
    assert [info.name for info in read_hdf5(root / "shared.h5").deformed] == [f"img_{n}.png" for n in range(1, _FRAMES)]


def test_shards_are_shown_in_time_and_merged_under_any_name(
    folder: Path, scorrnet: Callable[..., Result], pipeline: Any
) -> None:
    assert scorrnet("batch", folder, "--split", "-o", "frames.h5", "--stop", "4").exit_code == 0
    shards = Path("frames.frames").rename("creep 80%.h5.shards")
    names = [f"{shards.name}/{path.name}" for path in sorted(shards.iterdir())]
    first = read_hdf5(Path(names[0]))
    header = Header(first.shape[1:], 3, first.reference, first.process)
    write_view(Path("creep 80%.h5"), header, names, [0.5, None, 2.5])
    view = read_hdf5(Path("creep 80%.h5"))
    assert [info.name for info in view.deformed] == ["img_1.png", "img_2.png", "img_3.png"]
    assert view.valid.any(axis=(1, 2)).all()
    with h5py.File("creep 80%.h5") as file:
        assert file["VTKHDF/Steps/Values"][...].tolist() == [0.5, 1.5, 2.5]
    Path("creep 80%.h5").rename("other.h5")
    result = scorrnet("merge", "other.h5", "--copy")
    assert result.exit_code == 0, result.stderr
    assert not shards.exists()
    assert np.array_equal(read_hdf5(Path("other.h5")).u, view.u, equal_nan=True)


def test_a_missing_shard_is_named(folder: Path, scorrnet: Callable[..., Result], process: Any) -> None:
    from scorrnet_cli.field import FrameInfo

    write_view(folder / "r.h5", Header((40, 60), 2, FrameInfo("a", ""), process), ["r.h5.shards/0.h5", "x.h5"])
    before = (folder / "r.h5").read_bytes()
    result = scorrnet("merge", folder / "r.h5", "--copy")
    assert result.exit_code == 7 and "2 of 2 shards are missing" in result.stderr and "0.h5" in result.stderr
    assert (folder / "r.h5").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--workers", "2", "--watch"), "one by one"),
        (("--workers", "2", "--reference", "previous"), "by itself"),
        (("--workers", "2", "--update", "20"), "by itself"),
        (("--workers", "2", "--warm-start"), "by itself"),
        (("--workers", "2", "--scheduler", "tcp://127.0.0.1:1"), "Give one of the two"),
        (("--scheduler", "nonsense://x:1"), "No scheduler answers"),
        (("--scheduler", "nonsense"), "No scheduler answers"),
        (("--scheduler", "tcp://127.0.0.1:9"), "No scheduler answers"),
    ],
)
def test_what_cannot_be_shared_out_is_said(
    folder: Path, scorrnet: Callable[..., Result], arguments: tuple[str, ...], said: str
) -> None:
    result = scorrnet("batch", folder, *arguments)
    assert result.exit_code == 2, result.output
    assert said in result.stderr
