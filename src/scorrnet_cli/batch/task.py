"""What a run is asked, what it came to, and who hears of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from scorrnet_cli.batch.sources import Plan
from scorrnet_cli.field import Field, Process
from scorrnet_cli.figures import FrameSummary, Report
from scorrnet_cli.frames import Frame
from scorrnet_cli.images.clock import Clock
from scorrnet_cli.units import Calibration


@dataclass(frozen=True)
class Task:
    """What is to be measured, and where to.

    Attributes
    ----------
    plan : callable
        Looks at the images and says which are measured against which.
    where : str
        Where they come from, for errors.
    output : Path
        The result; its suffix picks the format.
    overwrite : bool
        Replace an earlier result, finished or not.
    resume : bool
        Go on where an earlier run was stopped.
    split : bool
        Write one file a frame.
    strict : bool
        A frame that cannot be read or measured ends the run with its error, and is not recorded.
    hurry : callable or None
        Of files that come one by one: makes them end soon. None if all are there.
    picture : callable or None
        Is given the last field and the image at whose pixels it lies, to draw them.
    probability : Path or None
        The PNG for the probability that each pixel is speckle.
    calibration : Calibration, optional
        The scale of the images.
    clock : Clock, optional
        Where the times of the images are known from.
    shards : bool
        Leave each frame in the file that its worker wrote; an HDF5 result shows them as one.
    """

    plan: Callable[[], Plan]
    where: str
    output: Path
    overwrite: bool
    resume: bool
    split: bool = False
    strict: bool = False
    hurry: Callable[[], None] | None = None
    picture: Callable[[Frame, Field], Path] | None = None
    probability: Path | None = None
    calibration: Calibration | None = None
    clock: Clock | None = None
    shards: bool = False

    @property
    def time_source(self) -> str:
        """Where the times of the images are known from; empty if they are not."""
        return self.clock.source if self.clock else ""


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes
    ----------
    report : Report
        Figures of all frames, those of an earlier run included.
    resumed : int
        How many of them an earlier run had measured.
    compute_s : float
        Time of the report's `time_s` in which something was computed.
    """

    report: Report
    resumed: int
    compute_s: float

    @property
    def failed(self) -> int:
        """Number of frames that could not be measured."""
        return sum(frame.error is not None for frame in self.report.frames)


class Listener(Protocol):
    """Who is told how a run gets on; `kept` is called from the thread that writes."""

    def doing(self, text: str) -> None:
        """Hear what is being done now."""

    def detail(self, text: str) -> None:
        """Hear something for those who want to know more."""

    def begun(self, process: Process, total: int | None) -> None:
        """Hear that frames will be measured, and how many, if that is known."""

    def resumed(self, summary: FrameSummary) -> None:
        """Hear of a frame that need not be measured again."""

    def doubted(self, why: str) -> None:
        """Hear why the mask or the displacement may be wrong."""

    def kept(self, summary: FrameSummary) -> None:
        """Hear of a frame that has been measured, or has failed, and lies on the disk."""
