"""Light that changes between the frames hardly moves the result."""

from __future__ import annotations

import pytest
import torch

from scorrnet_cli.evaluation.fields import quadratic
from scorrnet_cli.evaluation.methods import load_methods
from scorrnet_cli.evaluation.metrics import counted_points
from scorrnet_cli.evaluation.rendering import make_pair, photographed

MOST_PX = 0.002
HEIGHT, WIDTH = 176, 208


@pytest.mark.weights
def test_gain_offset_and_gradients_of_light() -> None:
    pair = photographed(make_pair((HEIGHT, WIDTH), quadratic(0.02), 5), 6)
    y, x = torch.meshgrid(torch.linspace(-0.5, 0.5, HEIGHT), torch.linspace(-0.5, 0.5, WIDTH), indexing="ij")
    lights = {
        "brighter": 1.3 * pair.deformed,
        "darker": 0.7 * pair.deformed,
        "stray light": pair.deformed + 30,
        "gradient": (1 + 0.3 * x) * pair.deformed,
        "gradient and stray light": (1 - 0.3 * y) * pair.deformed + 40 * (x + y),
        "vignette": (1 - 0.6 * (x**2 + y**2)) * pair.deformed,
    }
    (measure,) = load_methods(["scorrnet"], "cpu").values()
    still = measure(pair.reference, pair.deformed, pair.mask)
    counted = counted_points(pair.mask, pair.truth)
    for name, deformed in lights.items():
        found = measure(pair.reference, deformed.to(pair.deformed.dtype), pair.mask)
        both = counted & still.valid & found.valid
        assert float(both.sum()) > 0.99 * float(counted.sum()), name
        moved = (found.displacement - still.displacement)[:, both]
        assert float(moved.square().mean().sqrt()) < MOST_PX, name


@pytest.mark.weights
@pytest.mark.parametrize("glare", [20_000.0, 60_000.0])
def test_glare_beside_the_surface_in_one_image(glare: float) -> None:
    pair = photographed(make_pair((HEIGHT, WIDTH), quadratic(0.02), 5), 6)
    mask = pair.mask.clone()
    mask[:, WIDTH - 50 :] = False
    deformed = pair.deformed.clone()
    deformed[:, WIDTH - 30 :] = glare  # a lamp: levels that make the surface's contrast 1/100 of the image's
    (measure,) = load_methods(["scorrnet"], "cpu").values()
    still, found = measure(pair.reference, pair.deformed, mask), measure(pair.reference, deformed, mask)
    assert float(found.valid.sum()) > 0.99 * float(still.valid.sum())
    moved = (found.displacement - still.displacement)[:, still.valid & found.valid]
    assert float(moved.square().mean().sqrt()) < MOST_PX
    assert float((found.sigma / still.sigma)[:, still.valid & found.valid].log().abs().median()) < 0.1
