"""Subject access: everything of one, nothing of another, and a page that nobody's words can break."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from ledger import envelope, fingerprint
from ledger.erasing import Erasing
from ledger.errors import InvalidRequest
from ledger.log import Log, RecordedMessage
from ledger.retention import parse
from reports.package import package
from reports.subject import contents, gather, looks
from tests.ledger.ledgers import open_log

ANNA, BEN, CLEO, ZOE, DORA = (f"{name}@one.example" for name in ("anna", "ben", "cleo", "zoe", "dora"))
AT = "2026-11-23T14:00:00.000000Z"


def record(log: Log, subject: str, sender: str = ZOE, **details: Any) -> RecordedMessage:
    lines = [f"From: Zoe <{sender}>", f"To: {ANNA}, {BEN}", f"Cc: {DORA}", f"Subject: {subject}", "MIME-Version: 1.0"]
    lines += ["Content-Type: application/pdf", "Content-Disposition: attachment; filename=plan.pdf", "", subject]
    octets = "\r\n".join(lines).encode()
    sent = envelope.given(sender, [ANNA, BEN, CLEO])
    return log.record(fingerprint.take(octets), sent, envelope.roles(octets, sent), **details)


@pytest.fixture
def log(database_url: str, tmp_path: Path) -> Iterator[Log]:
    with open_log(database_url, tmp_path) as made:
        yield made


def packed(log: Log, address: str) -> bytes:
    found = gather(log, address, AT)
    return b"".join(package(found, contents(log, found)))


def read(log: Log, address: str) -> tuple[dict[str, Any], str]:
    with zipfile.ZipFile(io.BytesIO(packed(log, address))) as archive:
        assert archive.namelist()[:2] == ["README.html", "data.json"] and archive.testzip() is None
        return json.loads(archive.read("data.json")), archive.read("README.html").decode()


def test_everything_of_one_and_nothing_of_another(log: Log) -> None:
    first = record(log, "first", retention=parse("finance=10-20")["finance"])
    second, third = record(log, "second"), record(log, "third", sender=ANNA)
    for recipient, ip in (("r1", "10.0.0.1"), ("r2", "10.0.0.2"), ("r3", "10.0.0.3")):
        facts = [("ip", ip), ("user_agent", f"agent of {recipient}")]
        log.event(first.message, recipient, "message.opened", sealed=facts, occurred=AT, clock="observed")
    log.event(first.message, None, "delivery.bounced", sealed=[("detail", f"{BEN} is unknown")])
    log.hold(first.message, recipient="r1", sealed=[("actor", "Olga Operator")])
    said, page = read(log, ANNA)
    assert [one["message"] for one in said["messages"]] == [first.message, second.message, third.message]
    one = said["messages"][0]
    assert (one["was"], one["roles"], one["mentioned"]) == (["recipient"], ["to"], True)
    assert one["about"]["subject"] == "first" and one["files"][0]["name"] == "plan.pdf" and one["held"]
    assert one["kept"]["class"] == "finance" and one["kept"]["at_most_until"] > one["kept"]["at_least_until"]
    assert [event["kind"] for event in one["events"]] == ["recipient.added", "message.opened", "hold.placed"]
    assert one["events"][1]["disclosed"] == {"ip": "10.0.0.1", "user_agent": "agent of r1"}
    assert said["messages"][2]["was"] == ["recipient", "sender"]
    for text in (json.dumps(said), page):
        for other in (BEN, CLEO, DORA, "10.0.0.2", "agent of r3", "Olga"):
            assert other not in text, other
        for own in (ANNA, "10.0.0.1", "agent of r1", "first", "plan.pdf"):
            assert own in text, own
    assert [one["was"] for one in read(log, ZOE)[0]["messages"]] == [["sender"], ["sender"]]
    (mentioned, *_) = read(log, DORA.upper())[0]["messages"]
    assert mentioned["was"] == ["mentioned"] and mentioned["events"] == [] and DORA not in json.dumps(mentioned)
    assert looks(log, ANNA) == [(one.message, "r1") for one in (first, second, third)]
    assert looks(log, DORA)[0] == (first.message, None)


def test_what_was_kept_is_handed_out_without_the_header(log: Log) -> None:
    lines = [f"From: {ZOE}", f"To: {ANNA}", f"Received: by x for <{CLEO}>", "Content-Type: text/html", "", "<p>Hi"]
    octets = "\r\n".join(lines).encode()
    sent = envelope.given(ZOE, [ANNA, BEN, CLEO])
    made = log.record(fingerprint.take(octets), sent, envelope.roles(octets, sent), keep=octets)
    record(log, "not kept")
    unread = b"no header at all, and " + CLEO.encode()
    log.record(fingerprint.take(unread), envelope.given(ZOE, [ANNA]), envelope.roles(unread, sent)[:1], keep=unread)
    with zipfile.ZipFile(io.BytesIO(packed(log, ANNA))) as archive:
        assert archive.namelist() == ["README.html", "data.json", "content/1.eml"]
        assert archive.read("content/1.eml") == b"content-type: text/html\r\n\r\n<p>Hi"
        said = json.loads(archive.read("data.json"))["messages"]
        assert [one.get("content") for one in said] == ["content/1.eml", None, None]
        assert "content/1.eml" in archive.read("README.html").decode()
    erasing = Erasing(log)
    erasing.go_on(log.write(erasing.of_message(made.message, log.person("x", "x"), recipient="r2")))
    with zipfile.ZipFile(io.BytesIO(packed(log, ANNA))) as archive:  # another's erasure leaves the body
        assert "content/1.eml" in archive.namelist()
    erasing.go_on(log.write(erasing.of_message(made.message, log.person("x", "x"))))
    with zipfile.ZipFile(io.BytesIO(packed(log, ANNA))) as archive:
        assert archive.namelist() == ["README.html", "data.json"]


def test_a_header_that_breaks_off_is_handed_to_nobody_and_goes_with_each(log: Log) -> None:
    octets = f"From: {ZOE}\r\nno field\r\nTo: {ANNA}, {BEN}\r\n\r\nHi {ANNA}".encode()
    sent = envelope.given(ZOE, [ANNA, BEN])
    made = log.record(fingerprint.take(octets), sent, ["to", "to"], keep=octets)
    with zipfile.ZipFile(io.BytesIO(packed(log, ANNA))) as archive:
        assert archive.namelist() == ["README.html", "data.json"]
    erasing = Erasing(log)
    erasing.go_on(log.write(erasing.of_message(made.message, log.person("x", "x"), recipient="r2")))
    assert log.content(made.message).parts == {}


def test_who_is_only_mentioned_is_not_given_the_content(log: Log) -> None:
    octets = f"From: {ZOE}\r\nTo: {ANNA}\r\nCc: {DORA}\r\n\r\nBen earns little".encode()
    log.record(fingerprint.take(octets), envelope.given(ZOE, [ANNA]), ["to"], keep=octets)
    for who, names in ((ANNA, 3), (ZOE, 3), (DORA, 2)):
        with zipfile.ZipFile(io.BytesIO(packed(log, who))) as archive:
            assert len(archive.namelist()) == names


def test_what_was_erased_is_not_in_it(log: Log) -> None:
    made = record(log, "gone")
    erasing = Erasing(log)
    erasing.go_on(log.write(erasing.of_message(made.message, log.person("x", "x"), recipient="r1")))
    assert looks(log, ANNA) == [] and read(log, ANNA)[0]["messages"] == []
    with pytest.raises(InvalidRequest):
        looks(log, "nobody")


def test_what_somebody_did_himself(log: Log) -> None:
    made = record(log, "seen")
    log.view(made.message, "message", log.person(ANNA, "Anna"))
    (own,) = read(log, ANNA)[0]["own_acts"]
    assert own["kind"] == "content.viewed" and own["disclosed"] == {"actor": "Anna"}
    assert read(log, BEN)[0]["own_acts"] == []


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.odd: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.odd += [name for name, _ in attrs if name not in ("charset", "class", "lang")]


@pytest.mark.parametrize(
    "evil", ["<script>alert(1)</script>", '"><img src=x onerror=y>', "a&b</td></table>", "exe.\u202efdp"]
)
def test_nobodys_words_are_markup(log: Log, evil: str) -> None:
    made = record(log, evil)
    log.event(made.message, "r1", "message.opened", sealed=[("user_agent", evil)])
    _, page = read(log, ANNA)
    read_ = Page(page)
    assert read_.tags <= {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "h1",
        "h2",
        "p",
        "table",
        "caption",
        "tr",
        "th",
        "td",
    }
    assert read_.odd == [] and "\u202e" not in page and "http" not in page


def test_the_same_makes_the_same(log: Log) -> None:
    record(log, "once")
    assert packed(log, ANNA) == packed(log, ANNA)
