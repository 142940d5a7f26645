"""One TOML file says how a network is trained; it goes into the model card as it is."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, get_args

from scorrnet_cli.errors import UsageError
from scorrnet_cli.training.fields import FieldRange
from scorrnet_cli.weights import Role

NETWORKS: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True)
class SynthRecipe:
    """What is drawn, and how often.

    Attributes
    ----------
    size : int
        Height and width of the images, px.
    whole_frame : float
        Share of pairs without an edge in sight.
    dot_px : sequence of float
        Range of dot diameters, px.
    contrast : sequence of float
        Range of the difference between paint and ground, of full scale.
    noise : sequence of float
        Range of the standard deviation of the camera's noise, of 255 grey levels.
    cloud_share : float
        Share of surfaces with grain of all sizes, as stone has it, instead of speckle.
    mist_share : float
        Share of speckles with drops of all sizes.
    varied_share : float
        Share of speckles that are irregular: of many tones, netted, patchy or grainy, or printed in jittered rows.
    soft_share : float
        Share of surfaces whose paint has soft edges, or lies out of focus.
    alike_share : float
        Share of backgrounds that have the brightness and the contrast of the paint.
    perforated_share : float
        Share of specimens with rows of holes as wide as some dots.
    window_share : float
        Share of specimens that are larger than the image, so that a part of them is seen, or nothing.
    several_share : float
        Share of images with two specimens instead of one.
    magnified_share : float
        Share of the segmentation's images that are drawn smaller and magnified, as `segment` looks at them.
    reduced_share : float
        Share of the others that are drawn larger and reduced, as `segment` looks at them, too.
    worked_share : float
        Share of surfaces whose ground is woven, brushed or grained, as the body beside them may be.
    shadow_share : float
        Share of the segmentation's images on which a shadow falls.
    glint_share : float
        Share of the segmentation's images in which points shine, on the surface or everywhere.
    processed_share : float
        Share of the segmentation's images that are sharpened or compressed.
    displacement_px, rotation_deg, stretch, gradient : float
        Limits of the fields, see `fields.FieldRange`.
    element_share, wave_share, steep_share, faint_share, hole_share : float
        Shares of the fields, see there.
    """

    size: int = 128
    whole_frame: float = 0.45
    dot_px: Sequence[float] = (1.5, 12.0)
    contrast: Sequence[float] = (0.08, 0.95)
    noise: Sequence[float] = (0.2, 4.0)
    cloud_share: float = 0.04
    mist_share: float = 0.0
    varied_share: float = 0.0
    soft_share: float = 0.0
    alike_share: float = 0.0
    perforated_share: float = 0.0
    window_share: float = 0.0
    several_share: float = 0.0
    magnified_share: float = 0.0
    reduced_share: float = 0.0
    worked_share: float = 0.0
    shadow_share: float = 0.0
    glint_share: float = 0.0
    processed_share: float = 0.0
    displacement_px: float = 32.0
    rotation_deg: float = 20.0
    stretch: float = 0.3
    gradient: float = 0.12
    element_share: float = 0.75
    wave_share: float = 0.35
    steep_share: float = 0.0
    faint_share: float = 0.0
    hole_share: float = 0.0

    @property
    def limits(self) -> FieldRange:
        """Limits of the displacement fields."""
        named = {item.name: getattr(self, item.name) for item in fields(FieldRange)}
        return FieldRange(**named)


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
    candidates : int
        Images of the segmentation that are drawn for a step, to train with the `batch` of them that it finds hardest; 0
        draws no more than that.
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
    candidates: int = 0
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

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """Make a recipe of what `to_dict` returned; TypeError for values that no recipe has."""
        return cls(**{**values, "synth": SynthRecipe(**values["synth"])})


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
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
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
        if wrong := [item for item in fields(kind) if item.name in given and not _fits(given[item.name], item.default)]:
            kind_of = "two numbers" if isinstance(wrong[0].default, tuple) else type(wrong[0].default).__name__
            raise UsageError(f"{wrong[0].name} in the recipe is no {kind_of}: {given[wrong[0].name]!r}", str(path))
    if values.get("network") not in NETWORKS:
        raise UsageError(f"The recipe must say network = one of {', '.join(NETWORKS)}", str(path))
    recipe = Recipe(**values, synth=SynthRecipe(**synth))
    for what, holds in _demands(recipe).items():
        if not holds:
            raise UsageError(f"The recipe must have {what}", str(path))
    return recipe


def _fits(value: object, default: object) -> bool:
    """Tell whether a value has the type of the default; where there is none, any has."""
    if isinstance(default, tuple):
        return isinstance(value, list) and len(value) == len(default) and all(map(_fits, value, default))
    if isinstance(default, float):
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return default is MISSING or type(value) is type(default)


def _demands(recipe: Recipe) -> dict[str, bool]:
    """What a recipe must keep to, and whether it does."""
    synth = recipe.synth
    return {
        "whole numbers above 0 for steps, batch, validate_every and validate_count": all(
            value > 0 for value in (recipe.steps, recipe.batch, recipe.validate_every, recipe.validate_count)
        ),
        "candidates = 0, or for a segmentation more than batch": not recipe.candidates
        or (recipe.network == "segmentation" and recipe.candidates > recipe.batch),
        "precision = 'float32' or 'bfloat16'": recipe.precision in ("float32", "bfloat16"),
        "an average from 0 to below 1": 0 <= recipe.average < 1,
        "a size of at least 64 px that is a multiple of 8": synth.size >= 64 and synth.size % 8 == 0,
        "a learning_rate above 0": recipe.learning_rate > 0,
        "whole_frame and every share from 0 to 1": all(
            0 <= getattr(synth, item.name) <= 1
            for item in fields(synth)
            if item.name == "whole_frame" or item.name.endswith("_share")
        ),
        "contrast = [smallest, largest] within 0 to 0.95": 0 < synth.contrast[0] <= synth.contrast[1] <= 0.95,
        "noise = [smallest, largest]": 0 < synth.noise[0] <= synth.noise[1],
        "dot_px = [smallest, largest]": 0 < synth.dot_px[0] <= synth.dot_px[1],
    }
