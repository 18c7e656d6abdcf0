"""What is derived from the entries is dropped and comes back to the byte; what was changed by hand is put right."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, text, update

from ledger.errors import RolledBack, StoreUnavailable
from ledger.ids import uuid7
from ledger.log import Log
from ledger.plan import Act
from ledger.store import tables as t
from ledger.store.append import Appender
from ledger.store.projections import DERIVED, rebuild
from ledger.store.read import dump
from tests.ledger.ledgers import beat, download, mail, open_log, outcomes, record, submit
from tests.ledger.walk import walk

Dump = Mapping[str, list[tuple[Any, ...]]]


def token(k: int) -> str:
    return hashlib.sha256(b"token %d" % k).hexdigest()


def fill(log: Log) -> None:
    """Everything a projection could forget, over more than two full tiles."""
    for k in range(3):
        tokens = {1: [token(10 * k), token(10 * k + 1)], 2: [token(10 * k + 2)]}
        message = record(log, recipients=3, files=3, tokens=tokens).message
        started = download(log, message, "r1")
        transfer = started.facts.transfer  # type: ignore[attr-defined]
        log.write(started)
        log.write(download(log, message, "r2"))
        log.write(download(log, message, "r1", kind="aborted", transfer=transfer))
        log.event(message, "r1", "relay.accepted", facts={"code": 250})
        log.event(message, "r1", "delivery.delivered", source="webhook")
        log.event(message, None, "message.opened", source="webhook")
        one, _ = log.block(message, "file", file="f2")
        log.block(message, "recipient", recipient="r3")
        (denied,) = outcomes(submit(log, download(log, message, "r3")))
        assert denied.denied
        log.lift(message, one.block)
        log.event(message, "r3", "link.opened", source="webhook", facts={"file": "f1"})
        log.export(message, recipient="r2")
    big = record(log, recipients=2, files=300, tokens={1: [token(1000 + k) for k in range(300)]}).message
    log.block(big, "all")
    opened: list[Act] = [log.draft(big, "r1", "message.opened") for _ in range(450)]
    outcomes(submit(log, *opened))
    assert log.reader.head().size > 512


class Place:
    def __init__(self, url: str, log: Log) -> None:
        self.url = url
        self.log = log
        self.appender: Appender = log.store.appender()

    def dump(self) -> Dump:
        found = dict(dump(self.log.store.engine, [*DERIVED, "head"]))
        # Without the number of the last batch, which a rebuild is one of, and the MAC that is over it.
        found["head"] = [row[:-2] for row in found["head"]]
        return found

    def rebuild(self) -> None:
        rebuild(self.log.reader, self.appender, uuid7(1, bytes(10)), partial(self.log.ring.blind, "head"))


@pytest.fixture(scope="module")
def place(any_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with open_log(any_database, tmp_path_factory.mktemp("log")) as log:
        fill(log)
        place = Place(any_database, log)
        yield place
        place.appender.close()


@pytest.fixture(autouse=True)
def at_rest(place: Place) -> None:
    """The high-water mark has caught up: it is moved by a thread, which must not look while tables are changed."""
    deadline = time.monotonic() + 30
    while place.log._marked is not place.log._latest:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_dropped_and_rebuilt_they_are_the_same(place: Place) -> None:
    before = place.dump()
    assert all(before[name] for name in DERIVED)
    place.rebuild()
    assert place.dump() == before
    walk(place.url, place.log.ring)


def test_the_running_writer_goes_on(place: Place) -> None:
    outcomes(submit(place.log, beat(place.log.instance)))
    place.rebuild()
    made, _ = place.log.prepare(*mail(), tokens={1: [token(hash(place.url) % 10**6 + 10**4)]})
    outcomes(submit(place.log, made, place.log.draft(made.id, "r1", "message.opened")))
    walk(place.url, place.log.ring)


CORRUPT = {
    "chains": [update(t.chains).values(n=t.chains.c.n + 1, grade=8, leaf="0" * 64, extra="")],
    "one chain": [delete(t.chains).where(t.chains.c.no == 2)],
    "no chains": [delete(t.chains)],
    "no tokens": [delete(t.tokens)],
    "tokens": [update(t.tokens).values(chain=0)],
    "transfers": [update(t.transfers).values(file="f9", ended=True)],
    "no transfers": [delete(t.transfers)],
    "tiles": [update(t.tiles).values(data=bytes(8192))],
    "no tiles": [delete(t.tiles), delete(t.edge)],
    "edge": [update(t.edge).values(data=b"\1" * 32)],
    "a tile too many": [text("INSERT INTO tiles VALUES (7, 7, '')")],
}


@pytest.mark.parametrize("changes", CORRUPT.values(), ids=CORRUPT)
def test_what_was_changed_by_hand_is_put_right(place: Place, changes: list[Any]) -> None:
    before = place.dump()
    with place.log.store.engine.begin() as connection:
        for change in changes:
            connection.execute(change)
    assert place.dump() != before
    place.rebuild()
    assert place.dump() == before


@pytest.mark.parametrize(
    "change",
    [{"size": 3}, {"root": bytes(32)}, {"leaf": "f" * 64}, {"chains": 1}, {"at": 5}, {"mac": bytes(32)}],
    ids=str,
)
def test_nothing_is_rebuilt_under_a_head_that_was_changed(place: Place, change: dict[str, Any]) -> None:
    before = place.log.reader.head()
    with place.log.store.engine.begin() as connection:
        connection.execute(update(t.head).values(change))
    with pytest.raises(RolledBack, match="MAC"):
        place.rebuild()
    with place.log.store.engine.begin() as connection:
        connection.execute(update(t.head).values({name: getattr(before, name) for name in change}))
    place.rebuild()


def test_a_rebuild_that_fails_changes_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    before = place.dump()

    def fail(*_: Any) -> None:
        raise StoreUnavailable("a test")

    monkeypatch.setattr(type(place.appender), "write", fail)
    with pytest.raises(StoreUnavailable, match="a test"):
        place.rebuild()
    monkeypatch.undo()
    assert place.dump() == before
    outcomes(submit(place.log, beat(place.log.instance)))
    walk(place.url, place.log.ring)


def test_a_log_opens_on_what_was_rebuilt(place: Place, tmp_path: Path) -> None:
    # Last in the file: every writer after this one begins with what the rebuild left.
    place.rebuild()
    head = place.log.reader.head()
    assert place.log.reader.root(head.size) == head.root
    place.log.export(place.log.reader.messages(1)[0].id)
    walk(place.url, place.log.ring)
