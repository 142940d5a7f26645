"""``scorrnet export``: a result in the files of other programs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from scorrnet_cli.cli import console, options
from scorrnet_cli.cli.group import Debug


class Name(StrEnum):
    """The formats; those of `exporters.FORMATS`, which is not imported before it is needed."""

    CSV = "csv"
    VTK = "vtk"
    VTKHDF = "vtkhdf"
    NPZ = "npz"
    MAT = "mat"
    MATCHID = "matchid"
    PYVALE = "pyvale"
    GOM = "gom"


To = Annotated[Name, typer.Option("--to", metavar="FORMAT", help="One of the formats above.", show_default=False)]
Output = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        metavar="OUT",
        help="Folder, or file for vtkhdf, npz and mat. Default: named after RESULT, beside it.",
        show_default=False,
    ),
]
Step = Annotated[int, typer.Option("--step", metavar="N", min=1, help="Take every N-th pixel along x and y.")]


def export(
    result: options.Result,
    to: To,
    output: Output = None,
    frame: options.FrameChoice = "all",
    step: Step = 1,
    overwrite: options.Overwrite = False,
    quiet: options.Silent = False,
    debug: Debug = False,
) -> None:
    """Write a result in the format of another program.

    csv       a table a frame, a line a valid point
    vtk       image data a frame, and a .pvd, for ParaView
    vtkhdf    one file with all frames, for ParaView
    npz       NumPy: arrays (T, H, W)
    mat       MATLAB: arrays (H, W, T)
    matchid   a table a frame with the columns of MatchID
    pyvale    a table a frame that pyvale reads
    gom       a nodemap a frame, as the Aramis Exporter writes them

    Lengths are in mm if the result has a scale, else in px. What is not known
    is NaN or empty, never 0.

    [bold]scorrnet export test.h5 --to csv --step 5[/bold]
    """
    from scorrnet_cli.cli.console import Talk
    from scorrnet_cli.cli.summary import grid as lines
    from scorrnet_cli.errors import OutputError, UsageError
    from scorrnet_cli.exporters import FORMATS, Grid
    from scorrnet_cli.exporters import export as write
    from scorrnet_cli.layers import open_layers

    kind = FORMATS[to.value]
    if output and kind.is_folder and output.suffix.lower() == kind.suffix:
        what = f"{to.value} is a folder, with a file for each frame"
        raise UsageError(what, f"-o {output}", "Give the name of a folder")
    if output and not kind.is_folder and output.suffix.lower() != kind.suffix:
        raise OutputError(f"No {to.value} file has this suffix", str(output), f"Choose {kind.suffix}")
    talk = Talk(quiet)
    with open_layers(result, frame) as opened:
        if output is None:
            output = result.with_name(f"{result.stem}_{to.value}" if kind.is_folder else f"{result.stem}{kind.suffix}")
        grid = Grid(opened, step)
        with talk.progress(len(opened.frames)):
            files = write(kind, grid, output, overwrite=overwrite, after_frame=talk.advance)
        points = f"{len(grid.x)} x {len(grid.y)}, every {step} px" if step > 1 else f"{len(grid.x)} x {len(grid.y)}"
        rows = [
            ("format", kind.words),
            ("frames", str(len(opened.frames))),
            ("grid", points),
            ("unit", "px" if kind.in_px else opened.unit),
            *([("displacement", "from frame to frame")] if opened.stored.is_incremental else ()),
            (
                "strain",
                f"{opened.gauge.measure}, VSG {opened.gauge.vsg_size_px} px" if kind.has_strain else "not written",
            ),
            ("written to", f"{output} ({len(files)} files)" if len(files) > 1 else str(files[0])),
        ]
    if not quiet:
        console.show(lines(rows))
