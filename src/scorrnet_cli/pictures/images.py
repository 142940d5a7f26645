"""The images that belong to a result: found by name, known by hash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scorrnet_cli.errors import FrameError, UsageError
from scorrnet_cli.field import FloatArray, FrameInfo
from scorrnet_cli.frames import read_frame, sha256


@dataclass
class Images:
    """Folders in which the images of a result are looked for.

    Attributes
    ----------
    folders : sequence of Path
        Searched one after the other.
    shape : tuple of int
        (H, W) of the result.
    missing : dict of str to str
        Name of each image that was asked for and cannot be shown, and why.
    """

    folders: Sequence[Path]
    shape: tuple[int, int]
    missing: dict[str, str] = field(default_factory=dict)
    _hashes: dict[Path, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, result: str, shape: tuple[int, int], folder: Path | None) -> Images:
        """Look in the folder that the user names; else beside the result, then in the current folder.

        Parameters
        ----------
        result : str
            Path of the result.
        shape : pair of int
            (H, W) of its images.
        folder : Path or None
            What the user names.

        Raises
        ------
        UsageError
            If there is no such folder.
        """
        if folder is not None and not folder.is_dir():
            raise UsageError("There is no such folder of images", str(folder), "Check --images")
        return cls([folder] if folder else [Path(result).parent, Path()], shape)

    @property
    def complaint(self) -> str:
        """Which images could not be shown, the first by name, of the others how many; empty if none."""
        if not self.missing:
            return ""
        name, why = next(iter(self.missing.items()))
        more = f" (and {len(self.missing) - 1} more)" if len(self.missing) > 1 else ""
        return f"drawn without the image {name}{more}: {why}; --images FOLDER says where the images are"

    def grey(self, info: FrameInfo) -> FloatArray | None:
        """Read an image, (H, W) float32 grey levels; None, and a line in `missing`, if it is not that of the result."""
        try:
            path, page = self._place(info)
            if path is None:
                self.missing[info.name] = "it was not found"
                return None
            if self._hash(path) != info.sha256:
                self.missing[info.name] = f"{path} has changed since (another sha256)"
                return None
            grey = read_frame(path, page).grey
        except (FrameError, UsageError, OSError) as error:
            self.missing[info.name] = f"it cannot be read: {error}"
            return None
        if grey.shape != self.shape:
            self.missing[info.name] = f"{path} is of another size"
            return None
        return grey

    def _place(self, info: FrameInfo) -> tuple[Path | None, int]:
        """Return the file of an image, None if there is none of its name, and which image of the file it is."""
        if path := self._path(info.name, info.sha256):
            return path, 0
        name, page = info.place
        return self._path(name, info.sha256), page

    def _path(self, name: str, digest: str) -> Path | None:
        """Return the file of this name and hash; if none has this hash, the first of this name, if there is one."""
        paths = [path for folder in self.folders if name and (path := folder / name).is_file()]
        return next((path for path in paths if self._hash(path) == digest), paths[0] if paths else None)

    def _hash(self, path: Path) -> str:
        if path not in self._hashes:
            self._hashes[path] = sha256(path)
        return self._hashes[path]
