"""Classical subset correlation, as the reference that others are compared with.

Inverse-compositional Gauss-Newton over square subsets (Baker, Matthews, 2004; Pan, Li, Tong, 2013) with shape functions
of first order (affine) or second (Gao et al., 2015), the zero-mean normalised sum of squared differences as criterion,
and a quintic B-spline as interpolation. Subsets are cut at the border of the image and 1 px within the mask, beyond
which the background shines in.

Coordinates within a subset are divided by its radius. A shape function is a polynomial map of them; m being the vector
of monomials, m(W(xi)) = M m(xi) with a square matrix M, cut at the order, so composing maps is multiplying matrices.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from scorrnet_cli.numerics.filters import gaussian, gradient
from scorrnet_cli.numerics.morphology import eroded
from scorrnet_cli.numerics.spline import node_weights, spline_coefficients

RADIUS_PX = 10  # subsets of 21 x 21 px
CONVERGED_PX = 1e-3
MOST_STEPS = 30
SMALLEST_COVER = 0.3  # share of a subset that the mask must leave
SMALLEST_ZNCC = 0.5
LARGEST_STEP_PX = 5.0
START_WINDOW_PX = 5.0  # over which the slopes of the starting field are taken
_BATCH = 512


class Correlated(NamedTuple):
    """What the correlation gives at N points.

    Attributes
    ----------
    displacement : (2, N) float32
        u, v, px.
    valid : (N,) bool
        True where the iteration settled within the image on a match.
    sigma : (2, N) float32
        Standard uncertainty of u and v, px, of noise with the variance of the residual.
    zncc : (N,) float32
    """

    displacement: Tensor
    valid: Tensor
    sigma: Tensor
    zncc: Tensor


class _Subsets(NamedTuple):
    """The reference subsets of N points, n pixels each."""

    x: Tensor  # (N,) int64, centres
    y: Tensor
    weight: Tensor  # (N, n), 0 outside the mask, at its edge, and outside the image, else 1
    grey: Tensor  # (N, n), zero mean
    length: Tensor  # (N, 1), root of the sum of their squares
    slopes: Tensor  # (2, N, n), of the grey levels, per radius
    inverse: Tensor  # (N, 2 K, 2 K) float64, of the normal matrix
    monomials: Tensor  # (K, n)


def correlate(
    reference: Tensor,
    deformed: Tensor,
    mask: Tensor,
    start: Tensor,
    points: Tensor,
    order: int,
    radius: int = RADIUS_PX,
) -> Correlated:
    """Measure displacement at points by subset correlation.

    Parameters
    ----------
    reference, deformed : (H, W) float32
        Grey levels.
    mask : (H, W) bool
        True where the surface is measured.
    start : (2, H, W) float32
        Field to start from, px, with its slopes; within a pixel or two of the truth.
    points : (2, N) int64
        x, y.
    order : int
        Of the shape functions, 1 or 2.
    radius : int
        Of the subsets, px: 10 for 21 x 21 px.

    Returns
    -------
    Correlated
    """
    coefficients = spline_coefficients(deformed)
    slopes = torch.cat(gradient(reference[None]))
    tilts = torch.stack(gradient(gaussian_mean(start)), 1)  # (2, 2, H, W): of u and v along x and y
    parts = []
    for first in range(0, points.shape[1], _BATCH):
        x, y = points[:, first : first + _BATCH]
        subsets = _subsets(reference, slopes, mask, x, y, order, radius)
        shape = torch.zeros(2, x.numel(), len(subsets.monomials))
        shape[:, :, 0] = start[:, y, x] / radius
        shape[:, :, 1:3] = tilts[:, :, y, x].permute(0, 2, 1)
        parts.append(_settle(coefficients, subsets, shape, radius))
    return Correlated(*(torch.cat(together, -1) for together in zip(*parts, strict=True)))


def gaussian_mean(field: Tensor) -> Tensor:
    """Field (C, H, W), smoothed, continued beyond the border by its border values."""
    reach = math.ceil(4 * START_WINDOW_PX)
    padded = F.pad(field[None], (reach,) * 4, mode="replicate")[0]
    return gaussian(padded, START_WINDOW_PX)[:, reach:-reach, reach:-reach]


def _subsets(
    reference: Tensor, slopes: Tensor, mask: Tensor, x: Tensor, y: Tensor, order: int, radius: int
) -> _Subsets:
    height, width = reference.shape
    offsets = torch.arange(-radius, radius + 1)
    dy, dx = (item.flatten() for item in torch.meshgrid(offsets, offsets, indexing="ij"))
    at_x, at_y = x[:, None] + dx, y[:, None] + dy
    within = (at_x >= 0) & (at_x < width) & (at_y >= 0) & (at_y < height)
    at_x, at_y = at_x.clamp(0, width - 1), at_y.clamp(0, height - 1)
    core = eroded(mask, 1)
    weight = (within & core[at_y, at_x]).float()
    monomials = _monomials(dx / radius, dy / radius, order)
    grey = _centred(reference[at_y, at_x], weight) * weight
    near = radius * slopes[:, at_y, at_x]  # (2, N, n)
    order_two = (monomials[:, None] * monomials).flatten(0, 1).T  # (n, K K)
    size = len(monomials)
    xx, xy, yy = (((near[i] * near[j] * weight) @ order_two).view(-1, size, size) for i, j in ((0, 0), (0, 1), (1, 1)))
    normal = torch.cat([torch.cat([xx, xy], 2), torch.cat([xy, yy], 2)], 1).double()
    ridge = 1e-9 * normal.diagonal(dim1=1, dim2=2).mean(1).clamp_min(1e-9)
    inverse = torch.linalg.inv(normal + ridge[:, None, None] * torch.eye(normal.shape[1], dtype=torch.float64))
    return _Subsets(x, y, weight, grey, _length(grey), near, inverse, monomials)


def _settle(coefficients: Tensor, subsets: _Subsets, shape: Tensor, radius: int) -> Correlated:
    """Iterate until every subset has settled; those that have are left alone."""
    count = shape.shape[1]
    settled = torch.zeros(count, dtype=torch.bool)
    active = torch.arange(count)
    for _ in range(MOST_STEPS):
        part = _of(subsets, active)
        residual, _, _ = _compare(coefficients, part, shape[:, active], radius)
        right = torch.cat([(slope * residual * part.weight) @ part.monomials.T for slope in part.slopes], 1).double()
        step = torch.einsum("nij,nj->ni", part.inverse, right).float().view(len(active), 2, -1).transpose(0, 1)
        size = radius * step.square().sum((0, 2)).sqrt()
        step = step * (LARGEST_STEP_PX / size.clamp_min(LARGEST_STEP_PX))[:, None]
        shape[:, active] = _composed(shape[:, active], step)
        settled[active] = size < CONVERGED_PX
        active = active[size >= CONVERGED_PX]
        if not active.numel():
            break
    residual, zncc, inside = _compare(coefficients, subsets, shape, radius)
    left = (subsets.weight.sum(1) - subsets.inverse.shape[1]).clamp_min(1.0)
    variance = (residual.square() * subsets.weight).sum(1) / left
    pick = [0, shape.shape[2]]  # the constant terms of u and v
    sigma = radius * (subsets.inverse.diagonal(dim1=1, dim2=2)[:, pick].float() * variance[:, None]).sqrt().T
    covered = subsets.weight.mean(1) >= SMALLEST_COVER
    valid = settled & inside & covered & (zncc >= SMALLEST_ZNCC)
    return Correlated(radius * shape[:, :, 0], valid, sigma, zncc)


def _of(subsets: _Subsets, which: Tensor) -> _Subsets:
    if len(which) == len(subsets.x):
        return subsets
    return _Subsets(
        subsets.x[which],
        subsets.y[which],
        subsets.weight[which],
        subsets.grey[which],
        subsets.length[which],
        subsets.slopes[:, which],
        subsets.inverse[which],
        subsets.monomials,
    )


def _compare(coefficients: Tensor, subsets: _Subsets, shape: Tensor, radius: int) -> tuple[Tensor, Tensor, Tensor]:
    """Residual (N, n) in grey levels of the reference, correlation (N,), and whether all of it is in the image (N,)."""
    height, width = coefficients.shape
    local = radius * (subsets.monomials[1:3, None] + shape @ subsets.monomials)  # (2, N, n), px from the centre
    whole = local.floor()
    x, y = subsets.x[:, None] + whole[0].long(), subsets.y[:, None] + whole[1].long()
    outside = (x < 2) | (x > width - 4) | (y < 2) | (y > height - 4)
    x, y = x.clamp(2, width - 4), y.clamp(2, height - 4)
    moved = _interpolated(coefficients, x, y, local - whole)
    moved = _centred(moved, subsets.weight)
    length = _length(moved * subsets.weight)
    zncc = (subsets.grey * moved * subsets.weight).sum(1) / (subsets.length * length)[:, 0]
    residual = moved * (subsets.length / length) - subsets.grey
    return residual, zncc, ~(outside & (subsets.weight > 0)).any(1)


def _interpolated(coefficients: Tensor, x: Tensor, y: Tensor, fraction: Tensor) -> Tensor:
    """Spline at whole pixels x, y (N, n) int64 plus fractions (2, N, n); 2 px from the border at least."""
    width = coefficients.shape[1]
    flat, start = coefficients.flatten(), (y - 2) * width + x - 2
    wx, wy = node_weights(fraction[0]), node_weights(fraction[1])
    total = torch.zeros_like(fraction[0])
    for j, down in enumerate(wy):
        row = torch.zeros_like(total)
        for i, right in enumerate(wx):
            row.addcmul_(torch.take(flat[j * width + i :], start), right)
        total.addcmul_(row, down)
    return total


def _composed(shape: Tensor, step: Tensor) -> Tensor:
    """Coefficients (2, N, K) of the map by `shape` after the inverse of the map by `step`."""
    both = _map_matrix(shape.double()) @ torch.linalg.inv(_map_matrix(step.double()))
    composed: Tensor = both[:, 1:3].transpose(0, 1).float()
    return composed - _identity(composed)


def _map_matrix(shape: Tensor) -> Tensor:
    """Matrix (N, K, K) by which the monomials change when coordinates are displaced by polynomials (2, N, K)."""
    x, y = shape + _identity(shape)
    one = torch.zeros_like(x)
    one[:, 0] = 1
    if shape.shape[2] == 3:
        return torch.stack([one, x, y], 1)
    return torch.stack([one, x, y, _product(x, x), _product(x, y), _product(y, y)], 1)


def _product(a: Tensor, b: Tensor) -> Tensor:
    """Product of polynomials (N, 6) of second order, cut at the second order."""
    return torch.stack(
        [
            a[:, 0] * b[:, 0],
            a[:, 0] * b[:, 1] + a[:, 1] * b[:, 0],
            a[:, 0] * b[:, 2] + a[:, 2] * b[:, 0],
            a[:, 0] * b[:, 3] + a[:, 1] * b[:, 1] + a[:, 3] * b[:, 0],
            a[:, 0] * b[:, 4] + a[:, 1] * b[:, 2] + a[:, 2] * b[:, 1] + a[:, 4] * b[:, 0],
            a[:, 0] * b[:, 5] + a[:, 2] * b[:, 2] + a[:, 5] * b[:, 0],
        ],
        1,
    )


def _identity(shape: Tensor) -> Tensor:
    """Coefficients (2, 1, K) of the map that changes nothing."""
    same = torch.zeros(2, 1, shape.shape[2], dtype=shape.dtype)
    same[0, 0, 1] = same[1, 0, 2] = 1
    return same


def _monomials(x: Tensor, y: Tensor, order: int) -> Tensor:
    """1, x, y and for the second order x^2, xy, y^2; (K, n)."""
    first = [torch.ones_like(x), x, y]
    return torch.stack(first if order == 1 else [*first, x * x, x * y, y * y])


def _centred(grey: Tensor, weight: Tensor) -> Tensor:
    """Grey levels (N, n) less their weighted mean."""
    mean = (grey * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True).clamp_min(1.0)
    return grey.sub(mean)


def _length(grey: Tensor) -> Tensor:
    length: Tensor = grey.square().sum(1, keepdim=True).sqrt().clamp_min(1e-6)
    return length
