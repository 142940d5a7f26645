"""The arguments and options of commands that measure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_PANEL = "Settings, saved in the result"
_UNITS = "Units, stored beside values that stay in px"

# readable=False, or Typer calls a file that may not be read wrong usage; the error of what reads it says why
Reference = Annotated[
    Path,
    typer.Argument(metavar="REF", help="Image of the specimen at rest.", readable=False, show_default=False),
]
Deformed = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="DEF...",
        help="Images of the deformed specimen. Left out: the further pages of a multi-page REF.",
        readable=False,
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
        readable=False,
    ),
]
Device = Annotated[str | None, typer.Option(metavar="NAME", help="auto, cpu, cuda or cuda:N.", rich_help_panel=_PANEL)]
Mask = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Image, not zero where to measure, or all; no network looks.",
        readable=False,
        rich_help_panel=_PANEL,
    ),
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
    int | None, typer.Option(metavar="N", help="Passes with that window; 4 if not given.", rich_help_panel=_PANEL)
]
SegmentationWeights = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Your own weights, safetensors.", readable=False, rich_help_panel=_PANEL),
]
DisplacementWeights = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Your own weights, safetensors.", readable=False, rich_help_panel=_PANEL),
]
RefinementWeights = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Your own weights, safetensors.", readable=False, rich_help_panel=_PANEL),
]
Strain = Annotated[
    bool | None,
    typer.Option("--strain/--no-strain", help="Take strain too, as the options below do.", rich_help_panel=_PANEL),
]
StrainWindow = Annotated[
    int | None,
    typer.Option(metavar="PX", help="Side of the window of the strain fit, odd; 25 px.", rich_help_panel=_PANEL),
]
StrainMeasure = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="green-lagrange (default), euler-almansi, hencky or small.", rich_help_panel=_PANEL
    ),
]
StrainOrder = Annotated[
    int | None,
    typer.Option(metavar="1|2", help="Degree of the polynomial of the strain fit; 1.", rich_help_panel=_PANEL),
]
MmPerPx = Annotated[
    float | None, typer.Option(metavar="MM", help="Length of a pixel on the specimen.", rich_help_panel=_UNITS)
]
ScaleBar = Annotated[
    str | None,
    typer.Option(
        metavar="X1,Y1,X2,Y2,MM", help="Two points in the reference image and their distance.", rich_help_panel=_UNITS
    ),
]
Fps = Annotated[float | None, typer.Option(metavar="N", help="Images per second.", rich_help_panel=_UNITS)]
Times = Annotated[
    str | None,
    typer.Option(
        metavar="names|tiff",
        help="Time stamps from file names (20260131_142500.250, 12.5s, 80ms) or from the TIFF tag DateTime.",
        rich_help_panel=_UNITS,
    ),
]
SettingsFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Settings from TOML or an earlier .h5; flags that are given override them."),
]
FrameChoice = Annotated[
    str,
    typer.Option("--frame", metavar="N", help="Frames to take: all, last (measured), or numbers from 0 as in 0,5,9."),
]
Plot = Annotated[bool, typer.Option("--plot", help="Draw the last frame: a PNG beside the result.")]
Probability = Annotated[
    bool,
    typer.Option("--probability", help="Show how sure the mask is, 0 to 255 for 0 to 100 %: a PNG beside the result."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the figures as one JSON object.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier result.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where an earlier run was stopped.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print only what failed (and --json).")]
Silent = Annotated[bool, typer.Option("-q", "--quiet", help="Print only what failed.")]
NoProgress = Annotated[bool, typer.Option("-q", "--quiet", help="Show no progress.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Say more on stderr.")]

Result = Annotated[Path, typer.Argument(metavar="RESULT", help="Result of measure or batch, .h5.", show_default=False)]
Fields = Annotated[
    list[str] | None,
    typer.Option(
        "--field",
        metavar="NAME",
        help="u, v, magnitude, exx, eyy, exy, e1, e2, von-mises, zncc or sigma; more than once for several.",
    ),
]
Images = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Where the images are. Default: beside RESULT, then this folder."),
]

Limits = Annotated[
    str | None,
    typer.Option(
        metavar="LO,HI",
        help="Ends of the colour scale, in the unit that it shows. Default: 1 to 99 %, with zero for strain.",
    ),
]
