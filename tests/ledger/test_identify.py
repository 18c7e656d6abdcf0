"""Which recorded message a copy is of, among many."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger import drafts, envelope, fingerprint, identify
from ledger.differs import ADDITIONS, IDENTICAL, REENCODED, TRANSPORT
from ledger.errors import FormatError
from ledger.log import Log
from tests.ledger.ledgers import open_log


def made(number: int, text: str = "see attached", id: str | None = None, date: str = "Mon, 5 Jan 2026 10:00") -> bytes:
    lines = ["From: Ann <ann@sender.example>", "To: bob@one.example", f"Subject: number {number}"]
    lines += [f"Date: {date}:{number % 60:02} +0000"] + (
        [] if id == "" else [f"Message-ID: <{id or number}@sender.example>"]
    )
    lines += ["MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=x", "", "--x", "", text, "--x"]
    lines += ["Content-Type: text/csv; charset=utf-8", "Content-Disposition: attachment; filename=table.csv"]
    lines += ["Content-Transfer-Encoding: 8bit", "", f"größe;{number}", "--x--", ""]
    return "\r\n".join(lines).encode()


class Place:
    def __init__(self, log: Log) -> None:
        self.log = log

    def record(self, octets: bytes) -> str:
        sent = envelope.given("ann@sender.example", ["bob@one.example"])
        return self.log.record(fingerprint.take(octets), sent, ["to"]).message

    def found(self, octets: bytes) -> list[tuple[str, str, str | None]]:
        return [(one.message, one.level, one.part) for one in self.log.identify(octets)]


@pytest.fixture(scope="module")
def place(any_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    directory: Path = tmp_path_factory.mktemp("ledger")
    with open_log(any_database.format(file=directory / "ledger.db"), directory) as log:
        yield Place(log)


def test_one_of_many(place: Place) -> None:
    messages = [place.record(made(number)) for number in range(20)]
    for number in (0, 7, 19):
        mail = made(number)
        assert place.found(mail) == [(messages[number], IDENTICAL, None)]
        assert place.found(b"Received: x\r\n" + mail) == [(messages[number], TRANSPORT, None)]
        # Without its Message-ID it is found by its date, and known by who wrote it to whom about what.
        assert place.found(made(number, id="")) == [(messages[number], ADDITIONS, None)]
        first = place.log.identify(mail)[0]
        seq, at = first.seq, first.recorded_at
        assert place.log.reader.entries(seq, seq + 1) and at.endswith("Z")


def undated(number: int, text: str = "see attached") -> bytes:
    lines = made(number, text, id="").split(b"\r\n")
    return b"\r\n".join(line for line in lines if not line.startswith(b"Date:"))


def test_what_was_recorded_before_a_server_gave_it_date_and_id(place: Place) -> None:
    messages = [place.record(undated(number)) for number in (900, 901)]
    same = place.record(undated(900, "other words"))
    stamped = made(900, id="given-by-the-server")
    assert place.found(stamped) == [(messages[0], TRANSPORT, None)]
    assert place.found(b"Received: x\r\n" + stamped) == [(messages[0], TRANSPORT, None)]
    tagged = undated(901).replace(b"Subject: ", b"Subject: [list] Re: ").replace(b"] Re: n", b"] n")
    assert place.found(tagged) == [(messages[1], ADDITIONS, None)]
    assert place.found(made(900, "other words", id="x")) == [(same, TRANSPORT, None)]
    # What has neither ties nothing: with other words it is of none of them, but for the file in it.
    assert [part for *_, part in place.found(made(900, "words of today", id="y"))] == ["f1", "f1"]


def test_a_file_alone(place: Place) -> None:
    message = place.record(made(30))
    assert place.found("größe;30".encode()) == [(message, IDENTICAL, "f1")]
    assert place.found("größe;30\r\n".encode("windows-1252")) == [(message, REENCODED, "f1")]
    assert place.found("größe;31".encode()) == []
    # In a mail of somebody else's.
    other = made(30, text="look what I got", id="fwd").replace(b"ann@", b"eve@")
    assert place.found(other) == [(message, IDENTICAL, "f1")]
    assert [one.inside for one in place.log.identify(other)] == ["f1"]
    assert place.log.identify("größe;30".encode())[0].inside is None
    # A file of a message that is found anyway is told of there.
    assert place.found(made(30, text="other words")) == [(message, "different", None)]


def forwarded(*mails: bytes) -> bytes:
    lines = [
        b"From: eve@other.example",
        b"To: desk@other.example",
        b"Subject: Fwd: is this so?",
        b"Message-ID: <f@x>",
    ]
    lines += [b"MIME-Version: 1.0", b"Content-Type: multipart/mixed; boundary=fwd", b"", b"--fwd", b"", b"see below"]
    for mail in mails:
        lines += [b"--fwd", b"Content-Type: message/rfc822", b"", mail]
    return b"\r\n".join([*lines, b"--fwd--", b""])


def test_what_is_attached_to_a_mail_that_was_not_recorded(place: Place) -> None:
    messages = [place.record(made(number)) for number in (50, 51)]
    mail = forwarded(b"", made(50), b"Received: x\r\n" + made(51))
    found = [(one.message, one.level, one.part, one.inside) for one in place.log.identify(mail)]
    assert found == [(messages[0], IDENTICAL, None, "f2"), (messages[1], TRANSPORT, None, "f3")]
    # And the file of one that was attached to what was recorded.
    outer = place.record(forwarded(made(52)))
    assert place.found("größe;52".encode()) == [(outer, IDENTICAL, "p3")]


def test_of_messages_with_one_message_id_it_is_the_one_that_it_is_most_of(place: Place) -> None:
    before, after = (place.record(made(40, text=text, id="same")) for text in ("as written", "as sent, with a pixel"))
    assert place.found(made(40, text="as written", id="same")) == [(before, IDENTICAL, None)]
    assert place.found(b"X-A: b\r\n" + made(40, text="as sent, with a pixel", id="same")) == [(after, TRANSPORT, None)]
    assert place.found(made(40, text="neither", id="same")) == [(m, "different", None) for m in (after, before)]


def test_with_one_message_id_too_many_are_not_looked_at(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identify, "MOST", 3)
    messages = [place.record(made(50, text=f"text {k}", id="crowd")) for k in range(5)]
    assert place.found(made(50, text="text 4", id="crowd")) == [(messages[4], IDENTICAL, None)]
    assert len(place.found(made(50, text="no text", id="crowd"))) == 3
    # One that is the same octet by octet is found however old it is.
    assert place.found(made(50, text="text 0", id="crowd")) == [(messages[0], IDENTICAL, None)]


@pytest.mark.parametrize("junk", [b"x", b"\0", b"%PDF-1.7\n%\xe2\xe3", b"\r\n" * 50, b"a: b", b"\xff" * 5000])
def test_what_was_never_recorded_is_nothing(place: Place, junk: bytes) -> None:
    assert place.found(junk) == []


def test_nothing_is_refused(place: Place) -> None:
    with pytest.raises(FormatError):
        place.found(b"")


def test_a_message_of_more_parts_than_are_sealed_alone(place: Place) -> None:
    parts = drafts.MAX_PARTS + 1
    lines = ["From: a@b.example", "Message-ID: <many@b.example>", "Content-Type: multipart/mixed; boundary=x", ""]
    for number in range(parts):
        lines += ["--x", "", f"part {number}"]
    octets = "\r\n".join([*lines, "--x--", ""]).encode()
    message = place.record(octets)
    sealed = place.log.disclosed(message)
    assert not any(name[0] == "p" and name[1:].isdigit() for name in sealed)
    assert sealed["leaves"]["count"] == parts
    assert place.found(octets.replace(b"\r\n", b"\n")) == [(message, IDENTICAL, None)]
    assert place.found(b"X: y\r\n" + octets) == [(message, TRANSPORT, None)]
    one = place.log.identify(octets.replace(b"part 7", b"part seven"))
    assert [(m.message, m.level, [d.kind for d in m.differences]) for m in one] == [
        (message, "different", ["not_compared"])
    ]
