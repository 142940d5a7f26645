"""Files that appear under their name only when they are whole, and why a file cannot be written."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from scorrnet_cli.errors import OutputError


def check_target(path: Path, overwrite: bool) -> None:
    """Raise OutputError if no file can be put at `path`; tried out, as permissions do not tell all.

    Parameters
    ----------
    path : Path
        The final name of a file to write.
    overwrite : bool
        Whether a file of that name may be replaced.
    """
    with explained(path):
        if path.is_dir():
            raise OutputError("This is a folder", str(path), "Give the name of a file")
        if not overwrite and os.path.lexists(path):
            raise OutputError("The result exists already", str(path), "Give --overwrite or another name")
        _create_part(behind_link(path)).unlink()
        if path.exists() and not os.access(path, os.W_OK):
            raise OutputError("The file is write-protected", str(path), "Change its permissions or give another name")


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a hidden name beside `path` to write to, and rename it to `path` when the block ends well.

    When the block raises, Ctrl-C included, the hidden file is removed and `path` is as it was. A file that is replaced
    hands on its permissions, and if `path` is a link, the file that it leads to is the one replaced.

    Yields
    ------
    Path
        An empty file in the folder of `path`, or of the file that the link `path` leads to.

    Raises
    ------
    OutputError
        If the file cannot be made, brought to the disk or renamed.
    """
    with explained(path):
        target = behind_link(path)
        part = _create_part(target)
    try:
        with explained(path):
            keep_mode(part, target)
        yield part
        with explained(path):
            with part.open("r+b") as file:
                os.fsync(file.fileno())  # where full network disks and quotas are first heard of
            part.replace(target)
            bring_to_disk(target.parent)  # what it was made of may be removed now
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def bring_to_disk(folder: Path) -> None:
    """Make sure that names given in a folder last through a power cut, where the system can be told to."""
    with suppress(PermissionError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        except OSError as error:
            if error.errno not in _NO_SYNC:
                raise
        finally:
            os.close(handle)


def behind_link(path: Path) -> Path:
    """Return the file that a link leads to, whether it exists or not; `path` itself if it is no link."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def keep_mode(new: Path, old: Path) -> None:
    """Give a file the permissions of the one that it will replace, if there is any."""
    if old.exists() and old.stat().st_mode != new.stat().st_mode:  # a disk without permissions refuses even the same
        new.chmod(stat.S_IMODE(old.stat().st_mode))


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an OSError of the block into an OutputError; name `path` also in one that names no file."""
    try:
        yield
    except OutputError as error:
        if not error.where:
            raise OutputError(error.what, str(path), error.todo) from error
        raise
    except OSError as error:
        what, todo = _REASONS.get(error.errno or 0, (f"The result cannot be written: {error}", ""))
        if error.errno == errno.ENOENT and path.parent.is_dir():
            what, todo = _NOT_WRITABLE
        raise OutputError(what, str(path), todo) from error


def _create_part(path: Path) -> Path:
    """Create an empty hidden file beside `path`, with the permissions of any new file."""
    part = path.with_name(f".scorrnet-{secrets.token_hex(8)}.part")
    part.open("xb").close()
    return part


_NO_SYNC = (errno.EINVAL, errno.EBADF, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)  # shared folders, of folders
_NOT_WRITABLE = ("The folder is not writable", "Choose another folder or change its permissions")
_FULL = ("The disk is full", "Free some space or choose another disk")
_REASONS = {
    errno.EEXIST: ("Another has made something of this name at this moment", "Try again"),
    errno.ENOENT: ("The folder does not exist", "Create it first"),
    errno.ENOTDIR: ("The folder is a file", "Choose another folder"),
    errno.EACCES: _NOT_WRITABLE,
    errno.EPERM: _NOT_WRITABLE,
    errno.EROFS: ("The file system is read-only", "Choose another folder"),
    errno.ENOSPC: _FULL,
    errno.EDQUOT: ("The disk quota is used up", "Free some space or choose another disk"),
    errno.EFBIG: ("The file is larger than the file system allows", "Choose another disk"),
    errno.ENAMETOOLONG: ("The file name is too long", "Choose a shorter name"),
}
