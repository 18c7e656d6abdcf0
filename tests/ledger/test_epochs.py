"""Epochs turned: an older copy of the database goes dark, the present one does not, and no crash leaves it between."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select

from ledger import epochs
from ledger.errors import LedgerError, SecretError, StoreUnavailable
from ledger.log import Log
from ledger.reading import Reading
from ledger.store import open_reader
from ledger.store import tables as t
from ledger.store.engine import sqlite_path
from ledger.store.inspect import inspect
from tests.ledger.ledgers import MASTER, open_log, record

AT = 1_790_000_000_000_000


@pytest.fixture
def log(database_url: str, tmp_path: Path) -> Iterator[Log]:
    with open_log(database_url, tmp_path) as made:
        for _ in range(3):
            message = record(made).message
            made.event(message, "r1", "message.opened", sealed=[("ip", "10.1.2.3")])
        yield made


def turn(log: Log) -> epochs.Turned:
    return epochs.turn(log.store, log.ring, lambda: AT)


def under(log: Log) -> set[int]:
    with log.reader.snapshot() as connection:
        return set(connection.scalars(select(t.data_keys.c.epoch)))


def everything(reading: Reading) -> dict[int, list[str]]:
    return reading.disclosures(range(reading.reader.head().size))


def test_an_older_copy_goes_dark(log: Log, tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    with log.reader.snapshot() as connection:
        before = connection.execute(select(t.data_keys)).all()
    said = everything(log)
    if (path := sqlite_path(log.store.url)) is not None:
        with log.store.engine.connect() as connection:
            connection.exec_driver_sql(f"VACUUM INTO '{old}'")
    done = turn(log)
    assert (done.epoch, done.wrapped, done.destroyed, done.finished) == (2, len(before), [1], False)
    assert under(log) == {2} and everything(log) == said
    assert inspect(log.reader, log.ring).findings == []
    wrapped = [bytes(row.wrapped) for row in before]
    if path is not None:
        copy = Reading.over(open_reader(f"sqlite:///{old}"), tmp_path, MASTER, bytes)
        for seq in said:
            with pytest.raises(SecretError, match="the key of epoch 1 was destroyed"):
                copy.disclosures([seq])
        # Of the old wrapped keys nothing is left in what the database is now.
        for file in tmp_path.glob("ledger.db*"):
            assert not any(one in file.read_bytes() for one in wrapped), file
    # The same on any database: rows as they were.
    with log.store.engine.begin() as connection:
        connection.execute(delete(t.data_keys))
        connection.execute(insert(t.data_keys), [row._asdict() for row in before])
    for seq in said:
        with pytest.raises(SecretError, match="the key of epoch 1 was destroyed"):
            log.disclosures([seq])


CUTS = ["_rewrap", "_move_on", "_destroy", "scrub"]


@pytest.mark.parametrize("cut", CUTS)
def test_a_turn_that_was_interrupted_is_finished(log: Log, monkeypatch: pytest.MonkeyPatch, cut: str) -> None:
    def fail(*_: object) -> Any:
        raise StoreUnavailable("a power cut")

    said = everything(log)
    with monkeypatch.context() as patch:
        patch.setattr(epochs, "AT_ONCE", 3)
        patch.setattr(epochs, cut, fail)
        if cut == "scrub":
            assert not turn(log).scrubbed
        else:
            with pytest.raises(StoreUnavailable):
                turn(log)
            assert log.ring.past_epochs == [1]
    message = record(log).message
    done = turn(log)
    assert done.finished == (cut != "scrub") and done.destroyed == [2 if cut == "scrub" else 1]
    assert under(log) == {done.epoch} and log.ring.past_epochs == []
    assert said.items() <= everything(log).items() and log.recipients(message)


def test_a_batch_that_fails_leaves_what_was_done_before(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    appender = type(log.store.appender())
    whole, calls = appender.commit, []

    def commit(self: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise StoreUnavailable("a power cut")
        whole(self)

    with monkeypatch.context() as patch:
        patch.setattr(epochs, "AT_ONCE", 4)
        patch.setattr(appender, "commit", commit)
        with pytest.raises(StoreUnavailable):
            turn(log)
    assert under(log) == {1, 2}
    said = everything(log)
    assert turn(log).finished and everything(log) == said and under(log) == {2}


def test_others_write_meanwhile(log: Log, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(epochs, "AT_ONCE", 2)
    stop, failed = threading.Event(), []

    def write(other: Log) -> None:
        while not stop.is_set():
            try:
                message = record(other).message
                other.event(message, "r2", "message.opened", sealed=[("ip", "10.1.2.3")])
                assert len(other.recipients(message)) == 2
            except (LedgerError, AssertionError) as error:
                failed.append(error)

    with open_log(log.store.url, tmp_path) as one, open_log(log.store.url, tmp_path) as two:
        threads = [threading.Thread(target=write, args=(other,)) for other in (one, two)]
        for thread in threads:
            thread.start()
        done = [turn(log) for _ in range(3)]
        stop.set()
        for thread in threads:
            thread.join()
    assert failed == [] and [one.epoch for one in done] == [2, 3, 4]
    assert under(log) == {4} and inspect(log.reader, log.ring).findings == []
