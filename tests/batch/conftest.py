"""Folders of small images, a stand-in for the pipeline, and what all tests of batches look at."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import h5py
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from typer.testing import CliRunner, Result

import scorrnet_cli
from scorrnet_cli import tracking
from scorrnet_cli.cli import app
from scorrnet_cli.errors import MeasurementError
from scorrnet_cli.field import BoolArray, Field, FrameInfo, Process
from scorrnet_cli.frames import Frame, check_same_shape, read_mask, sha256
from scorrnet_cli.masks.sureness import Sureness
from scorrnet_cli.settings import Settings

HEIGHT, WIDTH = 40, 60
Contents: TypeAlias = dict[str, Any]
CPU = torch.device("cpu")


@dataclass
class FakeInstruments:
    settings: Settings
    device: str = "cpu"
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


class FakePipeline(types.SimpleNamespace):
    """Measures at once: u is the mean grey level of the deformed image, v that of the reference.

    `before` is called with each frame before it is measured; `measured` lists their names.
    """

    def __init__(self) -> None:
        super().__init__()
        self.before: Callable[[Frame], None] = lambda frame: None
        self.measured: list[str] = []
        self.unsure_share = 0.0

    def load(self, settings: Settings) -> FakeInstruments:
        return FakeInstruments(settings)

    def prepare(
        self, instruments: FakeInstruments, reference: Frame, surface_mask: Tensor | None = None
    ) -> FakePrepared:
        if np.ptp(reference.grey) == 0:
            raise MeasurementError("No speckle was found", reference.info.name, "Give a --mask")
        mask = np.zeros(reference.shape, bool)
        mask[:, : WIDTH // 2] = True
        if instruments.settings.mask_file:
            mask = read_mask(instruments.settings.mask_file, reference.shape)
            return FakePrepared(reference, mask, instruments.process())
        sure = Sureness(200 * mask.astype(np.uint8), mask.mean(), self.unsure_share)
        return FakePrepared(reference, mask, instruments.process(), sure)

    def measure_pair(
        self, instruments: FakeInstruments, prepared: FakePrepared, deformed: Frame, start: Tensor | None = None
    ) -> Field:
        check_same_shape(prepared.frame, deformed)
        self.before(deformed)
        if np.ptp(deformed.grey) == 0:
            raise MeasurementError("Nothing matches", deformed.info.name)
        self.measured.append(deformed.info.name)
        mask = prepared.mask[np.newaxis]

        def where(value: float) -> Any:
            return np.where(mask, value, np.nan).astype(np.float32)

        return Field(
            u=where(float(deformed.grey.mean())),
            v=where(float(prepared.frame.grey.mean())),
            mask=mask,
            valid=mask,
            zncc=where(0.99),
            sigma_u=where(0.01),
            sigma_v=where(0.01),
            fallback=np.zeros_like(mask),
            reference=prepared.frame.info,
            deformed=(deformed.info,),
            process=instruments.process(),
        )


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> FakePipeline:
    """The stand-in, in the place of `scorrnet_cli.pipeline`."""
    fake = FakePipeline()
    monkeypatch.setitem(sys.modules, "scorrnet_cli.pipeline", fake)
    monkeypatch.setattr(scorrnet_cli, "pipeline", fake, raising=False)
    monkeypatch.setattr(tracking, "pipeline", fake)
    return fake


@pytest.fixture
def draw() -> Callable[[Path, int], Path]:
    """Return a function that draws image number n at a path: noise whose mean tells the number."""

    def make(path: Path, number: int) -> Path:
        rng = np.random.default_rng(number)
        pixels = rng.integers(2 * number, 2 * number + 100, (HEIGHT, WIDTH), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        return path

    return make


@pytest.fixture
def folder(tmp_path: Path, draw: Callable[[Path, int], Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder ``images`` in the current one, with img_0.png ... img_11.png."""
    images = tmp_path / "images"
    images.mkdir()
    for number in range(12):
        draw(images / f"img_{number}.png", number)
    monkeypatch.chdir(tmp_path)
    return images


@pytest.fixture
def scorrnet() -> Callable[..., Result]:
    """Return a function that runs the program in this process."""

    def run(*arguments: str | Path, stdin: str | bytes | None = None) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments], stdin, prog_name="scorrnet")

    return run


@pytest.fixture
def contents() -> Callable[[Path], Contents]:
    """Return a function that reads all that is in an HDF5 file, but for its date: values and attributes by name."""

    def read(path: Path) -> Contents:
        found: Contents = {}

        def take(name: str, thing: Any) -> None:
            found[f"{name}@"] = {key: np.asarray(value).tolist() for key, value in thing.attrs.items()}
            if isinstance(thing, h5py.Dataset):
                found[name] = (thing.dtype.str, thing.shape, thing.chunks, np.asarray(thing[()]).tobytes())
                if thing.dtype.kind == "O":
                    found[name] = np.asarray(thing.asstr()[()]).tolist()

        with h5py.File(path) as file:
            take("", file)
            file.visititems(take)
        del found["entry/process/date"]
        return found

    return read


def infos(path: Path) -> tuple[FrameInfo, ...]:
    """Return which images a result has, in order."""
    from scorrnet_cli.writers import read_hdf5

    return read_hdf5(path).deformed
