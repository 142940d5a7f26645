"""A folder that a camera still writes: its images, each as soon as it is complete."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import TypeAlias

from scorrnet_cli.errors import FrameError
from scorrnet_cli.frames import read_frames

_State: TypeAlias = tuple[int, int]  # size in bytes, time of the last change in ns


@dataclass
class Watch:
    """Looks at a folder again and again.

    A file is complete when its size has not changed for a while and all of it can be decoded. One that lies
    still for long but cannot be decoded is given all the same, to be recorded as failed. Files come in natural
    order: one that is not complete holds up those behind it.

    Attributes
    ----------
    look : callable
        Returns the images that there are, in natural order.
    idle_s : float or None
        End when nothing new has come for so long; None is never.
    stop : Event
        End when it is set, after what is complete by then.
    poll_s : float
        Time between two looks.
    settle_s : float
        How long a file must lie still before it is opened.
    patience_s : float
        How long one that cannot be decoded is waited for.
    """

    look: Callable[[], list[Path]]
    idle_s: float | None
    stop: Event = field(default_factory=Event)
    poll_s: float = 0.2
    settle_s: float = 0.5
    patience_s: float = 5.0
    _seen: dict[Path, tuple[_State, float]] = field(default_factory=dict, init=False)

    def __iter__(self) -> Iterator[Path]:
        """Give the path of each image when it is complete."""
        given: set[Path] = set()
        active = time.monotonic()
        while True:
            last = self.stop.is_set()
            waiting = [path for path in self.look() if path not in given]
            for path in waiting:
                self._note(path)
            for path in waiting:
                if not self._is_complete(path, last):
                    break
                given.add(path)
                yield path
                active = time.monotonic()
            active = max([active, *(self._seen[path][1] for path in waiting if path in self._seen)])
            if last or (self.idle_s is not None and time.monotonic() - active >= self.idle_s):
                return
            self.stop.wait(self.poll_s)

    def _note(self, path: Path) -> None:
        """Look whether a file has changed, and remember since when it has not."""
        try:
            status = path.stat()
        except OSError:  # gone again
            self._seen.pop(path, None)
            return
        state = (status.st_size, status.st_mtime_ns)
        if path not in self._seen or self._seen[path][0] != state:
            self._seen[path] = (state, time.monotonic())

    def _is_complete(self, path: Path, last: bool) -> bool:
        if path not in self._seen:
            return False
        still_s = time.monotonic() - self._seen[path][1]
        if still_s < self.settle_s and not last:
            return False
        return _decodes(path) or (still_s >= self.patience_s and not last)


def _decodes(path: Path) -> bool:
    try:
        for _ in read_frames(path):
            pass
    except FrameError:
        return False
    return True
