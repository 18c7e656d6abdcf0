"""`postseal hold`: what nothing may be erased of until it is released."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from cli import naming
from cli.exits import OK
from cli.plain import moment
from cli.writing import AcceptClock, open_log, person
from ledger import entry

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def hold(
    message: Annotated[str, typer.Argument(metavar="MESSAGE", help="Its id; see `postseal messages`.")],
    recipient: Annotated[str | None, typer.Option(metavar="r1|ADDRESS", help="Hold this recipient alone.")] = None,
    reason: Annotated[str | None, typer.Option(metavar="CODE", help="Why: a word like lawsuit.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
    accept_clock: AcceptClock = False,
) -> int:
    """Hold a message, with all its recipients, or one of these: until the hold is released nothing of it is erased."""
    naming.check_message(message)
    naming.check_recipient(recipient)
    naming.check_reason(reason)
    with open_log(accept_clock) as log:
        number = None if recipient is None else naming.recipient_of(log, message, recipient)
        outcome = log.hold(message, recipient=number, reason=reason, sealed=[("actor", person(log)[1])])
    first = outcome.recorded[0]
    made: Any = entry.decode(first.data)
    if json_:
        sys.stdout.write(json.dumps({"hold": made.facts.hold, "seq": first.seq, "leaf_hash": first.leaf}) + "\n")
    else:
        sys.stdout.write(f"hold {made.facts.hold} in force since {moment(made.at)} (entry {first.seq})\n")
    return OK
