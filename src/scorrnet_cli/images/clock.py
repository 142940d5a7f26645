"""When images were taken: by a frame rate that the user states, or by time stamps that the images carry."""

from __future__ import annotations

import datetime
import math
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import tifffile

from scorrnet_cli.errors import FrameError, UsageError
from scorrnet_cli.images.rasters import full_pages
from scorrnet_cli.units import seconds

STAMPS = ("names", "tiff")
_DATE = re.compile(
    r"(?<!\d)(\d{4})[-_.]?(\d\d)[-_.]?(\d\d)[-_. T]?(\d\d)[-_.:h]?(\d\d)[-_.:m]?(\d\d)(?:[.,](\d{1,9}))?(?!\d)"
)
_MAYBE_FRACTION = re.compile(_DATE.pattern + r"s?[-_]?(?:\d{3}|\d{6})(?!\d)")  # or a number of the image
_SECONDS = re.compile(r"(?<![\d.,a-zA-Z])(\d+(?:[.,]\d+)?) ?(ms|s)(?![a-zA-Z\d])")
_MINUS = re.compile(r"(?:^|[^a-zA-Z\d])-\d+(?:[.,]\d+)? ?(?:ms|s)(?![a-zA-Z\d])")
_COMPOUND = re.compile(r"\d ?(?:h|m|min)[-_ ]?\d+(?:[.,]\d+)? ?m?s(?![a-zA-Z\d])|\de-\d+ ?m?s(?![a-zA-Z\d])")
_TIFF_DATE = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?\s*")


@dataclass(frozen=True)
class Clock:
    """Where the times of images are known from; never guessed.

    Attributes
    ----------
    fps : float, optional
        Images per second, every image of the sequence counted, those left out too.
    stamps : str, optional
        ``names``: a date and time (20260131_142500.250) or seconds (12.5s, 80ms) in each file name. ``tiff``: the
        tag DateTime of each image.

    Raises
    ------
    UsageError
        If both are given or none, or one makes no sense.
    """

    fps: float | None = None
    stamps: str | None = None

    def __post_init__(self) -> None:
        if (self.fps is None) == (self.stamps is None):
            raise UsageError("Times come from a frame rate or from time stamps", "", "Give one of --fps and --times")
        if self.fps is not None and not (math.isfinite(self.fps) and self.fps > 0):
            raise UsageError("The frame rate must be positive", f"fps = {self.fps}")
        if self.stamps is not None and self.stamps not in STAMPS:
            raise UsageError("Unknown time stamps", self.stamps, f"Choose {' or '.join(STAMPS)}")

    @property
    def source(self) -> str:
        """What is used, for people."""
        if self.fps is not None:
            return "one image per second" if self.fps == 1 else f"{self.fps:g} images per second"
        return "time stamps in file names" if self.stamps == "names" else "TIFF tag DateTime"

    def read(self, path: Path, page: int, number: int) -> Fraction:
        """Time of an image, s, from a zero that all images of a sequence share; exact, so that differences are.

        Parameters
        ----------
        path : Path
            Its file.
        page : int
            Which image of the file, counted from 0.
        number : int
            Its place in the sequence, counted from 0.

        Raises
        ------
        FrameError
            If it carries no time stamp, or more than one.
        """
        if self.fps is not None:
            return number / Fraction(self.fps)
        return _name_time(path, page) if self.stamps == "names" else _tiff_time(path, page)


def check_rising(times: Iterable[tuple[str, float | None]]) -> None:
    """Make sure that images were taken one after another; a name that was read wrongly mostly shows here.

    Parameters
    ----------
    times : iterable of (str, float or None)
        Name of each image and when it was taken, s; None if that is not known.

    Raises
    ------
    FrameError
        If one was taken no later than the one before.
    """
    known = [(name, time) for name, time in times if time is not None]
    for (before, earlier), (name, time) in pairwise(known):
        if time <= earlier:
            what = f"The times of the images do not rise: {seconds(earlier)} s, and then {seconds(time)} s"
            raise FrameError(what, f"{before}, {name}", "Check the time stamps and the order, or give --fps")


def _name_time(path: Path, page: int) -> Fraction:
    if page > 0:
        what = "The file holds several images, and its name tells the time of one"
        raise FrameError(what, str(path), "Give --fps, or --times tiff")
    dates, stamps = _DATE.findall(path.stem), _SECONDS.findall(path.stem)
    if len(dates) + len(stamps) != 1:
        found = "several times" if dates or stamps else "no time"
        raise FrameError(f"The file name tells {found}", str(path), "Give --fps, or name it like 20260131_142500.250")
    if _MAYBE_FRACTION.search(path.stem):
        what = "The digits after the time in the file name may be a fraction of a second, or a number"
        raise FrameError(what, str(path), "Give --fps, or name it like 20260131_142500.250")
    if dates:
        return _timestamp(dates[0], path)
    if _COMPOUND.search(path.stem):
        raise FrameError("The file name tells a time in parts", str(path), "Give --fps, or name it like 12.5s")
    if _MINUS.search(path.stem):
        raise FrameError("The file name tells a time with a minus", str(path), "Give --fps, or name it like 12.5s")
    value, unit = stamps[0]
    return Fraction(value.replace(",", ".")) / (1000 if unit == "ms" else 1)


def _tiff_time(path: Path, page: int) -> Fraction:
    try:
        text = _tiff_dates(path, path.stat().st_mtime_ns)[page]
    except (OSError, tifffile.TiffFileError, ValueError, IndexError, struct.error) as error:
        raise FrameError(f"The TIFF tags cannot be read: {error}", str(path), "Give --fps instead") from error
    match = _TIFF_DATE.fullmatch(text)
    if match is None:
        raise FrameError("The image has no TIFF tag DateTime", f"{path}, image {page}", "Give --fps instead")
    return _timestamp(match.groups(default=""), path)


@lru_cache(maxsize=1)
def _tiff_dates(path: Path, _changed_ns: int) -> tuple[str, ...]:
    """Tag DateTime of every image of a file, read once until it changes; empty where missing."""
    with tifffile.TiffFile(path) as file:
        tags = (page.tags.get("DateTime") for page in full_pages(file))
        return tuple("" if tag is None else str(tag.value) for tag in tags)


def _timestamp(parts: tuple[str, ...], path: Path) -> Fraction:
    """Seconds since 1970 of year, month, day, hour, minute, second and digits of its fraction."""
    try:
        year, month, day, hour, minute, second = (int(part) for part in parts[:6])
        date = datetime.datetime(year, month, day, hour, minute, second, tzinfo=datetime.UTC)
    except ValueError as error:
        raise FrameError(f"The time stamp is no time: {error}", str(path), "Give --fps instead") from error
    return Fraction(date.timestamp()) + (Fraction(f"0.{parts[6]}") if parts[6] else 0)
