"""The acts of an erasure: asked for, approved by a second person where that is wanted, done.

What is between the last two, the destruction itself, is no act: `ledger.erasing` does it, when the request is durable
and before `Done` says so. Each act stands on every chain that the erasure covers. Whose data keys fall is found out
beforehand and remembered with the request (`ledger.pending`), because afterwards nothing leads there any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from msgspec import UNSET

from ledger import event
from ledger.errors import InvalidRequest, Retained, SecondPerson, UnknownReference
from ledger.event import Source
from ledger.hold import check_free
from ledger.ids import format_time
from ledger.pending import Pending
from ledger.plan import Plan, Sealed, View, Write
from ledger.state import Chain

Scope = Literal["message", "person", "recipient"]


@dataclass(frozen=True, slots=True)
class Part:
    """One chain that an erasure covers, and the subjects of the data keys that fall with it. ``message`` is empty for
    the log's own chain, where acting persons are."""

    message: str
    number: int
    keys: tuple[str, ...]


def check_erasable(view: View, chains: Iterable[Chain], shared: Iterable[int]) -> None:
    """Held, or Retained, where one of these chains must be kept; ``shared`` are numbers of messages of which what names
    several people is to go, or everything."""
    chains = list(chains)
    messages = {chain.no: chain for chain in view.numbered(sorted({chain.root for chain in chains if chain.no}))}
    for message in messages.values():
        check_free(message)
        term = message.term
        if term is not None and term.erasable > format_time(view.at):
            raise Retained(
                f"message {message.id} is kept by the class {term.name}: it can be erased from {term.erasable} on"
            )
    for chain in chains:
        check_free(chain)
    for no in shared:
        for recipient in view.recipients(messages[no]):
            check_free(recipient)


@dataclass(slots=True)
class Request:
    """Ask for an erasure. ``requester`` is the subject of who asks; with ``waiting`` a second person must approve."""

    erasure: str
    scope: Scope
    parts: Sequence[Part]
    blind: bytes
    requester: str
    waiting: bool
    act: str
    source: Source
    sealed: Sequence[Sealed] = ()
    adding: bool = False
    """To an erasure that was asked for before, and nothing where that is done by now."""

    @property
    def refs(self) -> Sequence[tuple[str, int]]:
        return [(part.message, part.number) for part in self.parts if part.message]

    def plan(self, view: View) -> Plan:
        rows: dict[int, Pending] = {}
        for part in self.parts:
            chain = view.chain(part.message, part.number) if part.message else view.log
            rows[chain.no] = Pending(
                self.erasure, chain.no, self.scope, part.keys, self.blind, self.requester, self.waiting
            )
        before = {one.chain: one for one in view.pending(self.erasure)}
        if self.adding and not before:
            return Plan([])
        chains = _checked(view, rows.values())
        facts = event.Erasure(erasure=self.erasure, subject=self.scope)
        new = [chain for chain in chains if chain.no not in before]
        writes = _writes(new, "erasure.requested", facts, self.source, self.act, self.sealed)
        left = [one for _, one in sorted((before | rows).items())]
        return Plan(writes, erasure=(self.erasure, left))


def _checked(view: View, rows: Iterable[Pending]) -> Sequence[Chain]:
    rows = list(rows)
    chains = view.numbered([one.chain for one in rows])
    wide = {chain.root for chain, one in zip(chains, rows, strict=True) if one.is_wide}
    check_erasable(view, chains, sorted(wide))
    return chains


def _writes(
    chains: Sequence[Chain],
    kind: str,
    facts: event.Erasure,
    source: Source,
    act: str,
    sealed: Sequence[Sealed] = (),
) -> list[Write]:
    """An entry on each chain, messages before their recipients; what is sealed stands on the first."""
    ordered = sorted(chains, key=lambda chain: (chain.no == 0, chain.root, chain.ordinal))
    shared = act if len(ordered) > 1 else UNSET
    return [
        Write(chain, kind, facts, source, () if place else sealed, act=shared) for place, chain in enumerate(ordered)
    ]


@dataclass(slots=True)
class Approve:
    """Approve an erasure that waits for a second person: ``approver`` is his subject."""

    erasure: str
    approver: str
    act: str
    source: Source
    sealed: Sequence[Sealed] = ()
    refs: Sequence[tuple[str, int]] = ()

    def plan(self, view: View) -> Plan:
        rows = view.pending(self.erasure)
        if not rows:
            raise UnknownReference("no erasure of this id is pending")
        if not rows[0].waiting:
            raise InvalidRequest("this erasure waits for nobody's approval")
        if rows[0].requester == self.approver:
            raise SecondPerson("who asked for this erasure cannot approve it as well: a second person must")
        chains = _checked(view, rows)
        facts = event.Erasure(erasure=self.erasure, subject=_scope(rows))
        writes = _writes(chains, "erasure.approved", facts, self.source, self.act, self.sealed)
        return Plan(writes, erasure=(self.erasure, [_approved(one) for one in rows]))


def _approved(one: Pending) -> Pending:
    return Pending(one.id, one.chain, one.scope, one.keys, one.blind, one.requester, False)


def _scope(rows: Sequence[Pending]) -> Scope:
    scope = rows[0].scope
    return "message" if scope == "message" else "person" if scope == "person" else "recipient"


@dataclass(slots=True)
class Done:
    """Say that an erasure is done. Only when it is: what it names is in no live copy any more. Nothing is written where
    another process has said so already."""

    erasure: str
    act: str
    source: Source
    refs: Sequence[tuple[str, int]] = ()

    def plan(self, view: View) -> Plan:
        rows = view.pending(self.erasure)
        if not rows:
            return Plan([])
        chains = view.numbered([one.chain for one in rows])
        for chain in chains:
            check_free(chain)
        facts = event.Erasure(erasure=self.erasure, subject=_scope(rows))
        writes = _writes(chains, "erasure.done", facts, self.source, self.act)
        return Plan(writes, erasure=(self.erasure, ()))
