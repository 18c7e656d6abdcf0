"""What the writer asks of a database, in bulk: one lock, a few reads for a whole batch, one write, one commit.

`ledger.store.sqlite` and `ledger.store.postgres` are the two that do it. A row is a tuple in the order of the columns
in `ledger.store.tables`.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from ledger.errors import RolledBack, StoreUnavailable
from ledger.state import Chain
from ledger.store.tables import LOOKUP_PART

Row = tuple[Any, ...]

BATCHES_KEPT = 4096
"""Batch ids a database remembers; far more than can commit while one writer waits for an answer."""

CHAIN_COLUMNS = (
    "no, id, root, ordinal, files, recipients, n, leaf, grade, accesses, "
    "sent, received, opened, link_opened, started, downloaded, bounced, denied, extra"
)


class CommitUnknown(StoreUnavailable):
    """COMMIT was sent and no answer came: the batch may stand or not. `Appender.find_batch` knows."""


class Conflict(StoreUnavailable):
    """What was to be written stands already under the same key: nothing of the batch is written. An act in it is to
    blame, not the database, and trying again changes nothing."""


@dataclass(frozen=True, slots=True)
class Head:
    """The row every writer locks. ``at`` is in microseconds since 1970; ``leaf`` is hex.

    ``mac`` is what the key ring says to `claim`: a row that was not made by a holder of the ring is not gone on from.
    """

    log: str
    origin: str
    size: int
    root: bytes
    frontier: bytes
    leaf: str
    at: int
    chains: int
    batch: int
    mac: bytes = b""

    def claim(self) -> str:
        """What ``mac`` is over. The frontier is left out: it is checked against root and size."""
        return f"{self.origin}:{self.size}:{self.root.hex()}:{self.leaf}:{self.at}:{self.chains}:{self.batch}"


def check_mac(head: Head, mac: Callable[[str], bytes]) -> None:
    """RolledBack for a head that no holder of the key ring made."""
    if not hmac.compare_digest(mac(head.claim()), head.mac):
        raise RolledBack("the head of the ledger was changed by something that is not a ledger: its MAC does not hold")


def move_on(head: Head, mac: Callable[[str], bytes]) -> Head:
    """The same ledger under another batch: whoever remembers the one before reads anew what he needs."""
    moved = replace(head, batch=head.batch + 1)
    return replace(moved, mac=mac(moved.claim()))


@dataclass(slots=True)
class Rows:
    """Everything one batch writes, by table. ``chains`` existed before; ``opened`` did not."""

    entries: list[Row] = field(default_factory=list)
    sealed: list[Row] = field(default_factory=list)
    blobs: list[Row] = field(default_factory=list)
    data_keys: list[Row] = field(default_factory=list)
    requests: list[Row] = field(default_factory=list)
    seen: list[Row] = field(default_factory=list)
    tiles: list[Row] = field(default_factory=list)
    edge: list[Row] = field(default_factory=list)
    opened: list[Chain] = field(default_factory=list)
    chains: list[Chain] = field(default_factory=list)
    tokens: list[Row] = field(default_factory=list)
    transfers: list[Row] = field(default_factory=list)
    lookups: list[Row] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    """Erasures whose rows go, before those in ``erasures`` come."""
    erasures: list[Row] = field(default_factory=list)


class Appender(Protocol):
    """One writer's connection. Every method may raise StoreUnavailable; after one the transaction is gone."""

    def begin(self) -> Head:
        """Take the lock on the log's head, waiting for it, and read the head under it."""

    def now(self) -> int:
        """The database's clock in microseconds since 1970; this machine's where the database has none of its own."""

    def chains(self, keys: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], Chain]:
        """The chains of (message id, recipient number); those not found are missing."""

    def recipients(self, root: int) -> Sequence[Chain]:
        """All recipients' chains of the message numbered ``root``, by ordinal."""

    def log_chain(self) -> Chain | None:
        """The log's own chain."""

    def seen(self, keys: Sequence[tuple[int, bytes]]) -> Mapping[tuple[int, bytes], int]:
        """Which event keys were recorded, and at what seq."""

    def requests(self, keys: Sequence[bytes]) -> Mapping[bytes, tuple[bytes, str]]:
        """Digest and seqs of the requests recorded under these keys."""

    def tokens(self, tokens: Sequence[bytes]) -> Mapping[bytes, int]:
        """The chains that link tokens open."""

    def transfers(self, ids: Sequence[str]) -> Mapping[str, tuple[int, str, bool]]:
        """Chain, file and whether it has ended."""

    def entries(self, seqs: Sequence[int]) -> Mapping[int, tuple[int, bytes]]:
        """Chain number and bytes."""

    def leaves(self, start: int) -> list[tuple[int, bytes]]:
        """Chain number and leaf hash of each entry from ``start`` to the end."""

    def edge(self) -> Mapping[int, bytes]:
        """The growing tiles above level 0."""

    def data_keys(self, subjects: Sequence[str]) -> Mapping[str, tuple[int, int, bytes]]:
        """Number, epoch and wrapped key of each subject that has one."""

    def numbered(self, numbers: Sequence[int]) -> Sequence[Chain]:
        """The chains of these numbers."""

    def erasures(self, id: str) -> Sequence[Row]:
        """What is stored of an erasure that is not done yet."""

    def rewrap(self, rows: Sequence[Row]) -> None:
        """Put (epoch, wrapped key, number) in place of what stands there for a data key."""

    def destroy(self, subjects: Sequence[str], messages: Sequence[int]) -> list[int]:
        """Delete the data keys of these subjects, what is sealed under them, and what is found by it; they are of these
        messages (by number), or of acting persons. Of what is kept under them the names stay, for `Reader.doomed`.
        Returns the numbers of the keys that stood."""

    def drop_blobs(self, names: Sequence[str]) -> None:
        """Delete these names of doomed blobs: the blobs are gone."""

    def last_data_key(self) -> int:
        """The highest number of any data key, -1 when there is none."""

    def clear(self, tables: Sequence[str]) -> None:
        """Empty these tables."""

    def look_up(self, rows: Sequence[Row]) -> None:
        """Rows of ``lookups``, in any number and order, before `write`. Conflict."""

    def write(self, rows: Rows, head: Head, batch: str) -> None:
        """Everything of the batch. Nothing is durable before `commit`. Conflict."""

    def commit(self) -> None:
        """Durable when it returns. CommitUnknown when the answer was lost."""

    def rollback(self) -> None:
        """Give everything back, the lock too. Never raises."""

    def find_batch(self, no: int) -> str | None:
        """The id of batch ``no``, on a fresh connection and under the lock. For after a `CommitUnknown`."""

    def close(self) -> None:
        """Give the connection back. Never raises."""


def lookup_row(blind: bytes, message: int, subject: str) -> Row:
    """A row of ``lookups``."""
    return message // LOOKUP_PART, blind, message, subject


def chain_of(row: Row) -> Chain:
    """A `Chain` from a row in the order of `CHAIN_COLUMNS`."""
    chain = Chain(row[0], row[1], row[2], row[3], row[4])
    chain.recipients, chain.n, chain.leaf, chain.grade, chain.accesses = row[5:10]
    chain.firsts = list(row[10:18])
    if row[18]:
        chain.set_extra(row[18])
    return chain


def row_of(chain: Chain) -> Row:
    """A row in the order of `CHAIN_COLUMNS`."""
    extra = chain.extra() if chain.has_extra else ""
    return (
        chain.no,
        chain.id,
        chain.root,
        chain.ordinal,
        chain.files,
        chain.recipients,
        chain.n,
        chain.leaf,
        chain.grade,
        chain.accesses,
        *chain.firsts,
        extra,
    )
