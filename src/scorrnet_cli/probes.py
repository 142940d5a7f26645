"""What a result says at points, along lines and within rectangles: displacement sensors, extensometers, strain gauges.

Places are pixels of the reference image, and probes move with the surface. Between pixels values are interpolated
bilinearly; a value is NaN if any of the up to four pixels it would take part of is not valid.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scorrnet_cli.arrays import FloatArray
from scorrnet_cli.averages import sigma_of_mean, sigma_of_mean_strain
from scorrnet_cli.errors import UsageError
from scorrnet_cli.field import READINGS
from scorrnet_cli.figures import mean
from scorrnet_cli.gauge import ARRAYS, COMPONENTS, StrainSettings
from scorrnet_cli.layers import LENGTHS, Extent, Layers

Array = NDArray[np.float64]
Reading = dict[str, float]
"""Values by the names of a probe's quantities: px, or without unit; NaN where not known."""

_LENGTH, _PLAIN = True, False


@dataclass(frozen=True)
class Probe(ABC):
    """A place at which a result is read.

    Attributes
    ----------
    name : str
        What the user calls it.
    """

    name: str

    kind: ClassVar[str]
    """What it is, in a word."""
    quantities: ClassVar[Mapping[str, bool]]
    """Names of what it gives, and whether that is a length."""
    of_strain: ClassVar[bool] = True
    """Whether it reads layers of strain."""
    of_means: ClassVar[bool] = False
    """Whether it reads those that means need, too."""

    @property
    @abstractmethod
    def box(self) -> Extent:
        """The pixels it needs."""

    @abstractmethod
    def read(self, layers: Layers, how: StrainSettings) -> Reading:
        """Read it in one frame.

        Parameters
        ----------
        layers : Layers
            Of a box that holds that of the probe.
        how : StrainSettings
            How strain was taken.
        """

    def check(self, shape: tuple[int, int]) -> None:
        """Raise UsageError if it does not lie within an image of (H, W)."""
        if not self.box.lies_in(Extent(0, 0, shape[1], shape[0])):
            size = f"{shape[1]} x {shape[0]} px"
            raise UsageError("The probe does not lie within the image", self.name, f"The reference image is {size}")


@dataclass(frozen=True)
class Point(Probe):
    """A point: displacement and strain there.

    Attributes
    ----------
    x, y : float
        Its place, px.
    """

    x: float
    y: float

    kind = "point"
    quantities: ClassVar[Mapping[str, bool]] = dict.fromkeys(LENGTHS, _LENGTH) | dict.fromkeys(ARRAYS, _PLAIN)

    @property
    def box(self) -> Extent:
        """The pixels around it."""
        return _around((self.x,), (self.y,))

    def read(self, layers: Layers, how: StrainSettings) -> Reading:  # noqa: ARG002
        """Read displacement, strain, and their standard uncertainties."""
        return {name: float(sample(layers, name, self.x, self.y)) for name in self.quantities}


@dataclass(frozen=True)
class Line(Probe):
    """A virtual extensometer: the change of the distance between two points of the surface, and their motion.

    Attributes
    ----------
    x1, y1, x2, y2 : float
        Its ends, px.

    Raises
    ------
    UsageError
        If its ends are one point.
    """

    x1: float
    y1: float
    x2: float
    y2: float

    kind = "line"
    of_strain = False
    quantities: ClassVar[Mapping[str, bool]] = {
        "length": _LENGTH,
        "elongation": _LENGTH,
        "sigma_elongation": _LENGTH,
        "strain": _PLAIN,
        "sigma_strain": _PLAIN,
        **dict.fromkeys(("u1", "v1", "u2", "v2"), _LENGTH),
    }

    def __post_init__(self) -> None:
        if (self.x1, self.y1) == (self.x2, self.y2):
            raise UsageError("A line needs two different ends", self.name)

    @property
    def box(self) -> Extent:
        """The pixels around its ends."""
        return _around((self.x1, self.x2), (self.y1, self.y2))

    @property
    def length_px(self) -> float:
        """Its length in the reference image, px."""
        return math.hypot(self.x2 - self.x1, self.y2 - self.y1)

    def read(self, layers: Layers, how: StrainSettings) -> Reading:
        """Read its length, and its engineering strain: change of length over length.

        The uncertainty is that of the two ends along the line as it lies now, alike as they are when the line is short,
        but not across what is not measured, as a crack: no window reaches from one side to the other.
        """
        x, y = np.array([self.x1, self.x2]), np.array([self.y1, self.y2])
        u, v, sigma_u, sigma_v = (sample(layers, name, x, y) for name in LENGTHS)
        across, down = float(np.diff(x + u)[0]), float(np.diff(y + v)[0])
        length = math.hypot(across, down)
        along = np.array([across, down]) / length if length else np.full(2, math.nan)
        first, second = np.sqrt((along[0] * sigma_u) ** 2 + (along[1] * sigma_v) ** 2)
        alike = float(how.correlation(np.array([self.length_px]))[0]) if self._lies_in_one_piece(layers) else 0.0
        sigma = math.sqrt(first**2 + second**2 - 2 * alike * first * second)
        return {
            "length": length,
            "elongation": length - self.length_px,
            "sigma_elongation": sigma,
            "strain": length / self.length_px - 1,
            "sigma_strain": sigma / self.length_px,
            "u1": float(u[0]),
            "v1": float(v[0]),
            "u2": float(u[1]),
            "v2": float(v[1]),
        }

    def _lies_in_one_piece(self, layers: Layers) -> bool:
        """Whether all that it goes over is measured."""
        at = np.linspace(0.0, 1.0, math.ceil(self.length_px) + 1)
        x = np.floor(self.x1 + at * (self.x2 - self.x1)).astype(int) - layers.box.left
        y = np.floor(self.y1 + at * (self.y2 - self.y1)).astype(int) - layers.box.top
        return bool(layers.valid[y, x].all())


@dataclass(frozen=True)
class Rectangle(Probe):
    """A virtual strain gauge: the means over the valid points of a rectangle.

    Attributes
    ----------
    x, y : int
        Its first pixel.
    width, height : int
        Its size, px.

    Raises
    ------
    UsageError
        If it has no pixel.
    """

    x: int
    y: int
    width: int
    height: int

    kind = "rectangle"
    of_means = True
    quantities: ClassVar[Mapping[str, bool]] = {**Point.quantities, "points": _PLAIN}

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise UsageError("A rectangle is X,Y,W,H with W and H of at least 1 px", self.name)

    @property
    def box(self) -> Extent:
        """The pixels in it."""
        return Extent(self.x, self.y, self.width, self.height)

    def read(self, layers: Layers, how: StrainSettings) -> Reading:
        """Read means, their standard uncertainties, and the number of valid points."""
        rows, columns = _within(self.box, layers.box)
        parts = {name: values[rows, columns] for name, values in layers.arrays.items()}
        reading = {name: mean(parts[name]) for name in READINGS}
        for name in ("sigma_u", "sigma_v"):
            reading[name] = sigma_of_mean(parts[name], how)
        # Euler-Almansi strain lies along the axes of the deformed image, and these along others of the reference.
        turn = _turn(parts["u"], parts["v"]) if how.measure == "euler-almansi" else 0.0
        along_x = {"exx": math.cos(turn) ** 2, "eyy": math.sin(turn) ** 2, "exy": 0.5}
        for name in COMPONENTS:
            noise, missed = (parts[f"{doubt}_{name}"] for doubt in ("noise", "missed"))
            reading[f"sigma_{name}"] = sigma_of_mean_strain(noise, missed, how, along_x[name])
        return reading | {"points": float(layers.valid[rows, columns].sum())}


def _turn(u: FloatArray, v: FloatArray) -> float:
    """By what angle, rad, the longer side of a rectangle has turned, by displacements (h, w), px, that are not NaN."""
    if u.shape[0] > u.shape[1]:
        return -_turn(v.T, u.T)
    known = np.isfinite(u)
    x = np.broadcast_to(np.arange(u.shape[1], dtype=np.float64), u.shape)[known]
    if x.size == 0 or np.ptp(x) == 0:
        return 0.0
    along, across = (float(np.polyfit(x, part[known], 1)[0]) for part in (u, v))
    return math.atan2(across, 1.0 + along)


def check_followed(probes: Sequence[Probe]) -> None:
    """Raise UsageError if a place is to be followed, as a line is, by displacements that are from frame to frame."""
    if lines := [probe.name for probe in probes if isinstance(probe, Line)]:
        what = "The displacements are from frame to frame, and a line is followed from one reference"
        raise UsageError(what, lines[0], "Measure to one reference, without --reference previous")


def profile(line: Line, layers: Layers) -> dict[str, Array]:
    """Read what lies along a line, every px from its first end.

    Returns
    -------
    dict of str to (N) float64
        ``distance``, px from the first end; ``x``, ``y``, px; and every quantity of a point.
    """
    distance = np.arange(math.floor(line.length_px + 1e-9) + 1, dtype=np.float64)
    x = line.x1 + distance * (line.x2 - line.x1) / line.length_px
    y = line.y1 + distance * (line.y2 - line.y1) / line.length_px
    return {"distance": distance, "x": x, "y": y} | {name: sample(layers, name, x, y) for name in Point.quantities}


def sample(layers: Layers, name: str, x: ArrayLike, y: ArrayLike) -> Array:
    """Interpolate a layer bilinearly.

    Parameters
    ----------
    layers : Layers
    name : str
        The layer.
    x, y : (...) float
        Places within the box of the layers, px of the reference image.

    Returns
    -------
    (...) float64
        NaN where a pixel that it would take part of has no value.
    """
    plane = layers.arrays[name]
    x = np.asarray(x, np.float64) - layers.box.left
    y = np.asarray(y, np.float64) - layers.box.top
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    right, bottom = (
        np.minimum(low + 1, size - 1) for low, size in ((left, layers.box.width), (top, layers.box.height))
    )
    across, down = x - left, y - top
    total = np.zeros(np.broadcast(x, y).shape)
    for row, column, weight in (
        (top, left, (1 - across) * (1 - down)),
        (top, right, across * (1 - down)),
        (bottom, left, (1 - across) * down),
        (bottom, right, across * down),
    ):
        total += np.where(weight > 0, weight * plane[row, column], 0.0)
    return total


def _around(x: tuple[float, ...], y: tuple[float, ...]) -> Extent:
    """Return the pixels that bilinear interpolation at some points takes part of, and those between."""
    left, top = math.floor(min(x)), math.floor(min(y))
    return Extent(left, top, math.ceil(max(x)) - left + 1, math.ceil(max(y)) - top + 1)


def _within(box: Extent, outer: Extent) -> tuple[slice, slice]:
    return Extent(box.left - outer.left, box.top - outer.top, box.width, box.height).slices
