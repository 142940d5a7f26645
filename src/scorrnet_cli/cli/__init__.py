"""The command ``scorrnet``; the only package that prints."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from scorrnet_cli import __version__
from scorrnet_cli.cli import console
from scorrnet_cli.cli.batch import batch
from scorrnet_cli.cli.evaluate import evaluate
from scorrnet_cli.cli.export import export
from scorrnet_cli.cli.extract_weights import extract_weights
from scorrnet_cli.cli.group import ErrorGroup
from scorrnet_cli.cli.info import info
from scorrnet_cli.cli.measure import measure
from scorrnet_cli.cli.merge import merge
from scorrnet_cli.cli.plot import plot
from scorrnet_cli.cli.probe import probe
from scorrnet_cli.cli.report import report
from scorrnet_cli.cli.strain import strain
from scorrnet_cli.cli.train import train
from scorrnet_cli.cli.units import units
from scorrnet_cli.cli.view import view

app = typer.Typer(
    name="scorrnet",
    cls=ErrorGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(value: bool) -> None:
    if value:
        console.say(f"scorrnet {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version.")
    ] = False,
) -> None:
    """Measure the displacement of speckled surfaces from camera images, without drawing a region first."""
    logging.getLogger("tifffile").disabled = True  # what it says of a damaged file, our error does


app.command()(measure)
app.command()(batch)
app.command()(merge)
app.command()(strain)
app.command()(units)
app.command()(plot)
app.command()(view)
app.command()(report)
app.command()(probe)
app.command()(export)
app.command()(extract_weights)
app.add_typer(evaluate)
app.command()(info)
app.command()(train)


def main() -> None:
    """Run the program; it leaves with an exit code of ``errors.py``."""
    app(prog_name="scorrnet")
