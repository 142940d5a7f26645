"""Accuracy on image pairs with known displacement, with and without refinement.

    python benchmarks/truth.py FOLDER

FOLDER holds public images with truth, each set in a folder of its own:

* opencorr_patterns: synthetic speckle of the OpenCorr examples (tension, shear, translation);
* pyvale_rigid: rigid sub-pixel shifts of the pyvale package;
* dice_pixel_shift: whole-pixel shifts of the DICe regression tests;
* unsupdicnet_01121: a pair with a large smooth field of the UnsupDICNet repository.

A set that is not there is left out. Errors are taken over the whole image but a rim of 15 px, and points whose
true position leaves the deformed image.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scorrnet_cli import pipeline
from scorrnet_cli.field import Field
from scorrnet_cli.frames import read_frame
from scorrnet_cli.settings import Settings

RIM_PX = 15
Truth = Callable[[NDArray[np.float64], NDArray[np.float64]], tuple[NDArray[np.float64], NDArray[np.float64]]]


@dataclass(frozen=True)
class Pair:
    """Two images and the displacement between them as a function of x and y."""

    name: str
    reference: Path
    deformed: Path
    truth: Truth


def _affine(ux: float, uy: float, vx: float, vy: float, u0: float, v0: float) -> Truth:
    return lambda x, y: (u0 + ux * x + uy * y, v0 + vx * x + vy * y)


def pairs(folder: Path) -> Iterator[Pair]:
    """Every pair that the folder holds."""
    patterns = {
        "Tension": _affine(0.02, 0, 0, -0.01, 0, 2.5),
        "Shear": _affine(0, 0.01, 0.01, 0, -2.5, -2.5),
        "Translation": _affine(0, 0, 0, 0, 7.084, 7.084),
    }
    here = folder / "opencorr_patterns"
    for number in (1, 3, 5, 8):
        for load, truth in patterns.items():
            reference = here / f"Pattern_{number}.png"
            yield Pair(f"pattern {number}, {load.lower()}", reference, here / f"Pattern_{number}_{load}.png", truth)
    here = folder / "pyvale_rigid"
    for tenths in (4, 8, 10):
        truth, deformed = _affine(0, 0, 0, 0, 0.1 * tenths, -0.1 * tenths), here / f"rigid_cam0_frame{tenths:02d}.png"
        yield Pair(f"rigid, {0.1 * tenths:.1f} px", here / "rigid_cam0_frame00.png", deformed, truth)
    here = folder / "dice_pixel_shift"
    for shift in (1, 5, 15):
        truth = _affine(0, 0, 0, 0, shift, shift)
        yield Pair(f"whole px, {shift}", here / "ref.png", here / f"def_{shift}.png", truth)
    here = folder / "unsupdicnet_01121"
    if (here / "img_01121_dis.npy").exists():
        field = np.load(here / "img_01121_dis.npy").astype(np.float64)
        files = here / "img_01121_ref.png", here / "img_01121_tar.png"
        yield Pair("large smooth field", *files, lambda _x, _y: (field[..., 0], field[..., 1]))


def figures(field: Field, truth: Truth) -> tuple[float, float, float]:
    """RMSE of u and v over the valid points, px, and the share of points that are valid."""
    _, height, width = field.shape
    y, x = np.mgrid[:height, :width].astype(np.float64)
    u, v = truth(x, y)
    counted = (x >= RIM_PX) & (x < width - RIM_PX) & (y >= RIM_PX) & (y < height - RIM_PX)
    counted &= (x + u >= RIM_PX) & (x + u < width - RIM_PX) & (y + v >= RIM_PX) & (y + v < height - RIM_PX)
    valid = counted & field.valid[0]
    rmse_u, rmse_v = (
        np.sqrt(np.mean((found - true)[valid] ** 2)) for found, true in ((field.u[0], u), (field.v[0], v))
    )
    return float(rmse_u), float(rmse_v), float(valid.sum() / counted.sum())


def main(folder: Path) -> None:
    """Print the table."""
    instruments = {refined: pipeline.load(Settings(refine=refined)) for refined in (False, True)}
    print("| pair | network: RMSE u | v | valid | refined: RMSE u | v | valid |")
    print("|---|---|---|---|---|---|---|")
    for pair in pairs(folder):
        if not pair.reference.exists():
            continue
        cells = []
        for loaded in instruments.values():
            prepared = pipeline.prepare(loaded, read_frame(pair.reference))
            u, v, share = figures(pipeline.measure_pair(loaded, prepared, read_frame(pair.deformed)), pair.truth)
            cells += [f"{u:.4f}", f"{v:.4f}", f"{100 * share:.1f} %"]
        print(f"| {pair.name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
