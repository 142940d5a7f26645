"""What holds for every format: results appear whole or not at all, and every reason against is told."""

from __future__ import annotations

import errno
import os
import resource
import signal
import stat
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from scorrnet_cli.errors import OutputError
from scorrnet_cli.field import Field
from scorrnet_cli.writers import SUFFIXES, Header, check_output, open_writer, read_hdf5
from scorrnet_cli.writers.atomic import written_whole
from scorrnet_cli.writers.hdf5_file import CalmFile
from scorrnet_cli.writers.own import is_ours
from scorrnet_cli.writers.probability import write_probability

MakeField = Callable[[int, int, int], Field]
every_format = pytest.mark.parametrize("suffix", SUFFIXES)


def header_of(field: Field) -> Header:
    return Header(field.shape[1:], field.shape[0], field.reference, field.process)


def write(path: Path, field: Field, overwrite: bool = False) -> None:
    with open_writer(path, header_of(field), overwrite) as writer:
        writer.append(field)


@every_format
def test_only_the_result_is_left(tmp_path: Path, make_field: MakeField, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    with open_writer(path, header_of(make_field(2, 40, 50))) as writer:
        assert not path.exists()
        assert [entry.name[0] for entry in tmp_path.iterdir()] == ["."]
        writer.append(make_field(2, 40, 50))
        assert writer.complete
        assert not path.exists()
    assert list(tmp_path.iterdir()) == [path]
    plain = tmp_path / "plain"
    plain.touch()
    assert path.stat().st_mode == plain.stat().st_mode


@every_format
@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, OutputError("made up")])
def test_interrupted_writing_leaves_nothing(
    tmp_path: Path, make_field: MakeField, suffix: str, error: BaseException
) -> None:
    with (
        pytest.raises((KeyboardInterrupt, ValueError, OutputError)),
        open_writer(tmp_path / f"a{suffix}", header_of(make_field(2, 40, 50))) as writer,
    ):
        writer.append(make_field(1, 40, 50))
        raise error
    assert list(tmp_path.iterdir()) == []


@every_format
def test_interrupted_overwriting_leaves_the_old_result(tmp_path: Path, make_field: MakeField, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), open_writer(path, header_of(make_field(2, 40, 50)), True):
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    write(path, make_field(2, 40, 50), overwrite=True)
    assert path.stat().st_size > 1000


@every_format
def test_too_few_too_many_and_other_frames_are_bugs(tmp_path: Path, make_field: MakeField, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    header = header_of(make_field(2, 40, 50))
    with pytest.raises(RuntimeError, match="fewer frames than the 2"), open_writer(path, header) as writer:
        writer.append(make_field(1, 40, 50))
    with pytest.raises(ValueError, match="more frames than the 2"), open_writer(path, header) as writer:
        writer.append(make_field(3, 40, 50))
    with pytest.raises(ValueError, match=r"\(50, 40\), not \(40, 50\)"), open_writer(path, header) as writer:
        writer.append(make_field(1, 50, 40))
    assert list(tmp_path.iterdir()) == []


# -- reasons told before anything is measured --------------------------------------------------------------------


def refused(path: Path, overwrite: bool = False) -> str:
    """Return what `check_output` and `open_writer` say, which is the same and leaves nothing."""
    before = sorted(path.parent.iterdir()) if path.parent.is_dir() else []
    with pytest.raises(OutputError) as caught:
        check_output(path, overwrite)
    assert caught.value.exit_code == 7
    assert str(path) in str(caught.value)
    assert (sorted(path.parent.iterdir()) if path.parent.is_dir() else []) == before
    return str(caught.value)


@every_format
def test_writable_results_pass_the_check_and_nothing_is_left(tmp_path: Path, suffix: str) -> None:
    check_output(tmp_path / f"a{suffix}")
    check_output(tmp_path / f"A{suffix.upper()}")
    assert list(tmp_path.iterdir()) == []


def test_existing_results_are_refused_without_overwrite(tmp_path: Path, make_field: MakeField) -> None:
    path = tmp_path / "a.h5"
    path.write_text("old")
    assert "exists already" in refused(path)
    assert "--overwrite" in refused(path)
    check_output(path, overwrite=True)
    assert path.read_text() == "old"
    with pytest.raises(OutputError, match="exists already"):
        write(path, make_field(1, 40, 50))
    (tmp_path / "link.h5").symlink_to("nowhere")
    assert "exists already" in refused(tmp_path / "link.h5")


@every_format
def test_a_file_that_is_replaced_hands_on_its_permissions(tmp_path: Path, make_field: MakeField, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.touch()
    for mode in (0o600, 0o666):
        path.chmod(mode)
        with open_writer(path, header_of(make_field(1, 40, 50)), overwrite=True) as writer:
            assert {entry.stat().st_mode & 0o777 for entry in tmp_path.iterdir()} == {mode}  # from the beginning
            writer.append(make_field(1, 40, 50))
        assert path.stat().st_mode & 0o777 == mode


def test_a_link_is_followed(tmp_path: Path, make_field: MakeField) -> None:
    (tmp_path / "disk").mkdir()
    link, real = tmp_path / "a.h5", tmp_path / "disk" / "b.h5"
    link.symlink_to("disk/b.h5")
    for _ in range(2):  # at first it leads nowhere
        with open_writer(link, header_of(make_field(1, 40, 50)), overwrite=True) as writer:
            assert len(list(real.parent.glob(".scorrnet-*"))) == 1  # renaming does not go from disk to disk
            writer.append(make_field(1, 40, 50))
    assert link.is_symlink()
    assert real.stat().st_size > 1000
    assert sorted(tmp_path.rglob("*")) == [link, real.parent, real]


def test_write_protected_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.h5").touch(mode=0o444)
    (tmp_path / "link.h5").symlink_to("a.h5")
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)  # which root is always granted
    for name in ("a.h5", "link.h5"):
        assert "write-protected" in refused(tmp_path / name, overwrite=True)
    check_output(tmp_path / "new.h5")


def test_folders_are_refused_even_with_overwrite(tmp_path: Path) -> None:
    (tmp_path / "a.h5").mkdir()
    assert "is a folder" in refused(tmp_path / "a.h5", overwrite=True)


def test_unknown_suffixes_are_refused_with_the_known_ones(tmp_path: Path) -> None:
    for name in ("a.png", "a", "a.h5.bak"):
        message = refused(tmp_path / name)
        assert all(suffix in message for suffix in SUFFIXES)


def test_missing_folders_are_refused(tmp_path: Path) -> None:
    assert "does not exist" in refused(tmp_path / "missing" / "a.h5")
    if Path("/proc").is_dir():  # which says that it does not exist, even to root
        assert "not writable" in refused(Path("/proc/a.h5"))
    (tmp_path / "file").touch()
    assert "is a file" in refused(tmp_path / "file" / "a.h5")
    assert "too long" in refused(tmp_path / ("a" * 300 + ".h5"))


def test_folders_without_permission_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    if os.access(folder, os.W_OK):
        pytest.skip("root may write everywhere")
    assert "not writable" in refused(folder / "a.h5")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "The folder is not writable"),
        (errno.EPERM, "The folder is not writable"),
        (errno.EROFS, "The file system is read-only"),
        (errno.ENOSPC, "The disk is full"),
        (errno.EDQUOT, "The disk quota is used up"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_whatever_forbids_to_create_a_file_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    def deny(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "open", deny)
    assert words in refused(tmp_path / "a.h5")


def test_read_only_disks_are_refused(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    assert "read-only" in refused(small_disk / "a.h5")


# -- what is known as the program's own --------------------------------------------------------------------------


@pytest.mark.parametrize("frames", [1, 200])
@pytest.mark.parametrize(("suffix", "limit"), [(".tif", 10**9), (".ome.tif", 10**9), (".ome.tif", 0)])
def test_own_results_are_known(
    tmp_path: Path, make_field: MakeField, monkeypatch: pytest.MonkeyPatch, suffix: str, limit: int, frames: int
) -> None:
    monkeypatch.setattr("scorrnet_cli.writers.tiff._CLASSIC_LIMIT_BYTES", limit)  # beyond, it is a BigTIFF
    write(tmp_path / f"a{suffix}", make_field(frames, 32, 32))
    assert is_ours(tmp_path / f"a{suffix}")


def test_own_pictures_are_known(tmp_path: Path) -> None:
    levels = np.zeros((40, 50), np.uint8)
    write_probability(tmp_path / "a.png", levels)
    assert is_ours(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        assert np.array_equal(np.asarray(picture), levels)


def test_what_others_wrote_is_not_taken_for_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    levels = np.zeros((40, 50), np.uint8)
    tifffile.imwrite(tmp_path / "named.tif", levels, description="for scorrnet 1", software="a camera")
    tifffile.imwrite(tmp_path / "camera.tif", levels, software="a camera")
    (tmp_path / "text.png").write_text("scorrnet 1")
    (tmp_path / "folder.tif").mkdir()
    opened = []
    tiff_file = tifffile.TiffFile

    def look(path: Path) -> tifffile.TiffFile:
        opened.append(path.name)
        return tiff_file(path)

    monkeypatch.setattr(tifffile, "TiffFile", look)
    for name in ("named.tif", "camera.tif", "text.png", "folder.tif", "missing.tif"):
        assert not is_ours(tmp_path / name)
    assert opened == ["named.tif", "text.png"]  # of the others a short read has told


# -- reasons that turn up while writing --------------------------------------------------------------------------


@every_format
def test_full_disks_are_told_and_leave_nothing(small_disk: Path, make_field: MakeField, suffix: str) -> None:
    field = make_field(4, 120, 150)
    path = small_disk / f"a{suffix}"
    with (
        pytest.raises(OutputError, match=r"The disk is full .*Free some space") as caught,
        open_writer(path, header_of(field)) as writer,
    ):
        for index in range(4):
            writer.append(slice_of(field, index))
    assert str(path) in str(caught.value)
    assert list(small_disk.iterdir()) == []
    write(path, make_field(1, 40, 50))
    assert path.stat().st_size > 1000


@every_format
def test_every_size_limit_is_told_and_survived(tmp_path: Path, make_field: MakeField, suffix: str) -> None:
    field = make_field(3, 33, 40)
    path = tmp_path / f"a{suffix}"
    write(path, field)
    size = path.stat().st_size
    path.unlink()
    for limit in range(0, size - 1, max(1, size // 60)):
        with file_size_limit(limit), pytest.raises(OutputError, match="larger than the file system allows"):
            write(path, field)
        assert list(tmp_path.iterdir()) == []
    write(path, field)
    assert path.stat().st_size == size


@contextmanager
def file_size_limit(n_bytes: int) -> Iterator[None]:
    """Let every write beyond a size fail, as on a full disk (Python ignores the signal that comes with it)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@every_format
def test_a_disk_that_fills_at_the_very_end_is_told(
    tmp_path: Path, make_field: MakeField, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match="The disk is full"):
        write(tmp_path / f"a{suffix}", make_field(1, 40, 50))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupts_within_hdf5_wait_until_it_has_ended(
    tmp_path: Path, make_field: MakeField, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    seek = CalmFile.seek
    calls = []

    def interrupted_seek(self: CalmFile, offset: int, whence: int = 0, /) -> int:
        calls.append(offset)
        if len(calls) == 3:
            signal.raise_signal(number)
        return seek(self, offset, whence)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    field = make_field(2, 40, 50)
    before = signal.signal(number, stop)
    try:
        with (
            pytest.raises(KeyboardInterrupt),
            open_writer(tmp_path / "a.h5", header_of(field)) as writer,
        ):
            monkeypatch.setattr(CalmFile, "seek", interrupted_seek)
            writer.append(field)
        assert signal.getsignal(number) is stop
    finally:
        signal.signal(number, before)
    assert len(calls) > 3
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    write(tmp_path / "a.h5", field)
    assert read_hdf5(tmp_path / "a.h5").deformed == field.deformed


def test_results_can_be_written_by_another_thread(tmp_path: Path, make_field: MakeField) -> None:
    field = make_field(2, 40, 50)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(write, tmp_path / "a.h5", field).result()
    assert read_hdf5(tmp_path / "a.h5").deformed == field.deformed


def test_errors_of_the_block_are_not_taken_for_errors_of_the_result(tmp_path: Path, make_field: MakeField) -> None:
    with (
        pytest.raises(OSError, match="camera unplugged") as caught,
        open_writer(tmp_path / "a.h5", header_of(make_field(1, 40, 50))),
    ):
        raise OSError(errno.ENOSPC, "camera unplugged")
    assert not isinstance(caught.value, OutputError)


def slice_of(field: Field, index: int) -> Field:
    """Return one frame of a field."""
    names = ("u", "v", "mask", "valid", "zncc", "sigma_u", "sigma_v", "fallback")
    arrays = {name: getattr(field, name)[index : index + 1] for name in names}
    return replace(field, deformed=field.deformed[index : index + 1], **arrays)


def test_a_folder_that_cannot_be_brought_to_the_disk_is_taken_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = os.fsync

    def refuse(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        sync(handle)

    monkeypatch.setattr(os, "fsync", refuse)
    with written_whole(tmp_path / "a.txt") as part:
        part.write_text("whole")
    assert (tmp_path / "a.txt").read_text() == "whole"
