"""A sequence measured frame by frame: each starts from the ones before it, and the reference is updated where it must.

Every frame is compared with the reference image as long as that shows what the frame shows, however far it has moved.
When it no longer does, since paint has changed or strain has made it unrecognisable, the frame is compared with the
one before it, from where the way back to the reference is known, and the two displacements are composed. Later frames
are compared with that image too, but as soon as one matches the reference itself again, that is preferred: each step
of composition adds its error.

All that is decided follows from the results that are kept, and is the same whether these have just been measured or
are read back: so a run that was stopped goes on as if it had not been.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from scorrnet_cli import pipeline
from scorrnet_cli.composition import carry, compose, filled
from scorrnet_cli.errors import MeasurementError
from scorrnet_cli.field import Field
from scorrnet_cli.figures import FrameSummary, median, valid_share
from scorrnet_cli.frames import Frame
from scorrnet_cli.numerics.filters import masked_gaussian, plane_through
from scorrnet_cli.refine import Refined

REFERENCE = -1  # the place of the reference image among the frames
LOSS_STEP = 0.05  # share of the mask: whenever so much more is lost, another reference is tried
LOST = 4  # steps at once, after which nothing leads to the frame and its motion is sought anew
POOR_ZNCC, ZNCC_STEP = 0.8, 0.05  # below, another reference is tried whenever the correlation has fallen so much more
MORE_POINTS = 1.05  # what another reference must give, over the points that there are, to be better
BETTER_ZNCC = 0.1  # or so much more correlation with no fewer points
AS_MANY_POINTS = 0.95
START_WINDOW_PX, FAINT = 5.0, 1e-3  # in which a start is smoothed, and what points count that were not measured


@dataclass(frozen=True)
class _Past:
    """What is remembered of a frame that was measured."""

    index: int
    reference: int
    loss: int  # how poor it was, in steps


class Tracker:
    """Measures the frames of one sequence in their order.

    Parameters
    ----------
    instruments : Instruments
        The settings `warm_start`, `update` and `increments` say how.
    prepared : Prepared
        The reference image.
    image, kept : callable
        Return the image and the result (T = 1) of a frame that was measured by an earlier run.
    """

    def __init__(
        self,
        instruments: pipeline.Instruments,
        prepared: pipeline.Prepared,
        image: Callable[[int], Frame] | None = None,
        kept: Callable[[int], Field] | None = None,
    ) -> None:
        self._instruments = instruments
        self._settings = instruments.settings
        self._prepared = {REFERENCE: prepared}
        self._image = image
        self._kept = kept
        self._images: dict[int, Frame] = {}
        self._fields: dict[int, Field] = {}
        self._past: list[_Past] = []  # the last two
        self._reference = REFERENCE
        self._strayed = False  # whether much was lost at once in the last frame
        self._worst = 0  # loss since this reference is in use

    def note(self, index: int, summary: FrameSummary) -> None:
        """Remember a frame that was measured, or has failed, by an earlier run."""
        if summary.error is None:
            self._remember(index, summary.image.reference_frame, _loss(summary.valid_share, summary.zncc))

    def _remember(self, index: int, reference: int, loss: int) -> None:
        """Decide, by how poor a frame is, which image the next one is compared with."""
        self._strayed = loss - (self._past[-1].loss if self._past else 0) >= LOST
        self._worst = max(self._worst, loss) if self._past and self._past[-1].reference == reference else loss
        self._past = [*self._past[-1:], _Past(index, reference, loss)]
        self._reference = reference
        every = 1 if self._settings.increments else self._settings.update_every
        if every and index - reference >= every and (self._settings.increments or not self._strayed):
            self._reference = index  # of what it does not show, later frames would be without

    def measure(self, index: int, frame: Frame) -> Field:
        """Measure the next frame.

        Parameters
        ----------
        index : int
            Its place among the deformed images, counted from 0.
        frame : Frame

        Returns
        -------
        Field
            With T = 1.

        Raises
        ------
        FrameError, MeasurementError
            As `measure_pair` does; the frame is then passed over.
        """
        if not self._settings.warm_start:
            return pipeline.measure_pair(self._instruments, self._prepared[REFERENCE], frame)
        if self._settings.increments:
            field = self._compared(frame, self._reference, None)
        elif self._settings.update == "auto":
            field = self._best(index, frame)
        else:
            field = self._at_intervals(index, frame)
        self._remember(index, field.deformed[0].reference_frame, _loss_in(field))
        self._fields[index] = field
        self._images[index] = frame
        self._forget()
        return field

    def _best(self, index: int, frame: Frame) -> Field:
        """Measure a frame; where it gets worse, compare it with the one before; where it can, with the reference."""
        start = self._start(index)
        found = self._tried(frame, self._reference, start)
        if self._past and self._is_lost(found):
            for reference in dict.fromkeys((self._past[-1].index, REFERENCE)):
                found = _better(found, self._tried(frame, reference, None))
                if not self._is_lost(found):
                    break
        elif self._past and _loss_of(found) > self._worst:
            found = _better(found, self._tried(frame, self._past[-1].index, start))
        return self._preferring_reference(frame, _measured(found))

    def _at_intervals(self, index: int, frame: Frame) -> Field:
        """Measure a frame to the image whose turn it is; if much is lost, or was in the frame before, seek it anew."""
        found = self._tried(frame, self._reference, self._start(index))
        if self._past and (self._strayed or self._is_lost(found)):
            for reference in dict.fromkeys((self._reference, REFERENCE)):
                found = _better(found, self._tried(frame, reference, None))
        return _measured(found)

    def _tried(self, frame: Frame, reference: int, start: Tensor | None) -> Field | MeasurementError:
        """Compare a frame with an image; return why, if that fails."""
        try:
            return self._compared(frame, reference, start)
        except MeasurementError as error:
            return error

    def _is_lost(self, found: Field | MeasurementError) -> bool:
        """Tell whether so much is gone at once that the start may have led astray."""
        return _loss_of(found) - self._past[-1].loss >= LOST

    def _preferring_reference(self, frame: Frame, field: Field) -> Field:
        """Measure to the reference itself if a field found by way of another image shows that it matches as well."""
        if field.deformed[0].reference_frame == REFERENCE:
            return field
        found = self._result(field)
        total = filled(found.displacement, found.valid)
        prepared = self._prepared[REFERENCE]
        if _is_better(field, pipeline.assess_pair(self._instruments, prepared, frame, total)):
            return field
        direct = self._tried(frame, REFERENCE, total)
        return field if isinstance(direct, MeasurementError) or _is_better(field, direct) else direct

    def _compared(self, frame: Frame, reference: int, start: Tensor | None) -> Field:
        """Measure a frame by way of the image `reference`, from the displacement `start` (2, H, W) on, if given."""
        prepared = self._prepare(reference)
        if reference == REFERENCE:
            return pipeline.measure_pair(self._instruments, prepared, frame, start)
        before = self._result(self._field(reference))
        if start is not None:
            motion = filled(before.displacement, before.valid)
            rest, reached = carry(start - motion, motion, before.valid)
            start = filled(rest, reached)
        field = pipeline.measure_pair(self._instruments, prepared, frame, start)
        info = replace(field.deformed[0], reference_frame=reference)
        first = self._prepared[REFERENCE]
        if self._settings.increments:
            return replace(field, reference=first.frame.info, deformed=(info,))
        total = compose(before, self._result(field))
        if not bool(total.valid.any()):
            raise MeasurementError("No point could be followed from the reference image", info.name)
        return pipeline.field_of(first, info, total)

    def _start(self, index: int) -> Tensor | None:
        """Continue the motion of the last two frames without their noise, (2, H, W), px; None if there is none."""
        if not self._past:
            return None
        *earlier, last = self._past
        now = self._result(self._field(last.index))
        start = filled(now.displacement, now.valid)
        for before in earlier:
            then = self._result(self._field(before.index))
            both = now.valid & then.valid
            pace = (index - last.index) / (last.index - before.index)
            start = start + pace * filled(now.displacement - then.displacement, both)
        plane = plane_through(start, now.valid.float())
        return plane + masked_gaussian(start - plane, now.valid.float() + FAINT, START_WINDOW_PX)

    def _prepare(self, index: int) -> pipeline.Prepared:
        """Return a frame as an image to compare with; its surface is what was measured of it."""
        if index not in self._prepared:
            field = self._field(index)
            found = self._result(field)
            motion = filled(found.displacement, found.valid)
            seen = found.valid
            if self._settings.increments:
                seen = torch.from_numpy(field.mask[0]).to(seen.device)
            mask = carry(motion[:0], motion, seen)[1]
            self._prepared[index] = pipeline.prepare(self._instruments, self._frame(index), mask)
        return self._prepared[index]

    def _frame(self, index: int) -> Frame:
        if index not in self._images:
            assert self._image is not None
            self._images[index] = self._image(index)
        return self._images[index]

    def _field(self, index: int) -> Field:
        if index not in self._fields:
            assert self._kept is not None
            self._fields[index] = self._kept(index)
        return self._fields[index]

    def _result(self, field: Field) -> Refined:
        """Put a field on the device."""
        both = np.stack([field.u[0], field.v[0]]), np.stack([field.sigma_u[0], field.sigma_v[0]])
        arrays = (both[0], field.valid[0], field.zncc[0], both[1], field.fallback[0])
        return Refined(*(torch.from_numpy(array).to(self._instruments.where) for array in arrays))

    def _forget(self) -> None:
        """Let go of what no later frame needs."""
        needed = {REFERENCE, self._reference, *(past.index for past in self._past)}
        for memory in (self._fields, self._images, self._prepared):
            for index in memory.keys() - needed:
                del memory[index]


def _loss(share: float, zncc: float) -> int:
    """Tell how poor a frame is, in steps at each of which another reference may help."""
    points = math.floor((1 - share) / LOSS_STEP)
    below = POOR_ZNCC - zncc
    return points + (math.floor(below / ZNCC_STEP) + 1 if below >= 0 else 0)


def _loss_of(found: Field | MeasurementError) -> float:
    """Tell how poor a field is, in steps; infinitely if there is none."""
    return math.inf if isinstance(found, MeasurementError) else _loss_in(found)


def _loss_in(field: Field) -> int:
    return _loss(valid_share(field), median(field.zncc))


def _better(found: Field | MeasurementError, other: Field | MeasurementError) -> Field | MeasurementError:
    """Return what was found, or what another comparison gave if that is better."""
    if isinstance(other, MeasurementError):
        return found
    return other if isinstance(found, MeasurementError) or _is_better(other, found) else found


def _measured(found: Field | MeasurementError) -> Field:
    """Return what was found, or raise why there is nothing."""
    if isinstance(found, MeasurementError):
        raise found
    return found


def _is_better(one: Field, other: Field) -> bool:
    """Tell whether a field is to be preferred to another, which is closer to the reference."""
    points, fewer = int(one.valid.sum()), int(other.valid.sum())
    if points > MORE_POINTS * fewer:
        return True
    clearer = median(one.zncc) - median(other.zncc)
    return points >= AS_MANY_POINTS * fewer and clearer > BETTER_ZNCC
