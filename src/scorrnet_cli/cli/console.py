"""What people see: results on stdout; errors, notes and progress on stderr.

Rich leaves colours out where NO_COLOR is set or the stream is no terminal.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from scorrnet_cli.errors import ScorrnetError

_WIDEST = 1000
_REMEMBERED_S = 600  # how much of the past the time left is estimated from


def _messages() -> Console:
    return Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


def complain(error: ScorrnetError) -> None:
    """Print an error on stderr, in one line."""
    line = Text.assemble(("scorrnet: error: ", "bold red"), " ".join(str(error).splitlines()))
    _messages().print(line)


def show(table: Table) -> None:
    """Print a table of results on stdout, as wide as it is: nothing is folded or cut."""
    Console(highlight=False, markup=False, width=_WIDEST).print(table)


def say(text: str) -> None:
    """Print a line of results on stdout."""
    Console(highlight=False, markup=False, soft_wrap=True).print(text)


@dataclass
class Talk:
    """How much a command says on stderr while it works.

    Attributes
    ----------
    quiet : bool
        Nothing but errors.
    verbose : bool
        Details as well.
    """

    quiet: bool = False
    verbose: bool = False
    _bar: Progress | None = field(default=None, init=False, repr=False)

    def note(self, text: str) -> None:
        """Say something that the user should know."""
        if not self.quiet:
            self._print(text)

    def detail(self, text: str) -> None:
        """Say something for those who want to know more."""
        if self.verbose and not self.quiet:
            self._print(text)

    def warn(self, text: str) -> None:
        """Say what went wrong with a part of the work, quiet or not."""
        self._print(f"warning: {text}")

    def _print(self, text: str) -> None:
        console = self._bar.console if self._bar else _messages()
        console.print("scorrnet: " + " ".join(text.splitlines()))

    @contextmanager
    def progress(self, total: int | None, done: int = 0, *, forecast: bool = False) -> Iterator[Talk]:
        """Show how far the work is, if stderr is a terminal.

        Parameters
        ----------
        total : int or None
            Number of steps, if known; :meth:`advance` counts them.
        done : int
            How many of them were done before.
        forecast : bool
            Whether to show how long the rest will take.
        """
        console = _messages()
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            *((TimeRemainingColumn(), TextColumn("left")) if forecast else ()),
        )
        silent = self.quiet or not console.is_terminal
        with Progress(
            *columns, console=console, transient=True, disable=silent, speed_estimate_period=_REMEMBERED_S
        ) as bar:
            bar.add_task("", total=total, completed=done)
            self._bar = bar
            try:
                yield self
            finally:
                self._bar = None

    @property
    def is_live(self) -> bool:
        """Whether progress is being shown."""
        return self._bar is not None and not self._bar.disable

    def expect(self, total: int | None, done: int = 0) -> None:
        """Set the number of steps, if known, and how many were done before; time left is counted from now."""
        if self._bar:
            self._bar.reset(self._bar.task_ids[0], total=total, completed=done)

    def doing(self, text: str) -> None:
        """Say what is being done now."""
        if self._bar:
            self._bar.update(self._bar.task_ids[0], description=text)

    def advance(self) -> None:
        """Count one step as done."""
        if self._bar:
            self._bar.advance(self._bar.task_ids[0])
