"""What a measurement came to: figures of each frame, as a table for people and as JSON for machines."""

from __future__ import annotations

import json
import math
from typing import Any

from rich.table import Table

from scorrnet_cli import __version__
from scorrnet_cli.figures import FrameSummary, Report, Spread, StrainSummary
from scorrnet_cli.gauge import COMPONENTS, StrainSettings
from scorrnet_cli.units import Calibration, seconds

SCHEMA = 2
INCREMENTS = ("displacement", "from each frame to the next, not the total; so is strain")


def to_json(report: Report) -> str:
    """Write a report as one JSON object.

    The schema (``schema`` is raised when it changes; null stands for what is unknown)::

        schema          2
        version         version of scorrnet
        output, plot    paths; plot may be null
        probability     path of the picture of --probability, or null
        device          such as "cpu"
        reference       {name, sha256}
        image_size_px   [width, height]
        mask_area_px    masked pixels
        mask_share      masked pixels over all pixels
        mask_unsure     pixels that may be speckle or not over masked pixels; null if the mask was given
        warnings        what should be looked at, such as an unsure mask, as texts
        time_s          mask and all frames, without the start of the program
        points_per_s    valid points of the frames that this run measured, over time_s
        mm_per_px       scale of the images
        scale_source    where that is known from, such as "--mm-per-px"
        time_source     where the times of the images are known from
        increments      whether u, v and strain are those from each frame to the next, not the total
        strain          null, or {measure, window_px, order, weights, vsg_size_px}
        frames          for each deformed image
            name, sha256
            error               null, or why it could not be measured
            reference_frame     place of the frame it was compared with, -1 for the reference
            valid_share         valid points over masked pixels
            u_px, v_px          {min, median, max} over valid points
            zncc_median
            sigma_u_median_px, sigma_v_median_px
            fallback_share      valid points where one window stands in for the refinement network
            time_s              measuring it, without reading it
            at_s                when the image was taken
            strain              null, or exx, eyy, exy: {min, median, max}, and the medians sigma_exx_median, ...
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
        "mm_per_px": report.calibration and report.calibration.mm_per_px,
        "scale_source": report.calibration and report.calibration.source,
        "time_source": report.time_source or None,
        "increments": report.increments,
        "strain": report.gauge and _gauge_content(report.gauge),
        "frames": [_frame_content(frame) for frame in report.frames],
    }


def _frame_content(frame: FrameSummary) -> dict[str, Any]:
    return {
        "name": frame.image.name,
        "sha256": frame.image.sha256,
        "error": frame.error,
        "reference_frame": frame.image.reference_frame,
        "valid_share": frame.valid_share,
        "u_px": _spread_content(frame.u),
        "v_px": _spread_content(frame.v),
        "zncc_median": _known(frame.zncc),
        "sigma_u_median_px": _known(frame.sigma_u),
        "sigma_v_median_px": _known(frame.sigma_v),
        "fallback_share": frame.fallback_share,
        "time_s": frame.time_s,
        "at_s": frame.image.at_s,
        "strain": frame.strain and _strain_content(frame.strain),
    }


def _gauge_content(gauge: StrainSettings) -> dict[str, Any]:
    names = ("measure", "window_px", "order", "weights", "vsg_size_px")
    return {name: getattr(gauge, name) for name in names}


def _strain_content(strain: StrainSummary) -> dict[str, Any]:
    spreads = {name: _spread_content(getattr(strain, name)) for name in COMPONENTS}
    return spreads | {f"sigma_{name}_median": _known(getattr(strain, f"sigma_{name}")) for name in COMPONENTS}


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
    head += units(report)
    if len(report.frames) == 1:
        return [grid([*head, *_quantities(report.frames[0], report.calibration), *foot])]
    lines = [_frame_lines(report.frames, report.calibration)]
    if report.gauge:
        lines.append(_strain_lines(report.frames))
    return [grid(head), *lines, grid(foot)]


def units(report: Report) -> list[tuple[str, str]]:
    """Say what displacement is meant, what is known of scale and time, and how strain was taken."""
    rows = []
    if report.increments:
        rows.append(INCREMENTS)
    if report.calibration:
        rows.append(("scale", f"{report.calibration.mm_per_px:.6g} mm per px ({report.calibration.source})"))
    if report.time_source:
        rows.append(("times", report.time_source))
    if report.gauge:
        rows.append(("strain", gauge_line(report.gauge)))
    return rows


def gauge_line(gauge: StrainSettings) -> str:
    """Say how strain is taken, and over what length."""
    degree = {1: "planes", 2: "parabolas"}[gauge.order]
    return (
        f"{gauge.measure}, {degree} fitted to {gauge.window_px} x {gauge.window_px} px ({gauge.weights} weights), "
        f"virtual strain gauge {gauge.vsg_size_px} px (the displacement itself averages over {gauge.subset_px:.0f} px)"
    )


def grid(rows: list[tuple[str, str]]) -> Table:
    """Lay names and values out side by side."""
    table = Table.grid(padding=(0, 2))
    for row in rows:
        table.add_row(*row)
    return table


def _quantities(frame: FrameSummary, scale: Calibration | None) -> list[tuple[str, str]]:
    spreads = [(name, _lengths(spread, scale)) for name, spread in (("u", frame.u), ("v", frame.v))]
    taken = [] if frame.image.at_s is None else [("taken at", f"{seconds(frame.image.at_s)} s")]
    return [
        *taken,
        ("valid", f"{frame.valid_share:.1%} of the mask"),
        *spreads,
        ("zncc", f"median {number(frame.zncc, 4)}"),
        sigma_row(frame.sigma_u, frame.sigma_v),
        *(strain_rows(frame.strain) if frame.strain else ()),
        *([("fallback", f"one window at {frame.fallback_share:.1%} of the points")] if frame.fallback_share else []),
    ]


def _lengths(spread: Spread, scale: Calibration | None) -> str:
    """Write lengths in px, and in mm where the scale is known."""

    def written(factor: float, digits: int, unit: str) -> str:
        least, median, most = (number(factor * value, digits) for value in (spread.least, spread.median, spread.most))
        return f"min {least}, median {median}, max {most} {unit}"

    return written(1, 3, "px") + (f"; {written(scale.mm_per_px, mm_digits(scale), 'mm')}" if scale else "")


def mm_digits(scale: Calibration) -> int:
    """Return how many decimals a length in mm needs to tell a thousandth of a pixel, five or more."""
    return max(5, 3 - math.floor(math.log10(scale.mm_per_px)))


def sigma_row(u: float, v: float) -> tuple[str, str]:
    """Write the medians of the standard uncertainties, px; NaN if none was stated."""
    known = math.isfinite(u) and math.isfinite(v)
    return "sigma", f"median u {number(u, 4)}, v {number(v, 4)} px" if known else "not known without refinement"


def strain_rows(strain: StrainSummary) -> list[tuple[str, str]]:
    """Write strain, a line a component."""
    if not math.isfinite(strain.exx.median):
        return [
            (", ".join(COMPONENTS), "none: the surface may be too small for the window, try a smaller --strain-window")
        ]
    rows = []
    for name in COMPONENTS:
        spread = getattr(strain, name)
        least, median, most = (number(value, 6) for value in (spread.least, spread.median, spread.most))
        sigma = number(getattr(strain, f"sigma_{name}"), 6)
        rows.append((name, f"min {least}, median {median}, max {most}; sigma {sigma}"))
    return rows


def _frame_lines(frames: tuple[FrameSummary, ...], scale: Calibration | None) -> Table:
    timed = any(frame.image.at_s is not None for frame in frames)
    replaced = any(frame.fallback_share for frame in frames)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("frame")
    for name in (
        *(("at",) if timed else ()),
        "valid",
        "u min",
        "median",
        "max",
        "v min",
        "median",
        "max",
        *(("u median", "v median") if scale else ()),
        "zncc",
        "sigma u",
        "sigma v",
        *(("fallback",) if replaced else ()),
        "time",
    ):
        table.add_column(name, justify="right")
    for frame in frames:
        table.add_row(
            frame.image.name,
            *((_seconds(frame.image.at_s),) if timed else ()),
            f"{frame.valid_share:.1%}",
            *(number(value) for value in (frame.u.least, frame.u.median, frame.u.most)),
            *(number(value) for value in (frame.v.least, frame.v.median, frame.v.most)),
            *(
                (f"{number(scale.mm_per_px * part.median, mm_digits(scale))} mm" for part in (frame.u, frame.v))
                if scale
                else ()
            ),
            *(number(value, 4) for value in (frame.zncc, frame.sigma_u, frame.sigma_v)),
            *((f"{frame.fallback_share:.1%}",) if replaced else ()),
            f"{frame.time_s:.2f} s",
        )
    return table


def _strain_lines(frames: tuple[FrameSummary, ...]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("frame")
    for name in COMPONENTS:
        for column in (f"{name} min", "median", "max", "sigma"):
            table.add_column(column, justify="right")
    for frame in frames:
        cells = []
        for name in COMPONENTS if frame.strain else ():
            spread, sigma = getattr(frame.strain, name), getattr(frame.strain, f"sigma_{name}")
            cells += [number(value, 6) for value in (spread.least, spread.median, spread.most, sigma)]
        table.add_row(frame.image.name, *(cells or ["-"] * 4 * len(COMPONENTS)))
    return table


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{seconds(value)} s"


def number(value: float, digits: int = 3) -> str:
    """Write a number, or a dash if it is not known."""
    return f"{round(value, digits) + 0.0:.{digits}f}" if math.isfinite(value) else "-"  # no minus before a zero
