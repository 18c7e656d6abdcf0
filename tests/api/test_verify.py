"""`POST /v1/verify`: what evidence proves by itself, to anyone, without anything being looked up."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from ledger import evidence
from tests.api.serving import MAIL, Served, problem, serving


@pytest.fixture(scope="module")
def exported(served: Served) -> bytes:
    return evidence.format(served.log.export(served.record()["message"]))


def verify(served: Served, body: bytes, role: str = "nobody") -> Any:
    got = served.as_(role).post("/v1/verify", content=body, headers={"content-type": "application/octet-stream"})
    assert got.status_code == 200, got.text
    assert got.headers["cache-control"] == "no-store"
    said = got.json()
    assert set(said) == {"verdict", "checks", "matches"}
    assert all(set(one) == {"name", "status", "detail"} for one in said["checks"])
    return said


def status(said: Any) -> dict[str, str]:
    return {one["name"]: one["status"] for one in said["checks"]}


def test_evidence_of_this_log_is_intact_and_trusted(served: Served, exported: bytes) -> None:
    before = served.size
    said = verify(served, exported)
    found = status(said)
    for name in ("intact", "included", "chained", "complete", "signed", "trusted"):
        assert found[name] == "passed", said
    assert "failed" not in found.values() and said["verdict"] in ("valid", "unknown")
    assert served.size == before
    assert verify(served, exported, "legal") == said


def test_one_bit_less_and_it_is_invalid(served: Served, exported: bytes) -> None:
    document = json.loads(exported)
    # Any entry will do: an octet of it, changed in its base64.
    text = exported.decode()
    data = document["entries"][3] if isinstance(document["entries"][3], str) else document["entries"][3]["entry"]
    changed = bytearray(base64.b64decode(data))
    changed[40] ^= 1
    said = verify(served, text.replace(data, base64.b64encode(bytes(changed)).decode()).encode())
    assert said["verdict"] == "invalid" and "failed" in status(said).values()


def test_another_logs_evidence_is_not_trusted_here(served: Served, tmp_path: Path) -> None:
    with serving(f"sqlite:///{tmp_path / 'ledger.db'}", tmp_path) as other:
        foreign = evidence.format(other.log.export(other.record()["message"]))
        assert status(verify(other, foreign))["trusted"] == "passed"
    said = verify(served, foreign)
    assert status(said)["trusted"] != "passed" and said["verdict"] != "valid"


NONE: dict[str, bytes] = {
    "nothing": b"",
    "a mail": b"Subject: a\r\n\r\nb\r\n",
    "a PDF": b"%PDF-1.7\n" + bytes(range(256)) * 10,
    "JSON": b"{}",
    "NULs": bytes(10_000),
    "the name of evidence alone": b"postseal-evidence/1",
    "a mail that speaks of evidence": b'Subject: a\r\n\r\n{"format":"postseal-evidence/1"}\r\n',
}
BROKEN: dict[str, bytes] = {
    "an object of its name": b'{"format":"postseal-evidence/1"}',
    "another version": b'{"format":"postseal-evidence/9"}',
    "nested without end": b'{"format":"postseal-evidence/1","a":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "numbers nobody can hold": b'{"format":"postseal-evidence/1","a":1e400}',
    "a member twice": b'{"format":"postseal-evidence/1","format":"postseal-evidence/1"}',
    "not UTF-8": b'{"format":"postseal-evidence/1","a":"\xff"}',
    "a lone surrogate": b'{"format":"postseal-evidence/1","\\ud800":"\\ud800"}',
}


@pytest.mark.parametrize("body", NONE.values(), ids=NONE)
def test_what_is_no_evidence_is_not_judged(served: Served, body: bytes) -> None:
    for role in ("nobody", "legal"):
        said = verify(served, body, role)
        assert said["verdict"] == "unknown" and set(status(said).values()) == {"not_checked"} and said["matches"] == []


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_what_claims_to_be_evidence_and_is_not_is_invalid(served: Served, body: bytes) -> None:
    said = verify(served, body)
    assert said["verdict"] == "invalid" and said["matches"] == []
    assert verify(served, b" \r\n" + body)["verdict"] == "invalid"


def test_cut_anywhere_it_is_invalid(served: Served, exported: bytes) -> None:
    for at in range(30, len(exported), max(1, len(exported) // 20)):
        # Without its name it is any file.
        want = "invalid" if b"postseal-evidence/" in exported[:at] else "unknown"
        assert verify(served, exported[:at])["verdict"] == want


def test_more_than_the_limit_is_refused(served: Served) -> None:
    limit = served.service.settings.message_bytes
    for role in ("nobody", "legal"):
        problem(served.as_(role).post("/v1/verify", content=b"x" * (limit + 1)), "too-large")
        problem(post_form(served, b"x" * (limit + 1), role), "too-large")
        assert post_form(served, b"x" * limit, role).status_code == 200


# A file looked for


def form(data: bytes, name: str = "file") -> tuple[bytes, dict[str, str]]:
    """A file as a form sends it, and the headers that say so."""
    body = f'--edge\r\nContent-Disposition: form-data; name="{name}"; filename="bob.eml"\r\n\r\n'.encode()
    return body + data + b"\r\n--edge--\r\n", {"content-type": "multipart/form-data; boundary=edge"}


def post_form(served: Served, data: bytes, role: str, name: str = "file") -> Any:
    body, headers = form(data, name)
    return served.as_(role).post("/v1/verify", content=body, headers=headers)


@pytest.fixture(scope="module")
def recorded(served: Served) -> Any:
    """A message of which no other test has octets."""
    return served.record(OWN)


OWN = MAIL.replace(b"1 2 3", b"9 8 7").replace(b"not really a PDF", b"one line\r\nand another")
OWN = OWN.replace(b"Message-ID: <", b"Message-ID: <own-")


@pytest.mark.parametrize("role", ["admin", "compliance", "legal", "sender"])
def test_a_recorded_message_is_found(served: Served, recorded: Any, role: str) -> None:
    match = {
        "message": recorded["message"],
        "level": "identical",
        "recorded_at": served.check(recorded["receipt"]).at,
        "seq": recorded["receipt"]["seq"],
        "differences": [],
    }
    # However its lines end: it is hashed with CRLF.
    for octets in (OWN, OWN.replace(b"\r\n", b"\n")):
        said = verify(served, octets, role)
        assert said["matches"] == [match] and said["verdict"] == "unknown"
        assert status(said) == {"intact": "not_checked"}
        assert post_form(served, octets, role).json() == said
    stranger = OWN.replace(b"<own-", b"<other-")
    assert {one.get("part") for one in verify(served, stranger, role)["matches"]} == {"f1", "f2"}
    # A file is its octets.
    for part, octets in (("f1", b"one line\r\nand another"), ("f2", b"9 8 7")):
        assert verify(served, octets, role)["matches"] == [match | {"part": part}]
    assert verify(served, b"one line\nand another", role)["matches"] == [match | {"part": "f1"}]


def test_a_file_sent_twice_is_found_in_each_place(served: Served) -> None:
    octets = (
        MAIL.replace(b"Message-ID: <", b"Message-ID: <twice-")
        .replace(b"1 2 3", b"twice")
        .replace(b"not really a PDF", b"twice")
    )
    first, second = (served.record(octets)["message"] for _ in range(2))
    said = verify(served, b"twice", "legal")
    assert [(one["message"], one["part"]) for one in said["matches"]] == [
        (message, part) for message in (second, first) for part in ("f1", "f2")
    ]
    assert [one["message"] for one in verify(served, octets, "legal")["matches"]] == [second, first]


def test_a_copy_is_held_against_what_was_recorded(served: Served, recorded: Any) -> None:
    def found(copy: bytes) -> tuple[str, list[tuple[str, str]]]:
        (match,) = verify(served, copy, "legal")["matches"]
        assert match["message"] == recorded["message"] and "part" not in match
        return match["level"], [(one["kind"], one["where"]) for one in match["differences"]]

    assert found(b"Received: from a by b; now\r\n" + OWN) == (
        "identical but for transport headers",
        [("transport", "")],
    )
    assert found(OWN.replace(b"Subject: ", b"Subject: [list] ")) == (
        "all original parts present, with additions",
        [("header", "Subject")],
    )
    level, differences = found(OWN.replace(b"one line", b"two line"))
    assert level == "parts missing" and ("replaced", "f1") in differences
    # Its text is not kept: that it differs is known, and not how.
    text = verify(served, OWN.replace(b"see attached", b"see below"), "legal")["matches"]
    assert [one["level"] for one in text] == ["different"]
    assert [one["kind"] for one in text[0]["differences"]] == ["not_compared"]


@pytest.mark.parametrize("role", ["nobody", "ingest", "auditor"])
def test_who_may_not_read_is_told_the_same_of_every_file(served: Served, recorded: Any, role: str) -> None:
    headers = {"content-type": "application/octet-stream"}
    before = served.size
    got = [
        served.as_(role).post("/v1/verify", content=octets, headers=headers)
        for octets in (OWN, OWN + b"x", b"9 8 7", b"9 8 8", b"")
    ]
    assert {one.status_code for one in got} == {200} and len({one.content for one in got}) == 1
    assert len({str([h for h in one.headers.items() if h[0] != "date"]) for one in got}) == 1
    assert post_form(served, OWN, role).content == got[0].content == post_form(served, b"x", role).content
    assert got[0].json()["matches"] == [] and served.size == before


def test_evidence_is_judged_in_a_form_too_and_for_any_key(served: Served, exported: bytes) -> None:
    before = served.size
    want = verify(served, exported)
    for role in ("nobody", "ingest", "legal"):
        assert post_form(served, exported, role).json() == want
    # Nothing was looked for.
    assert served.size == before


def test_a_form_that_does_not_fit(served: Served) -> None:
    before = served.size
    for role in ("nobody", "legal"):
        assert "bob" not in problem(post_form(served, OWN, role, "message"), "invalid")["detail"]
        body, headers = form(OWN)
        client = served.as_(role)
        problem(client.post("/v1/verify", content=body[:-20], headers=headers), "bad-request")
        problem(client.post("/v1/verify", content=body, headers={"content-type": "multipart/form-data"}), "bad-request")
    assert served.size == before
