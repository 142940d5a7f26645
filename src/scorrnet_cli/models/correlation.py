"""Local correlation of two feature maps, as small matrix products over blocks of a row, and what it says.

A window of (2 r + 1)^2 offsets taken one by one costs as many passes over memory. Here each row is cut into
blocks; a block times the stretch of the other row that its windows reach is one matrix product, and the band of
that product is the correlation. Some products are thrown away, but matrix units are much faster than memory.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 8


def correlate(ours: Tensor, theirs: Tensor, radius: int) -> Tensor:
    """Correlate each cell with the cells around it.

    Parameters
    ----------
    ours, theirs : (N, C, H, W)
    radius : int
        Reach of the window, cells.

    Returns
    -------
    (N, (2 radius + 1)^2, H, W)
        Mean product over channels; row-major offsets of `theirs` from (-radius, -radius), 0 beyond its border.
    """
    out: Tensor = _Correlate.apply(ours, theirs, radius)  # type: ignore[no-untyped-call]
    return out


def descriptors(features: Tensor) -> Tensor:
    """Features (N, C, H, W) less their mean over the channels, scaled to unit variance: products lie in -1..1."""
    centred = features - features.mean(1, keepdim=True)
    return centred * torch.rsqrt(centred.square().mean(1, keepdim=True) + 1e-4)


def expected_offset(match: Tensor, sharpness: Tensor) -> Tensor:
    """Mean offset under the softmax of a correlation.

    Parameters
    ----------
    match : (N, K, H, W)
        Correlation with K = (2 r + 1)^2 offsets.
    sharpness : scalar
        Inverse temperature.

    Returns
    -------
    (N, 2, H, W) float32
        Offset along x and y, cells.
    """
    size = math.isqrt(match.shape[1])
    smooth = F.avg_pool2d(match.float(), 3, 1, 1, count_include_pad=False)
    share = (sharpness * smooth).softmax(1)
    share = share.view(len(match), size, size, *match.shape[2:])  # (N, dy, dx, H, W)
    offsets = torch.arange(size, device=match.device, dtype=torch.float32) - size // 2
    along = offsets.view(1, -1, 1, 1)
    return torch.stack([(share.sum(1) * along).sum(1), (share.sum(2) * along).sum(1)], 1)


def _blocks(ours: Tensor, theirs: Tensor, radius: int) -> tuple[Tensor, Tensor]:
    """Cut rows into blocks.

    Returns
    -------
    (H, N * B, BLOCK, C)
        Blocks of `ours`; B blocks a row.
    (H + 2 radius, N * B, C, BLOCK + 2 radius)
        What the windows of each block reach of `theirs`.
    """
    n, c, height, width = ours.shape
    fill = -width % BLOCK
    count = (width + fill) // BLOCK
    block = F.pad(ours, (0, fill)).permute(2, 0, 3, 1).reshape(height, n * count, BLOCK, c)
    padded = F.pad(theirs, (radius, radius + fill, radius, radius)).permute(2, 0, 1, 3)
    reach = padded.unfold(3, BLOCK + 2 * radius, BLOCK).permute(0, 1, 3, 2, 4)
    return block, reach.reshape(height + 2 * radius, n * count, c, BLOCK + 2 * radius)


def _band(product: Tensor, size: int) -> Tensor:
    """View (..., BLOCK, size) of the diagonal band of `product` (..., BLOCK, BLOCK + size - 1)."""
    *strides, row, one = product.stride()
    return product.as_strided((*product.shape[:-1], size), (*strides, row + one, one))


class _Correlate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, ours: Tensor, theirs: Tensor, radius: int) -> Tensor:
        theirs = theirs.to(ours.dtype)
        block, reach = _blocks(ours, theirs, radius)
        ctx.save_for_backward(block, reach)
        ctx.radius, ctx.shape = radius, ours.shape
        n, c, height, width = ours.shape
        size = 2 * radius + 1
        out = block.new_empty(height, block.shape[1], BLOCK, size, size)
        for dy in range(size):
            out[..., dy, :] = _band(block @ reach[dy : dy + height], size)
        out = out.div_(c).view(height, n, -1, size * size)  # (H, N, W + fill, K)
        return out.permute(1, 3, 0, 2)[..., :width]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        block, reach = ctx.saved_tensors
        n, c, height, width = ctx.shape
        radius = ctx.radius
        size, fill = 2 * radius + 1, -width % BLOCK
        count = (width + fill) // BLOCK
        gradient = F.pad(gradients[0] / c, (0, fill)).permute(2, 0, 3, 1)
        gradient = gradient.reshape(height, n * count, BLOCK, size, size)
        to_block, to_reach = torch.zeros_like(block), torch.zeros_like(reach)
        product = block.new_zeros(height, n * count, BLOCK, BLOCK + size - 1)
        for dy in range(size):
            _band(product, size).copy_(gradient[..., dy, :])
            to_block += product @ reach[dy : dy + height].transpose(-1, -2)
            to_reach[dy : dy + height] += block.transpose(-1, -2) @ product
        ours = to_block.view(height, n, count * BLOCK, c).permute(1, 3, 0, 2)[..., :width]
        parts = to_reach.view(height + 2 * radius, n, count, c, BLOCK + 2 * radius)
        padded = parts.new_zeros(height + 2 * radius, n, c, count * BLOCK + 2 * radius)
        for index in range(count):
            start = index * BLOCK
            padded[..., start : start + BLOCK + 2 * radius] += parts[:, :, index]
        theirs = padded.permute(1, 2, 0, 3)[:, :, radius : radius + height, radius : radius + width]
        return ours, theirs, None
