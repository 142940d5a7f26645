"""What a command line of ``scorrnet batch`` stands for: one sequence, or one in each folder."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import FrameType

from scorrnet_cli.batch.around import check
from scorrnet_cli.batch.cluster import Workers
from scorrnet_cli.batch.finding import find_folders, find_images
from scorrnet_cli.batch.places import files_read, frames_folder
from scorrnet_cli.batch.run import run as run_task
from scorrnet_cli.batch.shared import independent, run_shared
from scorrnet_cli.batch.sources import Selection, make_live_plan, make_plan
from scorrnet_cli.batch.task import Outcome, Task
from scorrnet_cli.batch.watch import Watch
from scorrnet_cli.cli import console
from scorrnet_cli.cli.batch_report import table, to_json
from scorrnet_cli.cli.console import Talk
from scorrnet_cli.cli.progress import Progress
from scorrnet_cli.cli.tasks import Asked, Earlier, left, measured
from scorrnet_cli.errors import (
    DeviceError,
    FrameError,
    MeasurementError,
    OutputError,
    ScorrnetError,
    UsageError,
    WeightsError,
)
from scorrnet_cli.frames import count_frames
from scorrnet_cli.naming import PICTURE, PROBABILITY, beside
from scorrnet_cli.writers.own import is_ours

_DEFAULT = "scorrnet.h5"


@dataclass(frozen=True)
class Request:
    """What was asked on the command line; see the options there."""

    what: str
    output: Path | None
    pattern: str | None
    reference: Path | None
    selection: Selection
    recursive: bool
    split: bool
    watch: bool
    idle_s: float | None
    asked: Asked
    workers: Workers | None = None

    def __post_init__(self) -> None:
        from_stdin = self.what == "-"
        is_folder = not from_stdin and Path(self.what).is_dir()
        for asked, option in ((self.watch, "--watch"), (self.recursive, "--recursive"), (self.pattern, "--pattern")):
            if asked and not is_folder:
                raise UsageError("This needs a folder", option, "" if from_stdin else f"{self.what} is none")
        if self.watch and self.recursive:
            raise UsageError("Only one folder can be watched", "--watch --recursive")
        if self.watch and self.workers:
            what = "Frames are handed to workers when all of them are there, but a watch takes them one by one"
            raise UsageError(what, "--watch", "Leave out --workers and --scheduler")
        if self.workers:
            independent(self.asked.settings)  # raises what cannot be shared out
        if self.idle_s is not None and not self.watch:
            raise UsageError("This needs --watch", "--idle")
        if self.recursive and self.output and self.output.name != str(self.output):
            raise UsageError("With --recursive the result is a name, for each folder", f"-o {self.output}")

    def tasks(self, watch: Watch | None, talk: Talk) -> list[Task]:
        """Say which sequences are to be measured, and note which folders are not."""
        if self.what == "-":
            given = sys.stdin.buffer.read() if sys.stdin else b""  # names of files need not be text
            paths = [Path(os.fsdecode(line)) for line in given.splitlines() if line.strip()]
            if not paths:
                raise FrameError("The list of images on stdin is empty", todo="Give paths, one a line")
            return [self._task(paths, "list on stdin", self.output or Path(_DEFAULT))]
        root = Path(self.what)
        if not root.exists():
            raise FrameError("There is no such folder or file", self.what, "Check the name")
        if not root.is_dir():
            return [self._task([root], self.what, self.output or root.with_name(f"{root.stem}.{_DEFAULT}"))]
        if watch:
            return [self._task(watch, self.what, self._output(root), watch.stop.set)]
        if not self.recursive:
            return [self._task(self.images(root), self.what, self._output(root))]
        found = {folder: paths for folder in find_folders(root) if (paths := self.images(folder))}
        tasks = [
            self._task(paths, str(folder), self._output(folder))
            for folder, paths in found.items()
            if self._compares(paths)
        ]
        for folder in sorted(found.keys() - {Path(task.where) for task in tasks}):
            talk.note(f"{folder} has one image only and is left out")
        if not tasks:
            raise FrameError("No folder has images to compare", self.what, "Check the folder and --pattern")
        return tasks

    def images(self, folder: Path, ours: Callable[[Path], bool] = is_ours) -> list[Path]:
        """Find the images of a folder, without what lies there for other reasons.

        Parameters
        ----------
        folder : Path
        ours : callable
            Tells whether this program has written a file. Such files are left out; if there is a pattern, only those
            that this run will write, as the others may be meant.
        """
        mask_file = self.asked.settings.mask_file
        mask = [mask_file] if mask_file else []
        if self.pattern is None:
            return [path for path in find_images(folder, None, mask) if not ours(path)]
        output = self._output(folder)
        own = filter(is_ours, (output, beside(output, PICTURE), beside(output, PROBABILITY)))
        return find_images(folder, self.pattern, [*own, *mask])

    def _compares(self, paths: list[Path]) -> bool:
        """Tell whether there is an image to measure beside the reference."""
        first = paths[:2]
        is_among = self.reference is None or self.reference.resolve() in {path.resolve() for path in first}
        return sum(map(count_frames, first)) > is_among

    def _output(self, folder: Path) -> Path:
        if self.recursive or self.output is None:
            return folder / (self.output or _DEFAULT)
        return self.output

    def _task(
        self, paths: list[Path] | Watch, where: str, output: Path, hurry: Callable[[], None] | None = None
    ) -> Task:
        images = [*(paths.look() if isinstance(paths, Watch) else paths), *([self.reference] if self.reference else [])]
        make = make_live_plan if hurry else make_plan
        plan = partial(make, paths, self.selection, self.reference, where)
        task = self.asked.task(plan, where, output, images, hurry, split=self.split, shards=self.workers is not None)
        frames = frames_folder(task.output).resolve()
        if self.split and any(frames in path.parents for path in files_read(images, self.asked.settings)):
            raise OutputError("The frames of the result would replace images", str(frames), "Give another name with -o")
        return task


def run(request: Request, talk: Talk, *, json: bool) -> None:
    """Measure all that was asked for and print what it came to.

    Of several folders, one that cannot be measured is said on stderr, and the others are measured.

    Raises
    ------
    ScorrnetError
        Any; MeasurementError at the end if some frames or folders failed.
    """
    watch = None
    if request.watch:
        watch = Watch(partial(request.images, Path(request.what), cache(is_ours)), request.idle_s)
    tasks = request.tasks(watch, talk)
    earlier = Earlier({})
    if request.asked.resume and not (request.asked.overwrite or watch):
        tasks, earlier = left(tasks, talk)
    for task in tasks:
        check(task)
    progress = Progress(talk)
    with talk.progress(None, forecast=True), _ended_by_ctrl_c(watch, talk):
        outcomes, failed = _measure(tasks, _measured_by(request, progress), progress, talk)
    if json:
        console.say(to_json(outcomes))
    elif not talk.quiet:
        for outcome in outcomes:
            console.show(table(outcome))
    if failed:
        raise MeasurementError(f"{failed} of {len(tasks)} folders could not be measured", request.what)
    bad, all_frames = (sum(o.failed for o in outcomes), sum(len(o.report.frames) for o in outcomes))
    if bad:
        where = str(outcomes[0].report.output) if len(outcomes) == 1 else request.what
        raise MeasurementError(
            f"{bad} of {all_frames} frames could not be measured", where, "Their reasons are recorded"
        )
    earlier.check()


def _measured_by(request: Request, progress: Progress) -> Callable[[Task], Outcome]:
    """Return what measures a sequence: this process, or workers."""
    if request.workers is not None:
        return partial(run_shared, settings=request.asked.settings, workers=request.workers, listener=progress)
    from scorrnet_cli import pipeline

    return partial(run_task, load=cache(lambda: pipeline.load(request.asked.settings)), listener=progress)


def _measure(
    tasks: list[Task], measure: Callable[[Task], Outcome], progress: Progress, talk: Talk
) -> tuple[list[Outcome], int]:
    """Measure the sequences; return what they came to, and how many could not be measured at all."""
    outcomes = []
    failed = 0
    for task in tasks:
        try:
            outcomes.append(measured(task, measure, progress, talk))
        except ScorrnetError as error:
            if len(tasks) == 1 or isinstance(error, DeviceError | WeightsError):
                raise
            failed += 1
            talk.warn(f"{task.where} could not be measured: {error}")
    return outcomes, failed


@contextmanager
def _ended_by_ctrl_c(watch: Watch | None, talk: Talk) -> Iterator[None]:
    """Let the first Ctrl-C end a watch well; the second interrupts, as it does everywhere else."""
    if watch is None:
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        assert watch is not None
        if watch.stop.is_set():
            signal.default_int_handler(number, frame)
        watch.stop.set()

    before = signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if watch.stop.is_set():
            talk.detail("the watch has ended")
