"""What every writer is given and what it must do."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from pathlib import Path

from scorrnet_cli.field import Field, FrameInfo, Process


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
    """

    shape: tuple[int, int]
    n_frames: int
    reference: FrameInfo
    process: Process

    def to_json(self) -> str:
        """Return where the result comes from as one line of JSON, for formats of text and pixels only."""
        process = self.process
        return json.dumps(
            {
                "program": "scorrnet",
                "version": process.version,
                "date": process.date,
                "device": process.device,
                "weights": dict(process.weights),
                "settings": asdict(process.settings),
                "reference": asdict(self.reference),
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

    @abstractmethod
    def write(self, first: int, field: Field) -> None:
        """Write the frames of `field`, which has the header's shape, to frames `first`, ... of the file."""

    @abstractmethod
    def close(self) -> None:
        """Complete the file with what has been written and let go of it; called once, in any case."""
