"""What every reporting command does with its result: page, document, or text."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from rich.console import Console, Group

from mmtwin.cli.outcome import fail, write_json
from mmtwin.view.console import export_html


def present(
    document: dict[str, object], text: Group, *, json: bool, quiet: bool, page: Path | None
) -> None:
    """Show a result in the form that was asked for; the page is written in any case."""
    if page is not None:
        recording = Console(record=True, width=110, file=StringIO(), force_terminal=True)
        recording.print(text)
        try:
            page.write_text(export_html(recording, f"mmtwin {document['command']}"), "utf-8")
        except OSError as error:
            fail(f"{page}: {error.strerror}")
    if json:
        write_json(document)
    elif not quiet:
        Console().print(text)
