"""The ledger that is attacked: two to three thousand entries made through `Log`, of every kind that it makes today.

What an outsider would hold of it is kept beside it: checkpoints, receipts, a backup, exported evidence.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from adapters.blobs import LocalBlobs
from ledger import act, document, drafts, envelope, event, fingerprint, mark
from ledger.checkpoint import Checkpoint
from ledger.errors import Blocked
from ledger.keys import KeyRing, MasterKey, ring_path
from ledger.log import Log, RecordedMessage
from ledger.receipt import Receipt
from ledger.sequencer import Outcome, Submission

ORIGIN = "log.example/attacked"
MASTER = MasterKey(b"a" * 32)
START = 1_780_000_000_000_000
SECOND = 1_000_000
MESSAGES = 52


def address(message: int, recipient: int) -> str:
    """One that stands nowhere else, so that its bytes can be looked for."""
    return f"person{recipient}of{message}@recipient-{message}-{recipient}.example"


@dataclass
class Clock:
    """Wall and monotonic clock in one hand."""

    now: int = START

    def __call__(self) -> int:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += int(seconds * SECOND)


@dataclass
class World:
    """A ledger at rest, its secrets, and what others kept of it. ``note`` is its newest checkpoint."""

    url: str
    directory: Path
    log: str
    vkeys: list[str]
    state: Checkpoint
    note: bytes
    kept: dict[str, tuple[Checkpoint, bytes]] = field(default_factory=dict)
    receipts: list[Receipt] = field(default_factory=list)
    evidence: dict[str, bytes] = field(default_factory=dict)
    messages: list[RecordedMessage] = field(default_factory=list)
    tokens: dict[tuple[str, str], str] = field(default_factory=dict)
    backup: Path | None = None
    clock: int = 0

    @property
    def path(self) -> Path:
        return Path(self.url.removeprefix("sqlite:///"))

    def ring(self) -> KeyRing:
        return KeyRing.load(ring_path(self.directory, self.log), MASTER, self.log, os.urandom)

    def mark(self) -> mark.Mark:
        return mark.parse(mark.mark_path(self.directory, self.log).read_bytes())

    def copy(self, place: Path) -> World:
        """The same ledger in another place, to be broken there. SQLite only."""
        shutil.copytree(self.directory, place)
        return replace(self, url=f"sqlite:///{place / self.path.name}", directory=place)

    def reopen(self, **options: Any) -> Log:
        """As its operator would start it the next minute."""
        clock = Clock(self.clock + 60 * SECOND)
        return open_world(self.url, self.directory, clock, **options)


def open_world(url: str, directory: Path, clock: Clock, **options: Any) -> Log:
    own = {"heartbeat": False, "clock": clock, "monotonic": clock, "blobs": partial(LocalBlobs, directory / "blobs")}
    return Log.open(url, directory, origin=ORIGIN, master=MASTER, **(own | options))


def letter(number: int, recipients: int, files: int) -> tuple[fingerprint.Fingerprint, envelope.Envelope, list[str]]:
    """A message and its recipients."""
    octets = octets_of(number, recipients, files)
    everyone = [address(number, k) for k in range(1, recipients + 1)]
    sent = envelope.given(f"sender{number}@example.org", everyone)
    return fingerprint.take(octets), sent, envelope.roles(octets, sent)


def octets_of(number: int, recipients: int, files: int) -> bytes:
    """One To, one Cc, the rest blind."""
    everyone = [address(number, k) for k in range(1, recipients + 1)]
    lines = [f"From: sender{number}@example.org", f"To: {everyone[0]}", f"Subject: matter {number}"]
    lines += [f"Cc: {everyone[1]}"] if recipients > 1 else []
    lines += ["MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=x", "", "--x", "", "see attached"]
    for k in range(1, files + 1):
        lines += ["--x", "Content-Type: application/pdf", f"Content-Disposition: attachment; filename=f{k}.pdf"]
        lines += ["", f"file {k} of {number}"]
    return "\r\n".join([*lines, "--x--", ""]).encode()


class Maker:
    """Fills a log."""

    def __init__(self, log: Log, clock: Clock, world: World, keep: bool = False) -> None:
        self.log = log
        self.keeping = keep
        self.clock = clock
        self.world = world

    def submit(self, *acts: Any) -> list[Outcome]:
        answers = self.log.submit([Submission(one) for one in acts]).result(60)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers  # type: ignore[return-value]

    def keep(self, name: str) -> None:
        self.world.kept[name] = self.log.checkpoint()

    def beat(self) -> None:
        self.clock.pass_(60)
        self.submit(act.Heartbeat(event.Instance(instance=self.log.instance)))

    def message(self, number: int, recipients: int, files: int, tokens: int = 1) -> RecordedMessage:
        hashes = {
            k: [sha256(f"token {number} {k} {j}".encode()).hexdigest() for j in range(tokens)]
            for k in range(1, recipients + 1)
        }
        key = self.log.request_key("world", f"message {number}")
        made = self.log.record(
            *letter(number, recipients, files),
            hosted=[f"f{k}" for k in range(1, files + 1)],
            tokens=hashes,
            actor=("person:" + "ab" * 32, "Olga Operator"),
            key=key,
            digest=sha256(key).digest(),
            keep=octets_of(number, recipients, files) if self.keeping else None,
        )
        for k, some in hashes.items():
            self.world.tokens[made.message, f"r{k}"] = some[0]
        self.world.messages.append(made)
        return made

    def event(self, message: str, recipient: str | None, kind: str, source: str, **facts: Any) -> act.Event:
        """A tracking event with a key of its own and something sealed."""
        name = f"{kind} {self.log.new_id()}"
        stated = {"occurred": "2026-05-28T20:00:00.000000Z", "clock": "stated"} if source == "webhook" else {}
        return self.log.draft(
            message,
            recipient,
            kind,
            source=source,
            attestation="A" if source == "webhook" else "D",
            facts=facts or None,
            sealed=[("detail", name), ("ip", "203.0.113.9")],
            key=self.log.event_key(source, name),
            **stated,
        )

    def day(self, number: int, made: RecordedMessage) -> None:
        """Everything that may happen to one message."""
        log, message = self.log, made.message
        some = [opening.recipient for opening in made.recipients][:4]
        self.submit(
            *(self.event(message, r, "relay.accepted", "gateway", code=250, status="2.0.0", tls=True) for r in some)
        )
        hook = act.Own(
            "webhook.received",
            event.WebhookReceived(attestation="A", provider="postal", items=len(some)),
            "webhook",
            sealed=drafts.seal("", [("raw", f"raw body of {number} for {address(number, 2)}")], log._chance),
        )
        heard = self.submit(hook)[0].recorded[0].seq
        self.submit(
            *(self.event(message, r, "delivery.delivered", "webhook", input=heard, item=k) for k, r in enumerate(some)),
            *(self.event(message, r, "message.opened", "portal") for r in some),
            *(self.event(message, r, "link.opened", "portal", token=self.world.tokens[message, r]) for r in some),
            *(self.event(message, r, "delivery.autoresponded", "report") for r in some[:1]),
            *(self.event(message, r, "code.sent", "system") for r in some),
            *(self.event(message, r, "code.confirmed", "portal") for r in some),
            *(self.event(message, r, "relay.deferred", "import", code=451) for r in some[:1]),
            *(self.event(message, r, "recipient.acknowledged", "api") for r in some[-1:]),
        )
        opened = self.submit(self.event(message, some[0], "link.opened", "portal"))[0].recorded[0]
        verdict = {"agent": "machine", "inputs": "A" * 43, "list": "v1", "rule": "scanner"}
        facts = drafts.facts_of("event.reclassified", {"event": opened.seq, "verdict": verdict})
        self.submit(act.Event(message, 1, "event.reclassified", facts, "system"))
        self.downloads(message, some)
        # Nobody in particular: on the message's own chain.
        if len(some) > 1:
            self.submit(
                self.event(message, None, "message.opened", "import", attribution="one_of", candidates=["r1", "r2"])
            )
        self.submit(self.event(message, None, "delivery.bounced", "report"))

    def downloads(self, message: str, some: list[str]) -> None:
        running = []
        for r in some[: max(1, len(some) // 2)]:
            transfer = self.log.new_id()
            running.append((r, transfer))
            self.submit(self.event(message, r, "download.started", "portal", file="f1", transfer=transfer))
        for place, (r, transfer) in enumerate(running):
            self.submit(
                self.event(
                    message,
                    r,
                    "download.aborted" if place else "download.completed",
                    "portal",
                    file="f1",
                    transfer=transfer,
                )
            )

    def block(self, made: RecordedMessage, lift: bool) -> None:
        log, message = self.log, made.message
        block, _ = log.block(
            message,
            "all",
            reason="wrong-recipient",
            sealed=[("reason_text", f"meant for somebody else: {made.message}")],
        )
        draft = self.event(message, "r1", "download.started", "portal", file="f1", transfer=log.new_id())
        with suppress(Blocked):
            log.write(draft)
        self.submit(self.event(message, "r1", "link.opened", "webhook", file="f1"))  # late
        if lift:
            log.lift(message, block.block, reason="mistake")
            self.submit(
                self.event(message, "r1", "download.started", "portal", file="f1", transfer=log.new_id()),
            )
        if len(made.recipients) > 1:
            log.block(message, "recipient", recipient="r2")


def build(url: str, directory: Path, messages: int = MESSAGES, keep: bool = False) -> World:
    """The whole world; a smaller one where a test needs less. ``keep`` keeps the content of its messages."""
    clock = Clock()
    log = open_world(url, directory, clock)
    world = World(url, directory, log.id, [], log.checkpoint()[0], b"")
    maker = Maker(log, clock, world, keep)
    for number in range(1, messages + 1):
        recipients, files = 1 + number % 5, 1 + number % 4
        made = maker.message(number, recipients, files, tokens=1)
        receipt = log.receipt(made.outcome)
        world.receipts.append(receipt)
        maker.day(number, made)
        if number % 3 == 0:
            maker.block(made, lift=number % 2 == 0)
        if number % 4 == 0:
            log.export(made.message)
        maker.beat()
        if number == messages // 2:
            _midway(maker)
    _large(maker)
    _export(maker)
    for role in ("ingest", "admin", "auditor"):
        log.credentials.create(role, "system", clock.now, os.urandom)
    maker.keep("late")
    maker.beat()
    maker.submit(
        act.Own("input.unattributed", event.Unattributed(attestation="E", channel="smtp", reason="unknown-sender")),
        act.Own("input.unparsed", event.Unparsed(channel="smtp", reason="broken")),
        act.Own(
            "listener.gap",
            event.Gap(channel="smtp", since="2026-05-28T20:00:00.000000Z", until="2026-05-28T20:00:01.000000Z"),
        ),
    )
    world.clock = clock.now
    log.close()
    world.vkeys = [key.vkey for key in world.ring().keys]
    world.state, world.note = world.mark().checkpoint, world.mark().note
    return world


def _midway(maker: Maker) -> None:
    """A backup, a review, a timestamp, another key, more than one epoch."""
    log, world = maker.log, maker.world
    maker.keep("middle")
    state = log.checkpoint()[0]
    root = state.root.hex()
    maker.submit(
        act.Own("audit.reviewed", event.Reviewed(size=state.size, root=root, verdict="passed")),
        act.Own("checkpoint.timestamped", event.Timestamped(size=state.size, root=root, token="c" * 64)),
    )
    first = log.ring.keys[0].vkey
    new = log.ring.begin_rotation(maker.clock.now)
    endorsement = (new.endorsement or b"").decode()
    maker.submit(act.Own("key.introduced", event.KeyIntroduced(vkey=new.vkey, endorsement=endorsement)))
    log.ring.finish_rotation(new.vkey, maker.clock.now)
    maker.submit(act.Own("key.retired", event.KeyRetired(vkey=first)))
    log.ring.new_epoch(maker.clock.now)
    if log.store.kind == "sqlite":
        # Not beside the database: what lies there is copied for every attack.
        world.backup = world.directory.with_name(f"{world.directory.name}-backup.db")
        source, target = sqlite3.connect(world.path), sqlite3.connect(world.backup)
        source.backup(target)
        source.close()
        target.close()


def _large(maker: Maker) -> None:
    """Lists too long for one entry: digests, tokens, the files of a block; and a key that was stolen once."""
    log = maker.log
    first = log.ring.keys[0].vkey
    maker.submit(act.Own("key.compromised", event.KeyCompromised(vkey=first, since="2026-06-01T00:00:00.000000Z")))
    made = maker.message(1001, 3, 260, tokens=300)
    maker.beat()
    log.block(made.message, "all")
    maker.message(1002, 270, 2)
    maker.beat()


def _export(maker: Maker) -> None:
    """Evidence of several kinds, two of them of one chain, an older and a newer one."""
    log, world = maker.log, maker.world
    made = maker.message(2001, 3, 2)
    world.receipts.append(log.receipt(made.outcome))
    maker.day(2001, made)
    world.evidence["early"] = document_of(log.export(made.message))
    maker.submit(maker.event(made.message, "r2", "link.opened", "portal"))
    everyone = " ".join(address(2001, k) for k in (1, 2, 3))
    report = log.draft(
        made.message, None, "delivery.bounced", source="report", attestation="E", sealed=[("raw", f"of {everyone}")]
    )
    maker.submit(report)
    log.block(made.message, "all", sealed=[("reason_text", f"{address(2001, 2)} should not have it")])
    maker.beat()
    world.evidence["all"] = document_of(log.export(made.message))
    for k in range(1, 4):
        world.evidence[f"r{k}"] = document_of(log.export(made.message, recipient=f"r{k}"))
    clean = maker.message(2002, 3, 2)
    log.block(clean.message, "all", sealed=[("reason_text", f"{address(2002, 3)} should not have it")])
    maker.beat()
    hook = act.Own(
        "webhook.received",
        event.WebhookReceived(attestation="A", provider="postal", items=1),
        "webhook",
        sealed=drafts.seal("", [("raw", f"delivered to {address(2001, 1)} and {address(2002, 2)}")], log._chance),
    )
    maker.submit(hook)
    maker.submit(maker.event(clean.message, None, "relay.accepted", "gateway"))
    maker.beat()
    world.evidence["none"] = document_of(log.export(clean.message, kind="non_access"))
    world.evidence["none.r1"] = document_of(log.export(clean.message, kind="non_access", recipient="r1"))


def document_of(made: Any) -> bytes:
    return document.format(made)
