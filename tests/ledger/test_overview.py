"""A message at a glance: what projections and disclosures say, held against the entries themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ledger import entry
from ledger.errors import UnknownReference
from ledger.log import Log
from ledger.overview import Overview
from tests.ledger.ledgers import counting, download, mail, open_log, outcomes, record, submit


@pytest.fixture(scope="module")
def log(any_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Log]:
    with open_log(any_database, tmp_path_factory.mktemp("log")) as log:
        yield log


def check(log: Log, made: Overview) -> None:
    """Every number is that of the entry it should be, every time that of its entry."""
    chains = {one.chain: (one.firsts, one.grade) for one in made.recipients}
    chains[made.message] = made.unattributed, ""
    first: dict[str, dict[str, int]] = {chain: {} for chain in chains}
    grades: dict[str, str] = dict.fromkeys(chains, "G0")
    seqs = set()
    for seq in range(log.reader.head().size):
        one = entry.decode(log.reader.entry(seq) or b"")
        if one.chain in chains:
            facts: Any = one.facts
            first[one.chain].setdefault(one.kind, seq)
            grades[one.chain] = max(grades[one.chain], getattr(facts, "grade", "G0"))
            if seq in made.times:
                assert made.times[seq] == one.at
                seqs.add(seq)
    remembered = {kind for said, _ in chains.values() for kind in said}
    for chain, (said, grade) in chains.items():
        assert said == {kind: seq for kind, seq in first[chain].items() if kind in remembered}
        assert grade in ("", grades[chain])
    assert seqs == set(made.times) == {made.seq, *(seq for said, _ in chains.values() for seq in said.values())}
    assert made.recorded_at == made.times[made.seq]


def test_a_message_to_which_much_happened(log: Log) -> None:
    sent = record(log, recipients=3, files=3)
    message = sent.message
    for kind in ("relay.accepted", "delivery.delivered", "message.opened", "message.opened"):
        log.event(message, "r1", kind, source="webhook")
    log.event(message, None, "message.opened", source="webhook")
    started = download(log, message, "r1", "f2")
    log.write(started)
    log.write(download(log, message, "r1", "f2", "completed", transfer=started.facts.transfer))  # type: ignore[attr-defined]
    log.event(message, "r3", "delivery.bounced", source="report")
    one, _ = log.block(message, "all")
    two, _ = log.block(message, "file", file="f2", recipient="r2")
    outcomes(submit(log, download(log, message, "r2", "f3")))
    made = log.overview(message)
    check(log, made)
    r1, r2, r3 = made.recipients
    assert [one.recipient for one in made.recipients] == ["r1", "r2", "r3"]
    assert [(one.chain, one.address, one.role) for one in made.recipients] == [
        (opening.chain, opening.address, opening.role) for opening in sent.recipients
    ]
    assert (r1.state, r1.grade, r1.downloads) == ("blocked", "G7", ("f2",))
    assert r1.states == ("recorded", "relayed", "delivered", "opened", "downloaded", "blocked")
    assert r1.blocks == {f"f{k}": (one.block,) for k in (1, 2, 3)}
    assert r2.blocks == {"f1": (one.block,), "f2": (one.block, two.block), "f3": (one.block,)}
    assert r2.states == ("recorded", "blocked", "denied") and r2.downloads == ()
    assert r3.states == ("recorded", "bounced", "blocked")
    assert set(made.unattributed) == {"message.opened"}
    log.lift(message, one.block)
    again = log.overview(message)
    assert again.recipients[1].blocks == {"f2": (two.block,)}
    assert again.recipients[0].state == "downloaded" and again.recipients[2].state == "bounced"


def test_a_message_to_which_nothing_happened(log: Log) -> None:
    sent = record(log, recipients=1, files=0)
    made = log.overview(sent.message)
    check(log, made)
    assert (made.content, made.envelope, made.files) == ("hash_only", "given", 0)
    assert made.disclosed["subject"] == "the plan" and made.disclosed == log.disclosed(sent.message)
    (r1,) = made.recipients
    assert (r1.state, r1.states, r1.grade, r1.firsts, r1.blocks) == ("recorded", ("recorded",), "G0", {}, {})


def test_as_many_questions_for_three_hundred_recipients_as_for_one(log: Log) -> None:
    asked = []
    for count in (1, 300):
        message = log.record(*mail(count, 1)).message
        outcomes(submit(log, *(log.draft(message, f"r{k}", "message.opened") for k in range(1, count + 1))))
        with counting(log) as queries:
            made = log.overview(message)
        asked.append(len(queries))
        assert [one.state for one in made.recipients] == ["opened"] * count
        check(log, made)
    assert asked[0] == asked[1] < 7


def test_what_is_no_message(log: Log) -> None:
    sent = record(log)
    for unknown in (log.id, sent.recipients[0].chain, log.new_id(), "x"):
        with pytest.raises(UnknownReference):
            log.overview(unknown)
