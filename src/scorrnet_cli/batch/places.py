"""Where a batch puts things: its result and the folders beside it, and how it is told that they are its own."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from scorrnet_cli.errors import OutputError
from scorrnet_cli.writers import explained

RUN = "run.json"
VIEW = "so_far.h5"
FIGURES = "figures.jsonl"
COMPLETE = "complete"
PARTS_SUFFIX = ".parts"


def parts_folder(output: Path) -> Path:
    """Return the folder for the parts of a result."""
    return output.with_name(output.name + PARTS_SUFFIX)


def is_unfinished(output: Path) -> bool:
    """Tell whether a run that made this result was stopped before its end."""
    return is_run(parts_folder(output))


def is_run(folder: Path) -> bool:
    """Tell whether a folder holds the frames of a run that has not ended."""
    return (folder / RUN).exists()


def was_completing(output: Path) -> bool:
    """Tell whether a run was stopped while it put its result in place."""
    return (parts_folder(output) / COMPLETE).exists()


def remove(path: Path) -> None:
    """Remove a file or a folder and all that is in it, the description of a run first."""
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    with explained(path):
        (path / RUN).unlink(missing_ok=True)
        shutil.rmtree(path)


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
    return output.with_name(f"{_stem(output)}.frames")


def shards_folder(output: Path) -> Path:
    """Return the folder for the frames that the result `output` shows as one."""
    return output.with_name(f"{output.name}.shards")


def has_result(output: Path, *, split: bool) -> bool:
    """Tell whether there is anything where the result would be put."""
    return os.path.lexists(frames_folder(output) if split else output)


def _stem(output: Path) -> str:
    return output.name.removesuffix(suffix_of(output))


def suffix_of(output: Path) -> str:
    """Return the suffix that picks the format, both parts of ``.ome.tif``."""
    ome = output.stem[-4:] if output.stem.lower().endswith(".ome") else ""
    return ome + output.suffix
