"""What happens in the demo: three letters, what becomes of them, blocks, and evidence. Nothing here is printed."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, cast

from ledger import act, canonical, envelope, evidence, fingerprint
from ledger.document import Evidence
from ledger.drafts import Opening
from ledger.errors import Blocked
from ledger.fingerprint import Fingerprint
from ledger.log import Log, Receipt
from ledger.sequencer import Outcome
from ledger.transaction import Recorded

LETTERS: Final = Path(__file__).parent


@dataclass(slots=True)
class Letter:
    """One message: its file, its envelope as on the wire, which of its files travelled behind a link."""

    name: str
    mail_from: str
    rcpt_to: Sequence[str]
    hosted: Sequence[str] = ()
    message: str = ""
    seq: int = 0
    recipients: Sequence[Opening] = ()

    @property
    def print(self) -> Fingerprint:
        return fingerprint.take(self.octets)

    @property
    def octets(self) -> bytes:
        return (LETTERS / self.name).read_bytes()


@dataclass(slots=True)
class Blocking:
    """A block, its letter, and what followed from it."""

    letter: Letter
    block: act.Block
    outcome: Outcome


@dataclass(slots=True)
class Told:
    """What the story has written."""

    letters: dict[str, Letter]
    events: list[tuple[Letter, str, Recorded]] = field(default_factory=list)
    blocks: list[Blocking] = field(default_factory=list)
    denied: tuple[str, Receipt] | None = None
    evidence: dict[str, Evidence] = field(default_factory=dict)


def tell(log: Log) -> Told:
    """All of it."""
    told = Told({letter.name: letter for letter in _letters()})
    for letter in told.letters.values():
        _record(log, letter)
    _happen(log, told)
    _block(log, told)
    offer = told.letters["offer.eml"]
    told.evidence["offer-history.json"] = log.export(offer.message)
    told.evidence["offer-no-access-r2.json"] = log.export(offer.message, recipient="r2", kind="non_access")
    return told


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
        ),
    ]


def _record(log: Log, letter: Letter) -> None:
    sent = envelope.given(letter.mail_from, letter.rcpt_to)
    # No idempotency key: each run of the demo sends the letters once more.
    done = log.record(letter.print, sent, envelope.roles(letter.octets, sent), source="gateway", hosted=letter.hosted)
    letter.message, letter.recipients, letter.seq = done.message, done.recipients, done.outcome.recorded[0].seq


def _happen(log: Log, told: Told) -> None:
    report, offer, invitation = told.letters.values()
    ok: dict[str, Any] = {"source": "gateway", "attestation": "D", "facts": {"code": 250, "tls": True}}
    transfer = log.new_id()
    scanner = _verdict("link-scanner", "198.51.100.7 HEAD 2s after delivery")
    proxy = _verdict("image-proxy", "203.0.113.80 GoogleImageProxy")
    events: list[tuple[Letter, str, str, dict[str, Any]]] = [
        (report, "r1", "relay.accepted", ok | {"sealed": [("reply", "250 2.0.0 Ok: queued as 4FZ1")]}),
        (report, "r1", "delivery.delivered", {"source": "report", "attestation": "E", "facts": {"status": "2.0.0"}}),
        (report, "r1", "link.opened", {"source": "portal", "facts": {"verdict": scanner}}),
        (report, "r1", "link.opened", {"source": "portal", "sealed": [("ip", "192.0.2.44")]}),
        (offer, "r1", "relay.accepted", ok | {"sealed": [("reply", "250 2.0.0 Ok: queued as 4FZ2")]}),
        (offer, "r2", "relay.accepted", ok | {"sealed": [("reply", "250 2.1.5 Recipient OK")]}),
        (offer, "r1", "download.started", {"source": "portal", "facts": {"file": "f1", "transfer": transfer}}),
        (offer, "r1", "download.completed", {"source": "portal", "facts": {"file": "f1", "transfer": transfer}}),
        (invitation, "r1", "relay.accepted", ok),
        (invitation, "r2", "message.opened", {"source": "portal", "facts": {"verdict": proxy}}),
        (invitation, "r3", "delivery.bounced", {"source": "report", "attestation": "E", "facts": {"status": "5.1.1"}}),
        (invitation, "r4", "relay.accepted", ok),
    ]
    for letter, recipient, kind, details in events:
        outcome = log.event(letter.message, recipient, kind, **details)
        told.events.append((letter, recipient, outcome.recorded[0]))


def _verdict(rule: str, seen: str) -> dict[str, str]:
    """A detector's: rule, list, and the hash of what it saw."""
    inputs = base64.urlsafe_b64encode(sha256(seen.encode()).digest()).rstrip(b"=").decode()
    return {"agent": "machine", "rule": rule, "list": "demo-1", "inputs": inputs}


def _block(log: Log, told: Told) -> None:
    _, offer, invitation = told.letters.values()
    wanted: list[tuple[Letter, str, dict[str, Any]]] = [
        (offer, "recipient", {"recipient": "r2", "reason": "wrong-recipient"}),
        (offer, "file", {"recipient": "r1", "file": "f1"}),
        (invitation, "recipient", {"recipient": "r1"}),
    ]
    for letter, scope, details in wanted:
        made, outcome = log.block(letter.message, scope, **details)
        told.blocks.append(Blocking(letter, made, outcome))
    asked = {"file": "f1", "transfer": log.new_id()}
    try:
        log.event(offer.message, "r2", "download.started", source="portal", facts=asked)
    except Blocked as denied:
        told.denied = "r2", cast(Receipt, denied.receipt)


def tamper(data: bytes) -> bytes:
    """The evidence with the block's instant moved back by an hour, by someone who hopes that nobody computes."""
    document = evidence.parse(data)
    value: Any = canonical.loads(data, limit=len(data))
    for place, held in enumerate(document.entries):
        if b'"kind":"block.applied"' in held.entry:
            start = held.entry.index(b'"at":"') + len(b'"at":"2026-11-23T')
            hour = (int(held.entry[start : start + 2]) - 1) % 24
            forged = held.entry[:start] + b"%02d" % hour + held.entry[start + 2 :]
            value["entries"][place]["entry"] = base64.b64encode(forged).decode()
    return canonical.dumps(value)
