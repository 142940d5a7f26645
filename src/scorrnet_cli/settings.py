"""What the user asks of a measurement: checked when it is made, and saved in every result."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from numbers import Integral
from pathlib import Path
from typing import Any

from scorrnet_cli.errors import UsageError
from scorrnet_cli.gauge import DEFAULT_PASSES, StrainSettings, averaging_px, averagings

WHOLE_IMAGE = "all"  # in place of a mask file


@dataclass(frozen=True)
class Settings:
    """What the user asks of a measurement; saved in every result.

    Attributes
    ----------
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    refine : bool
        Whether the network's field is refined by dense Gauss-Newton.
    window_px : float, optional
        Standard deviation of the one Gaussian window to refine with, px. None: several windows are used, and a
        network weighs what they find at every point.
    passes : int, optional
        Number of Gauss-Newton passes with that window; 4 if None.
    roi : tuple of int, optional
        Rectangle (x, y, width, height) in px that bounds the measurement.
    mask : str, optional
        Image file that replaces the segmentation: non-zero is measured. ``all``: every pixel is.
    segmentation_weights, displacement_weights, refinement_weights : str, optional
        Weight files (safetensors) that replace the bundled ones.
    strain : bool
        Whether strain is taken too.
    strain_window_px, strain_measure, strain_order, strain_weights : int, str, int and str
        How it is taken, see `StrainSettings`.
    warm_start : bool
        Whether each frame of a sequence starts from the ones before it. Without, frames are independent.
    update : str
        When a frame of a sequence becomes the image that later ones are compared with: ``auto``, ``never``, or a
        number N for every N frames. Displacements are those from the first image all the same.
    increments : bool
        Compare each frame with the one before, and leave the displacements as they are, from frame to frame.

    Raises
    ------
    UsageError
        If a value makes no sense.
    """

    device: str = "auto"
    refine: bool = True
    window_px: float | None = None
    passes: int | None = None
    roi: tuple[int, int, int, int] | None = None
    mask: str | None = None
    segmentation_weights: str | None = None
    displacement_weights: str | None = None
    refinement_weights: str | None = None
    strain: bool = False
    strain_window_px: int = StrainSettings.window_px
    strain_measure: str = StrainSettings.measure
    strain_order: int = StrainSettings.order
    strain_weights: str = StrainSettings.weights
    warm_start: bool = True
    update: str = "auto"
    increments: bool = False

    def __post_init__(self) -> None:
        for name in _FILES:
            if isinstance(value := getattr(self, name), os.PathLike):
                object.__setattr__(self, name, os.fspath(value))
        _check_kinds(vars(self), "settings")
        if self.window_px is not None and not 1.0 <= self.window_px <= 64.0:
            raise UsageError("The window must be between 1 and 64 px", f"window_px = {self.window_px}")
        if self.passes is not None and not 1 <= self.passes <= 100:
            raise UsageError("The number of passes must be between 1 and 100", f"passes = {self.passes}")
        if self.passes is not None and self.window_px is None:
            raise UsageError("Passes are those of one window", f"passes = {self.passes}", "Give a window too")
        if self.roi is not None:
            if len(self.roi) != 4 or not all(_is_whole(value) for value in self.roi) or min(self.roi[2:]) < 1:
                what = "A region is X,Y,W,H, whole numbers of px, with W and H of at least 1"
                raise UsageError(what, f"roi = {self.roi}")
            object.__setattr__(self, "roi", tuple(int(value) for value in self.roi))
        if self.update not in ("auto", "never") and not (self.update.isdecimal() and int(self.update) > 0):
            raise UsageError("The reference is updated auto, never, or every N frames", f"update = {self.update}")
        if self.update_every and (self.increments or not self.warm_start):
            how = "increments = true" if self.increments else "warm_start = false"
            raise UsageError("There is no reference to update so", f"update = {self.update}, {how}", "Leave one out")
        if self.increments and not self.warm_start:
            what = "Increments are measured from one frame to the next, not each frame by itself"
            raise UsageError(what, "increments = true, warm_start = false", "Leave one out")
        _ = self.gauge  # raises what is wrong with it

    @property
    def mask_file(self) -> Path | None:
        """Image file of the mask; None if the mask is found, or is the whole image."""
        return None if self.mask is None or self.mask == WHOLE_IMAGE else Path(self.mask)

    @property
    def files(self) -> dict[str, Path]:
        """Files of the mask and of weights that are named, by the settings that name them."""
        named = {name: getattr(self, name) for name in _FILES} | {"mask": self.mask_file}
        return {name: Path(file) for name, file in named.items() if file}

    @property
    def update_every(self) -> int:
        """Number of frames after which the reference is updated; 0 if that is no fixed number."""
        return int(self.update) if self.update.isdecimal() else 0

    @property
    def passes_taken(self) -> int:
        """Passes of the refinement with one window, given or not."""
        return self.passes or DEFAULT_PASSES

    @property
    def gauge(self) -> StrainSettings:
        """How strain is taken, whether asked for or not."""
        return StrainSettings(
            self.strain_window_px,
            self.strain_measure,
            self.strain_order,
            self.strain_weights,
            averaging_px(refined=self.refine, window_px=self.window_px, passes=self.passes_taken),
            averagings(self.passes_taken) if self.refine and self.window_px is not None else 1,
        )

    @property
    def asked_gauge(self) -> StrainSettings | None:
        """How strain is taken; None if it was not asked for."""
        return self.gauge if self.strain else None

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], where: str = "settings") -> Settings:
        """Make settings of a mapping, as read from TOML or JSON.

        Raises
        ------
        UsageError
            If a name is not a setting or a value has the wrong type.
        """
        known = {item.name for item in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise UsageError(f"Unknown setting {unknown[0]!r}", where, f"Settings are {', '.join(sorted(known))}")
        _check_kinds(values, where)
        return cls(**dict(values))

    def but(self, **changes: Any) -> Settings:
        """Return a copy in which every change that is not None has been made."""
        return replace(self, **{name: value for name, value in changes.items() if value is not None})

    def to_json(self) -> str:
        """Return the settings as one line of JSON."""
        return json.dumps(asdict(self), sort_keys=True)


def _check_kinds(values: Mapping[str, Any], where: str) -> None:
    for name, value in values.items():
        kinds = _KINDS[name]
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise UsageError(f"Setting {name!r} has the wrong type: {value!r}", where)


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


_FILES = ("mask", "segmentation_weights", "displacement_weights", "refinement_weights")
_NONE = type(None)
_KINDS: dict[str, tuple[type, ...]] = {
    "device": (str,),
    "refine": (bool,),
    "window_px": (int, float, _NONE),
    "passes": (int, _NONE),
    "roi": (list, tuple, _NONE),
    "mask": (str, _NONE),
    "segmentation_weights": (str, _NONE),
    "displacement_weights": (str, _NONE),
    "refinement_weights": (str, _NONE),
    "strain": (bool,),
    "strain_window_px": (int,),
    "strain_measure": (str,),
    "strain_order": (int,),
    "strain_weights": (str,),
    "warm_start": (bool,),
    "update": (str,),
    "increments": (bool,),
}
