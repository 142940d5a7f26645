"""Results to files: the suffix picks the format, and one frame is written at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from scorrnet_cli.errors import OutputError
from scorrnet_cli.field import Field
from scorrnet_cli.writers.atomic import check_target, explained, written_whole
from scorrnet_cli.writers.base import Header, Sink
from scorrnet_cli.writers.hdf5 import Hdf5Sink, read_view, write_view
from scorrnet_cli.writers.hdf5_change import add_strain, set_units
from scorrnet_cli.writers.hdf5_read import StoredResult, open_result, read_hdf5, read_process
from scorrnet_cli.writers.tiff import ImageJSink, OmeSink, read_reasons

__all__ = [
    "SUFFIXES",
    "Header",
    "StoredResult",
    "Writer",
    "add_strain",
    "check_fits",
    "check_output",
    "count_failures",
    "open_result",
    "open_writer",
    "read_hdf5",
    "read_process",
    "read_view",
    "set_units",
    "write_view",
]

# The longer of two suffixes that both fit comes first.
_SINKS: dict[str, type[Sink]] = {
    ".ome.tif": OmeSink,
    ".ome.tiff": OmeSink,
    ".tif": ImageJSink,
    ".tiff": ImageJSink,
    ".h5": Hdf5Sink,
    ".hdf5": Hdf5Sink,
}
SUFFIXES = tuple(_SINKS)
"""The suffixes a result may have."""


class Writer:
    """Takes the frames of a result one after the other; made by `open_writer`."""

    def __init__(self, sink: Sink, path: Path, header: Header) -> None:
        self._sink = sink
        self._path = path
        self._header = header
        self._written = 0

    @property
    def complete(self) -> bool:
        """Whether all announced frames have been appended."""
        return self._written == self._header.n_frames

    def append(self, field: Field) -> None:
        """Write the next frames.

        Parameters
        ----------
        field : Field
            (T, H, W) with any T of at least 1.

        Raises
        ------
        OutputError
            If the disk is full or the file cannot be written.
        ValueError
            If `field` has another shape than the header says, or there are more frames than announced.
        """
        frames, *shape = field.shape
        if tuple(shape) != self._header.shape:
            raise ValueError(f"the field is {tuple(shape)}, not {self._header.shape} as announced")
        if self._written + frames > self._header.n_frames:
            raise ValueError(f"more frames than the {self._header.n_frames} announced")
        with explained(self._path):
            self._sink.write(self._written, field)
        self._written += frames

    def take(self, path: Path) -> None:
        """Write the frames of an HDF5 result next; into HDF5 they are copied without unpacking them.

        Parameters
        ----------
        path : Path
            A result of scorrnet.

        Raises
        ------
        OutputError
            If the disk is full, a file cannot be read or written, or it holds another number of pixels or more frames
            than announced.
        """
        with explained(path), open_result(path) as source:
            frames, *shape = source.shape
        if tuple(shape) != self._header.shape or self._written + frames > self._header.n_frames:
            what = f"It has {frames} frames of {shape[1]} x {shape[0]} px, which is not what belongs there"
            raise OutputError(what, str(path))
        with explained(self._path):
            self._sink.take(self._written, path)
        self._written += frames


@contextmanager
def open_writer(path: str | os.PathLike[str], header: Header, overwrite: bool = False) -> Iterator[Writer]:
    """Open a result for writing; it appears under its name when all announced frames have been appended.

    Until then it lies hidden in the same folder. If the block raises, nothing is left of it, and what was
    under the name before stays.

    Parameters
    ----------
    path : path-like
        Name of the result; its suffix, one of `SUFFIXES`, picks the format.
    header : Header
        What the result will hold.
    overwrite : bool
        Whether a file of that name may be replaced.

    Yields
    ------
    Writer
        Its ``append(field)`` takes the frames in order.

    Raises
    ------
    OutputError
        As `check_output` does, if the disk gets full, or if the format cannot hold so much.
    RuntimeError
        If the block ends well but has appended fewer frames than announced.
    """
    path = Path(path)
    check_output(path, overwrite)
    with written_whole(path) as part:
        with explained(path):
            sink = _sink_type(path)(part, header)
        writer = Writer(sink, path, header)
        try:
            yield writer
            if not writer.complete:
                raise RuntimeError(f"fewer frames than the {header.n_frames} announced")
        except BaseException:
            with suppress(OSError):
                sink.close()
            raise
        with explained(path):
            sink.close()


def check_output(path: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Make sure, before anything is measured, that a result can be written.

    Parameters
    ----------
    path : path-like
        Name of the result.
    overwrite : bool
        Whether a file of that name may be replaced.

    Raises
    ------
    OutputError
        If the suffix belongs to no format, the file exists and may not be replaced, or the folder is missing,
        read-only or full.
    """
    path = Path(path)
    _sink_type(path)
    check_target(path, overwrite)


def count_failures(path: Path) -> int:
    """Return how many frames of a result of any format could not be measured; 0 if it is not one of scorrnet."""
    if _sink_type(path) is not Hdf5Sink:
        return sum(map(bool, read_reasons(path)))
    with open_result(path) as result:
        return sum(bool(info.failure) for info in result.deformed)


def check_fits(path: str | os.PathLike[str], header: Header) -> None:
    """Raise OutputError if the format of `path` cannot hold what `header` announces."""
    with explained(Path(path)):
        _sink_type(Path(path)).check(header)


def _sink_type(path: Path) -> type[Sink]:
    """Return the format that the suffix of `path` stands for; OutputError if there is none."""
    for suffix, kind in _SINKS.items():
        if path.name.lower().endswith(suffix):
            return kind
    raise OutputError("No format has this suffix", str(path), f"Choose one of {', '.join(SUFFIXES)}")
