"""Which images are this program's own results and pictures, and no camera's."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

_SOFTWARE_TAG = 305  # of TIFF 6.0


def is_ours(path: Path) -> bool:
    """Tell whether a file is a TIFF or PNG that this program has written; False if there is none."""
    try:
        with Image.open(path) as image:
            made_by = image.getexif().get(_SOFTWARE_TAG) if image.format == "TIFF" else image.info.get("Software")
    except (OSError, ValueError, Image.DecompressionBombError):
        return False
    return str(made_by).startswith("scorrnet ")
