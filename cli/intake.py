"""Messages on their way into the ledger: prepared, handed to the writer in batches, told of in order."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from rich.console import Console
from rich.progress import Progress, TaskID

from api.settings import SecondDigest
from cli import paper
from cli.plain import plural
from cli.sources import Found
from ledger import canonical, entry, envelope, fingerprint, signed
from ledger.drafts import Opening
from ledger.envelope import Envelope
from ledger.errors import FormatError, LedgerError, Refused
from ledger.fingerprint import Fingerprint
from ledger.log import Log
from ledger.retention import Class
from ledger.sequencer import Answer, Outcome, Submission

BATCH: Final = 256
IN_FLIGHT: Final = 4
"""Batches handed to the writer and not yet answered: it is never idle, and memory stays bounded."""

LISTED: Final = 20
"""So many messages are listed one by one; of more only the sums are told."""


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
    mute: bool = False
    refused: Counter[str] = field(default_factory=Counter)
    listed: list[tuple[str, str, str]] = field(default_factory=list)

    def refuse(self, label: str, reason: str) -> None:
        self.refused[reason] += 1
        if self.mute:
            return
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
        if self.mute:
            return
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
            self.listed.append((message, item.label, what + ", recorded before" * outcome.repeated))

    def _line(self, value: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")

    def conclude(self) -> None:
        """The list, if it is short, and the sums."""
        if self.json or self.quiet:
            return
        if 0 < len(self.listed) <= LISTED:
            table = paper.table("message", "from, with", fixed=("message",))
            for message, label, what in self.listed:
                table.add_row(message, paper.text(label).append(f"\n{what}", style="dim"))
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


@contextmanager
def uninterrupted() -> Iterator[None]:
    """An interrupt that comes meanwhile takes effect afterwards: what is counted here is counted whole."""
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came and before is not signal.SIG_IGN:
        raise KeyboardInterrupt


@dataclass(slots=True)
class Intake:
    """Messages on their way to the writer."""

    log: Log
    said: Said
    given: Envelope | None
    hosted: tuple[str, ...]
    keep: bool
    dkim_keys: Mapping[str, str]
    second: SecondDigest | None
    kept: Class | None
    bar: Progress
    task: TaskID
    batch: list[Item] = field(default_factory=list)
    waiting: deque[tuple[deque[Item], Future[list[Answer]]]] = field(default_factory=deque)
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

    def settle(self) -> None:
        """Until everything is told that was handed to the writer: it will be recorded. Nothing more is handed to it."""
        while self.waiting:
            # Of several that the writer could not record, the first ended the run.
            with suppress(LedgerError):
                self._receive()
        for item in self.batch:
            self.log.settle(item.submission.act, Refused("not handed over"))

    def _send(self) -> None:
        if self.batch:
            while len(self.waiting) >= IN_FLIGHT:
                self._receive()
            with uninterrupted():
                future = self.log.submit([item.submission for item in self.batch])
                self.waiting.append((deque(self.batch), future))
                self.batch = []

    def _receive(self) -> None:
        items, future = self.waiting[0]
        try:
            answers = future.result()
        except LedgerError:
            self.waiting.popleft()
            raise
        with uninterrupted():
            # Each is taken off before it is told: what an error leaves here is told next time.
            while items:
                answer = answers[-len(items)]
                self._tell(items.popleft(), answer)
            self.waiting.popleft()
        self.bar.update(self.task, said=f"{self.said.recorded + self.said.repeated:,}")

    def _tell(self, item: Item, answer: Answer) -> None:
        # What is durable may be forgotten: only keys of messages in flight must not meet.
        if item.submission.key is not None:
            self.keys.discard(item.submission.key)
        self.log.settle(item.submission.act, answer)
        if isinstance(answer, Refused):
            self.said.refuse(item.label, str(answer))
        elif isinstance(answer, LedgerError):
            raise answer
        else:
            self.said.tell(item, answer)

    def _prepare(self, found: Found) -> Item:
        taken = fingerprint.take(found.octets, second=self.second)
        sent = self.given or _declared(found.octets)
        roles = _roles(taken, found.octets, sent)
        missing = [one for one in self.hosted if one not in {leaf.file for leaf in taken.files}]
        if missing:
            raise FormatError(f"--hosted {missing[0][:8]}: the message has {plural(len(taken.files), 'file')}")
        # Under the blind index's key: a plain hash of addresses could be found by guessing them.
        told: list[canonical.Json] = [
            taken.raw.sha256,
            sent.mail_from,
            list(sent.rcpt_to),
            sent.declared,
            list(self.hosted),
        ]
        digest = self.log.ring.blind("record", canonical.dumps([*told, *["kept"] * self.keep]).decode())
        key = self.log.request_key("record", digest.hex())
        made, openings = self.log.prepare_kept(
            found.octets if self.keep else None,
            key,
            taken,
            sent,
            roles,
            source="import",
            hosted=self.hosted,
            retention=self.kept,
            signed=signed.facts(found.octets, self.dkim_keys, int(time.time())),
        )
        submission = Submission(made, key, digest)
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
