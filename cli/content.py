"""`postseal content`: a message that was kept, or one of its files, for whoever may read the ledger's keys."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from cli import actor, naming, paper
from cli.exits import OK, UNSAID, USAGE, Stop
from cli.export import check_place
from cli.output import Unwritten
from cli.plain import octets
from cli.writing import AcceptClock, open_log
from ledger import durable

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def content(
    message: Annotated[str, typer.Argument(metavar="MESSAGE", help="Its id; see `postseal messages`.")],
    file: Annotated[str | None, typer.Option(metavar="f1", help="This file of it, decoded.")] = None,
    body: Annotated[
        bool, typer.Option("--body", help="Without its header block: what is left where that was erased.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Where to; never over a file.")
    ] = None,
    accept_clock: AcceptClock = False,
) -> int:
    """Write a message that was kept (`record --keep`), as it was recorded with CRLF line ends, or one of its files.

    That you looked, the user this runs as, is recorded first. What is written was held against the recorded hash before
    its first octet; nothing but --body is ever written that has not that hash.
    """
    naming.check_message(message)
    naming.check_file(file)
    if file is not None and body:
        raise Stop(USAGE, "--file and --body are two things to write")
    if output is None and sys.stdout.isatty():
        raise Stop(USAGE, "a message may hold anything, and does not go to a terminal; say -o FILE, or use a pipe")
    if output is not None:
        if output.exists():
            raise Stop(USAGE, f"{output} is there already")
        # Before the ledger is opened: what it records as looked at must be able to leave.
        check_place(output)
    with open_log(accept_clock) as log:
        log.message(message)
        log.view(message, f"file.{file}" if file else "content.body" if body else "content", actor.person(log))
        held = log.content(message)
        if file is not None:
            found = held.file(file)
            size, pieces = found.size, found.pieces()
        else:
            size, pieces = held.body() if body else (held.size, held.whole())
        _write(pieces, output)
    if output is not None:
        paper.console().print(paper.pairs([("written", f"{output}, {octets(size)}; it may hold personal data")]))
    return OK


def _write(pieces: Iterable[bytes | memoryview], output: Path | None) -> None:
    if output is not None:
        try:
            durable.create_from(output, pieces)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise Stop(UNSAID, f"the look is recorded, but {output} could not be written: {reason}") from None
        return
    try:
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
    except OSError as error:
        raise Unwritten(error) from None
