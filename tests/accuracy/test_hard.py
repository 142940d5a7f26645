"""The background does not get into the field, and the surface is found at every size; with the bundled weights."""

from __future__ import annotations

import pytest

from scorrnet_cli import pipeline
from scorrnet_cli.evaluation.hard.bars import LARGEST_CHANGE_PX
from scorrnet_cli.evaluation.hard.bed import Points, frame, measured, points_of
from scorrnet_cli.evaluation.hard.cases import chosen
from scorrnet_cli.evaluation.hard.exchange import exchanges
from scorrnet_cli.evaluation.hard.scale import scale_figures
from scorrnet_cli.evaluation.hard.still import found_mask
from scorrnet_cli.pipeline import Instruments
from scorrnet_cli.settings import Settings

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def instruments() -> Instruments:
    return pipeline.load(Settings(device="cpu"))


@pytest.mark.parametrize("specimen", ["plate with a hole", "ring"])
def test_another_background_changes_nothing(instruments: Instruments, specimen: str) -> None:
    (found,) = exchanges(instruments, [specimen])
    assert 0.0 < found.change_px < LARGEST_CHANGE_PX  # no change at all would mean that nothing was exchanged
    assert found.lost_share < 0.005


def test_the_surface_is_found_at_every_size(instruments: Instruments) -> None:
    for found in scale_figures(instruments, ((256, 2.0), (256, 15.0), (512, 5.0))):
        assert found.iou > 0.85, found


@pytest.mark.parametrize(
    ("kind", "least_right"),
    [("rotation of 20 to 45 degrees", 0.98), ("stretch of 30 to 80 %", 0.98), ("parts moving apart", 0.93)],
)
def test_large_motion_is_measured(instruments: Instruments, kind: str, least_right: float) -> None:
    pairs = [case.render() for case in chosen(kind)]
    points = Points.joined([points_of(pair, measured(instruments, pair, pair.mask)) for pair in pairs])
    assert float((points.refined < 0.1).float().mean()) > least_right
    assert float(points.refined[points.refined.isfinite()].max()) < 2  # nothing is made up


def test_textured_backgrounds_are_no_speckle(instruments: Instruments) -> None:
    for case in chosen("gravel,marks,strokes,8 grey levels"):
        pair = case.render()
        found = found_mask(instruments, pair.reference)
        assert int((found & pair.mask).sum()) > 0.85 * int((found | pair.mask).sum()), case.kind


def test_a_good_mask_is_not_doubted(instruments: Instruments) -> None:
    (case, *_) = chosen("plain")
    prepared = pipeline.prepare(instruments, frame(case.render().reference))
    assert prepared.sureness is not None
    assert prepared.sureness.warnings == ()
    assert 0.2 < prepared.sureness.share < 0.5
