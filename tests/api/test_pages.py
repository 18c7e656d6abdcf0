"""The pages for people: `/verify` as a browser without script uses it, and `/docs`."""

from __future__ import annotations

import base64
import hashlib
import html
import itertools
import json
import logging
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest

from api.errors import KINDS
from api.pages import STYLE, visible
from api.roles import ALLOWED, ROLES
from api.routes import docs, page
from ledger import evidence
from ledger.erasing import Erasing
from ledger.errors import StartRefused
from ledger.verdict import NAMES, PACKAGED, PRINTED
from tests.api.serving import MAIL, Served, envelope, make_key, serving
from tests.api.wire import Wire, head

VOID = {"br", "hr", "img", "input", "link", "meta", "wbr"}


class Page(HTMLParser):
    """A page taken apart, and refused where it is not what it should be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self._within: dict[str, list[str]] = {}
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, names)
        self.tags.append((tag, dict(attrs)))
        if tag == "p" or tag in ("ul", "table", "section", "h1", "h2", "h3", "pre", "form", "dl"):
            assert "p" not in self._open, f"{tag} in a paragraph"
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open and self._open.pop() == tag, f"</{tag}> at {self.getpos()}"

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.words.append(data.strip())
            for tag in set(self._open):
                self._within.setdefault(tag, []).append(data.strip())

    def within(self, tag: str) -> str:
        return " ".join(self._within.get(tag, []))

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]

    def values(self, name: str) -> list[str]:
        return [attrs[name] or "" for _, attrs in self.tags if name in attrs]


def check_page(got: httpx.Response, status: int = 200) -> Page:
    """A page as every page has to be."""
    assert got.status_code == status, got.text
    assert got.headers["content-type"] == "text/html; charset=utf-8"
    policy = got.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src" not in policy and "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy and "form-action 'self'" in policy
    assert got.headers["cache-control"] == "no-store" and got.headers["x-robots-tag"] == "noindex"
    assert got.headers["x-content-type-options"] == "nosniff" and got.headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in got.headers
    assert got.text.startswith("<!DOCTYPE html>\n<html lang=")
    assert not re.search(r"https?:|//[a-z]|Traceback|\.py\b|urn:postseal:problem:.*\{", got.text)
    made = Page(got.text)
    used = {tag for tag, _ in made.tags}
    assert not used & {"script", "style", "iframe", "object", "embed", "img", "svg", "base"}
    for _, attrs in made.tags:
        assert not [name for name in attrs if name == "style" or name.startswith("on")]
    ids = made.values("id")
    assert len(ids) == len(set(ids))
    for link in made.values("href") + made.values("src") + made.values("action"):
        assert link[1:] in ids if link.startswith("#") else re.match("/[a-z]", link), link
    check_access(made, ids)
    return made


def check_access(made: Page, ids: list[str]) -> None:
    """What a keyboard and a screen reader need."""
    assert len(made.all("h1")) == len(made.all("main")) == len(made.all("title")) == 1
    levels = [int(tag[1]) for tag, _ in made.tags if re.fullmatch("h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in itertools.pairwise([1, *levels]))
    labelled = set(made.values("for"))
    assert {one["id"] for one in made.all("input")} == labelled
    for name in ("aria-describedby", "aria-labelledby"):
        for value in made.values(name):
            assert set(value.split()) <= set(ids)
    assert any(one.get("href") == "#content" for one in made.all("a")) and "content" in ids
    assert all(one.get("aria-label") for one in made.all("nav"))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    directory = tmp_path_factory.mktemp("pages")
    with serving(f"sqlite:///{directory / 'ledger.db'}", directory, message_mb=4) as made:
        yield made


@pytest.fixture(scope="module")
def nobody(served: Served) -> httpx.Client:
    return served.as_("nobody")


@pytest.fixture(scope="module")
def exported(served: Served) -> bytes:
    return evidence.format(served.log.export(served.record()["message"]))


def upload(client: httpx.Client, octets: bytes, name: str = "evidence.json") -> httpx.Response:
    return client.post("/verify", files={"file": (name, octets, "application/octet-stream")})


def forged(exported: bytes) -> bytes:
    """The same document with one octet of one entry changed: every part of it still reads well."""
    document = json.loads(exported)
    old = document["entries"][0]["entry"]
    data = base64.b64decode(old)
    at = data.index(b'"at":"20') + len('"at":"20')
    changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    return exported.replace(old.encode(), base64.b64encode(changed))


# The forms


def test_the_root_leads_to_the_page(nobody: httpx.Client) -> None:
    got = nobody.get("/")
    assert (got.status_code, got.headers["location"], got.content) == (302, "/verify", b"")
    made = check_page(nobody.get(got.headers["location"]))
    assert {"/verify", "/docs"} <= set(made.values("href"))


def test_the_forms_are_what_the_service_takes(served: Served, nobody: httpx.Client) -> None:
    made = check_page(nobody.get("/verify"))
    by_file, by_number = made.all("form")
    assert (by_file["method"], by_file["enctype"], by_file["action"]) == ("post", "multipart/form-data", "/verify")
    assert (by_number["method"], by_number.get("enctype"), by_number["action"]) == ("post", None, "/verify")
    assert [(one["name"], one["type"]) for one in made.all("input")] == [
        ("file", "file"),
        ("content", "file"),
        ("key", "password"),
        ("number", "text"),
        ("token", "text"),
    ]
    assert f"At most {served.service.settings.message_mb} MB" in made.text
    assert "postseal verify" in made.text and "non-qualified" in made.text


def test_the_number_may_come_with_the_address_and_the_token_may_not(nobody: httpx.Client) -> None:
    got = nobody.get("/verify", params={"number": 'PS-1"><b>&', "token": "s3cret-t0ken"})
    made = check_page(got)
    (number,) = (one for one in made.all("input") if one["name"] == "number")
    (token,) = (one for one in made.all("input") if one["name"] == "token")
    assert number["value"] == 'PS-1"><b>&' and "value" not in token
    assert "s3cret" not in got.text and not made.all("b")[1:]
    many = nobody.get("/verify?number=" + "9" * 5000)
    assert [len(one["value"] or "") for one in check_page(many).all("input") if "value" in one] == [200]
    for strange in ("%ff%fe", "%00", "%ed%a0%80", "%E2%80%AE", "", "a&number=b"):
        check_page(nobody.get(f"/verify?number={strange}"))


def test_pages_are_not_in_the_document(nobody: httpx.Client) -> None:
    assert not {"/", "/verify", "/docs", "/page.css"} & set(nobody.get("/openapi.json").json()["paths"])


# A file


def test_every_check_has_its_words() -> None:
    assert tuple(page.MEANINGS) == (*NAMES, *PACKAGED, PRINTED[-1])
    for meaning in page.MEANINGS.values():
        assert all(sentence.endswith(".") for sentence in meaning[1:]) and not meaning.title.endswith(".")


def test_evidence_of_this_log_is_valid(served: Served, nobody: httpx.Client, exported: bytes) -> None:
    before = served.size
    got = upload(nobody, exported, "the plan.json")
    made = check_page(got)
    assert made.within("h1") == "Valid" and made.within("title").startswith("Valid")
    api = nobody.post("/v1/verify", content=exported).json()
    assert api["verdict"] == "valid"
    for one in api["checks"]:
        meaning = page.MEANINGS[one["name"]]
        assert getattr(meaning, one["status"]) in made.text and meaning.title in made.text
        assert f"{one['name']}: {one['detail']}" in made.text
    assert "needed, and not checked" not in made.text
    assert hashlib.sha256(exported).hexdigest() in made.text and f"{len(exported):,} bytes" in made.text
    assert "the plan.json" in made.text and "exactly as they arrived" in made.text
    (log,) = nobody.get("/v1/logs").json()["logs"]
    assert log["vkey"] in made.text and log["origin"] in made.text
    for words in ("What “valid” does not mean", "non-qualified", "postseal verify", "anybody read"):
        assert words in made.text
    assert served.size == before
    assert upload(nobody, exported, "the plan.json").text == got.text


def test_a_forgery_is_invalid_and_its_failures_come_first(nobody: httpx.Client, exported: bytes) -> None:
    made = check_page(upload(nobody, forged(exported)))
    assert made.within("h1") == "Invalid"
    assert made.text.index(page.MEANINGS["included"].failed) < made.text.index(page.MEANINGS["intact"].passed)
    assert "what passed does not make up for it" in made.text and "What this file claims" in made.text
    assert page.MEANINGS["included"].failed in made.text
    # It is a whole document, and no sentence on the page may say that it is what was recorded.
    assert page.MEANINGS["intact"].passed in made.text and "what was recorded, bit for bit" not in made.text


def test_a_broken_document_is_invalid(nobody: httpx.Client, exported: bytes) -> None:
    for octets in (exported[:-2], exported + b" ", b'{"format":"postseal-evidence/1"}'):
        made = check_page(upload(nobody, octets))
        assert made.within("h1") == "Invalid" and page.MEANINGS["intact"].failed in made.text
        assert "claims" not in made.within("h2")


def test_anothers_evidence_is_not_believed(served: Served, nobody: httpx.Client, tmp_path: Path) -> None:
    with serving(f"sqlite:///{tmp_path / 'ledger.db'}", tmp_path) as other:
        foreign = evidence.format(other.log.export(other.record()["message"]))
        check_page(upload(other.as_("nobody"), foreign))
    made = check_page(upload(nobody, foreign))
    assert made.within("h1") == "Invalid" and page.MEANINGS["trusted"].failed in made.text


def test_no_access_is_unknown_without_an_auditor(served: Served, nobody: httpx.Client) -> None:
    message = served.record()["message"]
    blocked = served.as_("sender").post(f"/v1/messages/{message}/blocks", json={"scope": "all"})
    assert blocked.status_code == 201, blocked.text
    octets = evidence.format(served.log.export(message, recipient="r1", file="f1", kind="non_access"))
    made = check_page(upload(nobody, octets))
    assert made.within("h1") == "Unknown" and "neither valid nor invalid" in made.text
    assert "file number 1 of one message by its recipient number 1" in made.text
    assert page.MEANINGS["unforked"].not_checked in made.text
    checks = nobody.post("/v1/verify", content=octets).json()["checks"]
    assert len(checks[-1]["detail"]) > 200 and all(f"{one['name']}: {one['detail']}" in made.text for one in checks)
    assert made.text.count("needed, and not checked") == 1
    title = page.MEANINGS["unforked"].title
    assert f"{title} needed, and not checked" in made.text


@pytest.mark.parametrize("octets", [b"x", b"Subject: a\r\n\r\nb\r\n", b"%PDF-1.7", bytes(1000), b"{}"])
def test_of_any_other_file_nothing_is_told(served: Served, nobody: httpx.Client, octets: bytes) -> None:
    made = check_page(upload(nobody, octets))
    assert made.within("h1") == "Unknown" and "not evidence" in made.text
    assert "/v1/verify" in made.text and "this page cannot say" in made.text
    assert hashlib.sha256(octets).hexdigest() in made.text


def test_a_file_that_was_recorded_is_answered_like_one_that_was_not(served: Served, nobody: httpx.Client) -> None:
    recorded = b"Subject: this one\r\n\r\nrecorded\r\n"
    served.record(recorded, hosted=[])
    other = recorded.replace(b"this one", b"that one")
    pages = [
        upload(nobody, octets).text.replace(hashlib.sha256(octets).hexdigest(), "-") for octets in (recorded, other)
    ]
    assert pages[0] == pages[1]


HOSTILE = {
    "markup": ("<script>alert(1)</script>.json", "<script>alert(1)</script>.json"),
    "an attribute": ("' onload='x' {{ 7*7 }} {% raw %}.json", "' onload='x' {{ 7*7 }} {% raw %}.json"),
    "turned around": ("annual\u202efdp.exe", "annual⌈U+202E⌉fdp.exe"),
    "isolated": ("a\u2066b\u2069\u200f", "a⌈U+2066⌉b⌈U+2069⌉⌈U+200F⌉"),
    "nothing to be seen": ("a\u200b\u00ad\ufeffb", "a⌈U+200B⌉⌈U+00AD⌉⌈U+FEFF⌉b"),
    "a second set of controls": ("a\u009b31mb\u0085c", "a⌈U+009B⌉31mb⌈U+0085⌉c"),
    "another line": ("a\u2028b", "a⌈U+2028⌉b"),
    "right to left": ("דוח.json", "דוח.json"),
    "long": ("x" * 3000, "x" * 200 + " ..."),
    "an entity": ("&lt;b&gt;&#8238;.json", "&lt;b&gt;&#8238;.json"),
}


@pytest.mark.parametrize(("name", "shown"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_name_is_seen_and_does_nothing(nobody: httpx.Client, name: str, shown: str) -> None:
    edge = b"--edge\r\n"
    said = f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n\r\nx\r\n--edge--\r\n'.encode()
    got = nobody.post("/verify", content=edge + said, headers={"content-type": "multipart/form-data; boundary=edge"})
    made = check_page(got)
    assert made.within("bdi") == shown
    assert visible(name)[:200] == shown[:200]
    assert all(character.isprintable() or character == "\n" for character in got.text)


@pytest.mark.parametrize("name", [b"\xff\xfe\x80.json", b"\xed\xa0\x80", b"caf\xe9"])
def test_a_name_that_is_no_text_is_shown_as_such(nobody: httpx.Client, name: bytes) -> None:
    body = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="' + name + b'"\r\n\r\nx\r\n--edge--\r\n'
    got = nobody.post("/verify", content=body, headers={"content-type": "multipart/form-data; boundary=edge"})
    assert "\N{REPLACEMENT CHARACTER}" in check_page(got).within("bdi")


def test_what_a_document_makes_an_error_say_does_nothing(nobody: httpx.Client) -> None:
    for word in ("<script>alert(1)</script>", "\u202e", "\\u202e", "\\u0000"):
        octets = f'{{"format":"postseal-evidence/1","{word}":1}}'.encode()
        got = upload(nobody, octets)
        assert check_page(got).within("h1") == "Invalid"
        assert "<script" not in got.text and "\u202e" not in got.text and "\0" not in got.text


# What cannot be checked


def check_refused(got: httpx.Response, name: str, words: str) -> None:
    kind = KINDS[name]
    made = check_page(got, kind.status)
    assert made.within("h1") == "Nothing was checked" and words in made.text
    assert len(made.all("form")) == 2
    assert got.headers.get("retry-after") == (None if kind.retry is None else str(kind.retry))


def test_the_limit_is_that_of_the_api(served: Served, nobody: httpx.Client) -> None:
    limit = served.service.settings.message_bytes
    assert check_page(upload(nobody, b"x" * limit)).within("h1") == "Unknown"
    check_refused(upload(nobody, b"x" * (limit + 1)), "too-large", "more than this page takes")
    check_refused(upload(nobody, b"x" * (limit + page.AROUND)), "too-large", "more than this page takes")
    kind = {"content-type": "multipart/form-data; boundary=x"}
    chunks: Iterator[bytes] = iter([b"x" * 65536] * (limit // 65536 + 2))
    check_refused(nobody.post("/verify", content=chunks, headers=kind), "too-large", "more than this page takes")


def test_no_file_an_empty_one_and_two(nobody: httpx.Client) -> None:
    check_refused(upload(nobody, b"", "a.json"), "invalid", "The file is empty.")
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename=""\r\n\r\n\r\n--x--\r\n'
    got = nobody.post("/verify", content=body, headers={"content-type": "multipart/form-data; boundary=x"})
    check_refused(got, "invalid", "No file was chosen.")
    two = [("file", ("a", b"1")), ("file", ("b", b"2"))]
    check_refused(nobody.post("/verify", files=two), "invalid", "one file, perhaps the mail")
    check_refused(nobody.post("/verify", files={"other": ("a", b"1")}), "invalid", "one file")
    beside = nobody.post("/verify", files={"file": ("a", b"1")}, data={"number": "1"})
    check_refused(beside, "invalid", "one file")


PART = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\noctets\r\n--x--\r\n'
BROKEN = {
    "nothing": (b"", "multipart/form-data; boundary=x"),
    "no boundary": (PART, "multipart/form-data"),
    "a boundary of nothing": (PART, "multipart/form-data; boundary="),
    "a boundary without end": (PART, "multipart/form-data; boundary=" + "x" * 71),
    "another boundary": (PART, "multipart/form-data; boundary=y"),
    "no parts": (b"--x--\r\n", "multipart/form-data; boundary=x"),
    "a control": (PART.replace(b'="a"', b'="a\x1b[2J"'), "multipart/form-data; boundary=x"),
    "a transfer encoding": (
        PART.replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n", 1),
        "multipart/form-data; boundary=x",
    ),
    "headers without end": (PART.replace(b'"a"', b'"' + b"a" * 9000 + b'"'), "multipart/form-data; boundary=x"),
} | {f"cut at {at}": (PART[:at], "multipart/form-data; boundary=x") for at in range(1, len(PART) - 4, 7)}


@pytest.mark.parametrize(("body", "kind"), BROKEN.values(), ids=BROKEN)
def test_a_broken_form_is_answered_with_a_page(nobody: httpx.Client, body: bytes, kind: str) -> None:
    got = nobody.post("/verify", content=body, headers={"content-type": kind})
    assert got.status_code in (400, 422)
    check_refused(got, "bad-request" if got.status_code == 400 else "invalid", "In technical words:")


@pytest.mark.parametrize("kind", ["", "text/plain", "application/json", "application/octet-stream", "multipart/mixed"])
def test_another_type_is_refused(nobody: httpx.Client, kind: str) -> None:
    got = nobody.post("/verify", content=b"{}", headers={"content-type": kind} if kind else {})
    check_refused(got, "unsupported-media-type", "what its own forms send")


def test_a_compressed_form_is_refused(nobody: httpx.Client) -> None:
    headers = {"content-type": "multipart/form-data; boundary=x", "content-encoding": "gzip"}
    check_refused(nobody.post("/verify", content=PART, headers=headers), "unsupported-media-type", "forms send")


@pytest.mark.parametrize("error", [ZeroDivisionError("s3cret"), StartRefused("s3cret")])
def test_a_defect_is_a_page_without_its_words(
    nobody: httpx.Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def fail(*_: Any) -> None:
        raise error

    with monkeypatch.context() as broken:
        broken.setattr(page, "weigh", fail)
        got = upload(nobody, b"x")
    known = isinstance(error, StartRefused)
    check_refused(got, "unavailable" if known else "internal", "try again" if known else "has been told")
    assert "s3cret" not in got.text
    assert known or [one.getMessage() for one in caplog.records if one.levelno == logging.ERROR]
    assert check_page(upload(nobody, b"x")).within("h1") == "Unknown"


def test_a_browser_that_leaves_is_no_defect(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    with Wire(served) as wire:
        kind = "multipart/form-data; boundary=x"
        wire.send(head(served, "POST /verify HTTP/1.1", None, Content_Type=kind, Content_Length="1000") + PART[:40])
        time.sleep(0.1)
    time.sleep(0.2)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    served.check_well()


# A number with its token


NUMBERS = ["1", "PS-2026-000001", "x" * 200, "y" * 5000, "<script>", "é\u202e", "' or 1=1 --", "a&b=c"]
TOKENS = ["2", "t0k3n-" * 20, "<b>", "\u202e", "%00"]


# A copy, for whoever may read what was recorded


def ask(served: Served, octets: bytes, role: str, **more: bytes) -> httpx.Response:
    files = {"file": ("copy.eml", octets, "application/octet-stream")}
    files |= {name: (name, value, "application/octet-stream") for name, value in more.items()}
    key = served.keys.get(role, role)
    return served.as_("nobody").post("/verify", files=files, data={"key": key})


COPY = MAIL.replace(b"Message-ID: <", b"Message-ID: <page-")


def test_a_copy_is_told_with_what_differs(served: Served) -> None:
    message = served.record(COPY)["message"]
    before = served.size
    made = check_page(ask(served, COPY, "sender"))
    assert made.within("h1") == "Identical" and message in made.text and served.size == before
    changed = COPY.replace(b"Subject: The plan", b"Subject: [<b>list\xe2\x80\xae</b>] The plan").replace(
        b"1 2 3", b"3 2 1"
    )
    got = ask(served, changed, "legal")
    made = check_page(got)
    assert made.within("h1") == "Parts missing"
    assert "received: [<b>list" in made.text and "\u202e" not in got.text and "was replaced" in made.text
    # What legal looks at is an entry.
    assert served.size == before + 1
    made = check_page(ask(served, b"Subject: nobody\r\n\r\nknows\r\n", "sender"))
    assert made.within("h1") == "Not found"


def test_several_matches_stand_on_one_page(served: Served) -> None:
    twice = COPY.replace(b"<page-", b"<twice-")
    messages = [served.record(twice)["message"] for _ in range(2)]
    made = check_page(ask(served, twice, "sender"))
    assert all(message in made.text for message in messages)


@pytest.mark.parametrize("role", ["ingest", "auditor", "postseal_aaaaaaaaaa_wrong", "\u00fc"])
def test_whose_key_may_not_read_is_told_nothing(served: Served, role: str) -> None:
    served.record(COPY.replace(b"<page-", b"<hidden-"))
    answers = [ask(served, octets, role) for octets in (COPY.replace(b"<page-", b"<hidden-"), b"x")]
    assert len({one.text for one in answers}) == 1 and answers[0].status_code in (401, 403)
    made = check_page(answers[0], answers[0].status_code)
    assert "may not read" in made.text and served.keys["ingest"] not in answers[0].text


def test_evidence_is_held_against_what_somebody_holds(served: Served) -> None:
    mine = COPY.replace(b"<page-", b"<held-")
    exported = evidence.format(served.log.export(served.record(mine)["message"]))
    for content, status in ((mine, "passed"), (b"Received: x\r\n" + mine, "passed"), (b"%PDF", "failed")):
        made = check_page(ask(served, exported, "", content=content))
        assert made.within("h1") == ("Valid" if status == "passed" else "Invalid")
        assert "content:" in made.text and "Held against it" in made.text
    assert "Held against it" not in check_page(ask(served, exported, "")).text


def test_no_pair_of_number_and_token_is_told_from_another(served: Served, nobody: httpx.Client) -> None:
    before = served.size
    pages, headers = set(), set()
    for number, token in itertools.product(NUMBERS, TOKENS):
        got = nobody.post("/verify", data={"number": number, "token": token})
        made = check_page(got, 404)
        assert made.within("h1") == "Unknown number, or wrong token"
        typed = html.escape(number[:200]).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")
        assert got.text.count(f'value="{typed}"') == 1
        pages.add(got.text.replace(f'value="{typed}"', 'value=""'))
        headers.add(tuple(sorted(set(got.headers) - {"content-length", "date"})))
    assert len(pages) == 1 == len(headers) and served.size == before
    assert "t0k3n" not in pages.pop()


def test_the_same_answer_takes_the_same_work(served: Served, nobody: httpx.Client) -> None:
    """Nothing is looked up: a number that could be one costs no more than one that cannot."""
    message = served.record()["message"]
    spent: dict[str, list[float]] = {message: [], "nothing": []}
    for _ in range(60):
        for number, times in spent.items():
            start = time.perf_counter()
            assert nobody.post("/verify", data={"number": number, "token": "t"}).status_code == 404
            times.append(time.perf_counter() - start)
    quick = [min(times) for times in spent.values()]
    assert max(quick) < 2 * min(quick) + 0.002


@pytest.mark.parametrize(("number", "token"), [("", ""), ("1", ""), ("", "t"), (" ", "\t")])
def test_both_are_needed(nobody: httpx.Client, number: str, token: str) -> None:
    got = nobody.post("/verify", data={"number": number, "token": token})
    check_refused(got, "invalid", "Type both")
    assert 'value="t"' not in got.text


BAD = [b"", b"number", b"number=1", b"token=1", b"number=1&token=2&token=3", b"number=1&token=2&more=3", b"\xff=1"]


@pytest.mark.parametrize("body", [*BAD, b"number=1&number=2", b"number=1;token=2"])
def test_fields_that_are_not_the_forms_are_refused(nobody: httpx.Client, body: bytes) -> None:
    got = nobody.post("/verify", content=body, headers={"content-type": "application/x-www-form-urlencoded"})
    check_refused(got, "bad-request", "could not be read")


def test_more_than_anybody_types_is_refused(nobody: httpx.Client) -> None:
    got = nobody.post("/verify", data={"number": "1", "token": "x" * page.TYPED})
    check_refused(got, "too-large", "more than this page takes")


def test_neither_number_nor_token_nor_name_is_logged(nobody: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    nobody.post("/verify", data={"number": "n-secret", "token": "t-secret"})
    nobody.get("/verify?number=n-secret&token=t-secret")
    upload(nobody, b"o-secret", "f-secret.json")
    end = time.monotonic() + 10
    said = ""
    # Lines are written once their answers have gone.
    while said.count("/verify") < 3 and time.monotonic() < end:
        said = "\n".join(str(one.__dict__) for one in caplog.records if one.name == "postseal")
        time.sleep(0.01)
    assert said.count("/verify") >= 3 and "-secret" not in said


# How it looks


def colours(block: str) -> dict[str, tuple[int, ...]]:
    found = re.findall(r"--([a-z-]+): #([0-9a-f]{6}|[0-9a-f]{3})\b", block)
    full = {name: value if len(value) == 6 else "".join(2 * digit for digit in value) for name, value in found}
    return {name: tuple(bytes.fromhex(value)) for name, value in full.items()}


def luminance(colour: tuple[int, ...]) -> float:
    parts = [value / 255 for value in colour]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


ON = {
    "ink": ("ground", "paper", "soft", "good-soft", "bad-soft", "open-soft"),
    "muted": ("ground", "paper", "soft"),
    "accent": ("ground", "paper"),
    "on-accent": ("accent",),
    "paper": ("good", "bad", "open"),
    "good": ("paper", "ground", "good-soft"),
    "bad": ("paper", "bad-soft"),
    "open": ("paper", "open-soft"),
    "get": ("get-soft",),
}
"""Which colour of text stands on which."""


@pytest.mark.parametrize("dark", [False, True])
def test_all_text_can_be_read(dark: bool) -> None:
    """WCAG 2.2, 1.4.3: 4.5 to 1."""
    blocks = re.findall(r":root \{.*?\}", STYLE.decode(), re.DOTALL)
    known = colours(blocks[0]) | (colours(blocks[1]) if dark else {})
    for text, grounds in ON.items():
        for ground in grounds:
            light, deep = sorted((luminance(known[text]), luminance(known[ground])), reverse=True)
            assert (light + 0.05) / (deep + 0.05) >= 4.5, (text, ground)


def test_the_style_asks_nobody_else(nobody: httpx.Client) -> None:
    (link,) = Page(nobody.get("/verify").text).all("link")
    got = nobody.get(link["href"] or "")
    assert (got.status_code, got.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert got.content == STYLE and not re.search(rb"https?:|//|url\(|@import|@font-face", STYLE)
    assert b"@media print" in STYLE and b"prefers-color-scheme: dark" in STYLE and b":focus-visible" in STYLE


# `/docs`


def test_the_documentation_is_a_page_like_the_others(nobody: httpx.Client) -> None:
    made = check_page(nobody.get("/docs"))
    for role in ROLES:
        assert role in made.within("th")
    for act in ALLOWED:
        assert act in made.within("th")
    assert {f"problem-{name}" for name in KINDS} <= set(made.values("id"))


def test_every_operation_has_a_command_to_copy(nobody: httpx.Client) -> None:
    document = nobody.get("/openapi.json").json()
    text = html.unescape(nobody.get("/docs").text)
    schemas = document["components"]["schemas"]
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            made = docs.sample(method.upper(), path, said, schemas)
            assert f'<pre tabindex="0">{made}</pre>' in text
            subprocess.run(["bash", "-n", "-c", made], check=True)
            words = shlex.split(made)
            assert words[0] == "curl" and ("-X" in words) == (method != "get")
            assert ("Authorization: Bearer $KEY" in words) == ("security" in said)
            (url,) = [word for word in words if word.startswith("$URL/")]
            assert re.sub(r"\$\{[A-Z]+\}", "", url.split("?")[0]) == "$URL" + re.sub(r"\{[^}]+\}", "", path)
            if "-d" in words:
                content = said["requestBody"]["content"]["application/json"]["schema"]
                schema = {"$ref": content["$ref"], "components": document["components"]}
                jsonschema_rs.validate(schema, json.loads(words[words.index("-d") + 1]))


@pytest.mark.skipif(shutil.which("curl") is None, reason="the commands are of curl")
def test_the_commands_work(served: Served, exported: bytes, tmp_path: Path) -> None:
    """Each as it stands on the page, in a shell where its variables are set."""
    message = served.record(keep_content=True)["message"]
    block = served.as_("sender").post(f"/v1/messages/{message}/blocks", json={"scope": "file", "file": "f2"}).json()
    hold = served.as_("legal").post(f"/v1/messages/{message}/holds", json={}).json()
    erasing, somebody = Erasing(served.log, dual_control=True), served.log.person("somebody", "else")
    waiting = erasing.go_on(served.log.write(erasing.of_message(served.record()["message"], somebody)))
    issued = served.as_("admin").post(f"/v1/messages/{message}/certificates", json={"kind": "dispatch"}).json()
    variables = {
        "URL": served.url,
        "NUMBER": issued["number"],
        "KEY": served.keys["admin"],
        "MESSAGE": message,
        "FILE": "f1",
        "BLOCK": block["block"],
        "HOLD": hold["hold"],
        "ERASURE": waiting.erasure,
        "LOG": served.log.id,
        "SEQ": "1",
        "TILE": "0/000.p/2",
        "OLD": "1",
        "ID": make_key(served.log, "ingest")[1],
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
    }
    line = {"message": message, "kind": "message.opened", "recipient": "r1"}
    files = {"application/x-ndjson": json.dumps(line).encode() + b"\n", "application/octet-stream": exported}
    # Not every system has one.
    (tmp_path / "uuidgen").write_text(f"#!/bin/sh\nexec {sys.executable} -c 'import uuid; print(uuid.uuid4())'\n")
    (tmp_path / "uuidgen").chmod(0o755)
    (tmp_path / "envelope").write_text(json.dumps(envelope()))
    (tmp_path / "message").write_bytes(MAIL)
    (tmp_path / "mail.eml").write_bytes(MAIL)
    found = [
        html.unescape(one) for one in re.findall("<pre[^>]*>(.*?)</pre>", served.as_("nobody").get("/docs").text, re.S)
    ]
    assert len(found) > 15
    for command in found:
        # A message that nothing holds, and somebody to be found by his address.
        anna = served.record(rcpt_to=["anna@example.com"])["message"]
        variables["MESSAGE"] = anna if command.count("/erasures") else message
        for name in ("number", "token"):
            # The examples of the page are nobody's.
            command = re.sub(rf'("{name}": )"[^"]*"', rf'\1"{issued[name]}"', command)
        for kind, octets in files.items():
            if kind in command:
                (tmp_path / "FILE").write_bytes(octets)
        ran = subprocess.run(
            ["bash", "-c", f"{command} -s -w '\\n%{{http_code}}'"],
            capture_output=True,
            env=variables,
            cwd=tmp_path,
            check=True,
        )
        assert ran.stdout.rpartition(b"\n")[2] in (b"200", b"201", b"204"), command + ran.stdout.decode()
