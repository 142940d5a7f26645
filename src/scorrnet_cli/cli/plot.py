"""``scorrnet plot``: fields of a result as pictures, contact sheets and animations."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scorrnet_cli.cli import meaning, options
from scorrnet_cli.cli.group import Debug
from scorrnet_cli.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from scorrnet_cli.cli.console import Talk
    from scorrnet_cli.pictures.stills import Artist

_MOST_PANELS = 12


class Over(StrEnum):
    """Over which image values are drawn."""

    reference = "reference"
    deformed = "deformed"


def plot(
    result: options.Result,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="OUT",
            help="Picture: .png, .pdf, .svg; animation: .gif, .mp4. Default: <RESULT>-<FIELD>.png in this folder.",
        ),
    ] = None,
    field: options.Fields = None,
    frame: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="Frames to draw: last, all, or numbers from 0 as in 0,5,9. "
            "Default: the last; all in an animation. Several make a contact sheet.",
        ),
    ] = None,
    over: Annotated[Over, typer.Option(help="Draw where the points were, or where they have moved to.")] = (
        Over.reference
    ),
    images: options.Images = None,
    contours: Annotated[bool, typer.Option("--contours", help="Draw lines of equal value.")] = False,
    vectors: Annotated[bool, typer.Option("--vectors", help="Draw displacement as arrows.")] = False,
    limits: options.Limits = None,
    rate: Annotated[float, typer.Option(metavar="N", min=0.1, max=60.0, help="Frames a second; GIF: up to 50.")] = 4.0,
    overwrite: options.Overwrite = False,
    quiet: options.Silent = False,
    debug: Debug = False,
) -> None:
    """Draw fields of a result over the camera's images.

    One colour scale serves all frames. Strain that is not in RESULT is
    computed with the settings of the measurement. Images are found by the
    names in RESULT and checked by their hashes.

    [bold]scorrnet plot test.h5 --field exx --field eyy -o strain.pdf[/bold]
    """
    from scorrnet_cli.cli import console
    from scorrnet_cli.cli.summary import grid
    from scorrnet_cli.pictures.images import Images
    from scorrnet_cli.pictures.quantities import chosen_quantities
    from scorrnet_cli.pictures.stills import Artist, Wish
    from scorrnet_cli.snapshots import Snapshots, chosen_frames, spread_evenly
    from scorrnet_cli.writers import open_result
    from scorrnet_cli.writers.own import check_spares

    talk = console.Talk(quiet)
    quantities = chosen_quantities(field or ["u", "v"])
    output = output or Path(f"{result.stem}-{'-'.join(each.name for each in quantities)}.png")
    moving = _moves(output, overwrite)
    with open_result(result) as stored:
        check_spares(output, stored)
        shelf = Images.of(stored.path, stored.shape[1:], images)
        chosen = chosen_frames(("all" if moving else "last") if frame is None else frame, stored.deformed)
        most = max(1, _MOST_PANELS // len(quantities))
        if not moving and len(chosen) > most:
            talk.note(f"{most} of {len(chosen)} frames are drawn; an animation shows all")
            chosen = spread_evenly(chosen, most)
        wish = Wish(quantities, chosen, over is Over.deformed, contours, vectors, meaning.limits_of(limits))
        if stored.gauge is None and any(each.needs_strain for each in quantities):
            talk.note(f"strain is computed for the picture; scorrnet strain {result} keeps it")
        with talk.progress(len(chosen)):
            artist = Artist(Snapshots(stored), shelf, wish)
            _save(output, artist, chosen if moving else None, rate, talk)
        if shelf.complaint:
            talk.warn(shelf.complaint)
        if all(stored.deformed[index].failure for index in chosen):
            talk.warn("nothing was measured in what is drawn")
    if not quiet:
        shown = [
            (name, f"colours from {scale.written(scale.low)} to {scale.written(scale.high)} {scale.unit}".rstrip())
            for name, scale in artist.scales.items()
        ]
        console.show(grid([*shown, ("frames", str(len(chosen))), ("written to", str(output))]))


def _moves(output: Path, overwrite: bool) -> bool:
    """Make sure that the picture can be made; tell whether it is an animation."""
    from scorrnet_cli.pictures import animation, paper

    suffix = output.suffix.lower()
    if suffix not in (*paper.SUFFIXES, *animation.SUFFIXES):
        known = ", ".join((*paper.SUFFIXES, *animation.SUFFIXES))
        raise OutputError("No picture has this suffix", str(output), f"Choose one of {known}")
    paper.check_picture(output, overwrite, "plot")
    if suffix not in animation.SUFFIXES:
        return False
    animation.check_animation(output)
    return True


def _save(output: Path, artist: Artist, moving: list[int] | None, rate: float, talk: Talk) -> None:
    """Write a still picture, or an animation of the frames `moving`."""
    from scorrnet_cli.pictures.animation import DPI, save_animation
    from scorrnet_cli.pictures.paper import pixels, save_figure

    if moving is None:
        save_figure(output, artist.figure())
        return

    def each() -> Iterator[NDArray[np.uint8]]:
        for index in moving:
            yield pixels(artist.figure([index]), DPI)
            talk.advance()

    save_animation(output, each(), rate, [scale.colours for scale in artist.scales.values()])
