"""`postseal release`: end a hold."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from cli import naming
from cli.exits import OK
from cli.plain import moment
from cli.writing import AcceptClock, open_log, person
from ledger import entry

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def release(
    message: Annotated[str, typer.Argument(metavar="MESSAGE", help="Its id.")],
    hold: Annotated[str, typer.Argument(metavar="HOLD", help="The hold's id; see `postseal show`.")],
    reason: Annotated[str | None, typer.Option(metavar="CODE", help="Why: a word like settled.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
    accept_clock: AcceptClock = False,
) -> int:
    """Release a hold. That it was in force until now stays on record."""
    naming.check_message(message)
    naming.check_hold(hold)
    naming.check_reason(reason)
    with open_log(accept_clock) as log:
        outcome = log.release(message, hold, reason=reason, sealed=[("actor", person(log)[1])])
    first = outcome.recorded[0]
    if json_:
        sys.stdout.write(json.dumps({"hold": hold, "seq": first.seq, "leaf_hash": first.leaf}) + "\n")
    else:
        sys.stdout.write(f"hold {hold} released at {moment(entry.decode(first.data).at)} (entry {first.seq})\n")
    return OK
