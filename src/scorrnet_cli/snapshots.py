"""A result read frame by frame, each with its strain, and which of its frames are meant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from scorrnet_cli.errors import UsageError
from scorrnet_cli.field import Field, FrameInfo
from scorrnet_cli.gauge import ARRAYS, Strain, StrainSettings
from scorrnet_cli.writers import StoredResult

if TYPE_CHECKING:
    from scorrnet_cli.strain import Doubts, Whole

_KEPT = 2  # frames in memory


@dataclass(frozen=True)
class Snapshot:
    """One frame of a result.

    Attributes
    ----------
    index : int
        Which, counted from 0.
    field : Field
        T = 1.
    """

    index: int
    field: Field

    @property
    def name(self) -> str:
        """Name of the deformed image."""
        return self.field.deformed[0].name

    @cached_property
    def strain(self) -> Strain:
        """Stored, or else computed when it is first asked for, as the settings of the result say."""
        if self.field.strain_field is not None:
            return self.field.strain_field
        from scorrnet_cli.strain import strain_of  # with torch, which takes a second to load

        return strain_of(self.field)

    def strain_within(self, rows: slice, columns: slice) -> Strain:
        """Return what `strain` has in some rows and columns, (1, h, w); not more is computed."""
        taken: Strain | None = vars(self).get("strain", self.field.strain_field)  # if it is computed, or stored
        if taken is not None:
            return replace(taken, **{name: getattr(taken, name)[:, rows, columns] for name in ARRAYS})
        from scorrnet_cli.strain import strain_within

        return strain_within(self.field, self._gauge, rows, columns, self._whole)

    def doubts_within(self, rows: slice, columns: slice) -> Doubts:
        """Return why `strain` is uncertain in some rows and columns; not more is computed."""
        from scorrnet_cli.strain import doubts_within

        return doubts_within(self.field, self._gauge, rows, columns, self._whole)

    @property
    def _gauge(self) -> StrainSettings:
        """How strain is stored, or else taken."""
        stored = self.field.strain_field
        return self.field.process.settings.gauge if stored is None else stored.how

    @cached_property
    def _whole(self) -> Whole:
        from scorrnet_cli.strain import whole_of

        return whole_of(self.field)


class Snapshots:
    """Gives the frames of a result.

    Attributes
    ----------
    result : StoredResult
    mm_per_px : float or None
        Its calibration, if it has one.
    """

    def __init__(self, result: StoredResult) -> None:
        self.result = result
        self.at = lru_cache(maxsize=_KEPT)(self._at)
        self.mm_per_px = result.calibration.mm_per_px if result.calibration else None

    def __len__(self) -> int:
        return self.result.shape[0]

    def _at(self, index: int, *, strain: bool = True) -> Snapshot:
        """Read a frame, counted from 0; without the strain that is stored if that is not wanted."""
        return Snapshot(index, self.result.frame(index, strain=strain))

    def one_by_one(self, indices: Sequence[int]) -> Iterator[Snapshot]:
        """Read frames one after the other."""
        return map(self.at, indices)


def chosen_frames(text: str, frames: Sequence[FrameInfo]) -> list[int]:
    """Read which frames are meant.

    Parameters
    ----------
    text : str
        ``last``, that is the last one that was measured, ``all``, or numbers counted from 0 with commas between them,
        in any order.
    frames : sequence of FrameInfo
        The frames that there are.

    Returns
    -------
    list of int
        Each frame once, in the order of time.

    Raises
    ------
    UsageError
        If that is none of these, or there is no such frame.
    """
    count = len(frames)
    if text == "all":
        return list(range(count))
    if text == "last":
        return [last_measured(range(count), frames)]
    try:
        chosen = [int(number) for number in text.split(",")]
    except ValueError:
        raise UsageError("A frame is a number from 0, last or all", f"--frame {text}") from None
    if wrong := [index for index in chosen if not 0 <= index < count]:
        raise UsageError(f"There is no frame {wrong[0]}", f"--frame {text}", f"The result has 0 to {count - 1}")
    return sorted(set(chosen))


def last_measured(indices: Sequence[int], frames: Sequence[FrameInfo]) -> int:
    """Return the last of some frames that was measured, or just the last if none was."""
    return next((index for index in reversed(indices) if not frames[index].failure), indices[-1])


def spread_evenly(indices: Sequence[int], most: int) -> list[int]:
    """Leave out frames, evenly, so that at most so many are left; the first and the last stay."""
    if len(indices) <= most:
        return list(indices)
    return [indices[place] for place in np.linspace(0, len(indices) - 1, most).round().astype(int)]
