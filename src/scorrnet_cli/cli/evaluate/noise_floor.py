"""``scorrnet evaluate noise-floor``: what is measured where nothing moves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scorrnet_cli.cli import console, options
from scorrnet_cli.cli.evaluate import report
from scorrnet_cli.cli.evaluate.options import Device
from scorrnet_cli.cli.group import Debug
from scorrnet_cli.errors import FrameError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from scorrnet_cli.frames import Frame

_COLUMNS = {
    "method": ("method", ""),
    "quantity": ("quantity", ""),
    "unit": ("unit", ""),
    "mean": ("mean", ".1e"),
    "spatial sigma": ("spatial", ".2e"),
    "temporal sigma": ("temporal", ".2e"),
    "frames": ("frames", "d"),
    "points": ("points", "d"),
}


def noise_floor(
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMG...", help="Images of the scene at rest; the first is the reference.", readable=False
        ),
    ],
    mask: options.Mask = None,
    methods: Annotated[str, typer.Option(metavar="NAME,...", help="As in the other evaluations.")] = "scorrnet",
    device: Device = "auto",
    json: options.Json = False,
    quiet: options.NoProgress = False,
    debug: Debug = False,
) -> None:
    """Measure static images of your own camera: the noise floor, to be known before every test.

    Spatial sigma is the standard deviation over the points of a frame,
    temporal sigma that over the frames at a point (three images or more). u
    and v in px; strains of planes through windows of 25 px.
    """
    from scorrnet_cli import pipeline
    from scorrnet_cli.evaluation.methods import chosen, load_methods
    from scorrnet_cli.evaluation.noise_floor import noise_floor as measure
    from scorrnet_cli.field import DISPLACEMENTS
    from scorrnet_cli.figures import AT_REST_PX
    from scorrnet_cli.frames import check_same_shape, count_frames
    from scorrnet_cli.settings import Settings

    names = chosen(methods)
    frames = _frames(images)
    reference = next(frames)
    count = sum(count_frames(path) for path in images) - 1
    if count < 1:
        raise FrameError("There is nothing to compare the reference with", str(images[0]), "Give two images or more")
    settings = Settings(device=device, mask=None if mask is None else str(mask))
    instruments = pipeline.load(settings)
    found_mask = pipeline.prepare(instruments, reference).surface.mask.cpu()
    rows = []
    with console.Talk(quiet=quiet).progress(count * len(names)) as talk:

        def further() -> Iterator[tuple[str, Tensor]]:
            """Read the deformed images anew, each with its name."""
            again = _frames(images)
            next(again)
            for frame in again:
                check_same_shape(reference, frame)
                talk.doing(frame.info.name)
                yield frame.info.name, _tensor(frame)
                talk.advance()

        for name, method in load_methods(names, device).items():
            rows += [report.flat(each) for each in measure(name, method, _tensor(reference), further(), found_mask)]
    moved = max(abs(row["mean"]) for row in rows if row["quantity"] in DISPLACEMENTS)
    if moved > AT_REST_PX:
        talk.warn(f"the images moved by {moved:.1f} px on average and may not be of a scene at rest")
    report.print_rows("noise-floor", rows, _COLUMNS, json)


def _frames(images: list[Path]) -> Iterator[Frame]:
    from scorrnet_cli.frames import read_frames

    for path in images:
        yield from read_frames(path)


def _tensor(frame: Frame) -> Tensor:
    import torch

    return torch.from_numpy(frame.grey)
