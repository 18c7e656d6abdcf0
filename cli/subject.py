"""`postseal subject`: everything held about one address, as a package for whom it is about."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from cli.exits import OK, UNSAID, USAGE, Stop
from cli.export import check_place
from cli.plain import octets, plural
from cli.writing import AcceptClock, open_log, person
from ledger import durable
from ledger.ids import format_time
from reports.package import package
from reports.subject import contents, gather, looks

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def subject(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Whose; - reads it from standard input.")],
    output: Annotated[Path, typer.Option("-o", "--out", metavar="FILE.zip", help="Where to; never over a file.")],
    accept_clock: AcceptClock = False,
) -> int:
    """Write everything that is held about an address: a page to read and print, the same as data, and kept content.

    It names no other recipient. That it was made is recorded on each message it tells of.
    """
    if output.exists():
        raise Stop(USAGE, f"{output} is there already")
    check_place(output)
    if address == "-":
        address = sys.stdin.readline().strip()
    with open_log(accept_clock) as log:
        found = looks(log, address)
        if not found:
            raise Stop(USAGE, "nothing is found by this address")
        who = person(log)
        for message, recipient in found:
            log.view(message, "subject-access", who, recipient=recipient)
        said = gather(log, address, format_time(time.time_ns() // 1000))
        try:
            durable.create_from(output, package(said, contents(log, said)))
        except OSError as error:
            raise Stop(UNSAID, f"the look is recorded, but {output} could not be written: {error.strerror}") from None
    size, messages = octets(output.stat().st_size), plural(len(said["messages"]), "message")
    sys.stdout.write(f"{output}, {size}: {messages}; it holds personal data\n")
    return OK
