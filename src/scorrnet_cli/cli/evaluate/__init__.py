"""``scorrnet evaluate``: how accurate the methods are, measured on images with known displacement."""

from __future__ import annotations

import typer

from scorrnet_cli.cli.evaluate.bias import bias
from scorrnet_cli.cli.evaluate.fields import fields
from scorrnet_cli.cli.evaluate.hard import hard
from scorrnet_cli.cli.evaluate.noise_floor import noise_floor
from scorrnet_cli.cli.evaluate.sigma import sigma
from scorrnet_cli.cli.evaluate.star import star
from scorrnet_cli.cli.evaluate.synthetic import synthetic
from scorrnet_cli.cli.evaluate.truth import truth

evaluate = typer.Typer(
    name="evaluate",
    help="Measure how accurate the program is, on images with known displacement or on your own.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
evaluate.command()(star)
evaluate.command()(bias)
evaluate.command()(fields)
evaluate.command()(sigma)
evaluate.command()(noise_floor)
evaluate.command()(synthetic)
evaluate.command()(hard)
evaluate.command()(truth)
