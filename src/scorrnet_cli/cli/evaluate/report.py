"""Figures of an evaluation as a table for people and as JSON for machines."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from scorrnet_cli import __version__
from scorrnet_cli.cli import console

_SCHEMA = 1

Columns = Mapping[str, tuple[str, str]]
"""Title of each column, the name of its figure, and how to write it: a format, or empty for text."""


def print_rows(evaluation: str, rows: Sequence[Mapping[str, Any]], columns: Columns, as_json: bool) -> None:
    """Print figures on stdout, as a table or as one JSON object.

    The object holds ``schema``, ``version``, ``evaluation`` and ``rows``, a list of objects with every figure; null
    stands for what is unknown.
    """
    if as_json:
        content = {"schema": _SCHEMA, "version": __version__, "evaluation": evaluation, "rows": _known(rows)}
        console.say(json.dumps(content, allow_nan=False))
        return
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for title, (_, form) in columns.items():
        table.add_column(title, justify="right" if form else "left")
    for cells in _cells(rows, columns):
        table.add_row(*cells)
    console.show(table)


def print_markdown(title: str, rows: Sequence[Mapping[str, Any]], columns: Columns) -> None:
    """Print figures on stdout as a table of a Markdown file, with a heading."""
    lines = [list(columns), ["---:" if form else "---" for _, form in columns.values()], *_cells(rows, columns)]
    console.say("\n".join([f"### {title}", "", *(f"| {' | '.join(line)} |" for line in lines), ""]))


def _cells(rows: Sequence[Mapping[str, Any]], columns: Columns) -> list[list[str]]:
    return [[_cell(row.get(name), form) for name, form in columns.values()] for row in rows]


def flat(figures: Any, without: Sequence[str] = ()) -> dict[str, Any]:
    """Return the figures of a dataclass as a dictionary, those of a dataclass within it after its name."""
    row: dict[str, Any] = {}
    for item in dataclasses.fields(figures):
        value = getattr(figures, item.name)
        if item.name in without:
            continue
        if dataclasses.is_dataclass(value):
            row |= {f"{item.name}_{name}": inner for name, inner in flat(value).items()}
        else:
            row[item.name] = value
    return row


def _cell(value: Any, form: str) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "-"
    return format(value, form)


def _known(value: Any) -> Any:
    """Replace what JSON cannot hold: numbers that are none become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _known(flat(value))
    if isinstance(value, Mapping):
        return {name: _known(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_known(inner) for inner in value]
    return value
