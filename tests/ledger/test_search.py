"""Messages looked up: every condition alone and together, held against a search through all of them by hand."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ledger import drafts, envelope, fingerprint
from ledger.errors import FormatError, InvalidRequest, UnknownReference
from ledger.log import Log
from ledger.search import MOST, SHOWN, Found, Wanted
from ledger.state import STATES
from ledger.store import append, find, tables
from tests.ledger.ledgers import HOUR, Time, counting, download, mail, open_log, outcomes, submit

PEOPLE = ["Ann@One.example", "ben@two.example", "cy@two.example", "dee@three.example"]
WORDS = ["offer", "Rechnung", "plan", "2026", "B\u00fcro"]
FILES = ["Annual Plan.pdf", "offer_2026.XLSX", "notes.txt"]


@dataclass
class Sent:
    """A message as it was recorded, to be searched by hand."""

    id: str
    micros: int
    mail_from: str
    rcpt: list[str]
    header_to: str
    subject: list[str]
    files: list[str]
    hashes: list[str]
    states: set[str]


class Place:
    def __init__(self, log: Log, clock: Time) -> None:
        self.log = log
        self.clock = clock
        self.dice = random.Random(5)
        self.sent: list[Sent] = []

    def send(self, k: int) -> Sent:
        dice = self.dice
        rcpt = dice.sample(PEOPLE, dice.randint(1, 3))
        subject = dice.sample(WORDS, dice.randint(1, 3))
        files = dice.sample(FILES, dice.randint(0, 2))
        to = f"{dice.choice(PEOPLE)}, a list: x{k}@list.example;"
        lines = ["From: Sales <sales@Us.example>", f"To: {to}", f"Subject: {' '.join(subject)} no. {k}"]
        lines += ["MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=x", "", "--x", "", "hello"]
        for name in files:
            lines += ["--x", "Content-Type: application/octet-stream"]
            lines += [f'Content-Disposition: attachment; filename="{name}"', "", f"{name} {k // 2}"]
        octets = "\r\n".join([*lines, "--x--", ""]).encode()
        sent = envelope.given(f"bounce+{k}@us.example", rcpt)
        taken = fingerprint.take(octets)
        hosted = [f"f{n}" for n in range(1, len(files) + 1)]
        made = self.log.record(taken, sent, envelope.roles(octets, sent), hosted=hosted)
        hashes = [taken.raw.sha256, *(leaf.sha256 for leaf in taken.files)]
        self.sent.append(
            Sent(made.message, self.clock.wall, sent.mail_from, rcpt, to, subject, files, hashes, {"recorded"})
        )
        return self.sent[-1]

    def happen(self, sent: Sent) -> None:
        log, message = self.log, sent.id
        for state, kind in STATES.items():
            if kind is None or state in ("denied", "downloaded") or self.dice.random() < 0.6:
                continue
            log.event(message, f"r{self.dice.randint(1, len(sent.rcpt))}", kind, source="webhook")
            sent.states.add(state)
        if sent.files and self.dice.random() < 0.5:
            started = download(log, message, "r1")
            transfer = started.facts.transfer  # type: ignore[attr-defined]
            log.write(started)
            if self.dice.random() < 0.5:
                log.write(download(log, message, "r1", kind="completed", transfer=transfer))
                sent.states.add("downloaded")
        if sent.files and self.dice.random() < 0.4:
            block, _ = log.block(message, "all")
            sent.states.add("blocked")
            if self.dice.random() < 0.6:
                assert outcomes(submit(log, download(log, message, "r1")))[0].denied
                sent.states.add("denied")
            if self.dice.random() < 0.4:
                log.lift(message, block.block)
                sent.states.remove("blocked")

    def by_hand(self, **wanted: Any) -> list[str]:
        found = [one.id for one in self.sent if all(fits(one, name, value) for name, value in wanted.items())]
        return found[::-1]

    def ids(self, **wanted: Any) -> list[str]:
        return [one.message for one in self.log.search(Wanted(**({"limit": MOST} | wanted)))]


def fits(sent: Sent, name: str, value: Any) -> bool:
    addresses = [one.lower() for one in [sent.mail_from, "sales@us.example", *sent.rcpt]]
    addresses += [one.strip(" ;").removeprefix("a list: ").lower() for one in sent.header_to.split(",")]
    match name:
        case "address":
            return value.lower() in addresses
        case "domain":
            return value.lower() in [one.partition("@")[2] for one in addresses]
        case "subject":
            return set(value.lower().split()) <= {"no", *(word.lower() for word in sent.subject)}
        case "file":
            return any(value.lower() in one.lower() for one in sent.files)
        case "sha256":
            return value in sent.hashes
        case "since":
            return bool(sent.micros >= value)
        case "until":
            return bool(sent.micros < value)
        case "state":
            return value in sent.states
    raise AssertionError(name)


MESSAGES = 40


@pytest.fixture(scope="module")
def place(any_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    clock = Time()
    directory = tmp_path_factory.mktemp("log")
    with open_log(any_database, directory, clock=lambda: clock.wall, monotonic=lambda: clock.monotonic) as log:
        place = Place(log, clock)
        for k in range(MESSAGES):
            place.happen(place.send(k))
            clock.pass_(HOUR // 2)
        yield place


CONDITIONS: dict[str, list[Any]] = {
    "address": ["ann@one.EXAMPLE", "BEN@two.example", "bounce+7@us.example", "sales@us.example", "x3@list.example"],
    "domain": ["one.example", "Two.Example", "us.example", "nowhere.example"],
    "subject": ["offer", "RECHNUNG plan", "B\u00dcRO", "no 2026", "missing"],
    "file": [".pdf", "annual", ".xlsx", "plan.pdf"],
    "state": list(STATES),
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, some in CONDITIONS.items() for value in some])
def test_one_condition(place: Place, name: str, value: Any) -> None:
    expected = place.by_hand(**{name: value})
    assert place.ids(**{name: value}) == expected
    if value not in ("missing", "nowhere.example"):
        assert expected, "a condition that never holds shows nothing"


def test_without_conditions_all_are_found_newest_first(place: Place) -> None:
    assert place.ids() == [one.id for one in place.sent][::-1]


def test_by_hash(place: Place) -> None:
    for sent in place.sent:
        assert place.ids(sha256=sent.hashes[0].upper()) == [sent.id]
        for digest in sent.hashes:
            assert place.ids(sha256=digest) == place.by_hand(sha256=digest)
    assert any(len(place.ids(sha256=digest)) == 2 for sent in place.sent for digest in sent.hashes)
    assert place.ids(sha256="0" * 64) == []


@pytest.mark.parametrize("counted", [1, 10, find.COUNTED])
def test_conditions_together(place: Place, monkeypatch: pytest.MonkeyPatch, counted: int) -> None:
    """Whatever is taken for common, and so whichever of them leads."""
    monkeypatch.setattr(find, "COUNTED", counted)
    some = {name: [None, *values] for name, values in CONDITIONS.items()}
    start = place.sent[0].micros
    some["since"] = [None, start + 5 * HOUR]
    some["until"] = [None, start + 15 * HOUR]
    dice = random.Random(1)
    everything = list(itertools.product(*some.values()))
    hits = 0
    for picked in dice.sample(everything, 250):
        wanted = {name: value for name, value in zip(some, picked, strict=True) if value is not None}
        expected = place.by_hand(**wanted)
        assert place.ids(**wanted) == expected, wanted
        hits += bool(expected)
    assert hits > 10


def test_instants_are_those_of_recording(place: Place) -> None:
    one, two = place.sent[10], place.sent[20]
    assert place.ids(since=one.micros, until=two.micros) == [s.id for s in place.sent[10:20]][::-1]
    assert place.ids(since=one.micros + 1, until=two.micros + 1) == [s.id for s in place.sent[11:21]][::-1]
    assert place.ids(since=one.micros, until=one.micros) == []
    assert place.ids(since=0, until=1000 * (2**48 - 1)) == place.ids()
    # In the same way where an index drives.
    assert place.ids(since=one.micros, until=two.micros, domain="us.example") == place.ids(
        since=one.micros, until=two.micros
    )


@pytest.mark.parametrize("wanted", [{}, {"domain": "two.example"}, {"state": "delivered"}, {"file": ".pdf"}], ids=str)
def test_page_by_page(place: Place, wanted: dict[str, Any]) -> None:
    whole = place.ids(**wanted)
    assert len(whole) > 7
    paged: list[str] = []
    while page := place.ids(**wanted, limit=3, before=paged[-1] if paged else None):
        assert len(page) <= 3
        paged += page
    assert paged == whole


def test_what_is_found(place: Place) -> None:
    for found in place.log.search(Wanted(limit=MOST)):
        sent = next(one for one in place.sent if one.id == found.message)
        opened = place.log.overview(sent.id)
        assert found.subject is not None and found.subject.startswith(" ".join(sent.subject))
        assert (found.mail_from, found.files, found.count) == (sent.mail_from, len(sent.files), len(sent.rcpt))
        assert [one.address for one in found.recipients] == sent.rcpt
        assert {state for one in found.recipients for state in one.states} == sent.states
        assert found.recipients == opened.recipients
        assert (found.seq, found.chain, found.recorded_at) == (opened.seq, opened.chain, opened.recorded_at)


WRONG: list[dict[str, Any]] = [
    *({"address": "nobody"}, {"domain": "a@b"}, {"domain": "\ud800"}, {"subject": " "}, {"file": ""}, {"sha256": "x"}),
    *({"state": "lost"}, {"limit": 0}, {"limit": MOST + 1}, {"since": -1}, {"until": 1000 * 2**48}),
]


@pytest.mark.parametrize("wrong", WRONG, ids=ascii)
def test_what_cannot_be_looked_for(place: Place, wrong: dict[str, Any]) -> None:
    with pytest.raises((InvalidRequest, FormatError)) as caught:
        place.log.search(Wanted(**wrong))
    assert "\n" not in str(caught.value)


def test_a_page_after_nothing(place: Place) -> None:
    recipient = place.log.overview(place.sent[0].id).recipients[0].chain
    for unknown in (place.log.new_id(), recipient, place.log.id, "x"):
        with pytest.raises(UnknownReference):
            place.log.search(Wanted(before=unknown))


def test_the_rarest_leads(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """And however few are counted, the answer is the same."""
    wanted = [("domain", "us.example"), ("file", ".pdf"), ("address", "bounce+7@us.example")]
    blinds = drafts.blind_terms(wanted, place.log.ring.blinds)
    with place.log.reader.snapshot() as connection:
        assert find._rarest_first(connection, blinds, 0)[0] == (1, blinds[2])
    asked = {"domain": "two.example", "file": ".pdf", "subject": "offer"}
    before = place.ids(**asked)
    monkeypatch.setattr(find, "COUNTED", 1)
    assert place.ids(**asked) == before


@pytest.mark.parametrize("size", [1, 3, 16])
def test_part_after_part(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Many small parts, as a large log has many large ones: nothing is left out, and nothing told twice."""
    for module in (append, tables):
        monkeypatch.setattr(module, "LOOKUP_PART", size)
    monkeypatch.setattr(find, "AT_ONCE", 4)
    monkeypatch.setattr(find, "SAMPLED", 2)
    with open_log(database_url, tmp_path) as log:
        sent = [
            log.record(*mail(1 + k % 3, k % 2, f"number {k} {'odd' if k % 2 else 'even'}")).message for k in range(30)
        ]
        sent.reverse()
        for limit in (1, 2, 7, 30, 31):
            for wanted, expected in (
                ({"domain": "example.org"}, sent),
                ({"subject": "odd number"}, sent[::2]),
                ({"subject": "even", "address": "r3@example.com"}, sent[3::6]),
                ({"file": "f1.pdf", "domain": "example.org", "subject": "number"}, sent[::2]),
                ({"subject": "29"}, sent[:1]),
                ({"subject": "10"}, sent[19:20]),
            ):
                found: list[str] = []
                while page := log.search(Wanted(**wanted, limit=limit, before=found[-1] if found else None)):  # type: ignore[arg-type]
                    found += [one.message for one in page]
                assert found == expected, (wanted, limit)


def test_no_more_statements_for_more_messages(place: Place) -> None:
    asked = []
    for limit in (3, MOST):
        with counting(place.log) as queries:
            place.log.search(Wanted(domain="us.example", file=".pdf", limit=limit))
        asked.append(len(queries))
    assert asked[0] == asked[1] < 9


# Erasure, and very many recipients


def first(log: Log, **wanted: Any) -> Found:
    return log.search(Wanted(**wanted, limit=1))[0]


def test_what_was_erased_is_missing(database_url: str, tmp_path: Path) -> None:
    with open_log(database_url, tmp_path) as log:
        made = log.record(*mail(3, 1))
        r2 = made.recipients[1]

        def erase(*subjects: str) -> None:
            with log.store.engine.begin() as connection:
                for subject in subjects:
                    for table in ("lookups", "data_keys"):
                        connection.exec_driver_sql(f"DELETE FROM {table} WHERE subject = '{subject}'")

        assert [one.address for one in first(log, address=r2.address).recipients] == [
            o.address for o in made.recipients
        ]
        erase(r2.chain, f"{made.message}:shared")
        assert log.search(Wanted(address=r2.address)) == []
        found = first(log, address=made.recipients[2].address)
        assert [one.address for one in found.recipients] == ["r1@example.com", None, "r3@example.com"]
        assert found.recipients[1].role is None and found.recipients[1].state == "recorded"
        erase(made.message, f"{made.message}:sender")
        found = first(log)
        assert (found.subject, found.mail_from, found.count) == (None, None, 3)
        assert log.search(Wanted(subject="plan")) == []
        overview = log.overview(made.message)
        assert set(overview.disclosed) == {"r1", "r3"}


def test_of_very_many_recipients_the_first_are_shown(database_url: str, tmp_path: Path) -> None:
    with open_log(database_url, tmp_path) as log:
        made = log.record(*mail(700, 300))
        log.event(made.message, "r650", "message.opened")
        found = first(log, address="r650@example.com", state="opened")
        assert found.count == 700 and found.subject == "the plan"
        assert [one.address for one in found.recipients] == [f"r{k}@example.com" for k in range(1, SHOWN + 1)]
        assert len(log.overview(made.message).recipients) == 700


def test_an_event_is_not_taken_for_what_the_message_said(database_url: str, tmp_path: Path) -> None:
    """Its names are its source's: it must not pass for a recipient, nor be found as a subject."""
    with open_log(database_url, tmp_path) as log:
        made = log.record(*mail(240, 1))
        said = [("r1", {"address": "eve@evil.example", "chain": "x", "role": "to"}), ("subject", "another")]
        log.event(made.message, None, "message.opened", sealed=said)
        log.event(made.message, None, "message.opened", sealed=[("mail_from", "eve@evil.example")])
        assert log.recipients(made.message) == list(made.recipients)
        assert log.overview(made.message).disclosed["subject"] == "the plan"
        found = first(log)
        assert (found.subject, found.mail_from) == ("the plan", "sender@example.org")
        assert found.recipients[0].address == "r1@example.com"
        assert log.search(Wanted(address="eve@evil.example")) == [] == log.search(Wanted(subject="another"))
