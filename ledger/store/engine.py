"""Connections that may be trusted: opened, checked for durability, brought to the current schema.

SQLite runs in WAL mode with ``synchronous=FULL``: COMMIT returns after the WAL has been synced. On PostgreSQL start-up
refuses ``fsync`` or ``full_page_writes`` off, and every writer's session sets ``synchronous_commit`` on.
"""

from __future__ import annotations

import importlib
import os
import sqlite3
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import QueuePool

from ledger.errors import StartRefused, StoreUnavailable, UnsafeStore

CACHE_KIB = 65_536
WAL_PAGES = 16_384
"""Pages (4 KiB) in the WAL before SQLite copies them back: large, so that hot pages are written once."""
_SQLITE: dict[str, Any] = {"timeout": 30, "check_same_thread": False, "cached_statements": 256}

LIMITS = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""How long PostgreSQL may be unreachable, in seconds (the last in milliseconds), before a request is told so."""


REVISION: Final = max(file.stem[1:5] for file in (Path(__file__).parent / "migrations" / "versions").glob("r*.py"))
"""The newest of the migrations, by the names of their files; a test holds these to what they say themselves."""


def sqlite_path(url: str) -> Path | None:
    """The file of an SQLite URL; None for PostgreSQL."""
    parsed = make_url(url)
    return Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None


def open_engine(url: str, *, writing: bool = False) -> Engine:
    """An engine for ``sqlite:///PATH`` or ``postgresql+psycopg://...``. StartRefused for anything else.

    Unless it is for ``writing``, an SQLite file that this user may not write to is opened to be read."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StartRefused("the database URL cannot be read") from None
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise UnsafeStore("an SQLite ledger needs a file; memory survives nothing")
        connection: dict[str, Any] = {"connect_args": _SQLITE}
        uri = None if writing else read_only(Path(parsed.database))
        if uri is not None:
            connection = {"creator": lambda: sqlite3.connect(uri, uri=True, **_SQLITE)}
        engine = create_engine(parsed, poolclass=QueuePool, pool_size=8, max_overflow=-1, **connection)
        event.listen(engine, "connect", _prepare_sqlite)
        return engine
    if backend == "postgresql" and parsed.get_driver_name() == "psycopg":
        # What the URL itself says of these comes first.
        limits = {name: value for name, value in LIMITS.items() if name not in parsed.query}
        return create_engine(parsed, pool_pre_ping=True, isolation_level="READ COMMITTED", connect_args=limits)
    raise StartRefused(f"a ledger lives in sqlite:/// or postgresql+psycopg://, not {parsed.drivername}")


def read_only(path: Path) -> str | None:
    """How SQLite opens a file that this user may not write to, or not beside; None where he may.

    A database in WAL mode is read by way of two files beside it. Where those cannot be made, ``immutable`` says that
    nobody writes meanwhile: no log lies there, so nobody does now. StoreUnavailable where there is a log: without its
    other half it is read by who may write there, and nobody else.
    """
    path = path.resolve()  # as SQLite does, which looks for its log beside the file itself
    if not path.exists() or (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        return None
    log, shared = Path(f"{path}-wal"), Path(f"{path}-shm")
    uri = f"{path.as_uri()}?mode=ro"
    if shared.exists():
        return uri
    if log.exists() and log.stat().st_size:
        raise StoreUnavailable(
            f"{log} holds what was written last, and it cannot be read without write permission: copy the directory "
            "to where you have it"
        )
    return f"{uri}&immutable=1"


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    # A read-only database keeps its mode; check_durable and the first write say what is wrong.
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        # What is deleted is overwritten, so that what was erased is not left behind in the file's free space.
        "secure_delete=ON",
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
    try:
        with engine.connect() as connection:
            if _revision(connection) == REVISION:
                return
            check_age(connection)
        with engine.begin() as connection:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                # Two processes that start at once must not both create tables.
                connection.execute(text("SELECT pg_advisory_xact_lock(7078651)"))
            # Imported where it is needed, which is once in a ledger's life: it takes as long as most commands.
            config = importlib.import_module("alembic.config").Config()
            config.set_main_option("script_location", "ledger.store:migrations")
            config.set_main_option("path_separator", "os")
            config.attributes["connection"] = connection
            importlib.import_module("alembic.command").upgrade(config, "head")
    except DBAPIError as error:
        raise StoreUnavailable(explain(error)) from None


def check_age(connection: Connection) -> None:
    """StartRefused for a schema that only a newer Postseal knows: this one must not write to it, and cannot read it."""
    found = _revision(connection)
    if found is not None and found > REVISION:
        raise StartRefused(
            f"a newer Postseal has upgraded this database (schema {found}; this one knows {REVISION}): "
            "update this one, or bring back the backup from before the upgrade"
        )


def has_table(connection: Connection, name: str) -> bool:
    """Whether there is a table of that name."""
    return inspect(connection).has_table(name)


def _revision(connection: Connection) -> str | None:
    """What Alembic has noted of this database; None where it has not been there yet."""
    if not has_table(connection, "alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    return str(found[0]) if len(found) == 1 else None


def explain(error: DBAPIError | Exception) -> str:
    """One line on what a database driver said, without statement, parameters or connection string."""
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, OSError):
        return f"{cause.filename}: {cause.strerror}" if cause.filename else f"the database cannot be used: {cause}"
    said = str(cause).strip().split("\n", 1)[0][:200]
    return f"the database said: {said}" if said else f"the database failed: {type(cause).__name__}"
