"""VTK image data (.vti), a file a frame, and a .pvd that shows them over time in ParaView.

Coordinates are right-handed with y up: rows are turned over, the first pixel lies at (0, 0) and the last row below it.
``displacement`` is a vector in these coordinates, for Warp By Vector. All other arrays are as in the result: ``v`` is
positive downward and ``exy`` belongs to y downward. Written as the VTK user's guide describes (XML, raw appended data).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from scorrnet_cli.exporters.base import Format, Grid
from scorrnet_cli.layers import LAYERS, Layers

_TYPES = {"f4": "Float32", "u1": "UInt8"}


def write_frame(path: Path, grid: Grid, layers: Layers) -> None:
    """Write one frame; parameters are those of `Format.write_frame`."""
    arrays = point_arrays(layers)
    width, height = len(grid.x), len(grid.y)
    extent = f'"0 {width - 1} 0 {height - 1} 0 0"'
    place = f'Origin="0 {-(height - 1) * grid.spacing!r} 0" Spacing="{" ".join([repr(grid.spacing)] * 3)}"'
    items, offset = [], 0
    for name, values in arrays.items():
        kind, parts = _TYPES[values.dtype.str[1:]], 3 if values.ndim == 3 else 1
        items.append(
            f'<DataArray type="{kind}" Name="{name}" NumberOfComponents="{parts}" format="appended" offset="{offset}"/>'
        )
        offset += 8 + values.nbytes
    head = (
        '<?xml version="1.0"?>\n'
        '<VTKFile type="ImageData" version="1.0" byte_order="LittleEndian" header_type="UInt64">\n'
        f"<ImageData WholeExtent={extent} {place}>\n<Piece Extent={extent}>\n"
        '<PointData Scalars="u" Vectors="displacement">\n' + "\n".join(items) + "\n</PointData>\n"
        '</Piece>\n</ImageData>\n<AppendedData encoding="raw">\n_'
    )
    with path.open("wb") as file:
        file.write(head.encode("ascii"))
        for values in arrays.values():
            file.write(np.uint64(values.nbytes).astype("<u8").tobytes())
            file.write(values.tobytes())
        file.write(b"\n</AppendedData>\n</VTKFile>\n")


def write_collection(path: Path, grid: Grid, names: Sequence[str]) -> None:
    """Write the file that gives each frame its time; parameters are those of `Format.write_index`."""
    items = [
        f'<DataSet timestep="{grid.time(index)!r}" part="0" file={quoteattr(name)}/>'
        for index, name in zip(grid.result.frames, names, strict=True)
    ]
    text = '<?xml version="1.0"?>\n<VTKFile type="Collection" version="0.1" byte_order="LittleEndian">\n<Collection>\n'
    path.write_text(text + "\n".join(items) + "\n</Collection>\n</VTKFile>\n", encoding="utf-8")


def point_arrays(layers: Layers) -> dict[str, NDArray[np.float32] | NDArray[np.uint8]]:
    """Return what VTK is given of a frame: (h, w), the vector (h, w, 3), y up, in the unit of the result."""
    u, v = layers.arrays["u"], layers.arrays["v"]
    arrays = {name: layers.arrays[name] for name in LAYERS} | {"displacement": np.stack([u, -v, np.zeros_like(u)], -1)}
    turned = {name: np.ascontiguousarray(values[::-1], "<f4") for name, values in arrays.items()}
    return turned | {"valid": np.ascontiguousarray(layers.valid[::-1]).astype(np.uint8)}


FORMAT = Format(
    "VTK image data, a .vti a frame, and a .pvd that ParaView opens",
    ".vti",
    write_frame=write_frame,
    write_index=write_collection,
    index_suffix=".pvd",
)
