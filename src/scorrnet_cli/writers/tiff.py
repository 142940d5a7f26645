"""Displacements as float32 TIFF: ImageJ hyperstacks and OME-TIFF."""

from __future__ import annotations

import json
import math
from abc import abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import tifffile

from scorrnet_cli.errors import OutputError
from scorrnet_cli.field import Field, FrameInfo
from scorrnet_cli.writers.base import Header, Sink

_CHANNELS = ("u", "v")
_DTYPE = "<f4"
_PLACEHOLDER = "scorrnet displacement"
_MM_PER_CM = 10.0
# Offsets in a classic TIFF have 32 bits; room is left for the tags.
_CLASSIC_LIMIT_BYTES = 2**32 - 2**25


def _shape(header: Header) -> tuple[int, ...]:
    return (header.n_frames, len(_CHANNELS), *header.shape)


def _n_bytes(header: Header) -> int:
    return math.prod(_shape(header)) * np.dtype(_DTYPE).itemsize


class _TiffSink(Sink):
    """A TIFF of axes TCYX, C = u, v, uncompressed, whose pixels lie one after the other.

    tifffile writes the file with all pixels left out, and every frame is then put in its place. The values
    are in px, NaN where there is no valid result; the size of a pixel is in the tags if it is known.
    """

    def __init__(self, path: Path, header: Header) -> None:
        self.check(header)
        shape = _shape(header)
        self._path = path
        self._header = header
        self._deformed: list[FrameInfo] = []
        self._n_bytes = _n_bytes(header)
        scale = header.calibration
        self._pixel = (1.0, "pixel") if scale is None else (scale.mm_per_px, "mm")  # its size and unit
        with tifffile.TiffWriter(path, **self._format()) as tiff:
            place = tiff.write(
                shape=shape,
                dtype=_DTYPE,
                photometric="minisblack",
                **self._resolution(),
                software=f"scorrnet {header.process.version}",
                metadata={"axes": "TCYX", **self._metadata()},
                returnoffset=True,
            )
        assert place is not None  # as returnoffset was asked for
        self._offset = place[0]
        self._file = path.open("r+b")

    @abstractmethod
    def _format(self) -> dict[str, Any]:
        """Return how tifffile is to open the file."""

    @abstractmethod
    def _resolution(self) -> dict[str, Any]:
        """Return how many pixels there are to which length, as TIFF has it."""

    @abstractmethod
    def _metadata(self) -> dict[str, Any]:
        """Return what tifffile is to write beside the pixels."""

    @classmethod
    def check(cls, header: Header) -> None:
        """Raise OutputError if strain is asked for."""
        if header.process.settings.strain:
            raise OutputError("A TIFF holds u and v only, no strain", todo="Give the result the suffix .h5")

    def write(self, first: int, field: Field) -> None:
        """Put u and v of all frames of `field` in their places, and keep for `close` which images they are of."""
        self._file.seek(self._offset + first * self._n_bytes // self._header.n_frames)
        for planes in zip(field.u, field.v, strict=True):
            for plane in planes:
                self._file.write(plane.astype(_DTYPE).tobytes())
        self._file.flush()
        self._deformed += field.deformed

    def close(self) -> None:
        """Close the file, and then say in it of which images it is, which is known only now."""
        self._file.close()
        with tifffile.TiffFile(self._path, mode="r+") as tiff:
            self._tell(tiff)

    @abstractmethod
    def _tell(self, tiff: tifffile.TiffFile) -> None:
        """Write into tags, which exist, where the result comes from."""


class ImageJSink(_TiffSink):
    """An ImageJ hyperstack; the label of a plane is its channel and image, such as ``u img_0001.tif``.

    Raises
    ------
    OutputError
        If the stack is larger than the 4 GB that the format can hold.
    """

    @classmethod
    def check(cls, header: Header) -> None:
        """Raise OutputError if strain is asked for or the stack would be larger than 4 GB."""
        super().check(header)
        if _n_bytes(header) > _CLASSIC_LIMIT_BYTES:
            raise OutputError(
                "The result is larger than the 4 GB that an ImageJ TIFF can hold",
                todo="Give the result the suffix .ome.tif or .h5",
            )

    def _format(self) -> dict[str, Any]:
        return {"imagej": True}

    def _resolution(self) -> dict[str, Any]:
        # ImageJ takes them in the unit of its own metadata, which TIFF does not know.
        return {"resolution": (1 / self._pixel[0],) * 2, "resolutionunit": "NONE"}

    def _metadata(self) -> dict[str, Any]:
        # Info and Labels stand in for those that `_tell` writes: only tags that exist can be overwritten.
        return {"unit": self._pixel[1], "mode": "grayscale", "Info": " ", "Labels": [" "]}

    def _tell(self, tiff: tifffile.TiffFile) -> None:
        labels = [f"{channel} {info.name}" for info in self._deformed for channel in _CHANNELS]
        texts = {"Info": self._header.to_json(self._deformed), "Labels": labels}
        tags = tiff.pages[0].aspage().tags
        for code, _, _, value, _ in tifffile.imagej_metadata_tag(texts, tiff.byteorder):
            tags[code].overwrite(value)


class OmeSink(_TiffSink):
    """An OME-TIFF with channels named u and v and a pixel size; a BigTIFF if larger than 4 GB."""

    def _format(self) -> dict[str, Any]:
        return {"ome": True, "bigtiff": self._n_bytes > _CLASSIC_LIMIT_BYTES}

    def _resolution(self) -> dict[str, Any]:
        scale = self._header.calibration
        if scale is None:
            return {"resolution": (1, 1), "resolutionunit": "NONE"}
        return {"resolution": (_MM_PER_CM / scale.mm_per_px,) * 2, "resolutionunit": "CENTIMETER"}

    def _metadata(self) -> dict[str, Any]:
        return {
            "Name": "displacement",
            "Description": _PLACEHOLDER,
            "Channel": {"Name": list(_CHANNELS)},
            "PhysicalSizeX": self._pixel[0],
            "PhysicalSizeXUnit": self._pixel[1],
            "PhysicalSizeY": self._pixel[0],
            "PhysicalSizeYUnit": self._pixel[1],
        }

    def _tell(self, tiff: tifffile.TiffFile) -> None:
        tag = tiff.pages[0].aspage().tags["ImageDescription"]
        tag.overwrite(tag.value.replace(_PLACEHOLDER, escape(self._header.to_json(self._deformed)), 1))


def read_reasons(path: Path) -> list[str]:
    """Return for each frame of a TIFF result why it could not be measured, empty if it was; nothing of other files."""
    unlike = (tifffile.TiffFileError, OSError, ValueError, KeyError, TypeError)
    with suppress(*unlike), tifffile.TiffFile(path) as tiff:
        if tiff.is_ome:
            pixels = tifffile.xml2dict(tiff.ome_metadata or "")["OME"]["Image"]
            told = json.loads(pixels["Description"])
        else:
            told = json.loads((tiff.imagej_metadata or {})["Info"])
        return [frame["reason"] for frame in told["deformed"]]
    return []
