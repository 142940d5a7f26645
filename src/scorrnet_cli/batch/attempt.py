"""One deformed image measured: what fails says why, and costs only itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from scorrnet_cli.batch.reading import printable_reason
from scorrnet_cli.errors import FrameError, MeasurementError
from scorrnet_cli.field import Field, FrameInfo
from scorrnet_cli.frames import Frame

if TYPE_CHECKING:
    from scorrnet_cli.pipeline import Prepared


def attempted(
    measure: Callable[[Frame], Field],
    prepared: Prepared,
    info: FrameInfo,
    frame: Frame | None,
    *,
    strict: bool = False,
) -> Field:
    """Measure a frame, and its strain; one that fails, or could not be read, gives an empty field that says why.

    Parameters
    ----------
    measure : callable
        Gives the field of an image, without strain.
    prepared : Prepared
        The reference image.
    info : FrameInfo
        Which image it is; its `failure` says why it could not be read.
    frame : Frame or None
        The image, None if it could not be read.
    strict : bool
        Whether an error of the measurement is raised, and not recorded.

    Returns
    -------
    Field
        With T = 1.

    Raises
    ------
    FrameError, MeasurementError
        If the measurement fails and must not: `strict`.
    """
    from scorrnet_cli.strain import with_strain

    if frame is not None:
        try:
            return with_strain(measure(frame))
        except (FrameError, MeasurementError) as error:
            if strict:
                raise
            info = replace(info, failure=printable_reason(error))
    return Field.empty(prepared.mask, prepared.frame.info, info, prepared.process)
