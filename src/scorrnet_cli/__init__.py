"""Full-field displacement of speckled specimens from camera images.

>>> import scorrnet_cli as sc
>>> field = sc.measure("ref.tif", "def.tif")
>>> field.u[0], field.valid[0]  # (H, W), px
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from scorrnet_cli.field import Field, Settings

__version__ = "0.1.0"
__all__ = ["Field", "Settings", "__version__", "measure", "measure_sequence"]

_PathLike: TypeAlias = str | os.PathLike[str]


def measure(reference: _PathLike, deformed: _PathLike, settings: Settings | None = None) -> Field:
    """Measure the displacement between two images.

    Parameters
    ----------
    reference, deformed : path-like
        Image files; of a file with several pages the first is taken.
    settings : Settings, optional
        The defaults if not given.

    Returns
    -------
    Field
        u, v and what belongs to them, (1, H, W), NaN where not measured.

    Raises
    ------
    ScorrnetError
        FrameError, MeasurementError, WeightsError or DeviceError; see `errors`.
    """
    return next(measure_sequence(reference, [deformed], settings))


def measure_sequence(
    reference: _PathLike, deformed: Iterable[_PathLike], settings: Settings | None = None
) -> Iterator[Field]:
    """Measure a sequence, every frame to the same reference and from the ones before it on; see `tracking`.

    Parameters
    ----------
    reference : path-like
        Image of the specimen at rest.
    deformed : iterable of path-like
        Images of the deformed specimen; of a file with several pages all are taken.
    settings : Settings, optional
        The defaults if not given.

    Yields
    ------
    Field
        One for each frame, as it is measured; `Field.stack` puts them together.

    Raises
    ------
    ScorrnetError
        As `measure` does, at the frame concerned.
    """
    from scorrnet_cli import pipeline
    from scorrnet_cli.field import Settings
    from scorrnet_cli.frames import read_frame, read_frames
    from scorrnet_cli.tracking import Tracker

    instruments = pipeline.load(settings or Settings())
    tracker = Tracker(instruments, pipeline.prepare(instruments, read_frame(reference)))
    frames = (frame for path in deformed for frame in read_frames(path))
    for index, frame in enumerate(frames):
        yield tracker.measure(index, frame)


def __getattr__(name: str) -> Any:
    """Import `Field` and `Settings` when they are asked for: the command line answers without NumPy."""
    if name in ("Field", "Settings"):
        from scorrnet_cli import field

        return getattr(field, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
