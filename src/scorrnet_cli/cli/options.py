"""The arguments and options of commands that measure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scorrnet_cli.errors import UsageError

if TYPE_CHECKING:
    from scorrnet_cli.field import Settings

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
    int | None, typer.Option(metavar="N", help="Passes with that window; 4 if not given.", rich_help_panel=_PANEL)
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


def asked(
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
) -> Settings:
    """Lay the flags, those that were given, over the settings file.

    Raises
    ------
    UsageError
        If a value makes no sense, or the file is missing or is neither TOML nor a result.
    """
    return _base(settings).but(
        device=device,
        refine=refine,
        window_px=window,
        passes=passes,
        roi=_rectangle(roi),
        mask=_text(mask),
        segmentation_weights=_text(segmentation_weights),
        displacement_weights=_text(displacement_weights),
        refinement_weights=_text(refinement_weights),
    )


def _base(path: Path | None) -> Settings:
    """Read the settings that flags are laid over.

    Raises
    ------
    UsageError
        If the file is missing, or is neither TOML nor a result.
    """
    from scorrnet_cli.field import Settings

    if path is None:
        return Settings()
    if path.suffix.lower() in (".h5", ".hdf5"):
        from scorrnet_cli.writers import read_settings

        return read_settings(path)
    import tomllib

    try:
        return Settings.from_mapping(tomllib.loads(path.read_text(encoding="utf-8")), str(path))
    except OSError as error:
        raise UsageError(f"The settings cannot be read: {error.strerror}", str(path)) from error
    except ValueError as error:
        raise UsageError(f"The settings are no TOML: {error}", str(path)) from error


def _rectangle(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(value) for value in text.split(","))
    except ValueError as error:
        raise UsageError("A region is four whole numbers, X,Y,W,H", f"--roi {text}") from error


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
