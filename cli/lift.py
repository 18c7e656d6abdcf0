"""`postseal lift`: end a block."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from cli import naming
from cli.exits import OK
from cli.plain import moment
from cli.writing import AcceptClock, open_log
from ledger import entry

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def lift(
    message: Annotated[str, typer.Argument(metavar="MESSAGE", help="Its id.")],
    block: Annotated[str, typer.Argument(metavar="BLOCK", help="The block's id; see `postseal show`.")],
    reason: Annotated[str | None, typer.Option(metavar="CODE", help="Why: a word like sent-rightly.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
    accept_clock: AcceptClock = False,
) -> int:
    """Lift a block, on every recipient it covers. That it was in force until now stays on record."""
    naming.check_message(message)
    naming.check_block(block)
    naming.check_reason(reason)
    with open_log(accept_clock) as log:
        outcome = log.lift(message, block, reason=reason)
    first = outcome.recorded[0]
    if json_:
        said = {"block": block, "seq": first.seq, "leaf_hash": first.leaf, "recipients": len(outcome.recorded) - 1}
        sys.stdout.write(json.dumps(said) + "\n")
    else:
        at = moment(entry.decode(first.data).at)
        sys.stdout.write(f"block {block} lifted at {at} (entry {first.seq})\n")
    return OK
