"""The refinement network: how widely to average at every pixel, learned from synthetic images.

Fields refined with several windows differ by noise, which wide windows average away, and by detail, which they
flatten. From these differences and from the noise that the images have, a small network at half the size of the
image finds how much of each to take. A second one does the same, again and again, with what is left to correct.
Both know the range of the features that they were trained with, for beyond it nobody knows what they say.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import NamedTuple, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class View(NamedTuple):
    """How images are held when a network looks at them: mirrored left to right, upside down, or both."""

    across: bool
    down: bool


PLAIN, ACROSS, DOWN = View(False, False), View(True, False), View(False, True)


@dataclass(frozen=True)
class FusionConfig:
    """Sizes of the two networks.

    Attributes
    ----------
    features : tuple of int
        Input channels of each.
    fields : tuple of int
        Fields that each weighs, beside the one that they are compared with.
    width : int
        Channels of the layers.
    dilations : tuple of int
        One for each hidden layer.
    """

    features: tuple[int, int] = (32, 37)
    fields: tuple[int, int] = (7, 8)
    width: int = 40
    dilations: tuple[int, ...] = (1, 2, 4, 8, 8, 4, 2, 1)


class Fusion(NamedTuple):
    """What a network says about u and v at every pixel of the half-size image."""

    share: Tensor  # (N, 2, fields, h, w), of the difference between each field and the one they are compared with
    correction: Tensor  # (N, 2, h, w), in units of the spread of the fields
    log_error: Tensor  # (N, 2, h, w), of the mean absolute error in these units

    def of(self, index: int) -> Fusion:
        """Return what it says of one image, N = 1."""
        return Fusion(*(part[index : index + 1] for part in self))


class FusionNet(nn.Module):
    """The network that weighs the fields of several windows, and the one that weighs corrections."""

    stride = 2
    smallest_image_px = 2

    def __init__(self, config: FusionConfig | None = None) -> None:
        super().__init__()
        c = self.config = config or FusionConfig()
        self.first, self.second = (
            Weigher(i, o, c.width, c.dilations) for i, o in zip(c.features, c.fields, strict=True)
        )

    @property
    def firsts(self) -> list[Weigher]:
        """Who weighs fields, in turn."""
        return [self.first]

    @property
    def seconds(self) -> list[Weigher]:
        """Who weighs corrections, in turn."""
        return [self.second]


class FusionNets(nn.Module):
    """Several pairs of networks that were trained differently and take turns.

    What one alone says wrongly averages out over the views, and what it leaves the next corrects (see
    :class:`scorrnet_cli.models.enet.ENets`), at the cost of one. The names of their parameters begin with their number.
    """

    stride = FusionNet.stride
    smallest_image_px = FusionNet.smallest_image_px

    def __init__(self, networks: Sequence[FusionNet]) -> None:
        super().__init__()
        self.networks = list(networks)
        for index, network in enumerate(networks):
            self.add_module(str(index), network)

    @property
    def firsts(self) -> list[Weigher]:
        """Who weighs fields, in turn."""
        return [network.first for network in self.networks]

    @property
    def seconds(self) -> list[Weigher]:
        """Who weighs corrections, in turn."""
        return [network.second for network in self.networks]


Fuser: TypeAlias = FusionNet | FusionNets


class Weigher(nn.Module):
    """Shares of the fields, a correction, and the uncertainty, from features at half size."""

    low: Tensor  # (features,), least and largest that counted in training
    high: Tensor

    def __init__(self, features: int, fields: int, width: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.fields = fields
        self.first = nn.Conv2d(features, width, 3, padding=1)
        self.layers = nn.ModuleList(nn.Conv2d(width, width, 3, padding=d, dilation=d) for d in dilations)
        self.last = nn.Conv2d(width, 2 * (fields + 2), 1)
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        nn.init.zeros_(self.last.bias)
        self.register_buffer("low", torch.full((features,), math.inf))
        self.register_buffer("high", torch.full((features,), -math.inf))

    @torch.no_grad()
    def widen(self, features: Tensor, counted: Tensor) -> None:
        """Take the features (N, features, h, w) of the points `counted`, (N, h, w) bool, into the known range."""
        values = features.movedim(1, 0)[:, counted]
        if values.numel():
            self.low.copy_(torch.minimum(self.low, values.amin(1)))
            self.high.copy_(torch.maximum(self.high, values.amax(1)))

    def knows(self, features: Tensor) -> Tensor:
        """True (N, h, w) where no feature leaves the range of those that the network was trained with."""
        low, high = self.low[:, None, None], self.high[:, None, None]
        known: Tensor = ((features >= low) & (features <= high)).all(1)
        return known

    def forward(self, features: Tensor) -> Fusion:
        """Weigh the fields.

        Parameters
        ----------
        features : (N, features, h, w) float32
        """
        x = F.leaky_relu(self.first(features), 0.1)  # (N, width, h, w)
        for layer in self.layers:
            x = x + F.leaky_relu(layer(x), 0.1)
        out = self.last(x).float()
        count, _, height, width = out.shape
        split = out.view(count, 2, self.fields + 2, height, width)
        return Fusion(split[:, :, :-2], split[:, :, -2].clamp(-5, 5), split[:, :, -1].clamp(-6, 6) - 1)

    def asked(self, features: Tensor, view: View) -> Fusion:
        """Weigh the fields in a view, from the features (N, features, h, w) of the images as they are."""
        return self._held_back(self(self._held(features, view)), view)

    def _held(self, features: Tensor, view: View) -> Tensor:
        """Features of the images held otherwise: the first ones are those of u, then of v, which change their signs."""
        signs = features.new_ones(features.shape[1])
        signs[: self.fields] = -1.0 if view.across else 1.0
        signs[self.fields : 2 * self.fields] = -1.0 if view.down else 1.0
        return _flipped(features, view) * signs[:, None, None]

    def _held_back(self, said: Fusion, view: View) -> Fusion:
        share, correction, log_error = (_flipped(part, view) for part in said)
        signs = correction.new_tensor([-1.0 if view.across else 1.0, -1.0 if view.down else 1.0])
        return Fusion(share, correction * signs[:, None, None], log_error)


def asked(weighers: Sequence[Weigher], features: Tensor, views: Sequence[View]) -> Fusion:
    """Weigh the fields in each of several views, and take the mean of what is said.

    How the images are held should not matter. Of what was learned it does, a little, and that averages out.

    Parameters
    ----------
    weighers : sequence of Weigher
        Who is asked, one for a view, in turn.
    features : (N, features, h, w) float32
        Of the images as they are.
    views : sequence of View
    """
    said = [weigher.asked(features, view) for weigher, view in zip(cycle(weighers), views, strict=False)]
    return Fusion(*(torch.stack(parts).mean(0) for parts in zip(*said, strict=True)))


def _flipped(maps: Tensor, view: View) -> Tensor:
    return maps.flip([axis for axis, flip in ((-1, view.across), (-2, view.down)) if flip])
