"""What the name of a result says of its format, and the names of what lies beside it."""

from __future__ import annotations

from pathlib import Path

PARTS, FRAMES, SHARDS = ".parts", ".frames", ".shards"
"""Ends of the names of folders: of a run that has not ended, with a file a frame, and with what workers wrote."""
PICTURE, PROBABILITY = ".png", ".probability.png"


def suffix_of(output: Path) -> str:
    """Return the suffix that picks the format, both parts of ``.ome.tif``."""
    ome = output.stem[-4:] if output.stem.lower().endswith(".ome") else ""
    return ome + output.suffix


def is_hdf5(path: Path) -> bool:
    """Tell whether the suffix of a result picks HDF5."""
    return path.suffix.lower() in (".h5", ".hdf5")


def beside(output: Path, end: str) -> Path:
    """Return what is called as a result is, but for its suffix, in the place of which it has another end."""
    return output.with_name(output.name.removesuffix(suffix_of(output)) + end)
