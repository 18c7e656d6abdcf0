"""Connections that may be trusted: opened, checked for durability, brought to the current schema.

SQLite runs in WAL mode with ``synchronous=FULL``: COMMIT returns after the WAL has been synced. On PostgreSQL start-up
refuses ``fsync`` or ``full_page_writes`` off, and every writer's session sets ``synchronous_commit`` on.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import alembic.command
import alembic.config
from sqlalchemy import Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import QueuePool

from ledger.errors import StartRefused, StoreUnavailable, UnsafeStore

CACHE_KIB = 65_536
WAL_PAGES = 16_384
"""Pages (4 KiB) in the WAL before SQLite copies them back: large, so that hot pages are written once."""
_SQLITE = {"timeout": 30, "check_same_thread": False, "cached_statements": 256}

LIMITS = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""How long PostgreSQL may be unreachable, in seconds (the last in milliseconds), before a request is told so."""


def sqlite_path(url: str) -> Path | None:
    """The file of an SQLite URL; None for PostgreSQL."""
    parsed = make_url(url)
    return Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None


def open_engine(url: str) -> Engine:
    """An engine for ``sqlite:///PATH`` or ``postgresql+psycopg://...``. StartRefused for anything else."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StartRefused("the database URL cannot be read") from None
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise UnsafeStore("an SQLite ledger needs a file; memory survives nothing")
        engine = create_engine(parsed, poolclass=QueuePool, pool_size=8, max_overflow=-1, connect_args=_SQLITE)
        event.listen(engine, "connect", _prepare_sqlite)
        return engine
    if backend == "postgresql" and parsed.get_driver_name() == "psycopg":
        # What the URL itself says of these comes first.
        limits = {name: value for name, value in LIMITS.items() if name not in parsed.query}
        return create_engine(parsed, pool_pre_ping=True, isolation_level="READ COMMITTED", connect_args=limits)
    raise StartRefused(f"a ledger lives in sqlite:/// or postgresql+psycopg://, not {parsed.drivername}")


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    # A read-only database keeps its mode; check_durable and the first write say what is wrong.
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        f"cache_size=-{CACHE_KIB}",
        f"wal_autocheckpoint={WAL_PAGES}",
        "temp_store=MEMORY",
        "mmap_size=268435456",
    ):
        try:
            cursor.execute(f"PRAGMA {pragma}")
        except sqlite3.OperationalError as error:
            if "readonly" not in str(error):
                raise
    cursor.close()


def check_durable(engine: Engine) -> None:
    """UnsafeStore when the database would acknowledge what a power cut can take back."""
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                mode = connection.execute(text("PRAGMA journal_mode")).scalar_one()
                level = connection.execute(text("PRAGMA synchronous")).scalar_one()
                if mode != "wal" or level < 2:
                    raise UnsafeStore(
                        f"SQLite runs with journal_mode={mode}, synchronous={level}; a ledger needs wal, 2"
                    )
                return
            for name in ("fsync", "full_page_writes", "synchronous_commit"):
                value = connection.execute(text(f"SHOW {name}")).scalar_one()
                if value == "off":
                    raise UnsafeStore(f"PostgreSQL runs with {name} = {value}; a ledger needs it on")
    except DBAPIError as error:
        raise StoreUnavailable(explain(error)) from None


def upgrade(engine: Engine) -> None:
    """Bring the schema to the newest revision, in one transaction where the database can."""
    config = alembic.config.Config()
    config.set_main_option("script_location", "ledger.store:migrations")
    config.set_main_option("path_separator", "os")
    try:
        with engine.begin() as connection:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                # Two processes that start at once must not both create tables.
                connection.execute(text("SELECT pg_advisory_xact_lock(7078651)"))
            config.attributes["connection"] = connection
            alembic.command.upgrade(config, "head")
    except DBAPIError as error:
        raise StoreUnavailable(explain(error)) from None


def explain(error: DBAPIError | Exception) -> str:
    """One line on what a database driver said, without statement, parameters or connection string."""
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, OSError):
        return f"{cause.filename}: {cause.strerror}" if cause.filename else f"the database cannot be used: {cause}"
    said = str(cause).strip().split("\n", 1)[0][:200]
    return f"the database said: {said}" if said else f"the database failed: {type(cause).__name__}"
