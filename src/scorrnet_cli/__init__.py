"""Full-field displacement of speckled specimens from camera images.

>>> import scorrnet_cli as sc
>>> field = sc.measure("ref.tif", "def.tif")
>>> field.u[0], field.valid[0]  # (H, W), px
>>> field.strain(window=25).exx[0]
>>> field.plot("u", "exx").savefig("result.png")
"""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from scorrnet_cli.version import __version__ as __version__

if TYPE_CHECKING:
    from scorrnet_cli.field import Field
    from scorrnet_cli.gauge import Strain
    from scorrnet_cli.result import Result
    from scorrnet_cli.settings import Settings

__all__ = ["Field", "Result", "Settings", "Strain", "__version__", "measure", "measure_sequence", "read"]

_PathLike: TypeAlias = str | os.PathLike[str]


def measure(reference: _PathLike, deformed: _PathLike, settings: Settings | None = None) -> Result:
    """Measure the displacement between two images.

    Parameters
    ----------
    reference, deformed : path-like
        Image files; of a file with several pages the first is taken.
    settings : Settings, optional
        The defaults if not given.

    Returns
    -------
    Result
        A `Field`: u, v and what belongs to them, (1, H, W), NaN where not measured.

    Raises
    ------
    ScorrnetError
        UsageError, FrameError, WeightsError, DeviceError, MeasurementError or OutputError; see `errors`.
    """
    return next(_measured(reference, [deformed], settings, 3))


def measure_sequence(
    reference: _PathLike, deformed: Iterable[_PathLike], settings: Settings | None = None
) -> Iterator[Result]:
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
    Result
        One for each frame, as it is measured; `Result.stack` puts them together.

    Warns
    -----
    UserWarning
        If the mask that was found is doubtful, or the pattern repeats.

    Raises
    ------
    ScorrnetError
        As `measure` does, at the frame concerned.
    TypeError
        If `deformed` is a single path.
    """
    if isinstance(deformed, str | bytes | os.PathLike):
        raise TypeError("the deformed images are a sequence of paths; one alone is for measure")
    return _measured(reference, deformed, settings, 2)


def _measured(
    reference: _PathLike, deformed: Iterable[_PathLike], settings: Settings | None, stacklevel: int
) -> Iterator[Result]:
    """Do what `measure_sequence` says; warnings come from whoever is so many calls above."""
    from scorrnet_cli import pipeline
    from scorrnet_cli.allocation import is_out_of_memory, out_of_memory
    from scorrnet_cli.frames import read_frame, read_frames
    from scorrnet_cli.result import Result
    from scorrnet_cli.settings import Settings
    from scorrnet_cli.strain import with_strain
    from scorrnet_cli.tracking import Tracker

    try:
        instruments = pipeline.load(settings or Settings())
        prepared = pipeline.prepare(instruments, read_frame(reference))
        for doubt in prepared.warnings:
            warnings.warn(f"{os.fspath(reference)}: {doubt}", stacklevel=stacklevel)
        tracker = Tracker(instruments, prepared)
        frames = (frame for path in deformed for frame in read_frames(path))
        for index, frame in enumerate(frames):
            yield Result.of(with_strain(tracker.measure(index, frame)))
    except Exception as error:
        if is_out_of_memory(error):
            raise out_of_memory() from error
        raise


def read(path: _PathLike) -> Result:
    """Read an HDF5 result back, whole.

    Raises
    ------
    UsageError
        If the file is missing, is no result of scorrnet, or was written by a newer version of it.
    OutputError
        If it shows frames of other files, and some of these are missing.
    """
    from scorrnet_cli.result import Result
    from scorrnet_cli.writers import read_hdf5

    return Result.of(read_hdf5(path))


if not TYPE_CHECKING:  # which shall tell of names that there are not

    def __getattr__(name: str) -> Any:
        """Import the classes when they are asked for: the command line answers without NumPy."""
        homes = {"Field": "field", "Settings": "settings", "Strain": "gauge", "Result": "result"}
        if name in homes:
            return getattr(importlib.import_module(f"{__name__}.{homes[name]}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
