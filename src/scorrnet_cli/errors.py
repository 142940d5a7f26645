"""Everything that can go wrong for a reason the user can mend, and the exit code of each."""

from __future__ import annotations


class ScorrnetError(Exception):
    """A failure with a cause outside the program.

    Parameters
    ----------
    what : str
        What is wrong, in one clause, without a full stop.
    where : str
        The file, option or device it is about; empty if there is none.
    todo : str
        What the user can do about it; empty if nothing but the obvious.
    """

    exit_code = 1

    def __init__(self, what: str, where: str = "", todo: str = "") -> None:
        super().__init__(what, where, todo)
        self.what = what
        self.where = where
        self.todo = todo

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        end = "" if self.todo.endswith((".", "?")) else "."
        advice = f" {self.todo}{end}" if self.todo else ""
        return f"{self.what}{place}.{advice}"


class UsageError(ScorrnetError):
    """The command line or a settings file asks for something impossible."""

    exit_code = 2


class FrameError(ScorrnetError):
    """An image is unreadable, too small, of another shape, or there are too few of them."""

    exit_code = 3


class WeightsError(ScorrnetError):
    """Weights are missing, damaged, or made for another network."""

    exit_code = 4


class DeviceError(ScorrnetError):
    """The device asked for is absent or has too little memory."""

    exit_code = 5


class MeasurementError(ScorrnetError):
    """No speckle was found, or some pairs could not be measured."""

    exit_code = 6


class OutputError(ScorrnetError):
    """A result exists already, or cannot be written."""

    exit_code = 7


def not_installed(what: str, extra: str) -> UsageError:
    """Return the error that says `what` is not installed, and with which extra of this package it is."""
    return UsageError(what, "", f"Install it with pip install -e '.[{extra}]' in the folder of scorrnet")
