"""The options of the commands that evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Methods = Annotated[
    str | None,
    typer.Option(metavar="NAME,...", help="scorrnet, linear, network, icgn-affine, icgn-quadratic; all if not given."),
]
Device = Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda or cuda:N.")]
PlotFile = Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Draw the figures: a PNG, PDF or SVG.")]
