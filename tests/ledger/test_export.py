"""Claims rehearsed: what would not be true is refused before anything is closed, and for the same reason as after."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger import act, disclosure, drafts, envelope, evidence, export, fingerprint
from ledger.act import Heartbeat, Own
from ledger.errors import Adverse, InvalidRequest, UnknownReference
from ledger.event import Instance
from ledger.ids import format_time
from ledger.log import Log
from ledger.trust import Trust
from tests.ledger.ledgers import MINUTE, Time, download, open_log, outcomes, record, submit


class Place:
    """A log on a clock of its own."""

    def __init__(self, log: Log, clock: Time) -> None:
        self.log = log
        self.clock = clock

    def beat(self) -> None:
        outcomes(submit(self.log, Heartbeat(Instance(instance=self.log.instance))))

    def late(self, message: str, recipient: str | None, file: str) -> None:
        self.log.event(
            message,
            recipient,
            "download.started",
            source="webhook",
            facts={"file": file, "transfer": self.log.new_id()},
        )


@pytest.fixture
def place(database_url: str, tmp_path: Path) -> Iterator[Place]:
    clock = Time()
    with open_log(database_url, tmp_path, clock=lambda: clock.wall) as log:
        yield Place(log, clock)


def size(log: Log) -> int:
    return log.reader.head().size


def claimed(log: Log, message: str, **said: Any) -> str:
    """What the check says of evidence of non-access."""
    made = log.export(message, kind="non_access", **said)
    verdict = evidence.check(evidence.format(made), Trust.of(*(key.vkey for key in log.ring.keys)))
    found = verdict.check("no_access_recorded")
    assert found.status == "passed", found
    return found.detail


def rehearsed(log: Log, message: str, **said: Any) -> str | None:
    """Why the claim is refused before, if it is."""
    try:
        log.prepare_export(message, kind="non_access", **said)
    except Adverse as error:
        return str(error)
    return None


def unrehearsed(log: Log, message: str, **said: Any) -> str:
    """Why the claim is refused once its chains are closed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "rehearse", lambda *_: None)
        with pytest.raises(Adverse) as caught:
            log.export(message, kind="non_access", **said)
    return str(caught.value)


def apart_from_the_closing(reason: str) -> str:
    """Without the number of the entry that closes, which depends on when it does."""
    return re.sub(r"to entry [0-9]+", "to entry", reason)


def refused(log: Log, message: str, **said: Any) -> str:
    """Why the claim is refused; nothing is written for it, and it would be refused for that reason afterwards, too."""
    before = size(log)
    with pytest.raises(Adverse) as caught:
        log.export(message, kind="non_access", **said)
    assert size(log) == before
    reason = str(caught.value)
    assert apart_from_the_closing(unrehearsed(log, message, **said)) == apart_from_the_closing(reason)
    return reason


def no_block(place: Place, message: str) -> str:
    return "no block of f1 is in force for r1 at the closing entry"


def lifted(place: Place, message: str) -> str:
    block, _ = place.log.block(message, "all")
    place.log.lift(message, block.block)
    return "no block of f1 is in force for r1"


def a_block_for_another(place: Place, message: str) -> str:
    place.log.block(message, "recipient", recipient="r1")
    return "no block of f1 is in force for r2"


def access_before(place: Place, message: str) -> str:
    place.log.write(download(place.log, message, "r2", "f2"))
    place.log.block(message, "all")
    return "download.started of f2 on the chain of r2"


def access_told_later(place: Place, message: str) -> str:
    place.log.block(message, "all")
    place.late(message, "r1", "f1")
    return "download.started of f1 on the chain of r1"


def access_of_nobody(place: Place, message: str) -> str:
    place.log.block(message, "all")
    place.late(message, None, "f1")
    return "download.started of f1 unattributed"


def link_opened(place: Place, message: str) -> str:
    place.log.event(message, "r2", "link.opened")
    place.log.block(message, "all")
    return "link.opened on the chain of r2"


def input_of_the_message(place: Place, message: str) -> str:
    place.log.block(message, "all")
    facts = drafts.facts_of("input.unattributed", {"channel": "smtp", "attestation": "D"})
    outcomes(submit(place.log, act.Event(message, 0, "input.unattributed", facts, "report")))
    return "an input.unattributed was received by smtp meanwhile"


def input_of_anything(place: Place, message: str) -> str:
    place.log.block(message, "all")
    facts = drafts.facts_of("input.unparsed", {"channel": "webhook", "reason": "syntax"})
    outcomes(submit(place.log, Own("input.unparsed", facts, "webhook")))
    return "an input.unparsed was received by webhook meanwhile"


def a_gap_of_a_listener(place: Place, message: str) -> str:
    place.log.block(message, "all")
    since, until = (format_time(place.clock.wall + micros) for micros in (-MINUTE, MINUTE))
    facts = drafts.facts_of("listener.gap", {"channel": "smtp", "since": since, "until": until})
    outcomes(submit(place.log, Own("listener.gap", facts)))
    return "smtp"


def an_outage(place: Place, message: str) -> str:
    place.log.block(message, "all")
    place.clock.pass_(3 * MINUTE)
    place.beat()
    return "an outage of the recorder: 180.0 s"


def no_beat_since(place: Place, message: str) -> str:
    place.log.block(message, "all")
    place.clock.pass_(3 * MINUTE)
    return "an outage of the recorder: 180.0 s"


FACTS = [
    no_block,
    lifted,
    a_block_for_another,
    access_before,
    access_told_later,
    access_of_nobody,
    link_opened,
    input_of_the_message,
    input_of_anything,
    a_gap_of_a_listener,
    an_outage,
    no_beat_since,
]


@pytest.mark.parametrize("fact", FACTS)
def test_what_is_in_the_way_is_told_before_anything_is_closed(place: Place, fact: Callable[[Place, str], str]) -> None:
    message = record(place.log).message
    want = fact(place, message)
    assert want in refused(place.log, message)
    # A claim about the past is none about this.
    assert place.log.export(message)


def test_a_claim_that_holds_is_closed_and_proved(place: Place) -> None:
    message = record(place.log).message
    place.log.block(message, "all")
    before = size(place.log)
    assert "last of 4 pairs" in claimed(place.log, message)
    assert size(place.log) == before + 4
    place.clock.pass_(2 * MINUTE)
    place.beat()
    place.clock.pass_(2 * MINUTE)
    assert "largest gap 120.0 s" in claimed(place.log, message, recipient="r2", file="f1")
    # Evidence made before stands on the same chains, and is not in the way.
    place.log.export(message)
    assert claimed(place.log, message)


def test_what_happened_before_the_message_is_not_in_the_way(place: Place) -> None:
    other = record(place.log).message
    input_of_the_message(place, other)
    place.log.write(download(place.log, record(place.log).message, "r1"))
    place.clock.pass_(10 * MINUTE)
    place.beat()
    message = record(place.log).message
    place.log.block(message, "all")
    assert claimed(place.log, message)


def test_others_and_other_files_are_not_in_the_way(place: Place) -> None:
    message = record(place.log).message
    place.late(message, "r1", "f1")
    place.log.block(message, "all")
    assert "chain of r1" in refused(place.log, message)
    assert "chain of r1" in refused(place.log, message, recipient="r1")
    assert claimed(place.log, message, recipient="r2")
    assert claimed(place.log, message, recipient="r1", file="f2")


def test_a_file_inside_the_mail_is_beyond_any_block(place: Place) -> None:
    inside, half = record(place.log, hosted=[]).message, record(place.log, hosted=["f1"]).message
    for message in (inside, half):
        place.log.block(message, "all")
    assert "no hosted file" in refused(place.log, inside)
    assert "no hosted file" in refused(place.log, half, file="f2")
    assert "nor of f2 inside it" in claimed(place.log, half)


def test_where_a_file_travelled_must_be_shown(place: Place) -> None:
    message = record(place.log).message
    place.log.block(message, "all")
    with place.log.store.engine.begin() as connection:
        connection.exec_driver_sql(f"DELETE FROM data_keys WHERE subject = '{message}'")
    assert "is not disclosed" in refused(place.log, message)


def test_a_claim_that_names_what_is_not_there_closes_nothing(place: Place) -> None:
    recorded = record(place.log)
    before = size(place.log)
    for kind in ("history", "non_access"):
        for message in (place.log.id, recorded.recipients[0].chain, place.log.new_id()):
            with pytest.raises(UnknownReference):
                place.log.export(message, kind=kind)
        with pytest.raises(UnknownReference):
            place.log.export(recorded.message, recipient="r3", kind=kind)
    with pytest.raises(UnknownReference, match="2 files"):
        place.log.export(recorded.message, kind="non_access", file="f3")
    for name in ("f3", "F1", "nothing at all"):
        with pytest.raises(UnknownReference, match="nothing is sealed"):
            place.log.export(recorded.message, show=["f1", name])
    with pytest.raises(InvalidRequest, match="names a file"):
        place.log.export(recorded.message, file="f1")
    for said in ({"kind": "delivery"}, {"recipient": "bob"}, {"kind": "non_access", "file": "plan.pdf"}):
        with pytest.raises(InvalidRequest) as caught:
            place.log.export(recorded.message, **said)
        assert "bob" not in str(caught.value) and "plan" not in str(caught.value)
    assert size(place.log) == before


def test_what_comes_between_rehearsal_and_closing_is_found_after(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    message = record(place.log).message
    place.log.block(message, "all")
    claim, closing = place.log.prepare_export(message, kind="non_access")
    place.late(message, "r1", "f1")
    done = place.log.write(closing)
    with pytest.raises(Adverse, match="chain of r1"):
        place.log.assemble(claim, done)
    # And what comes after the closing is no part of the claim.
    claim, closing = place.log.prepare_export(message, recipient="r2", kind="non_access")
    done = place.log.write(closing)
    place.late(message, "r2", "f1")
    assert place.log.assemble(claim, done)


def test_a_request_that_was_recorded_is_answered_as_of_then(place: Place) -> None:
    message = record(place.log).message
    place.log.block(message, "all")
    key = place.log.request_key("test", "1")
    claim, closing = place.log.prepare_export(message, kind="non_access", key=key)
    first = place.log.assemble(claim, place.log.write(closing, key, b"d" * 32))
    place.late(message, "r1", "f1")
    with pytest.raises(Adverse):
        place.log.prepare_export(message, kind="non_access", key=place.log.request_key("test", "2"))
    claim, closing = place.log.prepare_export(message, kind="non_access", key=key)
    done = place.log.write(closing, key, b"d" * 32)
    assert done.repeated and place.log.assemble(claim, done).entries == first.entries


def test_rehearsal_and_check_agree_whatever_happened(place: Place) -> None:
    """Histories drawn by lot: a claim is refused beforehand just when, and for what, it would be refused after."""
    dice = random.Random(7)
    held = 0
    for _ in range(25):
        message = record(place.log).message
        blocks: list[str] = []
        for _ in range(dice.randint(1, 5)):
            match dice.randint(0, 6):
                case 0:
                    place.late(message, dice.choice(["r1", "r2", None]), dice.choice(["f1", "f2"]))
                case 1:
                    place.clock.pass_(MINUTE)
                    place.beat()
                case 2 if blocks:
                    place.log.lift(message, blocks.pop())
                case 3:
                    place.log.event(message, dice.choice(["r1", "r2"]), "relay.accepted")
                case _:
                    blocks.append(place.log.block(message, "all")[0].block)
        place.beat()
        for said in ({}, {"recipient": "r1"}, {"file": "f1"}, {"recipient": "r2", "file": "f2"}):
            before = size(place.log)
            reason = rehearsed(place.log, message, **said)
            assert size(place.log) == before
            if reason is None:
                assert claimed(place.log, message, **said)
                held += 1
            else:
                after = unrehearsed(place.log, message, **said)
                assert apart_from_the_closing(after) == apart_from_the_closing(reason)
    assert 10 < held < 90


def test_one_file_is_proved_alone(tmp_path: Path) -> None:
    octets = (
        b"Subject: confidential\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nsettlement terms\r\n"
    )
    for name in (b"plan.pdf", b"secret.pdf"):
        octets += b"--x\r\nContent-Type: application/pdf; name=" + name + b"\r\n\r\nof " + name + b"\r\n"
    octets += b"--x--\r\n"
    with open_log(f"sqlite:///{tmp_path / 'ledger.db'}", tmp_path) as log:
        sent = envelope.given("ann@sender.example", ["bob@one.example"])
        message = log.record(fingerprint.take(octets), sent, ["to"]).message
        made = evidence.format(log.export(message, show=["f1"]))
        trust = Trust.of(*(key.vkey for key in log.ring.keys))
    shown = [disclosure.parse(text) for held in evidence.parse(made).entries for text in held.disclosures]
    assert [one.name for one in shown] == ["f1"] and b"secret" not in made and b"bob" not in made
    verdict = evidence.check(made, trust, b"of plan.pdf")
    assert verdict.verdict == "valid" and "identical to the file f1" in verdict.check("content").detail
    # Of anything else it says nothing, neither way.
    for other in (b"of secret.pdf", octets):
        verdict = evidence.check(made, trust, other)
        assert (verdict.verdict, verdict.check("content").status) == ("unknown", "not_checked")
