"""`postseal identify`: which recorded message a copy is of, at which level, and what differs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from cli import paper
from cli.exits import NO, OK, USAGE, Stop
from cli.opening import open_reading
from cli.plain import clean, moment, plural
from cli.writing import AcceptClock, open_log, person
from ledger import mime
from ledger.differs import DIFFERENT, Difference, unquoted
from ledger.identify import Identified

app = typer.Typer(add_completion=False, rich_markup_mode=None)

SHOWN: Final = 40
"""Differences of one match that are told on paper; `--json` has all."""


@app.command()
def identify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A mail (.eml) or any file; - is standard input.")],
    quote: Annotated[
        bool, typer.Option("--quote", help="Quote the recorded words where the content was kept: a look, and recorded.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object for each match.")] = False,
    accept_clock: AcceptClock = False,
) -> int:
    """Tell which recorded message a copy is of, or which file of one: at which of seven levels, and what differs.

    The levels are: identical; identical but for transport headers; same content re-encoded; all original parts present,
    with additions; text contained, links rewritten; parts missing; different. The copy may have come through a mailing
    list, a gateway that adds banners or a scanner that rewrites links. How a text differs is told where the content was
    kept, in the copy's words and with `--quote` in the recorded ones; else its hashes alone can be compared.

    Of a mail that was not recorded it is told which message or file that was is attached to it.

    Exit status: 0 if the file itself is a match that is not merely "different", 1 otherwise.
    """
    octets = _read(file)
    if quote:
        with open_log(accept_clock) as log:
            found, who = log.identify(octets), person(log)
            for message in dict.fromkeys(one.message for one in found if unquoted(one.differences) != one.differences):
                log.view(message, "content", who)
    else:
        with open_reading() as reading:
            found = [replace(one, differences=unquoted(one.differences)) for one in reading.identify(octets)]
    if json_:
        for one in found:
            sys.stdout.write(json.dumps(as_json(one), ensure_ascii=False) + "\n")
    else:
        _page(paper.console(), file, octets, found)
    return OK if any(one.level != DIFFERENT and one.inside is None for one in found) else NO


def _read(file: Path) -> bytes:
    limit = mime.Limits().size
    try:
        if str(file) == "-":
            octets = sys.stdin.buffer.read(limit + 1)
        else:
            with file.open("rb") as opened:
                octets = opened.read(limit + 1)
    except OSError as error:
        raise Stop(USAGE, f"{file} cannot be read: {error.strerror}") from None
    if not octets:
        raise Stop(USAGE, f"{file} is empty")
    if len(octets) > limit:
        raise Stop(USAGE, f"{file} is larger than {limit:,} octets")
    return octets


def as_json(one: Identified) -> dict[str, Any]:
    """A match, as `POST /v1/verify` has it too."""
    said: dict[str, Any] = {"message": one.message, "level": one.level}
    for name, value in (("part", one.part), ("inside", one.inside)):
        if value is not None:
            said[name] = value
    told = [{name: value for name, value in asdict(one).items() if value is not None} for one in one.differences]
    said |= {"recorded_at": one.recorded_at, "seq": one.seq, "differences": told}
    return said | {"dkim": [asdict(each) for each in one.dkim]} if one.dkim else said


def _hint(octets: bytes) -> str:
    return "; it is no mail but an Outlook item (.msg): save it as .eml" if octets.startswith(mime.OLE) else ""


def _page(out: Console, file: Path, octets: bytes, found: Sequence[Identified]) -> None:
    if not found:
        out.print(f"{clean(str(file))}: nothing recorded here is found by it{_hint(octets)}", soft_wrap=True)
        return
    for one in found:
        what = "message" if one.part is None else f"file {one.part} of message"
        if one.inside is not None:
            out.print("not recorded itself, but a part of it was", style="bold")
            what = f"its {one.inside} is {one.level}: {what}"
        else:
            out.print(one.level, style="bold")
        out.print(f"  {what} {one.message}, recorded {moment(one.recorded_at)}, entry {one.seq}")
        for each in one.dkim:
            out.print(paper.text(f"  DKIM signature, key {each.query} as archived: {each.status}, {each.line}"))
        for difference in one.differences[:SHOWN]:
            _tell(out, difference)
        if len(one.differences) > SHOWN:
            out.print(f"  and {plural(len(one.differences) - SHOWN, 'difference')} more; --json has all", style="dim")


def _tell(out: Console, one: Difference) -> None:
    out.print(paper.text(f"  - {clean(one.where)}{': ' if one.where else ''}{clean(one.detail)}"))
    for name, said in (("recorded", one.recorded), ("received", one.received)):
        if said is not None:
            out.print(paper.text(f"      {name}: {clean(said)}", "dim"))
