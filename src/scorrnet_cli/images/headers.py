"""How many images a file holds and how large they are, as its header says: nothing is decoded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import tifffile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from scorrnet_cli.errors import UsageError
from scorrnet_cli.images import videos
from scorrnet_cli.images.rasters import NETPBM_HEADER, full_pages

Shape: TypeAlias = tuple[int, int]
_PLUGINS: dict[bytes, Callable[[Path], ImageFile]] = {
    b"\x89PNG": PngImageFile,
    b"BM": BmpImageFile,
    b"\xff\xd8": JpegImageFile,
}
_START_BYTES = 1024


def page_shapes(path: Path) -> list[Shape | None]:
    """Return the height and width of each image of a file, without decoding them.

    Parameters
    ----------
    path : Path
        An image, a TIFF of several pages, or a video.

    Returns
    -------
    list of (H, W) or None
        As many as `read_rasters` gives of a sound file. A file that cannot be read counts as one of unknown size:
        why, `read_rasters` will tell.

    Raises
    ------
    UsageError
        If it is a video and PyAV is not installed.
    """
    try:
        with path.open("rb") as file:
            start = file.read(_START_BYTES)
        if start[:2] in (b"II", b"MM"):
            return _tiff(path)
        if videos.is_video(start):
            count, shape = videos.count_and_shape(path)
            return [shape] * count or [None]
        if header := NETPBM_HEADER.match(start):
            return [(int(header.group(3)), int(header.group(2)))]
        for signature, plugin in _PLUGINS.items():
            if start.startswith(signature):
                with plugin(path) as image:
                    return [(image.height, image.width)]
    except UsageError:
        raise
    except Exception:  # decoders stumble in many ways
        return [None]
    return [None]


def _tiff(path: Path) -> list[Shape | None]:
    """Return the sizes of the pages of a TIFF, thumbnails left out; of one that ends before it lists them, None."""
    with tifffile.TiffFile(path) as file:
        return [(page.imagelength, page.imagewidth) for page in full_pages(file)] or [None]
