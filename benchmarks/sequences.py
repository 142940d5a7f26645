"""Frames per second of a sequence, memory by size of the image, and two workers against one process, on this machine.

    python benchmarks/sequences.py [frames | memory]

Each line is a process of its own: `scorrnet batch` on synthetic images, read from and written to a temporary folder.
The images are tiles of one speckle pattern with noise, moved by whole pixels, and the program finds the surface itself:
all of the image.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from scorrnet_cli.training.rng import Rng
from scorrnet_cli.training.textures import speckle

SIZES_PX = ((1000, 1000), (2000, 2500), (3000, 4000), (4000, 6000))
SEQUENCE_PX = (512, 512)
FRAMES = 12
PERIOD_PX = 1024
SHIFT_PX = 3


def _images(folder: Path, size: tuple[int, int], count: int) -> None:
    """Draw a reference and `count` deformed images."""
    folder.mkdir()
    height, width = size
    paint = (30 + 190 * speckle(Rng((5,), torch.device("cpu")), PERIOD_PX, 1, (4.0, 4.0))).numpy()
    paint = np.tile(paint, (height // PERIOD_PX + 1, width // PERIOD_PX + 1))[:height, :width]
    noise = np.random.default_rng(0)
    for number in range(count + 1):
        moved = np.roll(paint, number * SHIFT_PX, 1) + noise.normal(0, 2, size)
        Image.fromarray(moved.clip(0, 255).astype(np.uint8)).save(folder / f"img_{number}.png")


def _batch(folder: Path, threads: int, *arguments: str) -> tuple[float, float]:
    """Run a batch; return its time in s, start of the program included, and the peak of its memory in MiB."""
    command = [sys.executable, "-m", "scorrnet_cli", "batch", str(folder), "--overwrite", "-q"]
    start = time.perf_counter()
    with subprocess.Popen([*command, *arguments], env=os.environ | {"OMP_NUM_THREADS": str(threads)}) as program:
        _, status, usage = os.wait4(program.pid, 0)
        program.returncode = os.waitstatus_to_exitcode(status)
    if program.returncode != 0:
        raise SystemExit(f"scorrnet batch failed with exit code {program.returncode}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def _model() -> str:
    known = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return known[1] if known else "unknown processor"


def _frames(folder: Path) -> None:
    _images(folder, SEQUENCE_PX, FRAMES)
    print(f"| {FRAMES} frames of {SEQUENCE_PX[1]} x {SEQUENCE_PX[0]} px | s | frames per second |\n|---|---|---|")
    for said, threads, arguments in (
        ("1 thread", 1, ()),
        ("2 threads", 2, ()),
        ("1 thread, each frame by itself", 1, ("--no-warm-start", "--update", "never")),
        ("2 workers of 1 thread, each frame by itself", 1, ("--workers", "2")),
    ):
        elapsed_s, _ = _batch(folder, threads, *arguments)
        print(f"| {said} | {elapsed_s:.1f} | {FRAMES / elapsed_s:.2f} |", flush=True)


def _memory(folder: Path) -> None:
    print("| a pair of | peak, MiB |\n|---|---|")
    folder.mkdir()
    for height, width in SIZES_PX:
        _images(folder / f"{height}", (height, width), 1)
        _, peak = _batch(folder / f"{height}", os.cpu_count() or 1)
        print(f"| {width} x {height} px | {peak:,.0f} |", flush=True)


def main() -> None:
    """Print the tables."""
    wanted = sys.argv[1:] or ["frames", "memory"]
    print(f"{_model()}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as name:
        for table in wanted:
            print()
            {"frames": _frames, "memory": _memory}[table](Path(name) / table)


if __name__ == "__main__":
    main()
