"""Strain of a measured plate with a hole against that of its true displacement, and the stated uncertainty."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import scorrnet_cli as sc
from scorrnet_cli.strain import strain

PLATE = Path(__file__).parents[2] / "examples" / "plate_hole"
HOLE_PX = (252, 257)


@pytest.mark.weights
@pytest.mark.slow
def test_strain_of_the_plate_with_a_hole() -> None:
    field = sc.measure(PLATE / "reference.png", PLATE / "deformed.png")
    with np.load(PLATE / "truth.npz") as truth:
        u, v = truth["u"][None], truth["v"][None]
    found = field.strain(window=25)
    true = strain(u, v, field.valid & np.isfinite(u), found.how)
    y, x = np.mgrid[: u.shape[1], : u.shape[2]]
    far = (np.hypot(x - HOLE_PX[0], y - HOLE_PX[1]) > 90)[None]  # two radii
    for name in ("exx", "eyy", "exy"):
        error, sigma = getattr(found, name) - getattr(true, name), getattr(found, f"sigma_{name}")
        known = np.isfinite(error)
        assert np.sqrt(np.mean(error[known] ** 2)) < 6e-4
        assert np.mean(np.abs(error[known]) < 2 * sigma[known]) > 0.85
        ratio = np.sqrt(np.mean(error[known & far] ** 2) / np.mean(sigma[known & far] ** 2))
        assert 0.7 < ratio < 1.4
