"""`postseal trust`: whom a verifier of this log's evidence should believe, as a file to hand to him."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from api import settings
from cli.exits import OK, USAGE, Stop
from cli.opening import open_reader
from ledger import entry
from ledger.errors import FormatError
from ledger.event import KeyCompromised, KeyIntroduced
from ledger.store.read import Reader
from ledger.trust import Compromised, Required, Trust, TrustedLog

app = typer.Typer(add_completion=False, rich_markup_mode=None)

REQUIRABLE: dict[str, Required] = {"timed": "timed", "unforked": "unforked", "witnessed": "witnessed"}


@app.command()
def trust(
    auditor: Annotated[
        list[str] | None,
        typer.Option(metavar="VKEY", help="An auditor whose replay statements count; may be repeated."),
    ] = None,
    require: Annotated[
        list[str] | None, typer.Option(metavar="CHECK", help="timed, unforked or witnessed: nothing is valid without.")
    ] = None,
) -> int:
    """Print a trust file for this log: its keys, as its own entries introduce them.

    Hand it over by another way than the evidence: whoever could forge one of them must not be able to forge both.
    """
    with open_reader(settings.from_environment()) as reader:
        sys.stdout.write(policy(reader, auditor or [], require or []).to_bytes().decode())
    if sys.stdout.isatty():
        sys.stdout.write("\n")
    return OK


def policy(reader: Reader, auditors: list[str], require: list[str]) -> Trust:
    """Every key this log has introduced; those it called compromised with the instant."""
    wrong = [word for word in require if word not in REQUIRABLE]
    if wrong:
        raise Stop(USAGE, f"--require is one of {', '.join(REQUIRABLE)}")
    keys: set[str] = set()
    compromised: dict[str, str] = {}
    for seq in reader.log_chain().keys:
        facts = entry.decode(reader.entry(seq) or b"").facts
        if isinstance(facts, KeyIntroduced):
            keys.add(facts.vkey)
        elif isinstance(facts, KeyCompromised):
            compromised[facts.vkey] = min(facts.since, compromised.get(facts.vkey, facts.since))
    log = TrustedLog(
        origin=reader.head().origin,
        keys=tuple(sorted(keys)),
        compromised=tuple(Compromised(since=since, vkey=vkey) for vkey, since in sorted(compromised.items())),
    )
    try:
        return Trust(
            logs=(log,),
            auditors=tuple(sorted(set(auditors))),
            require=tuple(sorted({REQUIRABLE[word] for word in require})),
        )
    except FormatError as error:
        raise Stop(USAGE, f"--auditor: {error}") from None
