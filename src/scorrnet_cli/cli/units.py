"""``scorrnet units``: the scale of the images and their times, stated for a result that has been measured."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scorrnet_cli.cli import console, meaning, options
from scorrnet_cli.cli.group import Debug
from scorrnet_cli.errors import UsageError

if TYPE_CHECKING:
    from scorrnet_cli.images.clock import Clock


def units(
    result: Annotated[Path, typer.Argument(metavar="RESULT.h5", help="HDF5 result.", show_default=False)],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="OUT.h5", help="Write a copy, and leave the result alone.")
    ] = None,
    mm_per_px: options.MmPerPx = None,
    scale_bar: options.ScaleBar = None,
    fps: Annotated[
        float | None,
        typer.Option(metavar="N", help="Frames of the result per second; the first image is at 0 s."),
    ] = None,
    times: Annotated[
        str | None, typer.Option(metavar="names", help="Time stamps from the names of the images in the result.")
    ] = None,
    overwrite: options.Overwrite = False,
    debug: Debug = False,
) -> None:
    """State how large a pixel is and when the images were taken, or show what a result says of it.

    Displacements stay in px in the file; what is stated here stands beside them,
    once, and replaces what was said before.

    [bold]scorrnet units test.h5 --mm-per-px 0.042 --fps 25[/bold]
    """
    from scorrnet_cli.cli.summary import grid
    from scorrnet_cli.writers import open_result, set_units

    if times == "tiff":
        raise UsageError("The result does not hold the tags of its images", "--times tiff", "Measure with --times tiff")
    scale, clock = meaning.scale(mm_per_px, scale_bar), meaning.clock(fps, times)
    if scale or clock:
        set_units(
            result, scale, _seconds(result, clock) if clock else None, _source(clock), output, overwrite=overwrite
        )
    elif output:
        raise UsageError("Nothing is stated that could be written", str(output), "Give --mm-per-px or --fps")
    with open_result(output or result) as stored:
        said = stored.calibration
        taken = [info.at_s for info in stored.deformed if info.at_s is not None]
        rows = [
            ("scale", f"{said.mm_per_px:.6g} mm per px ({said.source})" if said else "not known: px"),
            ("times", _span(taken, stored.time_source) if taken else "not known"),
        ]
    console.show(grid(rows))


def _span(times: list[float], source: str) -> str:
    from scorrnet_cli.units import seconds

    return f"{seconds(min(times))} to {seconds(max(times))} s ({source})"


def _source(clock: Clock | None) -> str:
    if clock is None:
        return ""
    return f"{clock.fps:g} frames of the result per second" if clock.fps else clock.source


def _seconds(path: Path, clock: Clock) -> list[float]:
    """Times of the frames of a result, by the names and numbers of its images."""
    from scorrnet_cli.images.clock import check_rising
    from scorrnet_cli.writers import open_result

    with open_result(path) as result:
        reference, *others = [info.place for info in (result.reference, *result.deformed)]
    numbers = _numbers(reference[0], [name for name, _ in others])
    times = [clock.read(Path(name), page, number) for number, (name, page) in zip(numbers, others, strict=True)]
    check_rising((name, float(time)) for (name, _), time in zip(others, times, strict=True))
    start = Fraction(0) if clock.fps else clock.read(Path(reference[0]), reference[1], 0)  # the reference may be later
    return [float(time - start) for time in times]


def _numbers(reference: str, others: list[str]) -> list[int]:
    """Places of deformed images in the sequence: the reference is its first unless its number is in the midst."""
    from scorrnet_cli.batch.order import in_natural_order

    before = in_natural_order([reference, *others]).index(reference)
    is_amid = 0 < before < len(others) and reference not in others and in_natural_order(others) == others
    is_amid &= len({re.sub(r"\d+", "0", name) for name in (reference, *others)}) == 1  # numbered all alike
    return [number + (not is_amid or number >= before) for number in range(len(others))]
