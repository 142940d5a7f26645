"""``scorrnet evaluate hard``: a test bed of hard cases, with the bars that have to be reached."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from scorrnet_cli.cli import console, options
from scorrnet_cli.cli.evaluate import report
from scorrnet_cli.cli.evaluate.options import Device
from scorrnet_cli.cli.group import Debug
from scorrnet_cli.errors import UsageError

_TITLES = {
    "bars": "Bars",
    "kinds": "By kind",
    "exchange": "Exchange of the background",
    "scale": "Scale",
    "holes": "Holes",
}
_COLUMNS: dict[str, report.Columns] = {
    "bars": {
        "points": ("what", ""),
        "figure": ("quantity", ""),
        "mask found": ("found", "s"),
        "true mask": ("given", "s"),
        "bar": ("limit", "s"),
        "holds": ("holds", "s"),
    },
    "kinds": {
        "group": ("group", ""),
        "kind": ("kind", ""),
        "pairs": ("pairs", "d"),
        "IoU": ("iou", ".3f"),
        "mask": ("mask", ""),
        "network median": ("network_median_px", ".3f"),
        "mean": ("network_mean_px", ".3f"),
        "< 1 px": ("network_below_1px", ".1%"),
        "refined RMSE": ("rmse_px", ".4f"),
        "valid": ("valid_share", ".1%"),
        "< 0.1 px": ("below_01px", ".1%"),
    },
    "exchange": {
        "specimen": ("specimen", ""),
        "background": ("before", ""),
        "exchanged for": ("after", ""),
        "change, px rms": ("change_px", ".5f"),
        "valid with one only": ("lost_share", ".2%"),
    },
    "scale": {"image, px": ("size_px", "d"), "speckle, px": ("dot_px", "g"), "IoU": ("iou", ".3f")},
    "holes": {
        "speckle, px": ("dot_px", "g"),
        "holes, px": ("hole_px", "g"),
        "taken for surface": ("filled_share", ".0%"),
    },
}

Kinds = Annotated[
    str | None,
    typer.Option(metavar="NAME,...", help="Kinds or groups of cases, as the table names them; all if not given."),
]
Sheet = Annotated[Path | None, typer.Option(metavar="FOLDER", help="Draw contact sheets of the worst cases there.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print the tables as Markdown, as the model card has them.")]


def hard(
    kinds: Kinds = None,
    sheet: Sheet = None,
    markdown: Markdown = False,
    device: Device = "auto",
    json: options.Json = False,
    overwrite: options.Overwrite = False,
    quiet: options.NoProgress = False,
    debug: Debug = False,
) -> None:
    """Measure what makes a measurement fail: hard speckle, cameras, specimens, backgrounds and motion.

    Every pair is measured with the mask that the program finds and with the
    true one. Errors are lengths of difference vectors, px, over the true mask,
    15 px or more from the border of both images; RMSE is of u and v together.
    What is not measured counts as wrong in every share. All takes about 6
    minutes on two cores.
    """
    if json and markdown:
        raise UsageError("Choose one of them", "--json --markdown")
    from scorrnet_cli.cli.evaluate import hard_sheet
    from scorrnet_cli.evaluation.hard.cases import chosen

    cases = chosen(kinds)
    if sheet:
        hard_sheet.check_sheets(sheet, overwrite)
    from scorrnet_cli import pipeline
    from scorrnet_cli.evaluation.hard.bed import trials
    from scorrnet_cli.evaluation.hard.exchange import SPECIMENS, exchanges
    from scorrnet_cli.evaluation.hard.holes import PERFORATIONS, hole_figures
    from scorrnet_cli.evaluation.hard.scale import SCALES, scale_figures
    from scorrnet_cli.settings import Settings

    instruments = pipeline.load(Settings(device=device))
    whole = kinds is None
    with console.Talk(quiet=quiet).progress(
        len(cases) + whole * (len(SPECIMENS) + len(SCALES) + len(PERFORATIONS))
    ) as talk:
        found = _counted(trials(instruments, cases), talk, "cases")
        exchanged = _counted(exchanges(instruments), talk, "exchange of the background") if whole else []
        scaled = _counted(scale_figures(instruments), talk, "scale") if whole else []
        holed = _counted(hole_figures(instruments), talk, "holes") if whole else []
    from scorrnet_cli.evaluation.hard.bars import bars
    from scorrnet_cli.evaluation.hard.bed import kind_figures

    change = max((each.change_px for each in exchanged), default=math.nan)
    tables = {
        "kinds": [report.flat(each) for each in kind_figures(found)],
        "exchange": [report.flat(each) for each in exchanged],
        "scale": [report.flat(each) for each in scaled],
        "holes": [report.flat(each) for each in holed],
        "bars": [report.flat(each) | {"holds": each.holds} for each in bars(found, change)],
    }
    _print(tables, json=json, markdown=markdown)
    if sheet:
        hard_sheet.draw_sheets(sheet, found)


_Item = TypeVar("_Item")


def _counted(items: Iterable[_Item], talk: console.Talk, doing: str) -> list[_Item]:
    """Collect what is measured, and say how far it is."""
    talk.doing(doing)
    collected = []
    for item in items:
        collected.append(item)
        talk.advance()
    return collected


def _print(tables: Mapping[str, Sequence[Mapping[str, Any]]], *, json: bool, markdown: bool) -> None:
    if json:
        report.print_rows("hard", [{"table": name, **row} for name, rows in tables.items() for row in rows], {}, True)
        return
    for name, rows in tables.items():
        if not rows:
            continue
        shown = [_in_words(row) for row in rows] if name == "bars" else rows
        if markdown:
            report.print_markdown(_TITLES[name], shown, _COLUMNS[name])
        else:
            console.say(f"{_TITLES[name]}\n")
            report.print_rows("hard", shown, _COLUMNS[name], False)
            console.say("")


def _in_words(bar: Mapping[str, Any]) -> dict[str, Any]:
    """Write the numbers of a bar in its own unit."""
    form = {"px": ".4f", "share": ".2%", "IoU": ".3f"}[bar["unit"]]
    found, given = ("-" if math.isnan(bar[name]) else format(bar[name], form) for name in ("found", "given"))
    limit = f"{bar['limit']:.1%}" if bar["unit"] == "share" else f"{bar['limit']:g}"
    verdict = {True: "yes", False: "no", None: "-"}[bar["holds"]]
    words = {"found": found, "given": given, "limit": f"{'<=' if bar['at_most'] else '>='} {limit}", "holds": verdict}
    return {**bar, **words}
