"""Nodemaps as the Aramis Exporter writes them from GOM/ZEISS ARAMIS projects, a file a frame; CrackPy reads them.

Columns, separators and units are those of aramis-exporter 1.4 (Strohmann, Dömling, Melching, DLR,
doi:10.5281/zenodo.11092746): strain along x and y in percent, shear without unit. ARAMIS axes are right-handed with z
towards the camera, so here y is up: y, v and the shear have the other sign than in the result. Without a scale,
lengths are in px, and the titles say so.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scorrnet_cli.exporters.base import Format, Grid
from scorrnet_cli.exporters.rows import write_rows
from scorrnet_cli.layers import Layers

_PERCENT = 100.0
_FORMS = ("%10d", *["%20.10f"] * 3, *["%20.15f"] * 7)


def write_frame(path: Path, grid: Grid, layers: Layers) -> None:
    """Write one frame: the valid points, numbered by their place so that a number stands for the same point always.

    Parameters are those of `Format.write_frame`.
    """
    rows, columns = np.nonzero(layers.valid)
    number = rows * len(grid.x) + columns + 1
    x, y = grid.x[columns] * grid.result.factor, -grid.y[rows] * grid.result.factor
    names = ("u", "v", "exx", "eyy", "exy", "von_mises")
    u, v, exx, eyy, exy, equivalent = (layers.arrays[name][rows, columns] for name in names)
    flat = np.zeros(len(rows))
    table = (number, x, y, flat, u, -v, flat, _PERCENT * exx, _PERCENT * eyy, -exy, _PERCENT * equivalent)
    with path.open("w", encoding="ascii", errors="backslashreplace", newline="\n") as file:
        file.write(_header(grid, layers))
        write_rows(file, table, _FORMS, "; ")


def _header(grid: Grid, layers: Layers) -> str:
    """Return what is known of the frame, in lines that begin with #, and the titles.

    CrackPy takes lines that begin with the names of its quantities (such as time) for their values: none but the time
    does.
    """
    unit, gauge = grid.result.unit, grid.result.gauge
    known = {
        "program": f"scorrnet {grid.result.stored.process.version}",
        "reference": grid.result.stored.name_under(layers.index),
        "image": layers.image.name,
        "strain_measure": gauge.measure,
        "vsg_size_px": gauge.vsg_size_px,
    }
    if layers.image.at_s is not None:
        known["time"] = layers.image.at_s
    lines = [f"# {name:<36}: {value}\n" for name, value in known.items()]
    lengths = [f"{name} [{unit}]" for name in ("x_undef", "y_undef", "z_undef", "u", "v", "w")]
    titles = [*lengths, "epsx [%]", "epsy [%]", "epsxy [1]", "epseqv [%]"]
    return "".join(lines) + f"#{'ID':>9}; " + "; ".join(f"{title:>20}" for title in titles) + "\n"


FORMAT = Format("nodemaps as of GOM ARAMIS by the Aramis Exporter, a file a frame", ".txt", write_frame=write_frame)
