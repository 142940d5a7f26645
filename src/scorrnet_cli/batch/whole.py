"""The result of a batch, put together of the frames that were kept: one file, or one file a frame."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from scorrnet_cli.batch.parts import Parts
from scorrnet_cli.batch.places import (
    check_own,
    frames_folder,
    is_run,
    remove,
    set_aside,
    shards_folder,
)
from scorrnet_cli.errors import OutputError, UsageError
from scorrnet_cli.figures import FrameSummary
from scorrnet_cli.naming import is_hdf5, suffix_of
from scorrnet_cli.writers import (
    SUFFIXES,
    Header,
    check_fits,
    check_output,
    open_writer,
    read_view,
    write_view,
)
from scorrnet_cli.writers.atomic import behind_link, bring_to_disk, explained, keep_mode, written_whole

_FRAME_FILES = rf"\d{{6,}}_.*({'|'.join(map(re.escape, SUFFIXES))})"


def check_place(output: Path, *, split: bool, overwrite: bool) -> None:
    """Make sure, before anything is measured, that the result can be put in its place.

    Parameters
    ----------
    output : Path
        The result; its suffix picks the format.
    split : bool
        Whether it becomes one file a frame, in a folder.
    overwrite : bool
        Whether an earlier result may be replaced.

    Raises
    ------
    OutputError
        As `check_output` does, or if a folder that the result needs is there and may not be replaced.
    """
    check_output(output, overwrite or split)
    frames, shards = frames_folder(output), shards_folder(output)
    if split and os.path.lexists(frames) and not (overwrite and frames.is_dir()):
        raise OutputError("The folder of frames exists already", str(frames), "Give --overwrite or another name")
    if os.path.lexists(shards) and not overwrite:
        raise OutputError("The folder of shards exists already", str(shards), "Give --overwrite or another name")
    _check_own(output, split=split)


def frame_files(output: Path) -> list[Path]:
    """Return the files, one a frame and in order, of a result that was split."""
    return sorted(path for path in frames_folder(output).iterdir() if re.fullmatch(_FRAME_FILES, path.name))


def check_size(output: Path, header: Header, *, split: bool) -> None:
    """Make sure that the format of the result can hold so many frames.

    Parameters
    ----------
    output : Path
        The result; its suffix picks the format.
    header : Header
        Of all frames.
    split : bool
        Whether each frame gets a file of its own.

    Raises
    ------
    OutputError
        If it cannot.
    """
    check_fits(output, replace(header, n_frames=1) if split else header)


def complete(
    parts: Parts, output: Path, summaries: Sequence[FrameSummary], *, split: bool, shards: bool = False
) -> Path:
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
    shards : bool
        Of an HDF5 result: leave the frames where they are, in a folder that is renamed, and show them as one.

    Returns
    -------
    Path
        The file or the folder.

    Raises
    ------
    OutputError
        If the disk is full or the place cannot be written; the parts are as they were.
    """
    if shards and not split and is_hdf5(output):
        return _link(parts, output, [summary.image.at_s for summary in summaries])
    if split:
        target, made = frames_folder(output), _split(parts, output, summaries)
    else:
        target, made = output, _join(parts, output, len(summaries))
    _check_own(output, split=split)  # again, for the measurement took its time
    parts.begin_completion()
    with explained(target):
        if target.is_dir():
            remove(target)
        keep_mode(made, target)
        made.replace(target)
        bring_to_disk(target.parent)  # what it was made of may be removed now
        if not split:
            remove(shards_folder(output))  # of a result that has been replaced
    return target


def _check_own(output: Path, *, split: bool) -> None:
    """Raise OutputError if there is anything in the folders beside the result that would be lost with them."""
    if split:
        check_own(frames_folder(output), _FRAME_FILES)
    check_own(shards_folder(output))


def _link(parts: Parts, output: Path, times: Sequence[float | None]) -> Path:
    """Write a result that shows the frames as one, and give their folder a name that lasts."""
    folder = shards_folder(output)
    names = [f"{folder.name}/{parts.shard(index).name}" for index in range(len(times))]
    parts.begin_completion()
    with explained(folder):
        old = set_aside(folder)
    try:
        with written_whole(output) as part, explained(output):
            write_view(part, parts.header(len(names)), names, times)
    except BaseException:
        if old.is_dir():
            old.rename(folder)
        raise
    with explained(folder):
        parts.rename(folder)
        parts.strip()
    remove(old)
    return output


def shards_of(output: Path) -> tuple[Header, list[Path]]:
    """Return what a result shows as one, and the files that hold it; for errors see `merge`."""
    if is_run(behind_link(output).parent):
        what = "This shows the frames of a run that has not ended, which it needs itself"
        raise UsageError(what, str(output), "Let it end, with scorrnet batch --resume if it was stopped")
    header, names = read_view(output)
    shards = [behind_link(output).parent / name for name in names]
    if missing := [path for path in shards if not path.exists()]:
        what = f"{len(missing)} of {len(shards)} shards are missing"
        raise OutputError(what, str(missing[0]), "Put them back where they were written")
    return header, shards


def merge(output: Path) -> int:
    """Make a result that shows its shards a solid one, and remove them.

    Returns
    -------
    int
        Number of frames.

    Raises
    ------
    UsageError
        If `output` is no result, one that is solid already, or what a run shows of its frames so far.
    OutputError
        If a shard is missing, or the disk is full; then all is as it was.
    """
    header, shards = shards_of(output)
    with open_writer(output, header, overwrite=True) as writer:
        for path in shards:
            writer.take(path)
    for path in shards:
        with explained(path):
            path.unlink()
    for folder in {path.parent for path in shards}:  # if `output` was renamed, another than `shards_folder` says
        with explained(folder):
            if not any(folder.iterdir()):
                folder.rmdir()
    return len(shards)


def _join(parts: Parts, output: Path, count: int) -> Path:
    """Write all frames to one file among the parts."""
    made = parts.folder / f"whole{suffix_of(output)}"
    with open_writer(made, parts.header(count), overwrite=True) as writer:
        for index in range(count):
            writer.take(parts.shard(index))
    return made


def _split(parts: Parts, output: Path, summaries: Sequence[FrameSummary]) -> Path:
    """Write each frame to a file of its own, in a folder among the parts."""
    made = parts.folder / "whole"
    suffix = suffix_of(output)
    remove(made)
    with explained(made):
        made.mkdir()
    try:
        for index, summary in enumerate(summaries):
            path = made / f"{index:06d}_{summary.image.stem}{suffix}"
            if is_hdf5(output):
                with explained(path):
                    _duplicate(parts.shard(index), path)
            else:
                with open_writer(path, parts.header(1)) as writer:
                    writer.take(parts.shard(index))
    except BaseException:
        remove(made)  # on a full disk, above all
        raise
    return made


def _duplicate(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the file system has no such thing."""
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)
