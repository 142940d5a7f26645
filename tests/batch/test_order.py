"""Images come in the order in which people count."""

from __future__ import annotations

import random

import pytest

from scorrnet_cli.batch.order import in_natural_order


@pytest.mark.parametrize(
    "names",
    [
        ["", "9.tif", "10.tif", "a", "img_01.tif", "img_1.tif", "IMG_2.tif", "img_2b.tif", "img_10.tif"],
        ["P_0kN.png", "P_0.5kN.png", "P_1.25kN.png", "P_1.5kN.png", "P_10kN.png"],
        ["t 0,25s.png", "t 0,5s.png", "t 1s.png"],
        ["run1", "run1.5mm", "run1.75mm", "run2", "run10"],
        ["load_0.tif", "load_0.5.tif", "load_1.25.tif", "load_1.5.tif", "load_2.tif", "load_10.tif"],
        ["cam0.1.tif", "cam0.2.tif", "cam0.9.tif", "cam0.10.tif", "cam0.11.tif"],
        ["cam0.tif", "cam0.1.tif", "cam0.2.tif", "cam0.10.tif"],
        ["2026.01.9.tif", "2026.01.10.tif", "2026.02.1.tif"],
        ["a1.mp4", "a2.mp4", "a10.mp4"],
    ],
)
def test_numbers_decimals_and_counters(names: list[str]) -> None:
    mixed = names[:]
    random.Random(3).shuffle(mixed)
    assert in_natural_order(mixed) == names
