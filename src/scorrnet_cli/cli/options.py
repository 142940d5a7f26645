"""The arguments and options of commands that measure."""

from __future__ import annotations

import math
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scorrnet_cli.errors import UsageError

if TYPE_CHECKING:
    from scorrnet_cli.clock import Clock
    from scorrnet_cli.settings import Settings
    from scorrnet_cli.units import Calibration

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
    typer.Option(metavar="FILE", help="Settings from TOML or an earlier .h5; the flags above override them."),
]
FrameChoice = Annotated[
    str, typer.Option("--frame", metavar="N", help="Frames to take: all, last, or numbers from 0 as in 0,5,9.")
]
Plot = Annotated[bool, typer.Option("--plot", help="Draw the last frame: a PNG beside the result.")]
Probability = Annotated[
    bool,
    typer.Option("--probability", help="Show how sure the mask is, 0 to 255 for 0 to 100 %: a PNG beside the result."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the figures as one JSON object.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier result.")]
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
    typer.Option(metavar="LO,HI", help="Ends of the colour scale, in the unit that it shows. Default: 1 to 99 %."),
]


def limits_of(text: str | None) -> tuple[float, float] | None:
    """Read two finite numbers, of which the first is lower.

    Raises
    ------
    UsageError
        If they are not.
    """
    if text is None:
        return None
    try:
        low, high = (float(value) for value in text.split(","))
    except ValueError:
        raise UsageError("Limits are two numbers, LO,HI", f"--limits {text}") from None
    if not math.isfinite(high - low):
        raise UsageError("Limits are finite numbers, LO,HI", f"--limits {text}")
    if not low < high:
        raise UsageError("The first limit must be below the second", f"--limits {text}")
    return low, high


def asked(
    *,
    settings: Path | None,
    device: str | None,
    mask: Path | None,
    roi: str | None,
    refine: bool | None,
    window: float | None,
    passes: int | None,
    segmentation_weights: Path | None,
    displacement_weights: Path | None,
    refinement_weights: Path | None,
    strain: bool | None,
    strain_window: int | None,
    strain_measure: str | None,
    strain_order: int | None,
) -> Settings:
    """Lay the flags, those that were given, over the settings file.

    Raises
    ------
    UsageError
        If a value makes no sense or would do nothing, or the file is missing or is neither TOML nor a result.
    """
    if strain is None and any(given is not None for given in (strain_window, strain_measure, strain_order)):
        strain = True
    files = {
        "mask": mask,
        "segmentation_weights": segmentation_weights,
        "displacement_weights": displacement_weights,
        "refinement_weights": refinement_weights,
    }
    found = base(settings, files=[name for name, given in files.items() if given is None]).but(
        device=device,
        refine=refine,
        window_px=window,
        passes=passes,
        roi=_rectangle(roi),
        **{name: _text(path) for name, path in files.items()},
        strain=strain,
        strain_window_px=strain_window,
        strain_measure=strain_measure,
        strain_order=strain_order,
    )
    idle = (
        (segmentation_weights and found.mask, "--segmentation-weights", "the mask is given"),
        (refinement_weights and not found.refine, "--refinement-weights", "nothing is refined"),
        (refinement_weights and found.window_px, "--refinement-weights", "one window needs no network"),
        (window and not found.refine, "--window", "nothing is refined"),
        (passes and not found.refine, "--passes", "nothing is refined"),
    )
    for does_nothing, option, why in idle:
        if does_nothing:
            raise UsageError(f"This would do nothing: {why}", option, "Leave it out")
    return found


def scale(mm_per_px: float | None, scale_bar: str | None) -> Calibration | None:
    """Return the scale of the images that was given, if any.

    Raises
    ------
    UsageError
        If it makes no sense, or is given twice.
    """
    from scorrnet_cli.units import Calibration

    if mm_per_px is not None and scale_bar is not None:
        raise UsageError("The scale is given twice", "--mm-per-px and --scale-bar", "Give one of them")
    if scale_bar is not None:
        return Calibration.of_scale_bar(scale_bar)
    return None if mm_per_px is None else Calibration(mm_per_px, "--mm-per-px")


def clock(fps: float | None, times: str | None) -> Clock | None:
    """Return where the times of the images are known from, if anywhere.

    Raises
    ------
    UsageError
        If it makes no sense, or is given twice.
    """
    if fps is None and times is None:
        return None
    from scorrnet_cli.clock import Clock

    return Clock(fps, times)


def base(path: Path | None, *, files: Collection[str] = ()) -> Settings:
    """Read the settings that flags are laid over.

    Parameters
    ----------
    path : Path, optional
        A TOML file or a result.
    files : collection of str
        Settings that name the mask or weights which are needed: those of a result are looked for by their hashes.

    Raises
    ------
    UsageError
        If the file is missing, is neither TOML nor a result, or is a result whose mask or weights are no longer there.
    """
    from scorrnet_cli.settings import Settings

    if path is None:
        return Settings()
    if path.suffix.lower() in (".h5", ".hdf5"):
        return _settings_of(path, files)
    import tomllib

    try:
        return Settings.from_mapping(tomllib.loads(path.read_text(encoding="utf-8")), str(path))
    except OSError as error:
        raise UsageError(f"The settings cannot be read: {error.strerror}", str(path)) from error
    except ValueError as error:
        raise UsageError(f"The settings are no TOML: {error}", str(path)) from error


def _settings_of(path: Path, files: Collection[str]) -> Settings:
    """Read the settings of a result, with the places of the files that it was measured with."""
    from scorrnet_cli.writers import read_process

    process = read_process(path)
    settings = process.settings
    hashes = {f"{network}_weights": digest for network, digest in process.weights.items()}
    hashes["mask"] = process.mask_sha256
    names = [name for name in files if hashes.get(name) and getattr(settings, name)]
    return settings.but(**{name: _found(path, name, getattr(settings, name), hashes[name]) for name in names})


def _found(result: Path, name: str, said: str, digest: str) -> str:
    """Return where the file of this name and hash is: where it was, or beside the result."""
    from scorrnet_cli.frames import digest_of

    file = Path(said)
    for place in (file, result.parent / file, result.parent / file.name):
        if place.is_file() and digest_of(place) == digest:
            return str(place)
    what = f"Cannot find the {name.replace('_', ' ')} that this result was measured with"
    raise UsageError(what, f"{result}, {said}", f"Bring it back, or give --{name.replace('_', '-')}")


def _rectangle(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(value) for value in text.split(","))
    except ValueError as error:
        raise UsageError("A region is four whole numbers, X,Y,W,H", f"--roi {text}") from error


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
