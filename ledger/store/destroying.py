"""What an erasure deletes from the database, and how the database is brought to forget it.

The deletions are one transaction under the writer's lock. `scrub` comes after its commit: until then SQLite's log of
what was written, and on PostgreSQL the dead rows, still hold what was deleted. What is left elsewhere even then stands
in docs/operating.md, "Erasure".
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from ledger.errors import StoreUnavailable
from ledger.store.engine import explain
from ledger.store.tables import LOOKUP_PART

AT_ONCE: Final = 500
"""Values of one statement; databases count its parameters."""

PATIENCE: Final = 5000
"""Milliseconds to wait for those who read, so that SQLite's log can be emptied."""

DOOMED: Final = -1
"""Stands for the data key of a blob whose data key was destroyed."""

VACUUMED: Final = ("data_keys", "sealed", "lookups", "erasures", "blobs")


def destroy(
    execute: Callable[[str, Sequence[Any]], Any], mark: str, subjects: Sequence[str], messages: Sequence[int]
) -> list[int]:
    """`ledger.store.append.Appender.destroy`; ``mark`` is how the driver writes a parameter."""
    keys: dict[int, str] = {}
    for some in _some(sorted(set(subjects))):
        sql = f"SELECT no, subject FROM data_keys WHERE subject IN ({_marks(mark, some)})"
        keys.update(dict(execute(sql, some).fetchall()))
    for some in _some(sorted(keys)):
        among = _marks(mark, some)
        if any(keys[no].startswith("person:") for no in some):
            # What somebody did may stand on any message: for these few keys the whole table is gone through.
            execute(f"DELETE FROM sealed WHERE key IN ({among})", some)
        for those in _some(sorted(set(messages))):
            chains = f"SELECT no FROM chains WHERE root IN ({_marks(mark, those)})"
            entries = f"SELECT seq FROM entries WHERE chain IN ({chains})"
            execute(f"DELETE FROM sealed WHERE key IN ({among}) AND seq IN ({entries})", [*some, *those])
        # What is kept under these keys is dark from here on; its name stays until the blob itself is gone.
        execute(f"UPDATE blobs SET key = {DOOMED}, wrapped = {_nothing(mark)} WHERE key IN ({among})", some)
        execute(f"DELETE FROM data_keys WHERE no IN ({among})", some)
    for some in _some(sorted(set(subjects))):
        for those in _some(sorted(set(messages))):
            parts = sorted({no // LOOKUP_PART for no in those})
            where = f"part IN ({_marks(mark, parts)}) AND message IN ({_marks(mark, those)})"
            sql = f"DELETE FROM lookups WHERE {where} AND subject IN ({_marks(mark, some)})"
            execute(sql, [*parts, *those, *some])
    return sorted(keys)


def drop_blobs(execute: Callable[[str, Sequence[Any]], Any], mark: str, names: Sequence[str]) -> None:
    """`ledger.store.append.Appender.drop_blobs`; ``mark`` is how the driver writes a parameter."""
    for some in _some(names):
        execute(f"DELETE FROM blobs WHERE key = {DOOMED} AND name IN ({_marks(mark, some)})", some)


def _nothing(mark: str) -> str:
    return "x''" if mark == "?" else "''::bytea"


def _some(values: Sequence[Any]) -> list[list[Any]]:
    return [list(values[start : start + AT_ONCE]) for start in range(0, len(values), AT_ONCE)]


def _marks(mark: str, values: Sequence[Any]) -> str:
    return ", ".join([mark] * len(values))


def scrub(engine: Engine) -> None:
    """Bring the database to let go of what was deleted. StoreUnavailable where readers stand in the way: it is to be
    tried again then, and nothing may be called erased before."""
    try:
        if engine.dialect.name == "sqlite":
            _truncate(engine)
        else:
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                for table in VACUUMED:
                    # Of few dead rows it would leave the keys in the indexes, to save time.
                    connection.exec_driver_sql(f"VACUUM (INDEX_CLEANUP ON) {table}")
    except (DBAPIError, sqlite3.Error) as error:
        raise StoreUnavailable(explain(error)) from None


def _truncate(engine: Engine) -> None:
    """Copy SQLite's log into the database, over what was deleted there, and make it empty."""
    pooled = engine.raw_connection()
    try:
        cursor = pooled.cursor()
        before = cursor.execute("PRAGMA busy_timeout").fetchone()[0]
        cursor.execute(f"PRAGMA busy_timeout={PATIENCE}")
        try:
            busy, _, _ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            cursor.execute(f"PRAGMA busy_timeout={before}")
    finally:
        pooled.close()
    if busy:
        raise StoreUnavailable("somebody reads the database, so that its log still holds what was deleted")
