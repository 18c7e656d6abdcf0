"""What a replay of the entries does not see: every table beside them, held against what the entries say.

`ledger.audit` needs entries and tiles only, and so does anyone outside. This is for whoever has the database: it finds
edited projections, heads, boxes, keys and indexes, by recomputing what can be recomputed and opening what can be
opened. What it cannot find stands in docs/threat-model.md, "Whoever can write to the database".
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from msgspec import UNSET, UnsetType
from sqlalchemy import Connection, func, select

from ledger import disclosure, entry, pending, vault
from ledger.act import WHOLE
from ledger.blobs import Blobs
from ledger.errors import LedgerError
from ledger.ids import format_time
from ledger.merkle import Frontier
from ledger.store import credentials, kept, lookups, shape
from ledger.store import tables as t
from ledger.store.append import BATCHES_KEPT, CHAIN_COLUMNS, Head, Row, row_of
from ledger.store.lookups import Comparison, Keys
from ledger.store.projections import Folded, fold
from ledger.store.read import Reader
from ledger.tiles import grow

LIMIT: Final = 100
"""Findings after which an inspection stops."""


@dataclass(slots=True)
class Inspection:
    """What was found. ``opened`` counts digests whose disclosures were read and match; ``erased`` those that are gone,
    if there was a key to look with."""

    findings: list[str] = field(default_factory=list)
    opened: int = 0
    erased: int = 0

    def say(self, finding: str) -> None:
        """Keep a finding, up to the limit."""
        if len(self.findings) < LIMIT:
            self.findings.append(finding)


def inspect(
    reader: Reader,
    keys: Keys | None,
    parts: int = 1,
    progress: Callable[[int], None] | None = None,
    store: Blobs | None = None,
) -> Inspection:
    """Compare every table with the entries. Without ``keys`` nothing sealed is opened, and without ``store`` no kept
    content read. ``parts`` bounds memory.

    The state is that of one snapshot each pass; run it while nothing writes, or entries made meanwhile look unrecorded.
    """
    found = Inspection()
    with reader.snapshot() as connection:
        for finding in shape.check(connection):
            found.say(finding)
    if found.findings:
        # What is of another shape cannot be read as what it should be.
        return found
    head = reader.head()
    try:
        _head(reader, head, found)
        if keys is not None and keys.blind("head", head.claim()) != head.mac:
            found.say("head: mac is not of this key ring")
        stored = {"chains": 0, "tokens": 0, "transfers": 0}
        erasing: set[int] = set()
        asked: dict[tuple[str, int], int] = {}
        for part in range(parts):
            folded = fold(reader.rows(part, parts))
            erasing |= folded.erasing
            asked |= {(id, no): chain.root for no, chain in folded.chains.items() for id in chain.erasures}
            with reader.snapshot() as connection:
                stored["chains"] += _chains(connection, folded, part, parts, found)
                _references(connection, folded, found, stored)
    except (LedgerError, LookupError) as error:
        found.say(f"entries: {error}")
        return found
    with reader.snapshot() as connection:
        _counts(connection, head, stored, found)
        indexes = _indexes(connection, head, found)
        _subjects(connection, found)
        erasing |= _erasures(connection, keys, asked, found)
    compared = None if keys is None else Comparison(keys, head.claim(), stored["chains"])
    _boxes(reader, keys, head, indexes, erasing, compared, found, progress)
    for finding in kept.findings(reader, keys, head.log, erasing, store):
        found.say(finding)
    for finding in lookups.misplaced(reader) if compared is None else compared.findings(reader):
        found.say(finding)
    if keys is not None:
        mac = partial(keys.blind, credentials.MAC)
        for finding in credentials.Credentials(reader.engine, mac).findings():
            found.say(finding)
    return found


def _head(reader: Reader, head: Head, found: Inspection) -> None:
    frontier, count, chains, last, at = Frontier(), 0, 0, "0" * 64, ""
    edge: dict[int, bytes] = {}
    log = origin = ""
    for chunk in reader.rows(0, 1):
        edge, _ = grow(edge, frontier.extend([row[4] for row in chunk]))
        if not count:
            first: Any = entry.decode(chunk[0][5])
            log, origin = first.chain, getattr(first.facts, "origin", "")
        count += len(chunk)
        for _, root, no, n, _, _ in chunk:
            if n == 0:
                if no != chains or not 0 <= root <= no:
                    found.say(f"entries: chain {no} is not numbered in the order in which chains were opened")
                chains += 1
        last = chunk[-1][4].hex()
        at = entry.decode(chunk[-1][5]).at
    expected = (log, origin, count, frontier.root(), frontier.to_bytes(), last, at, chains)
    told = format_time(head.at) if head.at else ""
    stored = (head.log, head.origin, head.size, head.root, head.frontier, head.leaf, told, head.chains)
    names = ("log", "origin", "size", "root", "frontier", "leaf", "at", "chains")
    for name, should, has in zip(names, expected, stored, strict=True):
        if should != has:
            found.say(f"head: {name} is not what the entries say")
    with reader.snapshot() as connection:
        has_edge = {row[0]: bytes(row[1]) for row in connection.execute(select(t.edge)) if row[1]}
    if has_edge != {level: data for level, data in edge.items() if level}:
        found.say("edge: the growing tiles are not what the entries say")


def _chains(connection: Connection, folded: Folded, part: int, parts: int, found: Inspection) -> int:
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
    return len(stored)


def _references(connection: Connection, folded: Folded, found: Inspection, stored: dict[str, int]) -> None:
    numbers = set(folded.chains)
    tokens = {bytes(r[0]): r[1] for r in connection.execute(select(t.tokens)) if r[1] in numbers}
    if tokens != folded.tokens:
        found.say(f"tokens: {len(tokens.items() ^ folded.tokens.items())} rows are not what the entries say")
    transfers = {r[0]: (r[1], r[2], bool(r[3])) for r in connection.execute(select(t.transfers)) if r[1] in numbers}
    if transfers != folded.transfers:
        found.say(f"transfers: {len(transfers.items() ^ folded.transfers.items())} rows are not what the entries say")
    stored["tokens"] += len(tokens)
    stored["transfers"] += len(transfers)


def _counts(connection: Connection, head: Head, stored: dict[str, int], found: Inspection) -> None:
    """Rows that belong to no part, or to nothing at all: they were compared with nothing."""
    full = {level: head.size >> 8 * (level + 1) for level in range(8)}
    for name, should in {"head": 1, "tiles": sum(full.values()), **stored}.items():
        count = connection.execute(select(func.count()).select_from(t.metadata.tables[name])).scalar_one()
        if count != should:
            found.say(f"{name}: {count} rows, and {should} that say something of the entries")
    kept = select(func.count(), func.min(t.batches.c.no), func.max(t.batches.c.no))
    count, low, high = connection.execute(kept).one()
    first = max(1, head.batch - BATCHES_KEPT + 1)
    if (count, low or 1, high or 0) != (head.batch - first + 1, first, head.batch):
        found.say("batches: they are not the last ones, up to the head's")


def _indexes(connection: Connection, head: Head, found: Inspection) -> Indexes:
    """Rows whose keys cannot be recomputed must at least point at what exists, and not two of them at one thing."""
    s, e = t.seen.c, t.entries.c
    misled = select(func.count()).select_from(t.seen).outerjoin(t.entries, s.seq == e.seq)
    count = connection.execute(misled.where(e.chain.is_distinct_from(s.chain))).scalar_one()
    if count:
        found.say(f"seen: {count} event keys point at no entry of their chain")
    events = array("q", (row[0] for row in connection.execute(select(s.seq).order_by(s.seq))))
    requests = []
    for (seqs,) in connection.execute(select(t.requests.c.seqs)):
        first, _, rest = str(seqs).partition(" ")
        count = 2 + rest.count(" ") if rest else 1
        if not first.isascii() or not first.isdigit() or int(first) + count > head.size:
            found.say("requests: an idempotency key points at no entry")
        elif seqs != " ".join(map(str, range(int(first), int(first) + count))):
            found.say("requests: an idempotency key points at entries that do not stand together")
        else:
            requests.append((int(first), count))
    return Indexes(events, sorted(requests))


@dataclass(slots=True)
class Indexes:
    """What event keys and idempotency keys point at, ascending; compared with the entries as they pass."""

    events: Sequence[int]
    requests: Sequence[tuple[int, int]]
    _event: int = 0
    _request: int = 0
    _unit: tuple[str | UnsetType, int] = UNSET, 0

    def compare(self, seq: int, made: entry.Entry, found: Inspection) -> None:
        """The next entry."""
        while self._event < len(self.events) and self.events[self._event] == seq:
            if made.kind in WHOLE or (self._event and self.events[self._event - 1] == seq):
                found.say(f"seen: an event key points at entry {seq}, which is no event, or has a key already")
            self._event += 1
        if made.act is UNSET or made.act != self._unit[0]:
            self.end(seq, found)
            self._unit = made.act, seq

    def end(self, seq: int, found: Inspection) -> None:
        """What one act wrote, or a single entry, ends before entry ``seq``."""
        first, before = self._unit[1], -1
        while self._request < len(self.requests) and self.requests[self._request][0] < seq:
            start, count = self.requests[self._request]
            if (start, count) != (first, seq - first) or start == before:
                found.say(f"requests: an idempotency key points at entry {start}, not at all that one request wrote")
            before = start
            self._request += 1


def _subjects(connection: Connection, found: Inspection) -> None:
    """What is sealed is under a key of the message it belongs to, or of a person; and every key is under something."""
    k = t.data_keys.c
    of = t.sealed.join(t.data_keys, t.sealed.c.key == k.no).join(t.entries, t.sealed.c.seq == t.entries.c.seq)
    of = of.outerjoin(t.chains, t.chains.c.id == func.substr(k.subject, 1, 36))
    strange = t.chains.c.root.is_distinct_from(t.entries.c.root) & k.subject.not_like("person:%")
    if count := connection.execute(select(func.count()).select_from(of).where(strange)).scalar_one():
        found.say(f"sealed: {count} boxes are under the data key of somebody else")
    used = select(t.sealed.c.key).union(select(t.blobs.c.key))
    idle = select(func.count()).select_from(t.data_keys).where(k.no.not_in(used))
    if count := connection.execute(idle).scalar_one():
        found.say(f"data_keys: nothing is sealed under {count} of them")


def _erasures(
    connection: Connection, keys: Keys | None, asked: Mapping[tuple[str, int], int], found: Inspection
) -> set[int]:
    """What is still to be done is what the entries have asked for. Returns the messages of which something may be gone
    already."""
    rows = [tuple(row) for row in connection.execute(select(t.erasures))]
    if strange := {(row[0], row[1]) for row in rows} ^ asked.keys():
        found.say(f"erasures: {len(strange)} rows are not what the entries say")
    if keys is None:
        return {asked.get((row[0], row[1]), -1) for row in rows}
    read = [pending.from_row(row, partial(keys.blind, pending.MAC)) for row in rows]
    genuine = [one for one in read if one is not None]
    if len(genuine) != len(rows):
        count = len(rows) - len(genuine)
        found.say(f"erasures: {count} rows were not made by Postseal, or were changed since; nothing is erased by them")
    return {asked.get((one.id, one.chain), -1) for one in genuine if not one.waiting}


def _boxes(
    reader: Reader,
    keys: Keys | None,
    head: Head,
    indexes: Indexes,
    erasing: Collection[int],
    compared: Comparison | None,
    found: Inspection,
    progress: Callable[[int], None] | None,
) -> None:
    """Everything sealed is opened. What is gone was erased, and some entry of its message or of the log says so."""
    sealed = _sealed(reader)
    for chunk in reader.rows(0, 1):
        for seq, root, _, _, _, data in chunk:
            made = entry.decode(data)
            indexes.compare(seq, made, found)
            digests = set(made.sealed)
            # An acting person who was erased is told of on the log's chain; he sealed one thing on an entry, his name.
            erased, acted = root in erasing, 0 in erasing
            for row in sealed(seq):
                held = _open(keys, head.log, row, digests, erased or acted, found)
                digests -= held.keys()
                if compared is not None and held:
                    compared.take(made, root, row[1], held.values())
            if digests and keys is not None:
                found.erased += len(digests)
                if not erased and not (acted and len(digests) == 1):
                    gone = f"{len(digests)} of what entry {seq} sealed are gone"
                    found.say(f"sealed: {gone}, and no entry tells of an erasure")
        if progress is not None:
            progress(chunk[-1][0] + 1)
    indexes.end(head.size, found)
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


def _open(keys: Keys | None, log: str, row: Row, digests: set[str], erased: bool, found: Inspection) -> dict[str, str]:
    """What a box holds: digests, and what they are of."""
    seq, subject, epoch, wrapped, box = row
    if keys is None or (subject is None and erased):
        return {}
    if subject is None:
        found.say(f"sealed: the data key of a box of entry {seq} is missing")
        return {}
    try:
        texts: list[Any] = vault.open_box(keys.open_data_key(subject, epoch, wrapped), log, seq, box)
    except LedgerError as error:
        found.say(f"sealed: a box of entry {seq} cannot be opened: {error}")
        return {}
    held = {disclosure.digest(text): text for text in texts}
    if not held.keys() <= digests:
        found.say(f"sealed: entry {seq} does not commit to what its box holds")
    found.opened += len(held.keys() & digests)
    return held
