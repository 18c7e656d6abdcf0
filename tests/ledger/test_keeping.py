"""Content and its entry: both or none, whatever happens between them; and nothing of it anywhere in the clear."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET
from sqlalchemy import text

from ledger import drafts, entry, envelope, fingerprint
from ledger.blobs import Blobs
from ledger.erasing import Erasing
from ledger.errors import Damaged, Erased, InvalidRequest, KeyReused, SecretError, Unavailable, UnknownReference
from ledger.keeping import ORPHAN_SECONDS
from ledger.log import Log
from ledger.preparing import RecordedMessage
from ledger.store.inspect import inspect
from tests.helpers import HOUSE
from tests.ledger.ledgers import open_log, record, submit
from tests.ledger.vaults import MAILS, MIXED, PARTS
from tests.ledger.walk import walk

WORDS = b"words that stand nowhere else"
MAIL = MIXED + PARTS + b"\r\n" + WORDS + b"\r\n--x--\r\n"
SENT = envelope.given("ann@sender.example", ["bob@one.example", "cy@two.example"])


@pytest.fixture(scope="module")
def directory(any_database: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def log(any_database: str, directory: Path) -> Iterator[Log]:
    with open_log(any_database, directory) as log:
        yield log
        walk(any_database, log.ring)


def keep(log: Log, octets: bytes = MAIL, **more: Any) -> RecordedMessage:
    return log.record(fingerprint.take(octets), SENT, ["to", "envelope"], **({"keep": octets} | more))


def names(log: Log) -> set[str]:
    assert log.blobs is not None
    return {name for name, _ in log.blobs.names()}


def rows(log: Log, message: str) -> list[tuple[Any, ...]]:
    return log.reader.blobs(log.message(message))


def findings(log: Log) -> list[str]:
    return inspect(log.reader, log.ring, store=log.blobs).findings


@pytest.mark.parametrize("name", MAILS)
def test_what_is_kept_comes_back(log: Log, name: str) -> None:
    before = names(log)
    made = keep(log, MAILS[name])
    first: Any = entry.decode(made.outcome.recorded[0].data)
    assert first.facts.content == "kept"
    held = log.content(made.message)
    assert b"".join(held.whole()) == fingerprint.mime.normalise(MAILS[name])
    assert {row[1] for row in rows(log, made.message)} == names(log) - before
    for leaf in fingerprint.take(MAILS[name]).files:
        assert held.file(str(leaf.file)).size == leaf.size
    assert findings(log) == []


def test_by_default_nothing_is_kept(log: Log) -> None:
    before = names(log)
    made = record(log)
    first: Any = entry.decode(made.outcome.recorded[0].data)
    assert first.facts.content == "hash_only" and names(log) == before
    with pytest.raises(UnknownReference, match="the content of this message was not kept"):
        log.content(made.message)
    with pytest.raises(UnknownReference, match="no such message"):
        log.content(made.recipients[0].chain)


def test_a_repeat_leaves_nothing_behind(log: Log) -> None:
    key, digest = os.urandom(32), bytes(32)
    made = keep(log, key=key, digest=digest)
    before = names(log)
    # Known before anything is put; and known only under the lock.
    again = keep(log, key=key, digest=digest)
    late, _ = log.prepare_kept(MAIL, None, fingerprint.take(MAIL), SENT, ["to", "envelope"])
    assert len(names(log)) == len(before) + 2
    outcome = log.write(late, key, digest)
    log.settle(late, outcome)
    assert again.repeated and outcome.repeated and again.message == made.message
    assert names(log) == before
    assert b"".join(log.content(made.message).whole()) == MAIL


def test_what_is_refused_leaves_nothing_behind(log: Log) -> None:
    key, before = os.urandom(32), names(log)
    record(log, key=key, digest=bytes(32))
    with pytest.raises(KeyReused):
        keep(log, key=key, digest=b"x" * 32)
    token = "ab" * 32
    record(log, tokens={1: [token]})
    with pytest.raises(InvalidRequest, match="link token"):
        keep(log, tokens={1: [token]})
    assert names(log) == before


def test_what_nobody_can_say_of_stays(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    before = names(log)

    def lost(*_: object, **__: object) -> None:
        raise Unavailable("whether this was recorded will be known later")

    monkeypatch.setattr(log, "write", lost)
    with pytest.raises(Unavailable):
        keep(log)
    assert len(names(log) - before) == 2


def test_an_entry_never_says_kept_of_what_is_not(log: Log) -> None:
    taken = fingerprint.take(MAIL)
    (refused,) = submit(log, log.prepare(taken, SENT, ["to", "envelope"], content="kept")[0])
    assert isinstance(refused, InvalidRequest) and "in the vault" in str(refused)
    made, _ = log.prepare_kept(MAIL, None, taken, SENT, ["to", "envelope"])
    blobs, made.facts = made.blobs, drafts.facts_of("message.recorded", said(made) | {"content": "hash_only"})
    (refused,) = submit(log, made)
    assert isinstance(refused, InvalidRequest) and blobs
    with pytest.raises(InvalidRequest, match="not those of the fingerprint"):
        keep(log, keep=MAIL + b"x")


def said(made: Any) -> dict[str, Any]:
    all_ = {name: getattr(made.facts, name) for name in made.facts.__struct_fields__}
    return {name: value for name, value in all_.items() if value is not UNSET}


def test_a_vault_that_is_full_records_nothing(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    before, size = names(log), log.reader.head().size

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ledger.durable.create_from", full)
    with pytest.raises(Unavailable, match="No space left"):
        keep(log)
    assert (names(log), log.reader.head().size) == (before, size)


def test_without_a_vault(database_url: str, tmp_path: Path) -> None:
    with open_log(database_url, tmp_path) as log:
        message = keep(log).message
    with open_log(database_url, tmp_path, blobs=None) as log:
        with pytest.raises(Unavailable, match="no vault"):
            keep(log)
        with pytest.raises(Unavailable, match="no vault"):
            log.content(message)
        assert log.sweep() == 0 and not record(log).repeated


def age(log: Log, directory: Path, seconds: float, only: set[str] | None = None) -> None:
    """Make blobs look as old as that."""
    then = time.time() - seconds
    for path in (directory / "blobs" / log.id).rglob("*"):
        if path.is_file() and (only is None or path.name.partition(".")[0] in only):
            os.utime(path, (then, then))


def test_the_sweep_takes_old_orphans_and_nothing_else(log: Log, directory: Path) -> None:
    made = keep(log)
    mine = {row[1] for row in rows(log, made.message)}
    store: Blobs | None = log.blobs
    assert store is not None
    old, young, unfinished = (os.urandom(16).hex() for _ in range(3))
    for name in (old, young):
        store.put(name, [b"orphan"])
    shelf = directory / "blobs" / log.id / unfinished[:2]
    shelf.mkdir(exist_ok=True)
    (shelf / f"{unfinished}.tmp").write_bytes(b"half")
    (shelf / "a note").write_bytes(b"of the operator's own")
    age(log, directory, ORPHAN_SECONDS + 60)
    age(log, directory, ORPHAN_SECONDS - 60, {young})
    before = names(log)
    assert log.sweep() >= 2
    assert before - names(log) >= {old, unfinished} and young in names(log) and mine <= names(log)
    assert (shelf / "a note").exists()
    assert b"".join(log.content(made.message).whole()) == MAIL
    assert log.sweep() == 0


DIE = """
import os, signal, sys
from pathlib import Path
from ledger import content
from tests.ledger.ledgers import open_log
from tests.ledger.test_keeping import keep
real = content.keep
def die(*args):
    real(*args)
    os.kill(os.getpid(), signal.SIGKILL)
log = open_log(sys.argv[1], Path(sys.argv[2]))
keep(log)
content.keep = die
keep(log)
"""


def test_killed_between_blob_and_entry(database_url: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DIE, database_url, tmp_path], cwd=HOUSE, check=False, timeout=120, capture_output=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    with open_log(database_url, tmp_path) as log:
        (chain,) = log.reader.messages(10)
        named = {row[1] for row in rows(log, chain.id)}
        assert len(names(log)) == 4 and len(named) == 2 and findings(log) == []
        assert log.sweep() == 0
        age(log, tmp_path, ORPHAN_SECONDS + 1)
        assert log.sweep() == 2 and names(log) == named
        assert b"".join(log.content(chain.id).whole()) == MAIL


def test_nothing_of_it_is_anywhere_in_the_clear(tmp_path: Path) -> None:
    with open_log(f"sqlite:///{tmp_path / 'ledger.db'}", tmp_path) as log:
        message = keep(log).message
        for _ in range(2):
            held = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
            assert len(held) >= 6 and sum(map(len, held)) > len(MAIL)
            for words in (WORDS, b"see attached", b"bob@one.example", b"the plan", b"ann@sender"):
                assert not any(words in data for data in held), words
            # Nor once somebody has read it.
            assert WORDS in b"".join(log.content(message).whole())


def erase(log: Log, message: str, recipient: str | None) -> None:
    erasing = Erasing(log)
    done = erasing.go_on(log.write(erasing.of_message(message, log.person("x", "x"), recipient=recipient)))
    assert done.state == "done", done.reason


# What the inspection finds


def break_(log: Log, sql: str, **values: Any) -> None:
    with log.store.engine.begin() as connection:
        assert connection.execute(text(sql), values).rowcount


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Log]:
    """A log to be broken, with a message that is kept, one that could not be parsed, and one that is not kept."""
    with open_log(f"sqlite:///{tmp_path / 'ledger.db'}", tmp_path) as log:
        keep(log)
        keep(log, MAILS["no mail at all"])
        record(log)
        assert findings(log) == []
        yield log


def test_one_recipients_erasure_takes_the_header_and_leaves_the_rest(database_url: str, tmp_path: Path) -> None:
    with open_log(database_url, tmp_path) as own:
        check_erasure(own)


def check_erasure(own: Log) -> None:
    made, other = keep(own), keep(own)
    kept = names(own)
    erase(own, made.message, "r1")
    assert len(kept) == len(names(own)) + 1  # the header's blob alone
    held = own.content(made.message)
    at = held.erased
    assert at is not None
    with pytest.raises(Erased, match=f"the header block of this message was erased; that was recorded {at}"):
        held.whole()
    assert b"".join(held.file("f1").pieces()) == WORDS and WORDS in b"".join(held.body()[1])
    assert findings(own) == []
    erase(own, made.message, None)
    assert len(kept) == len(names(own)) + 2 and own.reader.doomed() == []
    assert b"".join(own.content(other.message).whole()) == MAIL
    gone = own.content(made.message)
    for look in (gone.whole, gone.body, lambda: gone.file("f1")):
        with pytest.raises(Erased, match="the content of this message was erased"):
            look()
    assert findings(own) == []


ROWS = {
    "all rows gone": ("DELETE FROM blobs", "the content of chain 1 is missing, and no entry tells of an erasure"),
    "a row gone": ("DELETE FROM blobs WHERE part = 'header'", "something of the content of chain 1 is missing"),
    "another message's": (
        "UPDATE blobs SET message = (SELECT max(no) FROM chains WHERE ordinal = 0) WHERE part = 'whole'",
        "of no message that was kept",
    ),
    "another size": ("UPDATE blobs SET size = size + 1 WHERE part = 'body'", "does not open"),
    "another border": ("UPDATE blobs SET small = small + 1 WHERE part = 'body'", "does not open"),
    "another name": (f"UPDATE blobs SET name = '{'ab' * 16}' WHERE part = 'body'", "does not open"),
    "a part there is not": ("UPDATE blobs SET part = 'whole' WHERE part = 'body'", "a part that no message has"),
    "another data key": (
        "UPDATE blobs SET key = (SELECT key FROM blobs WHERE part = 'header') WHERE part = 'body'",
        "under the data key of somebody else",
    ),
    "no data key": ("UPDATE blobs SET key = 99999 WHERE part = 'body'", "the data key of the blob"),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_that_was_changed_is_found(own: Log, name: str) -> None:
    sql, words = ROWS[name]
    break_(own, sql)
    # Of the rows alone, without looking at a single file.
    found = inspect(own.reader, own.ring).findings
    assert any(words in one for one in found), found
    if name.startswith(("another s", "another b", "another n")):
        with pytest.raises(Damaged):
            own.content(own.reader.messages(10)[-1].id).whole()


def place(log: Log, directory: Path, part: str) -> Path:
    name = next(row[1] for chain in log.reader.messages(10) for row in log.reader.blobs(chain) if row[0] == part)
    return directory / "blobs" / log.id / name[:2] / name


@pytest.mark.parametrize("part", ["header", "body", "whole"])
def test_a_file_that_was_changed_is_found(own: Log, tmp_path: Path, part: str) -> None:
    path = place(own, tmp_path, part)
    data = path.read_bytes()
    for broken in (data[:-1], data[:60] + bytes([data[60] ^ 1]) + data[61:], b"", data + b"x"):
        path.write_bytes(broken)
        assert any("does not open" in one for one in findings(own))
    path.unlink()
    assert any("is missing" in one for one in findings(own))
    # Whoever audits a copy of the database has no files, and is told nothing of them.
    assert inspect(own.reader, own.ring).findings == [] and inspect(own.reader, None, store=own.blobs).findings == []


def test_when_the_key_of_its_epoch_is_destroyed_nobody_reads_it(own: Log) -> None:
    message = keep(own).message
    own.ring.new_epoch(0)
    own.ring.destroy_epoch(1, 0, lambda epoch: 0)
    with pytest.raises(SecretError, match="epoch 1 was destroyed"):
        own.content(message)


def test_a_log_from_before_there_was_a_vault(database_url: str, tmp_path: Path) -> None:
    with open_log(database_url, tmp_path) as log:
        before = record(log).message
        with log.store.engine.begin() as connection:
            for newer in ("blobs", "erasures"):
                connection.execute(text(f"DROP TABLE {newer}"))
            connection.execute(text("UPDATE alembic_version SET version_num = '0002'"))
    with open_log(database_url, tmp_path) as log:
        with pytest.raises(UnknownReference, match="was not kept"):
            log.content(before)
        assert b"".join(log.content(keep(log).message).whole()) == MAIL
        assert findings(log) == []


# Copies are held against what is kept


def test_a_copy_is_compared_with_what_is_left(database_url: str, tmp_path: Path) -> None:
    mail = MAIL.replace(b"Subject:", b"Message-ID: <held@sender.example>\r\nSubject:", 1)
    footer = mail.replace(b"see attached", b"see attached\r\n-- \r\nThe list")
    changed = mail.replace(b"see attached", b"see below")
    with open_log(database_url, tmp_path) as own:
        made = own.record(fingerprint.take(mail), SENT, ["to", "envelope"], keep=mail)

        def found(copy: bytes) -> tuple[str, set[str]]:
            (one,) = own.identify(copy)
            assert one.message == made.message
            return one.level, {difference.kind for difference in one.differences}

        assert found(b"Received: x\r\n" + mail)[0] == "identical but for transport headers"
        assert found(footer) == ("all original parts present, with additions", {"added"})
        assert found(changed) == ("different", {"changed"})
        # The header block goes, and the text still tells.
        erase(own, made.message, "r1")
        level, kinds = found(footer)
        assert level == "all original parts present, with additions" and "added" in kinds
        assert found(changed)[0] == "different" and found(mail)[0] == "identical"
        erase(own, made.message, None)
        assert own.identify(footer) == [] and own.identify(mail) == []
