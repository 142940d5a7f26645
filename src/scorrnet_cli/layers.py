"""Everything that a result says of each pixel, frame by frame: displacement, its quality, and strain."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from scorrnet_cli.errors import UsageError
from scorrnet_cli.field import BoolArray, FloatArray, FrameInfo
from scorrnet_cli.gauge import ARRAYS
from scorrnet_cli.snapshots import Snapshot, Snapshots, chosen_frames, last_measured
from scorrnet_cli.writers import StoredResult, open_result

LENGTHS = ("u", "v", "sigma_u", "sigma_v")
"""Layers in px, or in mm when scaled."""
DERIVED = ("e1", "e2", "von_mises")
"""Layers that follow from those of strain; see `Strain`."""
NOISE = ("noise_exx", "noise_eyy", "noise_exy")
"""Layers of the uncertainty of strain by noise alone, for means; see `strain.Doubts`."""
MISSED = ("missed_exx", "missed_eyy", "missed_exy")
"""Layers of what half the gauge finds more, for means; see `strain.Doubts`."""
LAYERS = (*LENGTHS, "zncc", *ARRAYS, *DERIVED)
"""All layers, in the order in which they are listed."""


class Extent(NamedTuple):
    """A rectangle of whole pixels.

    Attributes
    ----------
    left, top : int
        Its first pixel.
    width, height : int
        Its size, px.
    """

    left: int
    top: int
    width: int
    height: int

    def lies_in(self, other: Extent) -> bool:
        """Whether all of it lies in another one."""
        across = other.left <= self.left and self.left + self.width <= other.left + other.width
        return across and other.top <= self.top and self.top + self.height <= other.top + other.height

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns of it."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


@dataclass(frozen=True)
class Layers:
    """What is known of one frame, within a box of the reference image.

    Attributes
    ----------
    index : int
        Number of the frame, counted from 0.
    image : FrameInfo
        The deformed image.
    box : Extent
        Where the arrays lie.
    valid, mask : (h, w) bool
        As in `Field`.
    arrays : dict of str to (h, w) float32
        By the names of `LAYERS`, and for means those of `NOISE` and `MISSED`: px or without unit, NaN where there is
        no value.
    """

    index: int
    image: FrameInfo
    box: Extent
    valid: BoolArray
    mask: BoolArray
    arrays: dict[str, FloatArray]


class LayeredResult:
    """A result of which the layers of one frame at a time are read; made by `open_layers`.

    Attributes
    ----------
    stored : StoredResult
        The result.
    frames : tuple of int
        Numbers of the frames asked for, counted from 0.
    gauge : StrainSettings
        How strain was taken, or is taken now if the file has none.
    """

    def __init__(self, stored: StoredResult, frames: str) -> None:
        self.stored = stored
        self.frames = tuple(chosen_frames(frames, stored.deformed))
        self._snapshots = Snapshots(stored)
        self.gauge = stored.gauge or stored.process.settings.gauge

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the reference image."""
        return self.stored.shape[1:]

    @property
    def last(self) -> int:
        """The last of the frames asked for that was measured."""
        return last_measured(self.frames, self.stored.deformed)

    @property
    def unit(self) -> str:
        """The unit that lengths are given in: mm if the result has a scale, else px."""
        return "mm" if self.stored.calibration else "px"

    @property
    def factor(self) -> float:
        """What px are multiplied by to come to that unit."""
        return self.stored.calibration.mm_per_px if self.stored.calibration else 1.0

    @cached_property
    def times_s(self) -> tuple[float, ...] | None:
        """Time of each frame of the whole result, s, NaN of one without; None if none has one."""
        times = tuple(math.nan if info.at_s is None else info.at_s for info in self.stored.deformed)
        return None if all(map(math.isnan, times)) else times

    @cached_property
    def mask(self) -> BoolArray:
        """The pixels (H, W) that belong to the mask of any frame asked for."""
        return self.stored.mask(self.frames)

    def layers(self, index: int, box: Extent | None = None, *, strain: bool = True, for_means: bool = False) -> Layers:
        """Read the layers of one frame.

        Parameters
        ----------
        index : int
            Which, counted from 0.
        box : Extent, optional
            What is read of it; all if not given.
        strain : bool
            Whether to read the layers of strain.
        for_means : bool
            Whether to read those that only means need, `NOISE` and `MISSED`.

        Raises
        ------
        UsageError
            If the box does not lie within the image.
        """
        whole = Extent(0, 0, self.shape[1], self.shape[0])
        box = box or whole
        if not box.lies_in(whole):
            raise UsageError(f"The box {tuple(box)} does not lie within the image of {whole.width} x {whole.height} px")
        return layers_of(self._snapshots.at(index, strain=strain), box, strain=strain, for_means=for_means)


def layers_of(shown: Snapshot, box: Extent, *, strain: bool, for_means: bool) -> Layers:
    """Take the layers of a frame within a box that lies in the image; see `LayeredResult.layers` for the parameters."""
    field, part = shown.field, box.slices
    arrays = {name: getattr(field, name)[0][part] for name in (*LENGTHS, "zncc")}
    if strain:
        taken = shown.strain_within(*part)
        arrays |= {name: getattr(taken, name)[0] for name in (*ARRAYS, *DERIVED)}
    if for_means:
        noise, missed = shown.doubts_within(*part)
        arrays |= dict(zip((*NOISE, *MISSED), (*noise, *missed), strict=True))
    return Layers(shown.index, field.deformed[0], box, field.valid[0][part], field.mask[0][part], arrays)


@contextmanager
def open_layers(path: Path, frames: str = "all") -> Iterator[LayeredResult]:
    """Open a result to read its layers.

    Parameters
    ----------
    path : Path
        An HDF5 file written by scorrnet.
    frames : str
        Which: ``all``, ``last``, or numbers counted from 0.

    Raises
    ------
    UsageError, OutputError
        As `open_result` does, or if there are no such frames.
    """
    with open_result(path) as stored:
        yield LayeredResult(stored, frames)
