"""``scorrnet strain``: strain added to a result that has been measured."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scorrnet_cli.cli import meaning, options
from scorrnet_cli.cli.group import Debug


def strain(
    result: Annotated[Path, typer.Argument(metavar="RESULT.h5", help="HDF5 result.", show_default=False)],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="OUT.h5", help="Write a copy, and leave the result alone.")
    ] = None,
    strain_window: options.StrainWindow = None,
    strain_measure: options.StrainMeasure = None,
    strain_order: options.StrainOrder = None,
    settings: options.SettingsFile = None,
    overwrite: options.Overwrite = False,
    quiet: options.Silent = False,
    debug: Debug = False,
) -> None:
    """Take the strain of a result and store it there, or in a copy; strain that was there is replaced.

    What is not said here is as it was when strain was last taken, or as
    the measurement asked for it.

    [bold]scorrnet strain test.h5 --strain-window 41 --strain-measure hencky[/bold]
    """
    from scorrnet_cli.cli.console import Talk
    from scorrnet_cli.cli.strain_job import run

    said = {"strain_window_px": strain_window, "strain_measure": strain_measure, "strain_order": strain_order}
    run(result, output, meaning.base(settings) if settings else None, said, overwrite, Talk(quiet))
