"""Real ledgers for tests of the writing side: opened on a database, filled with mail, written to without a `Log`."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import event

from adapters.blobs import LocalBlobs
from ledger import act, envelope, fingerprint
from ledger.envelope import Envelope
from ledger.errors import LedgerError
from ledger.event import Instance
from ledger.fingerprint import Fingerprint
from ledger.keys import KeyRing, MasterKey, ring_path
from ledger.log import Log, RecordedMessage
from ledger.plan import Act
from ledger.sequencer import Answer, Outcome, Sequencer, Submission
from ledger.store import Store, open_store

ORIGIN = "log.example/mail"
MASTER = MasterKey(b"m" * 32)
MINUTE = 60_000_000
HOUR = 60 * MINUTE
YEAR = 365 * 24 * HOUR


def open_log(url: str, directory: Path, **options: Any) -> Log:
    """A log whose beats do not come in between."""
    own = {"heartbeat": False, "blobs": partial(LocalBlobs, directory / "blobs")}
    return Log.open(url, directory, origin=ORIGIN, master=MASTER, **(own | options))


def mail(recipients: int = 2, files: int = 2, subject: str = "the plan") -> tuple[Fingerprint, Envelope, list[str]]:
    """A message with so many recipients and attachments, ready for `Log.record`."""
    addresses = [f"r{k}@example.com" for k in range(1, recipients + 1)]
    # Most of them blind copies, as in a real mailing: a header may not hold twenty thousand.
    lines = ["From: sender@example.org", f"To: {', '.join(addresses[:2])}", f"Subject: {subject}", "MIME-Version: 1.0"]
    lines += ["Content-Type: multipart/mixed; boundary=x", "", "--x", "", "see attached"]
    for k in range(1, files + 1):
        lines += ["--x", "Content-Type: application/pdf", f"Content-Disposition: attachment; filename=f{k}.pdf"]
        lines += ["", f"file {k} of {subject}"]
    octets = "\r\n".join([*lines, "--x--", ""]).encode()
    sent = envelope.given("sender@example.org", addresses)
    return fingerprint.take(octets), sent, envelope.roles(octets, sent)


def record(log: Log, recipients: int = 2, files: int = 2, **details: Any) -> RecordedMessage:
    hosted = [f"f{k}" for k in range(1, files + 1)]
    return log.record(*mail(recipients, files), **({"hosted": hosted} | details))


def download(log: Log, message: str, recipient: str, file: str = "f1", kind: str = "started", **more: Any) -> act.Event:
    """A download event, ready to submit."""
    facts = {"file": file, "transfer": more.pop("transfer", None) or log.new_id()}
    details: dict[str, Any] = {"source": "portal", "facts": facts} | more
    return log.draft(message, recipient, f"download.{kind}", **details)


def submit(writer: Log | Sequencer, *acts: Act, timeout: float = 60) -> list[Answer]:
    """All in one batch; outcomes and errors alike are returned."""
    return writer.submit([Submission(one) for one in acts]).result(timeout)


def outcome(answer: Answer) -> Outcome:
    if isinstance(answer, LedgerError):
        raise answer
    return answer


def outcomes(answers: Sequence[Answer]) -> list[Outcome]:
    return [outcome(answer) for answer in answers]


def beat(instance: str) -> act.Own:
    """The smallest act there is."""
    return act.Own("ledger.heartbeat", Instance(instance=instance))


@dataclass
class Time:
    """A clock in the test's hand: the wall's and the monotonic one, in microseconds."""

    wall: int = 1_780_000_000_000_000
    monotonic: int = 5_000_000

    def pass_(self, micros: int) -> None:
        self.wall += micros
        self.monotonic += micros


@dataclass
class Bare:
    """A database that holds a log, and a sequencer on it with no `Log` around."""

    store: Store
    ring: KeyRing
    sequencer: Sequencer


@contextmanager
def bare(
    url: str, directory: Path, wrap: Callable[[Any], Any] = lambda appender: appender, **options: Any
) -> Iterator[Bare]:
    """A sequencer of its own on the log that `open_log` began here. ``wrap`` may put itself before its appender."""
    store = open_store(url)
    ring = KeyRing.load(ring_path(directory, store.reader.head().log), MASTER, store.reader.head().log, os.urandom)
    sequencer = Sequencer(wrap(store.appender()), ring, **({"sleep": lambda _: None} | options))
    try:
        yield Bare(store, ring, sequencer)
    finally:
        sequencer.close()
        store.close()


@contextmanager
def counting(log: Log) -> Iterator[list[str]]:
    """The queries this thread puts to a log's database. Its beat asks too, on a thread of its own."""
    asked: list[str] = []
    me = threading.get_ident()

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "SELECT" in statement and threading.get_ident() == me:
            asked.append(statement)

    event.listen(log.store.engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(log.store.engine, "before_cursor_execute", note)
