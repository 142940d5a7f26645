"""``scorrnet evaluate truth``: a result against a known field."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scorrnet_cli.cli import options
from scorrnet_cli.cli.evaluate import report
from scorrnet_cli.cli.group import Debug

_COLUMNS = {
    "frame": ("frame", ""),
    "MAE u": ("mae_u", ".4f"),
    "MAE v": ("mae_v", ".4f"),
    "filled u": ("mae_filled_u", ".4f"),
    "filled v": ("mae_filled_v", ".4f"),
    "RMSE u": ("rmse_u", ".4f"),
    "RMSE v": ("rmse_v", ".4f"),
    "valid": ("valid_share", ".1%"),
}


def truth(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="Result of measure, .h5.", show_default=False)],
    true: Annotated[
        Path,
        typer.Argument(
            metavar="TRUTH",
            help="Displacement: .npy, .npz or .h5 with u and v, or .tif; px, NaN where there is none.",
            show_default=False,
        ),
    ],
    mask: Annotated[Path | None, typer.Option(metavar="FILE", help="Image, not zero where to judge.")] = None,
    json: options.Json = False,
    debug: Debug = False,
) -> None:
    """Compare a result with the truth, every pixel of it.

    Points within 15 px of the border are left out. MAE and RMSE, px, are over
    the valid points; filled is the MAE over all points where the truth is
    known, those that are not valid taken from the nearest that is.
    """
    from scorrnet_cli.evaluation.truth import compare, read_truth
    from scorrnet_cli.frames import read_mask
    from scorrnet_cli.writers import read_hdf5

    field = read_hdf5(result)
    known = read_truth(true)
    where = None if mask is None else read_mask(mask, field.shape[1:])
    names = [info.name for info in field.deformed]
    found = compare(field, known, where, str(true))
    rows = [{"frame": name} | report.flat(each) for name, each in zip(names, found, strict=True)]
    report.print_rows("truth", rows, _COLUMNS, json)
