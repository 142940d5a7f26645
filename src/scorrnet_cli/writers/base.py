"""What every writer is given and what it must do."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from scorrnet_cli.field import Field, FrameInfo, Process
from scorrnet_cli.units import Calibration
from scorrnet_cli.writers.hdf5_read import read_hdf5


@dataclass(frozen=True)
class Header:
    """What is known of a result before its first frame has been measured.

    Attributes
    ----------
    shape : tuple of int
        (H, W) of the reference image.
    n_frames : int
        Number of deformed images that will be written.
    reference : FrameInfo
        The reference image.
    process : Process
        How the result is made.
    calibration : Calibration, optional
        The scale of the images, if it is known.
    time_source : str
        Where the times of the images are known from; empty if they are not.
    """

    shape: tuple[int, int]
    n_frames: int
    reference: FrameInfo
    process: Process
    calibration: Calibration | None = None
    time_source: str = ""

    def to_json(self, deformed: Sequence[FrameInfo]) -> str:
        """Return where the result and its frames come from as one line of JSON, for formats of text and pixels only."""
        process = self.process
        return json.dumps(
            {
                "program": "scorrnet",
                "version": process.version,
                "date": process.date,
                "device": process.device,
                "weights": dict(process.weights),
                "settings": asdict(process.settings),
                "mask_sha256": process.mask_sha256,
                "reference": {"name": self.reference.name, "sha256": self.reference.sha256},
                "deformed": [
                    {
                        "name": info.name,
                        "sha256": info.sha256,
                        "time_s": info.at_s,
                        "reason": info.failure,
                        "reference_frame": info.reference_frame,
                    }
                    for info in deformed
                ],
                "calibration": None if self.calibration is None else asdict(self.calibration),
                "time_source": self.time_source,
            }
        )


class Sink(ABC):
    """A file of one format that is being written, frame by frame.

    Every method may raise OSError for what the disk or the file system refuses, and OutputError for what the
    format cannot hold.

    Parameters
    ----------
    path : Path
        The file to write, new or empty.
    header : Header
        What the file will hold.
    """

    @abstractmethod
    def __init__(self, path: Path, header: Header) -> None: ...

    @classmethod  # noqa: B027
    def check(cls, header: Header) -> None:
        """Raise OutputError if the format cannot hold what `header` announces."""

    @abstractmethod
    def write(self, first: int, field: Field) -> None:
        """Write the frames of `field`, which has the header's shape, to frames `first`, ... of the file."""

    def take(self, first: int, path: Path) -> None:
        """Write the frames of the HDF5 result `path`, which has the header's shape, to frames `first`, ..."""
        self.write(first, read_hdf5(path))

    @abstractmethod
    def close(self) -> None:
        """Complete the file with what has been written and let go of it; called once, in any case."""
