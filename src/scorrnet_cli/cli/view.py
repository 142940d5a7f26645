"""``scorrnet view``: a field of a result as a small picture in the terminal."""

from __future__ import annotations

from typing import Annotated

import typer

from scorrnet_cli.cli import meaning, options
from scorrnet_cli.cli.group import Debug

_PLAIN_COLUMNS, _PLAIN_ROWS = 78, 40  # where there is no terminal to measure
_BESIDE_ROWS = 6  # for the lines around the picture


def view(
    result: options.Result,
    field: Annotated[
        str, typer.Option(metavar="NAME", help="u, v, magnitude, exx, eyy, exy, e1, e2, von-mises, zncc or sigma.")
    ] = "magnitude",
    frame: Annotated[str, typer.Option(metavar="N", help="Frames to show: last, all, or numbers from 0.")] = "last",
    limits: options.Limits = None,
    debug: Debug = False,
) -> None:
    """Show a field in the terminal, in colours if it has them.

    [bold]scorrnet view test.h5 --field eyy --frame 3[/bold]
    """
    from rich.console import Console

    from scorrnet_cli.pictures.blocks import picture, scale_lines
    from scorrnet_cli.pictures.quantities import PLAIN, chosen_quantities, values_of
    from scorrnet_cli.pictures.scale import choose_scale, ends_of
    from scorrnet_cli.pictures.stills import gauge_words
    from scorrnet_cli.snapshots import Snapshots, chosen_frames
    from scorrnet_cli.writers import open_result

    screen = Console(highlight=False, markup=False, emoji=False)
    coloured = screen.color_system is not None and not screen.no_color
    columns = screen.width if screen.is_terminal else _PLAIN_COLUMNS
    rows = screen.height - _BESIDE_ROWS if screen.is_terminal else _PLAIN_ROWS
    (quantity,) = chosen_quantities([field])
    with open_result(result) as stored:
        snapshots = Snapshots(stored)
        chosen = chosen_frames(frame, snapshots.result.deformed)
        factor = quantity.factor(snapshots.mm_per_px)
        ends = (ends_of(values_of(quantity, snapshot)) for snapshot in snapshots.one_by_one(chosen))
        scale = choose_scale(quantity, ends, snapshots.mm_per_px, meaning.limits_of(limits))
        for snapshot in snapshots.one_by_one(chosen):
            words = f"{quantity.name}: {quantity.words}"
            if stored.is_incremental and quantity.kind != PLAIN:
                words += "; from frame to frame"
            if quantity.needs_strain:
                words += f"; {gauge_words(snapshot.strain)}"
            screen.print(f"{snapshot.name} (frame {snapshot.index} of 0..{len(snapshots) - 1}), {words}")
            if failure := snapshot.field.deformed[0].failure:
                screen.print(f"not measured: {failure}")
                continue
            lines = picture(values_of(quantity, snapshot) * factor, scale, columns, rows, coloured=coloured)
            for line in lines:
                screen.print(line, soft_wrap=True)
            widest = max(line.cell_len for line in lines)
            for line in scale_lines(scale, min(columns, max(widest, 30)), coloured=coloured):
                screen.print(line, soft_wrap=True)
