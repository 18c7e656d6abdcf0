"""Appends to PostgreSQL: SELECT ... FOR UPDATE on the head at READ COMMITTED, arrays in, COPY out, COMMIT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from sqlalchemy import Engine, PoolProxiedConnection
from sqlalchemy.exc import DBAPIError

from ledger.errors import StoreUnavailable, Unavailable
from ledger.state import Chain
from ledger.store.append import BATCHES_KEPT, CHAIN_COLUMNS, CommitUnknown, Conflict, Head, Row, Rows, chain_of, row_of
from ledger.store.copying import CHANGED, GROWING, changed, stream
from ledger.store.destroying import destroy, drop_blobs
from ledger.store.engine import explain

LOCK_TIMEOUT = "30s"

IDLE_TIMEOUT = "20s"
"""How long a writer may hold the head and ask nothing: one that was frozen is cut off, and the others go on."""

_COLUMNS = CHAIN_COLUMNS.split(", ")
_UPDATE_CHAINS = (
    "UPDATE chains SET "
    + ", ".join(f"{column} = changed.{column}" for column in CHANGED.split(", ")[1:])
    + " FROM changed WHERE chains.no = changed.no"
)
_TYPES: Mapping[str, Sequence[str]] = {
    "blobs": ("int8", "text", "text", "int8", "int8", "int8", "bytea"),
    "data_keys": ("int8", "text", "int4", "bytea"),
    "erasures": ("text", "int8", "text", "text", "bytea", "text", "bool", "bytea"),
    "requests": ("bytea", "bytea", "text"),
    "tiles": ("int2", "int8", "bytea"),
    "tokens": ("bytea", "int8"),
    "transfers": ("text", "int8", "text", "bool"),
    "chains": ("int8", "text", "int8", "int4", "int4", "int4", "int8", "text", "int2", "int8", *["int8"] * 8, "text"),
}


class PostgresAppender:
    """`ledger.store.append.Appender` on one PostgreSQL connection."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._pooled: PoolProxiedConnection | None = None
        self._connection: Any = None
        self._cursor: Any = None

    def _connect(self) -> None:
        self._pooled = self._engine.raw_connection()
        connection: Any = self._pooled.driver_connection
        connection.prepare_threshold = 1
        cursor = connection.cursor(binary=True)
        # A role or database may be set otherwise; the promise is this session's.
        cursor.execute("SET synchronous_commit = on")
        cursor.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
        cursor.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_TIMEOUT}'")
        cursor.execute(f"CREATE TEMPORARY TABLE changed ON COMMIT DELETE ROWS AS SELECT {CHANGED} FROM chains LIMIT 0")
        connection.commit()
        self._connection, self._cursor = connection, cursor

    def begin(self) -> Head:
        try:
            if self._connection is None:
                self._connect()
            row = self._cursor.execute(
                "SELECT log, origin, size, root, frontier, leaf, at, chains, batch, mac "
                "FROM head WHERE id = 1 FOR UPDATE"
            ).fetchone()
        except psycopg.errors.LockNotAvailable:
            self._fail()
            # To try again at once would only make the same callers wait as long once more.
            raise Unavailable(f"another process has held the head of the ledger for {LOCK_TIMEOUT}") from None
        except (psycopg.Error, DBAPIError) as error:
            self._fail()
            raise StoreUnavailable(explain(error)) from None
        if row is None:
            self.rollback()
            raise StoreUnavailable("this database holds no ledger")
        return Head(*row)

    def now(self) -> int:
        sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::int8"
        return int(self._all(sql)[0][0])

    def _all(self, sql: str, args: Sequence[object] = ()) -> list[Any]:
        try:
            return list(self._cursor.execute(sql, args).fetchall())
        except psycopg.Error as error:
            raise StoreUnavailable(explain(error)) from None

    def chains(self, keys: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], Chain]:
        columns = ", ".join("c." + c for c in _COLUMNS)
        sql = (
            f"SELECT {columns}, m.id FROM unnest(%s::text[], %s::int4[]) AS k (id, ordinal) "
            "JOIN chains m ON m.id = k.id JOIN chains c ON c.root = m.no AND c.ordinal = k.ordinal"
        )
        rows = self._all(sql, ([k[0] for k in keys], [k[1] for k in keys]))
        return {(row[-1], row[3]): chain_of(row) for row in rows}

    def recipients(self, root: int) -> Sequence[Chain]:
        sql = f"SELECT {CHAIN_COLUMNS} FROM chains WHERE root = %s AND ordinal > 0 ORDER BY ordinal"
        return [chain_of(row) for row in self._all(sql, (root,))]

    def log_chain(self) -> Chain | None:
        rows = self._all(f"SELECT {CHAIN_COLUMNS} FROM chains WHERE no = 0")
        return chain_of(rows[0]) if rows else None

    def seen(self, keys: Sequence[tuple[int, bytes]]) -> Mapping[tuple[int, bytes], int]:
        # Both lists as one text each: the driver would take longer for arrays than the server does for the answer.
        sql = (
            "SELECT s.chain, s.key, s.seq "
            "FROM unnest(string_to_array(%s, ',')::int8[], string_to_array(%s, ',')) AS k (chain, key) "
            "JOIN seen s ON s.chain = k.chain AND s.key = decode(k.key, 'hex')"
        )
        rows = self._all(sql, (",".join([str(no) for no, _ in keys]), ",".join([key.hex() for _, key in keys])))
        return {(chain, key): seq for chain, key, seq in rows}

    def requests(self, keys: Sequence[bytes]) -> Mapping[bytes, tuple[bytes, str]]:
        rows = self._all("SELECT key, digest, seqs FROM requests WHERE key = ANY(%s)", (list(keys),))
        return {key: (digest, seqs) for key, digest, seqs in rows}

    def tokens(self, tokens: Sequence[bytes]) -> Mapping[bytes, int]:
        sql = (
            "SELECT t.token, t.chain FROM unnest(string_to_array(%s, ',')) AS k (token) "
            "JOIN tokens t ON t.token = decode(k.token, 'hex')"
        )
        return dict(self._all(sql, (",".join([token.hex() for token in tokens]),)))

    def transfers(self, ids: Sequence[str]) -> Mapping[str, tuple[int, str, bool]]:
        rows = self._all("SELECT id, chain, file, ended FROM transfers WHERE id = ANY(%s)", (list(ids),))
        return {id: (chain, file, ended) for id, chain, file, ended in rows}

    def entries(self, seqs: Sequence[int]) -> Mapping[int, tuple[int, bytes]]:
        rows = self._all("SELECT seq, chain, entry FROM entries WHERE seq = ANY(%s)", (list(seqs),))
        return {seq: (chain, data) for seq, chain, data in rows}

    def leaves(self, start: int) -> list[tuple[int, bytes]]:
        return self._all("SELECT chain, leaf FROM entries WHERE seq >= %s ORDER BY seq", (start,))

    def edge(self) -> Mapping[int, bytes]:
        return dict(self._all("SELECT level, data FROM edge"))

    def data_keys(self, subjects: Sequence[str]) -> Mapping[str, tuple[int, int, bytes]]:
        sql = "SELECT subject, no, epoch, wrapped FROM data_keys WHERE subject = ANY(%s)"
        return {subject: (no, epoch, wrapped) for subject, no, epoch, wrapped in self._all(sql, (list(subjects),))}

    def numbered(self, numbers: Sequence[int]) -> Sequence[Chain]:
        return [
            chain_of(row)
            for row in self._all(f"SELECT {CHAIN_COLUMNS} FROM chains WHERE no = ANY(%s)", (list(numbers),))
        ]

    def erasures(self, id: str) -> Sequence[Row]:
        return self._all("SELECT * FROM erasures WHERE id = %s ORDER BY chain", (id,))

    def rewrap(self, rows: Sequence[Row]) -> None:
        try:
            self._cursor.executemany("UPDATE data_keys SET epoch = %s, wrapped = %s WHERE no = %s", rows)
        except psycopg.Error as error:
            raise StoreUnavailable(explain(error)) from None

    def destroy(self, subjects: Sequence[str], messages: Sequence[int]) -> list[int]:
        try:
            return destroy(self._cursor.execute, "%s", subjects, messages)
        except psycopg.Error as error:
            raise StoreUnavailable(explain(error)) from None

    def drop_blobs(self, names: Sequence[str]) -> None:
        try:
            drop_blobs(self._cursor.execute, "%s", names)
        except psycopg.Error as error:
            raise StoreUnavailable(explain(error)) from None

    def last_data_key(self) -> int:
        return int(self._all("SELECT coalesce(max(no), -1) FROM data_keys")[0][0])

    def clear(self, tables: Sequence[str]) -> None:
        try:
            for table in tables:
                self._cursor.execute(f"DELETE FROM {table}")
        except psycopg.Error as error:
            raise StoreUnavailable(explain(error)) from None

    def look_up(self, rows: Sequence[Row]) -> None:
        try:
            # In the order of the index: rows that come to stand side by side are written side by side.
            self._copy_bytes("lookups", GROWING["lookups"](sorted(rows)))
        except psycopg.errors.IntegrityError as error:
            raise Conflict(explain(error)) from None
        except psycopg.Error as error:
            raise StoreUnavailable(explain(error)) from None

    def write(self, rows: Rows, head: Head, batch: str) -> None:
        self.look_up(rows.lookups)
        cursor = self._cursor
        try:
            self._copy_bytes("entries", GROWING["entries"](rows.entries))
            self._copy_bytes("sealed", GROWING["sealed"](rows.sealed))
            self._copy("blobs", rows.blobs)
            self._copy("data_keys", rows.data_keys)
            self._copy("requests", rows.requests)
            self._copy_bytes("seen", GROWING["seen"](sorted(rows.seen)))
            self._copy("tiles", rows.tiles)
            self._copy("tokens", rows.tokens)
            self._copy("transfers", rows.transfers)
            if rows.moved:
                cursor.execute("DELETE FROM erasures WHERE id = ANY(%s)", (rows.moved,))
            self._copy("erasures", rows.erasures)
            self._copy("chains", [row_of(c) for c in rows.opened])
            if rows.chains:
                self._copy_bytes("changed", changed(rows.chains))
                cursor.execute(_UPDATE_CHAINS)
            if rows.ended:
                cursor.execute("UPDATE transfers SET ended = true WHERE id = ANY(%s)", (rows.ended,))
            for level, data in rows.edge:
                cursor.execute(
                    "INSERT INTO edge VALUES (%s, %s) ON CONFLICT (level) DO UPDATE SET data = excluded.data",
                    (level, data),
                )
            cursor.execute(
                "UPDATE head SET size = %s, root = %s, frontier = %s, leaf = %s, at = %s, chains = %s, batch = %s, "
                "mac = %s WHERE id = 1",
                (head.size, head.root, head.frontier, head.leaf, head.at, head.chains, head.batch, head.mac),
            )
            cursor.execute("INSERT INTO batches VALUES (%s, %s)", (head.batch, batch))
            cursor.execute("DELETE FROM batches WHERE no <= %s", (head.batch - BATCHES_KEPT,))
        except psycopg.errors.IntegrityError as error:
            raise Conflict(explain(error)) from None
        except psycopg.Error as error:
            raise StoreUnavailable(explain(error)) from None

    def _copy(self, table: str, rows: Sequence[Row]) -> None:
        if not rows:
            return
        with self._cursor.copy(f"COPY {table} FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(_TYPES[table])
            for row in rows:
                copy.write_row(row)

    def _copy_bytes(self, table: str, rows: Sequence[bytes]) -> None:
        if rows:
            with self._cursor.copy(f"COPY {table} FROM STDIN (FORMAT BINARY)") as copy:
                copy.write(stream(rows))

    def commit(self) -> None:
        try:
            self._connection.commit()
        except psycopg.Error as error:
            self._fail()
            raise CommitUnknown(explain(error)) from None

    def rollback(self) -> None:
        try:
            if self._connection is not None:
                self._connection.rollback()
        except psycopg.Error:
            self._fail()

    def _fail(self) -> None:
        # Never back into the pool: this session has its own settings and a temporary table.
        pooled, self._pooled, self._connection, self._cursor = self._pooled, None, None, None
        if pooled is not None:
            pooled.invalidate()

    def find_batch(self, no: int) -> str | None:
        self._fail()
        self.begin()
        try:
            rows = self._all("SELECT id FROM batches WHERE no = %s", (no,))
        finally:
            self.rollback()
        return str(rows[0][0]) if rows else None

    def close(self) -> None:
        self.rollback()
        self._fail()
