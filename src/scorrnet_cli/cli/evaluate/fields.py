"""``scorrnet evaluate fields``: smooth fields, large strain, and edges."""

from __future__ import annotations

from scorrnet_cli.cli import console, options
from scorrnet_cli.cli.evaluate import report
from scorrnet_cli.cli.evaluate.options import Device, Methods
from scorrnet_cli.cli.group import Debug

_COLUMNS = {
    "field": ("case", ""),
    "noise": ("noise", "g"),
    "method": ("method", ""),
    "RMSE": ("rmse_px", ".4f"),
    "over unmoved": ("over_unmoved", ".2f"),
    "RMSE at edge": ("edge_rmse_px", ".4f"),
    "interior": ("interior_rmse_px", ".4f"),
    "valid at edge": ("edge_valid_share", ".1%"),
    "valid": ("accuracy_valid_share", ".1%"),
}


def fields(
    methods: Methods = None,
    device: Device = "auto",
    json: options.Json = False,
    quiet: options.NoProgress = False,
    debug: Debug = False,
) -> None:
    """Measure smooth fields without noise and with about 2 grey levels (noise 1).

    RMSE of u and v together, px. A masked strip with a hole stands before a
    pattern that moves on its own: at the edge is within 5 px of its outline,
    interior 20 px or more from it.
    """
    from scorrnet_cli.evaluation.fields import CASES, field_figures
    from scorrnet_cli.evaluation.methods import chosen, load_methods

    loaded = load_methods(chosen(methods), device)
    found = []
    with console.Talk(quiet=quiet).progress(2 * len(loaded) * len(CASES)) as talk:
        for figures in field_figures(loaded):
            talk.doing(figures.case)
            found.append(figures)
            talk.advance()
    report.print_rows("fields", [report.flat(each) for each in found], _COLUMNS, json)
