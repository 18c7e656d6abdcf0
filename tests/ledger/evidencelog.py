"""A small log in memory, for tests of evidence: written as drafts, sealed into entries, tree and checkpoint.

An attacker who holds the log's key does just what `seal` does: he edits the drafts and computes every number, link,
root and signature anew. So a forged document differs from an honest one only in what he wanted to be different.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import UNSET

from ledger import (
    checkpoint,
    disclosure,
    document,
    entry,
    event,
    evidence,
    ids,
    keyhistory,
    merkle,
    multiproof,
    note,
    schema,
    statement,
    witness,
)
from ledger.checkpoint import Checkpoint
from ledger.document import Claim, Evidence, Held, OfCheckpoint, OfEarlier, Replay
from ledger.entry import Entry
from tests.ledger.authority import Authority

ORIGIN = "log.example/mail"
START = 1_780_000_000_000_000
SECOND = 1_000_000

KEY = note.Signer(ORIGIN, b"1" * 32)
NEXT_KEY = note.Signer(ORIGIN, b"2" * 32)
THIEF = note.Signer(ORIGIN, b"3" * 32)
AUDITOR = note.Signer("auditor.example", b"a" * 32)
OTHER_AUDITOR = note.Signer("other.example", b"b" * 32)

LOG = ids.uuid7(START, b"L" * 10)
INSTANCE = ids.uuid7(START, b"I" * 10)
MAIL = b"Subject: the plan\r\n\r\nsee attached\r\n"
PLAN = b"the plan itself"


def new_id(number: int) -> str:
    return ids.uuid7(START + number, number.to_bytes(10, "big"))


def digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def note_digest(signed: bytes) -> bytes:
    """What a token over a checkpoint covers: its text, without signatures."""
    return hashlib.sha256(note.parse(signed)[0]).digest()


@dataclass(eq=False)
class Draft:
    """An entry before its numbers. A draft among ``facts`` stands for its seq; ``forced`` overrides any field."""

    kind: str
    chain: str
    facts: dict[str, Any]
    at: int
    act: str | None = None
    source: str = "system"
    texts: list[str] = field(default_factory=list)
    forced: dict[str, Any] = field(default_factory=dict)


@dataclass
class Sealed:
    """What `seal` made: the bytes in order, and where each draft went."""

    entries: list[bytes]
    seqs: dict[int, int]
    texts: dict[int, list[str]]

    def seq(self, draft: Draft) -> int:
        return self.seqs[id(draft)]

    @property
    def leaves(self) -> list[bytes]:
        return [merkle.leaf_hash(data) for data in self.entries]

    def root(self, size: int | None = None) -> bytes:
        return merkle.root(self.leaves[: len(self.entries) if size is None else size])

    def read(self, wanted: Sequence[merkle.Coordinate]) -> list[bytes]:
        leaves = self.leaves
        return [merkle.root(leaves[index << level : (index + 1) << level]) for level, index in wanted]

    def checkpoint(self, signer: note.NoteSigner = KEY, size: int | None = None) -> bytes:
        size = len(self.entries) if size is None else size
        return checkpoint.sign(Checkpoint(signer.name, size, self.root(size)), signer)

    def entry(self, seq: int) -> Entry:
        return entry.from_bytes(self.entries[seq])


def seal(drafts: Iterable[Draft]) -> Sealed:
    """Number, link and hash. ``forced`` can make any field what an honest ledger would not."""
    drafts = list(drafts)
    seqs = {id(draft): seq for seq, draft in enumerate(drafts)}
    entries: list[bytes] = []
    heads: dict[str, tuple[int, str]] = {}
    prev = entry.ZERO
    for seq, draft in enumerate(drafts):
        said = {name: _resolve(value, seqs) for name, value in draft.facts.items()}
        n, cprev = heads.get(draft.chain, (-1, ""))
        fields: dict[str, Any] = {
            "at": ids.format_time(draft.at),
            "chain": draft.chain,
            "facts": schema.parse_facts(draft.kind, said),
            "n": n + 1,
            "cprev": cprev or UNSET,
            "prev": prev,
            "sealed": sorted(disclosure.digest(text) for text in draft.texts),
            "seq": seq,
            "source": draft.source,
            "act": draft.act or UNSET,
            "v": 1,
        }
        made = entry.TYPES[draft.kind](**(fields | draft.forced))
        data = entry.to_bytes(made)
        prev = merkle.leaf_hash(data).hex()
        heads[draft.chain] = (made.n, prev)
        entries.append(data)
    return Sealed(entries, seqs, {seqs[id(d)]: sorted(d.texts, key=disclosure.digest) for d in drafts})


def _resolve(value: Any, seqs: dict[int, int]) -> Any:
    if isinstance(value, Draft):
        return seqs[id(value)]
    if isinstance(value, (list, tuple)):
        return tuple(_resolve(item, seqs) for item in value)
    return value


class Story:
    """A log in which one message goes to two recipients, is blocked, and is closed twice; beats all along.

    Its drafts have names, so that an attack can say what it does to which.
    """

    def __init__(self) -> None:
        self.drafts: list[Draft] = []
        self.named: dict[str, Draft] = {}
        self.now = START
        self.beat = START
        self.salt = 0
        self.early = self.token = b""
        self.message, self.r1, self.r2 = new_id(1), new_id(2), new_id(3)

    def __getitem__(self, name: str) -> Draft:
        return self.named[name]

    def text(self, name: str, value: Any) -> str:
        self.salt += 1
        return disclosure.make(name, value, self.salt.to_bytes(16, "big"))

    def add(self, kind: str, chain: str = LOG, name: str = "", after: int = 1, **more: Any) -> Draft:
        """One more entry, ``after`` seconds later; beats come in by themselves every 60 seconds."""
        self.now += after * SECOND
        while self.beat + 60 * SECOND <= self.now and self.drafts:
            self.beat += 60 * SECOND
            self._append(Draft("ledger.heartbeat", LOG, {"instance": INSTANCE}, self.beat), "")
        facts = more.pop("facts", {})
        draft = Draft(kind, chain, facts, self.now, **more)
        self._append(draft, name)
        return draft

    def _append(self, draft: Draft, name: str) -> None:
        self.drafts.append(draft)
        if name:
            self.named[name] = draft

    def event(self, kind: str, chain: str, name: str = "", after: int = 5, **facts: Any) -> Draft:
        """A tracking event with the grade of its kind."""
        exact = chain not in (self.message, self.drafts[0].chain)
        said = {
            "attestation": "D",
            "attribution": "exact" if exact else "none",
            "grade": event.KINDS[kind].grade,
        }
        return self.add(kind, chain, name, after, source=facts.pop("source", "gateway"), facts=said | facts)

    def close(self, name: str, recipients: Sequence[str], number: int, after: int = 30, **more: Any) -> str:
        """A closing act over these chains; returns its id."""
        act = new_id(number)
        said = {"evidence": new_id(number + 1)}
        for k, chain in enumerate(recipients):
            self.add("evidence.exported", chain, f"{name}.{k}", after * (k == 0), act=act, facts=dict(said))
        one = {} if len(recipients) != 1 else {"recipient": "r1" if recipients[0] == self.r1 else "r2"}
        on_message = said | {"recipients": len(recipients)} | one
        self.add("evidence.exported", self.message, f"{name}.message", 0, act=act, facts=on_message)
        keys = [draft for draft in self.drafts if draft.kind.startswith("key.")]
        on_log = said | {"keys": keys, "message": self.message, "pending": 0} | more
        self.add("evidence.exported", LOG, f"{name}.log", 0, act=act, facts=on_log)
        return act


def begin() -> Story:
    story = Story()
    story.add("ledger.opened", name="opened", after=0, facts={"log": LOG, "origin": ORIGIN, "vkey": KEY.vkey})
    story.add("key.introduced", name="key", after=0, facts={"vkey": KEY.vkey})
    story.add(
        "ledger.started", name="started", after=0, facts={"instance": INSTANCE, "store": "sqlite", "version": "0.1.0"}
    )
    return story


def record(story: Story, recipients: int = 2) -> None:
    """The message: f1 waits behind a link, f2 travelled inside."""
    act = new_id(10)
    chains = [story.r1, story.r2][:recipients]
    file = {"media_type": "application/pdf", "name": "plan.pdf", "path": "2", "sha256": digest(PLAN), "size": len(PLAN)}
    texts = [
        story.text("subject", "the plan"),
        story.text("raw", {"sha256": digest(MAIL), "size": len(MAIL)}),
        story.text("f1", {**file, "where": "hosted"}),
        story.text("f2", {**file, "path": "3", "sha256": digest(b"inside"), "size": 6, "where": "inside"}),
    ]
    for k, chain in enumerate(chains, 1):
        texts.append(story.text(f"r{k}", {"address": f"r{k}@example.com", "chain": chain, "role": "to"}))
    facts = {
        "content": "kept",
        "envelope": "given",
        "files": 2,
        "fingerprint": "postseal-fingerprint-1",
        "grade": "G0",
        "recipients": recipients,
    }
    story.add("message.recorded", story.message, "recorded", 70, act=act, source="api", texts=texts, facts=facts)
    for k, chain in enumerate(chains, 1):
        said = {"message": story.message, "recipient": f"r{k}", "tokens": (digest(b"token %d" % k),)}
        texts = [story.text("address", f"r{k}@example.com")]
        story.add("recipient.added", chain, f"added.{k}", 0, act=act, source="api", texts=texts, facts=said)


def block(story: Story, chains: Sequence[str], files: Sequence[str] = ("f1", "f2"), number: int = 20) -> None:
    act, block = new_id(number), new_id(number + 1)
    said = {"block": block, "files": tuple(files), "scope": "all"}
    facts = said | {"recipients": len(chains)}
    story.add("block.applied", story.message, "blocked.message", 40, act=act, source="api", facts=facts)
    for k, chain in enumerate(chains):
        story.add("block.applied", chain, f"blocked.{k}", 0, act=act, source="api", facts=dict(said))


def tell(clock: Authority | None = None) -> Story:
    """The whole story. Entry numbers are not fixed: tests ask for drafts by name.

    With a ``clock``, a checkpoint was stamped, and the token recorded, before the message came.
    """
    story = begin()
    if clock is not None:
        before = seal(story.drafts)
        story.early = before.checkpoint()
        story.token = clock.stamp(note_digest(story.early), story.now)
        said = {"root": before.root().hex(), "size": len(before.entries), "token": digest(story.token)}
        story.add("checkpoint.timestamped", name="timestamped", facts=said)
    record(story)
    for k, chain in enumerate((story.r1, story.r2), 1):
        story.event("relay.accepted", chain, f"relayed.{k}", code=250)
    story.event("delivery.delivered", story.r1, "delivered", source="webhook")
    block(story, (story.r1, story.r2))
    denied = {"asked": "download.started", "block": story["blocked.1"].facts["block"], "file": "f1"}
    story.add("access.denied", story.r2, "denied", 200, source="portal", facts=denied)
    story.close("first", (story.r1, story.r2), 30)
    story.event("delivery.bounced", story.r1, "bounced", 100, source="webhook")
    story.close("second", (story.r1, story.r2), 40)
    story.add("ledger.stopped", name="stopped", after=90, facts={"instance": INSTANCE})
    return story


def rotate(story: Story, new: note.Signer = NEXT_KEY, old: note.Signer = KEY, after: int = 10) -> None:
    """The next key is introduced and endorsed, the old one retired."""
    endorsed = note.sign(keyhistory.endorsement(ORIGIN, new.vkey), [old]).decode()
    story.add("key.introduced", name="key.next", after=after, facts={"endorsement": endorsed, "vkey": new.vkey})
    story.add("key.retired", name="key.retired", after=0, facts={"vkey": old.vkey})


def select(sealed: Sealed, claim: Claim, act: str, extra: Iterable[int] = ()) -> list[int]:
    """The seqs that evidence of this claim, closed by this act, holds: what docs/format.md lists."""
    entries = [entry.decode(data) for data in sealed.entries]
    chains = {claim.message}
    for made in entries:
        facts: Any = made.facts
        if made.kind != "recipient.added" or facts.message != claim.message:
            continue
        if claim.recipient in (UNSET, facts.recipient):
            chains.add(made.chain)
    ends = {made.chain: made.seq for made in entries if made.act == act}
    log = entries[0].chain
    chosen = {made.seq for made in entries if made.chain in chains and made.seq <= ends.get(made.chain, made.seq)}
    chosen |= {0, ends[log]} | {m.seq for m in entries if m.chain == log and m.kind.startswith("key.")}
    if claim.kind == "non_access":
        recorded = next(made.seq for made in entries if made.chain == claim.message)
        beats = [m.seq for m in entries if m.kind in ("ledger.started", "ledger.heartbeat") and m.seq < recorded]
        first = beats[-1] if beats else 0
        chosen |= {made.seq for made in entries if made.chain == log and first <= made.seq <= ends[log]}
    return sorted(chosen | set(extra))


def assemble(
    sealed: Sealed,
    claim: Claim,
    act: str,
    signer: note.NoteSigner = KEY,
    *,
    keep: Callable[[int], bool] = lambda seq: True,
    extra: Iterable[int] = (),
    size: int | None = None,
    **more: Any,
) -> Evidence:
    """The document, unchecked: what `evidence.build` would refuse to make, an attacker makes by hand."""
    seqs = [seq for seq in select(sealed, claim, act, extra) if keep(seq)]
    size = len(sealed.entries) if size is None else size
    return Evidence(
        checkpoint=more.pop("checkpoint", None) or sealed.checkpoint(signer, size).decode(),
        claim=claim,
        entries=tuple(Held(disclosures=tuple(sealed.texts[seq]), entry=sealed.entries[seq], seq=seq) for seq in seqs),
        format="postseal-evidence/1",
        proof=tuple(node.hex() for node in multiproof.prove_many([s for s in seqs if s < size], size, sealed.read)),
        replays=more.pop("replays", ()),
        timestamps=more.pop("timestamps", ()),
    )


CLOCK = Authority("Clock")
OTHER_CLOCK = Authority("Other")
WITNESSES = (witness.Cosigner("w1.example", witness.ED25519, b"w" * 32), witness.Cosigner("w2.example", 4, b"x" * 32))

STRICT = evidence.Trust(
    logs=(evidence.TrustedLog(origin=ORIGIN, keys=(KEY.vkey,)),),
    anchors=(CLOCK.anchor,),
    auditors=(AUDITOR.vkey,),
    quorum=2,
    require=("timed", "unforked", "witnessed"),
    witnesses=tuple(sorted(each.verifier.vkey for each in WITNESSES)),
)
"""A policy that believes nobody alone."""


def cosign(signed: bytes, cosigners: Iterable[witness.Cosigner] = WITNESSES) -> str:
    text, signatures = note.parse(signed)
    more = [each.cosign(text, START // SECOND + 700) for each in cosigners]
    return note.format(text, [*signatures, *more]).decode()


def replay(sealed: Sealed, size: int | None = None, signer: note.NoteSigner = AUDITOR, towards: int = 0) -> Replay:
    """An auditor's statement on the first ``size`` entries, tied to a checkpoint of size ``towards``."""
    size = size or len(sealed.entries)
    low, high = sorted((size, towards or len(sealed.entries)))
    proof = tuple(node.hex() for node in merkle.prove_consistency(low, high, sealed.read))
    text = statement.format(ORIGIN, size, sealed.root(size), 1)
    return Replay(consistency=proof, statement=statement.sign(text, signer).decode())


def vouch(made: Evidence, sealed: Sealed, story: Story, clock: Authority = CLOCK, **more: Any) -> Evidence:
    """The document with all that others can say for it: witnesses, a replay, tokens before and after."""
    signed = document.text(made.checkpoint)
    size = checkpoint.parse(note.parse(signed)[0]).size
    stamps: list[Any] = []
    if story.early:
        early = checkpoint.parse(note.parse(story.early)[0]).size
        proof = tuple(node.hex() for node in merkle.prove_consistency(early, size, sealed.read))
        stamps.append(OfEarlier(consistency=proof, note=story.early.decode(), token=story.token))
    stamps.append(OfCheckpoint(token=clock.stamp(note_digest(signed), story.now + 5 * SECOND)))
    given = {"checkpoint": cosign(signed), "replays": (replay(sealed, towards=size),), "timestamps": tuple(stamps)}
    return msgspec.structs.replace(made, **(given | more))


def check(made: Evidence, trust: evidence.Trust, content: bytes | None = None) -> evidence.Verdict:
    return evidence.check(document.format(made), trust, content)
