"""``scorrnet batch``: from the folder that a camera wrote to one result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scorrnet_cli.cli import meaning, options
from scorrnet_cli.cli.group import Debug
from scorrnet_cli.errors import UsageError

if TYPE_CHECKING:
    from scorrnet_cli.batch.cluster import Workers

_IMAGES = "Which images"
_SEQUENCE = "From frame to frame, saved in the result"
_RUN = "How the run goes"
_SHARED = "Many workers (extra cluster); the result shows their shards as one file"

Folder = Annotated[
    str,
    typer.Argument(
        metavar="FOLDER",
        help="Folder of images, a video or TIFF of many pages, or - for a list of paths on stdin, one a line.",
        show_default=False,
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        metavar="OUT",
        readable=False,
        help="Result: .h5, .hdf5, .tif, .tiff or .ome.tif. Default: FOLDER/scorrnet.h5. "
        "With --recursive a name, for the same in each folder.",
    ),
]
Pattern = Annotated[
    str | None,
    typer.Option(
        metavar="GLOB",
        help="Names to take, such as 'cam0_*.tif'. Default: all images but those that scorrnet wrote.",
        rich_help_panel=_IMAGES,
    ),
]
Reference = Annotated[
    str | None,
    typer.Option(
        metavar="first|previous|FILE",
        help="Image, of FOLDER or elsewhere, that all others are measured to; with 'previous' each to the one before "
        "it, at its pixels. "
        "Default: first.",
        rich_help_panel=_IMAGES,
    ),
]
Every = Annotated[int, typer.Option(metavar="N", min=1, help="Take every N-th image.", rich_help_panel=_IMAGES)]
Start = Annotated[
    int, typer.Option(metavar="N", min=0, help="First image to take, counted from 0.", rich_help_panel=_IMAGES)
]
Stop = Annotated[int | None, typer.Option(metavar="N", min=1, help="Image to stop before.", rich_help_panel=_IMAGES)]
Recursive = Annotated[
    bool, typer.Option("--recursive", help="Each folder below as well, a result in each.", rich_help_panel=_IMAGES)
]
Split = Annotated[
    bool, typer.Option("--split", help="One file a frame, in a folder: OUT without its suffix, then .frames.")
]
Update = Annotated[
    str | None,
    typer.Option(
        metavar="auto|never|N",
        help="When a frame takes the place of the reference in the comparison: where the reference no longer "
        "matches (default), never, or every N frames. The displacements remain those from the reference.",
        rich_help_panel=_SEQUENCE,
    ),
]
WarmStart = Annotated[
    bool | None,
    typer.Option(
        "--warm-start/--no-warm-start",
        help="Start each frame from the ones before it (default), or measure each by itself.",
        rich_help_panel=_SEQUENCE,
    ),
]
Watch = Annotated[
    bool,
    typer.Option("--watch", help="Measure each image as it is written; Ctrl-C ends it well.", rich_help_panel=_RUN),
]
Idle = Annotated[
    float | None,
    typer.Option(metavar="S", min=0.0, help="With --watch: end when nothing new comes for S s.", rich_help_panel=_RUN),
]
Count = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Measure in N processes on this machine.", rich_help_panel=_SHARED),
]
Scheduler = Annotated[
    str | None,
    typer.Option(metavar="tcp://HOST:PORT", help="Hand the frames to a dask cluster.", rich_help_panel=_SHARED),
]


def batch(
    folder: Folder,
    output: Output = None,
    pattern: Pattern = None,
    reference: Reference = None,
    every: Every = 1,
    start: Start = 0,
    stop: Stop = None,
    recursive: Recursive = False,
    split: Split = False,
    update: Update = None,
    warm_start: WarmStart = None,
    watch: Watch = False,
    idle: Idle = None,
    workers: Count = None,
    scheduler: Scheduler = None,
    device: options.Device = None,
    mask: options.Mask = None,
    roi: options.Roi = None,
    refine: options.Refine = None,
    window: options.Window = None,
    passes: options.Passes = None,
    segmentation_weights: options.SegmentationWeights = None,
    displacement_weights: options.DisplacementWeights = None,
    refinement_weights: options.RefinementWeights = None,
    strain: options.Strain = None,
    strain_window: options.StrainWindow = None,
    strain_measure: options.StrainMeasure = None,
    strain_order: options.StrainOrder = None,
    mm_per_px: options.MmPerPx = None,
    scale_bar: options.ScaleBar = None,
    fps: options.Fps = None,
    times: options.Times = None,
    settings: options.SettingsFile = None,
    plot: options.Plot = False,
    probability: options.Probability = False,
    json: options.Json = False,
    overwrite: options.Overwrite = False,
    resume: options.Resume = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    debug: Debug = False,
) -> None:
    """Measure a folder of images, or a video, frame by frame to one reference.

    Images are taken in natural order, img_2 before img_10. Each frame is kept
    as soon as it is measured: after a kill, a full disk or Ctrl-C, --resume
    goes on. A frame that cannot be measured is recorded with its reason, and
    the others are measured (exit code 6).

    [bold]scorrnet batch test_7/ --pattern 'cam0_*.tif'[/bold]
    """
    if reference == "previous" and update == "never":
        what = "Each frame is measured to the one before, and there is no reference to keep"
        raise UsageError(what, "reference = previous, update = never", "Leave one out")
    how = meaning.asked(
        settings=settings,
        device=device,
        mask=mask,
        roi=roi,
        refine=refine,
        window=window,
        passes=passes,
        segmentation_weights=segmentation_weights,
        displacement_weights=displacement_weights,
        refinement_weights=refinement_weights,
        strain=strain,
        strain_window=strain_window,
        strain_measure=strain_measure,
        strain_order=strain_order,
    ).but(update=update, warm_start=warm_start, increments=None if reference is None else reference == "previous")
    from scorrnet_cli.batch.sources import Selection
    from scorrnet_cli.cli.batch_jobs import Request, run
    from scorrnet_cli.cli.console import Talk
    from scorrnet_cli.cli.tasks import Asked

    request = Request(
        what=folder,
        output=output,
        pattern=pattern,
        reference=None if reference in (None, "first", "previous") else _image(reference, folder),
        selection=Selection(start, stop, every),
        recursive=recursive,
        split=split,
        watch=watch,
        idle_s=idle,
        asked=Asked(
            how,
            calibration=meaning.scale(mm_per_px, scale_bar),
            clock=meaning.clock(fps, times),
            plot=plot,
            probability=probability,
            overwrite=overwrite,
            resume=resume,
        ),
        workers=_workers(scheduler, workers, warm_start, update),
    )
    talk = Talk(quiet, verbose)
    for change in meaning.changes_since(settings):
        talk.note(change)
    run(request, talk, json=json)


def _image(name: str, folder: str) -> Path:
    """Return the image of this name, here or else in the folder that is measured."""
    here, there = Path(name), Path(folder) / name
    return there if folder != "-" and there.is_file() and not here.exists() else here


def _workers(scheduler: str | None, count: int | None, warm_start: bool | None, update: str | None) -> Workers | None:
    if scheduler is None and count is None:
        return None
    if scheduler is not None and count is not None:
        raise UsageError("A cluster has its own workers", "--scheduler --workers", "Give one of the two")
    for asked, option in ((warm_start, "--warm-start"), (update == "auto", "--update auto")):
        if asked:
            what = "Workers measure each frame by itself, but with this a frame needs the ones before it"
            raise UsageError(what, option, "Leave it out, or --workers and --scheduler")
    from scorrnet_cli.batch.cluster import Workers

    return Workers(scheduler, count or 1)
