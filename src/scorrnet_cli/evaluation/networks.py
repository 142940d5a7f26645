"""What the networks alone reach on synthetic images that training never draws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from scorrnet_cli.displace import displace, guide
from scorrnet_cli.models.corrnet import CorrNet
from scorrnet_cli.models.enet import Segmenter
from scorrnet_cli.segment import segment
from scorrnet_cli.training.loss import SMALLEST_SPECIMEN
from scorrnet_cli.training.recipe import SynthRecipe
from scorrnet_cli.training.rng import Rng
from scorrnet_cli.training.synth import Material, make_pairs, make_references

EVALUATION = 2  # first part of the key of random numbers; training and its validation use 0 and 1
WHOLE_FRAME = 0.06  # share of the images without an edge in sight, which are easy to segment


def displacement_figures(network: CorrNet, recipe: SynthRecipe, count: int, size: int = 256) -> dict[str, float]:
    """End-point error of the network's own field, inside the true mask, where the point is in both images.

    Parameters
    ----------
    network : CorrNet
    recipe : SynthRecipe
        What the images show.
    count : int
        Number of pairs.
    size : int
        Height and width of the images, px.

    Returns
    -------
    dict
        ``median_px``, ``mean_px``, ``p98_px`` and ``below_1px`` (share) over all points of all pairs.
    """
    device = next(network.parameters()).device
    errors = []
    for index in range(count):
        pairs = make_pairs(Rng((EVALUATION, index), device), 1, replace(recipe, size=size), Material())
        seen = guide(network, pairs.reference[0, 0], pairs.mask[0, 0] > 0)
        field = displace(network, seen, pairs.deformed[0, 0])
        error = torch.hypot(*(field - pairs.displacement[0]))
        errors.append(error[pairs.seen[0, 0] > 0].cpu().numpy())
    all_errors = np.concatenate(errors)
    return {
        "median_px": float(np.median(all_errors)),
        "mean_px": float(all_errors.mean()),
        "p98_px": float(np.percentile(all_errors, 98)),
        "below_1px": float((all_errors < 1).mean()),
    }


def segmentation_figures(network: Segmenter, recipe: SynthRecipe, count: int) -> dict[str, float]:
    """Intersection over union of the mask with the painted surface.

    Parameters
    ----------
    network : ENet or ENets
    recipe : SynthRecipe
        What the images show.
    count : int
        Number of images.

    Returns
    -------
    dict
        ``iou`` and ``median_iou`` over the images that show a specimen, ``pooled_iou`` over all pixels of all images.
    """
    device = next(network.parameters()).device
    recipe = replace(recipe, whole_frame=WHOLE_FRAME, window_share=0.0, magnified_share=0.0, reduced_share=0.0)
    both, either, shares = np.zeros(count), np.zeros(count), np.zeros(count)
    for index in range(count):
        images, masks = make_references(Rng((EVALUATION, index), device), 1, recipe, Material())
        found, true = segment(network, images[0, 0]), masks[0, 0] > 0
        both[index], either[index] = float((found & true).sum()), float((found | true).sum())
        shares[index] = float(true.float().mean())
    shows = shares > SMALLEST_SPECIMEN
    iou = both[shows] / either[shows]
    return {
        "iou": float(iou.mean()),
        "median_iou": float(np.median(iou)),
        "pooled_iou": float(both.sum() / either.sum()),
    }
