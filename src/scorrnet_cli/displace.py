"""Two images and a mask -> displacement, by the network."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from scorrnet_cli.filters import plane_through, wide_mean
from scorrnet_cli.models.corrnet import CorrNet, CorrNetConfig, Encoded, normalise
from scorrnet_cli.padding import pad_to_multiple
from scorrnet_cli.tiles import SMALLEST_PX, Box, Tile, bounds, fill, fits, pieces_with

HALO_PX = 96  # of a tile: the reach of the network, and what its layers see of the surroundings
SLACK_PX = 128  # by which more may be looked at where the start varies
FARTHEST_PX = 384  # that the start may lead away from its middle within the smallest tile
SHIFT_WINDOW_PX = 9  # width over which shifts count as common
EXTRAPOLATION_PX = 24.0  # reach of what single points add to the motion of the whole


class Guide(NamedTuple):
    """What the network needs of the reference image, found once for a whole sequence."""

    grey: Tensor  # (H, W)
    variance: Tensor  # of `grey`
    mask: Tensor  # (H, W) bool
    home: Box  # the mask with a halo
    encoded: Encoded | None  # what the network knows of `home`, if that is looked at at once


@torch.no_grad()
def guide(network: CorrNet, reference: Tensor, mask: Tensor) -> Guide:
    """Prepare a reference image for `displace`.

    Parameters
    ----------
    network : CorrNet
    reference : (H, W) float32
        Grey image of any scale.
    mask : (H, W) bool
        True where the surface is speckled.
    """
    home = bounds(mask).grown(HALO_PX).within(Box(0, 0, *mask.shape))
    variance = reference.var(correction=0)
    encoded = _encode(network, reference, home, variance) if fits(home) else None
    return Guide(reference, variance, mask, home, encoded)


@torch.no_grad()
def displace(network: CorrNet, reference: Guide, deformed: Tensor, start: Tensor | None = None) -> Tensor:
    """Measure the displacement of every pixel.

    Parameters
    ----------
    network : CorrNet
    reference : Guide
        From `guide`.
    deformed : (H, W) float32
        Grey image of any scale.
    start : (2, H, W) float32, optional
        Field to search around, px; zero if not given. The network reaches about 40 px beyond it.

    Returns
    -------
    (2, H, W) float32
        u, v in px at reference pixels; it means something inside the mask, and is 0 far from it.
    """
    field = deformed.new_zeros(2, *deformed.shape)
    sought = _Sought(deformed, deformed.var(correction=0), start)

    def work(tile: Tile) -> tuple[Tensor]:
        if start is None:
            return (tile.keep(_seen(network, reference, sought, tile.outer, (0, 0))),)
        return (_around(network, reference, sought, tile.inner, start),)

    fill([field], reference.mask, HALO_PX, work)
    return field


class _Sought(NamedTuple):
    """What is looked for, and where."""

    deformed: Tensor  # (H, W)
    variance: Tensor  # of it
    start: Tensor | None  # (2, H, W), px


def _around(network: CorrNet, reference: Guide, sought: _Sought, box: Box, start: Tensor) -> Tensor:
    """Displacement (2, h, w) in a box, sought around a field where that leads to in the deformed image."""
    counted = box.of(start)[:, box.of(reference.mask)]
    near = box.grown(HALO_PX + math.ceil(float(counted.abs().max()))).within(Box(0, 0, *reference.mask.shape))
    if fits(near, SLACK_PX):  # it holds both where the points are and where they go
        return Tile(box, near).keep(_seen(network, reference, sought, near, (0, 0)))
    shift, reach = _motion(counted)
    outer = box.grown(HALO_PX + reach)
    longest = max(box.height, box.width)
    if fits(outer, SLACK_PX) or longest <= SMALLEST_PX:
        return Tile(box, outer).keep(_seen(network, reference, sought, outer, shift))
    field = start.new_zeros(2, box.height, box.width)
    for piece in pieces_with(reference.mask, box, -(-longest // 2)):
        piece.moved(-box.top, -box.left).of(field).copy_(_around(network, reference, sought, piece, start))
    return field


def _motion(counted: Tensor) -> tuple[tuple[int, int], int]:
    """Shift down and right that points (2, K) have in common, in steps of the network, and their reach beyond, px."""
    low, high = counted.amin(1), counted.amax(1)
    right, down = (CorrNet.stride * round(float(each) / CorrNet.stride) for each in (low + high) / 2)
    reach = math.ceil(float((high - low).max()) / 2) + CorrNet.stride
    return (down, right), min(reach, FARTHEST_PX)


def _seen(network: CorrNet, reference: Guide, sought: _Sought, box: Box, shift: tuple[int, int]) -> Tensor:
    """Displacement (2, h, w) in a box, as the network finds it in that box moved by `shift` (down, right)."""
    known = reference.encoded if box == reference.home else None
    first = known or _encode(network, reference.grey, box, reference.variance)
    second = _encode(network, sought.deformed, box.moved(*shift), sought.variance)
    offset = first.image.new_tensor(shift[::-1])[:, None, None]
    around = None if sought.start is None else _padded(network, _taken(sought.start, box) - offset)
    cover = torch.zeros_like(first.image)  # beyond the image there is no surface
    there = box.within(Box(0, 0, *reference.mask.shape))
    there.moved(-box.top, -box.left).of(cover).copy_(there.of(reference.mask))
    field = network.steps(first, second, cover, around)[-1]
    return field[0, :, : box.height, : box.width] + offset


def _encode(network: CorrNet, image: Tensor, box: Box, variance: Tensor) -> Encoded:
    """What the network knows of a box of an image (H, W)."""
    return network.encode(_padded(network, _taken(image[None], box)), variance)


def _padded(network: CorrNet, arrays: Tensor) -> Tensor:
    """Continue (C, h, w) to a size that the network takes, (1, C, h', w')."""
    return pad_to_multiple(arrays[None], network.stride, network.smallest_image_px)[0]


def _taken(array: Tensor, box: Box) -> Tensor:
    """Return what lies in a box of (C, H, W), which is continued beyond its border by repeating it."""
    height, width = array.shape[1:]
    if box.within(Box(0, 0, height, width)) == box:
        return box.of(array)
    rows = torch.arange(box.top, box.bottom, device=array.device).clamp_(0, height - 1)
    columns = torch.arange(box.left, box.right, device=array.device).clamp_(0, width - 1)
    return array.index_select(1, rows).index_select(2, columns)


def common_shift(reference: Guide, deformed: Tensor, part: Tensor) -> Tensor:
    """Find the shift that most of a part of the surface shares, however large, by correlating whole images.

    Parameters
    ----------
    reference : Guide
    deformed : (H, W) float32
        Grey image of any scale.
    part : (H, W) bool
        The points in question.

    Returns
    -------
    (2,) float32
        u, v in whole px.
    """
    height, width = part.shape
    window = CorrNetConfig().normalise_px
    first = normalise(reference.grey[None, None], window)[0, 0] * part
    second = normalise(deformed[None, None], window)
    second = F.avg_pool2d(second, SHIFT_WINDOW_PX, 1, SHIFT_WINDOW_PX // 2)[0, 0]
    match = torch.fft.irfft2(torch.fft.rfft2(first).conj() * torch.fft.rfft2(second), s=(height, width))
    v, u = divmod(int(match.argmax()), width)
    # On a torus a shift looks like its complement: take the one for which what overlaps is alike.
    candidates = [(down, right) for down in (v, v - height) for right in (u, u - width)]
    down, right = max(candidates, key=lambda shift: _overlap(first, second, *shift))
    return torch.tensor([float(right), float(down)], device=deformed.device)


def _overlap(first: Tensor, second: Tensor, down: int, right: int) -> float:
    """Sum of the products of two images (H, W), the second one displaced back, where they overlap."""
    image = Box(0, 0, *first.shape)
    if abs(down) >= image.height or abs(right) >= image.width:
        return -math.inf
    there = image.moved(down, right).within(image)
    return float((there.moved(-down, -right).of(first) * there.of(second)).sum())


def extrapolate(field: Tensor, known: Tensor) -> Tensor:
    """Continue a field from where it is known: the affine motion of the whole, and near known points what they add.

    Parameters
    ----------
    field : (2, H, W) float32
        Displacement, px.
    known : (H, W) bool
        Where it is right.

    Returns
    -------
    (2, H, W) float32
    """
    weight = known.float()
    plane = plane_through(field, weight)
    rest = torch.where(known, field - plane, torch.zeros_like(field))
    continued: Tensor = plane + wide_mean(rest, weight + 1e-3, EXTRAPOLATION_PX)  # far from known points, the plane
    return continued
