"""A small result with known fields, beside the images that it names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from scorrnet_cli.cli import app
from scorrnet_cli.field import Field, FloatArray, FrameInfo, Process
from scorrnet_cli.frames import sha256
from scorrnet_cli.settings import Settings
from scorrnet_cli.writers import Header, open_writer

T, H, W = 3, 60, 80
STRAIN = 0.01  # more of it each frame, along x
SHIFT = (3.0, -2.0)


def scorrnet(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@dataclass(frozen=True)
class Sequence:
    """Where the result and its images are."""

    folder: Path
    result: Path
    field: Field


@pytest.fixture
def sequence(tmp_path: Path) -> Sequence:
    """Three frames: a surface with a hole, stretched along x and shifted; the last row of names are real files."""
    rng = np.random.default_rng(5)
    names = ["ref.png", *(f"def_{index}.png" for index in range(T))]
    for name in names:
        Image.fromarray(rng.integers(0, 256, (H, W), dtype=np.uint8)).save(tmp_path / name)
    infos = [FrameInfo(name, sha256(tmp_path / name)) for name in names]
    y, x = np.mgrid[:H, :W].astype(np.float32)
    mask = (x > 9) & (x < 70) & (y > 4) & (y < 55) & (np.hypot(x - 40, y - 30) > 8)
    frames = np.arange(T, dtype=np.float32)[:, np.newaxis, np.newaxis]
    masks = np.broadcast_to(mask, (T, H, W))

    def where(values: FloatArray) -> FloatArray:
        return np.where(masks, values, np.nan).astype(np.float32)

    field = Field(
        u=where((frames + 1) * (SHIFT[0] + STRAIN * x)),
        v=where((frames + 1) * np.full_like(x, SHIFT[1])),
        mask=masks.copy(),
        valid=masks.copy(),
        zncc=where(0.9 + 0.001 * x + 0 * frames),
        sigma_u=where(np.full((T, H, W), 0.003, np.float32)),
        sigma_v=where(np.full((T, H, W), 0.004, np.float32)),
        fallback=np.zeros_like(masks),
        reference=infos[0],
        deformed=tuple(infos[1:]),
        process=Process("1.0", "2026-01-02T03:04:05+00:00", "cpu", {"displacement": "ab" * 32}, Settings()),
    )
    write(tmp_path / "test.h5", field)
    return Sequence(tmp_path, tmp_path / "test.h5", field)


def write(path: Path, field: Field) -> None:
    header = Header(
        field.shape[1:], field.shape[0], field.reference, field.process, field.calibration, field.time_source
    )
    with open_writer(path, header, overwrite=True) as writer:
        writer.append(field)
