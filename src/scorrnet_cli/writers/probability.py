"""The segmentation's probability as a picture beside the result: grey 0 is 0, 255 is 1."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from scorrnet_cli.errors import UsageError
from scorrnet_cli.settings import Settings
from scorrnet_cli.version import __version__
from scorrnet_cli.writers.atomic import check_target, explained, written_whole


def check_probability(path: Path, settings: Settings, overwrite: bool) -> None:
    """Make sure before measuring that the picture can be made.

    Parameters
    ----------
    path : Path
        The picture (PNG).
    settings : Settings
        Of the measurement.
    overwrite : bool
        Whether a file of that name may be replaced.

    Raises
    ------
    UsageError
        If the mask is given, so that nothing is merely probable.
    OutputError
        If it exists and may not be replaced, or its folder cannot be written.
    """
    if settings.mask is not None:
        raise UsageError("A mask that is given has no probability", "--probability", "Leave out --mask")
    check_target(path, overwrite)


def write_probability(path: Path, levels: NDArray[np.uint8]) -> None:
    """Write the picture; it appears whole or not at all.

    Parameters
    ----------
    path : Path
    levels : (H, W) uint8

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    said = PngInfo()
    said.add_text("Software", f"scorrnet {__version__}")
    with written_whole(path) as part, explained(path):
        Image.fromarray(levels).save(part, format="png", pnginfo=said)
