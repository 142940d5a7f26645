"""``scorrnet extract-weights``: check and unpack trained weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scorrnet_cli.cli import console
from scorrnet_cli.cli.group import Debug


def extract_weights(
    archive: Annotated[
        Path | None,
        typer.Argument(help="Archive of weights; the bundled one if none is given.", metavar="[ARCHIVE]"),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option("--to", help="Unpack into a folder of this folder, not into the cache.", metavar="DIR"),
    ] = None,
    debug: Debug = False,
) -> None:
    """Check the archive of trained weights, unpack it, and say where to.

    [bold]measure[/bold] does this by itself on first use. It looks in the folder that
    the variable SCORRNET_CACHE names, so what was unpacked with --to DIR is
    used with SCORRNET_CACHE=DIR.
    """
    from scorrnet_cli import weights

    console.say(str(weights.extract(archive, to)))
