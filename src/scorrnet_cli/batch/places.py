"""Where a batch puts things: its result and the folders beside it, and how it is told that they are its own."""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Iterable
from pathlib import Path

from scorrnet_cli.errors import OutputError, UsageError
from scorrnet_cli.naming import FRAMES, PARTS, SHARDS, beside, is_hdf5
from scorrnet_cli.settings import Settings
from scorrnet_cli.writers import open_result
from scorrnet_cli.writers.atomic import explained
from scorrnet_cli.writers.hdf5_read import RUN as RUN
from scorrnet_cli.writers.own import is_ours

VIEW = "so_far.h5"
FIGURES = "figures.jsonl"
COMPLETE = "complete"


def parts_folder(output: Path) -> Path:
    """Return the folder for the parts of a result."""
    return output.with_name(output.name + PARTS)


def is_unfinished(output: Path) -> bool:
    """Tell whether a run that made this result was stopped before its end."""
    return is_run(parts_folder(output))


def is_run(folder: Path) -> bool:
    """Tell whether a folder holds the frames of a run that has not ended."""
    return (folder / RUN).exists()


def was_completing(output: Path) -> bool:
    """Tell whether a run was stopped while it put its result in place."""
    return (parts_folder(output) / COMPLETE).exists()


def files_read(images: Iterable[Path | None], settings: Settings) -> set[Path]:
    """Return the files that a measurement reads, links followed: images, mask and weights."""
    return {path.resolve() for path in (*images, *settings.files.values()) if path}


def check_spared(read: Collection[Path], made: Iterable[Path | None]) -> None:
    """Raise OutputError if one of the files to be made would take the place of one of `files_read`."""
    for path in made:
        if path and path.resolve() in read:
            what = "The result would replace an image, the mask or weights"
            raise OutputError(what, str(path), "Give another name with -o")


def remove(path: Path) -> None:
    """Remove a file or a folder and all that is in it, the description of a run first."""
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    with explained(path):
        (path / RUN).unlink(missing_ok=True)
        shutil.rmtree(path)


def set_aside(folder: Path) -> Path:
    """Give a folder, if it is there, a hidden name, and return that; what had it is removed."""
    aside = folder.with_name(f".scorrnet-old-{folder.name}")
    remove(aside)
    if folder.is_dir():
        folder.rename(aside)
    return aside


def check_own(folder: Path, frame: str = r"\d+\.h5") -> None:
    """Raise OutputError if there is anything in a folder that no run has put there, which would be removed with it.

    Parameters
    ----------
    folder : Path
        It need not exist.
    frame : str
        Regular expression of the names of its frames.
    """
    known = "|".join(map(re.escape, (RUN, VIEW, FIGURES, COMPLETE)))
    own = re.compile(rf"{frame}|whole.*|\.scorrnet-.*|{known}")
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    if foreign := [name for name in names if not own.fullmatch(name)]:
        raise OutputError(
            "The folder for what is measured is in use for something else",
            str(folder / foreign[0]),
            "Choose another name with -o",
        )


def frames_folder(output: Path) -> Path:
    """Return the folder for one file a frame that stands for the result `output`."""
    return beside(output, FRAMES)


def shards_folder(output: Path) -> Path:
    """Return the folder for the frames that the result `output` shows as one."""
    return output.with_name(output.name + SHARDS)


def has_result(output: Path, *, split: bool) -> bool:
    """Tell whether the result is in its place, and not something else of that name."""
    if split:
        return frames_folder(output).is_dir()
    if not is_hdf5(output):
        return is_ours(output)
    try:
        with open_result(output):
            return True
    except UsageError:
        return False
