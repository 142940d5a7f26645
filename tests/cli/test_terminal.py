"""What is seen on a terminal, in a pipe and on a full disk: tables, progress, and where they end."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.table import Table

import scorrnet_cli
from scorrnet_cli.cli import console

RESULT = Path(__file__).parents[1] / "data/result_format_1.h5"
SOURCE = str(Path(scorrnet_cli.__file__).parents[1])
PRINTING = [
    ["--version"],
    ["--help"],
    ["units", str(RESULT)],
    ["view", str(RESULT)],
    ["probe", str(RESULT), "--point", "5,5", "-q"],
]

PROGRESS = """
import time
from scorrnet_cli.cli.console import Talk

with Talk().progress(1200, 1, forecast=True) as talk:
    talk.doing("{name}")
    time.sleep(0.3)
"""


def plain(text: str) -> str:
    """Take colours and movements of the cursor out of what was sent to a terminal."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def on_terminal(columns: int, code: str) -> list[str]:
    """Run Python on a terminal of its own, and return the lines that were seen there, those overwritten too."""
    pid, screen = pty.fork()
    if pid == 0:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        env = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
        os.execve(sys.executable, [sys.executable, "-c", code], env | {"PYTHONPATH": SOURCE, "TERM": "xterm"})
    sent = b""
    try:
        while part := os.read(screen, 4096):
            sent += part
    except OSError:  # how Linux says that nobody writes any more
        pass
    os.close(screen)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, sent
    return [line for line in re.split(r"[\r\n]+", plain(sent.decode())) if line]


class TestTables:
    @pytest.fixture
    def table(self) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
        table.add_column("name")
        table.add_column("value")
        table.add_row("short", "1")
        table.add_row("", "[a] " + 200 * "x")
        return table

    def test_no_line_ends_in_blanks(self, table: Table, capsys: pytest.CaptureFixture[str]) -> None:
        console.show(table)
        assert capsys.readouterr().out.splitlines() == ["name   value", "short  1", f"       [a] {200 * 'x'}"]

    def test_colours_stay_on_a_terminal(
        self, table: Table, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("NO_COLOR", raising=False)
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm-256color")
        console.show(table)
        header, *rows = capsys.readouterr().out.splitlines()
        assert "\x1b[1mname" in header
        assert plain(header) == "name   value"
        assert rows[0] == "short  1"


class TestProgress:
    @pytest.mark.parametrize("columns", [60, 80])
    def test_only_the_name_is_cut(self, columns: int) -> None:
        name = f"cam0_specimen_[A]_{40 * 'x'}_00001.tif  valid 99.9%"
        *_, line = on_terminal(columns, PROGRESS.format(name=name))
        found = re.fullmatch(r"\S (\S+)… +1/1200 \d:\d\d:\d\d -:--:-- left", line)
        assert found, line
        assert name.startswith(found[1])
        assert len(line) == columns

    def test_a_bar_is_drawn_where_there_is_room(self) -> None:
        *_, line = on_terminal(80, PROGRESS.format(name="a.tif"))
        assert re.fullmatch(r"\S a\.tif ━{40} +1/1200 \d:\d\d:\d\d -:--:-- left", line)


class TestStdout:
    """In processes of their own, as what Python still has to say when it ends counts too."""

    def run(self, arguments: list[str], stdout: int, stderr: int = subprocess.PIPE) -> tuple[int, str | None]:
        command = [sys.executable, "-m", "scorrnet_cli", *arguments]
        env = os.environ | {"PYTHONPATH": SOURCE, "COLUMNS": "200"}
        done = subprocess.run(command, env=env, stdout=stdout, stderr=stderr, text=True, check=False)
        return done.returncode, done.stderr

    @pytest.fixture
    def deserted(self) -> Iterator[int]:
        """A pipe that nobody reads."""
        reader, writer = os.pipe()
        os.close(reader)
        yield writer
        os.close(writer)

    @pytest.mark.parametrize("arguments", PRINTING)
    def test_a_full_disk(self, arguments: list[str]) -> None:
        with Path("/dev/full").open("w") as full:
            code, message = self.run(arguments, full.fileno())
        assert message == "scorrnet: error: Nothing can be printed: No space left on device (stdout).\n"
        assert code == 7

    @pytest.mark.parametrize("arguments", PRINTING)
    def test_a_reader_that_has_left(self, arguments: list[str], deserted: int) -> None:
        assert self.run(arguments, deserted) == (141, "")

    def test_a_reader_of_errors_that_has_left(self, deserted: int) -> None:
        assert self.run(["nonsense"], deserted, deserted) == (141, None)

    @pytest.mark.parametrize("arguments", PRINTING)
    def test_a_closed_stdout(self, arguments: list[str]) -> None:
        command = ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-m", "scorrnet_cli", *arguments]
        env = os.environ | {"PYTHONPATH": SOURCE}
        done = subprocess.run(command, env=env, stderr=subprocess.PIPE, text=True, check=False)
        assert done.stderr == "scorrnet: error: Nothing can be printed: it is closed (stdout).\n"
        assert done.returncode == 7
