"""Synthetic pairs as the refinement meets them: compared at a field that is nearly right."""

from __future__ import annotations

import math
from itertools import cycle
from typing import NamedTuple

import torch
from torch import Tensor

from scorrnet_cli.models.fusion import Fuser, asked
from scorrnet_cli.motion.overview import least, misfits, overview
from scorrnet_cli.numerics.filters import masked_gaussian
from scorrnet_cli.refine import FIRST_VIEWS, VIEWS, approach, look_again
from scorrnet_cli.refinement.matching import Surface, compare, deformed_spline, surface
from scorrnet_cli.refinement.windows import MIDDLE, Evidence, weigh
from scorrnet_cli.training.loss import SMALLEST_SPECIMEN
from scorrnet_cli.training.masks import careless
from scorrnet_cli.training.recipe import SynthRecipe
from scorrnet_cli.training.rng import Rng
from scorrnet_cli.training.synth import Material, Pairs, make_pairs

SMALL_IMAGES = 0.4  # share of the pairs whose noise is estimated from what little they show
NOISE_SPREAD = 0.15  # of the logarithm of the estimates from larger ones
SMALLEST_SURFACE_PX = 256  # below, the whole frame is taken for the surface; hardly any point of it counts


class Compared(NamedTuple):
    """A pair ready for refinement, and what is seen of it at a field as wrong as the displacement network gives it."""

    reference: Surface
    coefficients: Tensor  # (H, W), of the deformed image
    evidence: Evidence
    noise: Tensor  # (), variance of the residual where the field is right

    @torch.no_grad()
    def again(self, field: Tensor, sigma: Tensor) -> Evidence:
        """Compare the pair at a better field (2, H, W), px."""
        return look_again(self.reference, self.coefficients, field, sigma, self.noise)[0]


@torch.no_grad()
def compared(rng: Rng, pairs: Pairs, index: int) -> Compared:
    """Compare one pair of a batch, with a mask as careless as they are."""
    mask = careless(rng, pairs.mask[index : index + 1])[0, 0] > 0
    if int(mask.sum()) < SMALLEST_SURFACE_PX:
        mask = torch.ones_like(mask)
    reference = surface(pairs.reference[index, 0], mask)
    coefficients = deformed_spline(reference, pairs.deformed[index, 0])
    truth = pairs.displacement[index]
    start = _nearly(rng, truth)
    noise = _noise(rng, reference, coefficients, truth, start)
    return Compared(reference, coefficients, approach(reference, coefficients, start, noise), noise)


def _noise(rng: Rng, reference: Surface, coefficients: Tensor, truth: Tensor, start: Tensor) -> Tensor:
    """Variance of the residual as it is estimated: from a large image almost rightly, from a small one often too large.

    What is found in the crop itself is too large where all of it has detail.
    """
    if rng.chance(SMALL_IMAGES):
        return overview(reference, coefficients, start).noise
    state = compare(reference, coefficients, truth, None, MIDDLE[0])
    return least(misfits(state)) * math.exp(NOISE_SPREAD * float(rng.randn(1)))


def _nearly(rng: Rng, truth: Tensor) -> Tensor:
    """Take detail from a field (2, H, W) and add smooth errors."""
    width, reach = rng.uniform(2.0, 6.0), rng.uniform(6.0, 16.0)
    cover = torch.ones_like(truth[0])
    error = masked_gaussian(rng.randn(*truth.shape), cover, reach)
    size = rng.log_uniform(0.02, 0.3)
    return masked_gaussian(truth, cover, width) + size * error / error.std().clamp_min(1e-9)


@torch.no_grad()
def refinement_figures(network: Fuser, recipe: SynthRecipe, part: int, count: int) -> dict[str, float]:
    """Measure a refinement network on pairs that training never draws, as training sees them.

    That is in float32, and without the one window that stands in where `refine` knows that the images are unlike these.

    Parameters
    ----------
    network : FusionNet or FusionNets
    recipe : SynthRecipe
        What the images show.
    part : int
        First part of the key of random numbers.
    count : int
        Number of pairs.

    Returns
    -------
    dict
        ``mean_px``, the mean error of u and v; ``first_px``, the same after the first network; ``one_window_px``, with
        the window in the middle alone; ``z``, the standard deviation of error over uncertainty. All are geometric
        means over the pairs that show a specimen.
    """
    device = next(network.parameters()).device
    logs = []
    for index in range(count):
        rng = Rng((part, index), device)
        pairs = make_pairs(rng, 1, recipe, Material())
        seen = compared(rng, pairs, 0)
        there = (pairs.seen[0, 0] > 0) & seen.reference.mask
        if float(there.float().mean()) < SMALLEST_SPECIMEN:
            continue
        first, sigma = weigh(seen.evidence, asked(network.firsts, seen.evidence.features[None], FIRST_VIEWS))
        field = first
        for weigher, views in zip(cycle(network.seconds), VIEWS, strict=False):
            left = seen.again(field, sigma)
            field, sigma = weigh(left, asked([weigher], left.features[None], views))
        fields = torch.stack([field, first, seen.evidence.middle])
        errors = (fields - pairs.displacement)[:, :, there]
        z = (errors[0] / sigma[:, there]).std()
        logs.append(torch.cat([errors.abs().mean(dim=(1, 2)), z[None]]).log())
    means = torch.stack(logs).mean(0).exp().tolist()
    return dict(zip(("mean_px", "first_px", "one_window_px", "z"), means, strict=True))
