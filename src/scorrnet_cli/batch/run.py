"""One sequence measured: frames are read ahead, measured, and kept behind, and the result is made at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from scorrnet_cli.batch.around import Cautions, check, finish, parts_of, survey, tell
from scorrnet_cli.batch.attempt import attempted
from scorrnet_cli.batch.parts import Parts
from scorrnet_cli.batch.reading import Item, read_items
from scorrnet_cli.batch.sources import Plan, Source
from scorrnet_cli.batch.task import Listener, Outcome, Task
from scorrnet_cli.batch.threads import Behind, ahead, together
from scorrnet_cli.batch.whole import check_size
from scorrnet_cli.field import Field
from scorrnet_cli.figures import FrameSummary
from scorrnet_cli.frames import Frame, check_same_shape, read_frame
from scorrnet_cli.writers import Header, read_hdf5

if TYPE_CHECKING:
    from scorrnet_cli.pipeline import Instruments, Prepared
    from scorrnet_cli.tracking import Tracker

_Measured: TypeAlias = tuple[int, Field, float]  # place, field and time of measuring it in s
_AT_ONCE = {"cuda": 3}  # frames by themselves: while the program works on one, the device does on another
_BEHIND = 1  # fields that may wait to be written; they are large


def run(task: Task, load: Callable[[], Instruments], listener: Listener) -> Outcome:
    """Measure a sequence and write its result.

    A frame that cannot be read or measured is recorded with its reason, and the others are measured, unless the task
    is strict. Whatever ends the run early, what it has measured is kept beside the result, and ``resume`` goes on from
    there.

    Parameters
    ----------
    task : Task
    load : callable
        Returns the networks; called when the images are known to be there.
    listener : Listener

    Raises
    ------
    ScorrnetError
        FrameError for the reference image or if there are too few images, OutputError, UsageError if an earlier run
        cannot be gone on with, MeasurementError if there is nothing to measure in the reference image. Of a strict
        task, what is wrong with a frame.
    """
    resume = check(task)
    plan, reference, time = survey(task, listener)
    if task.strict:
        _check_images(plan, reference)
    listener.doing("loading the networks")
    instruments = load()
    process = instruments.process()
    check_size(task.output, Header(reference.shape, plan.total or 1, reference.info, process), split=task.split)
    parts = parts_of(task, reference, process)
    with closing(parts):
        if resume:
            parts.resume(plan.total)
        listener.begun(process, plan.total)
        return _Run(task, plan, instruments, parts, listener, time).measure(reference, resume)


def _check_images(plan: Plan, reference: Frame) -> None:
    """Raise what is wrong with a deformed image, before the networks are loaded."""
    for source in plan.deformed:
        for page in source.pages:
            check_same_shape(reference, read_frame(source.path, page))


class _Run:
    """The measurement of one sequence, from its reference to its result."""

    def __init__(
        self,
        task: Task,
        plan: Plan,
        instruments: Instruments,
        parts: Parts,
        listener: Listener,
        time: Callable[[Source, int], float | None],
    ) -> None:
        self._task = task
        self._time = time
        self._plan = plan
        self._instruments = instruments
        self._parts = parts
        self._listener = listener
        self._summaries: dict[int, FrameSummary] = {}
        self._places: dict[int, tuple[Path, int]] = {}
        self._earlier: list[FrameSummary] = []
        self._compute_s = 0.0

    def measure(self, reference: Frame, resume: bool) -> Outcome:
        """Measure all frames, put the result in its place, and remove the parts."""
        from scorrnet_cli import pipeline

        start = time.perf_counter()
        self._listener.doing("finding the speckle")
        prepared = pipeline.prepare(self._instruments, reference)
        self._compute_s += time.perf_counter() - start
        how = "given" if prepared.sureness is None else "found"
        self._listener.detail(f"surface of {int(prepared.mask.sum())} px, {how}; prepared in {self._compute_s:.2f} s")
        cautions = Cautions.of(prepared).after(self._plan.doubt)
        tell(cautions, self._listener.doubted, self._task.probability)
        if not resume:
            self._parts.begin(self._plan.total)
        try:
            self._measure_frames(prepared)
            report = finish(
                self._task, self._parts, reference, self._summaries, start, self._listener, cautions, self._image
            )
        finally:
            if not self._parts.count():
                self._parts.remove()
        self._parts.remove()
        report = replace(report, earlier_points=sum(summary.points for summary in self._earlier))
        return Outcome(report, len(self._earlier), self._compute_s)

    def _measure_frames(self, prepared: Prepared) -> None:
        from scorrnet_cli.tracking import Tracker

        tracker = Tracker(
            self._instruments,
            prepared,
            image=self._image,
            kept=lambda index: read_hdf5(self._parts.shard(index)),
        )
        items = ahead(
            read_items(self._plan.deformed, self._time, self._parts), hurry=self._task.hurry or (lambda: None)
        )
        at_once = self._at_once()
        with closing(items), Behind(self._keep, _BEHIND) as behind:
            wanted = self._wanted(tracker, items)
            measure = partial(self._measured, tracker, prepared, strict=self._task.strict)
            for measured in together(measure, wanted, at_once):
                self._compute_s += measured[2] / at_once
                behind.give(measured)

    def _image(self, index: int) -> Frame:
        """Read a deformed image again."""
        return read_frame(*self._places[index])

    def _at_once(self) -> int:
        """Return how many frames are measured at once: several only if none needs what is found of another."""
        live = self._task.hurry is not None
        return 1 if self._instruments.settings.warm_start or live else _AT_ONCE.get(self._instruments.where.type, 1)

    def _wanted(self, tracker: Tracker, items: Iterable[Item]) -> Iterator[Item]:
        """Give the frames that no earlier run has measured."""
        for item in items:
            self._places[item.index] = item.place
            if item.kept is None:
                self._listener.doing(item.info.name)
                yield item
                continue
            tracker.note(item.index, item.kept)
            self._earlier.append(item.kept)
            self._summaries[item.index] = item.kept
            self._listener.resumed(item.kept)

    @staticmethod
    def _measured(tracker: Tracker, prepared: Prepared, item: Item, *, strict: bool) -> _Measured:
        start = time.perf_counter()
        measure = partial(tracker.measure, item.index)
        field = attempted(measure, prepared, item.info, item.frame, strict=strict)
        return item.index, field, time.perf_counter() - start

    def _keep(self, measured: _Measured) -> None:
        """Write a frame, in a thread of its own, and tell of it."""
        index, field, time_s = measured
        summary = self._parts.keep(index, field, time_s)
        self._summaries[index] = summary
        self._listener.kept(summary)
