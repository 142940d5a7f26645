"""What people see: results on stdout; errors, notes and progress on stderr.

Rich leaves colours out where NO_COLOR is set or the stream is no terminal.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO, cast

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column, Table
from rich.text import Text

from scorrnet_cli.errors import OutputError, ScorrnetError

_WIDEST = 1000
_REMEMBERED_S = 600  # how much of the past the time left is estimated from
_READER_LEFT = 141  # what a shell makes of a program that SIGPIPE ends


class _Messages(Console):
    def on_broken_pipe(self) -> None:
        """End the program where the reader of stderr has left."""
        raise SystemExit(_READER_LEFT)


def _messages() -> Console:
    return _Messages(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)


def complain(error: ScorrnetError) -> None:
    """Print an error on stderr, in one line."""
    line = Text.assemble(("scorrnet: error: ", "bold red"), " ".join(str(error).splitlines()))
    _messages().print(line)


def show(table: Table) -> None:
    """Print a table of results on stdout, as wide as it is: nothing is folded or cut, and no line ends in blanks."""
    console = Console(highlight=False, markup=False, emoji=False, width=_WIDEST)
    for segments in console.render_lines(table, pad=False):
        line = Text.assemble(*((segment.text, segment.style or "") for segment in segments))
        line.rstrip()
        console.print(line)


def say(text: str) -> None:
    """Print a line of results on stdout."""
    Console(highlight=False, markup=False, emoji=False, soft_wrap=True).print(text)


class _Stdout:
    """Stdout, which says why it takes nothing more.

    Writing to it and flushing it raise OutputError if it is full or closed. If it is a pipe whose reader has left, as
    ``| head`` does, they end the program.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with self._explained():
            return self._stream.write(text)

    def flush(self) -> None:
        with self._explained():
            self._stream.flush()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            # what is still buffered would fail once more when Python ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
            if isinstance(error, BrokenPipeError):
                raise SystemExit(_READER_LEFT) from error
            raise OutputError(f"Nothing can be printed: {error.strerror or 'it is closed'}", "stdout") from error


@contextmanager
def explained_stdout() -> Iterator[None]:
    """Let what is printed within the block on stdout, by whomever, fail as :class:`_Stdout` says.

    Letters that its encoding lacks, as in a pipe on Windows, are written as escapes.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    with Path(os.devnull).open() as closed, redirect_stdout(cast(TextIO, _Stdout(sys.stdout or closed))):
        yield


class _Doing(ProgressColumn):
    """What is being done; the only column that may be cut."""

    def render(self, task: Task) -> Text:
        return Text(task.description, no_wrap=True, overflow="ellipsis")


class _Line(Progress):
    """Progress in one line; where it is too long, the bar goes first and then the end of what is being done."""

    def __init__(self, *columns: ProgressColumn, **options: Any) -> None:
        self._short = Progress(*(each for each in columns if not isinstance(each, BarColumn)), **options)
        super().__init__(*columns, **options)

    def make_tasks_table(self, tasks: Iterable[Task]) -> Table:
        table = super().make_tasks_table(tasks)
        console = self._short.console
        needed = console.measure(table, options=console.options.update(width=_WIDEST)).maximum
        return table if needed <= console.width else self._short.make_tasks_table(tasks)


@dataclass
class Talk:
    """How much a command says on stderr while it works.

    Attributes
    ----------
    quiet : bool
        Only what failed.
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

    def doubt(self, text: str) -> None:
        """Say what of the result may be wrong."""
        self.note(f"warning: {text}")

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
        whole = Column(no_wrap=True)
        columns = (
            SpinnerColumn(table_column=whole),
            _Doing(),
            BarColumn(table_column=whole),
            MofNCompleteColumn(table_column=whole),
            TimeElapsedColumn(table_column=whole),
            *((TimeRemainingColumn(table_column=whole), TextColumn("left")) if forecast else ()),
        )
        silent = self.quiet or not console.is_terminal
        with _Line(
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
