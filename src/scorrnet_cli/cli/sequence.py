"""A reference and its deformed images, measured one after another: what ``scorrnet measure`` does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from scorrnet_cli.batch.around import Doubts, tell
from scorrnet_cli.batch.attempt import attempted
from scorrnet_cli.batch.places import check_spared, files_read
from scorrnet_cli.batch.reading import Item, read_image, read_items
from scorrnet_cli.batch.sources import Plan, Source, named_plan
from scorrnet_cli.batch.threads import ahead
from scorrnet_cli.cli import console, preview
from scorrnet_cli.cli.console import Talk
from scorrnet_cli.cli.summary import tables, to_json
from scorrnet_cli.clock import Clock
from scorrnet_cli.errors import FrameError, MeasurementError
from scorrnet_cli.field import Field
from scorrnet_cli.figures import FrameSummary, Report, summarise
from scorrnet_cli.frames import Frame, check_same_shape, read_frame
from scorrnet_cli.settings import Settings
from scorrnet_cli.units import Calibration
from scorrnet_cli.writers import Header, check_output, open_writer
from scorrnet_cli.writers.probability import check_probability, probability_beside

if TYPE_CHECKING:
    from scorrnet_cli.pipeline import Instruments, Prepared


@dataclass(frozen=True)
class Job:
    """What is to be measured, and where to.

    Attributes
    ----------
    reference : Path
        The reference image.
    deformed : sequence of Path
        The deformed images; if empty, the further pages of the reference.
    output : Path
        The result file.
    picture : Path or None
        The PNG to draw.
    probability : Path or None
        The PNG for the probability that each pixel is speckle.
    overwrite : bool
        Whether earlier results may be replaced.
    settings : Settings
        How to measure.
    calibration : Calibration, optional
        The scale of the images.
    clock : Clock, optional
        Where the times of the images are known from.
    """

    reference: Path
    deformed: Sequence[Path]
    output: Path
    picture: Path | None
    probability: Path | None
    overwrite: bool
    settings: Settings
    calibration: Calibration | None = None
    clock: Clock | None = None

    @classmethod
    def of(
        cls,
        reference: Path,
        deformed: Sequence[Path],
        output: Path | None,
        settings: Settings,
        *,
        plot: bool,
        probability: bool,
        overwrite: bool,
        calibration: Calibration | None = None,
        clock: Clock | None = None,
    ) -> Job:
        """Make a job; names that were left out follow from those of the images."""
        last = deformed[-1] if deformed else reference
        output = output or Path(f"{last.stem}.scorrnet.h5")
        stem = output.stem.removesuffix(".ome")
        picture = output.with_name(f"{stem}.png") if plot else None
        sure = probability_beside(output) if probability else None
        return cls(reference, deformed, output, picture, sure, overwrite, settings, calibration, clock)

    def check(self) -> None:
        """Make sure, before anything is measured, that the results can be written.

        Raises
        ------
        OutputError
            If they exist and may not be replaced, cannot be written, or would replace an image that is measured, the
            mask or weights.
        UsageError
            If a picture is asked for and cannot be drawn, or the probability of a mask that is given.
        """
        read = files_read((self.reference, *self.deformed), self.settings)
        check_spared(read, (self.output, self.picture, self.probability))
        check_output(self.output, self.overwrite)
        if self.picture:
            preview.check_preview(self.picture, self.overwrite)
        if self.probability:
            check_probability(self.probability, self.settings, self.overwrite)

    @property
    def time_source(self) -> str:
        """Where the times of the images are known from; empty if they are not."""
        return self.clock.source if self.clock else ""


def run(job: Job, talk: Talk, *, json: bool) -> None:
    """Measure a sequence, write the result and print its figures.

    A single pair that fails raises its own error. Of several, those that fail are written as NaN and said on
    stderr, and the others are measured.

    Parameters
    ----------
    job : Job
        What to measure.
    talk : Talk
        Where notes and progress go.
    json : bool
        Whether to print JSON in place of tables.

    Raises
    ------
    ScorrnetError
        Any; MeasurementError at the end if some pairs failed.
    """
    job.check()
    reference = read_frame(job.reference)
    plan = named_plan(job.reference, job.deformed)
    time_of = plan.times(job.clock)
    total = plan.total
    if not total:
        raise FrameError("There is nothing to compare the reference with", str(job.reference), "Give DEF as well")
    alone = _only(plan, time_of, reference) if total == 1 else None
    items = ahead([alone] if alone else read_items(plan.deformed, time_of))
    with talk.progress(total), closing(items):
        report = _measure(job, reference, items, total, talk)
    if json:
        console.say(to_json(report))
    elif not talk.quiet:
        for table in tables(report):
            console.show(table)
    failed = sum(frame.error is not None for frame in report.frames)
    if failed:
        raise MeasurementError(
            f"{failed} of {total} pairs could not be measured", str(job.output), "The others were written"
        )


def _only(plan: Plan, time_of: Callable[[Source, int], float | None], reference: Frame) -> Item:
    """Read the deformed image of a single pair, or raise why it cannot be measured."""
    (source,) = plan.deformed
    (page,) = source.pages
    frame = read_image(source.path, page)
    check_same_shape(reference, frame)
    info = replace(frame.info, at_s=time_of(source, page))
    return Item(0, (source.path, page), info, replace(frame, info=info))


def _measure(job: Job, reference: Frame, items: Iterable[Item], total: int, talk: Talk) -> Report:
    talk.doing("loading the networks")
    from scorrnet_cli import pipeline

    instruments = pipeline.load(job.settings)
    process = instruments.process()
    if job.settings.device == "auto":
        talk.note(f"measuring on {instruments.device}")
    for role, digest in process.weights.items():
        talk.detail(f"{role} weights {digest}")
    start = time.perf_counter()
    talk.doing("finding the speckle")
    prepared = pipeline.prepare(instruments, reference)
    talk.detail(f"mask of {int(prepared.mask.sum())} px found in {time.perf_counter() - start:.2f} s")
    doubts = Doubts.of(prepared)
    tell(doubts, talk.doubt, job.probability)
    summaries = []
    places = []
    last = None
    header = Header(reference.shape, total, reference.info, process, job.calibration, job.time_source)
    with open_writer(job.output, header, job.overwrite) as writer:
        for item, field, summary in _fields(instruments, prepared, header, items, talk):
            writer.append(field)
            summaries.append(summary)
            places.append(item.place)
            last = field if summary.error is None else last
            talk.advance()
        if last is None:
            raise MeasurementError(f"None of the {total} pairs could be measured", str(job.reference))
    elapsed_s = time.perf_counter() - start
    if job.picture:
        talk.doing("drawing")
        image = reference if last.lies_at < 0 else read_image(*places[last.lies_at])
        preview.save_preview(job.picture, image, last)
    return Report(
        output=job.output,
        plot=job.picture,
        device=instruments.device,
        reference=reference.info,
        shape=reference.shape,
        mask_area_px=int(prepared.mask.sum()),
        frames=tuple(summaries),
        time_s=elapsed_s,
        unsure_share=doubts.unsure_share,
        warnings=doubts.warnings,
        probability=job.probability,
        calibration=job.calibration,
        time_source=job.time_source,
        gauge=job.settings.asked_gauge,
    )


def _fields(
    instruments: Instruments, prepared: Prepared, header: Header, items: Iterable[Item], talk: Talk
) -> Iterator[tuple[Item, Field, FrameSummary]]:
    """Measure every deformed image; one of several that fails gives an empty field."""
    from scorrnet_cli.strain import with_strain
    from scorrnet_cli.tracking import Tracker

    total = header.n_frames
    tracker = Tracker(instruments, prepared)
    for item in items:
        start = time.perf_counter()
        measure = partial(tracker.measure, item.index)
        talk.doing(item.info.name)
        if total == 1 and item.frame:
            field = with_strain(measure(item.frame))
        else:
            field = attempted(measure, prepared, item.info, item.frame)
        if failure := field.deformed[0].failure:
            talk.warn(f"pair {item.index + 1} of {total} could not be measured: {failure} ({item.info.name})")
        field = replace(field, calibration=header.calibration, time_source=header.time_source)
        yield item, field, summarise(field, time.perf_counter() - start)
