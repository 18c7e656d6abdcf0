"""Acts: what one request asks the ledger to write, decided against the ledger as it stands under the lock.

`Act.plan` is pure: it reads through a `View`, raises `Refused`, or returns every `Write` at once; it changes nothing.
So a refused act leaves no trace, and an act is recorded whole or not at all. An act that is planned after another of
the same batch sees what that one wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from ledger.blobs import Blob
from ledger.errors import FormatError, InvalidRequest, UnknownReference
from ledger.event import (
    KINDS,
    MAX_ITEMS,
    AccessDenied,
    BlockApplied,
    BlockLifted,
    Clock,
    Continued,
    Facts,
    MessageRecorded,
    RecipientAdded,
    Source,
)
from ledger.ids import parse_time
from ledger.plan import Plan, Sealed, View, Write
from ledger.policy import decide
from ledger.schema import check_facts
from ledger.spelling import ordinal
from ledger.state import Chain

HEARTBEAT_SECONDS = 60
"""How often one of the processes records that the recorder is alive."""

WHOLE = frozenset(
    name
    for name, kind in KINDS.items()
    if kind.opens
    or kind.closes
    or name.endswith(".continued")
    or name.startswith(("erasure.", "hold."))
    or name in {"access.denied", "block.applied", "block.lifted"}
)
"""What stands only as part of an act of its own, never as a single `Event`."""

INPUTS = frozenset({"input.unattributed", "input.unparsed", "webhook.received"})
"""What ``input`` may refer to."""


@dataclass(slots=True)
class RecipientPart:
    """One recipient of a `Recording`: his chain's id, what is sealed on it, the link tokens that open it."""

    id: str
    sealed: Sequence[Sealed]
    tokens: Sequence[str] = ()


@dataclass(slots=True)
class Recording:
    """A message and its recipients: one act, one entry per chain.

    ``lookups`` is what it is found by: the blind index of each term (`ledger.terms`) of what is sealed on the message's
    entry, with the subject it is sealed under. ``blobs`` is its content, where that is kept.
    """

    id: str
    facts: MessageRecorded
    sealed: Sequence[Sealed]
    recipients: Sequence[RecipientPart]
    lookups: Sequence[tuple[bytes, str]]
    source: Source
    act: str
    occurred: str | UnsetType = UNSET
    clock: Clock | UnsetType = UNSET
    refs: Sequence[tuple[str, int]] = ()
    blobs: Sequence[Blob] = ()

    def plan(self, view: View) -> Plan:
        if (self.facts.content == "kept") != bool(self.blobs):
            raise InvalidRequest("a message is recorded as kept if its content is in the vault, and only then")
        message = view.open(self.id, None, 0)
        message.files = self.facts.files
        write = Write(
            message, "message.recorded", self.facts, self.source, self.sealed, self.occurred, self.clock, self.act
        )
        writes = [write]
        used: set[str] = set()
        for number, part in enumerate(self.recipients, 1):
            for token in part.tokens:
                if token in used or view.token(token) is not None:
                    raise InvalidRequest("a link token already opens another chain")
                used.add(token)
            chain = view.open(part.id, message, number)
            first, rest = part.tokens[:MAX_ITEMS], part.tokens[MAX_ITEMS:]
            writes.append(
                Write(
                    chain,
                    "recipient.added",
                    RecipientAdded(message=self.id, recipient=f"r{number}", tokens=tuple(first) if first else UNSET),
                    self.source,
                    part.sealed,
                    act=self.act,
                    more=[Continued(part=k, tokens=tuple(some)) for k, some in _parts(rest)],
                    tokens=part.tokens,
                )
            )
        return Plan(writes, lookups=self.lookups, blobs=self.blobs)


def _parts(items: Sequence[str]) -> list[tuple[int, Sequence[str]]]:
    return [(k // MAX_ITEMS + 1, items[k : k + MAX_ITEMS]) for k in range(0, len(items), MAX_ITEMS)]


class Event(Struct, gc=False):
    """One tracking event, or any other single entry, on a message's chain (number 0) or a recipient's.

    ``key`` identifies the event at its source (16 bytes, hashed with the source's scope): the same key on the same
    chain is recorded once.
    """

    message: str
    number: int
    kind: str
    facts: Facts
    source: Source
    sealed: Sequence[Sealed] = ()
    occurred: str | UnsetType = UNSET
    clock: Clock | UnsetType = UNSET
    key: bytes | None = None

    @property
    def refs(self) -> Sequence[tuple[str, int]]:
        return ((self.message, self.number),)

    def plan(self, view: View) -> Plan:
        chain = view.chain(self.message, self.number)
        key = self.key
        if key is not None:
            seq = view.recorded(chain, key)
            if seq is not None:
                return Plan([], repeats=seq)
        facts: Any = self.facts
        kind = self.kind
        grade = KINDS[kind].grade
        file: str | None = None
        transfer: tuple[str, str, str] | None = None
        if grade is not None:
            if facts.file is not UNSET:
                file = facts.file
                if ordinal(facts.file) > chain.files:
                    raise UnknownReference(f"the message has {chain.files} files, no {file}")
            if facts.late is not UNSET:
                raise InvalidRequest("late is the ledger's to say")
            if facts.token is not UNSET and view.token(facts.token) != chain.no:
                raise UnknownReference("this link token does not open this chain")
            if facts.candidates is not UNSET and max(map(ordinal, facts.candidates)) > chain.recipients:
                raise UnknownReference("a candidate is not a recipient of this message")
            if facts.input is not UNSET:
                _check_input(view, facts.input)
            if kind.startswith("download."):
                transfer = self._transfer(view, chain, facts)
            if chain.blocks:
                decision = decide(kind, self.source, file, chain.blocks)
                if decision.denied is not None:
                    return self._deny(chain, decision.denied.id, file, facts)
                if decision.late:
                    facts = _with_late(facts)
        else:
            _check_single(kind, chain, facts)
            if kind == "event.reclassified":
                _check_event(view, chain, facts.event)
        write = Write(chain, kind, facts, self.source, self.sealed, self.occurred, self.clock)
        return Plan([write], key=None if key is None else (chain, key), transfers=transfer)

    def _transfer(self, view: View, chain: Chain, facts: Any) -> tuple[str, str, str]:
        known = view.transfer(facts.transfer)
        if self.kind == "download.started":
            if known is not None:
                raise InvalidRequest("this transfer has started already")
        elif known is None or known[0] != chain.no or known[1] != facts.file:
            raise UnknownReference("no such transfer of this file was started on this chain")
        elif known[2]:
            raise InvalidRequest("this transfer has ended already")
        return facts.transfer, facts.file, self.kind

    def _deny(self, chain: Chain, block: str, file: str | None, facts: Any) -> Plan:
        transfer = getattr(facts, "transfer", UNSET)
        said = AccessDenied(
            asked=self.kind,  # type: ignore[arg-type]  # decide denies POLICED kinds only, which are these
            block=block,
            file=UNSET if file is None else file,
            token=facts.token,
            transfer=transfer,
        )
        write = Write(chain, "access.denied", said, self.source, self.sealed, self.occurred, self.clock)
        return Plan([write], denied=block)


def _with_late(facts: Any) -> Facts:
    said = {name: getattr(facts, name) for name in facts.__struct_fields__}
    made: Facts = type(facts)(**(said | {"late": True}))
    return made


def _check_input(view: View, seq: int) -> None:
    found = view.entry(seq)
    if found is None or found[1].kind not in INPUTS:
        raise UnknownReference(f"entry {seq} is no raw input")


def _check_single(kind: str, chain: Chain, facts: Facts) -> None:
    if kind in WHOLE:
        raise InvalidRequest(f"{kind} is written by its own act only")
    try:
        check_facts(KINDS[kind], chain.type, facts)
    except FormatError as error:
        raise InvalidRequest(str(error)) from None


def _check_event(view: View, chain: Chain, seq: int) -> None:
    found = view.entry(seq)
    if found is None or found[0] != chain.no or KINDS[found[1].kind].grade is None:
        raise UnknownReference(f"entry {seq} is no event of this chain")


@dataclass(slots=True)
class Block:
    """Block a file for everyone, one recipient's files, or everything: recipient ``number``, ``file`` like ``f2``.

    Scope ``file`` with a number blocks that pair alone.
    """

    message: str
    block: str
    scope: str
    act: str
    source: Source
    number: int | None = None
    file: str | None = None
    reason: str | UnsetType = UNSET
    sealed: Sequence[Sealed] = ()
    pairs: list[tuple[int, str, str]] = field(default_factory=list)
    """Filled by `plan`: recipient number, file, and whether the block came in time: ``yes``, ``no`` or ``unknown``."""

    @property
    def refs(self) -> Sequence[tuple[str, int]]:
        return ((self.message, 0),)

    def plan(self, view: View) -> Plan:
        message = view.chain(self.message, 0)
        if self.file is not None and ordinal(self.file) > message.files:
            raise UnknownReference(f"the message has {message.files} files, no {self.file}")
        if message.files == 0:
            raise InvalidRequest("the message has no files a block could cover")
        covered = view.recipients(message) if self.number is None else [view.chain(self.message, self.number)]
        files = [self.file] if self.file is not None else [f"f{k}" for k in range(1, message.files + 1)]
        self.pairs = [(c.ordinal, f, in_time(message, c, f)) for c in covered for f in files]
        said = {"block": self.block, "scope": self.scope, "files": tuple(files[:MAX_ITEMS]), "reason": self.reason}
        more = [Continued(part=k, files=tuple(some)) for k, some in _parts(files[MAX_ITEMS:])]
        on_message = BlockApplied(
            **said,  # type: ignore[arg-type]
            recipients=len(covered),
            recipient=UNSET if self.number is None else f"r{self.number}",
        )
        writes = [Write(message, "block.applied", on_message, self.source, self.sealed, act=self.act, more=more)]
        on_recipient = BlockApplied(**said)  # type: ignore[arg-type]
        writes += [Write(c, "block.applied", on_recipient, self.source, act=self.act, more=more) for c in covered]
        return Plan(writes)


def in_time(message: Chain, recipient: Chain, file: str) -> str:
    """Whether a block of this file for this recipient comes before any fetch: ``yes``, ``no`` or ``unknown``."""
    if file in recipient.fetched:
        return "no"
    return "unknown" if file in message.fetched or message.accesses > len(message.fetched) else "yes"


@dataclass(slots=True)
class Lift:
    """Lift a block on every chain it covers."""

    message: str
    block: str
    act: str
    source: Source
    reason: str | UnsetType = UNSET
    sealed: Sequence[Sealed] = ()

    @property
    def refs(self) -> Sequence[tuple[str, int]]:
        return ((self.message, 0),)

    def plan(self, view: View) -> Plan:
        message = view.chain(self.message, 0)
        if all(b.id != self.block for b in message.blocks):
            raise UnknownReference("no such block is in force on this message")
        facts = BlockLifted(block=self.block, reason=self.reason)
        writes = [Write(message, "block.lifted", facts, self.source, self.sealed, act=self.act)]
        for chain in view.recipients(message):
            if any(b.id == self.block for b in chain.blocks):
                writes.append(Write(chain, "block.lifted", facts, self.source, act=self.act))
        return Plan(writes)


@dataclass(slots=True)
class Own:
    """One entry on the log's own chain."""

    kind: str
    facts: Facts
    source: Source = "system"
    occurred: str | UnsetType = UNSET
    clock: Clock | UnsetType = UNSET
    sealed: Sequence[Sealed] = ()
    refs: Sequence[tuple[str, int]] = ()

    def plan(self, view: View) -> Plan:
        try:
            check_facts(KINDS[self.kind], "log", self.facts)
        except FormatError as error:
            raise InvalidRequest(str(error)) from None
        return Plan([Write(view.log, self.kind, self.facts, self.source, self.sealed, self.occurred, self.clock)])


@dataclass(slots=True)
class Genesis:
    """Entries 0 and 1, unless another process has written them meanwhile."""

    opened: Facts
    introduced: Facts
    refs: Sequence[tuple[str, int]] = ()

    def plan(self, view: View) -> Plan:
        if view.log.n:
            return Plan([])
        return Plan(
            [
                Write(view.log, "ledger.opened", self.opened, "system"),
                Write(view.log, "key.introduced", self.introduced, "system"),
            ]
        )


@dataclass(slots=True)
class Heartbeat:
    """A beat, unless any process made one less than a minute ago: then nothing is written."""

    facts: Facts
    refs: Sequence[tuple[str, int]] = ()

    def plan(self, view: View) -> Plan:
        if view.log.beat and view.at - parse_time(view.log.beat) < HEARTBEAT_SECONDS * 1_000_000:
            return Plan([])
        return Plan([Write(view.log, "ledger.heartbeat", self.facts, "system")])
