"""`scorrnet train`: make the networks' weights anew, from synthetic images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from scorrnet_cli.cli import console, options
from scorrnet_cli.cli.group import Debug

if TYPE_CHECKING:
    from scorrnet_cli.training.loop import Progress

_DATA = "Photographs that enter the images"


def train(
    network: Annotated[
        Literal["segmentation", "displacement", "refinement"],
        typer.Argument(
            metavar="NETWORK",
            help="segmentation, displacement or refinement.",
            show_choices=False,
            show_default=False,
        ),
    ],
    to: Annotated[
        Path,
        typer.Option(
            "--to",
            metavar="DIR",
            help="Checkpoint, weights and log; a training that lies there goes on.",
            show_default=False,
        ),
    ],
    recipe: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML; without it the recipe of the bundled weights.")
    ] = None,
    start: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Begin with these weights (safetensors), not at random.")
    ] = None,
    beside: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Train a segmentation for its mean with these weights (safetensors)."),
    ] = None,
    steps: Annotated[int | None, typer.Option(metavar="N", min=1, help="Stop after so many further steps.")] = None,
    minutes: Annotated[float | None, typer.Option(metavar="M", min=0.0, help="Stop after so many minutes.")] = None,
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda or cuda:N.")] = "auto",
    backgrounds: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Put these behind the specimens.", rich_help_panel=_DATA)
    ] = None,
    speckles: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Paint specimens with these.", rich_help_panel=_DATA)
    ] = None,
    quiet: options.NoProgress = False,
    debug: Debug = False,
) -> None:
    """Train a network on synthetic images, made on the device that trains."""
    from scorrnet_cli.device import choose_device
    from scorrnet_cli.errors import UsageError
    from scorrnet_cli.training.loop import Trainer
    from scorrnet_cli.training.material import load_photographs
    from scorrnet_cli.training.recipe import bundled_recipe, load_recipe
    from scorrnet_cli.training.synth import Material

    where = choose_device(device)
    loaded = load_recipe(recipe or bundled_recipe(network))
    if loaded.network != network:
        raise UsageError(f"The recipe is for the {loaded.network} network", str(recipe))
    behind, painted = (load_photographs(folder, where) if folder else None for folder in (backgrounds, speckles))
    trainer = Trainer(loaded, to, where, Material(behind, painted), start, beside)
    with console.Talk(quiet=quiet).progress(loaded.steps, trainer.step) as talk:

        def show(progress: Progress) -> None:
            talk.doing(_describe(progress))
            talk.advance()

        final = trainer.run(minutes, steps, show)
    console.say(f"step {final.step} of {final.steps}  {_describe(final)}")
    console.say(f"weights: {trainer.averaged_file}")


def _describe(progress: Progress) -> str:
    figures = "  ".join(f"{name} {value:.3g}" for name, value in progress.figures.items())
    return f"loss {progress.loss:.3f}  {progress.images_per_s:.0f} images/s  {figures}".rstrip()
