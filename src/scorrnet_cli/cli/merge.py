"""``scorrnet merge``: one solid file of the shards that many workers wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scorrnet_cli.cli import console
from scorrnet_cli.cli.group import Debug

Result = Annotated[
    Path, typer.Argument(metavar="RESULT", help="What batch --workers or --scheduler wrote.", show_default=False)
]
Copy = Annotated[bool, typer.Option("--copy", help="Copy all frames into RESULT and remove the shards.")]


def merge(result: Result, copy: Copy = False, debug: Debug = False) -> None:
    """Check that all shards of a result are there, and with --copy make one solid file of them.

    A result that many workers wrote shows the shards in RESULT.shards as one
    file: where it goes, they must go too. Copied, it stands by itself.

    [bold]scorrnet merge test_7/scorrnet.h5 --copy[/bold]
    """
    from scorrnet_cli.batch.whole import merge as solid
    from scorrnet_cli.batch.whole import shards_of

    if copy:
        console.say(f"{solid(result)} frames copied into {result}")
    else:
        console.say(f"{len(shards_of(result)[1])} shards of {result} are all there; --copy makes one file of them")
