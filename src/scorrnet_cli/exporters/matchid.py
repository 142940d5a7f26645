"""CSV with the columns that MatchID 2024.1 exports, a file a frame.

MatchID publishes no description of these files. The titles are those that public programs read: the table
``field_lookup`` of mt2py (Matchid Tools to Python) for results in mm, and scripts for 2-D results in px. Lines are the
valid points of the reference image; y and v are positive downward, as in the image, exy is tensor shear.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorrnet_cli.exporters.base import Format, Grid
from scorrnet_cli.exporters.rows import write_rows
from scorrnet_cli.layers import Layers

_STRAINS = {"Exx": "exx", "Eyy": "eyy", "Exy": "exy"}


def write_frame(path: Path, grid: Grid, layers: Layers) -> None:
    """Write one frame; coordinates in mm are there only if the result has a scale.

    Parameters are those of `Format.write_frame`.
    """
    rows, columns = np.nonzero(layers.valid)
    x, y = grid.x[columns], grid.y[rows]
    scaled = grid.result.unit == "mm"
    unit = "mm" if scaled else "Pixel"
    table: dict[str, NDArray[Any]] = {"Coordinates.Image X [Pixel]": x, "Coordinates.Image Y [Pixel]": y}
    if scaled:
        table |= {"coor.X [mm]": x * grid.result.factor, "coor.Y [mm]": y * grid.result.factor}
    table[f"disp.Horizontal Displacement U [{unit}]"] = layers.arrays["u"][rows, columns]
    table[f"disp.Vertical Displacement V [{unit}]"] = layers.arrays["v"][rows, columns]
    for title, name in _STRAINS.items():
        table[f"strain.Strain-global frame: {title} [ ]"] = layers.arrays[name][rows, columns]
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(",".join(table) + "\n")
        write_rows(file, list(table.values()), ["%d", "%d", *["%.7g"] * (len(table) - 2)], ",", missing="NaN")


FORMAT = Format(
    "CSV with the columns of MatchID 2024.1, a file a frame", ".csv", write_frame=write_frame, one_reference=True
)
