"""What a replay of the entries does not see: every table beside them, held against what the entries say.

`ledger.audit` needs entries and tiles only, and so does anyone outside. This is for whoever has the database: it finds
edited projections, heads, boxes, keys and indexes, by recomputing what can be recomputed and opening what can be opened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, func, select

from ledger import disclosure, entry, vault
from ledger.errors import LedgerError
from ledger.ids import format_time
from ledger.merkle import Frontier
from ledger.store import tables as t
from ledger.store.append import CHAIN_COLUMNS, Head, Row, row_of
from ledger.store.projections import Folded, fold
from ledger.store.read import Reader

LIMIT: Final = 100
"""Findings after which an inspection stops."""


class Keys(Protocol):
    """What opens data keys."""

    def open_data_key(self, subject: str, epoch: int, wrapped: bytes) -> AESGCM:
        """The cipher of a stored key. SecretError."""


@dataclass(slots=True)
class Inspection:
    """What was found. ``erased`` counts digests whose disclosures are gone; ``opened`` those that were read and match."""

    findings: list[str] = field(default_factory=list)
    opened: int = 0
    erased: int = 0

    def say(self, finding: str) -> None:
        """Keep a finding, up to the limit."""
        if len(self.findings) < LIMIT:
            self.findings.append(finding)


def inspect(reader: Reader, keys: Keys | None, parts: int = 1, progress: Callable[[int], None] | None = None) -> Inspection:
    """Compare every table with the entries. Without ``keys`` nothing sealed is opened. ``parts`` bounds memory.

    The state is that of one snapshot each pass; run it while nothing writes, or entries made meanwhile look unrecorded.
    """
    found = Inspection()
    head = reader.head()
    _head(reader, head, found)
    for part in range(parts):
        try:
            folded = fold(reader.rows(part, parts))
        except LedgerError as error:
            found.say(f"entries: {error}")
            return found
        with reader.snapshot() as connection:
            _chains(connection, folded, part, parts, found)
            _references(connection, folded, found)
    with reader.snapshot() as connection:
        _indexes(connection, head, found)
    _boxes(reader, keys, head, found, progress)
    return found


def _head(reader: Reader, head: Head, found: Inspection) -> None:
    frontier, count, chains, last, at = Frontier(), 0, 0, "0" * 64, ""
    for chunk in reader.rows(0, 1):
        frontier.extend([row[4] for row in chunk])
        count += len(chunk)
        chains = max(chains, *(row[2] + 1 for row in chunk))
        last = chunk[-1][4].hex()
        at = entry.decode(chunk[-1][5]).at
    expected = (count, frontier.root(), frontier.to_bytes(), last, at, chains)
    stored = (head.size, head.root, head.frontier, head.leaf, format_time(head.at) if head.at else "", head.chains)
    for name, should, has in zip(("size", "root", "frontier", "leaf", "at", "chains"), expected, stored, strict=True):
        if should != has:
            found.say(f"head: {name} is not what the entries say")


def _chains(connection: Connection, folded: Folded, part: int, parts: int, found: Inspection) -> None:
    names = CHAIN_COLUMNS.split(", ")
    stored: set[int] = set()
    for row in connection.execute(select(t.chains).where(t.chains.c.root % parts == part)):
        stored.add(row[0])
        chain = folded.chains.get(row[0])
        if chain is None:
            found.say(f"chains: {row[0]} has no entries")
            continue
        wrong = [name for name, should, has in zip(names, row_of(chain), row, strict=True) if should != has]
        if wrong:
            found.say(f"chains: {', '.join(wrong)} of chain {row[0]} is not what its entries say")
    for no in sorted(set(folded.chains) - stored):
        found.say(f"chains: {no} is missing")


def _references(connection: Connection, folded: Folded, found: Inspection) -> None:
    numbers = set(folded.chains)
    tokens = {bytes(r[0]): r[1] for r in connection.execute(select(t.tokens)) if r[1] in numbers}
    if tokens != folded.tokens:
        found.say(f"tokens: {len(tokens.items() ^ folded.tokens.items())} rows are not what the entries say")
    transfers = {r[0]: (r[1], r[2], bool(r[3])) for r in connection.execute(select(t.transfers)) if r[1] in numbers}
    if transfers != folded.transfers:
        found.say(f"transfers: {len(transfers.items() ^ folded.transfers.items())} rows are not what the entries say")


def _indexes(connection: Connection, head: Head, found: Inspection) -> None:
    """Rows whose keys cannot be recomputed must at least point at what exists."""
    misled = select(func.count()).select_from(t.seen).outerjoin(t.entries, t.seen.c.seq == t.entries.c.seq)
    count = connection.execute(misled.where(t.entries.c.chain.is_distinct_from(t.seen.c.chain))).scalar_one()
    if count:
        found.say(f"seen: {count} event keys point at no entry of their chain")
    for row in connection.execute(select(t.requests.c.seqs)):
        seqs = str(row[0]).split()
        if not seqs or any(not s.isascii() or not s.isdigit() or int(s) >= head.size for s in seqs):
            found.say("requests: an idempotency key points at no entry")
    last = connection.execute(select(func.max(t.batches.c.no))).scalar_one()
    if (last or 0) != head.batch:
        found.say("batches: the last one is not the head's")
    lost = select(func.count()).select_from(t.tokens).outerjoin(t.chains, t.tokens.c.chain == t.chains.c.no)
    if connection.execute(lost.where(t.chains.c.no.is_(None))).scalar_one():
        found.say("tokens: some open a chain that does not exist")
    lost = select(func.count()).select_from(t.transfers).outerjoin(t.chains, t.transfers.c.chain == t.chains.c.no)
    if connection.execute(lost.where(t.chains.c.no.is_(None))).scalar_one():
        found.say("transfers: some are of a chain that does not exist")


def _boxes(
    reader: Reader, keys: Keys | None, head: Head, found: Inspection, progress: Callable[[int], None] | None
) -> None:
    sealed = _sealed(reader)
    for chunk in reader.rows(0, 1):
        for seq, _, _, _, _, data in chunk:
            digests = set(entry.decode(data).sealed)
            for row in sealed(seq):
                digests -= _open(keys, head.log, row, digests, found)
            found.erased += len(digests)
        if progress is not None:
            progress(chunk[-1][0] + 1)
    for row in sealed(None):
        found.say(f"sealed: a box belongs to entry {row[0]}, which does not exist")


def _sealed(reader: Reader) -> Callable[[int | None], Iterator[Row]]:
    """The boxes of one entry after another, ascending; None for all that are left."""
    rows = reader.sealed()
    waiting: list[Row] = []

    def of(seq: int | None) -> Iterator[Row]:
        while True:
            row = waiting.pop() if waiting else next(rows, None)
            if row is None:
                return
            if seq is not None and row[0] > seq:
                waiting.append(row)
                return
            yield row

    return of


def _open(keys: Keys | None, log: str, row: Row, digests: set[str], found: Inspection) -> set[str]:
    seq, subject, epoch, wrapped, box = row
    if keys is None:
        return set()
    if subject is None:
        found.say(f"sealed: the data key of a box of entry {seq} is missing")
        return set()
    try:
        texts: list[Any] = vault.open_box(keys.open_data_key(subject, epoch, wrapped), log, seq, box)
    except LedgerError as error:
        found.say(f"sealed: a box of entry {seq} cannot be opened: {error}")
        return set()
    held = {disclosure.digest(text) for text in texts}
    if not held <= digests:
        found.say(f"sealed: entry {seq} does not commit to what its box holds")
    found.opened += len(held & digests)
    return held
