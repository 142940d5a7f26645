"""``scorrnet evaluate sigma``: whether the stated uncertainty is true."""

from __future__ import annotations

from scorrnet_cli.cli import console, options
from scorrnet_cli.cli.evaluate import report
from scorrnet_cli.cli.evaluate.options import Device, Methods
from scorrnet_cli.cli.group import Debug

_COLUMNS = {
    "images": ("case", ""),
    "method": ("method", ""),
    "std": ("std", ".2f"),
    "95 % within": ("p95", ".2f"),
    "beyond 3": ("over_3", ".2%"),
    "sigma": ("sigma_median_px", ".4f"),
}


def sigma(
    methods: Methods = None,
    device: Device = "auto",
    json: options.Json = False,
    quiet: options.NoProgress = False,
    debug: Debug = False,
) -> None:
    """Compare errors with the stated uncertainty: the distribution of (measured - true) / sigma on noisy images.

    Honest is a standard deviation of 1, 95 % within 1.96, and 0.27 % beyond 3.
    sigma is the median, px.
    """
    from scorrnet_cli.evaluation.methods import chosen, load_methods
    from scorrnet_cli.evaluation.sigma import CASE_COUNT, sigma_figures

    loaded = load_methods(chosen(methods), device)
    found = []
    with console.Talk(quiet=quiet).progress((CASE_COUNT + 1) * len(loaded)) as talk:
        for figures in sigma_figures(loaded):
            talk.doing(figures.case)
            found.append(figures)
            talk.advance()
    report.print_rows("sigma", [report.flat(each) for each in found], _COLUMNS, json)
