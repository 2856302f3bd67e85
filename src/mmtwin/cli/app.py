"""The command line: which commands there are, and what happens when one breaks off."""

from __future__ import annotations

import sys

import typer

from mmtwin import __version__
from mmtwin.cli.outcome import INTERRUPTED

app = typer.Typer(
    name="mmtwin",
    help="An executable twin of Linux memory management. Exit codes: 0 clean, 1 something was "
    "found, 2 bad input or usage, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"mmtwin {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(
        False, "--version", help="Print the version and exit.", callback=_version, is_eager=True
    ),
) -> None:
    """Take the options that come before the command."""


def main() -> None:
    """Run the command line; the process ends with the command's exit code."""
    from mmtwin.cli import commands

    commands.register(app)
    try:
        app()
    except KeyboardInterrupt:
        sys.stderr.write("mmtwin: interrupted\n")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
