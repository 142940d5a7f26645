"""Files that `pyvale.dic.import_2d(files, delimiter=",")` reads, a file a frame, in px.

Titles and order are those that pyvale 2026.10 itself writes to ``.dic2d``. Its reader wants the same points in every
frame and whole coordinates: these are the points that belong to the mask of any frame. Where nothing was measured,
``converged`` is 0 and the values are NaN. ``cost_zncc`` holds the correlation; tolerances and number of iterations
have no counterpart and are NaN and 0.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scorrnet_cli.exporters.base import Format, Grid
from scorrnet_cli.exporters.rows import write_rows
from scorrnet_cli.layers import Layers

_TITLES = (
    *("subset_x", "subset_y", "disp_u", "disp_v", "disp_mag"),
    *("converged", "cost_zncc", "ftol", "xtol", "num_iter"),
)
_FORMS = ("%d", "%d", "%.9g", "%.9g", "%.9g", "%d", "%.7g", "%g", "%g", "%d")


def write_frame(path: Path, grid: Grid, layers: Layers) -> None:
    """Write one frame; parameters are those of `Format.write_frame`."""
    rows, columns = np.nonzero(grid.result.mask[:: grid.step, :: grid.step])
    valid = layers.valid[rows, columns]
    u, v = (layers.arrays[name][rows, columns] / grid.result.factor for name in ("u", "v"))
    unknown, none = np.full(len(rows), np.nan), np.zeros(len(rows))
    zncc = layers.arrays["zncc"][rows, columns]
    table = (grid.x[columns], grid.y[rows], u, v, np.hypot(u, v), valid, zncc, unknown, unknown, none)
    with path.open("w", encoding="ascii", newline="\n") as file:
        file.write(",".join(_TITLES) + "\n")
        write_rows(file, table, _FORMS, ",")


FORMAT = Format(
    "what pyvale's import_2d reads, a file a frame",
    ".dic2d",
    write_frame=write_frame,
    has_strain=False,
    in_px=True,
    one_reference=True,
)
