"""Grey levels brought to one scale: whatever the camera's, and with marks in the image."""

from __future__ import annotations

import numpy as np
import pytest

from scorrnet_cli.arrays import FloatArray
from scorrnet_cli.images.levels import standard_levels


@pytest.fixture
def grey() -> FloatArray:
    return np.random.default_rng(1).normal(1000, 150, (60, 80)).astype(np.float32)


def test_any_scale_becomes_one(grey: FloatArray) -> None:
    levels = standard_levels(grey)
    assert levels is not None
    assert levels.mean() == pytest.approx(0, abs=1e-5) and levels.std() == pytest.approx(1, abs=1e-5)
    again = standard_levels(1e-6 * grey - 7)
    assert again is not None
    np.testing.assert_allclose(again, levels, atol=0.02)
    assert standard_levels(np.full((5, 5), 3.0, np.float32)) is None


@pytest.mark.parametrize("mark", [65535.0, -9999.0])
def test_marks_leave_the_contrast_of_the_rest(grey: FloatArray, mark: float) -> None:
    marked = grey.copy()
    marked[:4, :25] = mark  # 2 % of the image
    levels = standard_levels(marked)
    assert levels is not None
    assert levels[10:].std() == pytest.approx(0.9, abs=0.05)
    nearest = levels[4:].max() if mark > 0 else levels[4:].min()
    assert abs(levels[0, 0] - nearest) < 1e-5


def test_what_is_bright_but_no_mark_stays(grey: FloatArray) -> None:
    shining = grey.copy()
    shining[20:22, 30:33] = [3000, 4000, 5000]  # a glint with its rim
    levels = standard_levels(shining)
    assert levels is not None
    np.testing.assert_allclose(levels, (shining - shining.mean()) / shining.std(), atol=1e-4)
    dots = np.zeros((60, 80), np.float32)
    dots[::10, ::10] = 255  # two levels alone: neither is a mark
    found = standard_levels(dots)
    assert found is not None and np.ptp(found) == pytest.approx(255 / dots.std(), rel=1e-4)


@pytest.mark.parametrize(
    ("scale", "mark", "share"),
    [(1.0, -9999.0, 0.1), (1.0, 1e5, 0.1), (255.0, -3.4e38, 0.02), (1.0, -3.4e38, 0.02), (255.0, -1000.0, 0.3)],
)
def test_frequent_and_huge_marks_leave_the_rest_as_it_is(scale: float, mark: float, share: float) -> None:
    rng = np.random.default_rng(4)
    grey = scale * rng.random((90, 100), dtype=np.float32)
    marked = rng.random(grey.shape) < share
    levels = standard_levels(np.where(marked, np.float32(mark), grey))
    assert levels is not None
    seen = ~marked
    assert np.corrcoef(levels[seen], grey[seen])[0, 1] > 0.999999
    assert levels[seen].std() > 0.75


def test_dots_without_noise_are_no_marks() -> None:
    rng = np.random.default_rng(5)
    dots = np.where(rng.random((90, 100)) < 0.1, 0, rng.integers(250, 256, (90, 100))).astype(np.float32)
    levels = standard_levels(dots)
    assert levels is not None
    assert np.ptp(levels) == pytest.approx(255 / dots.std(), rel=1e-3)
