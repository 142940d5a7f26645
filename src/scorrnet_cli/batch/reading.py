"""Frames read in the order of a batch; what cannot be read comes with its reason, and what is known is not read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from scorrnet_cli.batch.sources import Source
from scorrnet_cli.errors import FrameError, ScorrnetError
from scorrnet_cli.field import FrameInfo
from scorrnet_cli.figures import FrameSummary
from scorrnet_cli.frames import Frame, digest_of, read_frames
from scorrnet_cli.images.videos import is_video


@dataclass(frozen=True)
class Item:
    """One deformed image of a batch.

    Attributes
    ----------
    index : int
        Its place among the deformed images.
    place : tuple of (Path, int)
        The file and the page of it, see `read_frame`.
    info : FrameInfo
        Which image; `failure` says why it could not be read.
    frame : Frame or None
        The image, None if it could not be read or need not be.
    kept : FrameSummary or None
        What it gave when an earlier run measured it.
    """

    index: int
    place: tuple[Path, int]
    info: FrameInfo
    frame: Frame | None = None
    kept: FrameSummary | None = None


class Memory(Protocol):
    """What an earlier run has left."""

    def may_know(self, index: int) -> bool:
        """Tell whether image `index` was looked at before."""

    def recall(self, index: int, name: str, digest: str) -> FrameSummary | None:
        """Return what image `index` gave, None if it must be measured; FrameError if it is another one now.

        Parameters are those of `parts.Parts.recall`.
        """


def read_items(
    sources: Iterable[Source], time: Callable[[Source, int], float | None], memory: Memory | None = None
) -> Generator[Item]:
    """Read the deformed images one after the other.

    Parameters
    ----------
    sources : iterable of Source
    time : callable
        Tells when a page of a source was taken, s; None if that is not known.
    memory : Memory, optional
        What need not be measured again.

    Yields
    ------
    Item
        As many as the sources have pages: those behind a damaged one fail with it, and so does one without its time.

    Raises
    ------
    FrameError
        If an image is no longer the one that an earlier run measured.
    """
    for source in sources:
        known = recalled(source, memory) if memory else {}
        missing = [page for page in source.pages if page not in known]
        with closing(read_pages(source, missing)) as read:
            for index, page in enumerate(source.pages, source.first):
                place = (source.path, page)
                if page in known:
                    yield Item(index, place, known[page].image, kept=known[page])
                else:
                    info, frame = next(read)
                    try:
                        info = replace(info, at_s=time(source, page))
                    except FrameError as error:  # of an image that came later than the others
                        info, frame = replace(info, failure=info.failure or printable_reason(error)), None
                    yield Item(index, place, info, frame and replace(frame, info=info))


def recalled(source: Source, memory: Memory) -> dict[int, FrameSummary]:
    """Return what an earlier run knows of the pages of a file, which is hashed only if there is something."""
    places = [(index, page) for index, page in enumerate(source.pages, source.first) if memory.may_know(index)]
    if not places:
        return {}
    digest = digest_of(source.path)
    known = ((page, memory.recall(index, source.name(page), digest)) for index, page in places)
    return {page: summary for page, summary in known if summary is not None}


def read_pages(source: Source, pages: Collection[int]) -> Generator[tuple[FrameInfo, Frame | None]]:
    """Give as many frames as pages are asked for; of those that fail, why.

    Pages behind one of a TIFF file that fails are read; what stands behind a damaged picture of a video needs it.
    """
    rest, digest = list(pages), ""
    while rest:
        reason = "The file has fewer images than its header says"
        failed = rest
        try:
            with closing(read_frames(source.path, frozenset(rest))) as frames:
                for frame in frames:
                    del rest[0]
                    yield frame.info, frame
                    if not rest:
                        return  # what else a video shows need not be decoded
        except FrameError as error:
            reason = printable_reason(error)
            failed = rest if _is_video(source.path) else rest[:1]
        digest = digest or (digest_of(source.path) if failed else "")
        for page in failed:
            yield FrameInfo(source.name(page), digest, reason), None
        rest = rest[len(failed) :]


def _is_video(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return is_video(file.read(16))
    except OSError:
        return False


def printable_reason(error: ScorrnetError) -> str:
    """Return what is wrong, without the place where it lies, as the file's name stands beside it."""
    return error.what.encode("utf-8", "replace").decode()
