"""`postseal record`: messages from files into the ledger, thousands at a time, each once however often it is run."""

from __future__ import annotations

import json
import sys
from collections import Counter, deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import Progress, TaskID

from cli import paper, sources
from cli.exits import NO, OK, USAGE, Stop
from cli.mbox import Quoting
from cli.opening import AcceptClock, open_log
from cli.plain import clean, plural
from cli.sources import Found
from ledger import canonical, entry, envelope, fingerprint
from ledger.drafts import Opening
from ledger.envelope import Envelope
from ledger.errors import FormatError, LedgerError, Refused
from ledger.fingerprint import Fingerprint
from ledger.log import Log, request_key
from ledger.sequencer import Answer, Outcome, Submission

BATCH: Final = 256
IN_FLIGHT: Final = 4
"""Batches handed to the writer and not yet answered: it is never idle, and memory stays bounded."""

LISTED: Final = 20
"""So many messages are listed one by one; of more only the sums are told."""

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@dataclass(slots=True)
class Item:
    """One message on its way."""

    label: str
    print: Fingerprint
    sent: Envelope
    openings: Sequence[Opening]
    submission: Submission
    where: Sequence[str]


@dataclass(slots=True)
class Said:
    """What became of everything so far."""

    json: bool
    quiet: bool
    out: Console
    err: Console
    recorded: int = 0
    repeated: int = 0
    unparsed: int = 0
    recipients: int = 0
    files: int = 0
    skipped: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    listed: list[tuple[str, str, str, str]] = field(default_factory=list)

    def refuse(self, label: str, reason: str) -> None:
        self.refused[reason] += 1
        if self.json:
            self._line({"path": label, "refused": reason})
        else:
            self.err.print(paper.text(f"refused  {label}: {reason}", "red"), soft_wrap=True)

    def tell(self, item: Item, outcome: Outcome) -> None:
        first = outcome.recorded[0]
        message = entry.decode(first.data).chain
        self.recorded += not outcome.repeated
        self.repeated += outcome.repeated
        self.recipients += 0 if outcome.repeated else len(item.openings)
        self.files += 0 if outcome.repeated else len(item.print.files)
        self.unparsed += item.print.reason is not None
        if self.json:
            self._line(_as_json(item, message, outcome))
            return
        if self.quiet:
            sys.stdout.write(f"{message}\n")
        if item.print.reason is not None:
            reason = f"unparsed {item.label}: {item.print.reason}; recorded by its hash alone"
            self.err.print(paper.text(reason, "yellow"), soft_wrap=True)
        if len(self.listed) <= LISTED:
            what = f"{plural(len(item.openings), 'recipient')}, {plural(len(item.print.files), 'file')}"
            self.listed.append((message, "before" if outcome.repeated else "now", what, item.label))

    def _line(self, value: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")

    def conclude(self) -> None:
        """The list, if it is short, and the sums."""
        if self.json or self.quiet:
            return
        if 0 < len(self.listed) <= LISTED:
            table = paper.table("message", "recorded", "with", "from", fixed=("message",))
            for message, when, what, label in self.listed:
                table.add_row(message, when, what, clean(label))
            self.out.print(table)
        new = f"{plural(self.recorded, 'message')} to {plural(self.recipients, 'recipient')}"
        rows = [
            ("recorded", f"{new}, {plural(self.files, 'file')}"),
            ("recorded before", f"{self.repeated:,}" if self.repeated else ""),
            ("recorded by hash alone", f"{self.unparsed:,} that could not be parsed" if self.unparsed else ""),
            ("skipped, no mail", f"{self.skipped:,}" if self.skipped else ""),
            *((f"refused, {count:,}", reason) for reason, count in self.refused.most_common()),
        ]
        self.out.print(paper.pairs([row for row in rows if row[1]]))


def _as_json(item: Item, message: str, outcome: Outcome) -> dict[str, Any]:
    said: dict[str, Any] = {
        "path": item.label,
        "message": message,
        "repeated": outcome.repeated,
        "recipients": [{"id": o.recipient, "address": o.address, "role": o.role} for o in item.openings],
        "files": [
            {
                "id": f.file,
                "name": f.name,
                "media_type": f.media_type,
                "size": f.size,
                "sha256": f.sha256,
                "where": "hosted" if f.file in item.where else "inside",
            }
            for f in item.print.files
        ],
        "seq": outcome.recorded[0].seq,
        "leaf_hash": outcome.recorded[0].leaf,
        "envelope": "declared" if item.sent.declared else "given",
    }
    if item.print.reason is not None:
        said["unparsed"] = item.print.reason
    return said


@app.command()
def record(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH", help=".eml, mbox, Maildir, directories of them; - is one message."),
    ],
    from_: Annotated[
        str | None, typer.Option("--from", metavar="ADDRESS", help="Envelope sender, as on the wire.")
    ] = None,
    to: Annotated[
        list[str] | None, typer.Option(metavar="ADDRESS", help="Envelope recipient; may be repeated.")
    ] = None,
    bcc: Annotated[list[str] | None, typer.Option(metavar="ADDRESS", help="The same, for who is in no header.")] = None,
    hosted: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="f1, f2 ...: files that travel behind a link, which alone can be blocked."),
    ] = None,
    quoting: Annotated[str, typer.Option(metavar="rd|o|none", help="How mbox files quote From lines.")] = "rd",
    json_: Annotated[bool, typer.Option("--json", help="One JSON object a line for each message.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only the messages' ids, one a line.")] = False,
    accept_clock: AcceptClock = False,
) -> int:
    """Record messages: their hashes and those of their parts; the content itself is not kept.

    Without --to the envelope is taken from the headers and labelled declared; nobody in Bcc can be known then.
    A message that was recorded before under the same envelope is not recorded again. Exit status: 0, or 1 if anything
    was refused; the rest is recorded all the same.
    """
    if quoting not in ("rd", "o", "none"):
        raise Stop(USAGE, "--quoting is rd, o or none")
    rcpt = [*(to or []), *(bcc or [])]
    if (from_ is None) != (not rcpt):
        raise Stop(USAGE, "--from goes with --to or --bcc: an envelope has a sender and a recipient")
    given = None if from_ is None else envelope.given(from_, rcpt)
    out, err = paper.console(), paper.console(sys.stderr)
    found = list(sources.find(paths))
    total = sum(one.size for one in found if isinstance(one, sources.Source))
    with open_log(accept_clock) as log, paper.progress("recording") as bar:
        said = Said(json_, quiet, out, bar.console if bar.console.is_terminal else err)
        task = bar.add_task("", total=total or None, said="")
        run = Run(log, said, given, tuple(hosted or ()), bar, task)

        def skip(path: Path) -> None:
            said.skipped += 1

        for one in sources.read(found, _quoting(quoting), skip, lambda octets: bar.advance(task, octets)):
            run.take(one)
        run.finish()
    said.conclude()
    return NO if said.refused else OK


def _quoting(word: str) -> Quoting:
    return "rd" if word == "rd" else "o" if word == "o" else "none"


@dataclass(slots=True)
class Run:
    """Messages on their way to the writer."""

    log: Log
    said: Said
    given: Envelope | None
    hosted: tuple[str, ...]
    bar: Progress
    task: TaskID
    batch: list[Item] = field(default_factory=list)
    waiting: deque[tuple[list[Item], Future[list[Answer]]]] = field(default_factory=deque)
    keys: set[bytes] = field(default_factory=set)

    def take(self, found: Found) -> None:
        """One message, or why there is none."""
        if found.problem:
            self.said.refuse(found.label, found.problem)
            return
        try:
            item = self._prepare(found)
        except (FormatError, Refused) as error:
            self.said.refuse(found.label, str(error))
            return
        if item.submission.key in self.keys:
            # Twice in what was given: the second is answered from what the first has written.
            self.finish()
        if item.submission.key is not None:
            self.keys.add(item.submission.key)
        self.batch.append(item)
        if len(self.batch) >= BATCH:
            self._send()

    def finish(self) -> None:
        """Until everything so far is durable and told."""
        self._send()
        while self.waiting:
            self._receive()
        self.keys.clear()

    def _send(self) -> None:
        if self.batch:
            while len(self.waiting) >= IN_FLIGHT:
                self._receive()
            self.waiting.append((self.batch, self.log.submit([item.submission for item in self.batch])))
            self.batch = []

    def _receive(self) -> None:
        items, future = self.waiting.popleft()
        for item, answer in zip(items, future.result(), strict=True):
            if isinstance(answer, Refused):
                self.said.refuse(item.label, str(answer))
            elif isinstance(answer, LedgerError):
                raise answer
            else:
                self.said.tell(item, answer)
        # What is durable may be forgotten: only keys of messages in flight must not meet.
        self.keys.difference_update(item.submission.key for item in items if item.submission.key is not None)
        self.bar.update(self.task, said=f"{self.said.recorded + self.said.repeated:,}")

    def _prepare(self, found: Found) -> Item:
        taken = fingerprint.take(found.octets)
        sent = self.given or _declared(found.octets)
        roles = _roles(taken, found.octets, sent)
        missing = [one for one in self.hosted if one not in {leaf.file for leaf in taken.files}]
        if missing:
            raise FormatError(f"--hosted {missing[0][:8]}: the message has {plural(len(taken.files), 'file')}")
        # Under the blind index's key: a plain hash of addresses could be found by guessing them.
        said = canonical.dumps([taken.raw.sha256, sent.mail_from, list(sent.rcpt_to), sent.declared, list(self.hosted)])
        digest = self.log.ring.blind("record", said.decode())
        made, openings = self.log.prepare(taken, sent, roles, source="import", hosted=self.hosted)
        submission = Submission(made, request_key("record", digest.hex()), digest)
        return Item(found.label, taken, sent, openings, submission, self.hosted)


def _declared(octets: bytes) -> Envelope:
    try:
        return envelope.declared(octets)
    except FormatError:
        raise FormatError("its headers name no recipient; say --from and --to") from None


def _roles(taken: Fingerprint, octets: bytes, sent: Envelope) -> list[str]:
    """As the headers have them; where they cannot be read, nothing but the envelope names a recipient."""
    if taken.parsed:
        return envelope.roles(octets, sent)
    return ["envelope"] * len(sent.rcpt_to)
