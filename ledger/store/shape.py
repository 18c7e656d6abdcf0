"""Whether a database has the shape it was given: our tables and nothing on them, and values of the types they are for.

SQLite keeps any type in any column, and both databases let whoever owns them hang a trigger on a table or put a view in
its place, which would show a reader something else than the writer wrote.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Boolean, Column, ColumnElement, Connection, LargeBinary, Text, func, select, text

from ledger.store import tables as t

_CODE_ON_TABLES: Final = {
    "sqlite": "SELECT type, name FROM sqlite_master WHERE type NOT IN ('table', 'index') ORDER BY name",
    "postgresql": (
        "SELECT 'trigger', tgname FROM pg_trigger WHERE NOT tgisinternal AND tgrelid IN (SELECT oid FROM ours) "
        "UNION ALL SELECT 'rule', rulename FROM pg_rewrite WHERE ev_class IN (SELECT oid FROM ours) "
        "UNION ALL SELECT 'policy', polname FROM pg_policy WHERE polrelid IN (SELECT oid FROM ours) ORDER BY 2"
    ),
}
_OURS: Final = (
    "WITH ours AS (SELECT c.oid FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace "
    "WHERE s.nspname = current_schema()) "
)


def check(connection: Connection) -> Iterator[str]:
    """What is not as `ledger.store.tables` has it, a sentence each."""
    dialect = connection.dialect.name
    for kind, name in connection.execute(text((_OURS if dialect == "postgresql" else "") + _CODE_ON_TABLES[dialect])):
        yield f"schema: there is a {kind} that is not ours, {name}"
    for difference in compare_metadata(MigrationContext.configure(connection), t.metadata):
        # Changes of a column come as a list. Alembic says what would have to be done to put it right.
        words = difference[0] if isinstance(difference, list) else difference
        names = [word if isinstance(word, str) else getattr(word, "name", None) for word in words]
        yield "schema: to be as it was made it lacks " + " ".join(name for name in names if isinstance(name, str))
    if dialect == "sqlite":
        yield from _types(connection)


def _types(connection: Connection) -> Iterator[str]:
    for name, table in t.metadata.tables.items():
        wrong = [func.count().filter(_is_not(column)) for column in table.columns]
        for column, count in zip(table.columns, connection.execute(select(*wrong)).one(), strict=True):
            if count:
                yield f"{name}: {column.name} holds {count} values of another type than its own"


def _is_not(column: Column[Any]) -> ColumnElement[bool]:
    if isinstance(column.type, Boolean):
        return func.typeof(column).is_distinct_from("integer") | column.cast(Text).not_in(["0", "1"])
    wanted = "blob" if isinstance(column.type, LargeBinary) else "text" if isinstance(column.type, Text) else "integer"
    said = func.typeof(column)
    return said.not_in([wanted, "null"]) if column.nullable else said.is_distinct_from(wanted)
