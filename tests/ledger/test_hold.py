"""Holds: what they cover, what a replay says of them, and that their state is rebuilt from the entries alone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from ledger import drafts, evidence
from ledger.act import Event
from ledger.audit import audit
from ledger.due import due
from ledger.erasing import Erasing, unfinished
from ledger.errors import Held, InvalidRequest, Retained, UnknownReference
from ledger.log import Log
from ledger.plan import Plan, View, Write
from ledger.retention import DAY, parse
from ledger.store.inspect import inspect
from ledger.store.projections import rebuild
from ledger.store.replayed import StoredLog
from ledger.trust import Trust
from tests.ledger.ledgers import ORIGIN, Time, mail, open_log, record

CLASSES = parse("standard=0-30,finance=2555-3650")


@pytest.fixture
def log(database_url: str, tmp_path: Path) -> Iterator[Log]:
    with open_log(database_url, tmp_path) as made:
        yield made


def findings(log: Log) -> list[str]:
    _, note = log.checkpoint()
    report = audit(partial(StoredLog, log.store.url, note), origin=ORIGIN, vkeys=[log.ring.signer().vkey])
    return [f"{one.rule}: {one.detail}" for one in report.findings] + inspect(log.reader, log.ring).findings


def erase(log: Log, message: str, recipient: str | None = None) -> str:
    erasing = Erasing(log)
    return erasing.go_on(log.write(erasing.of_message(message, log.person("x", "x"), recipient=recipient))).state


def test_what_a_hold_covers(log: Log) -> None:
    made = record(log, 3)
    log.hold(made.message, recipient="r2", reason="lawsuit")
    (hold,) = log.overview(made.message).recipients[1].holds
    for recipient in (None, "r2", "r1"):
        with pytest.raises(Held, match=hold):
            erase(log, made.message, recipient)
    # In blind copy, and so in nothing that names several people.
    assert erase(log, made.message, "r3") == "done"
    log.release(made.message, hold)
    with pytest.raises(UnknownReference):
        log.release(made.message, hold)
    assert erase(log, made.message) == "done"
    assert findings(log) == []


def test_nothing_of_a_message_that_is_held_goes(log: Log) -> None:
    made = record(log, 3)
    log.hold(made.message)
    for recipient in (None, "r1", "r3"):
        with pytest.raises(Held, match=f"on message {made.message}"):
            erase(log, made.message, recipient)
    with pytest.raises(InvalidRequest):
        log.hold(made.message, reason="NOT A CODE")
    with pytest.raises(UnknownReference):
        log.hold(made.message, recipient="r9")


def test_a_hold_that_came_while_it_waited_stops_it(log: Log) -> None:
    made = record(log, 3)
    erasing, one, two = Erasing(log, dual_control=True), log.person("a", "a"), log.person("b", "b")
    asked = erasing.go_on(log.write(erasing.of_message(made.message, one)))
    log.hold(made.message, recipient="r3")
    with pytest.raises(Held):
        log.write(erasing.approval(asked.erasure, two))
    (hold,) = log.overview(made.message).recipients[2].holds
    log.release(made.message, hold)
    assert erasing.go_on(log.write(erasing.approval(asked.erasure, two))).state == "done"
    assert unfinished(log) == [] and findings(log) == []


def test_their_state_is_what_the_entries_say(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    made = record(log, 2, retention=CLASSES["standard"])
    log.hold(made.message, recipient="r2")
    other = record(log, 2)
    log.hold(other.message)
    erasing = Erasing(log, dual_control=True)
    third = record(log, 2)
    erasing.go_on(log.write(erasing.of_message(third.message, log.person("a", "a"))))
    erase(log, record(log, 2).message, "r1")
    assert inspect(log.reader, log.ring).findings == []
    before = [log.overview(one.message) for one in (made, other, third)]
    appender = log.store.appender()
    rebuild(log.reader, appender, log.new_id(), partial(log.ring.blind, "head"))
    appender.close()
    assert [log.overview(one.message) for one in (made, other, third)] == before
    assert before[0].term is not None and before[0].recipients[1].holds and before[1].holds
    assert findings(log) == []


class Raw:
    """An entry as only who holds the log's key could write it."""

    def __init__(self, message: str, number: int, kind: str, **facts: str) -> None:
        self.message, self.number, self.kind = message, number, kind
        self.facts = drafts.facts_of(kind, facts)
        self.refs = ()

    def plan(self, view: View) -> Plan:
        return Plan([Write(view.chain(self.message, self.number), self.kind, self.facts, "api")])


def test_a_replay_finds_what_no_writer_writes(log: Log) -> None:
    made, id = record(log, 2).message, log.new_id()
    log.write(Raw(made, 1, "hold.released", hold=id))
    log.hold(made)
    log.write(Raw(made, 1, "erasure.done", erasure=id, subject="recipient"))
    log.write(Raw(made, 0, "hold.placed", hold=log.overview(made).holds[0]))
    found = [said for said in findings(log) if said.startswith("hold")]
    assert found == [
        "hold: released, but not in force here",
        "hold: erased while a hold was in force",
        "hold: this hold is in force here already",
    ]


@pytest.mark.parametrize(
    "kind", ["hold.placed", "hold.released", "erasure.requested", "erasure.approved", "erasure.done"]
)
def test_none_of_them_is_a_single_event(log: Log, kind: str) -> None:
    message = record(log, 2).message
    said = {"hold": log.new_id()} if kind.startswith("hold") else {"erasure": log.new_id(), "subject": "message"}
    with pytest.raises(InvalidRequest, match="its own act"):
        log.write(Event(message, 0, kind, drafts.facts_of(kind, said), "api"))


def test_what_can_no_longer_be_checked_says_why(log: Log) -> None:
    made = record(log, 2)
    erase(log, made.message)
    again = evidence.format(log.export(made.message))
    judged = evidence.check(again, Trust.of(log.ring.signer().vkey), content=b"Subject: x\r\n\r\nx")
    detail = judged.check("content").detail
    at = log.overview(made.message)
    assert at.erased is not None and judged.check("content").status == "not_checked"
    assert f"was erased at {at.times[at.erased]} by entry {at.erased}" in detail


def test_what_is_due(database_url: str, tmp_path: Path) -> None:
    time = Time()
    clock = {"clock": lambda: time.wall, "monotonic": lambda: time.monotonic}
    with open_log(database_url, tmp_path, **clock) as log:
        kept = [
            log.record(*mail(2), retention=CLASSES[name]) for name in ("standard", "standard", "standard", "finance")
        ]
        log.record(*mail(2))
        assert list(due(log, time.wall)) == []
        log.hold(kept[1].message, recipient="r1")
        erase(log, kept[2].message)
        with pytest.raises(Retained, match="from 20"):
            erase(log, kept[3].message)
        with pytest.raises(Retained):
            erase(log, kept[3].message, "r2")
        later = list(due(log, time.wall + 31 * DAY))
        assert [(one.message, one.held) for one in later] == [(kept[0].message, False), (kept[1].message, True)]
        time.pass_(30 * DAY)
        assert [one.message for one in due(log, time.wall)] == [kept[0].message, kept[1].message]
        assert findings(log) == []
