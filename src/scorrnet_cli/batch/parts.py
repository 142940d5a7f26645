"""What a batch has measured so far, kept so that neither a kill nor a power cut takes any of it.

HDF5 is no place for that: a file that is being written is not readable when its writer dies between two changes
of its inner lists, and flushing makes that rare, not impossible. So each frame is a small file of its own, a whole
result of one frame, in a folder beside the result::

    scorrnet.h5.parts/
        run.json            settings, weights, device, reference: what must be the same when the run goes on
        000000.h5 ...       one result a frame
        so_far.h5           shows all of them as one result: virtual data sets, frames not yet measured are NaN
        figures.jsonl       figures of the frames; may lack some, which are then taken from the frames again

A frame is written under a hidden name, brought to the disk and renamed, and renaming either happens or does not. No
file that has its name is ever changed, but for lines added to ``figures.jsonl``, where a broken last line is ignored.
Hence what carries a name is whole at any moment, and a kill costs at most the frames that were in memory: the one
being measured and the few that wait to be written. When all frames are there, the result is put together of them
in the same folder (packed frames are copied as they are), renamed to its place, and the folder is removed. The disk
holds at most twice the size of the result.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import IO
from uuid import uuid4

from scorrnet_cli.batch.places import (
    COMPLETE,
    FIGURES,
    RUN,
    VIEW,
    check_own,
    is_run,
    parts_folder,
    remove,
    set_aside,
)
from scorrnet_cli.batch.records import add_figures, compare, end_last_line, hold, identity, read_figures
from scorrnet_cli.errors import FrameError, OutputError, UsageError
from scorrnet_cli.field import Field, FrameInfo, Process
from scorrnet_cli.figures import FrameSummary, summarise
from scorrnet_cli.naming import PARTS
from scorrnet_cli.units import Calibration
from scorrnet_cli.writers import Header, open_writer, read_hdf5, write_view
from scorrnet_cli.writers.atomic import explained, written_whole

_SMALLEST_VIEW = 64  # frames, of a folder that is watched; doubled when it gets too small


class Parts:
    """The frames of one batch that have been measured.

    Parameters
    ----------
    output : Path
        The result they are for.
    reference : FrameInfo
        The reference image.
    shape : tuple of int
        Its height and width, px.
    process : Process
        How the batch is measured. When a run goes on, `process` keeps the date of its beginning.
    calibration : Calibration, optional
        The scale of the images.
    time_source : str
        Where the times of the images are known from.

    Attributes
    ----------
    run : str
        What tells this run from others in the same place: a worker that is late must not write into the next one.
    """

    def __init__(
        self,
        output: Path,
        reference: FrameInfo,
        shape: tuple[int, int],
        process: Process,
        calibration: Calibration | None = None,
        time_source: str = "",
    ) -> None:
        self.folder = parts_folder(output)
        self.reference = reference
        self.shape = shape
        self.process = process
        self._calibration = calibration
        self._time_source = time_source
        self._figures: dict[int, FrameSummary] = {}
        self._known: frozenset[int] = frozenset()
        self._viewed = 0
        self._lock: IO[bytes] | None = None
        self.run = ""

    def shard(self, index: int) -> Path:
        """Return the file of frame `index`."""
        return self.folder / f"{index:06d}.h5"

    def header(self, frames: int) -> Header:
        """Say what a result of so many of the frames holds."""
        return Header(self.shape, frames, self.reference, self.process, self._calibration, self._time_source)

    def count(self) -> int:
        """Count the frames that are kept."""
        return sum(1 for _ in self.folder.glob("[0-9]*.h5"))

    def begin(self, total: int | None) -> None:
        """Make the folder, empty but for the description of the run and the view of its frames.

        Parameters
        ----------
        total : int or None
            Number of frames, if known.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        check_own(self.folder)
        if is_run(self.folder):
            with explained(self.folder):
                lock = hold(self.folder / RUN)
                if os.name == "nt":  # there nothing that is open can be renamed
                    lock.close()
                old = set_aside(self.folder)  # so that no run can go on with it while it is removed
                lock.close()
            remove(old)
        remove(self.folder)
        with explained(self.folder):
            self.folder.mkdir()  # not in what follows: one that is there belongs to another run
        try:
            with explained(self.folder):
                self.run = uuid4().hex
                about = identity(self.header(1)) | {"date": self.process.date, "run": self.run}
                _write(self.folder / RUN, json.dumps(about, indent=1))
        except BaseException:
            remove(self.folder)
            raise
        with explained(self.folder):
            self._lock = hold(self.folder / RUN)  # what another run has got hold of meanwhile is not removed
        try:
            self._view(total or _SMALLEST_VIEW)
        except BaseException:
            remove(self.folder)
            raise

    def resume(self, total: int | None) -> None:
        """Go on with what an earlier run has left.

        Raises
        ------
        UsageError
            If it was measured in another way, or with another reference.
        OutputError
            If it cannot be read or written.
        """
        with explained(self.folder):
            self._lock = hold(self.folder / RUN)
            try:
                before = json.loads((self.folder / RUN).read_text(encoding="utf-8"))
                date, self.run = str(before.pop("date")), str(before.pop("run"))
            except (ValueError, KeyError) as error:
                raise OutputError("The run to go on with is damaged", str(self.folder), "Remove the folder") from error
            compare(before, identity(self.header(1)), self.folder)
            self.process = Process(**{**vars(self.process), "date": date})
            for leftover in (*self.folder.glob(".scorrnet-*"), *self.folder.glob("whole*")):
                remove(leftover)
            end_last_line(self.folder / FIGURES)
            self._figures = read_figures(self.folder / FIGURES)
        self._known = frozenset(int(path.stem) for path in self.folder.glob("[0-9]*.h5"))
        if total is not None and self._known and max(self._known) >= total:
            what = f"The run to go on with has {max(self._known) + 1} frames, more than the {total} of now"
            raise UsageError(what, str(self.folder), "Select the same images")
        self._view(total or max(_SMALLEST_VIEW, 2 * len(self._known)))

    def may_know(self, index: int) -> bool:
        """Tell whether frame `index` was there when the run was resumed."""
        return index in self._known

    def recall(self, index: int, name: str, digest: str) -> FrameSummary | None:
        """Return the figures of a frame that need not be measured again.

        Parameters
        ----------
        index : int
        name, digest : str
            Name and hash of the image that is there now.

        Returns
        -------
        FrameSummary or None
            None if the frame had failed and the image has been replaced since.

        Raises
        ------
        FrameError
            If the image is no longer the one that was measured.
        """
        summary = self._figures.get(index)
        if summary is None:
            field = read_hdf5(self.shard(index))
            summary = summarise(field, 0.0)
        if (summary.image.name, summary.image.sha256) == (name, digest):
            return summary
        if summary.error is not None and summary.image.name == name:
            return None
        raise FrameError(
            f"Frame {index} was measured in {summary.image.name} of sha256 {summary.image.sha256}, but now is {name} "
            f"of sha256 {digest}",
            str(self.folder),
            "Give the same images, or begin anew with --overwrite",
        )

    def keep(self, index: int, field: Field, time_s: float) -> FrameSummary:
        """Write a frame; when this returns, it is on the disk and will not be lost.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        summary = self.write(index, field, time_s)
        self.note(index, summary)
        return summary

    def write(self, index: int, field: Field, time_s: float) -> FrameSummary:
        """Do the part of `keep` that several processes may do at once, each for its own frame.

        Raises
        ------
        OutputError
            If it cannot be written, or another run has taken the place of this one.
        """
        with open_writer(self.shard(index), self.header(1), overwrite=True) as writer:
            writer.append(field)
            self._check_run()
        return summarise(field, time_s)

    def _check_run(self) -> None:
        """Raise OutputError if what lies there is of another run."""
        with explained(self.folder):
            now = json.loads((self.folder / RUN).read_text(encoding="utf-8")).get("run")
        if now != self.run:
            raise OutputError("Another run has taken the place of the one that this frame is of", str(self.folder))

    def note(self, index: int, summary: FrameSummary) -> None:
        """Do the rest of `keep`, in the process that began or resumed the run."""
        with explained(self.folder):
            add_figures(self.folder / FIGURES, index, summary)
        if index >= self._viewed:
            self._view(2 * self._viewed)

    @property
    def is_temporary(self) -> bool:
        """Whether the frames are still where only this run looks for them."""
        return self.folder.suffix == PARTS

    def rename(self, folder: Path) -> None:
        """Give the folder another name."""
        if os.name == "nt":  # there nothing that is open can be renamed
            self.close()
        self.folder = self.folder.rename(folder)

    def strip(self) -> None:
        """Remove all but the frames."""
        for path in self.folder.iterdir():
            if not re.fullmatch(r"\d+\.h5", path.name):
                remove(path)

    def close(self) -> None:
        """Let other runs go on with this one."""
        if self._lock is not None:
            self._lock.close()

    def remove(self) -> None:
        """Remove all of it, as far as the system lets us: nobody needs it any more."""
        self.close()
        with suppress(OutputError):
            remove(self.folder)

    def begin_completion(self) -> None:
        """Note that the result is about to get its name: if the run is then killed, that result is its own."""
        with explained(self.folder):
            _write(self.folder / COMPLETE, "")

    def _view(self, frames: int) -> None:
        """Write the view anew, for so many frames."""
        with written_whole(self.folder / VIEW) as part, explained(self.folder):
            write_view(part, self.header(frames), [self.shard(index).name for index in range(frames)])
        self._viewed = frames


def _write(path: Path, text: str) -> None:
    """Write a small file that is whole as soon as it has its name."""
    with written_whole(path) as part:
        part.write_text(text, encoding="utf-8")
