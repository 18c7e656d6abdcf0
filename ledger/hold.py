"""Holds: what nothing may be erased of while one is in force. On a message, or on one recipient of it.

A hold of one recipient stands on his chain alone, so that nobody else's evidence shows it; and it covers what names
several people too, because that may name him.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import UNSET, UnsetType

from ledger import event
from ledger.errors import Held, UnknownReference
from ledger.event import Source
from ledger.plan import Plan, Sealed, View, Write
from ledger.state import Chain


def check_free(chain: Chain) -> None:
    """Held where a hold is in force on this chain."""
    if chain.holds:
        whose = f"message {chain.id}" if chain.type == "message" else f"recipient r{chain.ordinal}, chain {chain.id},"
        raise Held(f"hold {chain.holds[0]} on {whose} is in force: nothing it covers is erased until it is released")


@dataclass(slots=True)
class Place:
    """Hold a message (number 0), or one recipient's part in it."""

    message: str
    number: int
    hold: str
    source: Source
    reason: str | UnsetType = UNSET
    sealed: Sequence[Sealed] = ()

    @property
    def refs(self) -> Sequence[tuple[str, int]]:
        return ((self.message, self.number),)

    def plan(self, view: View) -> Plan:
        chain = view.chain(self.message, self.number)
        for erasure in chain.erasures:
            # One that waits for a second person can still be stopped, and this does. Of one that does not nobody knows
            # how far it has come.
            if any(not one.waiting for one in view.pending(erasure)):
                raise Held(f"erasure {erasure} of what was to be held is under way")
        facts = event.Hold(hold=self.hold, reason=self.reason)
        return Plan([Write(chain, "hold.placed", facts, self.source, self.sealed)])


@dataclass(slots=True)
class Release:
    """End a hold of a message, or of one of its recipients, wherever it is in force."""

    message: str
    hold: str
    source: Source
    reason: str | UnsetType = UNSET
    sealed: Sequence[Sealed] = ()

    @property
    def refs(self) -> Sequence[tuple[str, int]]:
        return ((self.message, 0),)

    def plan(self, view: View) -> Plan:
        message = view.chain(self.message, 0)
        chain = message if self.hold in message.holds else None
        if chain is None:
            chain = next((one for one in view.recipients(message) if self.hold in one.holds), None)
        if chain is None:
            raise UnknownReference("no such hold is in force on this message")
        facts = event.Hold(hold=self.hold, reason=self.reason)
        return Plan([Write(chain, "hold.released", facts, self.source, self.sealed)])
