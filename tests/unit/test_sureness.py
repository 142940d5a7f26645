"""How sure the mask is: what counts, what does not, and what is said."""

from __future__ import annotations

import pytest
import torch

from scorrnet_cli.masks.sureness import Sureness, sureness

SIZE = 100


def test_what_is_unsure_far_from_the_edge_counts() -> None:
    probability = torch.zeros(SIZE, SIZE)
    probability[:, :50] = 1.0
    mask = probability > 0.5
    assert sureness(probability, mask).unsure_share == 0.0
    probability[:, 46:54] = 0.6  # next to the edge nobody is sure
    assert sureness(probability, mask).unsure_share == 0.0
    probability[10:20, 10:20] = 0.7  # within
    probability[10:20, 70:80] = 0.3  # and without
    found = sureness(probability, mask)
    assert found.unsure_share == pytest.approx(200 / 5000)
    assert found.share == 0.5
    assert found.levels[0, 0] == 255
    assert found.levels[15, 75] == round(0.3 * 255)


def test_an_empty_mask_is_not_divided_by() -> None:
    found = sureness(torch.full((SIZE, SIZE), 0.4), torch.zeros(SIZE, SIZE, dtype=torch.bool))
    assert found.share == 0.0
    assert found.unsure_share > 1


@pytest.mark.parametrize(
    ("share", "unsure", "parts"),
    [
        (0.5, 0.01, ()),
        (0.02, 0.0, ()),
        (0.98, 0.0, ()),
        (0.019, 0.0, ("only 1.9% of the image",)),
        (0.981, 0.0, ("98.1% of the image",)),
        (0.5, 0.05, ()),
        (0.5, 0.07, ("the mask is unsure",)),
        (1.0, 0.07, ("100.0% of the image", "the mask is unsure")),
    ],
)
def test_warnings(share: float, unsure: float, parts: tuple[str, ...]) -> None:
    told = Sureness(torch.zeros(1, 1).byte().numpy(), share, unsure).warnings
    assert len(told) == len(parts)
    for text, part in zip(told, parts, strict=True):
        assert part in text
        assert text.endswith("--mask FILE")


def test_in_a_region_only_the_region_counts() -> None:
    probability = torch.ones(SIZE, SIZE)
    probability[:40] = 0.7
    region = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    region[60:80, 10:30] = True
    found = sureness(probability, probability > 0.5, region)
    assert (found.share, found.unsure_share, found.warnings) == (1.0, 0.0, ())
    assert sureness(probability, probability > 0.5).warnings
    little = sureness(0 * probability, torch.zeros(SIZE, SIZE, dtype=torch.bool), region)
    assert "only 0.0% of the region" in little.warnings[0]
