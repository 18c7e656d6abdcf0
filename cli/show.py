"""`postseal show`: one message at a glance, and its whole history."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli import history, naming, paper
from cli.exits import OK
from cli.history import Line
from cli.opening import open_reading
from cli.plain import clean, moment, octets
from ledger.content import missing
from ledger.disclosure import parse
from ledger.grades import ATTESTATIONS
from ledger.reading import Reading

app = typer.Typer(add_completion=False, rich_markup_mode=None)

ERASED = "(erased)"


@app.command()
def show(
    message: Annotated[str, typer.Argument(metavar="MESSAGE", help="Its id; see `postseal messages`.")],
    json_: Annotated[
        bool, typer.Option("--json", help="One JSON object for each entry, disclosures included.")
    ] = False,
) -> int:
    """Show a message: what it is, what is known of each recipient, and every entry of its history.

    All times are UTC and those of the record: when the ledger recorded something, not when it happened.
    """
    naming.check_message(message)
    with open_reading() as reading:
        if json_:
            for line in history.lines(reading, message):
                sys.stdout.write(json.dumps(_as_json(reading, line), ensure_ascii=False) + "\n")
        else:
            page(paper.console(), reading, message)
    return OK


def page(out: Console, reading: Reading, message: str) -> None:
    """The message for a person."""
    found = history.lines(reading, message)
    known = reading.disclosed(message)
    facts: Any = found[0].entry.facts
    raw = known.get("raw", {})
    out.print(
        paper.pairs(
            [
                ("message", message),
                ("subject", str(known.get("subject", "(none, or erased)"))),
                ("from", str(known.get("from", "(none, or erased)"))),
                ("recorded", f"{moment(found[0].entry.at)}, entry {found[0].entry.seq}"),
                ("envelope", f"{facts.envelope}, sender {known.get('mail_from', ERASED) or '<>'}"),
                ("sha256", raw["sha256"] if raw else ERASED),
                ("size", f"{raw['size']:,} octets; size and hash are with CRLF line ends" if raw else ERASED),
            ]
            + ([("content", _content(reading, message))] if facts.content == "kept" else [])
            + ([("unparsed", f"{known['unparsed']}: known by its hash alone")] if "unparsed" in known else [])
            + _kept(reading, message)
        )
    )
    out.print()
    out.print(_recipients(known, facts.recipients))
    out.print()
    out.print(_answers(found, facts.recipients))
    for made in history.blocks(found):
        out.print()
        out.print(_block(made))
    if facts.files:
        out.print()
        out.print(_files(known, facts.files))
    out.print()
    out.print(_history(found))
    vouched = "; ".join(f"{letter} {meaning}" for letter, meaning in ATTESTATIONS.items())
    out.print(f"\nvouched: {vouched}", style="dim")


def _content(reading: Reading, message: str) -> str:
    """What is left of the content that was kept."""
    gone = missing(part for part, *_ in reading.reader.blobs(reading.message(message)))
    if not gone:
        return "kept; `postseal content` writes it"
    if "body" in gone:
        return "kept, and erased"
    return "kept; its header was erased, `postseal content --body` writes the rest"


def _kept(reading: Reading, message: str) -> list[tuple[str, str]]:
    """How long it is to be kept, the holds in force, and what was erased."""
    said = reading.overview(message)
    rows = []
    if said.term is not None:
        due = f", to be erased from {moment(said.term.due)} on" if said.term.due else ""
        rows.append(("retention", f"{said.term.name}: not erased before {moment(said.term.erasable)}{due}"))
    rows += [("hold", id) for id in said.holds]
    rows += [(f"hold of {one.recipient}", id) for one in said.recipients for id in one.holds]
    gone = [("erased", said.erased), *((f"erased, {one.recipient}", one.erased) for one in said.recipients)]
    return rows + [(what, f"{moment(said.times[seq])}, entry {seq}") for what, seq in gone if seq is not None]


def _recipients(known: dict[str, Any], count: int) -> Table:
    table = paper.table("", "recipient", "role")
    for number in range(1, count + 1):
        who = known.get(f"r{number}", {})
        table.add_row(f"r{number}", paper.text(who.get("address", ERASED)), who.get("role", ""))
    return table


def _answers(found: Sequence[Line], count: int) -> Table:
    """When each of the five was first recorded; a machine answers none of them."""
    table = paper.table("first recorded", *history.QUESTIONS)
    for number in range(1, count + 1):
        answers = history.answers(found, f"r{number}")
        lost = history.lost(found, f"r{number}")
        cells = [_cell(*answers.get(question, ("", False)), found[0].entry.at) for question in history.QUESTIONS]
        if lost and "received" not in answers:
            cells[1] = Text(lost, style="red")
        table.add_row(f"r{number}", *cells)
    return table


def _cell(at: str, machine: bool, start: str) -> Text:
    if not at:
        return Text("-", style="dim")
    if machine:
        return Text("machine only", style="yellow")
    # The day only where it is another one than the message's.
    return Text(at[11:19] + "Z" if at[:10] == start[:10] else moment(at).replace("T", " "), style="green")


def _block(made: history.Block) -> Text:
    state = f"lifted {moment(made.lifted)}" if made.lifted else "in force"
    pairs = "; ".join(f"{', '.join(files)} for {recipient}" for recipient, files in made.files.items())
    return Text(f"block {made.id}\n{pairs}; since {moment(made.since.at)}, {state}")


def _files(known: dict[str, Any], count: int) -> Table:
    table = paper.table("", "file", "type", "size", "travelled", right=("size",))
    for number in range(1, count + 1):
        file = known.get(f"f{number}")
        if file is None:
            table.add_row(f"f{number}", ERASED)
            continue
        where = "behind a link" if file["where"] == "hosted" else "inside the mail"
        name = paper.text(str(file.get("name", "(no name)")))
        table.add_row(f"f{number}", name, paper.text(file["media_type"]), octets(file["size"]), where)
    return table


def _history(found: Sequence[Line]) -> Table:
    table = paper.table("entry", "UTC", "on", "kind", "", "what it says", right=("entry",), fixed=("UTC", "on"))
    day = ""
    for line in found:
        says = Text(clean(line.says), style="yellow" if "machine" in line.says else "")
        if line.more:
            more = "; ".join(f"{name} {value}" for name, value in line.more)
            says.append((" - " if line.says else "") + clean(more), style="dim")
        # The day stands where it begins.
        at = line.entry.at
        when = at[11:19] + "Z" if at[:10] == day else f"{at[:10]}\n{at[11:19]}Z"
        day = at[:10]
        on = "mail" if line.on == "message" else line.on
        table.add_row(str(line.entry.seq), when, on, line.entry.kind, line.grade, says)
    return table


def _as_json(reading: Reading, line: Line) -> dict[str, Any]:
    found = reading.reader.entry(line.entry.seq) or b"{}"
    sealed = reading.disclosures([line.entry.seq]).get(line.entry.seq, ())
    opened = {one.name: one.value for one in map(parse, sealed)}
    return {"on": line.on, "says": line.says, "entry": json.loads(found), "disclosed": opened}
