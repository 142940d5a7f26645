"""The picture that ``--plot`` of a measuring command draws beside the result."""

from __future__ import annotations

from pathlib import Path

from scorrnet_cli.field import Field
from scorrnet_cli.frames import Frame
from scorrnet_cli.pictures.paper import check_picture, save_figure


def check_preview(path: Path, overwrite: bool) -> None:
    """Make sure before measuring that the picture can be made; errors are those of `check_picture`."""
    check_picture(path, overwrite, "--plot")


def save_preview(path: Path, under: Frame, field: Field) -> None:
    """Draw a field of one frame over the image at whose pixels it lies, to a PNG.

    Raises
    ------
    OutputError
        If the picture cannot be written.
    """
    from scorrnet_cli.pictures.stills import preview

    save_figure(path, preview(under, field))
