"""Reads: entries, chains, tiles, what is sealed. Each method sees one snapshot; none takes the writer's lock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from typing import Any

from sqlalchemy import CompoundSelect, Connection, Engine, Select, bindparam, func, select, union_all
from sqlalchemy.exc import DBAPIError

from ledger import tiles as geometry
from ledger.errors import StoreUnavailable
from ledger.merkle import EMPTY_ROOT, Read, range_hashes
from ledger.state import Chain
from ledger.store import tables as t
from ledger.store.append import Head, Row, chain_of
from ledger.store.destroying import DOOMED
from ledger.store.engine import explain

CHUNK = 4096
"""Rows asked for at a time when a whole ledger is read: of a server. SQLite has no round trip to save."""

FEW = 256
"""The same of SQLite: so many are still in the processor's cache when they are looked at."""

_CHAIN = list(t.chains.c)


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A connection on which every statement sees the same state of the database."""
    try:
        if engine.dialect.name == "sqlite":
            with engine.connect() as connection:
                connection.exec_driver_sql("BEGIN")
                try:
                    yield connection
                finally:
                    connection.exec_driver_sql("ROLLBACK")
        else:
            with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
                yield connection
    except DBAPIError as error:
        raise StoreUnavailable(explain(error)) from None


class Reader:
    """Reads of one log. Safe to share between threads; pickled by its URL for other processes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def engine(self) -> Engine:
        """Where it reads: for tables that are no part of the log."""
        return self._engine

    def close(self) -> None:
        """Give back every pooled connection."""
        self._engine.dispose()

    def head(self) -> Head:
        """Size, root and the rest, as last committed."""
        found = self.find_head()
        if found is None:
            raise StoreUnavailable("this database holds no ledger")
        return found

    def find_head(self) -> Head | None:
        """The same, None where no log was ever opened."""
        with snapshot(self._engine) as connection:
            row = connection.execute(_HEAD).one_or_none()
        return None if row is None else Head(*row)

    def root(self, size: int) -> bytes:
        """Root of the tree of the first ``size`` entries, from stored tiles and leaves."""
        if not size:
            return EMPTY_ROOT
        return range_hashes([(0, size)], self.nodes(size))[0]

    def entry(self, seq: int) -> bytes | None:
        """The bytes of one entry."""
        with snapshot(self._engine) as connection:
            found = connection.execute(_ENTRY, {"seq": seq}).scalar_one_or_none()
        return None if found is None else bytes(found)

    def entries(self, start: int, stop: int) -> list[bytes]:
        """Bytes of the entries from ``start`` up to and without ``stop``."""
        query = select(t.entries.c.entry).where(t.entries.c.seq >= start, t.entries.c.seq < stop)
        with snapshot(self._engine) as connection:
            return [bytes(row[0]) for row in connection.execute(query.order_by(t.entries.c.seq))]

    def requested(self, key: bytes) -> bool:
        """Whether a request was recorded under this idempotency key."""
        with snapshot(self._engine) as connection:
            return connection.execute(_REQUEST, {"key": key}).first() is not None

    def chain(self, id: str) -> Chain | None:
        """Any chain by its own id."""
        return next(iter(self._chains(select(*_CHAIN).where(t.chains.c.id == id))), None)

    def log_chain(self) -> Chain:
        """The log's own chain."""
        found = self._chains(select(*_CHAIN).where(t.chains.c.no == 0))
        if not found:
            raise StoreUnavailable("this database holds no ledger")
        return found[0]

    def recipients(self, message: Chain) -> list[Chain]:
        """The recipients' chains of a message, by ordinal."""
        query = select(*_CHAIN).where(t.chains.c.root == message.no, t.chains.c.ordinal > 0)
        return self._chains(query.order_by(t.chains.c.ordinal))

    def messages(self, limit: int, before: int | None = None) -> list[Chain]:
        """Messages' own chains, newest first; ``before`` is a chain number to go on from."""
        query = select(*_CHAIN).where(t.chains.c.ordinal == 0, t.chains.c.no > 0)
        if before is not None:
            query = query.where(t.chains.c.no < before)
        return self._chains(query.order_by(t.chains.c.no.desc()).limit(limit))

    def _chains(self, query: Select[Any]) -> list[Chain]:
        with snapshot(self._engine) as connection:
            return [chain_of(tuple(row)) for row in connection.execute(query)]

    def chain_entries(self, chain: Chain, start: int = 0, stop: int | None = None) -> list[tuple[int, bytes]]:
        """(seq, bytes) of a chain's entries from position ``start`` up to and without ``stop``."""
        e = t.entries.c
        query = select(e.seq, e.entry).where(e.chain == chain.no, e.n >= start).order_by(e.n)
        if stop is not None:
            query = query.where(e.n < stop)
        with snapshot(self._engine) as connection:
            return [(row[0], bytes(row[1])) for row in connection.execute(query)]

    def chain_before(self, chain: Chain, seq: int) -> Iterator[tuple[int, bytes]]:
        """(n, bytes) of a chain's entries that stand before entry ``seq``, newest first."""
        e = t.entries.c
        with snapshot(self._engine) as connection:
            below = select(func.coalesce(func.max(e.n), -1)).where(e.chain == chain.no, e.seq < seq)
            n = int(connection.execute(below).scalar_one())
        while n >= 0:
            low = max(0, n - 63)
            for offset, (_, data) in enumerate(reversed(self.chain_entries(chain, low, n + 1))):
                yield n - offset, data
            n = low - 1

    def boxes(
        self, seqs: Sequence[int], subjects: Sequence[str] | None = None
    ) -> list[tuple[int, str, int, bytes, bytes]]:
        """(seq, subject, epoch, wrapped data key, box) of what is sealed on these entries and not erased; of these
        ``subjects`` only, if any are given."""
        s, k = t.sealed.c, t.data_keys.c
        query = select(s.seq, k.subject, k.epoch, k.wrapped, s.box).join_from(t.sealed, t.data_keys, s.key == k.no)
        query = query.where(s.seq.in_(bindparam("seqs", expanding=True))).order_by(s.seq, s.key)
        if subjects is not None:
            query = query.where(k.subject.in_(subjects))
        found: list[tuple[int, str, int, bytes, bytes]] = []
        with snapshot(self._engine) as connection:
            for start in range(0, len(seqs), 500):
                rows = connection.execute(query, {"seqs": list(seqs[start : start + 500])})
                found += [(r[0], r[1], r[2], bytes(r[3]), bytes(r[4])) for r in rows]
        return found

    def blobs(self, message: Chain) -> list[Row]:
        """(part, name, size, small, wrapped key, subject, epoch, wrapped data key) of what is kept of a message; those
        whose data key is gone are missing."""
        with snapshot(self._engine) as connection:
            rows = connection.execute(_BLOBS.where(t.blobs.c.message == message.no))
            return [(*row[:4], bytes(row[4]), *row[5:7], bytes(row[7])) for row in rows]

    def doomed(self) -> list[str]:
        """Names of blobs whose data keys were destroyed, and that are not known to be gone."""
        with snapshot(self._engine) as connection:
            return list(connection.scalars(select(t.blobs.c.name).where(t.blobs.c.key == DOOMED)))

    def unnamed(self, names: Sequence[str]) -> list[str]:
        """Those of these names that no blob of this log has."""
        query = select(t.blobs.c.name).where(t.blobs.c.name.in_(bindparam("names", expanding=True)))
        found: set[str] = set()
        with snapshot(self._engine) as connection:
            for start in range(0, len(names), 500):
                found.update(connection.scalars(query, {"names": list(names[start : start + 500])}))
        return [name for name in names if name not in found]

    def erasures(self) -> list[Row]:
        """Every row of what is to be erased, by erasure and chain."""
        e = t.erasures.c
        with snapshot(self._engine) as connection:
            return [tuple(row) for row in connection.execute(select(t.erasures).order_by(e.id, e.chain))]

    def found_by(self, blind: bytes) -> list[tuple[int, str]]:
        """(message's number, subject of a data key) of all that is found by one blind index, in no order."""
        c = t.lookups.c
        with snapshot(self._engine) as connection:
            parts = range(1 + (connection.execute(select(func.max(c.part))).scalar_one() or 0))
            query = select(c.message, c.subject).where(c.part.in_(bindparam("parts", expanding=True)), c.blind == blind)
            return [
                (row[0], row[1])
                for start in range(0, len(parts), CHUNK)
                for row in connection.execute(query, {"parts": list(parts[start : start + CHUNK])})
            ]

    def numbered(self, numbers: Sequence[int]) -> list[Chain]:
        """The chains of these numbers, in no order."""
        return [
            chain
            for start in range(0, len(numbers), CHUNK)
            for chain in self._chains(select(*_CHAIN).where(t.chains.c.no.in_(numbers[start : start + CHUNK])))
        ]

    def kept(self, after: int) -> list[Chain]:
        """The next messages that are to be kept for a time that was said, by their numbers from ``after`` on."""
        c = t.chains.c
        query = select(*_CHAIN).where(c.ordinal == 0, c.no > max(after, 0), c.extra.contains('"term":['))
        return self._chains(query.order_by(c.no).limit(CHUNK))

    def data_keys(self, subjects: Sequence[str]) -> list[str]:
        """Those of these subjects that have a data key."""
        subject = t.data_keys.c.subject
        with snapshot(self._engine) as connection:
            # A statement takes some ten thousand parameters, and a message may have more recipients.
            some = (subjects[at : at + CHUNK] for at in range(0, len(subjects), CHUNK))
            return [one for part in some for one in connection.scalars(select(subject).where(subject.in_(part)))]

    def sealed_under(self, subject: str) -> list[int]:
        """Every entry on which something is sealed under this data key. Goes through the whole table."""
        query = select(t.sealed.c.seq).join_from(t.sealed, t.data_keys, t.sealed.c.key == t.data_keys.c.no)
        with snapshot(self._engine) as connection:
            return list(connection.scalars(query.where(t.data_keys.c.subject == subject).order_by(t.sealed.c.seq)))

    def wrapped(self, epoch: int, after: int, limit: int) -> list[tuple[int, str, int, bytes]]:
        """(number, subject, epoch, wrapped key) of data keys that are not under this epoch, by their numbers from
        ``after`` on, not itself."""
        k = t.data_keys.c
        query = select(k.no, k.subject, k.epoch, k.wrapped).where(k.epoch != epoch, k.no > after).order_by(k.no)
        with snapshot(self._engine) as connection:
            return [(row[0], row[1], row[2], bytes(row[3])) for row in connection.execute(query.limit(limit))]

    def count_under(self, epoch: int) -> int:
        """How many data keys are under an epoch."""
        query = select(func.count()).select_from(t.data_keys).where(t.data_keys.c.epoch == epoch)
        with snapshot(self._engine) as connection:
            return int(connection.execute(query).scalar_one())

    def nodes(self, size: int) -> Read:
        """Subtree hashes of the tree of ``size`` entries, for proofs."""
        return geometry.reader(lambda wanted: self.tiles(wanted, size), size)

    def tiles(self, wanted: Sequence[geometry.Tile], size: int) -> list[bytes]:
        """Tiles of the tree of ``size`` leaves, each at least as wide as asked. Full ones come as stored; a partial one
        is a prefix of the growing tile, of leaves or of the edge, or of the full tile it has become since."""
        if not wanted:
            return []
        places = [(tile.level, tile.index) for tile in wanted]
        with snapshot(self._engine) as connection:
            # In one statement: a proof asks for some tiles of every level.
            values = {f"{name}{k}": v for k, place in enumerate(places) for name, v in zip("ln", place, strict=True)}
            rows = connection.execute(_tiles(len(places)), values)
            stored = {(level, n): bytes(data) for level, n, data in rows}
            for tile in wanted:
                if (tile.level, tile.index) not in stored:
                    stored[tile.level, tile.index] = self._growing(connection, tile)
        return [stored[place] for place in places]

    def _growing(self, connection: Connection, tile: geometry.Tile) -> bytes:
        if tile.level == 0:
            start = tile.index * geometry.FULL
            return b"".join(connection.scalars(_LEAVES, {"start": start, "stop": start + tile.width}))
        return bytes(connection.execute(_EDGE, {"level": tile.level}).scalar_one_or_none() or b"")

    def sealed(self) -> Iterator[Row]:
        """(seq, subject, epoch, wrapped data key, box) of every box, by seq; subject None where its key is gone."""
        s, k = t.sealed.c, t.data_keys.c
        query = select(s.seq, k.subject, k.epoch, k.wrapped, s.box).join_from(
            t.sealed, t.data_keys, s.key == k.no, isouter=True
        )
        with self.snapshot() as connection:
            streamed = connection.execution_options(stream_results=True).execute(query.order_by(s.seq, s.key))
            for row in streamed.yield_per(CHUNK):
                yield row[0], row[1], row[2], None if row[3] is None else bytes(row[3]), bytes(row[4])

    def snapshot(self) -> AbstractContextManager[Connection]:
        """A connection on which every statement sees the same state."""
        return snapshot(self._engine)

    def rows(self, part: int, parts: int) -> Iterator[Sequence[Row]]:
        """Chunks of (seq, root, chain, n, leaf, entry), ascending, of the entries whose message falls into ``part``."""
        yield from self._entries("TRUE" if parts == 1 else f"root % {int(parts)} = {int(part)}")

    def rows_of(self, low: int | None, high: int | None) -> Iterator[Sequence[Row]]:
        """The same of the messages whose chains are numbered from ``low`` up to and without ``high``, None for no end.
        Without ``low`` come all entries numbered below zero as well."""
        where = "TRUE" if high is None else f"root < {int(high)}"
        if low is None:
            where += " OR seq < 0"
        else:
            # Nothing of theirs stands before the entry that opened chain ``low``.
            opened = f"SELECT coalesce(min(seq), 0) FROM entries WHERE chain = {int(low)} AND n = 0"
            where += f" AND root >= {int(low)} AND seq >= ({opened})"
        yield from self._entries(where)

    def _entries(self, where: str) -> Iterator[Sequence[Row]]:
        yield from self._stream(f"SELECT seq, root, chain, n, leaf, entry FROM entries WHERE {where} ORDER BY seq")

    def recordings(self) -> Iterator[Sequence[Row]]:
        """Chunks of (seq, message's number, entry), ascending, of the entries on messages' own chains."""
        yield from self._stream("SELECT seq, root, entry FROM entries WHERE chain = root AND root > 0 ORDER BY seq")

    def lookups(self) -> Iterator[Sequence[Row]]:
        """Chunks of (part, blind index, message's number, subject in bytes): the whole table, in no order."""
        # In bytes, so that text which is none does not end the reading.
        octets = "CAST(subject AS BLOB)" if self._engine.dialect.name == "sqlite" else "convert_to(subject, 'UTF8')"
        yield from self._stream(f"SELECT part, blind, message, {octets} FROM lookups")

    def _stream(self, sql: str) -> Iterator[Sequence[Row]]:
        # The driver's own cursor: SQLAlchemy's rows would double what reading costs.
        with snapshot(self._engine) as connection:
            driver: Any = connection.connection.driver_connection
            local = self._engine.dialect.name == "sqlite"
            cursor = driver.cursor() if local else driver.cursor("postsealaudit", binary=True)
            cursor.execute(sql)
            try:
                while chunk := cursor.fetchmany(FEW if local else CHUNK):
                    yield chunk
            finally:
                cursor.close()


_HEAD = select(*(t.head.c[name] for name in Head.__slots__)).where(t.head.c.id == 1)
_REQUEST = select(t.requests.c.key).where(t.requests.c.key == bindparam("key"))
_BLOBS = select(
    *(t.blobs.c[name] for name in ("part", "name", "size", "small", "wrapped")),
    *(t.data_keys.c[name] for name in ("subject", "epoch", "wrapped")),
).join_from(t.blobs, t.data_keys, t.blobs.c.key == t.data_keys.c.no)
_ENTRY = select(t.entries.c.entry).where(t.entries.c.seq == bindparam("seq"))
_EDGE = select(t.edge.c.data).where(t.edge.c.level == bindparam("level"))
_LEAVES = (
    select(t.entries.c.leaf)
    .where(t.entries.c.seq >= bindparam("start"), t.entries.c.seq < bindparam("stop"))
    .order_by(t.entries.c.seq)
)


@lru_cache(64)
def _tiles(count: int) -> CompoundSelect[Any]:
    tiles = t.tiles.c
    return union_all(
        *(
            select(tiles.level, tiles.n, tiles.data).where(
                tiles.level == bindparam(f"l{k}"), tiles.n == bindparam(f"n{k}")
            )
            for k in range(count)
        )
    )


def dump(engine: Engine, names: Sequence[str]) -> Mapping[str, list[Row]]:
    """Whole tables, ordered by primary key: what a rebuild is compared with."""
    with snapshot(engine) as connection:
        return {
            name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns))]
            for name in names
            for table in [t.metadata.tables[name]]
        }
