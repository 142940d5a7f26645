"""What every run of a batch does before its frames are measured and after, whoever measures them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from scorrnet_cli.batch.parts import Parts
from scorrnet_cli.batch.places import frames_folder, is_unfinished, parts_folder, was_completing
from scorrnet_cli.batch.sources import Plan, Source
from scorrnet_cli.batch.task import Listener, Task
from scorrnet_cli.batch.whole import check_place, complete
from scorrnet_cli.errors import FrameError, OutputError
from scorrnet_cli.field import Process
from scorrnet_cli.figures import FrameSummary, Report
from scorrnet_cli.frames import Frame, read_frame
from scorrnet_cli.writers import read_hdf5
from scorrnet_cli.writers.probability import write_probability

if TYPE_CHECKING:
    from scorrnet_cli.masks.sureness import Sureness
    from scorrnet_cli.pipeline import Prepared


class Cautions(NamedTuple):
    """What may be wrong with the reference image or the surface in it; the sureness is None if the mask was given."""

    sureness: Sureness | None
    warnings: tuple[str, ...]

    @property
    def unsure_share(self) -> float | None:
        """How unsure the mask is, see `sureness`; None if it was given."""
        return self.sureness.unsure_share if self.sureness else None

    def after(self, doubt: str) -> Cautions:
        """Return these with another one before them, if it is one."""
        return self._replace(warnings=(doubt, *self.warnings)) if doubt else self

    @classmethod
    def of(cls, prepared: Prepared) -> Cautions:
        """Return those of a reference image."""
        return cls(prepared.sureness, prepared.warnings)


def check(task: Task) -> bool:
    """Make sure that the result can be written; tell whether there is an earlier run to go on with.

    Raises
    ------
    OutputError
        If there is a result, or an earlier run, that was not to be replaced or gone on with.
    """
    unfinished = is_unfinished(task.output)
    if unfinished and not (task.resume or task.overwrite):
        raise OutputError(
            "An earlier run was stopped before its end",
            str(parts_folder(task.output)),
            f"Go on with it with {options_to_resume(task)}, or begin anew with --overwrite alone",
        )
    resume = unfinished and task.resume
    own = resume and was_completing(task.output)
    if resume and not task.overwrite and _replaces(task):
        what = "What the run that was stopped was to replace is still there"
        raise OutputError(what, str(task.output), f"Go on with it with {options_to_resume(task)}")
    check_place(task.output, split=task.split, overwrite=task.overwrite or own)
    return resume


def options_to_resume(task: Task) -> str:
    """Return the options with which an unfinished run goes on, an earlier result that it was to replace or not."""
    return "--resume --overwrite" if _replaces(task) else "--resume"


def _replaces(task: Task) -> bool:
    """Tell whether something lies where the result of an unfinished run will, which that run has not put there."""
    target = frames_folder(task.output) if task.split else task.output
    return os.path.lexists(target) and not was_completing(task.output)


class Survey(NamedTuple):
    """Which images are measured against which, the reference, and what tells when a page of a source was taken (s)."""

    plan: Plan
    reference: Frame
    time: Callable[[Source, int], float | None]


def survey(task: Task, listener: Listener) -> Survey:
    """Look at the images: say which are measured against which, read the reference, and say what tells their times.

    Raises
    ------
    FrameError
        As `Plan.times` and `read_frame` do, or if there are too few images.
    UsageError
        If the scale bar does not lie within the image.
    """
    listener.doing("looking at the images")
    plan = task.plan()
    reference = read_frame(plan.reference.path, plan.reference.pages[0])
    if task.calibration:
        task.calibration.check_within(reference.shape)
    return Survey(plan, reference, plan.times(task.clock))


def parts_of(task: Task, reference: Frame, process: Process) -> Parts:
    """Return where the frames of a task are kept."""
    return Parts(task.output, reference.info, reference.shape, process, task.calibration, task.time_source)


def tell(cautions: Cautions, say: Callable[[str], None], probability: Path | None) -> None:
    """Say what is doubtful, each in words, and show how sure the mask is if there is a file for it.

    Parameters
    ----------
    cautions : Cautions
    say : callable
        Hears each warning.
    probability : Path or None
        The picture (PNG) of how sure the mask is; not written if the mask was given.

    Raises
    ------
    OutputError
        If the picture cannot be written.
    """
    for why in cautions.warnings:
        say(why)
    if probability and cautions.sureness:
        write_probability(probability, cautions.sureness.levels)


def finish(
    task: Task,
    parts: Parts,
    reference: Frame,
    found: Mapping[int, FrameSummary],
    start: float,
    listener: Listener,
    cautions: Cautions,
    image: Callable[[int], Frame] | None = None,
) -> Report:
    """Put the result of all frames in its place, draw it, and say what it came to.

    Parameters
    ----------
    task : Task
    parts : Parts
        Where all frames lie.
    reference : Frame
        The reference image.
    found : mapping of int to FrameSummary
        Figures of all frames, failed ones included, by their number, counted from 0.
    start : float
        When it began, s of `time.perf_counter`.
    listener : Listener
    cautions : Cautions
        Of the reference image.
    image : callable, optional
        Reads the deformed image of a number again: increments are drawn over it. All else is drawn over the reference.

    Returns
    -------
    Report

    Raises
    ------
    FrameError
        If there is no frame, or there are fewer than an earlier run had.
    OutputError
        As `complete` does, or if the picture cannot be written.
    """
    frames = tuple(found[index] for index in sorted(found))
    if not frames:
        raise FrameError("There are too few images to compare", task.where, "Give at least two")
    if parts.count() > len(frames):
        what = f"The earlier run had {parts.count()} frames, and now there are {len(frames)}"
        raise FrameError(what, task.where, "Give the same images")
    if copies := _copies(reference, frames):
        listener.doubted(copies)
    listener.doing("writing the result")
    mask_area_px = int(read_hdf5(parts.shard(0)).mask.sum())
    written = complete(parts, task.output, frames, split=task.split, shards=task.shards)
    time_s = time.perf_counter() - start
    measured = [index for index, frame in enumerate(frames) if frame.error is None]
    drawn = None
    if task.picture and measured:
        listener.doing("drawing")
        last = read_hdf5(parts.shard(measured[-1]))
        drawn = task.picture(image(last.lies_at) if image and last.lies_at >= 0 else reference, last)
    return Report(
        output=written,
        plot=drawn,
        device=parts.process.device,
        reference=reference.info,
        shape=reference.shape,
        mask_area_px=mask_area_px,
        frames=frames,
        time_s=time_s,
        unsure_share=cautions.unsure_share,
        warnings=(*cautions.warnings, *((copies,) if copies else ())),
        probability=task.probability,
        calibration=task.calibration,
        time_source=task.time_source,
        gauge=parts.process.settings.asked_gauge,
        increments=parts.process.settings.increments and len(frames) > 1,
    )


def _copies(reference: Frame, frames: Sequence[FrameSummary]) -> str:
    """Say which deformed images are the reference image itself; empty if none is."""
    own = reference.info.sha256, reference.info.place[1]
    same = [frame.image.name for frame in frames if (frame.image.sha256, frame.image.place[1]) == own]
    more = f" and {len(same) - 1} more" if len(same) > 1 else ""
    return f"{same[0]}{more} has the same bytes as the reference image: no motion is measured there" if same else ""
