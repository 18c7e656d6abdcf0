"""Plans: what an act wants written, and the ledger as an act sees it. Between `ledger.act`, which decides, and
`ledger.transaction`, which writes.

What is made once for every entry is a msgspec struct, not a dataclass: it takes a quarter of the time to make.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import UNSET, Struct, UnsetType

from ledger.blobs import Blob
from ledger.entry import Entry
from ledger.event import MAX_ITEMS, Clock, Continued, Facts, Source
from ledger.pending import Pending
from ledger.state import Chain


class Sealed(Struct, frozen=True, gc=False):
    """Disclosures made ready: whose data key protects them, their texts D and the digests that go into the entry.

    ``subject`` is the id of a message's or recipient's chain, that of a message and ``:sender`` or ``:shared``, or
    ``person:<blind index>``; empty for the chain the entry itself stands on. No two of an entry have the same.
    """

    subject: str
    texts: Sequence[str]
    digests: Sequence[str]


class Write(Struct, gc=False):
    """One entry to be made. Lists longer than an entry holds are split by the sequencer into continued entries."""

    chain: Chain
    kind: str
    facts: Facts
    source: Source
    sealed: Sequence[Sealed] = ()
    occurred: str | UnsetType = UNSET
    clock: Clock | UnsetType = UNSET
    act: str | UnsetType = UNSET
    more: Sequence[Continued] = ()
    tokens: Sequence[str] = ()


class View(Protocol):
    """The ledger under the lock, the entries of this batch so far included."""

    log: Chain
    at: int
    """Microseconds since 1970: what ``at`` of this batch's entries will say."""

    def chain(self, message: str, number: int) -> Chain:
        """The message's own chain (0) or that of recipient ``number``. UnknownReference."""

    def open(self, id: str, root: Chain | None, number: int) -> Chain:
        """A chain that does not exist yet, numbered next."""

    def recipients(self, message: Chain) -> Sequence[Chain]:
        """Every recipient's chain of a message, by ordinal."""

    def recorded(self, chain: Chain, key: bytes) -> int | None:
        """Seq of the entry an event key already made on this chain."""

    def token(self, token: str) -> int | None:
        """``no`` of the chain a link token opens."""

    def transfer(self, id: str) -> tuple[int, str, bool] | None:
        """``no`` of its chain, its file, whether it has ended."""

    def entry(self, seq: int) -> tuple[int, Entry] | None:
        """``no`` of its chain, and the entry."""

    def numbered(self, numbers: Sequence[int]) -> Sequence[Chain]:
        """The chains of these numbers, in their order."""

    def pending(self, erasure: str) -> Sequence[Pending]:
        """What is still to be done of an erasure: a row for each chain, by their numbers. None once it is done."""


class Plan(Struct, gc=False):
    """What an act will write. ``repeats`` is the seq of what an earlier request already wrote instead; ``denied`` says
    by which block the act was refused (its only write is then the denial)."""

    writes: list[Write]
    repeats: int | None = None
    denied: str | None = None
    key: tuple[Chain, bytes] | None = None
    transfers: tuple[str, str, str] | None = None
    lookups: Sequence[tuple[bytes, str]] = ()
    """What a message that is recorded here is found by: blind index, and the subject whose erasure deletes it."""
    blobs: Sequence[Blob] = ()
    """What is kept of a message that is recorded here; it lies in its place already."""
    erasure: tuple[str, Sequence[Pending]] | None = None
    """What is from now on still to be done of an erasure."""


class Act(Protocol):
    """One request. What its plan will look up is named first, so that a whole batch is loaded at once."""

    @property
    def refs(self) -> Sequence[tuple[str, int]]:
        """Chains, as (message id, recipient number)."""

    def plan(self, view: View) -> Plan:
        """Decide. Raises Refused; changes nothing."""


def split(sealed: Sequence[Sealed]) -> list[list[Sealed]]:
    """What goes into one entry after the other, `MAX_ITEMS` digests each; the first may have none."""
    parts: list[list[Sealed]] = [[]]
    room = MAX_ITEMS
    for one in sealed:
        start = 0
        while start < len(one.digests):
            if not room:
                parts.append([])
                room = MAX_ITEMS
            end = start + room
            parts[-1].append(Sealed(one.subject, one.texts[start:end], one.digests[start:end]))
            room -= len(parts[-1][-1].digests)
            start = end
    return parts
