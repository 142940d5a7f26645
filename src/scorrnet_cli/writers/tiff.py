"""Displacements as float32 TIFF: ImageJ hyperstacks and OME-TIFF."""

from __future__ import annotations

import math
from abc import abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from scorrnet_cli.errors import OutputError
from scorrnet_cli.field import Field
from scorrnet_cli.writers.base import Header, Sink

_CHANNELS = ("u", "v")
_DTYPE = "<f4"
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
        self._header = header
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
        """Put u and v of all frames of `field` in their places."""
        self._file.seek(self._offset + first * self._n_bytes // self._header.n_frames)
        for planes in zip(field.u, field.v, strict=True):
            for plane in planes:
                self._file.write(plane.astype(_DTYPE).tobytes())
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class ImageJSink(_TiffSink):
    """An ImageJ hyperstack; the label of a plane is its channel and image, such as ``u img_0001.tif``.

    Raises
    ------
    OutputError
        If the stack is larger than the 4 GB that the format can hold.
    """

    def __init__(self, path: Path, header: Header) -> None:
        super().__init__(path, header)
        self._path = path
        self._labels: list[str] = []

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
        # Info and Labels stand in for those that `close` writes: only tags that exist can be overwritten.
        return {"unit": self._pixel[1], "mode": "grayscale", "Info": " ", "Labels": [" "]}

    def write(self, first: int, field: Field) -> None:
        """Put u and v in their places, and keep the names of the images for `close`."""
        super().write(first, field)
        self._labels += [f"{channel} {info.name}" for info in field.deformed for channel in _CHANNELS]

    def close(self) -> None:
        """Append the labels, which are known only now, and close the file."""
        super().close()
        texts = {"Info": self._header.to_json(), "Labels": self._labels}
        with tifffile.TiffFile(self._path, mode="r+") as tiff:
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
            "Description": self._header.to_json(),
            "Channel": {"Name": list(_CHANNELS)},
            "PhysicalSizeX": self._pixel[0],
            "PhysicalSizeXUnit": self._pixel[1],
            "PhysicalSizeY": self._pixel[0],
            "PhysicalSizeYUnit": self._pixel[1],
        }
