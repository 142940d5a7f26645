"""The compared methods on a rendered pair: each is as accurate as its window and the noise allow."""

from __future__ import annotations

import math

import pytest
import torch

from scorrnet_cli.evaluation.fields import affine
from scorrnet_cli.evaluation.methods import load_methods
from scorrnet_cli.evaluation.metrics import accuracy, counted_points
from scorrnet_cli.evaluation.rendering import make_pair, photographed

MOST_PX = {"scorrnet": 0.02, "linear": 0.02, "network": 0.05, "icgn-affine": 0.01, "icgn-quadratic": 0.018}


@pytest.mark.weights
def test_a_smooth_field_by_every_method() -> None:
    pair = photographed(make_pair((160, 192), affine(0.02, 1.0, (2.3, -1.2), 160), 1), 2)
    for name, method in load_methods(MOST_PX, "cpu").items():
        found = method(pair.reference, pair.deformed, pair.mask)
        counted, truth = found.thinned(counted_points(pair.mask, pair.truth), pair.truth)
        displacement, valid, sigma = found.thinned(found.displacement, found.valid, found.sigma)
        judged = accuracy(displacement, valid, truth, counted)
        assert judged.valid_share > 0.995, name
        assert math.hypot(judged.rmse_u, judged.rmse_v) / math.sqrt(2) < MOST_PX[name], name
        assert bool(torch.isfinite(sigma[:, valid]).all()) == (name != "network"), name
        assert bool(torch.isnan(displacement[:, ~valid]).all()), name


@pytest.mark.weights
def test_images_that_do_not_match_give_nothing() -> None:
    flat = torch.full((96, 96), 100.0)
    generator = torch.Generator().manual_seed(1)
    one, other = (flat + 30 * torch.randn(96, 96, generator=generator) for _ in range(2))
    for name, method in load_methods(("scorrnet", "icgn-affine"), "cpu").items():
        found = method(one, other, torch.ones(96, 96, dtype=torch.bool))
        assert float(found.valid.float().mean()) < 0.02, name
