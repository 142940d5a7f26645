"""``scorrnet measure``: from images to displacement fields."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scorrnet_cli.cli import options
from scorrnet_cli.cli.group import Debug
from scorrnet_cli.errors import UsageError

if TYPE_CHECKING:
    from scorrnet_cli.field import Settings


def measure(
    reference: options.Reference,
    deformed: options.Deformed = None,
    output: options.Output = None,
    device: options.Device = None,
    mask: options.Mask = None,
    roi: options.Roi = None,
    refine: options.Refine = None,
    window: options.Window = None,
    passes: options.Passes = None,
    segmentation_weights: options.SegmentationWeights = None,
    displacement_weights: options.DisplacementWeights = None,
    refinement_weights: options.RefinementWeights = None,
    settings: options.SettingsFile = None,
    plot: options.Plot = False,
    json: options.Json = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    debug: Debug = False,
) -> None:
    """Measure the displacement between a reference and one or more deformed images.

    A network finds the speckled surface in REF, a second one measures its
    displacement in every DEF, and least squares refine it. The result holds
    u (right) and v (down), px, for every pixel of the surface in REF.

    [bold]scorrnet measure reference.png deformed.png --plot[/bold]
    """
    asked = _base(settings).but(
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
    from scorrnet_cli.cli.console import Talk
    from scorrnet_cli.cli.sequence import Job, run

    job = Job.of(reference, deformed or [], output, asked, plot=plot, overwrite=overwrite)
    run(job, Talk(quiet, verbose), json=json)


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
