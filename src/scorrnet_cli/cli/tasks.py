"""What `measure` and `batch` have in common: what is asked of a result, and what an earlier run has left."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from scorrnet_cli.batch.around import options_to_resume
from scorrnet_cli.batch.places import (
    check_spared,
    files_read,
    frames_folder,
    has_result,
    is_unfinished,
    parts_folder,
)
from scorrnet_cli.batch.sources import Plan
from scorrnet_cli.batch.task import Outcome, Task
from scorrnet_cli.batch.whole import frame_files
from scorrnet_cli.cli import preview
from scorrnet_cli.cli.console import Talk
from scorrnet_cli.cli.progress import Progress
from scorrnet_cli.errors import MeasurementError, ScorrnetError
from scorrnet_cli.field import Field
from scorrnet_cli.frames import Frame
from scorrnet_cli.images.clock import Clock
from scorrnet_cli.naming import PICTURE, PROBABILITY, beside
from scorrnet_cli.settings import Settings
from scorrnet_cli.units import Calibration
from scorrnet_cli.writers import count_failures
from scorrnet_cli.writers.atomic import behind_link
from scorrnet_cli.writers.own import is_ours
from scorrnet_cli.writers.probability import check_probability


@dataclass(frozen=True)
class Asked:
    """What was asked of every result on the command line; see the options there."""

    settings: Settings
    calibration: Calibration | None = None
    clock: Clock | None = None
    plot: bool = False
    probability: bool = False
    overwrite: bool = False
    resume: bool = False

    def task(
        self,
        plan: Callable[[], Plan],
        where: str,
        output: Path,
        images: Iterable[Path | None],
        hurry: Callable[[], None] | None = None,
        *,
        split: bool = False,
        strict: bool = False,
        shards: bool = False,
    ) -> Task:
        """Say what is to be measured; `images` are the files that will be read, the rest is that of `Task`.

        Raises
        ------
        OutputError
            If the result or a picture would replace what is read, or a picture would replace what it may not.
        UsageError
            If a picture is asked for and cannot be drawn, or the probability of a mask that is given.
        """
        picture = beside(output, PICTURE) if self.plot else None
        probability = beside(output, PROBABILITY) if self.probability else None
        check_spared(files_read(images, self.settings), (output, picture, probability))
        if picture:
            preview.check_preview(picture, self._may_replace(picture))
        if probability:
            check_probability(probability, self.settings, self._may_replace(probability))
        return Task(
            plan=plan,
            where=where,
            output=behind_link(output),  # and the parts beside what it leads to
            overwrite=self.overwrite,
            resume=self.resume,
            split=split,
            strict=strict,
            hurry=hurry,
            picture=partial(_draw, picture) if picture else None,
            probability=probability,
            calibration=self.calibration,
            clock=self.clock,
            shards=shards,
        )

    def _may_replace(self, picture: Path) -> bool:
        """Tell whether a picture beside the result may be replaced: to go on, only one of an earlier run."""
        return self.overwrite or (self.resume and is_ours(picture))


@dataclass(frozen=True)
class Earlier:
    """What earlier runs have measured to its end: of each sequence the result, and how many frames of it failed."""

    failed: dict[Path, int]

    def check(self) -> None:
        """Raise MeasurementError if some of the frames could not be measured: that they are over makes none well."""
        bad = {path: count for path, count in self.failed.items() if count}
        if bad:
            where = str(next(iter(bad))) if len(self.failed) == 1 else f"{len(bad)} folders"
            what = f"{sum(bad.values())} of the frames could not be measured then"
            raise MeasurementError(what, where, "--overwrite, in place of --resume, measures anew")


def left(tasks: list[Task], talk: Talk) -> tuple[list[Task], Earlier]:
    """Return the sequences that an earlier run has not measured to their end, and what is known of the others."""
    found = [task for task in tasks if is_unfinished(task.output) or not has_result(task.output, split=task.split)]
    done = [task for task in tasks if task not in found]
    if len(tasks) == 1 and done:
        result = frames_folder(tasks[0].output) if tasks[0].split else tasks[0].output
        what = f"{tasks[0].where} has been measured to its end before, see {result}"
        talk.note(f"{what}; its images are not looked at again")
    elif done:
        talk.note(f"{len(done)} of {len(tasks)} folders have been measured before")
    return found, Earlier({task.output: sum(map(count_failures, _files(task))) for task in done})


def _files(task: Task) -> list[Path]:
    """Return the files of a result that is whole."""
    return frame_files(task.output) if task.split else [task.output]


def measured(task: Task, measure: Callable[[Task], Outcome], progress: Progress, talk: Talk) -> Outcome:
    """Measure a sequence; whatever ends it early, say where what has been measured lies."""
    try:
        return measure(task)
    except (KeyboardInterrupt, ScorrnetError):
        folder = parts_folder(task.output)
        if progress.done and folder.exists():
            talk.note(f"what was measured is kept in {folder}; {options_to_resume(task)} goes on with it")
        raise


def _draw(path: Path, under: Frame, field: Field) -> Path:
    preview.save_preview(path, under, field)
    return path
