"""What happens in the demo: three letters, what becomes of them, blocks, evidence; all of it through the HTTP API."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from cli.demo.client import Client
from ledger import checkpoint, entry, fingerprint, note
from ledger.entry import Entry
from ledger.mark import Mark

LETTERS: Final = Path(__file__).parent

HISTORY: Final = "offer-history.json"
NO_ACCESS: Final = "offer-no-access-r2.json"
PACKAGE: Final = "offer-r2.zip"


@dataclass(slots=True)
class Letter:
    """One message: its file, its envelope as on the wire, which of its files travelled behind a link, and what the
    service answered. ``hidden`` of its recipients are in Bcc."""

    name: str
    mail_from: str
    rcpt_to: Sequence[str]
    hosted: Sequence[str] = ()
    hidden: int = 0
    message: str = ""
    files: Sequence[tuple[str, str]] = ()

    @property
    def path(self) -> Path:
        return LETTERS / self.name

    @property
    def title(self) -> str:
        return self.path.stem

    @property
    def subject(self) -> str:
        return fingerprint.take(self.path.read_bytes()).header("Subject") or ""


@dataclass(frozen=True, slots=True)
class Event:
    """What a receipt says was recorded."""

    letter: Letter
    recipient: str
    entry: Entry


@dataclass(frozen=True, slots=True)
class Blocking:
    """A block, and for each recipient and file whether it came in time."""

    letter: Letter
    id: str
    pairs: Sequence[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that was issued: the name of its file, its octets, and what it is of."""

    name: str
    pdf: bytes
    letter: Letter
    kind: str
    recipient: str
    number: str


@dataclass(slots=True)
class Story:
    """The whole of it, in the order of these methods."""

    client: Client
    letters: Sequence[Letter] = field(default_factory=lambda: _letters())
    log: str = ""

    @property
    def offer(self) -> Letter:
        return self.letters[1]

    def send(self) -> Sequence[Letter]:
        """Record the letters. No idempotency key: each run of the demo sends them once more."""
        for letter in self.letters:
            envelope = {"mail_from": letter.mail_from, "rcpt_to": letter.rcpt_to, "hosted": letter.hosted}
            parts = {
                "envelope": ("application/json", json.dumps(envelope).encode()),
                "message": ("message/rfc822", letter.path.read_bytes()),
            }
            said = self.client.post_parts("/v1/messages", parts).said
            letter.message, self.log = said["message"], said["receipt"]["log"]
            letter.files = [(one["id"], one["name"]) for one in said["files"]]
        return self.letters

    def happen(self) -> Iterator[Event]:
        """What the gateway, the portal and others report, as it comes in."""
        transfer: dict[str, str] = {}
        for letter, recipient, said in _reports(*self.letters):
            one = self._report(letter, {"recipient": recipient} | said | transfer)
            # The service gave the transfer an id; what follows in it says so.
            transfer = {"transfer": one.facts.transfer} if said["kind"] == "download.started" else {}
            yield Event(letter, recipient, one)

    def block(self) -> Sequence[Blocking]:
        """Three blocks: in time, too late, and out of reach."""
        _, offer, invitation = self.letters
        return [
            self._block(offer, {"scope": "recipient", "recipient": "r2", "reason": "wrong-recipient"}),
            self._block(offer, {"scope": "file", "recipient": "r1", "file": "f1"}),
            self._block(invitation, {"scope": "recipient", "recipient": "r1"}),
        ]

    def ask(self) -> Entry:
        """The wrong recipient asks for a file: his denial."""
        said = {"kind": "download.started", "recipient": "r2", "file": "f1", "source": "portal"}
        return _entry(self.client.post("/v1/messages/{message}/events", said, 409, message=self.offer.message).said)

    def lift(self, made: Blocking) -> Entry:
        """Lift a block."""
        route = "/v1/messages/{message}/blocks/{block}/lift"
        return _entry(self.client.post(route, {}, message=made.letter.message, block=made.id).said)

    def export(self) -> dict[str, bytes]:
        """Evidence, by the name of its file."""
        wanted = {HISTORY: {"kind": "history"}, NO_ACCESS: {"kind": "non_access", "recipient": "r2"}}
        return {name: self._export(said) for name, said in wanted.items()}

    def certify(self) -> Sequence[Certificate]:
        """A certificate of each kind."""
        report, offer, _ = self.letters
        wanted = [
            (offer, "dispatch", None),
            (report, "delivery", "r1"),
            (report, "access", "r1"),
            (offer, "block", "r2"),
            (offer, "non_access", "r2"),
        ]
        return [self._certificate(letter, kind, recipient) for letter, kind, recipient in wanted]

    def overclaim(self) -> str:
        """Ask for a certificate that would not be true, because the block came too late: what is answered."""
        said = {"kind": "non_access", "recipient": "r1", "file": "f1"}
        route = "/v1/messages/{message}/certificates"
        return str(self.client.post(route, said, 409, message=self.offer.message).said["detail"])

    def pack(self, certificate: Certificate) -> bytes:
        """Evidence of no access by its recipient as a package, with a certificate of that in it."""
        said = {"kind": "non_access", "recipient": certificate.recipient, "certificate": certificate.number}
        route, message = "/v1/messages/{message}/evidence", certificate.letter.message
        return self.client.post(route, said, 200, accept="application/zip", message=message).body

    def checkpoint(self) -> Mark:
        """The log's newest state, as everybody may have it."""
        signed = self.client.get("/v1/logs/{log}/checkpoint", log=self.log).body
        return Mark(self.log, checkpoint.parse(note.parse(signed)[0]), signed)

    def _report(self, letter: Letter, said: dict[str, Any]) -> Any:
        return _entry(self.client.post("/v1/messages/{message}/events", said, message=letter.message).said)

    def _block(self, letter: Letter, said: dict[str, Any]) -> Blocking:
        answer = self.client.post("/v1/messages/{message}/blocks", said, message=letter.message).said
        pairs = [(pair["recipient"], pair["file"], pair["in_time"]) for pair in answer["pairs"]]
        return Blocking(letter, answer["block"], pairs)

    def _certificate(self, letter: Letter, kind: str, recipient: str | None) -> Certificate:
        said = {"kind": kind} | ({} if recipient is None else {"recipient": recipient})
        answer = self.client.post("/v1/messages/{message}/certificates", said, message=letter.message).said
        pdf = self.client.get("/v1/certificates/{number}.pdf", number=answer["number"]).body
        whom = "all" if recipient is None else recipient
        return Certificate(
            f"{letter.title}-{kind.replace('_', '-')}-{whom}.pdf", pdf, letter, kind, whom, answer["number"]
        )

    def _export(self, said: dict[str, Any]) -> bytes:
        return self.client.post("/v1/messages/{message}/evidence", said, 200, message=self.offer.message).body


def own_hashes() -> frozenset[str]:
    """SHA-256 of each letter, as it stands on the message's record."""
    return frozenset(fingerprint.take(letter.path.read_bytes()).raw.sha256 for letter in _letters())


def _letters() -> list[Letter]:
    jana = "jana.berg@berg-partner.example"
    return [
        Letter("report.eml", jana, ["t.reuter@northgate.example"]),
        # The second address is the mistake this demo is about: adlermann, where aldermann was meant.
        Letter("offer.eml", jana, ["n.okafor@aldermann.example", "m.adler@adlermann.example"], hosted=["f1", "f2"]),
        Letter(
            "invitation.eml",
            "zoe.mueller@berg-partner.example",
            ["bjorn@fjord.example", "y.tanaka@sakura.example", "l.zak@wisla.example", "archive@berg-partner.example"],
            hidden=1,
        ),
    ]


def _reports(report: Letter, offer: Letter, invitation: Letter) -> list[tuple[Letter, str, dict[str, Any]]]:
    taken = {"kind": "relay.accepted", "source": "gateway", "facts": {"code": 250, "tls": True}}
    stated = {"source": "report", "attestation": "E"}
    link = {"kind": "link.opened", "source": "portal"}
    file = {"source": "portal", "file": "f1"}
    scanner = _verdict("link-scanner", "198.51.100.7 HEAD 2s after delivery")
    proxy = _verdict("image-proxy", "203.0.113.80 GoogleImageProxy")
    return [
        (report, "r1", taken | {"details": {"reply": "250 2.0.0 Ok: queued as 4FZ1"}}),
        (report, "r1", {"kind": "delivery.delivered", "facts": {"status": "2.0.0"}} | stated),
        (report, "r1", link | {"facts": {"verdict": scanner}}),
        (report, "r1", link | {"details": {"ip": "192.0.2.44"}}),
        (offer, "r1", taken | {"details": {"reply": "250 2.0.0 Ok: queued as 4FZ2"}}),
        (offer, "r2", taken | {"details": {"reply": "250 2.1.5 Recipient OK"}}),
        (offer, "r1", {"kind": "download.started"} | file),
        (offer, "r1", {"kind": "download.completed"} | file),
        (invitation, "r1", taken),
        (invitation, "r2", {"kind": "message.opened", "source": "portal", "facts": {"verdict": proxy}}),
        (invitation, "r3", {"kind": "delivery.bounced", "facts": {"status": "5.1.1"}} | stated),
        (invitation, "r4", taken),
    ]


def _verdict(rule: str, seen: str) -> dict[str, str]:
    """A detector's: rule, list, and the hash of what it saw."""
    inputs = base64.urlsafe_b64encode(sha256(seen.encode()).digest()).rstrip(b"=").decode()
    return {"agent": "machine", "rule": rule, "list": "demo-1", "inputs": inputs}


def _entry(said: dict[str, Any]) -> Entry:
    """The entry of an answer's receipt."""
    return entry.decode(base64.b64decode(said["receipt"]["entry"]))
