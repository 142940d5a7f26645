"""The arguments and options of commands that measure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_PANEL = "Settings, saved in the result"

Reference = Annotated[Path, typer.Argument(metavar="REF", help="Image of the specimen at rest.", show_default=False)]
Deformed = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="DEF...",
        help="Images of the deformed specimen. Left out: the further pages of a multi-page REF.",
        show_default=False,
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        metavar="OUT",
        help="Result: .h5, .hdf5, .tif, .tiff or .ome.tif. Default: <last DEF>.scorrnet.h5 in this folder.",
    ),
]
Device = Annotated[str | None, typer.Option(metavar="NAME", help="auto, cpu, cuda or cuda:N.", rich_help_panel=_PANEL)]
Mask = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Image, not zero where to measure; no network looks.", rich_help_panel=_PANEL),
]
Roi = Annotated[
    str | None,
    typer.Option(metavar="X,Y,W,H", help="Measure in this rectangle only, px.", rich_help_panel=_PANEL),
]
Refine = Annotated[
    bool | None,
    typer.Option("--refine/--no-refine", help="Refine the network's field.", rich_help_panel=_PANEL),
]
Window = Annotated[
    float | None,
    typer.Option(
        metavar="PX", help="Refine with one Gaussian window of this standard deviation.", rich_help_panel=_PANEL
    ),
]
Passes = Annotated[
    int | None, typer.Option(metavar="N", help="Most passes with that window; 4 if not given.", rich_help_panel=_PANEL)
]
SegmentationWeights = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Your own weights, safetensors.", rich_help_panel=_PANEL)
]
DisplacementWeights = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Your own weights, safetensors.", rich_help_panel=_PANEL)
]
RefinementWeights = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Your own weights, safetensors.", rich_help_panel=_PANEL)
]
SettingsFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Settings from TOML or an earlier .h5; the flags above override them."),
]
Plot = Annotated[bool, typer.Option("--plot", help="Draw the last frame: a PNG beside the result.")]
Json = Annotated[bool, typer.Option("--json", help="Print the figures as one JSON object.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier result.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print nothing but errors (and --json).")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Say more on stderr.")]
