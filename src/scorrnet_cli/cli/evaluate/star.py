"""``scorrnet evaluate star``: spatial resolution against noise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scorrnet_cli.cli import console, options
from scorrnet_cli.cli.evaluate import report
from scorrnet_cli.cli.evaluate.options import Device, Methods, PlotFile
from scorrnet_cli.cli.group import Debug
from scorrnet_cli.errors import UsageError

if TYPE_CHECKING:
    from scorrnet_cli.evaluation.star import StarFigures

_COLUMNS = {
    "star": ("star", ""),
    "method": ("method", ""),
    "MAE v noiseless": ("mae_v_noiseless", ".4f"),
    "MAE v noisy": ("mae_v_noisy", ".4f"),
    "valid": ("accuracy_noisy_valid_share", ".1%"),
    "l10": ("l10_px", ".1f"),
    "last": ("l10_last_px", ".1f"),
    "n": ("noise_px", ".4f"),
    "MEI": ("mei_px2", ".3f"),
    "n l10^2": ("strain_mei", ".2f"),
    "strain noise": ("strain_noise", ".1e"),
}


def star(
    which: Annotated[
        list[str] | None, typer.Argument(metavar="[STAR...]", help="1-2 or 5; both if not given.", show_default=False)
    ] = None,
    methods: Methods = None,
    device: Device = "auto",
    plot: PlotFile = None,
    json: options.Json = False,
    overwrite: options.Overwrite = False,
    quiet: options.NoProgress = False,
    debug: Debug = False,
) -> None:
    """Measure the star of the DIC Challenge 2.0: a wave whose period grows from left to right.

    l10 is the period, px, at which 90 % of the amplitude is found, at its
    first and last crossing; n the noise of an unmoved scene, px; MEI = n l10.
    Less is better, and smoothing cannot buy it. Two minutes for each method.
    """
    from scorrnet_cli.pictures.charts import check_chart

    check_chart(plot, overwrite)
    from scorrnet_cli.evaluation.methods import chosen, load_methods
    from scorrnet_cli.evaluation.star import STARS, star_figures

    names = chosen(methods)
    stars = which or list(STARS)
    for name in stars:
        if name not in STARS:
            raise UsageError(f"There is no star {name!r}", "", f"Choose from {', '.join(STARS)}")
    loaded = load_methods(names, device)
    found = []
    with console.Talk(quiet=quiet).progress(len(stars) * len(names)) as talk:
        for name in stars:
            talk.doing(f"star {name}")
            for figures in star_figures(STARS[name], loaded):
                found.append(figures)
                talk.advance()
    report.print_rows("star", [report.flat(each, ("curve",)) for each in found], _COLUMNS, json)
    if plot:
        _draw(plot, found)


def _draw(path: Path, found: list[StarFigures]) -> None:
    """Draw measured over true amplitude against the period, points and polynomial, a panel for each star."""
    from scorrnet_cli.pictures.charts import chart

    stars = list(dict.fromkeys(each.star for each in found))
    with chart(path, len(stars)) as (_, panels):
        for name, panel in zip(stars, panels, strict=True):
            for number, each in enumerate(each for each in found if each.star == name):
                period = each.curve.period_px
                label = f"{each.method}: l10 {each.l10_px:.1f} px, MEI {each.mei_px2:.3f}"
                panel.plot(period, each.curve.ratio, ".", color=f"C{number}", markersize=1.5, alpha=0.35)
                panel.plot(period, each.curve.smooth(period), color=f"C{number}", label=label)
            panel.axhline(0.9, color="0.5", linewidth=0.8, linestyle="--")
            panel.set(title=f"star {name}, noisy", xlabel="period (px)", ylabel="measured / true", ylim=(0.0, 1.15))
            panel.legend(fontsize="small", loc="lower right")
