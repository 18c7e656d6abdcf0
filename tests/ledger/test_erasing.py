"""Erasure: what is gone afterwards, what holds all the same, and that no crash leaves it half done."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from sqlalchemy import select

from ledger import entry, envelope, evidence, fingerprint
from ledger.audit import audit
from ledger.disclosure import parse
from ledger.erasing import Erased, Erasing, unfinished
from ledger.errors import Erased as AlreadyErased
from ledger.errors import Held, InvalidRequest, LedgerError, Refused, SecondPerson, StoreUnavailable, UnknownReference
from ledger.log import Log, RecordedMessage
from ledger.merkle import check_inclusion
from ledger.plan import Sealed
from ledger.receipt import Receipt
from ledger.search import Wanted
from ledger.store import destroying
from ledger.store import tables as t
from ledger.store.engine import sqlite_path
from ledger.store.inspect import inspect
from ledger.store.replayed import StoredLog
from ledger.trust import Trust
from tests.ledger.ledgers import ORIGIN, open_log

ANNA, BEN, CLEO, SENDER = "anna.quill@one.example", "ben.rook@two.example", "cleo.vane@three.example", "zoe@us.example"
WORDS = ("anna.quill", "Anna Quill", "ben.rook", "cleo.vane", "Zoe Sender", "quarterly", "forecast.pdf", "10.1.2.3")


def written(subject: str = "quarterly numbers", cc: str = "") -> bytes:
    lines = [f"From: Zoe Sender <{SENDER}>", f"To: Anna Quill <{ANNA}>, {BEN}", f"Subject: {subject}"]
    lines += [f"Cc: {cc}"] if cc else []
    lines += ["MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=x", "", "--x", "", "see attached", "--x"]
    lines += ["Content-Type: application/pdf", "Content-Disposition: attachment; filename=forecast.pdf", "", subject]
    return "\r\n".join([*lines, "--x--", ""]).encode()


def letter(subject: str = "quarterly numbers", cc: str = "") -> tuple[Any, ...]:
    octets = written(subject, cc)
    sent = envelope.given(SENDER, [ANNA, BEN, CLEO])
    return fingerprint.take(octets), sent, envelope.roles(octets, sent)


class Place:
    """A ledger with two messages to three people, and what somebody kept of it before anything was erased."""

    def __init__(self, url: str, directory: Path) -> None:
        self.url, self.directory = url, directory
        self.log = open_log(url, directory)
        self.erasing = Erasing(self.log)
        self.me = self.log.person("key1", "Olga Operator")
        self.first = self._record("quarterly numbers")
        self.second = self._record("quarterly again")
        self.kept = [self.log.receipt(one.outcome) for one in (self.first, self.second)]
        self.old = [evidence.format(self.log.export(self.first.message, recipient=who)) for who in (None, "r2")]

    def _record(self, subject: str) -> RecordedMessage:
        made = self.log.record(*letter(subject), hosted=["f1"], keep=written(subject))
        for recipient in ("r1", "r2", "r3"):
            self.log.event(made.message, recipient, "message.opened", sealed=[("ip", "10.1.2.3")])
        return made

    def trust(self) -> Trust:
        return Trust.of(*(key.vkey for key in self.log.ring.keys))

    def recipient(self, made: RecordedMessage, recipient: str) -> Erased:
        return self.erasing.go_on(self.log.write(self.erasing.of_message(made.message, self.me, recipient=recipient)))

    def message(self, made: RecordedMessage) -> Erased:
        return self.erasing.go_on(self.log.write(self.erasing.of_message(made.message, self.me)))

    def person(self, address: str) -> Erased:
        return self.erasing.go_on(self.log.write(self.erasing.of_person(address, self.me)))

    def holds(self) -> None:
        """Whatever was erased: the log passes, and everything handed out before still verifies."""
        log = self.log
        _, note = log.checkpoint()
        report = audit(partial(StoredLog, self.url, note), origin=ORIGIN, vkeys=[log.ring.signer().vkey])
        assert not report.findings and inspect(log.reader, log.ring, store=log.blobs).findings == []
        for kept in self.kept:
            check(kept)
        for old in self.old:
            assert evidence.check(old, self.trust()).verdict == "valid"
        for made in (self.first, self.second):
            for recipient in (None, "r1", "r2", "r3"):
                again = evidence.format(log.export(made.message, recipient=recipient))
                assert evidence.check(again, self.trust()).verdict == "valid"

    def secrets(self, *subjects: str) -> list[bytes]:
        """Wrapped keys, and what is sealed under them, of some subjects."""
        k, s = t.data_keys, t.sealed
        with self.log.reader.snapshot() as connection:
            keys = connection.execute(select(k).where(k.c.subject.in_(subjects))).all()
            boxes = connection.execute(select(s.c.box).where(s.c.key.in_([row.no for row in keys]))).scalars()
            return [bytes(row.wrapped) for row in keys] + [bytes(box) for box in boxes]


def check(kept: Receipt) -> None:
    size, root = kept.checkpoint.split(b"\n")[1:3]
    check_inclusion(sha256(b"\0" + kept.entry).digest(), kept.seq, int(size), kept.proof, base64.b64decode(root))


@pytest.fixture
def place(database_url: str, tmp_path: Path) -> Iterator[Place]:
    made = Place(database_url, tmp_path)
    yield made
    made.log.close()


on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def in_files(place: Place, *words: bytes) -> list[str]:
    """Where any of these stand in whatever lies in the data directory, the database of SQLite among it."""
    return [
        f"{path.name}: {word[:20]!r}"
        for path in place.directory.rglob("*")
        if path.is_file()
        for word in words
        if word in path.read_bytes()
    ]


def in_tables(place: Place, *words: bytes) -> list[str]:
    """The same in every value of every table, where the files are a server's."""
    found = []
    with place.log.reader.snapshot() as connection:
        for name, table in t.metadata.tables.items():
            for row in connection.execute(select(table)):
                values = [v.encode() if isinstance(v, str) else bytes(v) for v in row if isinstance(v, (str, bytes))]
                found += [f"{name}: {word[:20]!r}" for word in words if any(word in value for value in values)]
    return found


def kinds(log: Log, chain: str) -> list[str]:
    found = log.reader.chain(chain)
    assert found is not None
    return [entry.decode(data).kind for _, data in log.reader.chain_entries(found)]


def test_one_recipient_of_three_then_the_message_then_a_person(place: Place) -> None:
    log, first, second = place.log, place.first, place.second
    anna = first.recipients[0].chain
    gone = place.secrets(anna, f"{first.message}:shared")
    assert len(gone) >= 5
    done = place.recipient(first, "r1")
    assert done.state == "done"
    receipt = log.receipt(done.outcome)
    check(receipt)
    assert entry.decode(receipt.entry).kind == "erasure.done"
    assert kinds(log, anna)[-2:] == ["erasure.requested", "erasure.done"] == kinds(log, first.message)[-2:]
    assert "erasure.requested" not in kinds(log, first.recipients[1].chain)
    assert set(log.disclosed(first.message)).isdisjoint({"r1", "to"})
    assert [one.message for one in log.search(Wanted(address=ANNA))] == [second.message]
    assert {one.message for one in log.search(Wanted(address=BEN))} == {first.message, second.message}
    assert in_files(place, *gone) == [] and in_tables(place, *gone) == []
    overview = log.overview(first.message)
    assert overview.recipients[0].address is None and overview.recipients[0].erased is not None
    assert overview.recipients[1].address == BEN and overview.recipients[1].erased is None
    place.holds()

    gone = place.secrets(first.message, f"{first.message}:sender", *(one.chain for one in first.recipients[1:]))
    assert place.message(first).state == "done"
    assert log.disclosed(first.message) == {}
    assert in_files(place, *gone) == [] and in_tables(place, *gone) == []
    assert [one.message for one in log.search(Wanted(address=BEN))] == [second.message]
    assert log.overview(first.message).erased is not None
    place.holds()

    gone = place.secrets(second.recipients[1].chain, f"{second.message}:shared")
    assert place.person(BEN.upper()).state == "done"
    assert log.search(Wanted(address=BEN)) == []
    assert set(log.disclosed(second.message)).isdisjoint({"r2", "to"}) and "r1" in log.disclosed(second.message)
    assert in_files(place, *gone) == [] and in_tables(place, *gone) == []
    place.holds()
    with pytest.raises(UnknownReference):
        place.person(BEN)
    assert place.person(SENDER).state == "done"
    said = log.disclosed(second.message)
    assert said["subject"] == "quarterly again" and {"mail_from", "from"}.isdisjoint(said)
    assert unfinished(place.log) == [] and log.reader.erasures() == []
    assert in_files(place, *(word.encode() for word in WORDS)) == []
    place.holds()


def test_a_blind_copy_leaves_the_others_headers_alone(place: Place) -> None:
    """Cleo is in no header: what names the others stays, and is found by what only she was found by until now."""
    log = place.log
    made = log.record(*letter("a list", cc="list@three.example"))
    assert [one.message for one in log.search(Wanted(domain="three.example"))][:1] == [made.message]
    assert place.recipient(made, "r3").state == "done"
    assert {"to", "cc"} <= set(log.disclosed(made.message))
    # The domain is that of the list in Cc as well.
    assert log.search(Wanted(domain="three.example"))[0].message == made.message
    assert made.message not in [one.message for one in log.search(Wanted(address=CLEO))]
    place.holds()


def test_who_is_only_mentioned_is_erased_with_what_mentions_him(place: Place) -> None:
    log = place.log
    made = log.record(*letter("for the record", cc="Dora <dora@four.example>"))
    assert place.person("dora@four.example").state == "done"
    assert set(log.disclosed(made.message)).isdisjoint({"to", "cc"})
    assert {"r1", "r2", "r3", "mail_from"} <= set(log.disclosed(made.message))
    assert "erasure.done" in kinds(log, made.message) and "erasure.done" not in kinds(log, made.recipients[0].chain)
    place.holds()


def test_what_comes_afterwards_is_sealed_under_a_fresh_key(place: Place) -> None:
    """In a process that remembers the old one, too, although the fresh key has the old one's number."""
    made = place.log.record(*letter("the last one"))
    with open_log(place.url, place.directory) as other:
        other.event(made.message, "r3", "message.opened", sealed=[("ip", "10.9.9.1")])
        place.log.event(made.message, "r3", "message.opened", sealed=[("ip", "10.9.9.2")])
        place.recipient(made, "r3")
        place.message(made)
        for log, ip in ((other, "10.9.9.3"), (place.log, "10.9.9.4")):
            log.event(made.message, "r3", "message.opened", sealed=[("ip", ip)])
        chain = other.reader.chain(made.recipients[2].chain)
        assert chain is not None
        seqs = [seq for seq, _ in other.reader.chain_entries(chain)]
        opened = other.disclosures(seqs)
        assert len(opened) == 2 and list(opened) == seqs[-2:]
        assert other.overview(made.message).recipients[2].erased is not None
        # And again: what came late can go as well. That key was the newest, so the next one, which the first process
        # makes, has its number; and the other remembers one of that number.
        place.recipient(made, "r3")
        assert other.disclosures(seqs) == {}
        place.log.event(made.message, "r3", "message.opened", sealed=[("ip", "10.9.9.4")])
        other.event(made.message, "r3", "message.opened", sealed=[("ip", "10.9.9.5")])
        assert last(other, made.recipients[2].chain) == ["10.9.9.5"]
    place.holds()


def last(log: Log, chain: str) -> list[Any]:
    """What the last entry of a chain seals, opened with what the database has."""
    found = log.reader.chain(chain)
    assert found is not None
    seq, _ = log.reader.chain_entries(found)[-1]
    return [parse(text).value for text in log.disclosures([seq]).get(seq, ())]


def test_a_key_is_not_used_between_its_destruction_and_the_word_of_it(place: Place) -> None:
    made = place.first
    with open_log(place.url, place.directory) as other:
        asked = place.log.write(place.erasing.of_message(made.message, place.me, recipient="r1"))
        # The other process is now the one that wrote last, and remembers the key.
        other.event(made.message, "r1", "message.opened", sealed=[("ip", "10.9.9.1")])
        place.erasing._destroy(entry.decode(asked.recorded[0].data).facts.erasure)  # type: ignore[attr-defined]
        other.event(made.message, "r1", "message.opened", sealed=[("ip", "10.9.9.2")])
        assert last(other, made.recipients[0].chain) == ["10.9.9.2"]
    assert place.erasing.go_on(asked).state == "done"
    place.holds()


def test_a_person_who_acted_himself(place: Place) -> None:
    log = place.log
    actor = log.person(ANNA, "Anna Quill")
    log.view(place.second.message, "message", actor)
    assert place.secrets(actor[0])
    assert place.person(ANNA).state == "done"
    assert place.secrets(actor[0]) == []
    own = log.reader.log_chain()
    assert entry.decode(log.reader.chain_entries(own, own.n - 1)[0][1]).kind == "erasure.done"
    place.holds()


def test_of_a_message_from_before_the_sender_takes_all_of_it(place: Place) -> None:
    """Version 0.1 sealed what names the sender under the message's own key."""
    log = place.log
    made, openings = log.prepare(*letter("of old"), hosted=["f1"])
    own, sender, *others = made.sealed
    assert (own.subject, sender.subject) == (made.id, f"{made.id}:sender")
    both = [*own.texts, *sender.texts], [*own.digests, *sender.digests]
    made.sealed = [Sealed(made.id, *both), *others]
    made.lookups = [(blind, subject.removesuffix(":sender")) for blind, subject in made.lookups]
    log.write(made)
    assert log.search(Wanted(subject="old"))[0].mail_from == SENDER
    assert inspect(log.reader, log.ring, store=log.blobs).findings == []
    assert place.recipient(RecordedMessage(made.id, tuple(openings), place.first.outcome, False), "r1").state == "done"
    assert log.search(Wanted(subject="old"))[0].mail_from == SENDER
    assert place.person(SENDER).state == "done"
    assert log.search(Wanted(subject="old")) == [] and set(log.disclosed(made.id)) == {"r2", "r3"}
    place.holds()


def test_two_that_finish_the_same_finish_it_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("ledger.erasing.scrub", halt)
        asked = place.recipient(place.first, "r1")
    with open_log(place.url, place.directory) as other:
        states: list[Erased] = []
        both = [
            Thread(target=lambda log=log: states.append(Erasing(log).go_on(asked.outcome)))
            for log in (place.log, other)
        ]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
        # One may have been in the other's way; then it says so, and is not wrong.
        assert {one.state for one in states} <= {"done", "pending"} and "done" in {one.state for one in states}
        assert Erasing(other).resume() == [] and unfinished(other) == []
    assert kinds(place.log, place.first.message).count("erasure.done") == 1
    place.holds()


# Crashes


def halt(*_: object, **__: object) -> Any:
    raise StoreUnavailable("a power cut")


CUTS = {
    "before anything is destroyed": (Erasing, "_destroy"),
    "before blobs are deleted": (Erasing, "_drop_blobs"),
    "when blobs are deleted and their names are not": ("appender", "drop_blobs"),
    "before the database has forgotten": ("ledger.erasing", "scrub"),
}


@pytest.mark.parametrize("cut", CUTS)
def test_what_was_interrupted_is_finished_at_the_next_start(
    place: Place, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    where, name = CUTS[cut]
    with monkeypatch.context() as patch:
        if where == "appender":
            patch.setattr(type(place.log.store.appender()), name, halt)
        elif isinstance(where, str):
            patch.setattr(f"{where}.{name}", halt)
        else:
            patch.setattr(where, name, halt)
        asked = place.recipient(place.first, "r1")
        assert (asked.state, asked.reason) == ("pending", "a power cut")
        assert [one.erasure for one in unfinished(place.log)] == [asked.erasure]
        # Meanwhile nothing is amiss, and nothing is said to be done.
        assert inspect(place.log.reader, place.log.ring, store=place.log.blobs).findings == []
        assert "erasure.done" not in kinds(place.log, place.first.message)
        assert place.erasing.resume() == [f"erasure {asked.erasure} is not done yet: a power cut"]
    with open_log(place.url, place.directory) as again:
        assert Erasing(again).resume() == [] and unfinished(again) == []
        assert kinds(again, place.first.message).count("erasure.done") == 1
        # Asked again, as under the same idempotency key, the answer is what was done.
        late = Erasing(again).go_on(asked.outcome)
        assert late.state == "done" and entry.decode(late.outcome.recorded[0].data).kind == "erasure.done"
    place.holds()


def test_a_write_that_fails_midway_destroys_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    appender = type(place.log.store.appender())
    for name in ("destroy", "look_up", "commit"):
        with monkeypatch.context() as patch:
            erasing = Erasing(place.log)
            request = place.log.write(erasing.of_message(place.second.message, place.me, recipient="r3"))
            patch.setattr(appender, name, halt)
            with pytest.raises(LedgerError):
                erasing._destroy(entry.decode(request.recorded[0].data).facts.erasure)  # type: ignore[attr-defined]
        assert "r3" in place.log.disclosed(place.second.message)
        assert erasing.resume() == []
        assert "r3" not in place.log.disclosed(place.second.message)
        place.second = place._record("once more")


@on_sqlite
def test_while_somebody_reads_it_is_not_called_done(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(destroying, "PATIENCE", 100)
    with place.log.reader.snapshot() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM entries").all()
        asked = place.recipient(place.first, "r1")
        assert asked.state == "pending" and "somebody reads" in asked.reason
    assert place.erasing.resume() == []
    wal = Path(f"{sqlite_path(place.url)}-wal")
    assert wal.exists() and "erasure.done" in kinds(place.log, place.first.message)
    place.holds()


def test_what_is_gone_is_not_erased_again_under_another_date(place: Place) -> None:
    log = place.log
    place.recipient(place.first, "r1")
    size = log.reader.head().size
    with pytest.raises(AlreadyErased, match=r"erased at 20.*, entry \d+"):
        place.erasing.of_message(place.first.message, place.me, recipient="r1")
    # What came since is under a fresh key, and can go as well.
    log.event(place.first.message, "r1", "message.opened", sealed=[("ip", "10.9.9.9")])
    assert place.recipient(place.first, "r1").state == "done"
    assert log.reader.head().size > size


# Two people


def test_a_second_person_must_approve(place: Place) -> None:
    log, erasing = place.log, Erasing(place.log, dual_control=True)
    other = log.person("key2", "Pia Principal")
    asked = erasing.go_on(log.write(erasing.of_person(ANNA, place.me)))
    assert asked.state == "waiting" and entry.decode(asked.outcome.recorded[0].data).kind == "erasure.requested"
    assert erasing.resume() == [] and log.search(Wanted(address=ANNA)) != []
    (waiting,) = unfinished(log)
    assert waiting.waiting and set(waiting.messages) == {place.first.message, place.second.message}
    with pytest.raises(SecondPerson):
        log.write(erasing.approval(asked.erasure, place.me))
    # Recorded in between, and his as well.
    third = log.record(*letter("in between"))
    assert third.message in unfinished(log)[0].messages
    done = erasing.go_on(log.write(erasing.approval(asked.erasure, other)))
    assert done.state == "done" and log.search(Wanted(address=ANNA)) == []
    assert kinds(log, third.recipients[0].chain)[-2:] == ["erasure.requested", "erasure.done"]
    assert kinds(log, place.first.recipients[0].chain)[-3:] == [
        "erasure.requested",
        "erasure.approved",
        "erasure.done",
    ]
    with pytest.raises(UnknownReference):
        log.write(erasing.approval(asked.erasure, other))
    place.holds()


def test_what_waits_for_nobody_is_not_approved(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("ledger.erasing.scrub", halt)
        asked = place.recipient(place.first, "r1")
    with pytest.raises(InvalidRequest):
        place.log.write(place.erasing.approval(asked.erasure, place.log.person("key2", "Pia")))
    with pytest.raises(Held, match="under way"):
        place.log.hold(place.first.message)
    assert place.erasing.resume() == []


# Others write meanwhile


def test_another_process_writes_all_the_while(place: Place) -> None:
    stop = Event()
    failed: list[Exception] = []

    def write(log: Log) -> None:
        while not stop.is_set():
            for recipient in ("r1", "r2", "r3"):
                try:
                    log.event(place.first.message, recipient, "message.opened", sealed=[("ip", "10.7.7.7")])
                except Exception as error:
                    failed.append(error)

    with open_log(place.url, place.directory) as one, open_log(place.url, place.directory) as two:
        threads = [Thread(target=write, args=(log,)) for log in (one, two)]
        for thread in threads:
            thread.start()
        states = [place.recipient(place.first, f"r{k % 3 + 1}").state for k in range(6)]
        stop.set()
        for thread in threads:
            thread.join()
    assert failed == [] and set(states) <= {"done", "pending"}
    assert place.erasing.resume() == []
    place.holds()


@pytest.mark.parametrize("wrong", ["nobody", "", "@", "nobody@nowhere.example"])
def test_who_is_not_found_is_not_erased(place: Place, wrong: str) -> None:
    size = place.log.reader.head().size
    with pytest.raises(Refused):
        place.person(wrong)
    assert place.log.reader.head().size == size


def test_a_forged_row_erases_nothing(place: Place) -> None:
    """Who writes to the database has no MAC for it."""
    message = place.log.message(place.first.message)
    row = (
        "01a20960-c427-793a-b6a6-081abf15381d",
        message.no,
        "message",
        place.first.message,
        b"",
        "",
        False,
        b"x" * 32,
    )
    with place.log.store.engine.begin() as connection:
        connection.execute(t.erasures.insert().values(row))
    assert place.erasing.resume() == [] and "raw" in place.log.disclosed(place.first.message)
    found = inspect(place.log.reader, place.log.ring).findings
    assert [said.partition(":")[0] for said in found] == ["erasures", "erasures"]
