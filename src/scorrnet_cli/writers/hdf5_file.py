"""What keeps the HDF5 library from crashing when the disk gets full or the user interrupts."""

from __future__ import annotations

import io
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer


class CalmFile(io.RawIOBase):
    """A file for h5py that keeps the first error to itself until it is asked.

    The HDF5 library cannot let go of a file it can no longer write to: with a full disk it fails again on
    closing and then crashes the interpreter (seen with HDF5 2.0.0). So it is told that all is well, up to the
    size of the file, while nothing more is written, and the one who uses the file calls `check`. No method may
    raise while HDF5 calls it, which is why writing belongs into `uninterrupted`.

    Parameters
    ----------
    path : Path
        The file, created or emptied.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b", buffering=0)
        self._position = 0
        self._size = 0
        self._error: OSError | None = None

    def check(self) -> None:
        """Raise the first OSError that reading or writing has met, if there was one."""
        if self._error is not None:
            raise self._error

    def readable(self) -> bool:
        """Return True."""
        return True

    def writable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move to a byte and return where that is."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = start + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill all of `buffer`, with zeros where nothing has been written."""
        rest = memoryview(buffer).cast("B")
        size = len(rest)
        with self._keeping_errors():
            self._file.seek(self._position)
            while (count := self._file.readinto(rest)) != 0:
                rest = rest[count:]
        rest[:] = bytes(len(rest))
        self._position += size
        return size

    def write(self, data: ReadableBuffer, /) -> int:
        """Write all of `data`, or nothing more after an error; return its number of bytes in any case."""
        rest = memoryview(data).cast("B")
        size = len(rest)
        with self._keeping_errors():
            self._file.seek(self._position)
            while self._error is None and len(rest) > 0:
                rest = rest[self._file.write(rest) :]
        self._position += size
        self._size = max(self._size, self._position)
        return size

    def truncate(self, size: int | None = None, /) -> int:
        """Cut or extend the file, or do nothing after an error; return the size asked for."""
        self._size = self._position if size is None else size
        with self._keeping_errors():
            if self._error is None:
                self._file.truncate(self._size)
        return self._size

    def close(self) -> None:
        """Close the file."""
        with self._keeping_errors():
            self._file.close()
        super().close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Let HDF5 write to the file, uninterrupted; OSError if the disk has refused it, whatever HDF5 says."""
        try:
            with uninterrupted():
                yield
        finally:
            self.check()

    @contextmanager
    def _keeping_errors(self) -> Iterator[None]:
        """Keep an OSError of the block for `check`, unless an earlier one is kept."""
        try:
            yield
        except OSError as error:
            self._error = self._error or error


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Put off Ctrl-C and requests to terminate until the block has ended.

    Python raises KeyboardInterrupt between any two of its instructions, also of those HDF5 calls back.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # no other thread is ever interrupted
        return
    held: list[int] = []

    def hold(number: int, _: FrameType | None) -> None:
        held.append(number)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for number in before:
            signal.signal(number, hold)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for interrupt in held:
            signal.raise_signal(interrupt)
