"""``scorrnet report``: one HTML page that tells of a measurement."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from scorrnet_cli.cli import options
from scorrnet_cli.cli.group import Debug
from scorrnet_cli.cli.probe import Lines, Points, Rectangles, chosen_probes
from scorrnet_cli.errors import OutputError


def report(
    result: options.Result,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="OUT", help="The page. Default: <RESULT>.html in this folder."),
    ] = None,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="Its title. Default: the name of RESULT.")] = None,
    noise_floor: Annotated[
        Path | None,
        typer.Option(
            metavar="STATIC", help="Result of images of the same scene at rest: noise floor of displacement and strain."
        ),
    ] = None,
    point: Points = None,
    line: Lines = None,
    rect: Rectangles = None,
    field: options.Fields = None,
    images: options.Images = None,
    overwrite: options.Overwrite = False,
    quiet: options.Silent = False,
    debug: Debug = False,
) -> None:
    """Write a report as one HTML page, which needs no network and prints well.

    It shows the fields of every frame with a slider and values under the
    pointer, curves, and the table that the good-practice guide for DIC asks
    for; what only you know is left blank in it.

    [bold]scorrnet report test.h5 --noise-floor still.h5 -o report.html[/bold]
    """
    from scorrnet_cli.cli import console
    from scorrnet_cli.cli.summary import grid
    from scorrnet_cli.pictures.images import Images
    from scorrnet_cli.pictures.quantities import QUANTITIES, chosen_quantities
    from scorrnet_cli.report.page import Order, page, write_page
    from scorrnet_cli.snapshots import Snapshots
    from scorrnet_cli.writers import open_result
    from scorrnet_cli.writers.atomic import check_target

    talk = console.Talk(quiet)
    output = output or Path(f"{result.stem}.html")
    quantities = chosen_quantities(field or list(QUANTITIES))
    probes = chosen_probes(point, line, rect)
    if output.suffix.lower() != ".html":
        raise OutputError("No report has this suffix", str(output), "Choose .html")
    check_target(output, overwrite)
    with ExitStack() as stack:
        stored = stack.enter_context(open_result(result))
        static = stack.enter_context(open_result(noise_floor)) if noise_floor else None
        shelf = Images.of(stored.path, stored.shape[1:], images)
        order = Order(title or result.stem, quantities, Snapshots(static) if static else None, probes)
        with talk.progress(stored.shape[0]):
            content = page(Snapshots(stored), shelf, order, talk.advance)
        write_page(output, content)
        if shelf.complaint:
            talk.warn(shelf.complaint)
    if not quiet:
        size = f"{len(content.encode()) / 1e6:.1f} MB"
        console.show(grid([("frames", str(stored.shape[0])), ("size", size), ("written to", str(output))]))
