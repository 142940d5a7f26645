"""What each network is trained to do: the loss over data made on the spot, and the figures on fixed seeds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from scorrnet_cli.models.corrnet import CorrNet
from scorrnet_cli.models.enet import ENet
from scorrnet_cli.models.fusion import FusionNet, Weigher
from scorrnet_cli.numerics.filters import halved
from scorrnet_cli.refine import LOOKS
from scorrnet_cli.refinement.windows import Evidence, weigh
from scorrnet_cli.training import loss, synth
from scorrnet_cli.training.compared import compared, refinement_figures
from scorrnet_cli.training.masks import careless
from scorrnet_cli.training.recipe import Recipe
from scorrnet_cli.training.rng import Rng
from scorrnet_cli.training.synth import Material
from scorrnet_cli.weights import Role

VALIDATION = 1  # first part of the key of random numbers
OWN_SHARE = 0.3  # of the loss, where two networks are asked together: without it one would rely on the other


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
        self.beside: ENet | None = None  # is asked together with the network, and not trained

    def loss(self, rng: Rng) -> Tensor:
        images, masks = self._drawn(rng, max(self.recipe.batch, self.recipe.candidates))
        with torch.no_grad():
            others = None if self.beside is None else self._said(self.beside, images)
            if self.recipe.candidates:
                hard = self._hardest(images, masks, others)
                images, masks, others = images[hard], masks[hard], None if others is None else others[hard]
        own = self._said(self.network, images)
        alone = loss.segmentation_loss(own, masks)
        if others is None:
            return alone
        together = loss.segmentation_loss(torch.logaddexp(own, others), masks)
        return OWN_SHARE * alone + (1 - OWN_SHARE) * together

    def settle(self, rng: Rng) -> None:
        """Show the network, in training, a batch as it is drawn, for its batch statistics."""
        self._said(self.network, self._drawn(rng, self.recipe.batch)[0])

    def _drawn(self, rng: Rng, count: int) -> tuple[Tensor, Tensor]:
        """Images as networks take them, and masks."""
        images, masks = synth.make_references(rng, count, self.recipe.synth, self.material)
        return ENet.normalise(images), masks

    def _said(self, network: ENet, images: Tensor) -> Tensor:
        """Logarithms (N, 2, H, W) of the probabilities."""
        with _autocast(self.recipe, self.device):
            scores = network(images)
        logarithms: Tensor = scores.float().log_softmax(1)
        return logarithms

    def _hardest(self, images: Tensor, masks: Tensor, others: Tensor | None) -> Tensor:
        """Say which images, as many as a batch has, the network finds hardest as it will be asked."""
        self.network.eval()
        said = self._said(self.network, images)
        self.network.train()
        said = said if others is None else torch.logaddexp(said, others)
        pairs = zip(said, masks, strict=True)
        each = torch.stack([loss.segmentation_loss(one[None], mask[None]) for one, mask in pairs])
        return each.argsort(descending=True)[: self.recipe.batch]

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
