"""A ledger with a story in it, and certificates of every kind of that story."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ledger import envelope, fingerprint
from ledger.act import Own
from ledger.certifying import Certifying, Issued, Service
from ledger.errors import Blocked
from ledger.event import Instance
from ledger.log import Log
from reports import certificate
from tests.ledger.ledgers import download, open_log

SERVICE = Service(
    "Example Ltd, 1 High Street; ledger@example.org",
    "GDPR Art. 6(1)(f): proof of delivery",
    "https://log.example.org/verify",
)
TO = ["bob@client.example", "carol@bank.example", "dave@hidden.example"]
KINDS: tuple[tuple[str, str | None], ...] = (
    ("dispatch", None),
    ("delivery", "r1"),
    ("access", "r1"),
    ("block", None),
    ("non_access", "r2"),
)
SCANNER = {"agent": "machine", "rule": "safelinks", "list": "2026-11-01", "inputs": "A" * 43}


class Clock:
    """Moves by a little whenever it is looked at, and by as much as somebody says."""

    def __init__(self) -> None:
        self.now = 1_795_435_391_123_456

    def __call__(self) -> int:
        self.now += 137
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += round(seconds * 1e6)


def letter(subject: str = "Purchase deed, final version", name: str = "deed.pdf") -> bytes:
    """A mail with two files."""
    head = f"From: Anna de Vries <anna@notary.example>\r\nTo: Bob <{TO[0]}>\r\nCc: {TO[1]}\r\nSubject: {subject}\r\n"
    head += "Date: Mon, 23 Nov 2026 09:12:00 +0100\r\nMessage-ID: <4711@notary.example>\r\nMIME-Version: 1.0\r\n"
    parts = "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nattached\r\n--x\r\n"
    parts += "Content-Type: application/pdf\r\n"
    parts += f'Content-Disposition: attachment; filename="{name}"\r\n\r\nfile 1\r\n--x\r\nContent-Type: text/csv\r\n'
    parts += "Content-Disposition: attachment; filename=settlement.csv\r\n\r\nfile 2\r\n--x--\r\n"
    return (head + parts).encode()


class Office:
    """One message, what happened to it, and who certifies it."""

    def __init__(self, log: Log, clock: Clock) -> None:
        self.log, self.clock, self.message = log, clock, ""
        self.twins: list[bytes] = []
        self.certifying = Certifying(log, self._draw, SERVICE)
        self.who = log.person("k1", "Eve (compliance, key k1)")

    def _draw(self, octets: bytes) -> bytes:
        self.twins.append(octets)
        return certificate.draw(octets)

    def record(self, octets: bytes, to: Sequence[str] = TO, keep: bool = False) -> str:
        sent = envelope.given("anna@notary.example", list(to))
        actor = self.log.person("k2", "Anna (sender, key k2)")
        kept = octets if keep else None
        made = self.log.record(
            fingerprint.take(octets), sent, envelope.roles(octets, sent), hosted=["f1", "f2"], keep=kept, actor=actor
        )
        self.message = made.message
        return made.message

    def event(self, recipient: str | None, kind: str, after: float, **details: Any) -> None:
        self.clock.wait(after)
        self.log.event(self.message, recipient, kind, **details)

    def beat(self) -> None:
        self.log.write(Own("ledger.heartbeat", Instance(instance=self.log.instance)))

    def issue(self, kind: str, recipient: str | None = None, **asked: Any) -> Issued:
        return self.certifying.issue(self.message, kind, actor=self.who, recipient=recipient, **asked)


@contextmanager
def an_office(directory: Path) -> Iterator[Office]:
    clock = Clock()
    directory.mkdir(parents=True, exist_ok=True)
    with open_log(f"sqlite:///{directory}/ledger.db", directory, clock=clock) as log:
        yield Office(log, clock)


def story(office: Office, octets: bytes | None = None, keep: bool = False) -> None:
    """Relayed, bounced, delivered, scanned, opened and fetched, then blocked; a later attempt is denied."""
    office.record(letter() if octets is None else octets, keep=keep)
    reply = [("reply", "250 2.0.0 Ok: queued as 4XyZ1234"), ("mx", "mx1.client.example [192.0.2.10]:25")]
    office.event("r1", "relay.accepted", 2, source="gateway", facts={"code": 250, "tls": True}, sealed=reply)
    office.event("r2", "relay.accepted", 1, source="gateway", facts={"code": 250})
    diagnostic = [("diagnostic", "smtp; 550 5.1.1 User unknown")]
    bounce = {"source": "report", "attestation": "E", "facts": {"status": "5.1.1"}, "sealed": diagnostic}
    office.event("r3", "delivery.bounced", 4, **bounce)
    stated = {"occurred": "2026-11-23T12:03:14.000000Z", "clock": "stated"}
    office.event("r1", "delivery.delivered", 3, source="webhook", attestation="A", **stated)
    agent = [("user_agent", "Mozilla/5.0 SafeLinks")]
    office.event("r1", "link.opened", 1, source="portal", facts={"verdict": SCANNER}, sealed=agent)
    office.beat()
    office.event("r1", "link.opened", 45, source="portal", sealed=[("ip", "203.0.113.9")])
    transfer = office.log.new_id()
    for word in ("started", "completed"):
        office.clock.wait(1)
        office.log.write(download(office.log, office.message, "r1", "f1", word, transfer=transfer))
    office.beat()
    office.clock.wait(50)
    office.log.block(office.message, "all", reason="wrong-recipient")
    office.clock.wait(20)
    try:
        office.log.write(download(office.log, office.message, "r1", "f2"))
    except Blocked:
        pass
    else:
        raise AssertionError("the block did not hold")
    office.beat()
    office.clock.wait(30)


def each_kind(office: Office, look: Callable[[str, str | None, Issued], None], **asked: Any) -> None:
    """Issue every kind, and look at it."""
    for kind, recipient in KINDS:
        look(kind, recipient, office.issue(kind, recipient, **asked))
