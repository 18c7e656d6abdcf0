"""`postseal event`: what happened to a message, as somebody or something reports it."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any, cast

import typer

from cli import facts, naming
from cli.exits import NO, OK, USAGE, Stop
from cli.plain import moment
from cli.writing import AcceptClock, open_log
from ledger import entry
from ledger.errors import Blocked
from ledger.event import Clock, Source
from ledger.grades import ATTESTATIONS, GRADES
from ledger.receipt import Receipt
from ledger.sequencer import Outcome

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_ATTESTED = "; ".join(f"{letter}: {meaning}" for letter, meaning in ATTESTATIONS.items())
_SEALED = "reply, ip, user_agent, url, host, tls, bytes, code_for, identity, raw, detail"
_KINDS = "Kinds: " + ", ".join(facts.TRACKING) + '. docs/format.md, "Vocabulary", says what each has.'


@app.command(epilog=_KINDS)
def event(
    message: Annotated[str, typer.Argument(metavar="MESSAGE", help="Its id; see `postseal messages`.")],
    kind: Annotated[str, typer.Argument(metavar="KIND", help="What happened; see below.")],
    recipient: Annotated[str | None, typer.Option(metavar="r1|ADDRESS", help="Whom it is about, if known.")] = None,
    file: Annotated[str | None, typer.Option(metavar="f1", help="Which file.")] = None,
    occurred: Annotated[str | None, typer.Option(metavar="INSTANT", help="When it happened; needs --clock.")] = None,
    clock: Annotated[
        str | None,
        typer.Option(
            metavar="CLOCK",
            help="Goes with --occurred: whose clock told it. declared: the sender's; observed: ours; stated: the other "
            "side's; attested: a timestamp authority's; deadline.",
        ),
    ] = None,
    source: Annotated[
        str, typer.Option(metavar="SOURCE", help="Who observed it: api, gateway, portal, webhook, report, import.")
    ] = "api",
    attestation: Annotated[str, typer.Option(metavar="A-E", help=f"Who vouches. {_ATTESTED}.")] = "E",
    transfer: Annotated[
        str | None, typer.Option(metavar="ID", help="Of a download; a download.started without one gets one.")
    ] = None,
    seal: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", help=f"A fact that may be personal, sealed. Names are open; in use: {_SEALED}."
        ),
    ] = None,
    fact: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", help="A fact of the kind, in the clear: code, status, tls, reason, method, purpose."
        ),
    ] = None,
    key: Annotated[
        str | None, typer.Option(metavar="KEY", help="What its source calls it: the same key is recorded once.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
    accept_clock: AcceptClock = False,
) -> int:
    """Record an event of a message. Its grade follows from its kind.

    A download.started or link.confirmed that a block covers is refused, and the attempt recorded (exit status 1).
    What a webhook, a report or an import tells of has happened: it is recorded all the same, and flagged late.
    """
    naming.check_message(message)
    naming.check_recipient(recipient)
    naming.check_source(source)
    naming.check_attestation(attestation)
    known = facts.kind_of(kind)
    if recipient is None and "message" not in known.on:
        raise Stop(USAGE, f"{kind} is about one recipient: name him with --recipient")
    begins = kind == "download.started" and transfer is None
    # An id that stands in for the one that the ledger will make.
    given = {"file": file, "transfer": message if begins else transfer}
    said = facts.read(known, naming.pairs("--fact", fact), given)
    sealed = naming.sealed(seal)
    when = naming.instant(occurred, clock)
    if key == "":
        raise Stop(USAGE, "--key is what the source calls the event, and not empty")
    with open_log(accept_clock) as log:
        if begins:
            said["transfer"] = log.new_id()
        number = None if recipient is None else naming.recipient_of(log, message, recipient)
        draft = log.draft(
            message,
            number,
            kind,
            source=cast(Source, source),
            attestation=attestation,
            facts=said,
            sealed=sealed,
            occurred=when,
            clock=cast("Clock | None", clock),
            key=None if key is None else log.event_key(f"cli:{source}", key),
        )
        try:
            outcome = log.write(draft)
        except Blocked as denied:
            receipt = cast(Receipt, denied.receipt)
            raise Stop(NO, f"denied: {denied}; the attempt is on record as entry {receipt.seq}") from None
    sys.stdout.write(_as_json(outcome) if json_ else _as_text(outcome))
    return OK


def _as_json(outcome: Outcome) -> str:
    recorded = outcome.recorded[0]
    said = {"repeated": outcome.repeated, "seq": recorded.seq, "leaf_hash": recorded.leaf}
    return json.dumps(said | {"entry": json.loads(recorded.data)}, ensure_ascii=False) + "\n"


def _as_text(outcome: Outcome) -> str:
    made = entry.decode(outcome.recorded[0].data)
    told: Any = made.facts
    grade = f" ({told.grade}, {GRADES[told.grade]})"
    when = "recorded before, " if outcome.repeated else ""
    late = "\nIt fell on a blocked file: it is flagged late, and counts against a claim of no access." * (
        getattr(told, "late", None) is True
    )
    transfer = getattr(told, "transfer", None)
    more = f"\ntransfer {transfer}" if isinstance(transfer, str) else ""
    return f"entry {made.seq}: {made.kind}{grade}, {when}at {moment(made.at)}{late}{more}\n"
