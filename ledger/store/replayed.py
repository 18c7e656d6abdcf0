"""A stored log as `ledger.audit` reads it. Made in each process from what can be pickled; all it says may be a lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from weakref import finalize

from sqlalchemy import event, func, select

from ledger.errors import FormatError
from ledger.store import tables as t
from ledger.store.append import Row
from ledger.store.engine import open_engine
from ledger.store.read import Reader


class StoredLog:
    """`ledger.audit.Reader` over a database. ``note`` is the latest signed checkpoint, which is not kept in there."""

    def __init__(self, url: str, note: bytes) -> None:
        engine = open_engine(url)
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", _economize)
        self._reader = Reader(engine)
        self._note = note
        self._tiles: tuple[int, range, dict[int, bytes]] = 0, range(0), {}
        # An audit opens readers in processes of its own making, and closes none.
        finalize(self, self._reader.close)

    def size(self) -> int:
        with self._reader.snapshot() as connection:
            last = connection.execute(select(func.max(t.entries.c.seq))).scalar_one()
        if last is not None and type(last) is not int:
            raise FormatError("entries are numbered by something else than integers")
        return 0 if last is None else last + 1

    def checkpoint(self) -> bytes:
        return self._note

    def rows(self, part: int, parts: int, size: int) -> Iterator[Sequence[Row]]:
        for chunk in self._part(part, parts):
            last = chunk[-1][0]
            if type(last) is int and last >= size:
                # Written since the audit began.
                yield [row for row in chunk if row[0] < size]
                return
            yield chunk

    def _part(self, part: int, parts: int) -> Iterator[Sequence[Row]]:
        """By the age of messages, because what happens to one happens soon: so a part is seldom interrupted."""
        if parts == 1:
            return self._reader.rows(0, 1)
        with self._reader.snapshot() as connection:
            last = connection.execute(select(func.max(t.entries.c.chain))).scalar_one()
        chains = last + 1 if type(last) is int else 0
        low = chains * part // parts if part else None
        high = chains * (part + 1) // parts if part < parts - 1 else None
        return self._reader.rows_of(low, high)

    def tile(self, level: int, index: int) -> bytes | None:
        # They are asked for one after the other, and a query costs as much as all that come of this one.
        if level != self._tiles[0] or index not in self._tiles[1]:
            some = range(index, index + 256)
            n = t.tiles.c.n
            query = select(n, t.tiles.c.data).where(t.tiles.c.level == level, n >= some.start, n < some.stop)
            with self._reader.snapshot() as connection:
                self._tiles = level, some, {row[0]: bytes(row[1]) for row in connection.execute(query)}
        return self._tiles[2].get(index)


def _economize(connection: Any, _record: object) -> None:
    """Each page is read once: to keep it would only take memory, once for each process."""
    connection.execute("PRAGMA mmap_size=0")
    connection.execute("PRAGMA cache_size=-2048")
