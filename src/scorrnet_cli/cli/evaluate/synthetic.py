"""``scorrnet evaluate synthetic``: errors on pairs like those of the training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scorrnet_cli.cli import console, options
from scorrnet_cli.cli.evaluate import report
from scorrnet_cli.cli.evaluate.options import Device, Methods, PlotFile
from scorrnet_cli.cli.group import Debug

if TYPE_CHECKING:
    from scorrnet_cli.evaluation.synthetic import SyntheticFigures

_COLUMNS = {
    "method": ("method", ""),
    "by": ("by", ""),
    "group": ("group", ""),
    "points": ("points", "d"),
    "MAE": ("mae_px", ".4f"),
    "MAE filled": ("mae_filled_px", ".4f"),
    "RMSE": ("rmse_px", ".4f"),
    "valid": ("valid_share", ".1%"),
}


def synthetic(
    pairs: Annotated[int, typer.Option(metavar="N", min=1, help="Number of pairs; a multiple of 16 is even.")] = 48,
    methods: Methods = None,
    device: Device = "auto",
    plot: PlotFile = None,
    json: options.Json = False,
    overwrite: options.Overwrite = False,
    quiet: options.NoProgress = False,
    debug: Debug = False,
) -> None:
    """Measure pairs like those of the training, from seeds it never draws, sorted by what makes them hard.

    MAE and RMSE of u and v together over the valid points, px; filled is over
    all points, those that are not valid taken from the nearest that is.
    """
    from scorrnet_cli.pictures.charts import check_chart

    check_chart(plot, overwrite)
    from scorrnet_cli.evaluation.methods import chosen, load_methods
    from scorrnet_cli.evaluation.synthetic import synthetic_figures

    loaded = load_methods(chosen(methods), device)
    found = []
    with console.Talk(quiet=quiet).progress(pairs * len(loaded)) as talk:
        for figures in synthetic_figures(loaded, pairs):
            if figures is None:
                talk.advance()
            else:
                found.append(figures)
    report.print_rows("synthetic", [report.flat(each) for each in found], _COLUMNS, json)
    if plot:
        _draw(plot, found)


def _draw(path: Path, found: list[SyntheticFigures]) -> None:
    """Draw the filled MAE of each group as points, a panel for everything that points are sorted by."""
    from scorrnet_cli.pictures.charts import chart

    kinds = list(dict.fromkeys(each.by for each in found if each.group))
    methods = list(dict.fromkeys(each.method for each in found))
    with chart(path, len(kinds)) as (_, panels):
        for kind, panel in zip(kinds, panels, strict=True):
            groups = list(dict.fromkeys(each.group for each in found if each.by == kind))
            for number, method in enumerate(methods):
                mine = [each for each in found if each.by == kind and each.method == method]
                places = [groups.index(each.group) + 0.8 * (number + 0.5) / len(methods) - 0.4 for each in mine]
                panel.plot(places, [each.mae_filled_px for each in mine], "o", label=method)
            panel.set_xticks(range(len(groups)), groups)
            panel.set(title=kind, ylabel="MAE, filled (px)", yscale="log")
            panel.grid(axis="y", color="0.9", linewidth=0.6)
            panel.legend(fontsize="small")
