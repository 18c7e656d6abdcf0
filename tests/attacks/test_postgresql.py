"""The same attacks on PostgreSQL, one of each sort: it has types, and who owns a table may put code on it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from ledger.errors import LedgerError, RolledBack
from tests.attacks.checks import audited, broken, inspected, says
from tests.attacks.world import World, build
from tests.databases import Postgres


@pytest.fixture(scope="module")
def template(postgresql18: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A small world; a copy of its database for each attack."""
    with postgresql18.fresh_database() as url:
        yield build(url, tmp_path_factory.mktemp("secrets"), messages=4)


@pytest.fixture
def prey(postgresql18: Postgres, template: World) -> Iterator[World]:
    name = str(make_url(template.url).database)
    postgresql18.execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND pid != pg_backend_pid()"
    )
    postgresql18.execute(f"CREATE DATABASE prey TEMPLATE {name}")
    try:
        yield replace(template, url=postgresql18.url("prey"))
    finally:
        postgresql18.execute("DROP DATABASE prey WITH (FORCE)")


def sql(world: World, *statements: str) -> None:
    url = make_url(world.url)
    with psycopg.connect(host=str(url.query["host"]), user="postgres", dbname="prey") as connection:
        for statement in statements:
            connection.execute(statement.encode())


AUDITED = {
    "an entry deleted": ("DELETE FROM entries WHERE seq = 300", "seq", "an entry is missing"),
    "an entry edited": (
        (
            "UPDATE entries SET entry = convert_to(replace(convert_from(entry, 'UTF8'), 'G4', 'G8'), 'UTF8')"
            " WHERE seq = (SELECT min(seq) FROM entries WHERE position('\"link.opened\"'::bytea IN entry) > 0)"
        ),
        "grade",
        "has grade",
    ),
    "a leaf hash edited": ("UPDATE entries SET leaf = sha256(leaf) WHERE seq = 300", "columns", "stored beside"),
    "an access on another chain": (
        "UPDATE entries SET chain = 1, n = 9000 WHERE seq = 300",
        "columns",
        "stored beside",
    ),
    "an access below zero": ("UPDATE entries SET root = -5 WHERE seq = 300", "columns", "stored"),
    "a row below zero": ("UPDATE entries SET seq = -seq WHERE seq = 300", "seq", ""),
    "a tile edited": ("UPDATE tiles SET data = sha256(data) WHERE n = 1", "tile", "tile 0/1"),
}


@pytest.mark.parametrize("name", AUDITED)
def test_entries_and_tiles(prey: World, name: str) -> None:
    statement, rule, words = AUDITED[name]
    sql(prey, statement)
    found = broken(audited(prey))
    assert words in found.get(rule, "nothing"), found
    assert broken(audited(prey, parts=3))


INSPECTED = {
    "an access hidden": ("UPDATE chains SET accesses = 0 WHERE no = 2", "chains: accesses"),
    "a block forgotten": ("UPDATE chains SET extra = '' WHERE extra LIKE '%blocks%'", "chains: extra"),
    "a negative message": ("UPDATE chains SET root = -5 WHERE no = 2", "chains: "),
    "a head edited": ("UPDATE head SET leaf = 'ab'", "head: leaf"),
    "a second head": (
        ("INSERT INTO head SELECT 2, log, origin, size, root, frontier, leaf, at, chains, batch, mac FROM head"),
        "",
    ),
    "a box deleted": ("DELETE FROM sealed WHERE seq = (SELECT min(seq) FROM sealed)", "no entry tells of an erasure"),
    "a data key deleted": ("DELETE FROM data_keys WHERE no = 3", "the data key of a box ... is missing"),
    "the edge edited": ("UPDATE edge SET data = sha256(data) WHERE level = 1", "edge: "),
    "a token moved": ("UPDATE tokens SET chain = 2", "tokens: "),
    "a message that nothing finds": (
        "DELETE FROM lookups WHERE message = (SELECT max(message) FROM lookups)",
        "lookups: 1 messages are not found by what they sealed",
    ),
    "a message found by another's words": (
        "UPDATE lookups SET message = (SELECT max(message) FROM lookups) WHERE message = 1",
        "lookups: 2 messages are not found by what they sealed",
    ),
    "a term of nobody's": (
        "INSERT INTO lookups SELECT part, sha256(blind), 90000, subject FROM lookups LIMIT 1",
        "lookups: 1 rows are of no message",
    ),
    "an API key promoted": (
        "UPDATE api_keys SET role = 'admin' WHERE role = 'ingest'",
        "api_keys: 1 rows were not made by Postseal",
    ),
    "an API key of his own": (
        (
            "INSERT INTO api_keys SELECT 'abcdefgh27', sha256('key'), 'admin', label, created, NULL, NULL, mac"
            " FROM api_keys WHERE role = 'admin'"
        ),
        "api_keys: 1 rows were not made by Postseal",
    ),
    "a trigger": (
        (
            "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
            "CREATE TRIGGER hide BEFORE INSERT ON seen FOR EACH ROW EXECUTE FUNCTION nothing()"
        ),
        "schema: there is a trigger that is not ours, hide",
    ),
    "a rule": (
        "CREATE RULE hide AS ON DELETE TO seen DO INSTEAD NOTHING",
        "schema: there is a rule that is not ours, hide",
    ),
    "a policy": (
        "CREATE POLICY hide ON entries USING (n > 0)",
        "schema: there is a policy that is not ours, hide",
    ),
    "a view in place of a table": (
        "ALTER TABLE tokens RENAME TO kept; CREATE VIEW tokens AS SELECT * FROM kept",
        "schema: ",
    ),
    "an index dropped": ("DROP INDEX entries_chain_n", "schema: ... entries_chain_n"),
    "a column that may be empty": ("ALTER TABLE entries ALTER COLUMN root DROP NOT NULL", "schema: ... root"),
}


@pytest.mark.parametrize("name", INSPECTED)
def test_everything_else(prey: World, name: str) -> None:
    statements, words = INSPECTED[name]
    sql(prey, *(re.split(r";(?=\s*CREATE)", statements)))
    found = inspected(prey)
    assert says(found, words), found


def test_the_honest_database_is_found_honest(prey: World) -> None:
    assert broken(audited(prey)) == {} and inspected(prey) == []
    assert broken(audited(prey, processes=2)) == {}


STARTS: dict[str, tuple[str, type[LedgerError]]] = {
    "a head cut back": ("UPDATE head SET size = size - 1", RolledBack),
    "a root of somebody's choice": ("UPDATE head SET root = sha256(root)", RolledBack),
    "a frontier of somebody's choice": (
        "UPDATE head SET frontier = substring(frontier FOR 8) || decode(repeat('00', length(frontier) - 8), 'hex')",
        RolledBack,
    ),
    "no head": ("DELETE FROM head", RolledBack),
    "an older state": ("UPDATE entries SET leaf = sha256(leaf) WHERE seq > 512", RolledBack),
}


@pytest.mark.parametrize("name", STARTS)
def test_the_start_is_refused(prey: World, name: str) -> None:
    statement, error = STARTS[name]
    sql(prey, statement)
    with pytest.raises(error):
        prey.reopen()


def test_the_mark_is_outside(prey: World, tmp_path: Path) -> None:
    """A database without the directory that knows it, or with another one."""
    missing: Callable[[], object] = replace(prey, directory=tmp_path).reopen
    with pytest.raises(LedgerError, match="is missing"):
        missing()
