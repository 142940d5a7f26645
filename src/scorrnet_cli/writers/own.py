"""Which images and videos are this program's own results and pictures, and no camera's, and that the latter stay."""

from __future__ import annotations

from pathlib import Path

import tifffile
from PIL.PngImagePlugin import PngImageFile

from scorrnet_cli.errors import OutputError
from scorrnet_cli.images.videos import pyav
from scorrnet_cli.writers.hdf5_read import StoredResult

_SUFFIXES = (".tif", ".tiff", ".png")
_START_BYTES = 4096  # the name of the software is among them in what we write
_NAME = "scorrnet "


def is_ours(path: Path) -> bool:
    """Tell whether a file is a TIFF, PNG or MP4 that this program has written; False if there is none.

    A camera's image costs one short read: thousands of them may be asked about, on a network disk.
    """
    if path.suffix.lower() == ".mp4":
        return _comment(path).startswith(_NAME)
    if path.suffix.lower() not in _SUFFIXES:
        return False
    try:
        with path.open("rb", buffering=0) as file:
            start = file.read(_START_BYTES)
        if _NAME.encode() not in start:
            return False
        if start[:4] == b"\x89PNG":
            with PngImageFile(path) as image:
                return str(image.info.get("Software")).startswith(_NAME)
        with tifffile.TiffFile(path) as tiff:
            return str(tiff.pages[0].aspage().software).startswith(_NAME)
    except Exception:  # decoders stumble in many ways
        return False


def check_spares(path: Path, result: StoredResult) -> None:
    """Raise OutputError if what is made of a result would take its place, or that of an image that was measured."""
    if path.resolve() == Path(result.path).resolve():
        raise OutputError("The file would replace the result", str(path), "Give another name with -o")
    if path.name in result.files and path.is_file() and not is_ours(path):
        raise OutputError("The file would replace an image of the result", str(path), "Give another name with -o")


def _comment(path: Path) -> str:
    """Return what a video says of itself; nothing where it cannot be opened."""
    try:
        with pyav().open(str(path)) as video:
            return str(video.metadata.get("comment", ""))
    except Exception:  # as above; without PyAV there is none of ours either
        return ""
