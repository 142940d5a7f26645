"""The bars that the networks and the refinement have to reach, computed from the test bed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from scorrnet_cli.evaluation.hard.bed import FOUND, GIVEN, Points, Trial, kind_figures, middle, rmse, share
from scorrnet_cli.evaluation.metrics import averaged

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
        One at least.
    largest_change_px : float
        By which the exchange of the background changes a field at most, rms.
    """
    yield from _displacement_bars(trials)
    masks = [each for each in kind_figures(trials) if each.group == "background" and each.mask == FOUND]
    mean, worst = averaged([each.iou for each in masks]), min((each.iou for each in masks), default=math.nan)
    what = "IoU of the mask, hard backgrounds"
    yield Bar(what, "mean", "IoU", mean, math.nan, 0.97, at_most=False)
    yield Bar(what, "worst kind", "IoU", worst, math.nan, 0.90, at_most=False)
    what = "exchange of the background"
    yield Bar(what, "largest change, rms", "px", largest_change_px, math.nan, LARGEST_CHANGE_PX, at_most=True)


class _Both(NamedTuple):
    """Points with the mask that was found, and with the true one."""

    found: Points
    given: Points

    @staticmethod
    def of(trials: Iterable[Trial], which: Callable[[Points], Tensor]) -> _Both:
        """Take those points of several pairs that a condition holds for."""
        parts = [[trial.points[mask] for trial in trials] for mask in (FOUND, GIVEN)]
        return _Both(*(Points.joined([each.only(which(each)) for each in mine]) for mine in parts))

    def at_most(self, what: str, quantity: str, figure: Callable[[Points], float], limit_px: float) -> Bar:
        return Bar(what, quantity, "px", figure(self.found), figure(self.given), limit_px, at_most=True)

    def at_least(self, what: str, quantity: str, which: Callable[[Points], Tensor], limit: float) -> Bar:
        found, given = share(which(self.found)), share(which(self.given))
        return Bar(what, quantity, "share", found, given, limit, at_most=False)


def _displacement_bars(trials: Sequence[Trial]) -> Iterator[Bar]:
    near = _Both.of(trials, lambda points: (points.moved <= NEAR_PX) & (points.slope <= GENTLE))
    what = "to 32 px, gradients to 0.3: network alone"
    yield near.at_most(what, "median", lambda points: middle(points.network)[0], 0.03)
    yield near.at_most(what, "mean", lambda points: middle(points.network)[1], 0.10)
    yield near.at_least(what, "below 1 px", lambda points: points.network < 1.0, 0.995)
    far = _Both.of(trials, lambda points: (points.moved > NEAR_PX) & (points.moved <= FAR_PX))
    yield far.at_least("32 to 64 px: network alone", "below 1 px", lambda points: points.network < 1.0, 0.98)
    turned = [trial for trial in trials if trial.case.kind in TURNED]
    over = _Both.of(turned, lambda points: points.moved.isfinite())
    what = "rotation of 20 to 45 degrees, stretch of 30 to 80 %: refined"
    yield over.at_least(what, "below 0.1 px", lambda points: points.refined < 0.1, 0.95)
    noisy = [trial for trial in trials if trial.case.camera.noise == USUAL_NOISE]
    over = _Both.of(noisy, lambda points: points.moved <= NEAR_PX)
    what = "noise of 2 grey levels, to 32 px: refined"
    yield over.at_most(what, "RMSE over valid", lambda points: rmse(points.refined), 0.02)
    yield over.at_least(what, "valid", lambda points: points.refined.isfinite(), 0.99)
