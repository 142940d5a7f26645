"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # tests run side by side; set before torch is imported

import numpy as np
import pytest

from scorrnet_cli.field import BoolArray, Field, FloatArray, FrameInfo, Process
from scorrnet_cli.settings import Settings


@pytest.fixture
def process() -> Process:
    """How a made-up result was made; every setting differs from its default."""
    return Process(
        version="1.2.3",
        date="2026-01-02T03:04:05+00:00",
        device="cuda:0 (NVIDIA H100)",
        weights={"segmentation": "ab" * 32, "published/displacement": "cd" * 32},
        settings=Settings(
            device="cuda:0",
            refine=False,
            window_px=5.5,
            passes=3,
            roi=(1, 2, 30, 40),
            mask="Maske ü.png",
            segmentation_weights="s.safetensors",
            displacement_weights="d.safetensors",
        ),
    )


@pytest.fixture
def make_field(process: Process) -> Callable[[int, int, int], Field]:
    """Return a function of (T, H, W) that makes a field with no two values alike and some pixels without any."""

    def make(frames: int, height: int, width: int) -> Field:
        rng = np.random.default_rng(frames * 10000 + height * 100 + width)
        shape = (frames, height, width)
        mask = rng.random(shape) < 0.8
        valid = mask & (rng.random(shape) < 0.9)

        def draw(where: BoolArray) -> FloatArray:
            return np.where(where, rng.normal(size=shape), np.nan).astype(np.float32)

        return Field(
            u=draw(valid),
            v=draw(valid),
            mask=mask,
            valid=valid,
            zncc=draw(mask),
            sigma_u=draw(valid),
            sigma_v=draw(valid),
            fallback=valid & (rng.random(shape) < 0.2),
            reference=FrameInfo("Referenz ä.tif", "0" * 64),
            deformed=tuple(FrameInfo(f"Verformt ö_{t}.tif[{t}]", f"{t:064x}") for t in range(frames)),
            process=process,
        )

    return make


@pytest.fixture
def in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let networks compute with all digits, whatever the processor can."""
    monkeypatch.setattr("scorrnet_cli.device._cpu_has", lambda capability: False)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 256 KiB; skipped where that is not allowed."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None or sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    done = subprocess.run([mount, "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], capture_output=True)
    if done.returncode != 0:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.fixture(scope="session")
def fading_of_seed() -> Callable[[int], list[FloatArray]]:
    """Images of 96 x 96 px: speckle that moves by 0.7 px a frame and turns into another one, and back."""
    return _fading


@pytest.fixture(scope="session")
def fading() -> list[FloatArray]:
    """Make those of seed 3."""
    return _fading(3)


def _fading(seed: int) -> list[FloatArray]:
    size = 96
    rng = np.random.default_rng(seed)
    x, y = np.fft.rfftfreq(size), np.fft.fftfreq(size)[:, np.newaxis]
    one, two = (np.fft.rfft2(rng.normal(size=(size, size))) * np.exp(-((np.hypot(x, y) / 0.12) ** 2)) for _ in "12")
    images = []
    for number, angle in enumerate(np.radians((0, 0, 15, 30, 45, 60, 75, 90, 90, 60, 30, 10))):
        mixed = np.cos(angle) * one + np.sin(angle) * two
        pattern = np.fft.irfft2(mixed * np.exp(-2j * np.pi * x * 0.7 * number))
        images.append(np.round(128 + 40 * pattern / pattern.std()).astype(np.float32))
    return images
