"""`postseal retention`: what has been kept as long as its class says, and its erasure. Made to be run by a timer."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from typing import Annotated, Final

import typer

from api import settings
from cli import paper
from cli.exits import NO, OK
from cli.opening import open_reading
from cli.plain import moment, plural
from cli.writing import AcceptClock, open_log, person
from ledger.due import Due, due
from ledger.erasing import Erasing
from ledger.errors import Refused
from ledger.sequencer import Outcome

TOGETHER: Final = 100
"""Messages erased together: the database is brought to forget them once for all of these."""

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def retention(
    erase: Annotated[bool, typer.Option("--erase", help="Erase what is listed and not held.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object a line for each message.")] = False,
    accept_clock: AcceptClock = False,
) -> int:
    """List the messages past the maximum of their class of retention, and those of them that a hold keeps.

    With --erase each that is not held is erased with all its recipients; with two people needed, its erasure is asked
    for. Exit status 1 if one of them could not be erased now.
    """
    with open_reading() as reading:
        found = list(due(reading, time.time_ns() // 1000))
    if erase and any(not one.held for one in found):
        return _erase(found, json_, accept_clock)
    _list(found, json_, ["held" if one.held else "asked for" if one.asked else "due" for one in found])
    return OK


def _erase(found: list[Due], json_: bool, accept_clock: bool) -> int:
    states = ["held" if one.held else "asked for" if one.asked else "" for one in found]
    with open_log(accept_clock) as log:
        erasing, who = Erasing(log, settings.from_environment().dual_control), person(log)
        free = [place for place, state in enumerate(states) if not state]
        for start in range(0, len(free), TOGETHER):
            asked: dict[int, Outcome] = {}
            for place in free[start : start + TOGETHER]:
                message = found[place].message
                try:
                    asked[place] = log.write(erasing.of_message(message, who, source="system"))
                except Refused as error:
                    sys.stderr.write(f"postseal: {message}: {error}\n")
                    states[place] = "refused"
            for place, done in zip(asked, erasing.go_on_all(list(asked.values())), strict=True):
                states[place] = done.state
    _list(found, json_, states)
    return NO if {"pending", "refused"} & set(states) else OK


def _list(found: list[Due], json_: bool, states: list[str]) -> None:
    if json_:
        for one, state in zip(found, states, strict=True):
            said = {"message": one.message, "class": one.term.name, "recorded_at": one.term.since}
            sys.stdout.write(json.dumps(said | {"due": one.term.due, "state": state}) + "\n")
        return
    table = paper.table("message", "class", "due since (UTC)", "", fixed=("message",))
    for one, state in zip(found, states, strict=True):
        table.add_row(one.message, one.term.name, moment(one.term.due or ""), state)
    out = paper.console()
    if found:
        out.print(table)
    sums = ", ".join(f"{count:,} {state}" for state, count in Counter(states).items())
    out.print(f"{plural(len(found), 'message')} past the maximum of retention" + (f": {sums}" if sums else ""))
