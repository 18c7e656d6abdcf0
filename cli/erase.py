"""`postseal erase`: a recipient, a message, or everything of a person; and the second person's approval."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from api import settings
from cli import naming, paper
from cli.exits import NO, OK, USAGE, Stop
from cli.opening import open_reading
from cli.plain import moment, plural
from cli.writing import AcceptClock, open_log, person
from ledger import entry
from ledger.erasing import Erased, Erasing, Open, unfinished
from ledger.log import Log

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def erase(
    message: Annotated[str | None, typer.Argument(metavar="[MESSAGE]", help="Its id; see `postseal messages`.")] = None,
    recipient: Annotated[str | None, typer.Option(metavar="r1|ADDRESS", help="Of the message, this one alone.")] = None,
    address: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Everything of this person; - reads it from standard input.")
    ] = None,
    approve: Annotated[
        str | None, typer.Option(metavar="ERASURE", help="Approve, as a second person, what another one asked for.")
    ] = None,
    pending: Annotated[bool, typer.Option("--pending", help="List the erasures that are not done.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; needed without a terminal.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Answer as JSON; for --pending one object a line.")] = False,
    accept_clock: AcceptClock = False,
) -> int:
    """Erase: the keys of what is sealed are destroyed, and nothing is found by it any more. It cannot be undone.

    The entries and all proofs stand; so does what was exported before, in whoever's hands it is. Refused while a hold
    is in force or a minimum retention has not passed.
    """
    if sum((message is not None, address is not None, approve is not None, pending)) != 1:
        raise Stop(USAGE, "name a message, or --address, or --approve, or --pending: one of them")
    if recipient is not None and message is None:
        raise Stop(USAGE, "--recipient goes with a message")
    if pending:
        return _list(json_)
    if message is not None:
        naming.check_message(message)
    if approve is not None:
        naming.check_erasure(approve)
    naming.check_recipient(recipient)
    if address == "-":
        address = sys.stdin.readline().strip()
    if not yes:
        _confirm(message, recipient, address)
    with open_log(accept_clock) as log:
        done = _erase(log, message, recipient, address, approve)
    return _tell(done, json_)


def _erase(log: Log, message: str | None, recipient: str | None, address: str | None, approve: str | None) -> Erased:
    erasing, who = Erasing(log, settings.from_environment().dual_control), person(log)
    if approve is not None:
        return erasing.go_on(log.write(erasing.approval(approve, who)))
    if message is None:
        return erasing.go_on(log.write(erasing.of_person(address or "", who)))
    number = None if recipient is None else naming.recipient_of(log, message, recipient)
    return erasing.go_on(log.write(erasing.of_message(message, who, recipient=number)))


def _confirm(message: str | None, recipient: str | None, address: str | None) -> None:
    if not sys.stdin.isatty():
        raise Stop(USAGE, "without a terminal to ask on, --yes is needed: an erasure cannot be undone")
    what = "everything of this person" if address is not None else "what was asked for"
    if message is not None:
        what = f"message {message} and all its recipients" if recipient is None else f"{recipient} of message {message}"
    sys.stderr.write(f"erase {what}? It cannot be undone. Type yes: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() != "yes":
        raise Stop(NO, "nothing was erased")


def _tell(done: Erased, json_: bool) -> int:
    first = done.outcome.recorded[0]
    if json_:
        said: dict[str, Any] = {"erasure": done.erasure, "state": done.state, "seq": first.seq}
        said |= {"leaf_hash": first.leaf} | ({"reason": done.reason} if done.reason else {})
        sys.stdout.write(json.dumps(said) + "\n")
    elif done.state == "done":
        at = moment(entry.decode(first.data).at)
        count = plural(len(done.outcome.recorded), "entry")
        sys.stdout.write(f"erasure {done.erasure} is done: {count} at {at}, the first is {first.seq}\n")
    elif done.state == "waiting":
        sys.stdout.write(f"erasure {done.erasure} waits for a second person: postseal erase --approve {done.erasure}\n")
    if done.state == "pending":
        raise Stop(
            NO, f"erasure {done.erasure} is recorded, and not done yet: {done.reason}; any command goes on with it"
        )
    return OK


def _list(json_: bool) -> int:
    with open_reading() as reading:
        found = unfinished(reading)
    if json_:
        for one in found:
            sys.stdout.write(json.dumps(_as_json(one)) + "\n")
        return OK
    table = paper.table("erasure", "of", "since (UTC)", "", fixed=("erasure",))
    for one in found:
        whose = f"{one.recipient} of {one.messages[0]}" if one.recipient else plural(len(one.messages), "message")
        state = "waits for a second person" if one.waiting else "goes on with the next command that writes"
        table.add_row(one.erasure, f"{one.scope}: {whose}", moment(one.since), state)
    paper.console().print(table if found else "no erasure is pending")
    return OK


def _as_json(one: Open) -> dict[str, Any]:
    said: dict[str, Any] = {"erasure": one.erasure, "scope": one.scope, "messages": list(one.messages)}
    said |= {"since": one.since, "waiting": one.waiting}
    return said if one.recipient is None else said | {"recipient": one.recipient}
