"""`postseal export`: evidence of a message, in one file that anyone can check offline."""

from __future__ import annotations

import shlex
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from cli import naming, paper
from cli.exits import OK, UNSAID, USAGE, Stop
from cli.plain import octets, plural
from cli.writing import AcceptClock, open_log
from ledger import durable, evidence
from ledger.document import Evidence

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def export(
    message: Annotated[str, typer.Argument(metavar="MESSAGE", help="Its id; see `postseal messages`.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE.json", help="Where to; never over a file.")],
    recipient: Annotated[
        str | None, typer.Option(metavar="r1|ADDRESS", help="Of this recipient alone; shows no other.")
    ] = None,
    non_access: Annotated[bool, typer.Option("--non-access", help="Claim that no access is recorded.")] = False,
    file: Annotated[str | None, typer.Option(metavar="f1", help="With --non-access: to this file.")] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="f1", help="Disclose this fact of the message alone, and others given so: one file, say."),
    ] = None,
    accept_clock: AcceptClock = False,
) -> int:
    """Write evidence: the message's chains up to now, what is sealed on them, and the proof that they are in the log.

    With `--only f1` one attachment is proved alone, and the rest stays undisclosed: `postseal verify --content FILE`
    then says whether a file is it. The export is itself recorded. What the evidence holds can no longer be erased from
    it, wherever it goes. A claim of non-access is refused, with the reason, where it would not be true; and it needs an
    auditor's word that nothing is filed elsewhere: `postseal audit --sign KEY --into FILE`.
    """
    naming.check_message(message)
    naming.check_recipient(recipient)
    naming.check_file(file)
    if file is not None and not non_access:
        raise Stop(USAGE, "--file goes with --non-access: a history is of the whole message")
    if only and non_access:
        raise Stop(USAGE, "--only goes with a history: a claim of non-access must disclose what it is about")
    if output.exists():
        raise Stop(USAGE, f"{output} is there already")
    # Before the ledger is opened: what it records as exported must be able to leave.
    check_place(output)
    with open_log(accept_clock) as log:
        number = None if recipient is None else naming.recipient_of(log, message, recipient)
        kind = "non_access" if non_access else "history"
        made = log.export(message, recipient=number, kind=kind, file=file, show=only or None)
        vkey = log.ring.signer().vkey
    try:
        size = write(output, made)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise Stop(
            UNSAID, f"the export is recorded, but {output} could not be written: {reason}; export again"
        ) from None
    shown = sum(len(held.disclosures) for held in made.entries)
    out = paper.console()
    rows = [
        ("written", f"{output}, {octets(size)}; it holds personal data"),
        ("holds", f"{plural(len(made.entries), 'entry')}, {plural(shown, 'disclosure')}"),
    ]
    out.print(paper.pairs(rows))
    out.print(f"\npostseal verify {shlex.quote(str(output))} --vkey {vkey}", soft_wrap=True)
    return OK


def check_place(path: Path) -> None:
    """Stop unless a file can be made there."""
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise Stop(USAGE, f"{path} cannot be written: {error.strerror or error}") from None


def write(path: Path, made: Evidence) -> int:
    """A new file for its owner alone, durable; its size."""
    data = evidence.format(made)
    durable.create(path, data)
    return len(data)
