"""The displacement network: a compact, mask-guided, coarse-to-fine correlation network.

Both images pass one encoder that rearranges pixels into channels instead of dropping them. From 1/8 to 1/2 of
the size, features of the deformed image are warped by the field found so far and correlated with the reference
features in a small window; a decoder turns that, guided by the mask, into a correction. At full size a last
decoder weighs two least-squares (Lucas-Kanade) steps, taken on the images themselves, against its own correction,
and once more from what it found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scorrnet_cli.models.correlation import correlate, descriptors, expected_offset
from scorrnet_cli.numerics.filters import gaussian, gradient, plane_through
from scorrnet_cli.numerics.spline import RIM_PX, inside, spline_coefficients, spline_sample


@dataclass(frozen=True)
class CorrNetConfig:
    """Sizes of the network.

    Attributes
    ----------
    channels : tuple of int
        Feature channels at 1/2, 1/4, 1/8.
    radii : tuple of int
        Correlation radius of each step, coarse to fine, in cells of its level.
    levels : tuple of int
        Level of each step: 3 is 1/8, 2 is 1/4, 1 is 1/2.
    widths : tuple of int
        Channels within the decoder of each step.
    hidden : int
        Channels that a decoder hands to the next.
    polish : int
        Channels of the last decoder.
    normalise_px : int
        Width of the window over which grey levels are normalised.
    windows_px : tuple of float
        Standard deviations of the two least-squares windows.
    smooth_px : tuple of float
        Standard deviations of the windows in which the field is smoothed before the least-squares steps, the first
        time and the second.
    """

    channels: tuple[int, int, int] = (24, 44, 72)
    radii: tuple[int, ...] = (5, 3, 3, 2)
    levels: tuple[int, ...] = (3, 3, 2, 1)
    widths: tuple[int, ...] = (112, 84, 62, 42)
    hidden: int = 24
    polish: int = 42
    normalise_px: int = 17
    windows_px: tuple[float, float] = (2.0, 5.0)
    smooth_px: tuple[float, ...] = (3.0, 1.5)


class Encoded(NamedTuple):
    """What the network knows of one image, or of N."""

    image: Tensor  # (N, 1, H, W), normalised
    features: list[Tensor]  # (N, C, H / s, W / s) for s = 2, 4, 8


class CorrNet(nn.Module):
    """Displacement of every pixel of `reference`, guided by the mask of its surface."""

    stride = 8
    smallest_image_px = 32
    displacement_range_px = 32

    def __init__(self, config: CorrNetConfig | None = None) -> None:
        super().__init__()
        self.config = config or CorrNetConfig()
        c = self.config
        ins = (4, 4 * c.channels[0], 4 * c.channels[1])
        self.encoder = nn.ModuleList(_block(i, o, 2) for i, o in zip(ins, c.channels, strict=True))
        self.decoders = nn.ModuleList(
            _Decoder((2 * radius + 1) ** 2 + c.channels[level - 1] + c.hidden + 3, width, c.hidden)
            for radius, level, width in zip(c.radii, c.levels, c.widths, strict=True)
        )
        self.polish = nn.Sequential(
            _block(4 * 7 + c.hidden, c.polish, 1),
            _block(c.polish, c.polish, 1),
            _block(c.polish, 40, 1),
            _last(40, 4 * 5),
        )

    def forward(self, reference: Tensor, deformed: Tensor, mask: Tensor) -> Tensor:
        """Find the displacement, that of the last of all `steps`.

        Parameters
        ----------
        reference, deformed : (N, 1, H, W) float32
            Grey images of any scale; H and W are multiples of 8.
        mask : (N, 1, H, W) float32
            1 where the surface is speckled, else 0.

        Returns
        -------
        (N, 2, H, W) float32
            u, v, px, to the right and down.
        """
        return self.steps(self.encode(reference), self.encode(deformed), mask)[-1]

    def encode(self, images: Tensor, variance: Tensor | None = None) -> Encoded:
        """Find the features of grey images (N, 1, H, W) of any scale; H and W are multiples of 8.

        Of parts of an image, `variance` is that of the whole.
        """
        normalised = normalise(images, self.config.normalise_px, variance)
        features, level = [], normalised
        for block in self.encoder:
            level = block(F.pixel_unshuffle(level, 2))
            features.append(level)
        return Encoded(normalised, features)

    def steps(self, reference: Encoded, deformed: Encoded, mask: Tensor) -> list[Tensor]:
        """Return the field after every step, coarse to fine.

        Parameters
        ----------
        reference, deformed : Encoded
            From `encode`.
        mask : (N, 1, H, W) float32
            1 where the surface is speckled, else 0.

        Returns
        -------
        list of (N, 2, H / s, W / s) float32
            Displacement u, v in px of the full image, s = 8, 8, 4, 2, 1, 1.
        """
        c = self.config
        n, _, height, width = mask.shape
        field = mask.new_zeros(n, 2, height // 8, width // 8)
        hidden = mask.new_zeros(n, c.hidden, height // 8, width // 8)
        found = []
        for decoder, level, radius in zip(self.decoders, c.levels, c.radii, strict=True):
            scale = 2**level
            if field.shape[-1] != width // scale:
                field, hidden = _double(field), _double(hidden)
            field = field.detach()
            ours = reference.features[level - 1]
            moved = warp(deformed.features[level - 1], field / scale).to(ours.dtype)
            match = correlate(descriptors(ours), descriptors(moved), radius)
            cover = F.avg_pool2d(mask, scale)
            step, hidden = decoder(match, torch.cat([ours, hidden, cover], 1))
            field = field + step * scale
            found.append(field)
        field = _double(field)
        with torch.autocast(mask.device.type, enabled=False):
            coefficients = [spline_coefficients(image.float()) for image in deformed.image[:, 0]]
        for smooth_px in c.smooth_px:
            field = self._polish(field.detach(), hidden, reference.image, coefficients, mask, smooth_px)
            found.append(field)
        return found

    def _polish(
        self, field: Tensor, hidden: Tensor, first: Tensor, second: list[Tensor], mask: Tensor, smooth_px: float
    ) -> Tensor:
        """Correct the full-size `field` (N, 2, H, W) by what is left between the images, one given by its splines."""
        with torch.no_grad(), torch.autocast(field.device.type, enabled=False):  # geometry wants all digits
            field = _smooth(field, mask, smooth_px)
            there = torch.stack([inside(each, RIM_PX) for each in field])[:, None].float()
            moved = there * torch.stack([spline_sample(s, f) for s, f in zip(second, field, strict=True)])[:, None]
            steps = [least_squares_step(first, moved, mask * there, width) for width in self.config.windows_px]
            seen = torch.cat([first, moved, mask, *(2 * step for step in steps)], 1)  # (N, 7, H, W)
        answer = self.polish(torch.cat([F.pixel_unshuffle(seen, 2).to(hidden.dtype), hidden], 1))
        answer = F.pixel_shuffle(answer.float(), 2)  # (N, 5, H, W)
        weights = answer[:, 2:].softmax(1)  # of the two steps and of none
        return field + answer[:, :2] + weights[:, 0:1] * steps[0] + weights[:, 1:2] * steps[1]


class _Decoder(nn.Module):
    """What a correlation says about the displacement, in cells of its level."""

    def __init__(self, channels: int, width: int, hidden: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_block(channels, width, 1), _block(width, width * 3 // 4, 1))
        self.hidden = _block(width * 3 // 4, hidden + 16, 1)
        self.step = _last(hidden + 16, 2)
        self.sharpness = nn.Parameter(torch.tensor(15.0))
        self._kept = hidden

    def forward(self, match: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Return the step (N, 2, H, W) and what the next decoder is told, from the correlation and the rest."""
        best = expected_offset(match, self.sharpness)
        x = self.hidden(self.body(torch.cat([match, context, best], 1)))
        return best + self.step(x).float(), x[:, : self._kept]


def _block(channels: int, out: int, depth: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for index in range(depth):
        conv = nn.Conv2d(channels if index == 0 else out, out, 3, padding=1)
        nn.init.kaiming_normal_(conv.weight, a=0.1)
        _zero(conv.bias)
        layers += [conv, nn.LeakyReLU(0.1)]
    return nn.Sequential(*layers)


def _last(channels: int, out: int) -> nn.Conv2d:
    """Convolution that starts by changing nothing."""
    conv = nn.Conv2d(channels, out, 3, padding=1)
    _zero(conv.weight)
    _zero(conv.bias)
    return conv


def _zero(parameter: Tensor | None) -> None:
    if parameter is not None:
        nn.init.zeros_(parameter)


def _smooth(field: Tensor, mask: Tensor, sigma: float) -> Tensor:
    """Smooth a field (N, 2, H, W) over the points of its mask (N, 1, H, W): its noise, unlike its shape, is rough."""
    weight = mask[:, 0] + 1e-3
    planes = torch.stack([plane_through(one, w) for one, w in zip(field, weight, strict=True)])
    parts = torch.cat([(field - planes) * weight[:, None], weight[:, None]], 1)
    sums = gaussian(parts.flatten(0, 1), sigma).view_as(parts)
    return planes + sums[:, :2] / sums[:, 2:]


def _double(x: Tensor) -> Tensor:
    """Resize (N, C, H, W) to twice the size."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def normalise(image: Tensor, window_px: int, variance: Tensor | None = None) -> Tensor:
    """Remove the local mean and divide by the local standard deviation.

    Parameters
    ----------
    image : (N, 1, H, W) float32
    window_px : int
        Width of the box, odd.
    variance : scalar, optional
        Of the whole image, if this is a part of it.

    Returns
    -------
    (N, 1, H, W) float32
        The same for `image` times any gain plus any offset. Where there is no contrast, near 0.
    """
    half = window_px // 2

    def mean(x: Tensor) -> Tensor:
        across = F.avg_pool2d(x, (1, window_px), 1, (0, half), count_include_pad=False)
        return F.avg_pool2d(across, (window_px, 1), 1, (half, 0), count_include_pad=False)

    centred = image - image.mean(dim=(2, 3), keepdim=True)
    spread = centred.square().mean(dim=(2, 3), keepdim=True) if variance is None else variance
    local = centred - mean(centred)
    variance = mean(local.square())
    return local / torch.sqrt(variance + 0.003 * spread + 1e-12)


def warp(image: Tensor, field: Tensor) -> Tensor:
    """Take `image` (N, C, H, W) at the displaced points X + `field` (N, 2, H, W, in its own pixels)."""
    height, width = image.shape[-2:]
    x = torch.arange(width, device=image.device, dtype=field.dtype) + field[:, 0]
    y = torch.arange(height, device=image.device, dtype=field.dtype)[:, None] + field[:, 1]
    grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], -1)
    return F.grid_sample(image.float(), grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def least_squares_step(first: Tensor, moved: Tensor, mask: Tensor, window_px: float) -> Tensor:
    """One Lucas-Kanade step with a Gaussian window.

    Parameters
    ----------
    first, moved, mask : (N, 1, H, W) float32
        Normalised reference, deformed image taken at the field so far, and weight of each pixel.
    window_px : float
        Standard deviation of the window.

    Returns
    -------
    (N, 2, H, W) float32
        Correction of u and v, px, at most 1.5.
    """
    gx, gy = (part[:, None] for part in gradient(0.5 * (first + moved)[:, 0]))
    left = (first - moved) * mask
    products = torch.cat([gx * gx * mask, gx * gy * mask, gy * gy * mask, gx * left, gy * left], 1)
    axx, axy, ayy, bx, by = gaussian(products.flatten(0, 1), window_px).view_as(products).unbind(1)
    ridge = 0.02 * (axx + ayy) + 1e-4
    axx, ayy = axx + ridge, ayy + ridge
    determinant = axx * ayy - axy * axy
    step = torch.stack([ayy * bx - axy * by, axx * by - axy * bx], 1) / determinant[:, None]
    return step.clamp(-1.5, 1.5)
