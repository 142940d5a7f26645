"""`scorrnet train`: make the networks' weights anew, from synthetic images."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from scorrnet_cli.training.loop import Progress

app = typer.Typer(help="Train a network on synthetic images.", no_args_is_help=True)

To = Annotated[
    Path, typer.Option("--to", help="Folder of checkpoint, weights and log; training goes on from there.")
]
RecipeFile = Annotated[
    Path | None, typer.Option("--recipe", help="TOML file; the bundled recipe if not given.")
]
Steps = Annotated[int | None, typer.Option("--steps", min=1, help="Stop after so many steps.")]
Minutes = Annotated[float | None, typer.Option("--minutes", min=0.0, help="Stop after so many minutes.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]
Backgrounds = Annotated[
    Path | None, typer.Option("--backgrounds", help="Folder of photographs to put behind.")
]
Speckles = Annotated[
    Path | None, typer.Option("--speckles", help="Folder of photographs of speckle to paint with.")
]


@app.command()
def segmentation(
    to: To,
    recipe: RecipeFile = None,
    steps: Steps = None,
    minutes: Minutes = None,
    device: Device = "auto",
    backgrounds: Backgrounds = None,
    speckles: Speckles = None,
) -> None:
    """Train the network that finds the speckled surface."""
    _train("segmentation", to, recipe, steps, minutes, device, (backgrounds, speckles))


@app.command()
def displacement(
    to: To,
    recipe: RecipeFile = None,
    steps: Steps = None,
    minutes: Minutes = None,
    device: Device = "auto",
    backgrounds: Backgrounds = None,
    speckles: Speckles = None,
) -> None:
    """Train the network that measures displacement."""
    _train("displacement", to, recipe, steps, minutes, device, (backgrounds, speckles))


def _train(
    network: str,
    to: Path,
    recipe_file: Path | None,
    steps: int | None,
    minutes: float | None,
    device_name: str,
    folders: tuple[Path | None, Path | None],
) -> None:
    from scorrnet_cli.cli import console
    from scorrnet_cli.device import choose_device
    from scorrnet_cli.errors import UsageError
    from scorrnet_cli.training.loop import Trainer
    from scorrnet_cli.training.material import load_photographs
    from scorrnet_cli.training.recipe import bundled_recipe, load_recipe
    from scorrnet_cli.training.synth import Material

    device = choose_device(device_name)
    recipe = load_recipe(recipe_file or bundled_recipe(network))
    if recipe.network != network:
        raise UsageError(f"The recipe is for the {recipe.network} network", str(recipe_file))
    behind, painted = (load_photographs(folder, device) if folder else None for folder in folders)
    trainer = Trainer(recipe, to, device, Material(behind, painted))
    with console.Talk().progress(recipe.steps, trainer.step) as talk:

        def show(progress: Progress) -> None:
            talk.doing(_describe(progress))
            talk.advance()

        final = trainer.run(minutes, steps, show)
    console.say(f"step {final.step} of {final.steps}  {_describe(final)}")
    console.say(f"weights: {trainer.averaged_file}")


def _describe(progress: Progress) -> str:
    figures = "  ".join(f"{name} {value:.3g}" for name, value in progress.figures.items())
    return f"loss {progress.loss:.3f}  {progress.images_per_s:.0f} images/s  {figures}".rstrip()
