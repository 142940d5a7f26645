"""Image files to grey frames: what the camera saw, in its own grey levels."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Container, Generator
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from scorrnet_cli.errors import FrameError
from scorrnet_cli.field import BoolArray, FloatArray, FrameInfo
from scorrnet_cli.images.headers import page_shapes
from scorrnet_cli.images.rasters import ALL, Raster, read_rasters

SMALLEST_PX = 32
"""Fewest pixels along each side that the networks accept."""


@dataclass(frozen=True, eq=False)
class Frame:
    """A grey image.

    Attributes
    ----------
    grey : (H, W) float32
        Grey levels as the file has them, neither scaled nor stretched; all finite. Colour is
        reduced to luminance.
    info : FrameInfo
        Which image it is.
    """

    grey: FloatArray
    info: FrameInfo

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width: (H, W)."""
        height, width = self.grey.shape
        return height, width


def read_frames(path: str | os.PathLike[str], wanted: Container[int] = ALL) -> Generator[Frame]:
    """Read an image file page by page; a multi-page TIFF and a video are sequences.

    TIFF (8, 16, 32 bit, float), PNG, BMP, JPEG and PGM are read, grey or colour, and with PyAV also AVI, MP4 and
    MKV videos. Alpha is ignored, thumbnail pages are skipped, and no orientation tag is applied. 32-bit integers
    above 2**24 are rounded to float32.

    Parameters
    ----------
    path : path-like
        The image file.
    wanted : container of int
        Which pages to read, counted from 0.

    Yields
    ------
    Frame
        One page, of any shape; only one is in memory at a time.

    Raises
    ------
    FrameError
        At the page concerned, if the file or page is missing, unreadable, not finite, or under 32 x 32 px.
    """
    path = Path(path)
    digest = None
    with closing(read_rasters(path, wanted)) as rasters:
        for raster in rasters:
            digest = digest or _digest(path)
            name = printable(path.name) + raster.page
            grey = _grey(raster, path)
            if min(grey.shape) < SMALLEST_PX:
                raise FrameError(
                    f"The image of {size_words(grey.shape)} is smaller than the networks accept",
                    f"{path}{raster.page}",
                    f"Give images of at least {SMALLEST_PX} x {SMALLEST_PX} px",
                )
            yield Frame(grey, FrameInfo(name, digest))


def count_frames(path: str | os.PathLike[str]) -> int:
    """Count the pages that `read_frames` gives of a sound file, without decoding them; 1 for one that is not."""
    return len(page_shapes(Path(path)))


def read_frame(path: str | os.PathLike[str], page: int = 0) -> Frame:
    """Read one image; the names of those of a file with several pages end with that in brackets.

    Raises
    ------
    FrameError
        As `read_frames` does.
    """
    with closing(read_frames(path, (page,))) as frames:
        for frame in frames:
            return frame
    raise FrameError("The file has fewer images than its header says", str(path), "Copy it again from its source")


def read_mask(path: str | os.PathLike[str], shape: tuple[int, int]) -> BoolArray:
    """Read a mask from an image file, the first page if it has several.

    Parameters
    ----------
    path : path-like
        Any image that `read_frames` reads but a JPEG; pixels that are not zero (black) are to be measured, and of an
        image with transparency those that are not wholly transparent besides.
    shape : tuple of int
        (H, W) of the reference image.

    Returns
    -------
    (H, W) bool

    Raises
    ------
    FrameError
        If the file cannot be read, has another shape than `shape`, is black throughout, is a JPEG, in which black is
        not 0 near edges, or a TIFF in which 0 is white: programs that write arrays of bool so mean 0 where others mean
        white.
    """
    path = Path(path)
    with closing(read_rasters(path)) as rasters:
        raster = next(rasters)
    if raster.is_inverted:
        raise FrameError(
            "In the mask 0 is white (MINISWHITE), as in TIFF files of arrays of bool: what is meant is not certain",
            str(path),
            "Save it as PNG, or as 8-bit grey levels with 0 where nothing is to be measured",
        )
    if raster.is_lossy:
        what = "The mask is a JPEG, in which black is not quite black near edges"
        raise FrameError(what, str(path), "Save it as PNG, painted anew or with a threshold")
    mask: BoolArray = _grey(raster, path) != 0
    if raster.opaque is not None:
        mask &= raster.opaque
    if mask.shape != tuple(shape):
        raise FrameError(
            f"The mask is {size_words(mask.shape)} but the reference image is {size_words(shape)}",
            str(path),
            "Give a mask of the size of the reference image",
        )
    if not mask.any():
        raise FrameError(
            "The mask is black throughout", str(path), "Paint what is to be measured in any other grey level"
        )
    return mask


def check_same_shape(reference: Frame, deformed: Frame) -> None:
    """Raise FrameError, with both names and sizes, if two frames differ in shape."""
    if reference.shape != deformed.shape:
        raise FrameError(
            f"The reference image {reference.info.name} is {size_words(reference.shape)} but the deformed image "
            f"{deformed.info.name} is {size_words(deformed.shape)}",
            todo="Give images of one size",
        )


def printable(name: str) -> str:
    """Return a file name as it can be stored in a result: what is not valid UTF-8 is replaced."""
    return os.fsencode(name).decode("utf-8", "replace")


def _grey(raster: Raster, path: Path) -> FloatArray:
    """Return the (H, W) float32 luminance (ITU-R BT.601) of a raster; FrameError if it is not finite.

    Written as green plus differences, so that grey stored as colour comes back exactly.
    """
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite and is refused below
        grey = raster.pixels.astype(np.float32)
    if grey.ndim == 3:
        red, green, blue = np.moveaxis(grey, -1, 0)
        grey = green + np.float32(0.299) * (red - green) + np.float32(0.114) * (blue - green)
    if not np.isfinite(grey).all():
        raise FrameError(
            "The image has pixels that are not a number or infinite",
            f"{path}{raster.page}",
            "Fill them with a grey level, and leave them out with a mask",
        )
    return grey


def _digest(path: Path) -> str:
    """Return the sha256 of an image that has been read; FrameError if it is no longer there."""
    try:
        state = path.stat()
        return _sha256_of_version(path, state.st_mtime_ns, state.st_size)
    except OSError as error:
        what = f"The image cannot be read again: {error.strerror or error}"
        raise FrameError(what, str(path), "Give it when it is written") from error


@lru_cache(maxsize=4)
def _sha256_of_version(path: Path, _changed_ns: int, _bytes: int) -> str:
    """Return the sha256 of a file, which is read anew when it has changed: of many pages each asks for it."""
    return sha256(path)


def sha256(path: Path) -> str:
    """Return the sha256 of the file's bytes, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(path: Path) -> str:
    """Return the sha256 of a file, empty if it cannot be read."""
    try:
        return sha256(path)
    except OSError:
        return ""


def size_words(shape: tuple[int, ...]) -> str:
    """Return a shape (H, W) as people say it: width x height."""
    return f"{shape[1]} x {shape[0]} px"
