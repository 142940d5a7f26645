"""``scorrnet evaluate bias``: mean error at sub-pixel shifts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scorrnet_cli.cli import console, options
from scorrnet_cli.cli.evaluate import report
from scorrnet_cli.cli.evaluate.options import Device, Methods, PlotFile
from scorrnet_cli.cli.group import Debug

if TYPE_CHECKING:
    from scorrnet_cli.evaluation.bias import BiasCurve

_COLUMNS = {
    "method": ("method", ""),
    "noise": ("noise", "g"),
    "max |bias|": ("largest_bias_px", ".5f"),
    "std": ("std_px", ".4f"),
    "information limit": ("limit_px", ".4f"),
    "window, px^2": ("window_px2", ".0f"),
}


def bias(
    methods: Methods = None,
    device: Device = "auto",
    plot: PlotFile = None,
    json: options.Json = False,
    overwrite: options.Overwrite = False,
    quiet: options.NoProgress = False,
    debug: Debug = False,
) -> None:
    """Measure rigid shifts of 0 to 1 px by 0.05, without noise and with about 2 grey levels (noise 1).

    The information limit is what nobody can go below who averages over the
    window that the errors' correlation tells. --json has the mean and the
    standard deviation at every shift.
    """
    from scorrnet_cli.pictures.charts import check_chart

    check_chart(plot, overwrite)
    from scorrnet_cli.evaluation.bias import bias_curves
    from scorrnet_cli.evaluation.methods import chosen, load_methods

    loaded = load_methods(chosen(methods), device)
    found = []
    with console.Talk(quiet=quiet).progress(2 * len(loaded)) as talk:
        for curve in bias_curves(loaded):
            found.append(curve)
            talk.advance()
    report.print_rows("bias", [report.flat(each) for each in found], _COLUMNS, json)
    if plot:
        _draw(plot, found)


def _draw(path: Path, found: list[BiasCurve]) -> None:
    """Draw the mean error of u against the shift, with its standard deviation as a band; a panel for each noise."""
    from scorrnet_cli.pictures.charts import chart

    noises = list(dict.fromkeys(each.noise for each in found))
    with chart(path, len(noises)) as (_, panels):
        for noise, panel in zip(noises, panels, strict=True):
            for number, each in enumerate(each for each in found if each.noise == noise):
                shifts = [one.shift_px for one in each.shifts]
                means = [one.bias_u for one in each.shifts]
                panel.plot(shifts, means, ".-", color=f"C{number}", label=each.method)
                low, high = ([one.bias_u + sign * one.std_u for one in each.shifts] for sign in (-1, 1))
                panel.fill_between(shifts, low, high, color=f"C{number}", alpha=0.12, linewidth=0)
            title = f"noise {noise:g}: mean error of u, band of one standard deviation"
            panel.set(title=title, xlabel="shift (px)", ylabel="error (px)")
            panel.legend(fontsize="small")
