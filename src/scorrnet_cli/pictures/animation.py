"""Moving pictures: figures of one frame after the other as GIF or MP4."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scorrnet_cli.images.videos import pyav
from scorrnet_cli.version import __version__
from scorrnet_cli.writers.atomic import explained, written_whole

DPI = 150
_COLOURS, _GREYS = 256, 32
_WHITE, _MARGIN_PX = 250, 8
_SHORTEST = 2  # hundredths of a second, in which GIFs count; what is shorter browsers show for far longer
_QUALITY = "18"  # of x264: the lines of a figure stay clean


def check_animation(path: Path) -> None:
    """Raise UsageError if a video is asked for and PyAV is not installed."""
    if path.suffix.lower() == ".mp4":
        pyav()


def save_animation(
    path: Path, pictures: Iterable[NDArray[np.uint8]], per_s: float, maps: Sequence[NDArray[np.uint8]]
) -> None:
    """Write pictures as an animation, without the white rim that the first one has.

    Parameters
    ----------
    path : Path
        A name that ends with one of `SUFFIXES`; the file appears whole or not at all.
    pictures : iterable of (H, W, 3) uint8
        RGB, all of one size.
    per_s : float
        How many are shown a second.
    maps : sequence of (256, 3) uint8
        The colour maps in use: a GIF has no more than 256 colours, and these are what matters.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    with written_whole(path) as part, explained(path):
        _WRITERS[path.suffix.lower()](part, _trimmed(pictures), per_s, maps)


def _trimmed(pictures: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    """Cut off what is white around the first picture; sides stay even, as videos want them."""
    box = None
    for pixels in pictures:
        if box is None:
            rows, columns = (np.flatnonzero((pixels < _WHITE).any((axis, 2))) for axis in (1, 0))
            box = tuple(_even(used, size) for used, size in zip((rows, columns), pixels.shape, strict=False))
        yield np.ascontiguousarray(pixels[box])


def _even(used: NDArray[np.intp], size: int) -> slice:
    """Return an even number of pixels from the first to the last used one, with a margin."""
    start = max(0, int(used[0]) - _MARGIN_PX)
    stop = min(size, int(used[-1]) + 1 + _MARGIN_PX)
    return slice(start, stop - (stop - start) % 2)


def _write_gif(
    path: Path, pictures: Iterator[NDArray[np.uint8]], per_s: float, maps: Sequence[NDArray[np.uint8]]
) -> None:
    """Write a GIF; all pictures have the same colours, so that nothing flickers."""
    greys = np.linspace(0, 255, _GREYS).round().astype(np.uint8)[:, np.newaxis].repeat(3, 1)
    each = (_COLOURS - _GREYS) // len(maps)
    chosen = [colours[np.linspace(0, len(colours) - 1, each).astype(int)] for colours in maps]
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.concatenate([greys, *chosen]).tobytes())
    images = (Image.fromarray(pixels).quantize(palette=palette, dither=Image.Dither.NONE) for pixels in pictures)
    first = next(images)
    duration_ms = 10 * max(_SHORTEST, round(100 / per_s))
    first.save(path, "GIF", save_all=True, append_images=images, duration=duration_ms, loop=0, optimize=False)


def _write_mp4(path: Path, pictures: Iterator[NDArray[np.uint8]], per_s: float, _: Sequence[NDArray[np.uint8]]) -> None:
    """Write an MP4, H.264, as every browser and slide show plays it."""
    av = pyav()
    with av.open(str(path), "w", format="mp4") as container:
        container.metadata["comment"] = f"scorrnet {__version__}"
        stream: Any = None
        for pixels in pictures:
            if stream is None:
                stream = container.add_stream("libx264", rate=Fraction(per_s).limit_denominator(1000))
                stream.height, stream.width = pixels.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.options = {"crf": _QUALITY}
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


_Writer: TypeAlias = Callable[[Path, Iterator[NDArray[np.uint8]], float, Sequence[NDArray[np.uint8]]], None]
_WRITERS: dict[str, _Writer] = {
    ".gif": _write_gif,
    ".mp4": _write_mp4,
}
SUFFIXES = tuple(_WRITERS)
"""Suffixes of moving pictures."""
