"""What options mean: settings, with those of a file or an earlier result below them, scale, clock and limits."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scorrnet_cli.errors import UsageError
from scorrnet_cli.naming import is_hdf5

if TYPE_CHECKING:
    from scorrnet_cli.images.clock import Clock
    from scorrnet_cli.settings import Settings
    from scorrnet_cli.units import Calibration


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


def expanded(paths: Sequence[Path]) -> list[Path]:
    """Replace patterns, which not every shell expands, by the files that they name, in natural order."""
    from fnmatch import filter as matching

    from scorrnet_cli.batch.order import in_natural_order

    found: list[Path] = []
    for path in paths:
        names: list[str] = []
        if any(sign in path.name for sign in "*?") and not path.exists() and path.parent.is_dir():
            names = in_natural_order(matching([each.name for each in path.parent.iterdir()], path.name))
        found += [path.parent / name for name in names] or [path]
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
    from scorrnet_cli.images.clock import Clock

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
    if is_hdf5(path):
        return _settings_of(path, files)
    import tomllib

    try:
        return Settings.from_mapping(tomllib.loads(path.read_text(encoding="utf-8-sig")), str(path))
    except OSError as error:
        raise UsageError(f"The settings cannot be read: {error.strerror}", str(path)) from error
    except ValueError as error:
        raise UsageError(f"The settings are no TOML: {error}", str(path)) from error


def changes_since(path: Path | None) -> list[str]:
    """Say in what this program differs from the one that made the result whose settings are taken.

    Parameters
    ----------
    path : Path, optional
        As for `base`, which has read it.
    """
    if path is None or not is_hdf5(path):
        return []
    from scorrnet_cli import __version__
    from scorrnet_cli.weights import bundled_manifest
    from scorrnet_cli.writers import read_process

    before = read_process(path)
    changes = []
    if before.version != __version__:
        changes.append(f"{path} was measured by scorrnet {before.version}, and this is {__version__}")
    bundled = bundled_manifest()[0].networks
    others = [
        role
        for role, digest in before.weights.items()
        if not getattr(before.settings, f"{role}_weights") and bundled[role].sha256 != digest
    ]
    if others:
        changes.append(f"{path} was measured with other bundled weights ({', '.join(others)}): its values may differ")
    return changes


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
