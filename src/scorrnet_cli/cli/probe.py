"""``scorrnet probe``: curves of points, lines and rectangles over the frames of a result, and profiles."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scorrnet_cli.cli import options
from scorrnet_cli.cli.group import Debug
from scorrnet_cli.errors import UsageError

if TYPE_CHECKING:
    from scorrnet_cli.probes import Probe

_PLACES = "Places, px of the reference image; each may be given several times"

Points = Annotated[
    list[str] | None,
    typer.Option("--point", metavar="[NAME=]X,Y", help="Displacement and strain at a point.", rich_help_panel=_PLACES),
]
Lines = Annotated[
    list[str] | None,
    typer.Option(
        "--line",
        metavar="[NAME=]X1,Y1,X2,Y2",
        help="Virtual extensometer: length, its change, strain, and the motion of both ends.",
        rich_help_panel=_PLACES,
    ),
]
Rectangles = Annotated[
    list[str] | None,
    typer.Option(
        "--rect",
        metavar="[NAME=]X,Y,W,H",
        help="Virtual strain gauge: mean displacement and strain.",
        rich_help_panel=_PLACES,
    ),
]
Profiles = Annotated[
    list[str] | None,
    typer.Option(
        "--profile",
        metavar="[NAME=]X1,Y1,X2,Y2",
        help="Displacement and strain along a line, every px; in a call of its own.",
        rich_help_panel=_PLACES,
    ),
]
Output = Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="CSV; stdout if not given.")]
Plot = Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Draw the curves: a PNG, PDF or SVG.")]


def probe(
    result: options.Result,
    point: Points = None,
    line: Lines = None,
    rect: Rectangles = None,
    profile: Profiles = None,
    frame: options.FrameChoice = "all",
    output: Output = None,
    plot: Plot = None,
    overwrite: options.Overwrite = False,
    quiet: options.NoProgress = False,
    debug: Debug = False,
) -> None:
    """Read a result at points, along lines and within rectangles, as CSV.

    Values are in mm and s if the result has a scale and times, else in px.
    Those between pixels are interpolated; what is not valid stays empty.
    Columns of sigma are standard uncertainties.

    [bold]scorrnet probe test.h5 --line gauge=100,400,100,80 --plot curve.png[/bold]
    """
    from scorrnet_cli.cli.console import Talk
    from scorrnet_cli.cli.probe_curves import Request, run
    from scorrnet_cli.probes import Line

    request = Request(result, frame, output, plot, overwrite)
    talk = Talk(quiet)
    if profile:
        if point or line or rect:
            raise UsageError("Profiles are a table of their own", "--profile", "Give the other places in another call")
        run(request, tuple(Line(name, *at) for name, at in _places("profile", profile, 4)), talk, profiles=True)
        return
    probes = chosen_probes(point, line, rect)
    if not probes:
        raise UsageError("There is nothing to read", "", "Give a --point, --line, --rect or --profile")
    run(request, probes, talk, profiles=False)


def chosen_probes(point: list[str] | None, line: list[str] | None, rect: list[str] | None) -> tuple[Probe, ...]:
    """Read the probes that the options ask for.

    Raises
    ------
    UsageError
        If one is not understood.
    """
    from scorrnet_cli.probes import Line, Point, Rectangle

    return (
        *(Point(name, *at) for name, at in _places("point", point, 2)),
        *(Line(name, *at) for name, at in _places("line", line, 4)),
        *(Rectangle(name, *_whole(name, at)) for name, at in _places("rect", rect, 4)),
    )


def _places(option: str, texts: list[str] | None, count: int) -> list[tuple[str, list[float]]]:
    """Read names and numbers; a place without a name is called by its numbers."""
    return [_place(option, text, count) for text in texts or []]


def _place(option: str, text: str, count: int) -> tuple[str, list[float]]:
    name, equals, numbers = text.rpartition("=")
    try:
        values = [float(value) for value in numbers.split(",")]
        if not all(map(math.isfinite, values)):
            raise ValueError
    except ValueError as error:
        raise UsageError("A place is numbers with commas between", f"--{option} {text}") from error
    if len(values) != count:
        raise UsageError(f"A {option} has {count} numbers, here are {len(values)}", f"--{option} {text}")
    return name.strip() if equals else f"{option} {' '.join(numbers.split(','))}", values


def _whole(name: str, values: list[float]) -> list[int]:
    if any(value != int(value) for value in values):
        raise UsageError("A rectangle has whole numbers", name)
    return [int(value) for value in values]
