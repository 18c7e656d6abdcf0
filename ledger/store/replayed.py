"""A stored log as `ledger.audit` reads it. Made in each process from what can be pickled; all it says may be a lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from weakref import finalize

from sqlalchemy import func, select

from ledger.errors import FormatError
from ledger.store import tables as t
from ledger.store.append import Row
from ledger.store.engine import open_engine
from ledger.store.read import Reader


class StoredLog:
    """`ledger.audit.Reader` over a database. ``note`` is the latest signed checkpoint, which is not kept in there."""

    def __init__(self, url: str, note: bytes) -> None:
        self._reader = Reader(open_engine(url))
        self._note = note
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
        for chunk in self._reader.rows(part, parts):
            last = chunk[-1][0]
            if type(last) is int and last >= size:
                # Written since the audit began.
                yield [row for row in chunk if row[0] < size]
                return
            yield chunk

    def tile(self, level: int, index: int) -> bytes | None:
        query = select(t.tiles.c.data).where(t.tiles.c.level == level, t.tiles.c.n == index)
        with self._reader.snapshot() as connection:
            found = connection.execute(query).scalar_one_or_none()
        return None if found is None else bytes(found)
