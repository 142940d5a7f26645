"""What a measurement is: where it came from, and the arrays it gave."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from scorrnet_cli.arrays import BoolArray as BoolArray
from scorrnet_cli.arrays import FloatArray as FloatArray
from scorrnet_cli.errors import UsageError
from scorrnet_cli.gauge import COMPONENTS, Strain
from scorrnet_cli.settings import Settings
from scorrnet_cli.units import Calibration

DISPLACEMENTS = ("u", "v")
READINGS = (*DISPLACEMENTS, *COMPONENTS)
"""What is told of a surface in means and in noise."""
_LONGEST_STEM = 60  # of letters with up to four bytes; most file systems allow 255
_PAGE = re.compile(r"(?P<name>.+)\[(?P<page>\d+)\]")


@dataclass(frozen=True)
class FrameInfo:
    """Which image a row of a result belongs to.

    Attributes
    ----------
    name : str
        File name, with ``[page]`` appended for a page of a multi-page file.
    sha256 : str
        Hash of the file's bytes; empty if they could not be read.
    failure : str
        Why nothing was measured in this image; empty if something was.
    at_s : float, optional
        When it was taken, s after the reference, or, by a frame rate, after the first image of the sequence; None if
        that is not known.
    reference_frame : int
        Which deformed image it was compared with, counted from 0; -1 is the reference image.
    """

    name: str
    sha256: str
    failure: str = ""
    at_s: float | None = None
    reference_frame: int = -1

    @property
    def place(self) -> tuple[str, int]:
        """Name of the file, and which of its images it is, counted from 0."""
        parts = _PAGE.fullmatch(self.name)
        return (parts["name"], int(parts["page"])) if parts else (self.name, 0)

    @property
    def stem(self) -> str:
        """Part of the names of files that are made of the image: plain, and short enough for every file system."""
        return re.sub(r"[^\w.-]+", "_", Path(self.name).stem).strip("_")[:_LONGEST_STEM]


@dataclass(frozen=True)
class Process:
    """How a result was made.

    Attributes
    ----------
    version : str
        Version of scorrnet.
    date : str
        ISO 8601, UTC.
    device : str
        The device that computed, such as ``cpu`` or ``cuda:0 (NVIDIA H100)``.
    weights : mapping of str to str
        Name of each network used and the sha256 of its weights.
    settings : Settings
        What was asked for.
    mask_sha256 : str
        Hash of the mask file that the user gave; empty if there is none, or in results of earlier versions.
    """

    version: str
    date: str
    device: str
    weights: Mapping[str, str]
    settings: Settings
    mask_sha256: str = ""


PER_PIXEL = ("u", "v", "mask", "valid", "zncc", "sigma_u", "sigma_v", "fallback")
"""Names of the arrays of a `Field`."""


@dataclass(frozen=True, eq=False)
class Field:
    """Displacement of every measured pixel in one or more deformed images.

    All arrays are (T, H, W) over the pixels of the reference image. What was not measured is NaN.

    Attributes
    ----------
    u, v : (T, H, W) float32
        Displacement to the right and down, px, at reference pixels (Lagrangian); NaN where not `valid`.
    mask : (T, H, W) bool
        True where the surface was to be measured.
    valid : (T, H, W) bool
        True where the result can be used.
    zncc : (T, H, W) float32
        Zero-mean normalised cross-correlation of the matched images, -1..1; NaN outside `mask`.
    sigma_u, sigma_v : (T, H, W) float32
        Standard uncertainty, px; NaN where not `valid` and everywhere without refinement.
    fallback : (T, H, W) bool
        True where the result of one window of 5 px stands in for that of the refinement network, which knows nothing
        like what was seen there.
    reference : FrameInfo
        The reference image.
    deformed : tuple of FrameInfo
        The T deformed images.
    process : Process
        How the result was made.
    calibration : Calibration, optional
        The scale of the images; None if it is not known. All arrays stay in px.
    time_source : str
        Where the times of the images are known from; empty if they are not.
    strain_field : Strain, optional
        The strain that was taken with it; None if none was asked for.
    """

    u: FloatArray
    v: FloatArray
    mask: BoolArray
    valid: BoolArray
    zncc: FloatArray
    sigma_u: FloatArray
    sigma_v: FloatArray
    fallback: BoolArray
    reference: FrameInfo
    deformed: tuple[FrameInfo, ...]
    process: Process = field(repr=False)
    calibration: Calibration | None = None
    time_source: str = ""
    strain_field: Strain | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        shape = self.u.shape
        if len(shape) != 3 or shape[0] != len(self.deformed):
            raise ValueError(f"u must be (T, H, W) with T = {len(self.deformed)}, not {shape}")
        for name in PER_PIXEL:
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} must have the shape of u, {shape}, not {getattr(self, name).shape}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, height and width: (T, H, W)."""
        frames, height, width = self.u.shape
        return frames, height, width

    @property
    def is_incremental(self) -> bool:
        """Whether displacements are from frame to frame, and so not all of them at pixels of the reference."""
        return self.process.settings.increments and any(info.reference_frame >= 0 for info in self.deformed)

    @property
    def lies_at(self) -> int:
        """The deformed image at whose pixels the arrays of a frame (T = 1) lie, counted from 0; -1 is the reference.

        Only displacements from frame to frame lie elsewhere than at the reference.
        """
        return self.deformed[0].reference_frame if self.process.settings.increments else -1

    @staticmethod
    def empty(mask: BoolArray, reference: FrameInfo, deformed: FrameInfo, process: Process) -> Field:
        """Make the field (1, H, W) of an image in which nothing was measured: all NaN, nothing valid.

        Parameters
        ----------
        mask : (H, W) bool
            Where the surface was to be measured.
        reference, deformed : FrameInfo
            The images; that of `deformed` says why.
        process : Process
        """
        unknown = np.full((1, *mask.shape), np.nan, np.float32)
        arrays: dict[str, Any] = dict.fromkeys(("u", "v", "zncc", "sigma_u", "sigma_v"), unknown)
        return Field(
            **arrays,
            mask=mask[np.newaxis],
            valid=np.zeros((1, *mask.shape), bool),
            fallback=np.zeros((1, *mask.shape), bool),
            reference=reference,
            deformed=(deformed,),
            process=process,
        )

    @classmethod
    def stack(cls, parts: Iterable[Field]) -> Self:
        """Put fields of one reference behind each other along T.

        Raises
        ------
        UsageError
            If there is none, or they are not of one reference and measured alike.
        """
        parts = tuple(parts)
        if not parts:
            raise UsageError("There is nothing to put together")
        first = parts[0]

        def about(part: Field) -> tuple[Any, ...]:
            return part.reference.sha256, part.shape[1:], part.process.settings, part.process.mask_sha256

        if any(about(part) != about(first) for part in parts):
            raise UsageError("Results of several references, or measured otherwise, cannot be put together")
        strains = [part.strain_field for part in parts if part.strain_field is not None]
        arrays: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in PER_PIXEL}
        return cls(
            **arrays,
            reference=first.reference,
            deformed=tuple(info for part in parts for info in part.deformed),
            process=first.process,
            calibration=first.calibration,
            time_source=first.time_source,
            strain_field=Strain.stack(strains) if len(strains) == len(parts) else None,
        )
