"""Time and memory of one measurement on this machine, by size of the image and number of threads.

    python benchmarks/speed.py

Each line is a process of its own: a synthetic speckle that fills the image, shifted by (3.4, -1.7) px, measured once
to warm up and once for the clock. RMSE leaves out a rim of 15 px. Times on other machines differ; compare lines of one
run.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time

import numpy as np
import torch

from scorrnet_cli import pipeline
from scorrnet_cli.field import FrameInfo
from scorrnet_cli.frames import Frame
from scorrnet_cli.settings import Settings
from scorrnet_cli.training.rng import Rng
from scorrnet_cli.training.textures import speckle

SIZES_PX = (512, 1024, 2048)
SHIFT_PX = (3.4, -1.7)
BLUR_PX = 0.8
RIM_PX = 15


def _frames(size: int) -> tuple[Frame, Frame]:
    """A speckle on a torus and the same, shifted exactly by a phase ramp."""
    paint = 30 + 190 * speckle(Rng((5,), torch.device("cpu")), size, 1, (4.0, 4.0))
    fy, fx = torch.fft.fftfreq(size)[:, None], torch.fft.rfftfreq(size)[None, :]
    lens = torch.exp(-2 * (np.pi * BLUR_PX) ** 2 * (fx**2 + fy**2))
    ramp = torch.exp(-2j * np.pi * (fx * SHIFT_PX[0] + fy * SHIFT_PX[1]))
    spectrum = torch.fft.rfft2(paint) * lens
    paint, moved = (torch.fft.irfft2(seen, s=(size, size)) for seen in (spectrum, spectrum * ramp))
    noise = torch.Generator().manual_seed(0)
    pictures = (image + 2 * torch.randn(size, size, generator=noise) for image in (paint, moved))
    first, second = (Frame(picture.numpy(), FrameInfo("synthetic", "")) for picture in pictures)
    return first, second


def _one(size: int, threads: int) -> None:
    torch.set_num_threads(threads)
    reference, deformed = _frames(size)
    started = time.perf_counter()
    instruments = pipeline.load(Settings(device="cpu"))
    loaded = time.perf_counter()
    prepared = pipeline.prepare(instruments, reference)
    ready = time.perf_counter()
    pipeline.measure_pair(instruments, prepared, deformed)
    warm = time.perf_counter()
    field = pipeline.measure_pair(instruments, prepared, deformed)
    done = time.perf_counter()
    valid = field.valid[0].copy()
    valid[:RIM_PX], valid[-RIM_PX:], valid[:, :RIM_PX], valid[:, -RIM_PX:] = False, False, False, False
    error = np.hypot(field.u[0][valid] - SHIFT_PX[0], field.v[0][valid] - SHIFT_PX[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"| {size} x {size} | {threads} | {loaded - started:.2f} | {ready - loaded:.2f} | {done - warm:.2f} "
        f"| {valid.sum() / (done - warm):,.0f} | {peak:,.0f} | {np.sqrt(np.mean(error**2)):.4f} |",
        flush=True,
    )


def main() -> None:
    """Print the table."""
    print("| image, px | threads | load, s | reference, s | a frame, s | points a second | peak, MiB | RMSE, px |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for size in SIZES_PX:
        for threads in (1, 2):
            subprocess.run([sys.executable, __file__, str(size), str(threads)], check=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _one(int(sys.argv[1]), int(sys.argv[2]))
    else:
        main()
