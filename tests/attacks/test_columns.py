"""Every column of every table: one row's value is changed by whoever can write to the database, and something names it.

The list of columns is that of `ledger.store.tables`, so a new one is attacked from its first day. What nothing can find
is listed here with the reason, and in docs/threat-model.md; it is tried all the same, to see that it is not found.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import Boolean, Column, LargeBinary, Table, Text

from ledger.erasing import Erasing
from ledger.errors import LedgerError
from ledger.store import shape, tables
from tests.attacks.attacker import connect
from tests.attacks.checks import audited, broken, inspected, says
from tests.attacks.world import World, build

UNSEEN: Final = {
    "batches.id": "random; only a writer whose COMMIT was never answered asks for it, within seconds",
    "requests.key": "a hash of what only the caller knows: his repeat is recorded once more",
    "requests.digest": "a hash of what only the caller knows: his repeat is refused as another request",
    "seen.key": "a hash of what only the source knows: its repeat is recorded once more",
    "api_keys.last_used": "told to people, and nothing hangs on it",
}
"""Columns whose edit nothing can find, and why. docs/threat-model.md says the same."""

UNSEEN_ROWS: Final = {
    "requests": "an idempotency key forgotten: its repeat is recorded once more",
    "seen": "an event key forgotten: its repeat is recorded once more",
    "api_keys": "an API key forgotten: it opens nothing any more",
}
"""Tables whose rows can be deleted unseen."""

AUDIT: Final = {
    "entries": "seq: an entry is missing",
    "entries.seq": "seq: an entry is missing",
    "entries.root": "columns: stored beside the entry",
    "entries.chain": "columns: stored beside the entry",
    "entries.n": "columns: stored beside the entry",
    "entries.leaf": "columns: stored beside the entry",
    "entries.entry": "canonical: not an entry",
    "tiles": "tile: is missing",
    "tiles.level": "tile: is missing",
    "tiles.n": "tile: is missing",
    "tiles.data": "tile: not that of the tree",
}
"""What the replay finds: ``rule: words of its reason``. A table's own name stands for a row deleted from it."""

START: Final = {"head": "RolledBack: the database is empty", "head.id": "RolledBack: the database is empty"}
"""What start-up finds: ``error: words``."""

INSPECTED: Final = {
    "batches": "batches: they are not the last ones",
    "batches.no": "batches: they are not the last ones",
    "head.batch": "batches: they are not the last ones",
    "data_keys": "the data key of a box ... is missing",
    "data_keys.no": "the data key of a box ... is missing",
    "data_keys.subject": "sealed: ... under the data key of somebody else",
    "data_keys.epoch": "sealed: ... cannot be opened: epoch",
    "data_keys.wrapped": "sealed: ... cannot be opened: the data key ... does not open",
    "blobs": "blobs: something of the content of chain ... is missing, and no entry tells of an erasure",
    "blobs.message": "blobs: ... rows are of no message that was kept",
    "blobs.part": "blobs: ... a part that no message has",
    **dict.fromkeys(("blobs.name", "blobs.size", "blobs.small", "blobs.wrapped"), "blobs: ... does not open"),
    "blobs.key": "blobs: the blob ... is under the data key of somebody else",
    "erasures": "erasures: ... are not what the entries say",
    "erasures.id": "erasures: ... are not what the entries say",
    "erasures.chain": "erasures: ... are not what the entries say",
    **dict.fromkeys(
        (f"erasures.{name}" for name in ("scope", "keys", "blind", "requester", "waiting", "mac")),
        "erasures: 1 rows were not made by Postseal, or were changed since",
    ),
    "edge.level": "edge: the growing tiles",
    "edge.data": "edge: the growing tiles",
    "requests.seqs": "requests: an idempotency key points at",
    "sealed": "sealed: ... are gone, and no entry tells of an erasure",
    "sealed.seq": "sealed: a box belongs to entry ... which does not exist",
    "sealed.key": "the data key of a box ... is missing",
    "sealed.box": "sealed: a box ... cannot be opened: what entry",
    "seen.chain": "seen: ... at no entry of their chain",
    "seen.seq": "seen: ... at ... no ",
    **dict.fromkeys(("tokens", "tokens.token", "tokens.chain"), "tokens: ... are not what the entries say"),
    **dict.fromkeys(
        ("transfers", "transfers.id", "transfers.chain", "transfers.file", "transfers.ended"),
        "transfers: ... are not what the entries say",
    ),
    "chains": "chains: ... is missing",
    "chains.no": "chains: ... is missing",
    **dict.fromkeys(
        ("lookups", "lookups.part", "lookups.blind", "lookups.subject"),
        "lookups: 1 messages are not found by what they sealed",
    ),
    "lookups.message": "lookups: 1 rows are of no message",
    **dict.fromkeys(
        (f"api_keys.{name}" for name in ("id", "hash", "role", "label", "created", "revoked", "mac")),
        "api_keys: 1 rows were not made by Postseal, or were changed since",
    ),
}
"""What the inspection finds where it is not simply ``table: column``: words in order, ``...`` between them."""

INSERTED: Final = {
    "head": "head: 2 rows",
    "batches": "batches: they are not the last ones",
    "sealed": "the data key of a box ... is missing",
    "blobs": "blobs: ... rows are of no message that was kept",
    "data_keys": "data_keys: nothing is sealed under",
    "requests": "requests: an idempotency key points at",
    "seen": "seen: ... at no entry of their chain",
    "tiles": "tiles: ... rows",
    "edge": "edge: the growing tiles",
    "chains": "chains: ... has no entries",
    "tokens": "tokens: ... not what the entries say",
    "transfers": "transfers: ... not what the entries say",
    "lookups": "lookups: 1 rows are of no message",
    "api_keys": "api_keys: 1 rows were not made by Postseal",
    "erasures": "erasures: ... are not what the entries say",
}
"""The same for a row that is put into a table; one in `entries` the audit finds."""

COLUMNS: Final = [f"{name}.{column.name}" for name, table in tables.metadata.tables.items() for column in table.columns]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Fewer messages: all there is of a ledger is looked at eighty times here."""
    directory = tmp_path_factory.mktemp("small")
    world = build(f"sqlite:///{directory / 'ledger.db'}", directory, messages=8, keep=True)
    with world.reopen() as log:
        # One that waits for a second person, so that there is a row of each table.
        erasing = Erasing(log, dual_control=True)
        log.write(erasing.of_message(world.messages[0].message, log.person("x", "x"), recipient="r1"))
    return world


@pytest.fixture
def prey(small: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    # The schema is left alone here (`test_database` does not), and looking at it takes as long as everything else.
    monkeypatch.setattr(shape, "check", lambda connection: [])
    return small.copy(tmp_path / "prey")


class Row:
    """The row in the middle of a table, and how to change it."""

    def __init__(self, world: World, table: Table) -> None:
        self.world, self.table = world, table
        self.names = [column.name for column in table.columns]
        self.keys = [column.name for column in table.primary_key.columns]
        order = ", ".join(self.keys)
        with connect(world.path) as db:
            # An entry that opens a chain says itself which number the chain has.
            those = f"{table.name} WHERE n > 0" if table.name == "entries" else table.name
            sql = f"SELECT * FROM {those} ORDER BY {order} LIMIT 1 OFFSET (SELECT count(*) / 2 FROM {those})"
            self.values: list[Any] = list(db.execute(sql).fetchone())

    def _run(self, sql: str, *values: Any) -> None:
        with connect(self.world.path) as db:
            assert db.execute(sql, values).rowcount == 1

    def _here(self) -> tuple[str, list[Any]]:
        return " AND ".join(f"{key} = ?" for key in self.keys), [self[key] for key in self.keys]

    def __getitem__(self, name: str) -> Any:
        return self.values[self.names.index(name)]

    def update(self, column: Column[Any]) -> None:
        where, keys = self._here()
        self._run(
            f"UPDATE {self.table.name} SET {column.name} = ? WHERE {where}", other(column, self[column.name]), *keys
        )

    def delete(self) -> None:
        where, keys = self._here()
        self._run(f"DELETE FROM {self.table.name} WHERE {where}", *keys)

    def insert(self) -> None:
        """The same once more, under keys of its own."""
        new = list(self.values)
        for place, column in enumerate(self.table.columns):
            if column.primary_key or column.unique or f"{self.table.name}.{column.name}" in ALONE:
                new[place] = other(column, new[place])
        if self.table.name == "sealed":
            new[0] = self["seq"]
        self._run(f"INSERT INTO {self.table.name} VALUES ({', '.join('?' * len(new))})", *new)


ALONE: Final = {"entries.n", "entries.chain", "chains.ordinal", "seen.seq"}
"""No two rows may have the same of these; a change goes to where nobody is."""


def other(column: Column[Any], value: Any) -> Any:
    """Another value that might as well stand there."""
    if isinstance(column.type, Boolean):
        return 1 - value
    if isinstance(column.type, LargeBinary):
        return value[:-1] + bytes([value[-1] ^ 1]) if value else b"1"
    if isinstance(column.type, Text):
        return value[:-1] + ("0" if value[-1] != "0" else "1") if value else "0"
    if value is None:
        return 7
    far = column.primary_key or f"{column.table.name}.{column.name}" in ALONE
    return value + 10_000 if far else value + 1


@pytest.mark.parametrize("name", COLUMNS)
def test_an_edited_column_is_found_and_named(prey: World, name: str) -> None:
    table = tables.metadata.tables[name.partition(".")[0]]
    Row(prey, table).update(table.columns[name.partition(".")[2]])
    look(prey, name, INSPECTED.get(name, name.replace(".", ": ")))


@pytest.mark.parametrize("name", tables.metadata.tables)
def test_a_deleted_row_is_found_and_named(prey: World, name: str) -> None:
    Row(prey, tables.metadata.tables[name]).delete()
    look(prey, name, INSPECTED.get(name, f"{name}: "))


@pytest.mark.parametrize("name", tables.metadata.tables)
def test_an_inserted_row_is_found_and_named(prey: World, name: str) -> None:
    Row(prey, tables.metadata.tables[name]).insert()
    if name == "entries":
        assert "an entry is missing" in broken(audited(prey))["seq"]
    else:
        found = inspected(prey)
        assert says(found, INSERTED[name]), found


def look(world: World, name: str, inspection: str) -> None:
    """Ask whom it is meant for; of what nobody can find, that all keep silent, so that this list cannot grow stale."""
    if name in UNSEEN or name in UNSEEN_ROWS:
        assert broken(audited(world)) == {} and inspected(world) == []
    elif name in AUDIT:
        rule, _, words = AUDIT[name].partition(": ")
        found = broken(audited(world))
        assert words in found.get(rule, ""), found
    elif name in START:
        error, _, words = START[name].partition(": ")
        with pytest.raises(LedgerError, match=words) as caught:
            world.reopen()
        assert type(caught.value).__name__ == error
    else:
        findings = inspected(world)
        assert says(findings, inspection), findings


def test_a_chain_under_another_number_is_found_by_the_order_of_opening(prey: World) -> None:
    with connect(prey.path) as db:
        (no,) = db.execute("SELECT no FROM chains WHERE n = 1 AND ordinal > 0").fetchone()
        db.execute("UPDATE entries SET chain = 90000 WHERE chain = ?", [no])
        db.execute("UPDATE chains SET no = 90000 WHERE no = ?", [no])
    assert broken(audited(prey)) == {}
    found = inspected(prey)
    assert says(found, "entries: chain 90000 is not numbered in the order"), found


def test_what_nothing_can_find_is_in_the_threat_model() -> None:
    said = (Path(__file__).parents[2] / "docs" / "threat-model.md").read_text()
    for name in [*UNSEEN, *UNSEEN_ROWS]:
        assert f"`{name}`" in said, name
    assert set(UNSEEN) <= set(COLUMNS)


def test_a_row_that_might_have_been_is_not_found(prey: World) -> None:
    """An idempotency key and an event key that were never used, pointing at what was recorded without one."""
    with connect(prey.path) as db:
        spoken_for = {int(seq) for (seqs,) in db.execute("SELECT seqs FROM requests") for seq in seqs.split()}
        sql = "SELECT seq, chain FROM entries WHERE chain > 0 AND n > 0 AND CAST(entry AS TEXT) LIKE ?"
        seq, chain = db.execute(sql, ['%"kind":"event.reclassified"%']).fetchone()
        assert seq not in spoken_for
        db.execute("INSERT INTO requests VALUES (?, ?, ?)", (b"k" * 32, b"d" * 32, str(seq)))
        db.execute("INSERT INTO seen VALUES (?, ?, ?)", (chain, b"k" * 16, seq))
    assert broken(audited(prey)) == {} and inspected(prey) == []
