"""Images and folders of images that lie in a folder, in natural order."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Collection
from pathlib import Path

from scorrnet_cli.batch.order import in_natural_order
from scorrnet_cli.errors import FrameError
from scorrnet_cli.images import videos
from scorrnet_cli.naming import FRAMES, PARTS, SHARDS

IMAGE_SUFFIXES = (".tif", ".tiff", ".png", ".bmp", ".jpg", ".jpeg", ".pgm", ".ppm", ".pnm")


def find_images(folder: Path, pattern: str | None = None, leave_out: Collection[Path] = ()) -> list[Path]:
    """Find the images and videos of a folder.

    Parameters
    ----------
    folder : Path
    pattern : str, optional
        Which names to take, such as ``cam0_*.tif``. Without it every name with a suffix of an image or video.
    leave_out : collection of Path
        Files that are no frames: masks, results, pictures. Hidden files are left out as well.

    Returns
    -------
    list of Path
        In natural order, see `in_natural_order`.

    Raises
    ------
    FrameError
        If there is no such folder or it cannot be read.
    """
    try:
        names = [entry.name for entry in os.scandir(folder) if not entry.name.startswith(".") and _is_file(entry)]
    except OSError as error:
        raise FrameError(f"The folder cannot be read: {error.strerror}", str(folder)) from error
    known = IMAGE_SUFFIXES + videos.SUFFIXES
    if pattern is None:
        names = [name for name in names if name.lower().endswith(known)]
    else:
        names = fnmatch.filter(names, pattern)
    without = {path.resolve() for path in leave_out}
    paths = [folder / name for name in in_natural_order(names)]
    return [path for path in paths if path.resolve() not in without] if without else paths


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Whether it is a file, or a link to one that is missing, which counts as an image that cannot be read."""
    return entry.is_file() or (entry.is_symlink() and not Path(entry.path).exists())


def find_folders(root: Path) -> list[Path]:
    """Find `root` and all folders below it, hidden ones and those of results left out, in natural order."""
    found = []
    for folder, names, _ in os.walk(root):
        names[:] = in_natural_order(
            name for name in names if not name.startswith(".") and not name.endswith((PARTS, FRAMES, SHARDS))
        )
        found.append(Path(folder))
    return found
