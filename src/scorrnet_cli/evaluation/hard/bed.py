"""The test bed measured: every case with the mask that the program finds itself, and with the true one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from scorrnet_cli import pipeline
from scorrnet_cli.errors import MeasurementError
from scorrnet_cli.evaluation.hard.case import Case
from scorrnet_cli.evaluation.metrics import counted_points
from scorrnet_cli.evaluation.rendering import Pair
from scorrnet_cli.field import FrameInfo
from scorrnet_cli.frames import Frame
from scorrnet_cli.numerics.filters import gradient
from scorrnet_cli.pipeline import Instruments

FOUND, GIVEN = "found", "true"  # masks


class Points(NamedTuple):
    """What came out at the points that count: of the true mask, 15 px or more from the border of both images.

    Attributes
    ----------
    network : (N,) float32
        End-point error of the network's field, px; NaN outside the mask that was used.
    refined : (N,) float32
        That of the result, px; NaN where it is not valid.
    moved : (N,) float32
        True displacement, px.
    slope : (N,) float32
        Largest of the four derivatives of the true displacement.
    """

    network: Tensor
    refined: Tensor
    moved: Tensor
    slope: Tensor

    def only(self, which: Tensor) -> Points:
        """Take some of the points, (N,) bool."""
        return Points(*(values[which] for values in self))

    @staticmethod
    def joined(parts: Sequence[Points]) -> Points:
        """Put the points of several pairs, or of none, together."""
        nothing = Points(*torch.empty(4, 0))
        return Points(*(torch.cat(columns) for columns in zip(nothing, *parts, strict=True)))


@dataclass(frozen=True)
class Trial:
    """One case measured.

    Attributes
    ----------
    case : Case
    reference, deformed : (H, W) float32
        Grey levels.
    mask, found : (H, W) bool
        The true mask, and the one that the program finds.
    error : (H, W) float32
        End-point error of the result with the found mask, px; NaN where there is none.
    points : mapping of str to Points
        With the mask `FOUND` and with `GIVEN`.
    """

    case: Case
    reference: Tensor
    deformed: Tensor
    mask: Tensor
    found: Tensor
    error: Tensor
    points: dict[str, Points]

    @property
    def iou(self) -> float:
        """Intersection over union of the found mask with the true one."""
        return float((self.found & self.mask).sum()) / max(1.0, float((self.found | self.mask).sum()))


def trials(instruments: Instruments, cases: Iterable[Case]) -> Iterator[Trial]:
    """Measure cases one after another.

    Parameters
    ----------
    instruments : Instruments
        With the segmentation network.
    cases : iterable of Case
    """
    for case in cases:
        pair = case.render()
        by_itself = measured(instruments, pair, None)
        same = torch.equal(by_itself.mask, pair.mask)
        told = by_itself if same else measured(instruments, pair, pair.mask)
        yield Trial(
            case=case,
            reference=pair.reference,
            deformed=pair.deformed,
            mask=pair.mask,
            found=by_itself.mask,
            error=_missed(by_itself.refined, pair.truth),
            points={FOUND: points_of(pair, by_itself), GIVEN: points_of(pair, told)},
        )


class Measured(NamedTuple):
    """A pair measured: the mask that was used (H, W), the network's field and the refined one (2, H, W), px.

    The network's field is NaN outside the mask, the refined one where it is not valid.
    """

    mask: Tensor
    network: Tensor
    refined: Tensor


def measured(instruments: Instruments, pair: Pair, mask: Tensor | None) -> Measured:
    """Measure a pair with a mask, given or found by the program.

    Parameters
    ----------
    instruments : Instruments
        With the segmentation network if there is no mask.
    pair : Pair
    mask : (H, W) bool or None
        Where to measure; None lets the program find it.

    Returns
    -------
    Measured
        What fails is all NaN; if the reference image does, the mask is empty.
    """
    nothing = torch.full((2, *pair.mask.shape), math.nan)
    given = None if mask is None else mask.to(instruments.where)
    try:
        prepared = pipeline.prepare(instruments, frame(pair.reference), given)
    except MeasurementError:
        return Measured(torch.zeros_like(pair.mask), nothing, nothing)
    used = torch.from_numpy(prepared.mask)
    later = frame(pair.deformed)
    network = pipeline.located(instruments, prepared, later).cpu().where(used, math.nan)
    try:
        field = pipeline.measure_pair(instruments, prepared, later)
    except MeasurementError:
        return Measured(used, network, nothing)
    return Measured(used, network, torch.stack([torch.from_numpy(field.u[0]), torch.from_numpy(field.v[0])]))


def frame(image: Tensor) -> Frame:
    """Make a frame of a rendered image (H, W)."""
    return Frame(image.numpy(), FrameInfo("rendered", ""))


def points_of(pair: Pair, result: Measured) -> Points:
    """Compare the fields of a pair with its truth, at the points that count."""
    counted = counted_points(pair.mask, pair.truth)
    slope = torch.stack(gradient(pair.truth)).abs().amax((0, 1)).nan_to_num(0.0)  # NaN next to the edge
    values = (
        _missed(result.network, pair.truth),
        _missed(result.refined, pair.truth),
        torch.hypot(*pair.truth),
        slope,
    )
    return Points(*(each[counted].float() for each in values))


def _missed(field: Tensor, truth: Tensor) -> Tensor:
    """End-point error (H, W), px."""
    return torch.hypot(*(field - truth)).float()


@dataclass(frozen=True)
class KindFigures:
    """What a kind of case came to with one mask.

    Attributes
    ----------
    group, kind : str
    mask : str
        Which mask was used: ``found`` by the program, or the ``true`` one.
    pairs : int
    iou, least_iou : float
        Of the mask that is found with the true one: mean and smallest over the pairs.
    network_median_px, network_mean_px : float
        End-point error of the network's own field, px, over the points that count and lie in the mask used.
    network_below_1px : float
        Share of the points that count at which it is below 1 px.
    rmse_px : float
        Root mean square of the error of u and of v over the valid points after refinement, px.
    valid_share : float
        Valid points over all that count.
    below_01px : float
        Share of the points that count that are valid and wrong by less than 0.1 px.
    """

    group: str
    kind: str
    mask: str
    pairs: int
    iou: float
    least_iou: float
    network_median_px: float
    network_mean_px: float
    network_below_1px: float
    rmse_px: float
    valid_share: float
    below_01px: float


def kind_figures(measured: Sequence[Trial]) -> Iterator[KindFigures]:
    """Sum trials up by kind, in the order in which they come, and last over all of them."""
    groups: dict[tuple[str, str], list[Trial]] = {}
    for trial in measured:
        groups.setdefault((trial.case.group, trial.case.kind), []).append(trial)
    for (group, kind), mine in groups.items():
        for mask in (FOUND, GIVEN):
            yield _figures(group, kind, mask, mine)
    for mask in (FOUND, GIVEN):
        yield _figures("all", "", mask, measured)


def _figures(group: str, kind: str, mask: str, mine: Sequence[Trial]) -> KindFigures:
    ious = [trial.iou for trial in mine]
    points = Points.joined([trial.points[mask] for trial in mine])
    median, mean = middle(points.network)
    return KindFigures(
        group=group,
        kind=kind,
        mask=mask,
        pairs=len(mine),
        iou=sum(ious) / len(ious),
        least_iou=min(ious),
        network_median_px=median,
        network_mean_px=mean,
        network_below_1px=share(points.network < 1.0),
        rmse_px=rmse(points.refined),
        valid_share=share(points.refined.isfinite()),
        below_01px=share(points.refined < 0.1),
    )


def middle(errors: Tensor) -> tuple[float, float]:
    """Median and mean of those errors (N,) that are known; NaN if none is."""
    known = errors[errors.isfinite()]
    return (float(known.median()), float(known.mean())) if known.numel() else (math.nan, math.nan)


def rmse(errors: Tensor) -> float:
    """Root mean square of the error of u and of v, px, of end-point errors (N,); NaN is left out."""
    known = errors[errors.isfinite()].double()
    return float((known.square().mean() / 2).sqrt()) if known.numel() else math.nan


def share(which: Tensor) -> float:
    """Share of True in (N,) bool; NaN of nothing."""
    return float(which.double().mean()) if which.numel() else math.nan
