"""CSV, a file a frame and a line a valid point; titles tell the units, what is not known stays empty."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorrnet_cli.exporters.base import Format, Grid
from scorrnet_cli.exporters.rows import write_rows
from scorrnet_cli.layers import LAYERS, LENGTHS, Layers


def write_frame(path: Path, grid: Grid, layers: Layers) -> None:
    """Write one frame: places in px (and mm), then every layer; parameters are those of `Format.write_frame`."""
    rows, columns = np.nonzero(layers.valid)
    x, y = grid.x[columns], grid.y[rows]
    table: dict[str, NDArray[Any]] = {"x_px": x, "y_px": y}
    if grid.result.unit != "px":
        table |= {f"x_{grid.result.unit}": x * grid.result.factor, f"y_{grid.result.unit}": y * grid.result.factor}
    for name in LAYERS:
        title = f"{name}_{grid.result.unit}" if name in LENGTHS else name
        table[title] = layers.arrays[name][rows, columns]
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(",".join(table) + "\n")
        write_rows(file, list(table.values()), ["%d", "%d", *["%.7g"] * (len(table) - 2)], ",", missing="")


FORMAT = Format("CSV, a file a frame, a line a valid point", ".csv", write_frame=write_frame)
