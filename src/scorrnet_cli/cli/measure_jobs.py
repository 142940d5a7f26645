"""What a command line of ``scorrnet measure`` stands for: a sequence of images that are named one by one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from scorrnet_cli.batch.around import check
from scorrnet_cli.batch.run import run as run_task
from scorrnet_cli.batch.sources import named_plan
from scorrnet_cli.cli import console
from scorrnet_cli.cli.console import Talk
from scorrnet_cli.cli.progress import Progress
from scorrnet_cli.cli.summary import tables, to_json
from scorrnet_cli.cli.tasks import Asked, left, measured
from scorrnet_cli.errors import FrameError, MeasurementError
from scorrnet_cli.frames import read_frame


def run(
    reference: Path, deformed: Sequence[Path], output: Path | None, asked: Asked, talk: Talk, *, json: bool
) -> None:
    """Measure a sequence, write the result and print its figures.

    A single pair that fails raises its own error and leaves nothing. Of several, those that fail are recorded with
    their reasons, and the others are measured.

    Parameters
    ----------
    reference : Path
        The reference image.
    deformed : sequence of Path
        The deformed images; if empty, the further pages of the reference.
    output : Path, optional
        The result file; without it, its name follows from that of the last image.
    asked : Asked
        How to measure, and what to make.
    talk : Talk
        Where notes and progress go.
    json : bool
        Whether to print JSON in place of tables.

    Raises
    ------
    ScorrnetError
        Any; MeasurementError at the end if some pairs failed.
    """
    plan = named_plan(reference, deformed)
    if not plan.total:
        read_frame(reference)  # raises why it is none
        raise FrameError("There is nothing to compare the reference with", str(reference), "Give DEF as well")
    images = (reference, *deformed)
    output = output or Path(f"{images[-1].stem}.scorrnet.h5")
    task = asked.task(lambda: plan, str(reference), output, images, strict=plan.total == 1)
    if asked.resume and not asked.overwrite:
        unfinished, earlier = left([task], talk)
        if not unfinished:
            earlier.check()
            return
    check(task)
    progress = Progress(talk)
    with talk.progress(plan.total, forecast=plan.total > 1):
        from scorrnet_cli import pipeline

        measure = partial(run_task, load=partial(pipeline.load, asked.settings), listener=progress)
        outcome = measured(task, measure, progress, talk)
    report = outcome.report
    if json:
        console.say(to_json(report))
    elif not talk.quiet:
        for table in tables(report):
            console.show(table)
    if outcome.failed:
        what = f"{outcome.failed} of {plan.total} pairs could not be measured"
        raise MeasurementError(what, str(report.output), "Their reasons are recorded")
