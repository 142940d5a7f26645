"""Moving pictures: figures of one frame after the other as GIF or MP4."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scorrnet_cli.videos import pyav
from scorrnet_cli.writers.atomic import explained, written_whole

DPI = 150
_COLOURS = 256
_QUALITY = "18"  # of x264: the lines of a figure stay clean


def check_animation(path: Path) -> None:
    """Raise UsageError if a video is asked for and PyAV is not installed."""
    if path.suffix.lower() == ".mp4":
        pyav()


def save_animation(path: Path, pictures: Iterable[NDArray[np.uint8]], per_s: float) -> None:
    """Write pictures as an animation.

    Parameters
    ----------
    path : Path
        A name that ends with one of `SUFFIXES`; the file appears whole or not at all.
    pictures : iterable of (H, W, 3) uint8
        RGB, all of one size; one is in memory at a time for MP4.
    per_s : float
        How many are shown a second.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    with written_whole(path) as part, explained(path):
        _WRITERS[path.suffix.lower()](part, iter(pictures), per_s)


def _write_gif(path: Path, pictures: Iterator[NDArray[np.uint8]], per_s: float) -> None:
    """Write a GIF; all pictures have the colours of the first, so that nothing flickers."""
    first = Image.fromarray(next(pictures)).quantize(_COLOURS, dither=Image.Dither.NONE)

    def further() -> Iterator[Image.Image]:
        for pixels in pictures:
            yield Image.fromarray(pixels).quantize(palette=first, dither=Image.Dither.NONE)

    first.save(
        path, "GIF", save_all=True, append_images=further(), duration=round(1000 / per_s), loop=0, optimize=False
    )


def _write_mp4(path: Path, pictures: Iterator[NDArray[np.uint8]], per_s: float) -> None:
    """Write an MP4, H.264, as every browser and slide show plays it."""
    av = pyav()
    with av.open(str(path), "w", format="mp4") as container:
        stream: Any = None
        for pixels in pictures:
            even = pixels[: pixels.shape[0] // 2 * 2, : pixels.shape[1] // 2 * 2]  # colours are stored for 2 x 2 px
            if stream is None:
                stream = container.add_stream("libx264", rate=Fraction(per_s).limit_denominator(1000))
                stream.height, stream.width = even.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.options = {"crf": _QUALITY}
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


_WRITERS: dict[str, Callable[[Path, Iterator[NDArray[np.uint8]], float], None]] = {
    ".gif": _write_gif,
    ".mp4": _write_mp4,
}
SUFFIXES = tuple(_WRITERS)
"""Suffixes of moving pictures."""
