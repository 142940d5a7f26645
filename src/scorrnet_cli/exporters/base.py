"""What every format is given, and how files come to lie where they belong."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scorrnet_cli.errors import OutputError, UsageError
from scorrnet_cli.field import FloatArray
from scorrnet_cli.layers import LENGTHS, LayeredResult, Layers
from scorrnet_cli.units import steps_in_time
from scorrnet_cli.writers.atomic import check_target, explained, written_whole
from scorrnet_cli.writers.own import check_spares


@dataclass(frozen=True)
class Grid:
    """A result thinned out: the points and frames that are exported.

    Attributes
    ----------
    result : LayeredResult
        The result and its frames.
    step : int
        Every how many pixels a point is taken, along both axes.
    """

    result: LayeredResult
    step: int = 1

    def __post_init__(self) -> None:
        if self.step < 1:
            raise UsageError("The step must be at least 1 px", f"--step {self.step}")

    @property
    def x(self) -> NDArray[np.int64]:
        """Columns (w) of the points, px."""
        return np.arange(0, self.result.shape[1], self.step)

    @property
    def y(self) -> NDArray[np.int64]:
        """Rows (h) of the points, px, downward."""
        return np.arange(0, self.result.shape[0], self.step)

    @property
    def spacing(self) -> float:
        """Distance of neighbouring points, in the unit of the result."""
        return self.step * self.result.factor

    def frame(self, index: int, *, strain: bool = True) -> Layers:
        """Read a frame: arrays (h, w), lengths in the unit of the result; without strain if not wanted."""
        layers = self.result.layers(index, strain=strain)
        thin = (slice(None, None, self.step),) * 2
        factor = np.float32(self.result.factor)
        arrays: dict[str, FloatArray] = {}
        for name, values in layers.arrays.items():
            arrays[name] = values[thin] * factor if name in LENGTHS else values[thin]
        return replace(layers, arrays=arrays, valid=layers.valid[thin], mask=layers.mask[thin])

    def frames(self) -> Iterator[Layers]:
        """Read one frame after the other."""
        return (self.frame(index) for index in self.result.frames)

    def time(self, index: int) -> float:
        """Time of a frame, s, or of one without it what fits those of the others; its number if no frame has one."""
        return float(self._times[index])

    @cached_property
    def _times(self) -> NDArray[np.float64]:
        return steps_in_time(self.result.times_s or [math.nan] * self.result.stored.shape[0])


WriteFrame = Callable[[Path, Grid, Layers], None]
WriteAll = Callable[[Path, Grid, Callable[[], None]], None]


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes
    ----------
    words : str
        What it is, for people.
    suffix : str
        Of its files.
    write_frame : callable, optional
        Writes one frame, given an empty file, the grid, and the frame as `Grid.frame` gives it: arrays (h, w), lengths
        in the unit of the result. For formats with a file a frame.
    write_all : callable, optional
        Writes all frames, given an empty file, the grid, and a function to call after each. For formats of one file.
    write_index : callable, optional
        Writes a file that names the files of all frames, given an empty file, the grid, and their names.
    index_suffix : str
        Of that file.
    has_strain : bool
        Whether strain is written.
    in_px : bool
        Whether lengths are in px even if the result has a scale.
    one_reference : bool
        Whether its readers take all displacements for those from the first image, so that increments are refused.
    """

    words: str
    suffix: str
    write_frame: WriteFrame | None = None
    write_all: WriteAll | None = None
    write_index: Callable[[Path, Grid, Sequence[str]], None] | None = None
    index_suffix: str = ""
    has_strain: bool = True
    in_px: bool = False
    one_reference: bool = False

    @property
    def is_folder(self) -> bool:
        """Whether it writes a folder of files."""
        return self.write_frame is not None


def targets(kind: Format, grid: Grid, output: Path) -> list[Path]:
    """Return the files that an export writes: `output`, or a file a frame in the folder `output` and their index."""
    if not kind.is_folder:
        return [output]
    digits = max(4, len(str(grid.result.stored.shape[0] - 1)))
    infos = grid.result.stored.deformed
    files = [output / f"{index:0{digits}d}_{infos[index].stem}{kind.suffix}" for index in grid.result.frames]
    return files + ([output / f"{output.resolve().name}{kind.index_suffix}"] if kind.write_index else [])


def export(kind: Format, grid: Grid, output: Path, *, overwrite: bool, after_frame: Callable[[], None]) -> list[Path]:
    """Write a result in another format; each file appears whole or not at all.

    Parameters
    ----------
    kind : Format
    grid : Grid
        What is written.
    output : Path
        A file, or a folder, which is made, if the format has a file a frame.
    overwrite : bool
        Whether files of the same names may be replaced.
    after_frame : callable
        Called after each frame.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    OutputError
        If a file exists and may not be replaced, cannot be written, or cannot hold so much.
    UsageError
        If the displacements are from frame to frame, and the format knows one reference only.
    """
    if kind.one_reference and grid.result.stored.is_incremental:
        what = "The displacements are from frame to frame, and programs that read this format take them for the total"
        raise UsageError(what, str(grid.result.stored.path), "Measure to one reference, or export to npz, mat or gom")
    files = targets(kind, grid, output)
    if kind.is_folder:
        if output.exists() and not output.is_dir():
            raise OutputError("This is a file, and the format needs a folder", str(output), "Give another name with -o")
        with explained(output):
            output.mkdir(exist_ok=True)
    for path in files:
        check_spares(path, grid.result.stored)
        check_target(path, overwrite)
    if kind.write_all:
        with written_whole(output) as part, explained(output):
            kind.write_all(part, grid, after_frame)
    if kind.write_frame:
        for index, path in zip(grid.result.frames, files, strict=False):
            with written_whole(path) as part, explained(path):
                kind.write_frame(part, grid, grid.frame(index, strain=kind.has_strain))
            after_frame()
    if kind.write_index:
        with written_whole(files[-1]) as part, explained(files[-1]):
            kind.write_index(part, grid, [path.name for path in files[:-1]])
    return files
