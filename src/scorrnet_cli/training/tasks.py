"""What each network is trained to do: the loss over data made on the spot, and the figures on fixed seeds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from scorrnet_cli.filters import halved
from scorrnet_cli.models.corrnet import CorrNet
from scorrnet_cli.models.enet import ENet
from scorrnet_cli.models.fusion import FusionNet, Weigher
from scorrnet_cli.refine import LOOKS
from scorrnet_cli.training import loss, synth
from scorrnet_cli.training.compared import compared, refinement_figures
from scorrnet_cli.training.masks import careless
from scorrnet_cli.training.recipe import Recipe
from scorrnet_cli.training.rng import Rng
from scorrnet_cli.training.synth import Material
from scorrnet_cli.weights import Role
from scorrnet_cli.windows import Evidence, weigh

VALIDATION = 1  # first part of the key of random numbers


def _autocast(recipe: Recipe, device: torch.device) -> AbstractContextManager[None]:
    enabled = recipe.precision == "bfloat16"
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


class _Displacement:
    """Loss and figures of the displacement network."""

    def __init__(self, recipe: Recipe, device: torch.device, material: Material) -> None:
        self.recipe, self.device, self.material = recipe, device, material
        self.network = CorrNet().to(device)

    def loss(self, rng: Rng) -> Tensor:
        pairs = synth.make_pairs(rng, self.recipe.batch, self.recipe.synth, self.material)
        guide = careless(rng, pairs.mask)
        with _autocast(self.recipe, self.device):
            reference, deformed = self.network.encode(pairs.reference), self.network.encode(pairs.deformed)
            found = self.network.steps(reference, deformed, guide)
        return loss.displacement_loss(found, pairs.displacement, pairs.seen, self.recipe.exponent)

    def figures(self) -> dict[str, float]:
        parts: list[tuple[Tensor, ...]] = []
        for index in range(self.recipe.validate_count):
            pairs = synth.make_pairs(Rng((VALIDATION, index), self.device), 1, self.recipe.synth, Material())
            found = self.network(pairs.reference, pairs.deformed, pairs.mask)
            parts.append((found, pairs.displacement, pairs.seen))
        return loss.displacement_figures(*(torch.cat(part) for part in zip(*parts, strict=True)))


class _Segmentation:
    """Loss and figures of the segmentation network."""

    def __init__(self, recipe: Recipe, device: torch.device, material: Material) -> None:
        self.recipe, self.device, self.material = recipe, device, material
        self.network = ENet().to(device)

    def loss(self, rng: Rng) -> Tensor:
        images, masks = synth.make_references(rng, self.recipe.batch, self.recipe.synth, self.material)
        with _autocast(self.recipe, self.device):
            scores = self.network(ENet.normalise(images))
        return loss.segmentation_loss(scores, masks)

    def figures(self) -> dict[str, float]:
        parts: list[tuple[Tensor, ...]] = []
        for index in range(self.recipe.validate_count):
            rng = Rng((VALIDATION, index), self.device)
            images, masks = synth.make_references(rng, 1, self.recipe.synth, Material())
            parts.append((self.network(ENet.normalise(images)), masks))
        return loss.segmentation_figures(*(torch.cat(part) for part in zip(*parts, strict=True)))


class _Refinement:
    """Loss and figures of the networks that weigh the fields of several windows."""

    def __init__(self, recipe: Recipe, device: torch.device, material: Material) -> None:
        self.recipe, self.device, self.material = recipe, device, material
        self.network = FusionNet().to(device)

    def loss(self, rng: Rng) -> Tensor:
        pairs = synth.make_pairs(rng, self.recipe.batch, self.recipe.synth, self.material)
        seen = [compared(rng, pairs, index) for index in range(self.recipe.batch)]
        counted = pairs.seen * torch.stack([each.reference.mask for each in seen])[:, None]
        fields = self._weighed(self.network.first, [each.evidence for each in seen], counted)
        total = loss.refinement_loss(fields, pairs.displacement, counted)
        for look in range(1, LOOKS + 1):
            left = [each.again(field, sigma) for each, (field, sigma) in zip(seen, fields, strict=True)]
            fields = self._weighed(self.network.second, left, counted)
            # The last look counts most: it is what is taken.
            total = total + (look + 1) * loss.refinement_loss(fields, pairs.displacement, counted)
        return total

    def _weighed(self, network: Weigher, found: list[Evidence], counted: Tensor) -> list[tuple[Tensor, Tensor]]:
        features = torch.stack([each.features for each in found])
        network.widen(features, halved(counted[:, 0]) == 1)
        with _autocast(self.recipe, self.device):
            said = network(features)
        return [weigh(each, said.of(index)) for index, each in enumerate(found)]

    def figures(self) -> dict[str, float]:
        return refinement_figures(self.network, self.recipe.synth, VALIDATION, self.recipe.validate_count)


TASKS: dict[Role, Callable[[Recipe, torch.device, Material], Any]] = {
    "displacement": _Displacement,
    "segmentation": _Segmentation,
    "refinement": _Refinement,
}
"""By network. Each has the `network`; its `loss` draws a batch; its `figures` are those on images never trained on."""
