"""Appends to SQLite: an advisory file lock for turns, then BEGIN IMMEDIATE, executemany, COMMIT (WAL, FULL).

Without the file lock waiting writers would poll SQLite's own; with it the kernel wakes them in turn.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, PoolProxiedConnection

from ledger.errors import StoreUnavailable
from ledger.state import Chain
from ledger.store.append import BATCHES_KEPT, CHAIN_COLUMNS, CommitUnknown, Conflict, Head, Row, Rows, chain_of, row_of
from ledger.store.destroying import destroy, drop_blobs
from ledger.store.engine import explain
from ledger.store.tables import metadata

_AT_ONCE = (512, 64, 8, 1)
"""Rows of one statement. Few sizes, so that each statement is prepared once."""

# OR FAIL: a row that cannot be written ends the statement where it stands. SQLite need not be ready to take back what
# the statement did, because the whole transaction is rolled back.
_INSERT = {name: f"INSERT OR FAIL INTO {name} VALUES {{}}" for name in metadata.tables}
_UPDATE_CHAINS = "INSERT INTO chains VALUES {} ON CONFLICT (no) DO UPDATE SET " + ", ".join(
    f"{column} = excluded.{column}" for column in CHAIN_COLUMNS.split(", ")[4:]
)


@lru_cache(256)
def _statement(sql: str, width: int, count: int) -> str:
    return sql.format(", ".join(["(" + ", ".join("?" * width) + ")"] * count))


class SqliteAppender:
    """`ledger.store.append.Appender` on one SQLite connection."""

    def __init__(self, engine: Engine, path: Path) -> None:
        self._engine = engine
        self._path = path
        self._lock: int | None = None
        self._place = 0, 0
        self._pooled: PoolProxiedConnection | None = None
        self._connection: Any = None
        self._cursor: Any = None

    def begin(self) -> Head:
        try:
            if self._lock is None:
                self._lock = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            # A file put in the place of the one that is open: what is written to that one would be lost with it.
            found = self._path.stat()
            if (found.st_dev, found.st_ino) != self._place:
                self._drop()
                self._place = found.st_dev, found.st_ino
            if self._connection is None:
                self._pooled = self._engine.raw_connection()
                self._connection = self._pooled.driver_connection
                self._cursor = self._connection.cursor()
            self._cursor.execute("BEGIN IMMEDIATE")
            row = self._one(
                "SELECT log, origin, size, root, frontier, leaf, at, chains, batch, mac FROM head WHERE id = 1"
            )
        except (sqlite3.Error, OSError) as error:
            self.rollback()
            raise StoreUnavailable(explain(error)) from None
        if row is None:
            self.rollback()
            raise StoreUnavailable("this database holds no ledger")
        return Head(*row)

    def now(self) -> int:
        return time.time_ns() // 1000

    def _one(self, sql: str, args: Sequence[object] = ()) -> Any:
        return self._cursor.execute(sql, args).fetchone()

    def _each(self, sql: str, keys: Iterable[Sequence[object]]) -> list[Any]:
        # One prepared statement, stepped for each key: SQLite has no round trip to save.
        try:
            execute = self._cursor.execute
            found = (execute(sql, key).fetchone() for key in keys)
            return [row for row in found if row is not None]
        except sqlite3.Error as error:
            raise StoreUnavailable(explain(error)) from None

    def chains(self, keys: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], Chain]:
        columns = ", ".join("c." + c for c in CHAIN_COLUMNS.split(", "))
        sql = f"SELECT {columns}, m.id FROM chains m JOIN chains c ON c.root = m.no WHERE m.id = ? AND c.ordinal = ?"
        return {(row[-1], row[3]): chain_of(row) for row in self._each(sql, keys)}

    def recipients(self, root: int) -> Sequence[Chain]:
        try:
            sql = f"SELECT {CHAIN_COLUMNS} FROM chains WHERE root = ? AND ordinal > 0 ORDER BY ordinal"
            return [chain_of(row) for row in self._cursor.execute(sql, (root,)).fetchall()]
        except sqlite3.Error as error:
            raise StoreUnavailable(explain(error)) from None

    def log_chain(self) -> Chain | None:
        rows = self._each(f"SELECT {CHAIN_COLUMNS} FROM chains WHERE no = ?", [(0,)])
        return chain_of(rows[0]) if rows else None

    def seen(self, keys: Sequence[tuple[int, bytes]]) -> Mapping[tuple[int, bytes], int]:
        sql = (
            "WITH k (chain, key) AS (VALUES {}) "
            "SELECT s.chain, s.key, s.seq FROM k CROSS JOIN seen s ON s.chain = k.chain AND s.key = k.key"
        )
        try:
            return {(no, key): seq for no, key, seq in self._bulk(sql, keys)}
        except sqlite3.Error as error:
            raise StoreUnavailable(explain(error)) from None

    def requests(self, keys: Sequence[bytes]) -> Mapping[bytes, tuple[bytes, str]]:
        rows = self._each("SELECT key, digest, seqs FROM requests WHERE key = ?", ((k,) for k in keys))
        return {key: (digest, seqs) for key, digest, seqs in rows}

    def tokens(self, tokens: Sequence[bytes]) -> Mapping[bytes, int]:
        sql = "WITH k (token) AS (VALUES {}) SELECT t.token, t.chain FROM k CROSS JOIN tokens t ON t.token = k.token"
        try:
            return dict(self._bulk(sql, [(token,) for token in tokens]))
        except sqlite3.Error as error:
            raise StoreUnavailable(explain(error)) from None

    def transfers(self, ids: Sequence[str]) -> Mapping[str, tuple[int, str, bool]]:
        rows = self._each("SELECT id, chain, file, ended FROM transfers WHERE id = ?", ((i,) for i in ids))
        return {id: (chain, file, bool(ended)) for id, chain, file, ended in rows}

    def entries(self, seqs: Sequence[int]) -> Mapping[int, tuple[int, bytes]]:
        rows = self._each("SELECT seq, chain, entry FROM entries WHERE seq = ?", ((s,) for s in seqs))
        return {seq: (chain, data) for seq, chain, data in rows}

    def leaves(self, start: int) -> list[tuple[int, bytes]]:
        try:
            sql = "SELECT chain, leaf FROM entries WHERE seq >= ? ORDER BY seq"
            return list(self._cursor.execute(sql, (start,)).fetchall())
        except sqlite3.Error as error:
            raise StoreUnavailable(explain(error)) from None

    def edge(self) -> Mapping[int, bytes]:
        try:
            return dict(self._cursor.execute("SELECT level, data FROM edge").fetchall())
        except sqlite3.Error as error:
            raise StoreUnavailable(explain(error)) from None

    def data_keys(self, subjects: Sequence[str]) -> Mapping[str, tuple[int, int, bytes]]:
        rows = self._each(
            "SELECT subject, no, epoch, wrapped FROM data_keys WHERE subject = ?", ((s,) for s in subjects)
        )
        return {subject: (no, epoch, wrapped) for subject, no, epoch, wrapped in rows}

    def numbered(self, numbers: Sequence[int]) -> Sequence[Chain]:
        sql = f"SELECT {CHAIN_COLUMNS} FROM chains WHERE no = ?"
        return [chain_of(row) for row in self._each(sql, [(no,) for no in numbers])]

    def erasures(self, id: str) -> Sequence[Row]:
        try:
            return list(self._cursor.execute("SELECT * FROM erasures WHERE id = ? ORDER BY chain", (id,)).fetchall())
        except sqlite3.Error as error:
            raise StoreUnavailable(explain(error)) from None

    def rewrap(self, rows: Sequence[Row]) -> None:
        try:
            self._cursor.executemany("UPDATE data_keys SET epoch = ?, wrapped = ? WHERE no = ?", rows)
        except sqlite3.Error as error:
            raise StoreUnavailable(explain(error)) from None

    def destroy(self, subjects: Sequence[str], messages: Sequence[int]) -> list[int]:
        try:
            return destroy(self._cursor.execute, "?", subjects, messages)
        except sqlite3.Error as error:
            raise StoreUnavailable(explain(error)) from None

    def drop_blobs(self, names: Sequence[str]) -> None:
        try:
            drop_blobs(self._cursor.execute, "?", names)
        except sqlite3.Error as error:
            raise StoreUnavailable(explain(error)) from None

    def last_data_key(self) -> int:
        rows = self._each("SELECT coalesce(max(no), -1) FROM data_keys", [()])
        return int(rows[0][0])

    def clear(self, tables: Sequence[str]) -> None:
        try:
            for table in tables:
                self._cursor.execute(f"DELETE FROM {table}")
        except sqlite3.Error as error:
            raise StoreUnavailable(explain(error)) from None

    def look_up(self, rows: Sequence[Row]) -> None:
        try:
            # In the order of the index: rows that come to stand side by side are written side by side.
            self._bulk(_INSERT["lookups"], sorted(rows))
        except sqlite3.IntegrityError as error:
            raise Conflict(explain(error)) from None
        except sqlite3.Error as error:
            raise StoreUnavailable(explain(error)) from None

    def write(self, rows: Rows, head: Head, batch: str) -> None:
        self.look_up(rows.lookups)
        try:
            self._bulk(_INSERT["entries"], rows.entries)
            self._bulk(_INSERT["sealed"], rows.sealed)
            self._bulk(_INSERT["blobs"], rows.blobs)
            self._bulk(_INSERT["data_keys"], rows.data_keys)
            self._bulk(_INSERT["requests"], rows.requests)
            self._bulk(_INSERT["seen"], sorted(rows.seen))
            self._bulk(_INSERT["tiles"], rows.tiles)
            self._bulk("INSERT OR REPLACE INTO edge VALUES {}", rows.edge)
            self._bulk(_INSERT["tokens"], rows.tokens)
            self._bulk(_INSERT["transfers"], rows.transfers)
            if rows.moved:
                self._cursor.executemany("DELETE FROM erasures WHERE id = ?", [(id,) for id in rows.moved])
            self._bulk(_INSERT["erasures"], rows.erasures)
            if rows.ended:
                self._cursor.executemany("UPDATE transfers SET ended = 1 WHERE id = ?", [(i,) for i in rows.ended])
            self._bulk(_INSERT["chains"], [row_of(chain) for chain in rows.opened])
            self._bulk(_UPDATE_CHAINS, [row_of(chain) for chain in rows.chains])
            self._cursor.execute(
                "UPDATE head SET size = ?, root = ?, frontier = ?, leaf = ?, at = ?, chains = ?, batch = ?, mac = ? "
                "WHERE id = 1",
                (head.size, head.root, head.frontier, head.leaf, head.at, head.chains, head.batch, head.mac),
            )
            self._cursor.execute("INSERT INTO batches VALUES (?, ?)", (head.batch, batch))
            self._cursor.execute("DELETE FROM batches WHERE no <= ?", (head.batch - BATCHES_KEPT,))
        except sqlite3.IntegrityError as error:
            raise Conflict(explain(error)) from None
        except sqlite3.Error as error:
            raise StoreUnavailable(explain(error)) from None

    def _bulk(self, sql: str, rows: Sequence[Row]) -> list[Any]:
        """One statement for many rows, their places in it written ``{}``; what it returns, if anything.

        Not executemany: the interpreter is let go while a statement runs and must be won back after it, and with one
        statement a row whoever drafts the next batch would keep the writer waiting a thousand times.
        """
        found: list[Any] = []
        start = 0
        for count in _AT_ONCE:
            while len(rows) - start >= count:
                values = list(chain.from_iterable(rows[start : start + count]))
                found += self._cursor.execute(_statement(sql, len(rows[0]), count), values).fetchall()
                start += count
        return found

    def commit(self) -> None:
        try:
            self._cursor.execute("COMMIT")
        except sqlite3.Error as error:
            raise CommitUnknown(explain(error)) from None
        finally:
            self._unlock()

    def rollback(self) -> None:
        try:
            if self._cursor is not None and self._connection.in_transaction:
                self._cursor.execute("ROLLBACK")
        except sqlite3.Error:
            self._drop()
        finally:
            self._unlock()

    def _unlock(self) -> None:
        # Closing the descriptor in _drop would do as well; an explicit unlock keeps it for the next turn.
        if self._lock is not None:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _drop(self) -> None:
        pooled, self._pooled, self._connection, self._cursor = self._pooled, None, None, None
        if pooled is not None:
            pooled.invalidate()

    def find_batch(self, no: int) -> str | None:
        self._drop()
        self.begin()
        try:
            row = self._one("SELECT id FROM batches WHERE no = ?", (no,))
        except sqlite3.Error as error:
            raise StoreUnavailable(explain(error)) from None
        finally:
            self.rollback()
        return None if row is None else str(row[0])

    def close(self) -> None:
        self.rollback()
        self._drop()
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)
