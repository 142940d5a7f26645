"""The result of a batch, put together of the frames that were kept: one file, or one file a frame."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from scorrnet_cli.batch.parts import Parts, remove
from scorrnet_cli.errors import OutputError
from scorrnet_cli.figures import FrameSummary
from scorrnet_cli.writers import Header, check_fits, check_output, explained, open_writer


def frames_folder(output: Path) -> Path:
    """Return the folder for one file a frame that stands for the result `output`."""
    return output.with_name(f"{_stem(output)}.frames")


def check_place(output: Path, *, split: bool, overwrite: bool) -> None:
    """Make sure, before anything is measured, that the result can be put in its place.

    Raises
    ------
    OutputError
        As `check_output` does.
    """
    check_output(output, overwrite or split)
    folder = frames_folder(output)
    if split and os.path.lexists(folder) and not (overwrite and folder.is_dir()):
        raise OutputError("The folder of frames exists already", str(folder), "Give --overwrite or another name")


def check_size(output: Path, header: Header, *, split: bool) -> None:
    """Raise OutputError if the format of the result cannot hold so many frames."""
    check_fits(output, replace(header, n_frames=1) if split else header)


def complete(parts: Parts, output: Path, summaries: Sequence[FrameSummary], *, split: bool) -> Path:
    """Put the result together and in its place; what lay there is replaced only then.

    Parameters
    ----------
    parts : Parts
        All frames; nothing of it is removed.
    output : Path
        The result; its suffix picks the format.
    summaries : sequence of FrameSummary
        Of every frame, in order.
    split : bool
        Write one file a frame, into a folder.

    Returns
    -------
    Path
        The file or the folder.

    Raises
    ------
    OutputError
        If the disk is full or the place cannot be written; the parts are as they were.
    """
    if split:
        target, made = frames_folder(output), _split(parts, output, summaries)
    else:
        target, made = output, _join(parts, output, len(summaries))
    parts.begin_completion()
    with explained(target):
        if target.is_dir():
            remove(target)
        made.replace(target)
    return target


def _join(parts: Parts, output: Path, count: int) -> Path:
    """Write all frames to one file among the parts."""
    made = parts.folder / f"whole{_suffix(output)}"
    with open_writer(made, parts.header(count), overwrite=True) as writer:
        for index in range(count):
            writer.take(parts.shard(index))
    return made


def _split(parts: Parts, output: Path, summaries: Sequence[FrameSummary]) -> Path:
    """Write each frame to a file of its own, in a folder among the parts."""
    made = parts.folder / "whole"
    suffix = _suffix(output)
    remove(made)
    with explained(made):
        made.mkdir()
    for index, summary in enumerate(summaries):
        plain = re.sub(r"[^\w.-]+", "_", Path(summary.image.name).stem).strip("_")
        path = made / f"{index:06d}_{plain}{suffix}"
        if suffix.lower() in (".h5", ".hdf5"):
            with explained(path):
                _duplicate(parts.shard(index), path)
        else:
            with open_writer(path, parts.header(1)) as writer:
                writer.take(parts.shard(index))
    return made


def _duplicate(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the file system has no such thing."""
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)


def _stem(output: Path) -> str:
    return output.name.removesuffix(_suffix(output))


def _suffix(output: Path) -> str:
    """Return the suffix that picks the format, both parts of ``.ome.tif``."""
    ome = output.stem[-4:] if output.stem.lower().endswith(".ome") else ""
    return ome + output.suffix
