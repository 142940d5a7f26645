"""Interpolation of images by quintic B-splines (Unser, Aldroubi, Eden, 1993, IEEE Trans. Signal Process. 41, 821).

Bilinear and cubic-convolution interpolation shift a pattern by an amount that depends on the sub-pixel phase; the
quintic B-spline's phase bias stays below a thousandth of a pixel for speckle that the camera resolves.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from scorrnet_cli.numerics.filters import along_columns, along_rows, band_of, fitted_plane, plane_at
from scorrnet_cli.numerics.tiles import Box

_REACH = 24  # the impulse response of the prefilter falls below 1e-8 within it
_STRIP_PX = 256
_CONTINUED_PX = 8  # beyond which how a field is continued does not matter within its border
RIM_PX = 2  # points closer to the border than this depend on how the image is continued


def spline_coefficients(image: Tensor) -> Tensor:
    """Return the B-spline coefficients of an image continued by mirroring.

    Parameters
    ----------
    image : (H, W) float32

    Returns
    -------
    (H, W) float32
    """
    band = band_of(_prefilter(image.device))
    offset = image.mean()
    across = along_rows(_mirror(image - offset, 1)[None], band)[..., _REACH:-_REACH]
    return along_columns(_mirror(across[0], 0)[None], band)[0] + offset


class Place(NamedTuple):
    """Where an array lies in an image."""

    top: int
    left: int
    height: int  # of the image
    width: int


def spline_sample(coefficients: Tensor, field: Tensor, place: Place | None = None) -> Tensor:
    """Take an image at displaced points.

    Parameters
    ----------
    coefficients : (H, W) float32
        Of the deformed image, from `spline_coefficients`.
    field : (2, h, w) float32
        Displacement u, v of every pixel, px. Whole and fractional parts are kept apart, so that the accuracy does
        not fall with the size of the image.
    place : Place, optional
        Where `field` lies in the image; without it, it has the image's size.

    Returns
    -------
    (h, w) float32
        Image at X + field; points outside take the value at the border, see `inside`.
    """
    height, width = coefficients.shape
    rows, columns = field.shape[-2:]
    top, left = place[:2] if place else (0, 0)
    whole = torch.floor(field)
    wx, wy = node_weights(field[0] - whole[0]), node_weights(field[1] - whole[1])
    across = torch.arange(left, left + columns, device=field.device)
    down = torch.arange(top, top + rows, device=field.device)[:, None]
    x = (across + whole[0].nan_to_num().long()).clamp_(-1, width - 1)
    y = (down + whole[1].nan_to_num().long()).clamp_(-1, height - 1)
    nodes, x, y = _around(coefficients, x, y)
    stride = nodes.shape[1]
    start = (y * stride + x).flatten()
    flat = nodes.flatten()
    out = torch.zeros(rows * columns, device=field.device)
    for j in range(6):
        row = torch.zeros_like(out)
        for i in range(6):
            row.addcmul_(torch.take(flat[j * stride + i :], start), wx[i].flatten())
        out.addcmul_(row, wy[j].flatten())
    return out.view(rows, columns)


def taken_at(values: Tensor, field: Tensor) -> Tensor:
    """Take fields (C, H, W) at X + `field` (2, H, W); beyond the border they go on with the slope they have there.

    Splines take what they differ from a plane by: hundreds of px would cost digits.
    """
    height, width = field.shape[-2:]
    rim = min(_CONTINUED_PX, height - 1, width - 1)
    slopes = fitted_plane(values, torch.ones_like(field[0]))  # (3, C), for coordinates from -1 to 1
    plane = plane_at(slopes, Box(0, 0, height, width), (height, width))
    along = slopes[1, :, None, None] * field[0] * (2 / (width - 1))
    out = plane + along + slopes[2, :, None, None] * field[1] * (2 / (height - 1))
    for value, taken in zip(values - plane, out, strict=True):
        around = F.pad(value[None, None], (rim,) * 4, mode="replicate")
        mirrored = F.pad(value[None, None], (rim,) * 4, mode="reflect")
        coefficients = spline_coefficients((2 * around - mirrored)[0, 0])
        for top in range(0, height, _STRIP_PX):  # what is at work on a point takes forty times the memory of its value
            place = Place(rim + top, rim, height + 2 * rim, width + 2 * rim)
            taken[top : top + _STRIP_PX] += spline_sample(coefficients, field[:, top : top + _STRIP_PX], place)
    return out


def _around(coefficients: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Cut out, and continue beyond the border, the nodes for points whose whole parts are `x` and `y`.

    Returns
    -------
    nodes : (h, w) float32
    x, y
        Where in them the 6 x 6 nodes of each point begin.
    """
    height, width = coefficients.shape
    left, right, top, bottom = int(x.min()) - 2, int(x.max()) + 4, int(y.min()) - 2, int(y.max()) + 4
    inner = coefficients[max(top, 0) : max(bottom, 1), max(left, 0) : max(right, 1)]
    beyond = (max(-left, 0), max(right - width, 0), max(-top, 0), max(bottom - height, 0))
    return F.pad(inner[None, None], beyond, mode="replicate")[0, 0], x - 2 - left, y - 2 - top


def inside(field: Tensor, rim_px: int = 0, place: Place | None = None) -> Tensor:
    """True (h, w) where X + `field` (2, h, w) lies within the image, `rim_px` from its border.

    Without its `place` the field has the image's size.
    """
    top, left, height, width = place or (0, 0, *field.shape[-2:])
    x = torch.arange(left, left + field.shape[-1], device=field.device) + field[0]
    y = torch.arange(top, top + field.shape[-2], device=field.device)[:, None] + field[1]
    within: Tensor = (x >= rim_px) & (x <= width - 1 - rim_px) & (y >= rim_px) & (y <= height - 1 - rim_px)
    return within


def _prefilter(device: torch.device) -> Tensor:
    """Impulse response (2 _REACH + 1,) of the inverse of the sampled quintic B-spline."""
    length = 512
    wave = 2 * math.pi * torch.arange(length, dtype=torch.float64) / length
    sampled = (66 + 52 * torch.cos(wave) + 2 * torch.cos(2 * wave)) / 120
    response = torch.fft.ifft(1 / sampled).real
    taps = torch.cat([response[-_REACH:], response[: _REACH + 1]])
    return taps.to(torch.float32).to(device)


def _mirror(x: Tensor, axis: int) -> Tensor:
    """Continue (H, W) by mirroring about its border pixels, as often as it takes."""
    size = x.shape[axis]
    period = max(1, 2 * (size - 1))
    index = torch.remainder(torch.arange(-_REACH, size + _REACH, device=x.device), period)
    index = torch.minimum(index, period - index)
    return x.index_select(axis, index)


def node_weights(t: Tensor) -> list[Tensor]:
    """Quintic B-spline at the six nodes around a fraction `t` in [0, 1), from the node at -2 on."""
    s = 1 - t
    t2, s2 = t * t, s * s
    t5, s5 = t2 * t2 * t, s2 * s2 * s

    def middle(a: Tensor) -> Tensor:
        """Value at distance `a` <= 1: 11/20 - a^2/2 + a^4/4 - a^5/12."""
        a2 = a * a
        return 0.55 + a2 * (-0.5 + a2 * (0.25 - a / 12))

    def side(a: Tensor) -> Tensor:
        """Value at distance 1 + `a`: 17/40 + 5/8 d - 7/4 d^2 + 5/4 d^3 - 3/8 d^4 + d^5/24."""
        d = 1 + a
        return 0.425 + d * (0.625 + d * (-1.75 + d * (1.25 + d * (-0.375 + d / 24))))

    return [s5 / 120, side(t), middle(t), middle(s), side(s), t5 / 120]
