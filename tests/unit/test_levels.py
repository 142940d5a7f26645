"""Grey levels brought to one scale: whatever the camera's, and with marks in the image."""

from __future__ import annotations

import numpy as np
import pytest

from scorrnet_cli.arrays import FloatArray
from scorrnet_cli.levels import standard_levels


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
