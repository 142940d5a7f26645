"""The training loop: data made on the spot, checkpoints from which a CPU resumes bit by bit (on CUDA the order of
sums, and so the last digits, may differ), a log that can be plotted.
"""

from __future__ import annotations

import csv
import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save
from torch import Tensor, nn

from scorrnet_cli.allocation import keep_freed_memory
from scorrnet_cli.device import trains_channels_last
from scorrnet_cli.errors import MeasurementError, OutputError, UsageError, WeightsError
from scorrnet_cli.frames import digest_of
from scorrnet_cli.models.enet import ENets
from scorrnet_cli.models.fusion import FusionNets
from scorrnet_cli.training.recipe import Recipe
from scorrnet_cli.training.rng import Rng
from scorrnet_cli.training.synth import Material
from scorrnet_cli.training.tasks import TASKS
from scorrnet_cli.weights import Role, load_network
from scorrnet_cli.writers.atomic import explained, written_whole

TRAINING, SETTLING = 0, 3  # first part of the key of random numbers; tasks validate with 1, evaluation has 2
SETTLING_BATCHES = 40
CHECKPOINT = "checkpoint.pt"
AVERAGED = "averaged.safetensors"
LOG = "log.csv"
SAVE_EVERY_S = 120


@dataclass(frozen=True)
class Progress:
    """Where a training stands, for whoever shows it."""

    step: int
    steps: int
    loss: float
    images_per_s: float
    figures: dict[str, float]


class Trainer:
    """A network in training, with everything that a checkpoint must hold.

    Parameters
    ----------
    recipe : Recipe
    folder : Path
        Where checkpoint, averaged weights and log lie. If there is a checkpoint, training goes on from it.
    device : torch.device
    material : Material
        Photographs that enter the synthesis.
    start : Path, optional
        Weights (safetensors) to begin with instead of random ones. Of several networks that are asked together, as the
        bundled segmentation and refinement networks are, the first.
    beside : Path, optional
        Weights of a segmentation network that will be asked together with this one; of several, the first. Trained is
        mostly what both say together.

    Raises
    ------
    UsageError
        If another network than the segmentation is to be trained beside one, or the folder holds another training: of
        another recipe, beside another network, or with other photographs.
    OutputError, WeightsError
        If the folder cannot be made, or weights do not fit.
    """

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        device: torch.device,
        material: Material,
        start: Path | None = None,
        beside: Path | None = None,
    ) -> None:
        keep_freed_memory()
        self.recipe, self.folder, self.device, self.material = recipe, folder, device, material
        self._given = {
            "backgrounds": _digest(material.photographs),
            "speckles": _digest(material.speckles),
            "beside": "" if beside is None else digest_of(beside),
        }
        torch.manual_seed(recipe.seed)
        self.task = TASKS[recipe.network](recipe, device, material)
        self.network: nn.Module = self.task.network
        if start is not None:
            known = _first_of(recipe.network, device, start)
            self.network.load_state_dict(known.state_dict(), strict=False)  # of a network without shortcuts, maybe
        if beside is not None:
            if recipe.network != "segmentation":
                raise UsageError("Only a segmentation network is trained beside another", f"--beside {beside}")
            self.task.beside = _first_of(recipe.network, device, beside)
        if trains_channels_last(device):
            self.network.to(memory_format=torch.channels_last)
        self.averaged = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        self.step = 0
        self.running = math.nan  # loss, averaged over some fifty steps
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"Cannot make the folder: {error.strerror}", str(folder), "Choose another with --to"
            ) from error
        if (folder / CHECKPOINT).exists():
            self._resume(folder / CHECKPOINT)

    @property
    def averaged_file(self) -> Path:
        """File of the averaged weights."""
        return self.folder / AVERAGED

    def run(self, minutes: float | None, steps: int | None, show: Callable[[Progress], None]) -> Progress:
        """Train until the schedule ends, or for some minutes or steps, and leave a checkpoint.

        Parameters
        ----------
        minutes : float or None
            After which no other step is begun, of wall time; None is no limit. Validation at the end comes on top.
        steps : int or None
            Most steps to take from here on; None is no limit but the recipe's.
        show : callable
            Hears after every step how far it is.

        Returns
        -------
        Progress
            Where the training stands in the end.

        Raises
        ------
        MeasurementError
            If loss or gradient is no longer finite.
        OutputError
            If checkpoint, weights or log cannot be written.
        """
        end = min(self.recipe.steps, self.step + steps if steps is not None else self.recipe.steps)
        started, first = time.monotonic(), self.step
        figures = dict[str, float]()
        progress = Progress(self.step, self.recipe.steps, self.running, 0.0, figures)
        saved = started
        while self.step < end:
            self._advance()
            now = time.monotonic()
            last = self.step == end or (minutes is not None and now - started > 60 * minutes)
            if last:
                self.save()  # validation takes its time
            if last or self.step % self.recipe.validate_every == 0:
                figures = self.validate()
                self._log(figures)
            rate = (self.step - first) * self.recipe.batch / (now - started)
            progress = Progress(self.step, self.recipe.steps, self.running, rate, figures)
            show(progress)
            if last or now - saved > SAVE_EVERY_S:
                self.save()
                saved = now
            if last:
                break
        return progress

    def validate(self) -> dict[str, float]:
        """Measure the averaged weights on images that training never draws."""
        kept = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.network.load_state_dict(self.averaged)
        self._settle()
        self.network.eval()
        with torch.no_grad():
            figures: dict[str, float] = self.task.figures()
        self.network.load_state_dict(kept)
        self.network.train()
        return figures

    @torch.no_grad()
    def _settle(self) -> None:
        """Take batch statistics anew for the averaged weights: those of training are of the last few batches.

        Izmailov, Podoprikhin, Garipov, Vetrov, Wilson (2018), arXiv:1803.05407.
        """
        norms = [layer for layer in self.network.modules() if isinstance(layer, nn.BatchNorm2d)]
        if not norms:
            return
        momentum = [layer.momentum for layer in norms]
        for layer in norms:
            layer.reset_running_stats()
            layer.momentum = None  # the mean of all batches
        for batch in range(SETTLING_BATCHES):
            torch.manual_seed(1_000_003 * self.recipe.seed + batch)
            self.task.settle(Rng((SETTLING, self.recipe.seed, batch), self.device))
        for layer, usual in zip(norms, momentum, strict=True):
            layer.momentum = usual
        self.averaged = {name: value.clone() for name, value in self.network.state_dict().items()}

    def save(self) -> None:
        """Write the checkpoint and the averaged weights, each beside its name first."""
        state = {
            "recipe": self.recipe.to_dict(),
            "given": self._given,
            "step": self.step,
            "running": self.running,
            "network": self.network.state_dict(),
            "averaged": self.averaged,
            "optimizer": self.optimizer.state_dict(),
        }
        try:
            with written_whole(self.folder / CHECKPOINT) as part:
                torch.save(state, part)
            with written_whole(self.averaged_file) as part:
                part.write_bytes(save({name: value.contiguous().cpu() for name, value in self.averaged.items()}))
        except (OSError, RuntimeError, SafetensorError) as error:
            raise OutputError(
                f"The checkpoint cannot be written: {error}",
                str(self.folder),
                "Free space, then train on with the same --to",
            ) from error

    def _advance(self) -> None:
        recipe = self.recipe
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.learning_rate * _schedule(self.step, recipe)
        torch.manual_seed(1_000_003 * recipe.seed + self.step)  # drop-out must not know how often we resumed
        value = self.task.loss(Rng((TRAINING, recipe.seed, self.step), self.device))
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(value)
        slope = float(nn.utils.clip_grad_norm_(self.network.parameters(), 1.0))
        now = float(value.detach())
        if not (math.isfinite(now) and math.isfinite(slope)):  # nothing is changed by it
            what = f"The training diverged at step {self.step + 1}; the last checkpoint is sound"
            raise MeasurementError(what, str(self.folder), "Lower learning_rate in the recipe")
        self.optimizer.step()
        self.step += 1
        decay = min(recipe.average, (1 + self.step) / (10 + self.step))
        parameters = {name for name, _ in self.network.named_parameters()}
        with torch.no_grad():
            for name, weights in self.network.state_dict().items():
                # Batch statistics are running means, which are taken anew in the end; others are ranges.
                kept = self.averaged[name]
                kept.lerp_(weights, 1 - decay) if name in parameters else kept.copy_(weights)
        self.running = now if math.isnan(self.running) else 0.98 * self.running + 0.02 * now

    def _log(self, figures: dict[str, float]) -> None:
        """Write the log anew, without lines of steps that were lost with an interrupted run."""
        path = self.folder / LOG
        row = {"step": self.step, "images": self.step * self.recipe.batch, "loss": self.running, **figures}
        with explained(path):
            earlier = csv.DictReader(path.read_text(encoding="utf-8").splitlines()) if path.exists() else []
        rows = [line for line in earlier if int(line["step"]) < self.step]
        with written_whole(path) as part, explained(path), part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(row), extrasaction="ignore", restval="")
            writer.writeheader()
            writer.writerows([*rows, row])

    def _resume(self, path: Path) -> None:
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)  # where counters must stay
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.averaged = {name: value.to(self.device) for name, value in state["averaged"].items()}
            self.step, self.running = int(state["step"]), float(state["running"])
            began = Recipe.from_dict(state["recipe"]).to_dict()  # with what recipes had not yet, at its default
            given = dict(state["given"])
        except Exception as error:
            todo = "Give another --to folder or remove it"
            raise WeightsError("The checkpoint does not fit this training", str(path), todo) from error
        now = self.recipe.to_dict()
        changed = [name for name in now if name != "steps" and now[name] != began.get(name)]
        if changed:
            what = f"The training began with another recipe; {', '.join(changed)} differ"
            raise UsageError(what, str(path), "Give another --to folder; only steps may change")
        if others := [f"--{name}" for name in given if given[name] != self._given[name]]:
            what = f"The training began with something else for {', '.join(others)}"
            raise UsageError(what, str(path), "Give the same, or another --to folder")


def _digest(images: Tensor | None) -> str:
    """Return the sha256 of images; empty if there are none."""
    return "" if images is None else hashlib.sha256(images.cpu().numpy().tobytes()).hexdigest()


def _first_of(role: Role, device: torch.device, path: Path) -> nn.Module:
    """Load weights; of several networks, those of the first."""
    given, _ = load_network(role, device, path)
    first = next(given.children()) if isinstance(given, (ENets, FusionNets)) else given
    if trains_channels_last(device):
        first.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return first


def _schedule(step: int, recipe: Recipe) -> float:
    """Share of the highest learning rate: linear warm-up, then a cosine."""
    warm = min(1.0, (step + 1) / max(1, recipe.warmup))
    return warm * (0.5 + 0.5 * math.cos(math.pi * min(1.0, step / recipe.steps)))
