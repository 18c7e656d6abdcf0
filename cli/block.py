"""`postseal block`: what the sender still can do about it, and an honest word on what he cannot."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Annotated, Any, get_args

import typer

from cli import naming, paper
from cli.exits import OK, USAGE, Stop
from cli.plain import moment
from cli.writing import AcceptClock, open_log
from ledger import act, drafts, entry
from ledger.event import Scope
from ledger.sequencer import Outcome

app = typer.Typer(add_completion=False, rich_markup_mode=None)

IN_TIME = {
    "yes": ("in time", "green", "no access to it was recorded before"),
    "no": ("too late", "red", "it had been handed over before, at least in part"),
    "unknown": ("not known", "yellow", "someone who cannot be told apart had access before"),
}
INSIDE = ("out of reach", "red", "it travelled inside the mail, where no block reaches it")


@app.command()
def block(
    message: Annotated[str, typer.Argument(metavar="MESSAGE", help="Its id; see `postseal messages`.")],
    scope: Annotated[str, typer.Option(metavar="all|recipient|file", help="What to block.")],
    recipient: Annotated[str | None, typer.Option(metavar="r1|ADDRESS", help="For this recipient.")] = None,
    file: Annotated[str | None, typer.Option(metavar="f1", help="This file.")] = None,
    reason: Annotated[str | None, typer.Option(metavar="CODE", help="Why: a word like wrong-recipient.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
    accept_clock: AcceptClock = False,
) -> int:
    """Block files of a message: from this entry on none of them is handed over until the block is lifted.

    Only files behind a link can be blocked. The answer says for each file and recipient whether it came in time.
    """
    naming.check_message(message)
    naming.check_recipient(recipient)
    naming.check_file(file)
    naming.check_reason(reason)
    if scope not in get_args(Scope):
        raise Stop(USAGE, "--scope is all, recipient or file")
    # Whoever an address names, the rest of it must go together.
    drafts.check_block(scope, recipient and "r1", file, reason)
    with open_log(accept_clock) as log:
        number = None if recipient is None else naming.recipient_of(log, message, recipient)
        made, outcome = log.block(message, scope, recipient=number, file=file, reason=reason)
        known = log.disclosed(message)
    if json_:
        said = {
            "block": made.block,
            "seq": outcome.recorded[0].seq,
            "leaf_hash": outcome.recorded[0].leaf,
            "pairs": [
                {"recipient": f"r{one}", "file": f, "in_time": in_time, "where": _where(known, f)}
                for one, f, in_time in made.pairs
            ],
        }
        sys.stdout.write(json.dumps(said) + "\n")
    else:
        show(made, outcome, known)
    return OK


def show(made: act.Block, outcome: Outcome, known: Mapping[str, Any]) -> None:
    """The pairs a block covers, each with what it could still do."""
    out = paper.console()
    at = moment(entry.decode(outcome.recorded[0].data).at)
    out.print(f"block {made.block}\nin force since {at}, entry {outcome.recorded[0].seq}\n")
    table = paper.table("recipient", "file", "blocked", "", fixed=("recipient", "blocked"))
    for number, file, in_time in made.pairs:
        word, colour, why = INSIDE if _where(known, file) == "inside" else IN_TIME[in_time]
        name = known.get(file, {}).get("name", "")
        table.add_row(f"r{number}", paper.text(f"{file} {name}"), paper.text(word, colour), why)
    out.print(table)


def _where(known: Mapping[str, Any], file: str) -> str:
    return str(known.get(file, {}).get("where", "unknown"))
