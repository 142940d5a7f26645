"""Videos to arrays: the frames of AVI, MP4 and MKV files, decoded by PyAV, which is optional."""

from __future__ import annotations

import importlib
import importlib.util
import math
import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorrnet_cli.errors import not_installed

SUFFIXES = (".avi", ".mp4", ".m4v", ".mov", ".mkv")
"""The suffixes that a folder is searched for."""
_PACKED = {"yuyv422": 0, "yvyu422": 0, "uyvy422": 1}  # the first byte of luminance; it alternates with colour
_DURATION = re.compile(r"(\d+):(\d+):(\d+(?:\.\d+)?)")
_SLACK = Fraction(1, 4)  # of a frame: headers round durations
_HIGH = ("p0", "p2", "p4")  # layouts whose 10 or 12 bits are the high ones of 16, as p010le


def is_video(start: bytes) -> bool:
    """Tell by the first 12 bytes or more of a file whether it is an AVI, MP4 or MKV."""
    is_avi = start[:4] == b"RIFF" and start[8:12] == b"AVI "
    return is_avi or start[4:8] == b"ftyp" or start.startswith(b"\x1a\x45\xdf\xa3")


def count_and_shape(path: Path) -> tuple[int, tuple[int, int]]:
    """Count the frames of a video without decoding them; return that, and their height and width.

    Frames count that were cut off the end of an AVI or MKV file but are in its header: who decodes it misses them.

    Raises
    ------
    UsageError
        If PyAV is not installed.
    Exception
        Whatever PyAV raises over a damaged file.
    """
    with pyav().open(str(path)) as container:
        stream = container.streams.video[0]
        ends = []
        count = 0
        for packet in container.demux(stream):
            if packet.pts is not None:
                ends.append(packet.pts + (packet.duration or 0))
                count += packet.size > 0 and not packet.is_discard
        return count + _cut_off(container, stream, ends), (stream.codec_context.height, stream.codec_context.width)


def _cut_off(container: Any, stream: Any, ends: Sequence[int]) -> int:
    """Return how many frames the header tells of that are not in the file; `ends` of those that are, in stream time.

    An AVI tells their number, in which those that were dropped count; an MKV tells how long the stream is, if it was
    closed well. Of an MP4 that is cut off nothing can be read.
    """
    if not ends or not stream.average_rate:
        return 0
    rate: Fraction = stream.average_rate
    there: Fraction = max(ends) * stream.time_base * rate
    told = _DURATION.fullmatch(stream.metadata.get("DURATION", ""))
    if container.format.name == "avi":
        return max(0, math.floor(int(stream.frames) - there + _SLACK))
    if told is None:
        return 0
    hours, minutes, seconds = map(Fraction, told.groups())
    return max(0, math.floor((3600 * hours + 60 * minutes + seconds) * rate - there + _SLACK))


def decode(path: Path) -> Iterator[NDArray[Any]]:
    """Decode a video frame by frame, in the order of showing.

    Yields
    ------
    (H, W) uint8 or uint16, or (H, W, 3) uint8
        The luminance as it is stored, not stretched; colours where it is stored as such.

    Raises
    ------
    UsageError
        If PyAV is not installed.
    Exception
        Whatever PyAV raises over a damaged file.
    """
    with pyav().open(str(path)) as container:
        for frame in container.decode(video=0):
            yield _pixels(frame)


def _pixels(frame: Any) -> NDArray[Any]:
    """Return the grey or RGB pixels of a decoded frame."""
    layout = frame.format
    first = layout.components[0]
    is_grey = len(layout.components) == 1 and first.bits >= 8 and not layout.has_palette
    step = 2 if layout.name in _PACKED else 1
    if not (first.is_luma and (layout.is_planar or is_grey or step == 2)):
        pixels: NDArray[Any] = frame.to_ndarray(format="rgb24")
        return pixels
    plane = frame.planes[0]
    if first.bits == 8:
        rows = np.frombuffer(plane, np.uint8).reshape(frame.height, plane.line_size)
        return rows[:, _PACKED.get(layout.name, 0) :: step][:, : frame.width].copy()
    kind = ">u2" if layout.is_big_endian else "<u2"
    wide = np.frombuffer(plane, kind).reshape(frame.height, plane.line_size // 2)[:, : frame.width].astype(np.uint16)
    levels: NDArray[Any] = np.left_shift(wide, 0 if layout.name.startswith(_HIGH) else 16 - first.bits)
    return levels


def pyav() -> Any:
    """Return PyAV, or say how to get it."""
    if importlib.util.find_spec("av") is None:
        raise not_installed("Videos need PyAV, which is not installed", "video")
    return importlib.import_module("av")
