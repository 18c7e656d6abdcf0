"""Who looked: an entry of its own, with the name sealed under a key of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from ledger import disclosure, entry
from ledger.errors import InvalidRequest, UnknownReference
from ledger.log import Log
from ledger.sequencer import Outcome
from ledger.store import tables as t
from ledger.store.inspect import inspect
from tests.ledger.ledgers import open_log, outcomes, record, submit
from tests.ledger.walk import walk


@pytest.fixture(scope="module")
def log(any_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Log]:
    with open_log(any_database, tmp_path_factory.mktemp("log")) as log:
        yield log
        walk(any_database, log.ring)
        assert inspect(log.reader, log.ring).findings == []


def seen(log: Log, outcome: Outcome) -> tuple[entry.Entry, dict[str, Any]]:
    (recorded,) = outcome.recorded
    opened = map(disclosure.parse, log.disclosures([recorded.seq])[recorded.seq])
    return entry.from_bytes(recorded.data), {one.name: one.value for one in opened}


def test_a_look_is_an_entry(log: Log) -> None:
    made = record(log, recipients=2)
    jo = log.person("7", "Jo Roe (compliance)")
    places = [((made.message,), {}), ((made.message,), {"recipient": "r2"}), ((None,), {})]
    for (message,), more in places:
        said, named = seen(log, log.view(message, "message", jo, **more))
        facts: Any = said.facts
        assert (said.kind, facts.what, said.source) == ("content.viewed", "message", "api")
        assert said.chain == (made.recipients[1].chain if more else message or log.id)
        assert named == {"actor": "Jo Roe (compliance)"}
        assert b"Jo Roe" not in entry.to_bytes(said)


def test_one_person_has_one_data_key_wherever_he_looks(log: Log) -> None:
    made = record(log)
    acts = [log.prepare_view(message, "search", log.person("8", "Kim")) for message in (made.message, None) * 3]
    outcomes(submit(log, *acts))
    log.view(made.message, "search", log.person("9", "Kim"))
    subjects = {log.person(id, "")[0] for id in ("8", "9")}
    with log.reader.snapshot() as connection:
        keys = connection.scalars(select(t.data_keys.c.subject).where(t.data_keys.c.subject.in_(subjects))).all()
    assert sorted(keys) == sorted(subjects) and len(subjects) == 2
    assert all(len(one) == len("person:") + 64 for one in subjects)


def test_a_look_is_no_access_and_changes_nothing(log: Log) -> None:
    made = record(log)
    before = log.overview(made.message)
    log.view(made.message, "message", log.person("7", "Jo"), recipient="r1")
    assert log.overview(made.message) == before


def test_a_look_at_what_is_blocked_is_recorded(log: Log) -> None:
    made = record(log)
    log.block(made.message, "all")
    assert log.view(made.message, "file", log.person("7", "Jo"), recipient="r1").denied is None


def test_what_does_not_fit_is_refused(log: Log) -> None:
    made = record(log)
    jo = log.person("7", "Jo")
    size = log.reader.head().size
    for what in ("", "The Message", "a b", "x" * 65):
        with pytest.raises(InvalidRequest):
            log.view(made.message, what, jo)
    with pytest.raises(InvalidRequest):
        log.view(None, "message", jo, recipient="r1")
    with pytest.raises(InvalidRequest):
        log.view(made.message, "message", jo, recipient="bob@example.org")
    with pytest.raises(InvalidRequest):
        log.view(made.message, "message", jo, source="clerk")  # type: ignore[arg-type]
    for message, more in ((log.new_id(), {}), (log.id, {}), (made.message, {"recipient": "r3"})):
        with pytest.raises(UnknownReference):
            log.view(message, "message", jo, **more)
    assert log.reader.head().size == size
