"""Migrations make what `ledger.store.tables` says, from nothing, and change nothing the second time."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from ledger.errors import StartRefused
from ledger.store import engine as engines
from ledger.store import is_empty, open_store, tables


def test_from_nothing_to_the_tables(database_url: str) -> None:
    store = open_store(database_url)
    try:
        with store.engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, tables.metadata) == []
            found = inspect(connection)
            assert set(found.get_table_names()) == {*tables.metadata.tables, "alembic_version"}
            for name, table in tables.metadata.tables.items():
                # What compare_metadata does not look at: primary keys, and what may be absent.
                key = [column.name for column in table.primary_key.columns]
                assert found.get_pk_constraint(name)["constrained_columns"] == key
                assert [c["name"] for c in found.get_columns(name)] == list(table.columns.keys())
                nullable = {c["name"] for c in found.get_columns(name) if c["nullable"]}
                assert nullable == ({"last_used", "revoked"} if name == "api_keys" else set())
    finally:
        store.close()


def test_a_table_that_is_not_so_is_noticed(database_url: str) -> None:
    """A test of the test above."""
    store = open_store(database_url)
    try:
        with store.engine.begin() as connection:
            connection.execute(text("DROP INDEX chains_root_ordinal"))
            connection.execute(text("ALTER TABLE edge ADD COLUMN more TEXT"))
        with store.engine.connect() as connection:
            assert len(compare_metadata(MigrationContext.configure(connection), tables.metadata)) == 2
    finally:
        store.close()


def test_twice_is_once(database_url: str) -> None:
    for _ in range(2):
        open_store(database_url).close()


def test_what_a_newer_version_made_is_neither_written_nor_read(database_url: str) -> None:
    newer = f"{int(engines.REVISION) + 1:04}"
    store = open_store(database_url)
    try:
        with store.engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :newer"), {"newer": newer})
        for use in (lambda: open_store(database_url), lambda: is_empty(store.reader)):
            with pytest.raises(StartRefused, match=f"newer.*schema {newer}; this one knows {engines.REVISION}"):
                use()
        with store.engine.connect() as connection:
            assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == newer
    finally:
        store.close()


def test_a_migration_that_fails_leaves_nothing(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("alembic.op.create_index", fail)
    engine = engines.open_engine(database_url)
    try:
        with pytest.raises(ZeroDivisionError):
            engines.upgrade(engine)
        assert inspect(engine).get_table_names() == []
    finally:
        engine.dispose()
    monkeypatch.undo()
    open_store(database_url).close()
