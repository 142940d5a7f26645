"""What a measurement came to: figures of each frame, as a table for people and as JSON for machines."""

from __future__ import annotations

import json
import math
from typing import Any

from rich.table import Table

from scorrnet_cli import __version__
from scorrnet_cli.figures import FrameSummary, Report, Spread

SCHEMA = 1


def to_json(report: Report) -> str:
    """Write a report as one JSON object.

    The schema (``schema`` is raised when it changes; null stands for what is unknown)::

        schema          1
        version         version of scorrnet
        output, plot    paths; plot may be null
        probability     path of the picture of --probability, or null
        device          such as "cpu"
        reference       {name, sha256}
        image_size_px   [width, height]
        mask_area_px    masked pixels
        mask_share      masked pixels over all pixels
        mask_unsure     pixels that may be speckle or not over masked pixels; null if the mask was given
        warnings        why the mask may be wrong, as texts
        time_s          mask and all frames, without the start of the program
        points_per_s    valid points of all frames over time_s
        frames          for each deformed image
            name, sha256
            error               null, or why it could not be measured
            valid_share         valid points over masked pixels
            u_px, v_px          {min, median, max} over valid points
            zncc_median
            sigma_u_median_px, sigma_v_median_px
            time_s              measuring it, without reading it
    """
    return json.dumps({"schema": SCHEMA, "version": __version__, **content(report)}, allow_nan=False)


def content(report: Report) -> dict[str, Any]:
    """Return a report as JSON has it."""
    height, width = report.shape
    return {
        "output": str(report.output),
        "plot": None if report.plot is None else str(report.plot),
        "probability": None if report.probability is None else str(report.probability),
        "device": report.device,
        "reference": {"name": report.reference.name, "sha256": report.reference.sha256},
        "image_size_px": [width, height],
        "mask_area_px": report.mask_area_px,
        "mask_share": report.mask_area_px / (width * height),
        "mask_unsure": report.unsure_share,
        "warnings": list(report.warnings),
        "time_s": report.time_s,
        "points_per_s": report.points_per_s,
        "frames": [_frame_content(frame) for frame in report.frames],
    }


def _frame_content(frame: FrameSummary) -> dict[str, Any]:
    return {
        "name": frame.image.name,
        "sha256": frame.image.sha256,
        "error": frame.error,
        "valid_share": frame.valid_share,
        "u_px": _spread_content(frame.u),
        "v_px": _spread_content(frame.v),
        "zncc_median": _known(frame.zncc),
        "sigma_u_median_px": _known(frame.sigma_u),
        "sigma_v_median_px": _known(frame.sigma_v),
        "time_s": frame.time_s,
    }


def _spread_content(spread: Spread) -> dict[str, float | None]:
    return {"min": _known(spread.least), "median": _known(spread.median), "max": _known(spread.most)}


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def tables(report: Report) -> list[Table]:
    """Lay a report out for people: a line a quantity for one frame, a line a frame for several."""
    height, width = report.shape
    head = [
        ("image size", f"{width} x {height} px"),
        ("mask area", f"{report.mask_area_px} px ({report.mask_area_px / (width * height):.1%})"),
    ]
    foot = [
        ("time", f"{report.time_s:.2f} s, {report.points_per_s:.0f} points per second"),
        ("written to", ", ".join(str(path) for path in (report.output, report.plot, report.probability) if path)),
    ]
    if len(report.frames) == 1:
        return [grid([*head, *_quantities(report.frames[0]), *foot])]
    return [grid(head), _frame_lines(report.frames), grid(foot)]


def grid(rows: list[tuple[str, str]]) -> Table:
    """Lay names and values out side by side."""
    table = Table.grid(padding=(0, 2))
    for row in rows:
        table.add_row(*row)
    return table


def _quantities(frame: FrameSummary) -> list[tuple[str, str]]:
    spreads = [
        (name, f"min {number(spread.least)}, median {number(spread.median)}, max {number(spread.most)} px")
        for name, spread in (("u", frame.u), ("v", frame.v))
    ]
    return [
        ("valid", f"{frame.valid_share:.1%} of the mask"),
        *spreads,
        ("zncc", f"median {number(frame.zncc, 4)}"),
        ("sigma", f"median u {number(frame.sigma_u, 4)}, v {number(frame.sigma_v, 4)} px"),
    ]


def _frame_lines(frames: tuple[FrameSummary, ...]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("frame")
    for name in (
        "valid",
        "u min",
        "median",
        "max",
        "v min",
        "median",
        "max",
        "zncc",
        "sigma u",
        "sigma v",
        "time",
    ):
        table.add_column(name, justify="right")
    for frame in frames:
        table.add_row(
            frame.image.name,
            f"{frame.valid_share:.1%}",
            *(number(value) for value in (frame.u.least, frame.u.median, frame.u.most)),
            *(number(value) for value in (frame.v.least, frame.v.median, frame.v.most)),
            *(number(value, 4) for value in (frame.zncc, frame.sigma_u, frame.sigma_v)),
            f"{frame.time_s:.2f} s",
        )
    return table


def number(value: float, digits: int = 3) -> str:
    """Write a number, or a dash if it is not known."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"
