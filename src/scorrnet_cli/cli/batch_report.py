"""What is said of a batch at its end."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence

from rich.table import Table

from scorrnet_cli import __version__
from scorrnet_cli.batch.task import Outcome
from scorrnet_cli.cli.summary import SCHEMA, content, grid, mm_digits, number, sigma_row, units
from scorrnet_cli.figures import FrameSummary
from scorrnet_cli.gauge import COMPONENTS
from scorrnet_cli.units import Calibration

_LISTED = 10  # failed frames in the table; JSON has them all


def to_json(outcomes: Sequence[Outcome]) -> str:
    """Write what batches came to as one JSON object.

    The schema (``schema`` is raised when it changes)::

        schema          2
        version         version of scorrnet
        sequences       for each result, all that ``measure --json`` gives but these two, and
            failed          number of frames that could not be measured
            resumed         number of frames that an earlier run had measured
            compute_share   share of time_s in which something was computed
    """
    sequences = [
        content(outcome.report)
        | {"failed": outcome.failed, "resumed": outcome.resumed, "compute_share": _share(outcome)}
        for outcome in outcomes
    ]
    return json.dumps({"schema": SCHEMA, "version": __version__, "sequences": sequences}, allow_nan=False)


def table(outcome: Outcome) -> Table:
    """Lay out for people what a batch came to: figures over all its frames, and which failed."""
    report = outcome.report
    height, width = report.shape
    good = [frame for frame in report.frames if frame.error is None]
    bad = [frame for frame in report.frames if frame.error is not None]
    fresh = len(report.frames) - outcome.resumed
    before = f", {outcome.resumed} by an earlier run" if outcome.resumed else ""
    rows = [
        ("reference", f"{report.reference.name}, {width} x {height} px"),
        ("mask area", f"{report.mask_area_px} px ({report.mask_area_px / (width * height):.1%})"),
        ("frames", f"{len(good)} of {len(report.frames)} measured{before}"),
        *units(report),
    ]
    updated = sum(frame.image.reference_frame >= 0 for frame in good)
    if updated and not report.increments:
        rows.append(("compared", f"{updated} frames with an earlier frame, the others with the reference"))
    if good:
        rows += _quantities(good, report.calibration)
    rows += [("failed", f"{frame.image.name}: {frame.error}") for frame in bad[:_LISTED]]
    if len(bad) > _LISTED:
        rows.append(("", f"and {len(bad) - _LISTED} more"))
    rate = f"{fresh / report.time_s:.2f} frames per second, {_share(outcome):.0%} of it computing"
    rows.append(("time", f"{report.time_s:.1f} s, {rate}"))
    rows.append(
        ("written to", ", ".join(str(path) for path in (report.output, report.plot, report.probability) if path))
    )
    return grid(rows)


def _quantities(frames: Sequence[FrameSummary], scale: Calibration | None) -> list[tuple[str, str]]:
    """Say what was measured in the frames, at least one."""
    worst = min(frames, key=lambda frame: frame.valid_share)
    poorest = min(frames, key=lambda frame: frame.zncc)
    shares = statistics.median(frame.valid_share for frame in frames)
    zncc = statistics.median(frame.zncc for frame in frames)
    spreads = [
        (
            name,
            f"{number(min(getattr(frame, name).least for frame in frames))} to "
            f"{number(max(getattr(frame, name).most for frame in frames))} px, "
            f"median of the last frame {number(getattr(frames[-1], name).median)} px"
            + (
                f" or {number(scale.mm_per_px * getattr(frames[-1], name).median, mm_digits(scale))} mm"
                if scale
                else ""
            ),
        )
        for name in ("u", "v")
    ]
    return [
        ("valid", f"median {shares:.1%} of the mask, least {worst.valid_share:.1%} in {worst.image.name}"),
        *spreads,
        ("zncc", f"median {number(zncc, 4)}, least {number(poorest.zncc, 4)} in {poorest.image.name}"),
        _sigma_row(frames),
        *_strains(frames),
        *([("fallback", _fallback(frames))] if any(frame.fallback_share for frame in frames) else []),
    ]


def _sigma_row(frames: Sequence[FrameSummary]) -> tuple[str, str]:
    """Write the standard uncertainties of the last frame, whose displacement is told, and of the least sure one."""
    name, said = sigma_row(frames[-1].sigma_u, frames[-1].sigma_v)
    worst = max(frames, key=lambda frame: math.hypot(frame.sigma_u, frame.sigma_v))
    if not math.isfinite(worst.sigma_u):
        return name, said
    return name, f"{said} in the last frame, most {number(max(worst.sigma_u, worst.sigma_v), 4)} in {worst.image.name}"


def _fallback(frames: Sequence[FrameSummary]) -> str:
    """Say where one window stands in for the refinement network."""
    most = max(frames, key=lambda frame: frame.fallback_share)
    share = statistics.median(frame.fallback_share for frame in frames)
    return f"one window at {share:.1%} of the points (median), most {most.fallback_share:.1%} in {most.image.name}"


def _strains(frames: Sequence[FrameSummary]) -> list[tuple[str, str]]:
    """Say which strain there was in the frames, if it was asked for."""
    taken = (frame.strain for frame in frames)
    strains = [strain for strain in taken if strain and math.isfinite(strain.exx.median)]
    rows = []
    for name in COMPONENTS if strains else ():
        spreads = [getattr(strain, name) for strain in strains]
        least, most = number(min(part.least for part in spreads), 6), number(max(part.most for part in spreads), 6)
        median, sigma = number(spreads[-1].median, 6), number(getattr(strains[-1], f"sigma_{name}"), 6)
        rows.append((name, f"{least} to {most}, median of the last frame {median}, its sigma {sigma}"))
    return rows


def _share(outcome: Outcome) -> float:
    return outcome.compute_s / outcome.report.time_s
