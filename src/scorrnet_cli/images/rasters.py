"""Image files to arrays, as stored: every format and bit depth that can be read, one page at a time."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Container, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from scorrnet_cli.errors import FrameError, ScorrnetError
from scorrnet_cli.images import videos


@dataclass(frozen=True)
class Raster:
    """One page of an image file.

    Attributes
    ----------
    pixels : (H, W) or (H, W, 3) of any real dtype
        Grey levels, or red, green and blue.
    page : str
        ``[n]``, counted from 0, for a page of a multi-page file, else empty.
    is_inverted : bool
        Whether 0 is white in the file; `pixels` are grey levels nonetheless.
    is_lossy : bool
        Whether grey levels are not quite those that were saved.
    opaque : (H, W) bool, optional
        Which pixels are not wholly transparent, of a PNG of up to 8 bits that has such.
    """

    pixels: NDArray[Any]
    page: str = ""
    is_inverted: bool = False
    is_lossy: bool = False
    opaque: NDArray[np.bool_] | None = None


class _All(Container[int]):
    """Every page."""

    def __contains__(self, _: object) -> bool:
        return True


ALL = _All()
_Decoder: TypeAlias = Callable[[Path, Container[int]], Iterator[Raster]]


def read_rasters(path: Path, wanted: Container[int] = ALL) -> Generator[Raster]:
    """Decode an image or video file page by page; the content decides the format, not the suffix.

    Orientation tags are not applied: pixels are where the sensor had them.

    Parameters
    ----------
    path : Path
    wanted : container of int
        Which pages to give, counted from 0; the others of a TIFF are not even decoded.

    Raises
    ------
    FrameError
        If the file is missing, a folder, empty, truncated, damaged, or not an image that can be read.
    """
    start = _first_bytes(path)
    for signatures, decoder in _DECODERS:
        if start.startswith(signatures):
            with _reading(path):
                yield from decoder(path, wanted)
            return
    if videos.is_video(start):
        with _reading(path):
            yield from _video(path, wanted)
        return
    raise FrameError("This is not an image that can be read", str(path), _FORMATS)


def _first_bytes(path: Path) -> bytes:
    """Return enough of the file to know its format, or say why there is nothing to read."""
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except FileNotFoundError:
        raise FrameError("There is no such image", str(path), "Check the name and the folder") from None
    except IsADirectoryError:
        raise FrameError("This is a folder, not an image", str(path), "Name the images in it") from None
    except OSError as error:
        raise FrameError(f"The image cannot be opened: {error.strerror}", str(path)) from error
    if not start:
        raise FrameError("The image file is empty", str(path), "Copy or record it again")
    return start


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn whatever a decoder raises over a damaged file into a FrameError that names the file."""
    try:
        yield
    except ScorrnetError:
        raise
    except MemoryError as error:
        what = "Is it as large as its header says? Then take a machine with more memory"
        raise FrameError(f"There is too little memory for the image: {error}", str(path), what) from error
    except Exception as error:  # decoders stumble in many ways: struct, zlib, key, value, ...
        if "imagecodecs" in str(error):
            raise FrameError(
                f"The image is packed in a way that cannot be undone here: {error}",
                str(path),
                "Save it again without compression",
            ) from error
        raise FrameError(
            f"The image is damaged or truncated: {error or type(error).__name__}",
            str(path),
            "Copy or record it again",
        ) from error


def _video(path: Path, wanted: Container[int]) -> Iterator[Raster]:
    """Decode the frames of a video."""
    index = -1
    for index, pixels in enumerate(videos.decode(path)):
        if index in wanted:
            yield Raster(pixels, f"[{index}]")
    if index < 0:
        raise FrameError("The video holds no image", str(path), "Record it again")


def _tiff(path: Path, wanted: Container[int]) -> Iterator[Raster]:
    """Decode the pages of a TIFF file, thumbnails left out."""
    with tifffile.TiffFile(path) as file:
        count = len(file.pages)
        _check_page_chain(file)
        if file.is_imagej and (file.imagej_metadata or {}).get("images", 1) > count:
            raise FrameError(
                "The ImageJ stack is over 4 GB and lists only its first page",
                str(path),
                "Save it as single images or as an OME-TIFF",
            )
        is_stack = sum(1 for _ in islice(full_pages(file), 2)) > 1
        for index, page in enumerate(full_pages(file)):
            if index in wanted:
                yield Raster(_tiff_pixels(page, path), f"[{index}]" if is_stack else "", _is_inverted(page))


def full_pages(file: tifffile.TiffFile) -> Iterator[tifffile.TiffPage]:
    """Give the pages of a TIFF file that are images and no thumbnails."""
    for index in range(len(file.pages)):
        page = file.pages[index].aspage()
        if index == 0 or not page.is_reduced:
            yield page


def _check_page_chain(file: tifffile.TiffFile) -> None:
    """Raise ValueError if the last readable page points to another: the rest of the file is missing."""
    where = file.pages.next_page_offset
    if where is None:
        raise ValueError("the list of pages is broken")
    file.filehandle.seek(where)
    (following,) = struct.unpack(file.tiff.offsetformat, file.filehandle.read(file.tiff.offsetsize))
    if following != 0:
        raise ValueError(f"page {len(file.pages)} is missing")


def _tiff_pixels(page: tifffile.TiffPage, path: Path) -> NDArray[Any]:
    """Return the grey or RGB pixels of a page."""
    ends = (offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True))
    if max(ends) > page.parent.filehandle.size:
        raise ValueError("the file ends within the pixels")
    pixels = page.asarray()
    if pixels.ndim != len(page.axes) or pixels.size == 0:
        raise ValueError("the size of the image is unknown")
    photometric = tifffile.PHOTOMETRIC(page.photometric)
    if photometric == tifffile.PHOTOMETRIC.PALETTE and page.axes == "YX" and page.colormap is not None:
        return np.moveaxis(page.colormap[:, pixels], 0, -1)
    is_grey = photometric in (tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.MINISWHITE)
    is_colour = photometric == tifffile.PHOTOMETRIC.RGB or (
        # which the codec has turned into RGB
        photometric == tifffile.PHOTOMETRIC.YCBCR and page.compression == tifffile.COMPRESSION.JPEG
    )
    if page.axes in ("YXS", "SYX"):
        pixels = np.moveaxis(pixels, page.axes.index("S"), -1)
        if is_grey and pixels.shape[-1] == 2:
            pixels = pixels[..., 0]
        elif is_colour and pixels.shape[-1] >= 3:
            pixels = pixels[..., :3]
        else:
            is_grey = is_colour = False
    elif page.axes != "YX":
        is_grey = is_colour = False
    if not (is_grey or is_colour) or pixels.dtype.kind not in "buif":
        raise FrameError(
            f"The image is neither grey nor RGB: {photometric.name}, axes {page.axes}, {pixels.dtype}",
            str(path),
            "Save it as a grey image",
        )
    if _is_inverted(page):
        pixels = np.float32(_full_scale(pixels, page.bitspersample)) - pixels
    return pixels


def _is_inverted(page: tifffile.TiffPage) -> bool:
    return page.photometric == tifffile.PHOTOMETRIC.MINISWHITE


def _full_scale(pixels: NDArray[Any], bits: int) -> float:
    """Return the level of a saturated pixel; of a float image 1 if no pixel exceeds 1, else the largest pixel."""
    if pixels.dtype.kind == "f":
        return max(1.0, float(pixels.max()))
    return float(2 ** (bits - 1 if pixels.dtype.kind == "i" else bits) - 1)


def _pillow(path: Path, _: Container[int], plugin: type[ImageFile]) -> Iterator[Raster]:
    """Decode a file of one image with a plugin of pillow.

    The plugin is called directly, as ``PIL.Image.open`` takes large sensors for decompression bombs.
    """
    with plugin(path) as image:
        packing = image.tile[0].args
        if packing in _WIDE_PNG:
            yield Raster(_wide_png(path, packing))
            return
        plain = {"P": "RGBA", "CMYK": "RGB"}.get(image.mode)
        pixels = np.asarray(image.convert(plain) if plain else image)
    opaque = None
    if pixels.ndim == 3:
        if pixels.shape[-1] in (2, 4):
            opaque = pixels[..., -1] > 0
        pixels = pixels[..., :3] if pixels.shape[-1] >= 3 else pixels[..., 0]
    yield Raster(pixels, is_lossy=plugin is JpegImageFile, opaque=opaque)


# How pillow is told to unpack 16-bit PNG images of several channels, of which it otherwise keeps the upper
# bytes only: once for the upper and once for the lower bytes. Grey with alpha has the layout of 8-bit RGBA.
_WIDE_PNG = {
    "RGB;16B": ("RGB;16B", "RGB;16L"),
    "RGBA;16B": ("RGBA;16B", "RGBA;16L"),
    "LA;16B": ("RGBA", "RGBA"),
}


def _wide_png(path: Path, packing: str) -> NDArray[Any]:
    """Return the (H, W) grey or (H, W, 3) RGB pixels of a 16-bit PNG of several channels, without alpha."""
    halves = []
    for unpacking in _WIDE_PNG[packing]:
        with PngImageFile(path) as image:
            image.tile = [tile._replace(args=unpacking) for tile in image.tile]
            halves.append(np.asarray(image).astype(np.uint16))
    upper, lower = halves
    if packing == "LA;16B":
        return upper[..., 0] << 8 | lower[..., 1]
    return upper[..., :3] << 8 | lower[..., :3]


NETPBM_HEADER = re.compile(rb"P([2356])" + 3 * rb"(?:\s|#[^\r\n]*[\r\n])+(\d+)" + rb"\s")


def _netpbm(path: Path, _: Container[int]) -> Iterator[Raster]:
    """Decode a PGM or PPM file, plain or binary.

    Pillow would stretch 10- or 12-bit images to 16 bit, slowly, and cut 16-bit colour down to 8.
    """
    content = path.read_bytes()
    header = NETPBM_HEADER.match(content)
    if header is None:
        raise ValueError("the header is incomplete")
    kind, width, height, largest = (int(number) for number in header.groups())
    if not 0 < largest < 65536:
        raise ValueError(f"{largest} is no largest grey level")
    shape = (height, width, 3) if kind in (3, 6) else (height, width)
    count = math.prod(shape)
    if kind in (2, 3):
        pixels = np.array(content[header.end() :].split(maxsplit=count)[:count], dtype=np.uint16)
    else:
        pixels = np.frombuffer(content, np.uint8 if largest < 256 else ">u2", count, header.end())
    yield Raster(pixels.reshape(shape))


_FORMATS = "Give TIFF, PNG, BMP, JPEG or PGM images, or AVI, MP4 or MKV videos"
_DECODERS: tuple[tuple[tuple[bytes, ...], _Decoder], ...] = (
    ((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), _tiff),
    ((b"\x89PNG\r\n\x1a\n",), partial(_pillow, plugin=PngImageFile)),
    ((b"BM",), partial(_pillow, plugin=BmpImageFile)),
    ((b"\xff\xd8\xff",), partial(_pillow, plugin=JpegImageFile)),
    ((b"P2", b"P3", b"P5", b"P6"), _netpbm),
)
