"""Acts that close the chains of a message, and the one that seals the certificate that came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET

from ledger.blobs import Blob
from ledger.errors import InFlight, InvalidRequest
from ledger.event import MAX_ITEMS, CertificateSealed, Closing, Source
from ledger.plan import Plan, Sealed, View, Write
from ledger.state import Chain


@dataclass(slots=True)
class Close:
    """An act that closes chains: one entry on each covered recipient's chain, the message's and the log's.

    ``facts`` is the type and ``said`` the kind's own facts; what closes a chain is added here, from the ledger itself.
    ``own`` is sealed on the message's entry, ``sealed`` on the log's.
    """

    message: str
    kind: str
    facts: type[Closing]
    said: dict[str, Any]
    act: str
    source: Source
    number: int | None = None
    pending: int = 0
    sealed: Sequence[Sealed] = ()
    own: Sequence[Sealed] = ()

    @property
    def refs(self) -> Sequence[tuple[str, int]]:
        return ((self.message, 0),)

    def plan(self, view: View) -> Plan:
        message = view.chain(self.message, 0)
        if len(view.log.keys) > MAX_ITEMS:
            raise InvalidRequest("more key entries than a closing entry can name")
        covered = view.recipients(message) if self.number is None else [view.chain(self.message, self.number)]
        one = UNSET if self.number is None else f"r{self.number}"
        rows: list[tuple[Chain, Closing]] = [(c, self.facts(**self.said)) for c in covered]
        rows.append((message, self.facts(**self.said, recipients=len(covered), recipient=one)))
        rows.append((view.log, self.facts(**self.said, message=self.message, keys=view.log.keys, pending=self.pending)))
        sealed = {view.log.no: self.sealed, message.no: self.own}
        return Plan([Write(c, self.kind, facts, self.source, sealed.get(c.no, ()), act=self.act) for c, facts in rows])


@dataclass(slots=True)
class Seal:
    """A certificate was drawn: the hash of its file, which lies in the vault already. ``key`` (16 bytes) is of its
    number: it is sealed once. ``after`` is how many entries the message's chain had when it was looked at: InFlight
    where it has more, because an erasure may be among them."""

    message: str
    facts: CertificateSealed
    source: Source
    blob: Blob
    key: bytes
    after: int

    @property
    def refs(self) -> Sequence[tuple[str, int]]:
        return ((self.message, 0),)

    def plan(self, view: View) -> Plan:
        chain = view.chain(self.message, 0)
        seq = view.recorded(chain, self.key)
        if seq is not None:
            return Plan([], repeats=seq)
        if chain.n != self.after:
            raise InFlight("something was recorded of this message meanwhile")
        write = Write(chain, "certificate.sealed", self.facts, self.source)
        return Plan([write], key=(chain, self.key), blobs=[self.blob])
