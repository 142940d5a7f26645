"""Errors become one line on stderr and an exit code, here and nowhere else."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from scorrnet_cli.allocation import is_out_of_memory, out_of_memory
from scorrnet_cli.cli import console
from scorrnet_cli.errors import ScorrnetError, UsageError

_DEBUG = "scorrnet.debug"
_INTERRUPTED = 130


def _remember_debug(ctx: typer.Context, value: bool) -> None:
    ctx.meta[_DEBUG] = value


Debug = Annotated[
    bool,
    typer.Option(
        "--debug",
        is_eager=True,
        expose_value=False,
        callback=_remember_debug,
        help="Show where an error comes from.",
    ),
]
"""The option ``--debug`` of every command; only :class:`ErrorGroup` reads it."""


class ErrorGroup(TyperGroup):
    """The root command: runs subcommands and tells what went wrong."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: ARG002
        windows_expand_args: bool = False,  # it would expand what is quoted, too, and in no order
        **extra: Any,
    ) -> Any:
        """Run the program and leave with its exit code; a wrong command line is told in one line too."""
        try:
            with console.explained_stdout():
                outcome = super().main(args, prog_name, complete_var, False, windows_expand_args, **extra)
        except typer.TyperException as error:
            if message := error.format_message():
                console.complain(_usage(message, error))
            outcome = UsageError.exit_code
        except ScorrnetError as failure:  # of what is no subcommand, such as --help
            console.complain(failure)
            outcome = failure.exit_code
        sys.exit(outcome if isinstance(outcome, int) else 0)

    def invoke(self, ctx: Any) -> Any:
        """Run a subcommand; what it raises is printed and becomes the exit code."""
        try:
            outcome = super().invoke(ctx)
            sys.stdout.flush()
        except (typer.Exit, typer.Abort, typer.TyperException):
            raise
        except KeyboardInterrupt:
            failure, code = ScorrnetError("Interrupted"), _INTERRUPTED
        except Exception as error:
            if ctx.meta.get(_DEBUG):
                traceback.print_exc()
            failure = _failure(error)
            code = failure.exit_code
        else:
            return outcome
        console.complain(failure)
        raise typer.Exit(code)


def _usage(message: str, error: typer.TyperException) -> UsageError:
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "scorrnet"
    message = message.replace(": Value error, ", ": ", 1).rstrip(".?")  # words of pydantic, which Typer passes on
    return UsageError(message, "", f"Try {command} --help")


def _failure(error: Exception) -> ScorrnetError:
    """Put any exception into the words of the error tree."""
    if isinstance(error, ScorrnetError):
        return error
    if is_out_of_memory(error):
        return out_of_memory()
    reason = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".:")
    return ScorrnetError(reason, "", "This is a bug in scorrnet; --debug shows more")
