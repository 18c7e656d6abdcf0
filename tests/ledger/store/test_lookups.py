"""What messages are found by: written with them, made again from what is sealed to the byte, held against it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, text, update

from ledger import fingerprint
from ledger.errors import RolledBack, StoreUnavailable
from ledger.log import Log
from ledger.store import lookups, open_store, read
from ledger.store import tables as t
from ledger.store.append import Appender, Conflict, Row
from ledger.store.inspect import inspect
from tests.ledger.ledgers import mail, open_log, record
from tests.ledger.walk import walk


class Place:
    def __init__(self, url: str, directory: Path, log: Log) -> None:
        self.url = url
        self.directory = directory
        self.log = log
        self.appender: Appender = log.store.appender()

    def rows(self) -> list[Row]:
        order = select(t.lookups).order_by(*t.lookups.primary_key.columns)
        with self.log.reader.snapshot() as connection:
            return [tuple(row) for row in connection.execute(order)]

    def rebuild(self, **options: Any) -> int:
        return lookups.rebuild(self.log.reader, self.appender, self.log.ring, **options)

    def run(self, *statements: Any) -> None:
        with self.log.store.engine.begin() as connection:
            for statement in statements:
                connection.execute(statement)

    def findings(self, keys: bool = True) -> list[str]:
        return inspect(self.log.reader, self.log.ring if keys else None).findings


@pytest.fixture(scope="module")
def place(any_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    directory = tmp_path_factory.mktemp("log")
    with open_log(any_database, directory) as log:
        for k in range(4):
            taken, sent, roles = mail(1 + k, k)
            # A list in the headers that is in no envelope: looked up with all who are named there.
            headers = (*taken.headers, fingerprint.HeaderText("Cc", f"All <all{k}@lists.example>"))
            made = log.record(replace(taken, headers=headers), sent, roles)
            log.event(made.message, "r1", "message.opened")
        # Lists that go on in further entries; the same words in each of them.
        record(log, recipients=300, files=2)
        record(log, recipients=2, files=300)
        taken, sent, roles = mail(2, 1, "an actor is nothing to look up")
        log.record(taken, sent, roles, actor=log.person("1", "jo@example.org"))
        place = Place(any_database, directory, log)
        yield place
        place.appender.close()


@pytest.fixture
def stored(place: Place) -> Iterator[list[Row]]:
    """The rows as they should be, before a test and after it."""
    before = place.rows()
    assert len(before) > 1500 and place.findings() == [] == place.findings(keys=False)
    yield before
    place.rebuild()
    assert place.rows() == before
    walk(place.url, place.log.ring)


def test_dropped_and_made_again_they_are_the_same(place: Place, stored: list[Row]) -> None:
    place.run(delete(t.lookups))
    assert lookups.are_missing(place.log.reader)
    assert place.rebuild() == 0
    assert place.rows() == stored and not lookups.are_missing(place.log.reader)


def test_in_small_pieces_too(place: Place, stored: list[Row], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "CHUNK", 3)
    monkeypatch.setattr(lookups, "ROWS", 10)
    monkeypatch.setattr(lookups, "AT_ONCE", 2)
    place.rebuild()
    assert place.rows() == stored
    assert place.findings() == []


ONE, OTHER, THIRD, RECIPIENT = 3, 6, 10, 4
"""Numbers of three messages' chains, and that of a recipient of the first."""

of_one = t.lookups.c.message == ONE
EDITS: dict[str, tuple[Any, bool]] = {
    "a row deleted": (delete(t.lookups).where(of_one, t.lookups.c.subject.like("%:shared")), False),
    "rows of one message deleted": (delete(t.lookups).where(of_one), False),
    "a blind index of nobody's": (
        insert(t.lookups).values(part=0, blind=b"x" * 16, message=ONE, subject="person:"),
        True,
    ),
    "of another part": (update(t.lookups).where(of_one).values(part=1), False),
    "of no message": (update(t.lookups).where(of_one).values(message=90_000), True),
    "below zero": (update(t.lookups).where(of_one).values(message=-2), True),
    "of a recipient": (update(t.lookups).where(of_one).values(message=RECIPIENT), True),
    "of another message": (update(t.lookups).where(of_one).values(message=OTHER), True),
    "under another's key": (
        update(t.lookups).where(of_one, t.lookups.c.subject.like("%:shared")).values(subject=t.lookups.c.subject + "x"),
        False,
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_what_was_changed_by_hand_is_named_and_put_right(place: Place, stored: list[Row], name: str) -> None:
    edit, without = EDITS[name]
    place.run(edit)
    (found,) = place.findings()[:1]
    assert found.startswith("lookups: "), found
    # Without keys no more can be said than that a row is of nobody here.
    assert bool(place.findings(keys=False)) is without


def test_rows_exchanged_between_two_messages_are_named(place: Place, stored: list[Row]) -> None:
    """As many as before, of the same blind indexes."""
    place.run(
        *(update(t.lookups).where(t.lookups.c.message == a).values(message=b) for a, b in ((2, 1), (4, 2), (1, 4)))
    )
    assert any("2 messages are not found by what they sealed" in found for found in place.findings())


def test_who_opens_a_log_without_them_makes_them(place: Place, stored: list[Row]) -> None:
    place.run(delete(t.lookups))
    open_log(place.url, place.directory).close()
    assert place.rows() == stored


def test_a_log_from_before_there_was_the_table(database_url: str, tmp_path: Path) -> None:
    with open_log(database_url, tmp_path) as log:
        record(log, recipients=2, files=2)
        place = Place(database_url, tmp_path, log)
        before = place.rows()
        newer = ("lookups", "api_keys", "blobs", "erasures")
        place.run(*(text(f"DROP TABLE {name}") for name in newer))
        place.run(text("UPDATE alembic_version SET version_num = '0001'"))
        with open_log(database_url, tmp_path) as again:
            assert again.credentials.list() == []
            assert Place(database_url, tmp_path, again).rows() == before
    walk(database_url, log.ring)


def test_of_two_that_open_it_at_once_one_makes_them(
    place: Place, stored: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other looks again when it has the lock."""
    monkeypatch.setattr(lookups, "_fill", lambda *_: pytest.fail("made twice"))
    assert place.rebuild(missing=True) == 0


def test_one_box_that_does_not_open_hides_its_own_words_only(place: Place, stored: list[Row]) -> None:
    with place.log.reader.snapshot() as connection:
        where = select(t.sealed).join(t.data_keys, t.sealed.c.key == t.data_keys.c.no)
        row = connection.execute(where.where(t.data_keys.c.subject.like("%:shared")).limit(1)).one()
    this = (t.sealed.c.seq == row.seq) & (t.sealed.c.key == row.key)
    place.run(update(t.sealed).where(this).values(box=b"x" * 40))
    assert place.rebuild() == 1
    lost = set(stored) - set(place.rows())
    assert 0 < len(lost) < 5 and all(row[3].endswith(":shared") for row in lost)
    assert any("cannot be opened" in found for found in place.findings())
    place.run(update(t.sealed).where(this).values(box=bytes(row.box)))


def test_what_was_erased_is_not_found_again(place: Place, stored: list[Row]) -> None:
    subject = next(row[3] for row in stored if row[3].endswith(":shared"))
    with place.log.reader.snapshot() as connection:
        key = connection.execute(select(t.data_keys).where(t.data_keys.c.subject == subject)).one()
    place.run(delete(t.data_keys).where(t.data_keys.c.no == key.no))
    place.rebuild()
    assert set(stored) - set(place.rows()) == {row for row in stored if row[3] == subject}
    place.run(insert(t.data_keys).values(tuple(key)))


def test_one_that_fails_changes_nothing(place: Place, stored: list[Row], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object, rows: Sequence[Row]) -> None:
        raise StoreUnavailable("a test")

    with monkeypatch.context() as patch:
        patch.setattr(type(place.appender), "look_up", fail)
        with pytest.raises(StoreUnavailable, match="a test"):
            place.rebuild()
    assert place.rows() == stored
    head = place.log.reader.head()
    place.run(update(t.head).values(mac=bytes(32)))
    with pytest.raises(RolledBack, match="MAC"):
        place.rebuild()
    place.run(update(t.head).values(mac=head.mac))


def test_a_row_that_stands_already_is_a_conflict(place: Place, stored: list[Row]) -> None:
    place.appender.begin()
    with pytest.raises(Conflict):
        place.appender.look_up(stored[:1])
    place.appender.rollback()


def test_without_a_message_nothing_is_missing(database_url: str, tmp_path: Path) -> None:
    store = open_store(database_url)
    assert not lookups.are_missing(store.reader)
    store.close()
    with open_log(database_url, tmp_path) as log:
        assert not lookups.are_missing(log.reader)
