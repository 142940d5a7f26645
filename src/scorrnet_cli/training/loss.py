"""What is minimised, and what is reported on fixed seeds."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from scorrnet_cli.numerics.morphology import dilated, eroded
from scorrnet_cli.refinement.windows import STD_OVER_ERROR

SMALLEST_SPECIMEN = 0.01  # share of an image
EDGE_WEIGHT, EDGE_REACH_PX = 2.0, 3  # pixels so near to an outline count three times
SMALL_WEIGHT, SMALL_CELLS, CELL_PX = 1.0, 9, 4  # parts in which no square of so many cells fits count once more
LEVEL_WEIGHTS = (0.15, 0.2, 0.3, 0.5, 0.7, 1.0)


def displacement_loss(found: Sequence[Tensor], truth: Tensor, seen: Tensor, exponent: float) -> Tensor:
    """Robust error of the field after every step, over the points that can be seen in both images.

    Parameters
    ----------
    found : sequence of (N, 2, H / s, W / s) float32
        Fields in px of the full image, coarse to fine.
    truth : (N, 2, H, W) float32
        Displacement, px.
    seen : (N, 1, H, W) float32
        Weight of each point.
    exponent : float
        Below 1, large errors count less than their size.
    """
    total = truth.new_zeros(())
    for weight, field in zip(LEVEL_WEIGHTS, found, strict=True):
        scale = truth.shape[-1] // field.shape[-1]
        cover = F.avg_pool2d(seen, scale)
        goal = F.avg_pool2d(truth * seen, scale) / cover.clamp_min(1e-6)
        error = ((field - goal).abs().sum(1, keepdim=True) + 0.01) ** exponent
        total = total + weight * (error * cover).sum() / cover.sum().clamp_min(1.0)
    return total


def segmentation_loss(scores: Tensor, mask: Tensor) -> Tensor:
    """Cross-entropy, heavier next to outlines and in what is small, plus soft Jaccard loss of the speckle class.

    Parameters
    ----------
    scores : (N, 2, H, W)
        Of background and speckle.
    mask : (N, 1, H, W) float32
        1 where there is speckle.
    """
    scores = scores.float()
    side = 2 * EDGE_REACH_PX + 1
    reach = F.max_pool2d(torch.cat([mask, 1 - mask], 1), side, 1, EDGE_REACH_PX)
    weight = 1 + EDGE_WEIGHT * reach.prod(1)  # both classes within reach: an outline
    weight = weight + SMALL_WEIGHT * _small(mask)[:, 0]
    entropy = (weight * F.cross_entropy(scores, mask[:, 0].long(), reduction="none")).sum() / weight.sum()
    speckle = scores.softmax(1)[:, 1:]
    both = (speckle * mask).sum(dim=(1, 2, 3))
    either = (speckle + mask - speckle * mask).sum(dim=(1, 2, 3))
    little = SMALLEST_SPECIMEN * mask[0].numel()  # without it, an image of background alone would teach nothing here
    return entropy + (1 - (both + little) / (either + little)).mean()


def _small(mask: Tensor) -> Tensor:
    """Holes, gaps, strips and spots of a mask (N, 1, H, W), as 1 of (N, 1, H, W); H and W are multiples of a cell."""
    both = torch.cat([mask, 1 - mask], 1)
    whole = F.avg_pool2d(both, CELL_PX) == 1
    half = SMALL_CELLS // 2
    large = dilated(eroded(whole, half), half + 1)  # a cell wider, for the cells that an outline cuts
    return (both * (1 - F.interpolate(large.float(), mask.shape[-2:]))).sum(1, keepdim=True)


def refinement_loss(fields: Sequence[tuple[Tensor, Tensor]], truth: Tensor, seen: Tensor) -> Tensor:
    """Negative log-likelihood of Laplace-distributed errors: it asks for small errors and for honest uncertainties.

    Parameters
    ----------
    fields : sequence of N pairs
        Field and standard uncertainty, (2, H, W) float32, px.
    truth : (N, 2, H, W) float32
        Displacement, px.
    seen : (N, 1, H, W) float32
        Weight of each point.
    """
    total = truth.new_zeros(())
    for (field, sigma), true, counted in zip(fields, truth, seen, strict=True):
        spread = (sigma / STD_OVER_ERROR).clamp_min(1e-5)
        total = total + (((field - true).abs() / spread + spread.log()) * counted).sum()
    return total / (2 * seen.sum()).clamp_min(1.0)


def displacement_figures(field: Tensor, truth: Tensor, seen: Tensor) -> dict[str, float]:
    """Median and mean end-point error in px, and the share of points below 1 px, over the seen points.

    Parameters
    ----------
    field, truth : (N, 2, H, W) float32
        Displacement found and true, px.
    seen : (N, 1, H, W) float32
        Weight of each point; those above 0 count, all alike.

    Returns
    -------
    dict
        ``median_px``, ``mean_px`` and ``below_1px``.
    """
    error = torch.hypot(*(field - truth).unbind(1))[seen[:, 0] > 0]
    return {
        "median_px": float(error.median()),
        "mean_px": float(error.mean()),
        "below_1px": float((error < 1).float().mean()),
    }


def segmentation_figures(scores: Tensor, mask: Tensor) -> dict[str, float]:
    """Intersection over union of the speckle class: mean over the images that show a specimen, and over all pixels.

    An image shows a specimen if 1 % of it is speckled; where there is less, the ratio says nothing.
    """
    found, true = scores[:, 1:] > scores[:, :1], mask > 0.5
    both = (found & true).sum(dim=(1, 2, 3)).float()
    either = (found | true).sum(dim=(1, 2, 3)).float()
    shows = true.float().mean(dim=(1, 2, 3)) > SMALLEST_SPECIMEN
    iou = both[shows] / either[shows]
    return {"iou": float(iou.mean()), "pooled_iou": float(both.sum() / either.sum().clamp_min(1))}
