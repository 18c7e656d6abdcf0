"""The only SQLAlchemy in the house: tables, append, read, projections; Alembic's migrations beside them.

`open_store` gives the pieces a log is made of for a database URL. A test runs everything here on SQLite and PostgreSQL.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace

from sqlalchemy import Engine, insert
from sqlalchemy.exc import DBAPIError, IntegrityError

from ledger.errors import StoreUnavailable
from ledger.merkle import EMPTY_ROOT, Frontier
from ledger.store import engine as engines
from ledger.store import tables
from ledger.store.append import Appender, Head
from ledger.store.read import Reader
from ledger.store.sqlite import SqliteAppender


@dataclass(frozen=True, slots=True)
class Store:
    """One database, checked and up to date."""

    url: str
    engine: Engine
    reader: Reader

    @property
    def kind(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self.engine.dialect.name

    def find_head(self) -> Head | None:
        """The head of the log in this database; None where no log was ever opened."""
        return self.reader.find_head()

    def appender(self) -> Appender:
        """A writer's connection of its own."""
        path = engines.sqlite_path(self.url)
        if path is not None:
            return SqliteAppender(self.engine, path)
        # Imported where it is used: its driver is a third of what the command line needs to start on SQLite.
        postgres: Appender = importlib.import_module("ledger.store.postgres").PostgresAppender(self.engine)
        return postgres

    def close(self) -> None:
        """Give back every pooled connection."""
        self.engine.dispose()


def open_store(url: str) -> Store:
    """Connect, refuse what is not durable, bring the schema up to date."""
    engine = engines.open_engine(url, writing=True)
    path = engines.sqlite_path(url)
    if path is not None:
        # For its owner alone, whatever the umask; SQLite gives its WAL the same mode. What hinders this, it will say.
        with suppress(OSError):
            path.touch(0o600)
    try:
        engines.check_durable(engine)
        engines.upgrade(engine)
    except BaseException:
        engine.dispose()
        raise
    return Store(url, engine, Reader(engine))


def open_reader(url: str) -> Reader:
    """A reader alone: nothing is checked or migrated. For auditing in other processes."""
    return Reader(engines.open_engine(url))


def is_empty(reader: Reader) -> bool:
    """Whether nothing of ours is in a reader's database: no ledger was ever opened there, or it was lost. StartRefused
    where what is there is newer than we are."""
    with reader.snapshot() as connection:
        engines.check_age(connection)
        return not engines.has_table(connection, tables.head.name)


def create_head(store: Store, log: str, origin: str, mac: Callable[[str], bytes]) -> bool:
    """Make the row every writer locks, for a log without entries. False when another process was first."""
    first = Head(log, origin, 0, EMPTY_ROOT, Frontier().to_bytes(), "0" * 64, 0, 0, 0)
    row = {"id": 1} | asdict(replace(first, mac=mac(first.claim())))
    try:
        with store.engine.begin() as connection:
            if store.kind == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            if connection.execute(tables.head.select()).first() is not None:
                return False
            connection.execute(insert(tables.head).values(row))
            return True
    except IntegrityError:
        # Two that found no row at the same instant; the other one's stands.
        return False
    except DBAPIError as error:
        raise StoreUnavailable(engines.explain(error)) from None
