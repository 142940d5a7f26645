"""The bars that the networks and the refinement have to reach, computed from the test bed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scorrnet_cli.evaluation.hard.bed import FOUND, GIVEN, Points, Trial, kind_figures, middle, rmse, share

NEAR_PX, GENTLE = 32.0, 0.3  # displacement, and each of its derivatives, of what every measurement meets
FAR_PX = 64.0
TURNED = ("rotation of 20 to 45 degrees", "stretch of 30 to 80 %")
USUAL_NOISE = 2.0
LARGEST_CHANGE_PX = 0.005


@dataclass(frozen=True)
class Bar:
    """One figure that has to be reached.

    Attributes
    ----------
    what, quantity : str
        Over which points, and which figure.
    unit : str
        ``px``, ``share`` or ``IoU``.
    found, given : float
        The figure with the mask that the program finds, and with the true one; NaN if nothing was measured or the
        mask makes no difference.
    limit : float
    at_most : bool
        Whether the figure has to stay below the limit, or reach it.
    """

    what: str
    quantity: str
    unit: str
    found: float
    given: float
    limit: float
    at_most: bool

    @property
    def holds(self) -> bool | None:
        """Whether the bar is reached, by the true mask where that makes a difference; None if nothing was measured."""
        value = self.found if math.isnan(self.given) else self.given
        if math.isnan(value):
            return None
        return value <= self.limit if self.at_most else value >= self.limit


def bars(trials: Sequence[Trial], largest_change_px: float = math.nan) -> Iterator[Bar]:
    """Compute every bar from what was measured.

    Parameters
    ----------
    trials : sequence of Trial
    largest_change_px : float
        By which the exchange of the background changes a field at most, rms.
    """
    yield from _displacement_bars(trials)
    masks = [each for each in kind_figures(trials) if each.group == "background" and each.mask == FOUND]
    ious = [each.iou for each in masks]
    mean, worst = (sum(ious) / len(ious), min(ious)) if ious else (math.nan, math.nan)
    yield Bar("IoU of the mask, hard backgrounds", "mean", "IoU", mean, math.nan, 0.97, at_most=False)
    yield Bar("IoU of the mask, hard backgrounds", "worst kind", "IoU", worst, math.nan, 0.90, at_most=False)
    what = "exchange of the background"
    yield Bar(what, "largest change, rms", "px", largest_change_px, math.nan, LARGEST_CHANGE_PX, at_most=True)


def _displacement_bars(trials: Sequence[Trial]) -> Iterator[Bar]:
    def pooled(mask: str, mine: Sequence[Trial]) -> Points:
        nothing = Points(*[next(iter(trials)).points[mask].network[:0]] * 4)
        return Points.joined([nothing, *(trial.points[mask] for trial in mine)])

    every = [pooled(mask, trials) for mask in (FOUND, GIVEN)]
    near = [each.only((each.moved <= NEAR_PX) & (each.slope <= GENTLE)) for each in every]
    what = "to 32 px, gradients to 0.3: network alone"
    yield Bar(what, "median", "px", *(middle(each.network)[0] for each in near), 0.03, at_most=True)
    yield Bar(what, "mean", "px", *(middle(each.network)[1] for each in near), 0.10, at_most=True)
    yield Bar(what, "below 1 px", "share", *(share(each.network < 1.0) for each in near), 0.995, at_most=False)
    far = [each.only((each.moved > NEAR_PX) & (each.moved <= FAR_PX)) for each in every]
    what = "32 to 64 px: network alone"
    yield Bar(what, "below 1 px", "share", *(share(each.network < 1.0) for each in far), 0.98, at_most=False)
    turned = [trial for trial in trials if trial.case.kind in TURNED]
    what = "rotation of 20 to 45 degrees, stretch of 30 to 80 %: refined"
    over = [pooled(mask, turned) for mask in (FOUND, GIVEN)]
    yield Bar(what, "below 0.1 px", "share", *(share(each.refined < 0.1) for each in over), 0.95, at_most=False)
    noisy = [trial for trial in trials if trial.case.camera.noise == USUAL_NOISE]
    over = [pooled(mask, noisy) for mask in (FOUND, GIVEN)]
    over = [each.only(each.moved <= NEAR_PX) for each in over]
    what = "noise of 2 grey levels, to 32 px: refined"
    yield Bar(what, "RMSE over valid", "px", *(rmse(each.refined) for each in over), 0.02, at_most=True)
    yield Bar(what, "valid", "share", *(share(each.refined.isfinite()) for each in over), 0.99, at_most=False)
