"""The segmentation network: ENet (Paszke, Chaurasia, Kim, Culurciello, 2016, arXiv:1606.02147) with two classes.

Parameter names are those of the published SCorrNet checkpoints, so that their `enet.` part loads as it is. The bundled
network adds shortcuts from the encoder to the decoder, as U-Net has them (Ronneberger, Fischer, Brox, 2015,
arXiv:1505.04597): what is as fine as the gaps between dots is not seen at an eighth of the size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scorrnet_cli.numerics.filters import dimmed, light_and_detail

_STAGE_2: dict[str, dict[str, Any]] = {
    "regular2_1": {},
    "dilated2_2": {"dilation": 2},
    "asymmetric2_3": {"asymmetric": True},
    "dilated2_4": {"dilation": 4},
    "regular2_5": {},
    "dilated2_6": {"dilation": 8},
    "asymmetric2_7": {"asymmetric": True},
    "dilated2_8": {"dilation": 16},
}
_STAGE_3: dict[str, dict[str, Any]] = {
    "regular3_0": {},
    "dilated3_1": {"dilation": 2},
    "asymmetric3_2": {"asymmetric": True},
    "dilated3_3": {"dilation": 4},
    "regular3_4": {},
    "dilated3_5": {"dilation": 8},
    "asymmetric3_6": {"asymmetric": True},
    "dilated3_7": {"dilation": 16},
}


GLINT = 2.5  # detail stronger than this, in standard deviations nearby, is dimmed to it
FAINT = 0.02  # contrast, as a share of the image's, below which detail stays faint


class ENet(nn.Module):
    """Scores of background and speckle for every pixel of a grey image.

    Parameters
    ----------
    shortcuts : bool
        Whether the decoder sees what the encoder saw at its own size; the published network's does not.
    """

    stride = 8
    smallest_image_px = 32

    def __init__(self, *, shortcuts: bool = True) -> None:
        super().__init__()
        self.initial_block = _Initial()
        self.downsample1_0 = _Down(16, 64, drop=0.01)
        for index in range(1, 5):
            self.add_module(f"regular1_{index}", _Regular(64, drop=0.01))
        self.downsample2_0 = _Down(64, 128, drop=0.1)
        for name, options in (_STAGE_2 | _STAGE_3).items():
            self.add_module(name, _Regular(128, drop=0.1, **options))
        self.upsample4_0 = _Up(128, 64, drop=0.1)
        self.regular4_1 = _Regular(64, drop=0.1, activation=nn.ReLU)
        self.regular4_2 = _Regular(64, drop=0.1, activation=nn.ReLU)
        self.upsample5_0 = _Up(64, 16, drop=0.1)
        self.regular5_1 = _Regular(16, drop=0.1, activation=nn.ReLU)
        self.transposed_conv = nn.ConvTranspose2d(16, 2, 3, stride=2, padding=1, bias=False)
        self._shortcuts = shortcuts
        if shortcuts:
            self.shortcut4 = _Shortcut(64)
            self.regular4_3 = _at_first_nothing(_Regular(64, drop=0.1))
            self.regular4_4 = _at_first_nothing(_Regular(64, drop=0.1))
            self.shortcut5 = _Shortcut(16)

    @staticmethod
    def normalise(images: Tensor) -> Tensor:
        """Bring grey levels (N, 1, H, W) of any scale to mean 0.5 and standard deviation 0.25, more or less.

        Detail is brought half the way (as a ratio) to the same contrast everywhere: beside a bright or rough background
        a faint pattern would be lost. Glints, which would make all else faint, are dimmed. H and W are multiples of 8.
        """
        images = dimmed(images, _around, GLINT)
        mean = images.mean(dim=(1, 2, 3), keepdim=True)
        spread = images.std(dim=(1, 2, 3), keepdim=True) + 1e-6
        light, detail, contrast = light_and_detail(images, _around)
        return 0.5 + 0.25 * ((light - mean) / spread + detail * torch.rsqrt((contrast + FAINT * spread) * spread))

    def forward(self, images: Tensor) -> Tensor:
        """Score every pixel.

        Parameters
        ----------
        images : (N, 1, H, W) float32
            Normalised grey images; H and W are multiples of 8.

        Returns
        -------
        (N, 2, H, W)
            Scores of background and of speckle, as exact as the weights.
        """
        half = self.initial_block(images.to(self.transposed_conv.weight.dtype))  # (N, 16, H / 2, W / 2)
        if self.transposed_conv.weight.is_contiguous(memory_format=torch.channels_last):
            half = half.contiguous(memory_format=torch.channels_last)  # images of one channel do not tell the layout
        quarter, first = self.downsample1_0(half)  # (N, 64, H / 4, W / 4)
        for index in range(1, 5):
            quarter = self.get_submodule(f"regular1_{index}")(quarter)
        x, second = self.downsample2_0(quarter)  # (N, 128, H / 8, W / 8)
        for name in _STAGE_2 | _STAGE_3:
            x = self.get_submodule(name)(x)
        x = self.upsample4_0(x, second)  # (N, 64, H / 4, W / 4)
        if self._shortcuts:
            x = self.shortcut4(x, quarter)
        x = self.regular4_2(self.regular4_1(x))
        if self._shortcuts:
            x = self.regular4_4(self.regular4_3(x))
        x = self.upsample5_0(x, first)  # (N, 16, H / 2, W / 2)
        if self._shortcuts:
            x = self.shortcut5(x, half)
        x = self.regular5_1(x)
        scores: Tensor = self.transposed_conv(x, output_size=list(images.shape[-2:]))
        return scores


class ENets(nn.Module):
    """Several networks that were trained differently, of whose probabilities the mean is taken.

    What one alone takes for speckle is mostly its own error (Lakshminarayanan, Pritzel, Blundell, 2017,
    arXiv:1612.01474). Networks are used as one :class:`ENet` is; the names of their parameters begin with their number.
    """

    stride = ENet.stride
    smallest_image_px = ENet.smallest_image_px
    normalise = staticmethod(ENet.normalise)

    def __init__(self, networks: Sequence[ENet]) -> None:
        super().__init__()
        for index, network in enumerate(networks):
            self.add_module(str(index), network)

    def forward(self, images: Tensor) -> Tensor:
        """Score every pixel of normalised images (N, 1, H, W): logarithms (N, 2, H, W) of the mean probabilities."""
        logarithms = torch.stack([network(images).float().log_softmax(1) for network in self.children()])
        return logarithms.logsumexp(0) - math.log(len(logarithms))


Segmenter: TypeAlias = ENet | ENets


def _around(x: Tensor) -> Tensor:
    """Mean (N, 1, H, W) over some 40 px around each point."""
    cells = F.avg_pool2d(F.avg_pool2d(x, 8), 5, 1, 2, count_include_pad=False)
    return F.interpolate(cells, x.shape[-2:], mode="bilinear", align_corners=False)


def _conv(channels: int, out: int, kernel: int | tuple[int, int], activation: Any, **options: Any) -> list[nn.Module]:
    """Return convolution without bias, batch norm and activation."""
    conv = nn.Conv2d(channels, out, kernel, bias=False, **options)
    return [conv, nn.BatchNorm2d(out), activation()]


class _Initial(nn.Module):
    """3x3 stride-2 convolution beside a max pool, concatenated."""

    def __init__(self) -> None:
        super().__init__()
        self.main_branch = nn.Conv2d(1, 15, 3, stride=2, padding=1, bias=False)
        self.batch_norm = nn.BatchNorm2d(16)
        self.out_activation = nn.PReLU()

    def forward(self, x: Tensor) -> Tensor:
        both = torch.cat([self.main_branch(x), F.max_pool2d(x, 3, 2, 1)], 1)
        out: Tensor = self.out_activation(self.batch_norm(both))
        return out


class _Down(nn.Module):
    """Bottleneck that halves the size; its max pool's indices serve the matching `_Up`."""

    def __init__(self, channels: int, out: int, drop: float) -> None:
        super().__init__()
        inner = channels // 4
        self.ext_conv1 = nn.Sequential(*_conv(channels, inner, 2, nn.PReLU, stride=2))
        self.ext_conv2 = nn.Sequential(*_conv(inner, inner, 3, nn.PReLU, padding=1))
        self.ext_conv3 = nn.Sequential(*_conv(inner, out, 1, nn.PReLU))
        self.ext_regul = nn.Dropout2d(drop)
        self.out_activation = nn.PReLU()
        self._appended = out - channels

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        main, indices = F.max_pool2d(x, 2, 2, return_indices=True)
        extension = self.ext_regul(self.ext_conv3(self.ext_conv2(self.ext_conv1(x))))
        main = F.pad(main, (0, 0, 0, 0, 0, self._appended))
        return self.out_activation(main + extension), indices


class _Regular(nn.Module):
    """Bottleneck at one size: plain, dilated, or 5x1 then 1x5."""

    def __init__(
        self,
        channels: int,
        drop: float,
        dilation: int = 1,
        asymmetric: bool = False,
        activation: type[nn.Module] = nn.PReLU,
    ) -> None:
        super().__init__()
        inner = channels // 4
        self.ext_conv1 = nn.Sequential(*_conv(channels, inner, 1, activation))
        if asymmetric:
            middle = [
                *_conv(inner, inner, (5, 1), activation, padding=(2, 0)),
                *_conv(inner, inner, (1, 5), activation, padding=(0, 2)),
            ]
        else:
            middle = _conv(inner, inner, 3, activation, padding=dilation, dilation=dilation)
        self.ext_conv2 = nn.Sequential(*middle)
        self.ext_conv3 = nn.Sequential(*_conv(inner, channels, 1, activation))
        self.ext_regul = nn.Dropout2d(drop)
        self.out_activation = activation()

    def forward(self, x: Tensor) -> Tensor:
        extension = self.ext_regul(self.ext_conv3(self.ext_conv2(self.ext_conv1(x))))
        out: Tensor = self.out_activation(x + extension)
        return out


def _at_first_nothing(block: _Regular) -> _Regular:
    """Let a bottleneck add nothing before it is trained: training may begin with a network that lacks it."""
    norm = block.ext_conv3[1]
    assert isinstance(norm, nn.BatchNorm2d)
    nn.init.zeros_(norm.weight)
    return block


class _Shortcut(nn.Module):
    """Add what the encoder saw at this size; at first nothing, see above."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 1, bias=False)
        nn.init.zeros_(self.conv.weight)

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        out: Tensor = x + self.conv(seen)
        return out


class _Up(nn.Module):
    """Bottleneck that doubles the size by max unpooling."""

    def __init__(self, channels: int, out: int, drop: float) -> None:
        super().__init__()
        inner = channels // 4
        self.main_conv1 = nn.Sequential(nn.Conv2d(channels, out, 1, bias=False), nn.BatchNorm2d(out))
        self.ext_conv1 = nn.Sequential(*_conv(channels, inner, 1, nn.ReLU))
        self.ext_tconv1 = nn.ConvTranspose2d(inner, inner, 2, stride=2, bias=False)
        self.ext_tconv1_bnorm = nn.BatchNorm2d(inner)
        self.ext_conv2 = nn.Sequential(nn.Conv2d(inner, out, 1, bias=False), nn.BatchNorm2d(out))
        self.ext_regul = nn.Dropout2d(drop)

    def forward(self, x: Tensor, indices: Tensor) -> Tensor:
        main = F.max_unpool2d(self.main_conv1(x), indices, [2, 2], [2, 2])
        extension = F.relu(self.ext_tconv1_bnorm(self.ext_tconv1(self.ext_conv1(x))))
        extension = self.ext_regul(self.ext_conv2(extension))
        return F.relu(main + extension)
