"""One TOML file says how a network is trained; it goes into the model card as it is."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, get_args

from scorrnet_cli.errors import UsageError
from scorrnet_cli.training.synth import SynthRecipe
from scorrnet_cli.weights import Role

NETWORKS: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes
    ----------
    network : Role
        ``segmentation``, ``displacement`` or ``refinement``.
    seed : int
        Of the weights and of the data.
    steps : int
        Length of the schedule.
    batch : int
        Images or pairs a step.
    learning_rate : float
        Highest rate of AdamW; it warms up over `warmup` steps and falls as a cosine.
    warmup : int
    weight_decay : float
    average : float
        Decay of the averaged copy of the weights, per step.
    exponent : float
        Of the robust loss (|e| + 0.01)^exponent of the displacement.
    precision : str
        ``float32`` or ``bfloat16`` (convolutions only; weights stay float32).
    validate_every : int
        Steps between validations.
    validate_count : int
        Images or pairs in a validation.
    synth : SynthRecipe
        What the images show.
    """

    network: Role
    seed: int = 1
    steps: int = 10_000
    batch: int = 8
    learning_rate: float = 1e-3
    warmup: int = 200
    weight_decay: float = 1e-4
    average: float = 0.999
    exponent: float = 0.75
    precision: str = "bfloat16"
    validate_every: int = 500
    validate_count: int = 32
    synth: SynthRecipe = field(default_factory=SynthRecipe)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as in the TOML file."""
        return asdict(self)


def bundled_recipe(network: str) -> Path:
    """Return the recipe that the bundled weights of a network were trained with."""
    return Path(__file__).with_name("recipes") / f"{network}.toml"


def load_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises
    ------
    UsageError
        If the file is missing, is not TOML, or sets what does not exist.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"The recipe cannot be read: {error.strerror}", str(path)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"The recipe is not TOML: {error}", str(path)) from error
    synth = values.pop("synth", {})
    if not isinstance(synth, dict):
        raise UsageError("synth must be a table, [synth]", str(path))
    for given, kind in ((values, Recipe), (synth, SynthRecipe)):
        unknown = sorted(set(given) - {item.name for item in fields(kind)})
        if unknown:
            raise UsageError(f"The recipe sets {unknown[0]!r}, which does not exist", str(path))
    if values.get("network") not in NETWORKS:
        raise UsageError(f"The recipe must say network = one of {', '.join(NETWORKS)}", str(path))
    recipe = Recipe(**values, synth=SynthRecipe(**synth))
    for what, holds in _demands(recipe).items():
        if not holds:
            raise UsageError(f"The recipe must have {what}", str(path))
    return recipe


def _demands(recipe: Recipe) -> dict[str, bool]:
    """What a recipe must keep to, and whether it does."""
    synth = recipe.synth
    return {
        "whole numbers above 0 for steps, batch, validate_every and validate_count": all(
            isinstance(value, int) and value > 0
            for value in (recipe.steps, recipe.batch, recipe.validate_every, recipe.validate_count)
        ),
        "precision = 'float32' or 'bfloat16'": recipe.precision in ("float32", "bfloat16"),
        "an average from 0 to below 1": 0 <= recipe.average < 1,
        "a size of at least 64 px that is a multiple of 8": synth.size >= 64 and synth.size % 8 == 0,
        "whole_frame from 0 to 1": 0 <= synth.whole_frame <= 1,
        "contrast = [smallest, largest] within 0 to 0.95": len(synth.contrast) == 2
        and 0 < synth.contrast[0] <= synth.contrast[1] <= 0.95,
        "noise = [smallest, largest]": len(synth.noise) == 2 and 0 < synth.noise[0] <= synth.noise[1],
        "dot_px = [smallest, largest]": len(synth.dot_px) == 2 and 0 < synth.dot_px[0] <= synth.dot_px[1],
    }
