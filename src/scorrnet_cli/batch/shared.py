"""One sequence measured by many workers: the frames are handed out, and the result is made of what they wrote."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

from scorrnet_cli.batch.around import Cautions, Survey, check, finish, parts_of, survey, tell
from scorrnet_cli.batch.cluster import Order, Workers, connected, described, hand_out
from scorrnet_cli.batch.parts import Parts
from scorrnet_cli.batch.reading import recalled
from scorrnet_cli.batch.sources import Plan
from scorrnet_cli.batch.task import Listener, Outcome, Task
from scorrnet_cli.batch.whole import check_size
from scorrnet_cli.errors import UsageError
from scorrnet_cli.figures import FrameSummary
from scorrnet_cli.frames import digest_of
from scorrnet_cli.settings import Settings
from scorrnet_cli.writers import Header


def run_shared(task: Task, settings: Settings, workers: Workers, listener: Listener) -> Outcome:
    """Do as `run.run` does, by the workers of a cluster.

    Every frame is measured to the reference by itself, so the result does not depend on who measures which. It says
    so: its settings are those that were given, but without warm start and update of the reference.

    Raises
    ------
    ScorrnetError
        As `run.run`; UsageError if there is no cluster or frames are to depend on each other, DeviceError if the
        workers differ or die.
    """
    settings = independent(settings)
    resume = check(task)
    seen = survey(task, listener)
    plan, reference, _ = seen
    order = _order(task, plan, settings)
    listener.doing("waiting for the workers")
    with connected(workers) as client:
        start = perf_counter()
        listener.doing("finding the speckle")
        process, cautions = described(client, order, reference.info.name)
        process = replace(process, settings=settings)
        check_size(task.output, Header(reference.shape, plan.total or 0, reference.info, process), split=task.split)
        cautions = cautions.after(plan.doubt)
        tell(cautions, listener.doubted, task.probability)
        parts = parts_of(task, reference, process)
        with closing(parts):
            if resume:
                parts.resume(plan.total)
            else:
                parts.begin(plan.total)
            listener.begun(process, plan.total)
            return _measure(task, seen, parts, client, order, listener, cautions, start)


def independent(settings: Settings) -> Settings:
    """Return settings by which each frame is measured by itself.

    Raises
    ------
    UsageError
        If they ask for what is done frame by frame.
    """
    if settings.increments or settings.update_every:
        asked = "--reference previous" if settings.increments else f"--update {settings.update}"
        what = "Workers measure each frame by itself, but with this a frame needs the ones before it"
        raise UsageError(what, asked, "Leave it out, or --workers and --scheduler")
    return settings.but(warm_start=False, update="never")


def _measure(
    task: Task,
    seen: Survey,
    parts: Parts,
    client: Any,
    order: Order,
    listener: Listener,
    cautions: Cautions,
    start: float,
) -> Outcome:
    """Have all frames measured, and put the result in its place; `start` is when it began, s of `perf_counter`."""
    sources = list(seen.plan.deformed)
    found: dict[int, FrameSummary] = {}
    for source in sources:
        known = recalled(source, parts)
        found |= {index: known[page] for index, page in enumerate(source.pages, source.first) if page in known}
    for summary in found.values():
        listener.resumed(summary)
    resumed, earlier_points = len(found), sum(summary.points for summary in found.values())
    listener.doing("measuring")
    computed_s = 0.0
    try:
        for index, summary in hand_out(client, order, parts.process, parts.run, sources, set(found), seen.time):
            parts.note(index, summary)
            found[index] = summary
            computed_s += summary.time_s
            listener.kept(summary)
        report = replace(
            finish(task, parts, seen.reference, found, start, listener, cautions), earlier_points=earlier_points
        )
    finally:
        if not parts.count():
            parts.remove()
    if parts.is_temporary:
        parts.remove()
    return Outcome(report, resumed, min(report.time_s, computed_s / max(1, len(client.nthreads()))))


def _order(task: Task, plan: Plan, settings: Settings) -> Order:
    """Say what workers must know, in words that mean the same in whatever folder they run."""
    import torch

    # A link keeps its name, which is that of the image; what is behind it may have any.
    absolute = {name: str(path.absolute()) for name, path in settings.files.items()}
    reference = plan.reference.path.absolute()
    return Order(
        settings=settings.but(**absolute).to_json(),
        digests=tuple((path, digest_of(Path(path))) for path in (str(reference), *absolute.values())),
        reference=reference,
        page=plan.reference.pages[0],
        output=task.output.absolute(),
        threads=torch.get_num_threads(),
        calibration=task.calibration,
        time_source=task.time_source,
    )
