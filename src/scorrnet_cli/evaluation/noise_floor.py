"""The noise floor of a set-up: what is measured between images of a scene that does not move.

Good practice (iDICs, A Good Practices Guide for Digital Image Correlation, 2018) asks for it before every test.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from scorrnet_cli.errors import MeasurementError
from scorrnet_cli.evaluation.methods import Measured, Method
from scorrnet_cli.evaluation.metrics import averaged, plane_slopes, spread, strain_window
from scorrnet_cli.field import DISPLACEMENTS, READINGS


@dataclass(frozen=True)
class NoiseFloor:
    """Noise of one quantity.

    Attributes
    ----------
    method : str
    quantity : str
        u or v, or a strain.
    unit : str
        Of the next three: px, or 1 for strains.
    mean : float
        Over all points and frames: what moved after all.
    spatial : float
        Standard deviation over the points of a frame, root mean square over the frames.
    temporal : float
        Standard deviation over the frames at a point, root mean square over the points; NaN with fewer than three
        images.
    frames : int
        Deformed images.
    points : int
        Points of a frame, on average.
    """

    method: str
    quantity: str
    unit: str
    mean: float
    spatial: float
    temporal: float
    frames: int
    points: int


@dataclass
class _Tally:
    """Sums over frames at every point, of which not all are known in every frame."""

    count: Tensor | None = None
    mean: Tensor | None = None
    square: Tensor | None = None  # sum of the squared differences from the mean
    variances: list[float] = field(default_factory=list)
    means: list[float] = field(default_factory=list)
    points: list[int] = field(default_factory=list)

    def add(self, values: Tensor) -> None:
        """Take in one frame (H, W), NaN where unknown (Welford, 1962)."""
        values = values.double()
        known = torch.isfinite(values)
        if self.count is None or self.mean is None or self.square is None:
            self.count, self.mean, self.square = (torch.zeros_like(values) for _ in range(3))
        self.count = self.count + known
        change = torch.where(known, values - self.mean, 0.0)
        self.mean = self.mean + change / self.count.clamp_min(1)
        self.square = self.square + change * torch.where(known, values - self.mean, 0.0)
        self.variances.append(spread(values) ** 2)
        self.means.append(float(values[known].mean()))
        self.points.append(int(known.sum()))

    def figures(self, method: str, quantity: str) -> NoiseFloor:
        """Sum up."""
        assert self.count is not None and self.square is not None
        often = self.count > 1
        temporal = (self.square[often] / (self.count[often] - 1)).mean().sqrt() if bool(often.any()) else math.nan
        frames = len(self.points)
        return NoiseFloor(
            method=method,
            quantity=quantity,
            unit="px" if quantity in DISPLACEMENTS else "1",
            mean=averaged(self.means),
            spatial=math.sqrt(averaged(self.variances)),
            temporal=float(temporal),
            frames=frames,
            points=sum(self.points) // frames,
        )


def noise_floor(
    name: str, method: Method, reference: Tensor, deformed: Iterable[tuple[str, Tensor]], mask: Tensor
) -> list[NoiseFloor]:
    """Measure static images by one method.

    Parameters
    ----------
    name : str
    method : Method
    reference : (H, W) float32
        Grey levels.
    deformed : iterable of (str, (H, W) float32)
        Names and grey levels of further images of the same scene; at least one.
    mask : (H, W) bool
        Where the specimen is.

    Returns
    -------
    list of NoiseFloor
        Of u, v, exx, eyy and exy. Strains are those of planes fitted to windows of 25 px.

    Raises
    ------
    MeasurementError
        If not one point of an image could be measured.
    """
    tallies = {quantity: _Tally() for quantity in READINGS}
    for called, image in deformed:
        found = method(reference, image, mask)
        if not bool(found.valid.any()):
            raise MeasurementError(f"{name} could measure nothing in this image", called, "Do all show one scene?")
        values = _quantities(found)
        for quantity, tally in tallies.items():
            tally.add(values[quantity])
    return [tally.figures(name, quantity) for quantity, tally in tallies.items()]


def _quantities(found: Measured) -> dict[str, Tensor]:
    u, v = found.thinned(found.displacement)[0].where(found.thinned(found.valid)[0], math.nan)
    (ux, uy), (vx, vy) = (plane_slopes(part, strain_window(found.step), found.step) for part in (u, v))
    return {"u": u, "v": v, "exx": ux, "eyy": vy, "exy": 0.5 * (uy + vx)}
