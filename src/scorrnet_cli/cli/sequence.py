"""A reference and its deformed images, measured one after another: what ``scorrnet measure`` does."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from scorrnet_cli.batch.places import check_spared, files_read
from scorrnet_cli.batch.reading import printable_reason
from scorrnet_cli.batch.run import attempted
from scorrnet_cli.cli import console, preview
from scorrnet_cli.cli.console import Talk
from scorrnet_cli.cli.summary import tables, to_json
from scorrnet_cli.clock import Clock
from scorrnet_cli.errors import FrameError, MeasurementError
from scorrnet_cli.field import Field, FrameInfo
from scorrnet_cli.figures import FrameSummary, Report, summarise
from scorrnet_cli.frames import Frame, check_same_shape, count_frames, printable, read_frame, read_frames
from scorrnet_cli.settings import Settings
from scorrnet_cli.units import Calibration
from scorrnet_cli.writers import Header, check_output, open_writer
from scorrnet_cli.writers.probability import check_probability, probability_beside, write_probability

if TYPE_CHECKING:
    from scorrnet_cli.pipeline import Instruments, Prepared
    from scorrnet_cli.sureness import Sureness


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

    def items(self) -> Iterator[Frame | FrameError]:
        """Read the deformed images one by one; what cannot be read comes as its error."""
        if not self.deformed:
            yield from islice(_pages(self.reference), 1, None)
        for path in self.deformed:
            yield from _pages(path)

    @property
    def time_source(self) -> str:
        """Where the times of the images are known from; empty if they are not."""
        return self.clock.source if self.clock else ""

    def times(self) -> list[float | None]:
        """Return when the deformed images were taken, s after the reference.

        Raises
        ------
        FrameError
            If one does not tell.
        """
        first = 0 if self.deformed else 1
        images = [(path, page) for path in self.deformed or [self.reference] for page in range(count_frames(path))]
        if self.clock is None:
            return [None] * len(images[first:])
        start = self.clock.read(self.reference, 0, 0)
        return [self.clock.read(*image, number) - start for number, image in enumerate(images[first:], start=1)]


def _pages(path: Path) -> Iterator[Frame | FrameError]:
    """Give as many items as the file has pages: those behind a damaged one, or that are not there, come as an error."""
    pages = max(1, count_frames(path))
    given = 0
    reason = FrameError("The file has fewer images than its header says", str(path))
    try:
        for frame in read_frames(path, range(pages)):
            given += 1
            yield frame
    except FrameError as error:
        reason = error
    for page in range(given, pages):
        yield FrameError(reason.what, f"{path}[{page}]" if pages > 1 else str(path), reason.todo)


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
    times = job.times()
    total = len(times)
    if total == 0:
        raise FrameError("There is nothing to compare the reference with", str(job.reference), "Give DEF as well")
    with talk.progress(total):
        report = _measure(job, reference, times, talk)
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


def _measure(job: Job, reference: Frame, times: Sequence[float | None], talk: Talk) -> Report:
    items = job.items()
    total = len(times)
    if total == 1:
        items = iter([_readable(next(items), reference)])
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
    sure = prepared.sureness
    if sure is not None:
        _doubt(job, sure, talk)
    summaries = []
    last = None
    header = Header(reference.shape, total, reference.info, process, job.calibration, job.time_source)
    with open_writer(job.output, header, job.overwrite) as writer:
        for field, summary in _fields(instruments, prepared, header, items, times, talk):
            writer.append(field)
            summaries.append(summary)
            last = field if summary.error is None else last
            talk.advance()
        if last is None:
            raise MeasurementError(f"None of the {total} pairs could be measured", str(job.reference))
    elapsed_s = time.perf_counter() - start
    if job.picture:
        talk.doing("drawing")
        preview.save_preview(job.picture, _under(job, reference, last), last)
    return Report(
        output=job.output,
        plot=job.picture,
        device=instruments.device,
        reference=reference.info,
        shape=reference.shape,
        mask_area_px=int(prepared.mask.sum()),
        frames=tuple(summaries),
        time_s=elapsed_s,
        unsure_share=None if sure is None else sure.unsure_share,
        warnings=() if sure is None else sure.warnings,
        probability=job.probability,
        calibration=job.calibration,
        time_source=job.time_source,
        gauge=job.settings.asked_gauge,
    )


def _under(job: Job, reference: Frame, field: Field) -> Frame:
    """Return the image at whose pixels a field lies, read again if it is not the reference."""
    place = field.lies_at
    item = reference if place < 0 else next(islice(job.items(), place, None))
    return _readable(item, reference)


def _doubt(job: Job, sure: Sureness, talk: Talk) -> None:
    """Say, and show if that is asked for, how sure the mask is."""
    for why in sure.warnings:
        talk.note(f"warning: {why}")
    if job.probability:
        write_probability(job.probability, sure.levels)


def _fields(
    instruments: Instruments,
    prepared: Prepared,
    header: Header,
    items: Iterator[Frame | FrameError],
    times: Sequence[float | None],
    talk: Talk,
) -> Iterator[tuple[Field, FrameSummary]]:
    """Measure every deformed image; one of several that fails gives an empty field."""
    from scorrnet_cli.strain import with_strain
    from scorrnet_cli.tracking import Tracker

    total = len(times)
    tracker = Tracker(instruments, prepared)
    for number, (item, at_s) in enumerate(zip(items, times, strict=True), start=1):
        start = time.perf_counter()
        measure = partial(tracker.measure, number - 1)
        info, frame = _known(item)
        talk.doing(info.name)
        if total == 1:
            field = with_strain(measure(_readable(item, prepared.frame)))
        else:
            field = attempted(measure, prepared, info, frame)
        image = replace(field.deformed[0], at_s=at_s)
        if image.failure:
            talk.warn(f"pair {number} of {total} could not be measured: {image.failure} ({image.name})")
        field = replace(field, deformed=(image,), calibration=header.calibration, time_source=header.time_source)
        yield field, summarise(field, time.perf_counter() - start)


def _readable(item: Frame | FrameError, reference: Frame) -> Frame:
    if isinstance(item, FrameError):
        raise item
    check_same_shape(reference, item)
    return item


def _known(item: Frame | FrameError) -> tuple[FrameInfo, Frame | None]:
    """Tell which image an item is, and give the image itself if it could be read."""
    if isinstance(item, Frame):
        return item.info, item
    return FrameInfo(printable(Path(item.where).name), "", printable_reason(item)), None
