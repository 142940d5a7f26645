"""What is found out about two images as a whole: the plane that displaces them, and their noise."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from scorrnet_cli.evaluation.fields import affine
from scorrnet_cli.evaluation.rendering import make_pair
from scorrnet_cli.motion import overview as overview_module
from scorrnet_cli.motion.overview import Overview, overview
from scorrnet_cli.numerics.filters import fitted_plane, plane_at
from scorrnet_cli.numerics.tiles import Box
from scorrnet_cli.refinement.matching import Surface, deformed_spline, surface

HEIGHT, WIDTH = 200, 720  # more than is looked at as a whole
NOISE = 3.0  # grey levels
STRIP = slice(90, 114)


def _seen(noise: float, mask: Tensor, wrong: Tensor) -> tuple[Surface, Overview, Tensor, float]:
    """Look at a pair whose start is wrong by `wrong` (2, H, W), px; also the truth and a grey level in its units."""
    pair = make_pair((HEIGHT, WIDTH), affine(0.02, 1.0, (2.3, -1.6), WIDTH), 3)
    generator = torch.Generator().manual_seed(1)
    images = [
        image + noise * torch.randn(image.shape, generator=generator) for image in (pair.reference, pair.deformed)
    ]
    seen = surface(images[0].float(), mask)
    truth = pair.truth.float()
    found = overview(seen, deformed_spline(seen, images[1].float()), truth + wrong)
    return seen, found, truth, 1 / float(seen.scale)


def test_a_large_surface_is_looked_at_in_places_all_over_it() -> None:
    places = overview_module._places(torch.ones(HEIGHT, WIDTH, dtype=torch.bool))
    assert len(set(places)) == 8
    assert max(box.right for box in places) - min(box.left for box in places) > 0.8 * WIDTH
    assert max(box.bottom for box in places) - min(box.top for box in places) > 0.8 * HEIGHT
    small = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    small[50:150, 30:90] = True
    assert overview_module._places(small) == [Box(50, 30, 150, 90)]


@pytest.mark.parametrize("noise", [1.5, NOISE])
def test_noise_is_that_of_the_images(noise: float) -> None:
    everywhere = torch.ones(HEIGHT, WIDTH, dtype=torch.bool)
    x = torch.arange(float(WIDTH))
    wrong = torch.stack([0.2 * torch.sin(x / 20).expand(HEIGHT, -1), torch.zeros(HEIGHT, WIDTH)])
    _, found, _, level = _seen(noise, everywhere, wrong)
    # Of the reference all of it, of the deformed image what interpolation lets through; a low quantile is taken.
    assert 1.0 < float(found.noise.sqrt()) / (noise * level) < 1.42


def test_unfound_detail_is_not_taken_for_noise() -> None:
    everywhere = torch.ones(HEIGHT, WIDTH, dtype=torch.bool)
    _, still, _, level = _seen(0.5, everywhere, torch.zeros(2, HEIGHT, WIDTH))
    wrong = torch.zeros(2, HEIGHT, WIDTH)
    wrong[1, :, 150:] = 0.7 * torch.sin(torch.arange(float(WIDTH - 150)) / 1.5)  # finer than a window
    _, found, _, _ = _seen(0.5, everywhere, wrong)
    assert float(found.noise) < 1.5 * float(still.noise)
    assert float(still.noise.sqrt()) < 1.0 * level


def test_the_plane_is_not_led_astray_by_errors_at_the_edges_of_a_strip() -> None:
    mask = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    mask[STRIP] = True
    across = torch.zeros(HEIGHT, WIDTH)
    across[STRIP] = torch.linspace(-1, 1, STRIP.stop - STRIP.start)[:, None] ** 3
    wrong = torch.stack([torch.zeros(HEIGHT, WIDTH), across])
    seen, found, truth, _ = _seen(1.0, mask, wrong)
    size, whole = (HEIGHT, WIDTH), Box(0, 0, HEIGHT, WIDTH)

    def off(plane: Tensor) -> float:
        return float((plane_at(plane, whole, size) - truth)[:, mask].abs().max())

    assert off(fitted_plane(truth + wrong, seen.mask.float())) > 0.5
    assert off(found.motion) < 0.05
