"""`postseal messages`: what is in the ledger, newest first."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer
from rich.text import Text

from cli import naming, paper
from cli.exits import OK, USAGE, Stop
from cli.opening import open_reading
from cli.plain import moment, plural
from ledger import entry
from ledger.reading import Reading
from ledger.state import FIRSTS, NEVER, Chain

app = typer.Typer(add_completion=False, rich_markup_mode=None)

STATES = {
    "relay.accepted": "sent",
    "delivery.delivered": "received",
    "message.opened": "opened",
    "link.opened": "link opened",
    "download.started": "download begun",
    "download.completed": "downloaded",
    "delivery.bounced": "bounced",
    "access.denied": "denied",
}


@app.command()
def messages(
    limit: Annotated[int, typer.Option("-n", "--limit", metavar="N", min=1, max=1000, help="How many.")] = 20,
    before: Annotated[
        str | None, typer.Option(metavar="MESSAGE", help="Go on after this one, the last of the page before.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> int:
    """List recorded messages, newest first, with what is recorded of any of their recipients.

    Here a machine's fetch counts like anyone's; `postseal show` tells them apart.
    """
    if before is not None:
        naming.check_message(before)
    with open_reading() as reading:
        start = None if before is None else reading.message(before).no
        rows = [_row(reading, chain) for chain in reading.reader.messages(limit, start)]
    if json_:
        for row in rows:
            sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
        return OK
    if not rows:
        raise Stop(OK if before else USAGE, "no message is recorded here" if not before else "no older message")
    out = paper.console()
    table = paper.table("message, recorded (UTC)", "subject, what is recorded", fixed=("message, recorded (UTC)",))
    for row in rows:
        states = [f"{count} {state}" for state, count in row["states"].items()]
        counts = f"{plural(row['recipients'], 'recipient')}, {plural(row['files'], 'file')}"
        left = Text(row["message"]).append(f"\n{moment(row['recorded'])}\n", style="dim")
        right = paper.text(row["subject"] or "(no subject, or erased)", "bold")
        table.add_row(left, right.append(f"\n{': '.join([counts, *filter(None, [', '.join(states)])])}", style="dim"))
    out.print(table)
    if len(rows) == limit:
        out.print(f"\nolder ones: postseal messages --before {rows[-1]['message']}", style="dim")
    return OK


def _row(reading: Reading, chain: Chain) -> dict[str, Any]:
    first = entry.decode(reading.reader.chain_entries(chain, 0, 1)[0][1])
    states: dict[str, int] = {}
    for recipient in reading.reader.recipients(chain):
        for kind, place in FIRSTS.items():
            if recipient.firsts[place] != NEVER:
                states[STATES[kind]] = states.get(STATES[kind], 0) + 1
        if recipient.blocks:
            states["blocked"] = states.get("blocked", 0) + 1
    return {
        "message": chain.id,
        "recorded": first.at,
        "recipients": chain.recipients,
        "files": chain.files,
        "states": states,
        "subject": str(reading.disclosed(chain.id).get("subject", "")),
    }
