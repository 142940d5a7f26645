"""``scorrnet evaluate hard``: a test bed of hard cases, with the bars that have to be reached."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scorrnet_cli.cli import console, options
from scorrnet_cli.cli.evaluate import report
from scorrnet_cli.cli.evaluate.options import Device
from scorrnet_cli.cli.group import Debug

if TYPE_CHECKING:
    from scorrnet_cli.evaluation.hard.bars import Bar
    from scorrnet_cli.evaluation.hard.bed import Trial
    from scorrnet_cli.pipeline import Instruments

Kinds = Annotated[
    str | None,
    typer.Option(metavar="KIND,...", help="Kinds or groups of cases, as the table names them; all if not given."),
]
Sheet = Annotated[Path | None, typer.Option(metavar="FOLDER", help="Draw contact sheets of the worst cases there.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print the tables as a section of a Markdown file.")]


def hard(
    kinds: Kinds = None,
    device: Device = "auto",
    sheet: Sheet = None,
    markdown: Markdown = False,
    json: options.Json = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
    debug: Debug = False,
) -> None:
    """Measure what makes a measurement fail: hard speckle, cameras, specimens, backgrounds and motion.

    Every pair is measured with the mask that the program finds, as a user has it, and with the true one. Errors are
    lengths of the difference vector, px, over the true mask, 15 px or more from the border of both images; RMSE is of
    u and v together. All kinds take about 6 minutes.
    """
    report.check_one(json=json, markdown=markdown)
    from scorrnet_cli.cli.evaluate import hard_sheet
    from scorrnet_cli.evaluation.hard.cases import CASES, chosen

    if sheet:
        hard_sheet.check(sheet, overwrite)
    cases = chosen(kinds, CASES)
    from scorrnet_cli import pipeline
    from scorrnet_cli.evaluation.hard.bed import trials
    from scorrnet_cli.evaluation.hard.exchange import SPECIMENS
    from scorrnet_cli.evaluation.hard.scale import SCALES
    from scorrnet_cli.field import Settings

    instruments = pipeline.load(Settings(device=device))
    total = len(cases) + (0 if kinds else len(SPECIMENS) + len(SCALES))
    found: list[Trial] = []
    with console.Talk(quiet=quiet).progress(total) as talk:
        for trial in trials(instruments, cases):
            found.append(trial)
            talk.doing(trial.case.kind)
            talk.advance()
        beyond = _beyond(instruments, talk) if kinds is None else {}
    tables = _tables(found, beyond)
    if json:
        report.print_rows("hard", [{"table": name, **row} for name, rows in tables.items() for row in rows], {}, True)
    else:
        for name, rows in tables.items():
            report.print_section(_TITLES[name], rows, _COLUMNS[name], markdown=markdown)
    if sheet:
        hard_sheet.draw(sheet, found)
