"""Results to the files of other programs: a table of name -> format, one module each."""

from __future__ import annotations

from scorrnet_cli.exporters import comma, gom, matchid, matlab, numpy_zip, pyvale, vtk_hdf, vtk_image
from scorrnet_cli.exporters.base import Format, Grid, export, targets

__all__ = ["FORMATS", "Format", "Grid", "export", "targets"]

FORMATS: dict[str, Format] = {
    "csv": comma.FORMAT,
    "vtk": vtk_image.FORMAT,
    "vtkhdf": vtk_hdf.FORMAT,
    "npz": numpy_zip.FORMAT,
    "mat": matlab.FORMAT,
    "matchid": matchid.FORMAT,
    "pyvale": pyvale.FORMAT,
    "gom": gom.FORMAT,
}
"""Every format by its name on the command line."""
