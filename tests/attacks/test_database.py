"""Whoever can write to the database, and holds no key: rows dropped, moved and swapped, files put back, types changed.

`test_columns` edits every column; here are the attacks that somebody would think of.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest

from ledger import note
from ledger.act import Own
from ledger.audit import Report
from ledger.errors import LedgerError, RolledBack, StartRefused
from ledger.event import Instance
from ledger.merkle import check_consistency, check_inclusion, prove_consistency, prove_inclusion
from ledger.store import open_reader, open_store
from ledger.store.projections import rebuild
from ledger.store.sqlite import SqliteAppender
from tests.attacks.attacker import Attacker, connect, new_id
from tests.attacks.checks import audited, broken, inspected, says
from tests.attacks.world import World


def sql(world: World, *statements: str) -> None:
    with connect(world.path) as db:
        for statement in statements:
            db.execute(statement)


def one(world: World, query: str) -> int:
    with connect(world.path) as db:
        return int(db.execute(query).fetchone()[0])


SIMPLE = {
    "an entry deleted": ("DELETE FROM entries WHERE seq = 1500", "seq", "an entry is missing"),
    "an access deleted, and what follows moved up": (
        (
            "DELETE FROM entries WHERE seq = 1500; UPDATE entries SET seq = -seq WHERE seq > 1500;"
            "UPDATE entries SET seq = -seq - 1 WHERE seq < 0"
        ),
        "seq",
        "numbered otherwise than its row",
    ),
    "the tail cut off": ("DELETE FROM entries WHERE seq > 2200", "checkpoint", "entries, and 2201 are here"),
    "two entries exchanged": (
        (
            "UPDATE entries SET seq = -1 WHERE seq = 1500; UPDATE entries SET seq = 1500 WHERE seq = 1501;"
            "UPDATE entries SET seq = 1501 WHERE seq = -1"
        ),
        "prev",
        "not the leaf hash of the entry before",
    ),
    "an entry numbered below zero": (
        "UPDATE entries SET seq = -7 WHERE seq = (SELECT max(seq) FROM entries)",
        "seq",
        "out of order",
    ),
    "an entry far beyond the end": (
        "UPDATE entries SET seq = 9007199254740993 WHERE seq = (SELECT max(seq) FROM entries)",
        "seq",
        "an entry is missing",
    ),
    "an access moved to another chain": (
        "UPDATE entries SET chain = 5, n = 5000 WHERE seq = 1500",
        "columns",
        "stored beside the entry",
    ),
    "an access moved to another message": (
        "UPDATE entries SET root = 1 WHERE seq = 1500",
        "columns",
        "stored beside the entry",
    ),
    "a position twice": (
        "DROP INDEX entries_chain_n; UPDATE entries SET n = n - 1 WHERE seq = 1500",
        "columns",
        "stored beside the entry",
    ),
    "a tile of other hashes": ("UPDATE tiles SET data = zeroblob(8192) WHERE n = 3", "tile", "tile 0/3"),
    "a tile of another place": (
        "UPDATE tiles SET data = (SELECT data FROM tiles WHERE level = 0 AND n = 2) WHERE level = 0 AND n = 3",
        "tile",
        "tile 0/3",
    ),
    "a tile before its time": (
        "INSERT INTO tiles SELECT 0, (SELECT count(*) FROM entries) / 256, zeroblob(8192)",
        "tile",
        "before the tree has filled it",
    ),
    "a leaf hash": ("UPDATE entries SET leaf = zeroblob(32) WHERE seq = 1500", "columns", "stored beside the entry"),
    "an entry kept as text": (
        "UPDATE entries SET entry = CAST(entry AS TEXT) WHERE seq = 1500",
        "columns",
        "something else than bytes",
    ),
    "an entry that is a number": ("UPDATE entries SET entry = 7 WHERE seq = 1500", "columns", "than bytes"),
    "a leaf hash kept as text": (
        "UPDATE entries SET leaf = hex(leaf) WHERE seq = 1500",
        "columns",
        "stored beside the entry",
    ),
    "a position kept as bytes": (
        "UPDATE entries SET n = CAST('3' AS BLOB) WHERE seq = 1500",
        "columns",
        "stored beside the entry",
    ),
    "a message number below zero": (
        "UPDATE entries SET root = -root WHERE seq = 1500",
        "columns",
        "stored beside the entry",
    ),
    "a message number that is a word": (
        "UPDATE entries SET root = 'nobody' WHERE seq = 1500",
        "columns",
        "stored beside the entry",
    ),
    "a message number past all numbers": (
        "UPDATE entries SET root = 9223372036854775807 WHERE seq = 1500",
        "columns",
        "stored beside the entry",
    ),
    "an entry of another spelling": (
        "UPDATE entries SET entry = CAST(replace(CAST(entry AS TEXT), ':', ': ') AS BLOB) WHERE seq = 1500",
        "canonical",
        "not canonical",
    ),
    "an entry with a byte order mark": (
        "UPDATE entries SET entry = CAST(x'efbbbf' || entry AS BLOB) WHERE seq = 1500",
        "canonical",
        "",
    ),
    "an entry with a number in another spelling": (
        (
            "UPDATE entries SET entry = CAST(replace(CAST(entry AS TEXT), '\"v\":1', '\"v\":1e0') AS BLOB)"
            " WHERE seq = 1500"
        ),
        "canonical",
        "",
    ),
    "an entry with a key twice": (
        (
            'UPDATE entries SET entry = CAST(replace(CAST(entry AS TEXT), \'"v":1\', \'"v":1,"v":1\') AS BLOB)'
            " WHERE seq = 1500"
        ),
        "canonical",
        "",
    ),
    "a number of a thousand digits": (
        (
            "UPDATE entries SET entry = CAST(replace(CAST(entry AS TEXT), '\"v\":1',"
            " '\"v\":' || replace(hex(zeroblob(500)), '0', '1')) AS BLOB) WHERE seq = 1500"
        ),
        "canonical",
        "",
    ),
    "an entry a million brackets deep": (
        "UPDATE entries SET entry = CAST(replace(hex(zeroblob(500000)), '0', '[') AS BLOB) WHERE seq = 1500",
        "canonical",
        "",
    ),
    "an entry with letters that are none": (
        (
            "UPDATE entries SET entry = CAST(replace(CAST(entry AS TEXT), '\"kind\"', x'22c3286b22') AS BLOB)"
            " WHERE seq = 1500"
        ),
        "canonical",
        "",
    ),
    "an empty entry": ("UPDATE entries SET entry = x'' WHERE seq = 1500", "canonical", ""),
}


@pytest.mark.parametrize("name", SIMPLE)
@pytest.mark.parametrize("parts", [1, 3])
def test_entries_and_tiles(prey: World, name: str, parts: int) -> None:
    """However the log is cut into parts: what one part does not see, the whole misses."""
    statements, rule, words = SIMPLE[name]
    sql(prey, *statements.split(";"))
    found = broken(audited(prey, parts=parts))
    if parts > 1 and "SET root" in statements:
        # Cut by a column that lies, the log may have lost it to a part where its chain is not.
        assert words in found.get(rule, "nothing") or "chain.gap" in found, found
    else:
        assert words in found.get(rule, "nothing"), found


def test_the_cuts_agree(prey: World) -> None:
    """Every way of cutting finds the same."""
    sql(
        prey,
        "UPDATE entries SET root = -7 WHERE seq = 1500",
        "DELETE FROM entries WHERE seq = 1700",
        "UPDATE entries SET entry = CAST(entry AS TEXT) WHERE seq = 1900",
        "UPDATE entries SET leaf = zeroblob(32) WHERE seq = 2000",
    )
    whole = broken(audited(prey))
    for options in ({"parts": 2}, {"parts": 7}, {"parts": 50}, {"processes": 2, "parts": 5}):
        assert {"seq", "columns"} <= set(broken(audited(prey, **options))), options
        assert broken(audited(prey, **options)).keys() >= whole.keys() - {"prev", "chain.gap", "chain.cprev"}


PROJECTED = {
    "an access hidden from the chain": (
        "UPDATE chains SET accesses = accesses - 1 WHERE no = 20",
        "chains: accesses of chain 20",
    ),
    "a first access hidden": ("UPDATE chains SET opened = -1, link_opened = -1 WHERE no = 20", "chains: opened"),
    "a block forgotten": (
        "UPDATE chains SET extra = '' WHERE extra LIKE '%blocks%'",
        "chains: extra of chain",
    ),
    "a file made unfetched": (
        "UPDATE chains SET extra = replace(extra, '\"fetched\"', '\"fetchex\"') WHERE extra LIKE '%fetched%'",
        "chains: extra of chain",
    ),
    "everything sealed deleted": ("DELETE FROM sealed; DELETE FROM data_keys", "no entry tells of an erasure"),
    "a data key deleted": ("DELETE FROM data_keys WHERE no = 20", "the data key of a box ... is missing"),
    "another recipient's data key": (
        "UPDATE data_keys SET wrapped = (SELECT wrapped FROM data_keys WHERE no = 21) WHERE no = 20",
        "cannot be opened",
    ),
    "a key filed under somebody else": (
        (
            "UPDATE data_keys SET subject = 'x' || subject WHERE no = 20;"
            "UPDATE data_keys SET subject = (SELECT substr(subject, 2) FROM data_keys WHERE no = 20) WHERE no = 21"
        ),
        "cannot be opened",
    ),
    "a chain nobody opened": (
        (
            "INSERT INTO chains SELECT -5, 'x', -5, 0, files, recipients, n, leaf, grade, accesses, sent, received,"
            " opened, link_opened, started, downloaded, bounced, denied, extra FROM chains WHERE no = 20"
        ),
        "chains: ",
    ),
    "a token of a chain that is not there": (
        "INSERT INTO tokens VALUES (zeroblob(32), -9)",
        "tokens: ",
    ),
    "a transfer that has half ended": ("UPDATE transfers SET ended = 2", "transfers: ended holds"),
    "a transfer that has ended in words": ("UPDATE transfers SET ended = 'no'", "transfers: ended holds"),
    "a head that is a word": ("UPDATE head SET size = 'many'", "head: size holds 1 values of another type"),
    "a head without a root": ("UPDATE head SET root = CAST(root AS TEXT)", "head: root holds 1 values"),
    "a token that is a number": ("UPDATE tokens SET token = 5 WHERE chain = 20", "tokens: token holds 1 values"),
    "the index of positions dropped": ("DROP INDEX entries_chain_n", "schema: ... entries_chain_n"),
    "a trigger that hides what comes": (
        "CREATE TRIGGER hide AFTER INSERT ON seen BEGIN DELETE FROM transfers WHERE id = ''; END",
        "schema: there is a trigger that is not ours, hide",
    ),
    "a view in place of a table": (
        "ALTER TABLE tokens RENAME TO kept; CREATE VIEW tokens AS SELECT * FROM kept",
        "schema: there is a view that is not ours, tokens",
    ),
    "a table too many": ("CREATE TABLE notes (x)", "schema: ... notes"),
    "a column too many": ("ALTER TABLE entries ADD COLUMN hidden INTEGER DEFAULT 0", "schema: ... hidden"),
}


@pytest.mark.parametrize(
    ("name", "parts"),
    [(name, 1) for name in PROJECTED]
    + [(name, 3) for name in PROJECTED if name.startswith(("a chain", "a token", "an access", "a block"))],
)
def test_everything_else(prey: World, name: str, parts: int) -> None:
    statements, words = PROJECTED[name]
    sql(prey, *(statements.split(";") if "TRIGGER" not in statements else [statements]))
    found = inspected(prey, parts=parts)
    assert says(found, words), found


@pytest.mark.parametrize("apart", [False, True])
def test_two_boxes_swapped(prey: World, apart: bool) -> None:
    """Of two recipients on one entry, or of two entries under one key."""
    by = ("seq", "key") if not apart else ("key", "seq")
    with connect(prey.path) as db:
        (same,) = db.execute(f"SELECT {by[0]} FROM sealed GROUP BY {by[0]} HAVING count(*) > 2 LIMIT 1").fetchone()
        (a, one), (b, other) = db.execute(f"SELECT {by[1]}, box FROM sealed WHERE {by[0]} = ? LIMIT 2", [same])
        for place, box in ((a, other), (b, one)):
            db.execute(f"UPDATE sealed SET box = ? WHERE {by[0]} = ? AND {by[1]} = ?", [box, same, place])
    found = inspected(prey)
    assert sum("sealed does not open" in finding for finding in found) == 2, found


def test_null_where_there_is_none(prey: World) -> None:
    """A table without its constraints, and an entry that belongs to nothing: no part of the log has it."""
    sql(
        prey,
        "CREATE TABLE other (seq INTEGER PRIMARY KEY, root INTEGER, chain INTEGER, n INTEGER, leaf BLOB, entry BLOB)",
        "INSERT INTO other SELECT * FROM entries",
        "UPDATE other SET root = NULL WHERE seq = 1500",
        "DROP TABLE entries",
        "ALTER TABLE other RENAME TO entries",
    )
    assert broken(audited(prey))["columns"]
    assert broken(audited(prey, parts=2))["seq"] == "an entry is missing"
    assert says(inspected(prey), "schema: ... entries")


def test_two_rows_of_one_number(prey: World) -> None:
    """A table without its key: the same number as an integer and as text, and twice as an integer."""
    for twice in ("seq", "CAST(seq AS TEXT)"):
        sql(
            prey,
            "CREATE TABLE other (seq, root INTEGER, chain INTEGER, n INTEGER, leaf BLOB, entry BLOB)",
            "INSERT INTO other SELECT * FROM entries",
            f"INSERT INTO other SELECT {twice}, root, chain, n, leaf, entry FROM entries WHERE seq = 1500",
            "DROP TABLE entries",
            "ALTER TABLE other RENAME TO entries",
        )
        for parts in (1, 3):
            try:
                found = broken(audited(prey, parts=parts))
            except LedgerError:
                continue
            assert {"seq", "checkpoint"} & set(found), found
        assert inspected(prey)


# What start-up sees


def restore(world: World, prey: World) -> None:
    assert world.backup is not None
    prey.path.unlink()
    shutil.copy(world.backup, prey.path)


def test_an_old_backup_is_refused_at_the_start(world: World, prey: World) -> None:
    restore(world, prey)
    with pytest.raises(RolledBack, match="it is an older copy"):
        prey.reopen()
    state, _ = world.kept["middle"]
    found = broken(audited(prey, expect=(world.state.size, world.state.root)))
    assert "it covers" in found["checkpoint"] and "the log had" in found["high-water"]
    # Nothing is wrong with it but its age.
    old = audited(prey, note=world.kept["middle"][1])
    assert old.ok and old.checkpoint_size == state.size


def truncate(world: World) -> None:
    """Cut by one who repairs all he can without a key: the backup is such a ledger, brought forward to nothing."""
    attacker = Attacker(world.path, world.ring())
    attacker.items = attacker.items[:-40]
    attacker.rewrite()


def test_a_tail_cut_off_with_its_head_is_refused_at_the_start(prey: World) -> None:
    truncate(prey)
    with pytest.raises(RolledBack, match="it is an older copy"):
        prey.reopen()


def test_a_tail_cut_off_without_its_head_is_refused_at_the_start(prey: World) -> None:
    size = one(prey, "SELECT size FROM head")
    sql(prey, f"DELETE FROM entries WHERE seq > {size - 40}")
    with pytest.raises(LedgerError):
        prey.reopen()


def test_an_emptied_database_is_refused_at_the_start(prey: World) -> None:
    prey.path.unlink()
    with pytest.raises(RolledBack, match="the database is empty"):
        prey.reopen()


def test_the_log_of_somebody_else_is_refused_at_the_start(prey: World) -> None:
    sql(prey, "UPDATE head SET origin = 'log.example/other'")
    with pytest.raises(StartRefused, match=r"holds the log log\.example/other"):
        prey.reopen()
    sql(prey, "UPDATE head SET origin = 'log.example/attacked', log = '01900000-0000-7000-8000-000000000000'")
    with pytest.raises(LedgerError, match="is missing"):
        prey.reopen()


HEADS: dict[str, tuple[str, str]] = {
    "root": ("UPDATE head SET root = zeroblob(32)", "not that of a tree"),
    "size": ("UPDATE head SET size = size + 1", "not that of a tree"),
    "size of another age": ("UPDATE head SET size = size - 1", "it is an older copy"),
    "frontier": (
        "UPDATE head SET frontier = CAST(substr(frontier, 1, 8) || zeroblob(length(frontier) - 8) AS BLOB)",
        "not that of its tree",
    ),
}


@pytest.mark.parametrize("name", HEADS)
def test_a_head_that_is_not_the_trees_is_never_signed(prey: World, name: str) -> None:
    """Or whoever writes to the database could have any root signed that he likes."""
    statement, words = HEADS[name]
    sql(prey, statement)
    with pytest.raises(RolledBack, match=words):
        prey.reopen()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE head SET root = zeroblob(32), size = size + 1000",
        "UPDATE head SET root = zeroblob(32), size = size + 1000, batch = batch + 1",
        "UPDATE head SET frontier = CAST(substr(frontier, 1, 8) || zeroblob(length(frontier) - 8) AS BLOB)",
        "UPDATE head SET frontier = CAST(substr(frontier, 1, 8) || zeroblob(length(frontier) - 8) AS BLOB), batch = 1",
        "UPDATE head SET leaf = 'ab'",
        "UPDATE head SET chains = chains + 5",
        "UPDATE head SET at = at + 1",
    ],
)
def test_a_head_changed_under_a_running_ledger_is_never_signed(prey: World, statement: str) -> None:
    """A request that was answered before writes nothing, and its answer is signed: over the head as it stands."""
    with connect(prey.path) as db:
        key, digest = db.execute("SELECT key, digest FROM requests").fetchone()
    log = prey.reopen()
    try:
        repeated = log.event(prey.messages[0].message, "r1", "message.opened")
        assert repeated.checkpoint
        before, _ = log.checkpoint()
        with connect(prey.path) as db:
            (keep,) = [db.execute("SELECT * FROM head").fetchone()]
            db.execute(statement)
        with pytest.raises(RolledBack):
            log.write(Own("ledger.heartbeat", Instance(instance=log.instance)), key, digest)
        if "size" in statement:
            with pytest.raises(RolledBack):
                log.checkpoint()
        with connect(prey.path) as db:
            db.execute("DELETE FROM head")
            db.execute(f"INSERT INTO head VALUES ({', '.join('?' * len(keep))})", keep)
        assert log.checkpoint()[0] == before
    finally:
        with pytest.raises(RolledBack):
            log.close()


def test_a_history_exchanged_under_a_running_ledger_is_never_signed(prey: World) -> None:
    """Right in itself, and longer than the one before; but the writer remembers what he left."""
    log = prey.reopen()
    try:
        log.event(prey.messages[0].message, "r1", "message.opened")
        attacker = Attacker(prey.path, prey.ring())
        item = attacker.find("message.opened")[3]
        item.data["source"] = "api" if item.data["source"] != "api" else "portal"
        more = attacker.find("ledger.heartbeat")[-1]
        attacker.insert(attacker.items[-1], more.copy(), more.copy())
        attacker.rewrite()
        with connect(prey.path) as db:
            (batch,) = db.execute("UPDATE head SET batch = batch + 1 RETURNING batch").fetchone()
            db.execute("INSERT INTO batches VALUES (?, ?)", [batch, new_id()])
            attacker.bless(db)
        with pytest.raises(RolledBack, match="does not extend"):
            log.write(Own("ledger.heartbeat", Instance(instance=log.instance)))
    finally:
        with pytest.raises(RolledBack):
            log.close()


def test_an_order_of_rows_that_the_file_lies_about(prey: World) -> None:
    """A stale write-ahead log beside an older file."""
    old = prey.path.read_bytes()
    log = prey.reopen()
    log.event(prey.messages[0].message, "r1", "message.opened")
    newer = prey.path.with_name("newer.db")
    source, target = sqlite3.connect(prey.path), sqlite3.connect(newer)
    source.backup(target)
    source.close()
    target.close()
    wal = prey.path.with_name(prey.path.name + "-wal")
    kept = wal.read_bytes()
    log.close()
    for name in ("-wal", "-shm"):
        prey.path.with_name(prey.path.name + name).unlink(missing_ok=True)
    # The file of before, with the log of after it: SQLite plays it, and what comes of it is what was acknowledged ...
    prey.path.write_bytes(old)
    wal.write_bytes(kept)
    report = ask(prey)
    assert report is None or not report.ok or report.size > prey.state.size
    # ... and without it, it is an older copy.
    for name in ("-wal", "-shm"):
        prey.path.with_name(prey.path.name + name).unlink(missing_ok=True)
    prey.path.write_bytes(old)
    with pytest.raises(RolledBack, match="it is an older copy"):
        prey.reopen()


def ask(world: World) -> Report | None:
    try:
        return audited(world)
    except LedgerError:
        return None


@pytest.mark.parametrize("offset", range(0, 8))
def test_a_page_of_the_file_written_over(prey: World, offset: int) -> None:
    """By one who does not know SQL: whatever comes of it, it does not pass."""
    data = bytearray(prey.path.read_bytes())
    page = 4096 * (3 + offset * (len(data) // 4096 // 9))
    data[page : page + 4096] = sha256(b"%d" % offset).digest() * 128
    prey.path.write_bytes(data)
    try:
        found = bool(broken(audited(prey)))
        found = bool(inspected(prey)) or found
    except (LedgerError, sqlite3.DatabaseError):
        found = True
    assert found


# What is kept by others


def test_what_was_kept_holds_as_long_as_nobody_writes_history_anew(world: World) -> None:
    reader = open_reader(world.url)
    for state, signed in world.kept.values():
        proof = prove_consistency(state.size, world.state.size, reader.nodes(world.state.size))
        check_consistency(state.size, state.root, world.state.size, world.state.root, proof)
        assert note.parse(signed)
    for receipt in world.receipts:
        leaf = sha256(b"\0" + receipt.entry).digest()
        inclusion = prove_inclusion(receipt.seq, world.state.size, reader.nodes(world.state.size))
        check_inclusion(leaf, receipt.seq, world.state.size, inclusion, world.state.root)


def fork(a: Attacker) -> None:
    """The same number of entries, another story at the end."""
    item = a.find("message.opened")[-1]
    item.data["source"] = "api" if item.data["source"] != "api" else "portal"


@pytest.mark.parametrize("edit", [fork, lambda a: a.drop(a.find("ledger.stopped")[-1])])
def test_a_fork_is_refused_at_the_start(prey: World, edit: Callable[[Attacker], None]) -> None:
    attacker = Attacker(prey.path, prey.ring())
    edit(attacker)
    attacker.rewrite()
    with pytest.raises(RolledBack, match=r"it is forked|it is an older copy"):
        prey.reopen()


def test_a_table_rebuilt_is_taken_for_what_it_is(prey: World) -> None:
    """`rebuild` from entries that were edited does not make them right."""
    sql(prey, "UPDATE entries SET leaf = zeroblob(32) WHERE seq = 1500")
    store = open_store(prey.url)
    appender = SqliteAppender(store.engine, Path(prey.path))
    try:
        with pytest.raises(RolledBack, match="not those that the head"):
            rebuild(store.reader, appender, new_id(), partial(prey.ring().blind, "head"))
    finally:
        appender.close()
        store.close()
    assert broken(audited(prey))["columns"]
