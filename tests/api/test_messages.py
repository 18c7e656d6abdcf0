"""Recording: three ways in, receipts that prove what they say, and a request that is sent again."""

from __future__ import annotations

import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any

import httpx
import pytest

from ledger import entry, fingerprint, hashonly
from ledger.sequencer import Sequencer
from tests.api.serving import MAIL, RECIPIENTS, SENDER, Served, envelope, make_key, parts, problem
from tests.api.wire import head, say


def post(served: Served, body: bytes, kind: str, key: str | None = None, role: str = "sender") -> httpx.Response:
    headers = {"content-type": kind} | ({} if key is None else {"idempotency-key": key})
    return served.as_(role).post("/v1/messages", content=body, headers=headers)


def raw(served: Served, message: str) -> Any:
    """What the ledger holds of the octets."""
    return served.log.disclosed(message)["raw"]


def test_a_message_with_its_envelope(served: Served) -> None:
    body, kind = parts()
    got = post(served, body, kind)
    assert got.status_code == 201, got.text
    said = got.json()
    assert got.headers["location"] == f"/v1/messages/{said['message']}"
    assert got.headers["cache-control"] == "no-store"
    assert said["recipients"] == [{"id": f"r{k}", "address": one} for k, one in enumerate(RECIPIENTS, 1)]
    assert [(f["id"], f["name"], f["media_type"]) for f in said["files"]] == [
        ("f1", "plan.pdf", "application/pdf"),
        ("f2", "figures.bin", "application/octet-stream"),
    ]
    assert said["files"][0]["sha256"] == sha256(b"not really a PDF").hexdigest()
    assert said["repeated"] is False
    made = served.check(said["receipt"])
    assert (made.kind, made.chain) == ("message.recorded", said["message"])
    facts: Any = made.facts
    assert (facts.envelope, facts.files, facts.recipients, facts.content) == ("given", 2, 3, "hash_only")
    assert raw(served, said["message"]) == {"sha256": sha256(MAIL).hexdigest(), "size": len(MAIL)}
    # The third is in no header: he was blind-copied.
    assert [one.role for one in served.log.recipients(said["message"])] == ["to", "cc", "bcc"]
    assert served.log.disclosed(said["message"])["f1"]["where"] == "hosted"


def test_nothing_personal_stands_in_the_entry_itself(served: Served) -> None:
    data = base64.b64decode(served.record()["receipt"]["entry"])
    for word in (SENDER, *RECIPIENTS, "plan", "sender.example", sha256(MAIL).hexdigest()):
        assert word.encode() not in data


def test_who_recorded_it_is_sealed(served: Served) -> None:
    message = served.record()["message"]
    assert served.log.disclosed(message)["actor"].startswith("test-sender (sender, key ")


def test_the_octets_alone(served: Served) -> None:
    got = post(served, MAIL, "message/rfc822")
    assert got.status_code == 201, got.text
    said = got.json()
    assert [one["address"] for one in said["recipients"]] == list(RECIPIENTS[:2])
    made = served.check(said["receipt"])
    facts: Any = made.facts
    assert facts.envelope == "declared"
    assert raw(served, said["message"])["sha256"] == sha256(MAIL).hexdigest()


def test_hash_only(served: Served) -> None:
    taken = fingerprint.take(MAIL)
    said = {"envelope": envelope(), "fingerprint": hashonly.to_json(taken)}
    got = post(served, json.dumps(said).encode(), "application/json")
    assert got.status_code == 201, got.text
    made = served.check(got.json()["receipt"])
    facts: Any = made.facts
    assert (facts.content, facts.envelope) == ("hash_only", "given")
    message = got.json()["message"]
    assert raw(served, message) == {"sha256": sha256(MAIL).hexdigest(), "size": len(MAIL)}
    assert served.log.disclosed(message)["leaves"] == {"count": 3, "root": taken.root}
    assert [one["name"] for one in got.json()["files"]] == ["plan.pdf", "figures.bin"]
    # Nothing tells a To from a Bcc without the headers.
    assert {one.role for one in served.log.recipients(message)} == {"envelope"}


def test_hash_only_says_the_same_as_the_octets(served: Served) -> None:
    whole = served.record()
    said = {"envelope": envelope(), "fingerprint": hashonly.to_json(fingerprint.take(MAIL))}
    apart = post(served, json.dumps(said).encode(), "application/json").json()
    one, other = served.log.disclosed(whole["message"]), served.log.disclosed(apart["message"])
    assert all(one[name] == other[name] for name in ("raw", "leaves", "subject", "from", "f1", "f2", "mail_from"))
    assert whole["files"] == apart["files"]


def test_a_fingerprint_that_contradicts_itself_is_refused(served: Served) -> None:
    taken: Any = hashonly.to_json(fingerprint.take(MAIL))
    taken["leaves"][1]["sha256"] = 64 * "0"
    before = served.size
    got = post(served, json.dumps({"envelope": envelope(), "fingerprint": taken}).encode(), "application/json")
    assert "root" in problem(got, "invalid")["detail"]
    assert served.size == before


ODD = {
    "not UTF-8": b"Subject: \xff\xfe caf\xe9\r\n\r\n\x80\x81\xfe\xff\r\n",
    "NULs": b"Subject: a\r\n\r\n\x00\x00after\x00\r\n",
    "no body": b"Subject: a\r\n",
    "no final line end": b"Subject: a\r\n\r\nlast",
    "lines like the boundary": b"Subject: a\r\n\r\n-- another\r\n--anothe\r\nx--another\r\n\r\n--\r\n \r\n--",
    "its own boundary": MAIL.replace(b"boundary=x", b"boundary=edge").replace(b"--x", b"--edge"),
    "dashes at its end": b"Subject: a\r\n\r\n--",
    "a CR at its end": b"Subject: a\r\n\r\nx\r",
    "only CRLFs in the body": b"Subject: a\r\n\r\n\r\n\r\n\r\n",
}


@pytest.mark.parametrize("octets", ODD.values(), ids=ODD)
def test_octets_are_taken_as_they_were_sent(served: Served, octets: bytes) -> None:
    boundary = "another" if b"--edge" in octets else "edge"
    apart = served.record(octets, hosted=[], boundary=boundary)["message"]
    want = fingerprint.take(octets).raw
    assert raw(served, apart) == {"sha256": want.sha256, "size": want.size}


def test_bare_line_feeds_count_as_line_ends(served: Served) -> None:
    # As docs/format.md has it: hashes are those of the octets with CRLF, whoever saved the file.
    message = served.record(MAIL.replace(b"\r\n", b"\n"))["message"]
    assert raw(served, message) == {"sha256": sha256(MAIL).hexdigest(), "size": len(MAIL)}


def test_a_message_that_cannot_be_parsed_is_recorded_by_its_hash(served: Served) -> None:
    octets = b"\x00\x01\x02 no header at all"
    said = served.record(octets, hosted=[])
    assert said["files"] == []
    assert raw(served, said["message"])["sha256"] == sha256(octets).hexdigest()
    assert served.log.disclosed(said["message"])["unparsed"]


def test_a_large_message_passes_and_one_too_large_does_not(served: Served) -> None:
    limit = served.service.settings.message_bytes
    octets = MAIL + b"x" * (limit - len(MAIL))
    message = served.record(octets)["message"]
    assert raw(served, message)["sha256"] == sha256(octets).hexdigest()
    before = served.size
    body, kind = parts(octets + b"x")
    problem(post(served, body, kind), "too-large")
    problem(post(served, octets + b"x", "message/rfc822"), "too-large")
    assert served.size == before


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "nobody": ({"rcpt_to": []}, "invalid"),
    "no address": ({"rcpt_to": ["nobody"]}, "invalid"),
    "a line end in an address": ({"rcpt_to": ["a@b.example\r\nRCPT TO:<c@d.example>"]}, "invalid"),
    "an address too long": ({"rcpt_to": ["a" * 400 + "@b.example"]}, "invalid"),
    "no sender": ({"mail_from": "not an address"}, "invalid"),
    "a member unknown": ({"reply_to": "a@b.example"}, "invalid"),
    "a number for a text": ({"mail_from": 1}, "invalid"),
    "text for a list": ({"rcpt_to": "a@b.example"}, "invalid"),
    "a file it does not have": ({"hosted": ["f3"]}, "invalid"),
    "no file's name": ({"hosted": ["plan.pdf"]}, "invalid"),
}


@pytest.mark.parametrize(("more", "name"), REFUSED.values(), ids=REFUSED)
def test_an_envelope_that_does_not_fit_is_refused(served: Served, more: dict[str, Any], name: str) -> None:
    before = served.size
    body, kind = parts(**more)
    said = problem(post(served, body, kind), name)
    assert "@" not in said["detail"] and "not an address" not in said["detail"]
    assert served.size == before


def test_a_bounce_has_no_sender(served: Served) -> None:
    assert served.log.disclosed(served.record(mail_from="")["message"])["mail_from"] == ""


def test_a_recipient_named_twice_is_one(served: Served) -> None:
    said = served.record(rcpt_to=["bob@one.example", "bob@ONE.example", "BOB@one.example"])
    assert [one["address"] for one in said["recipients"]] == ["bob@one.example", "BOB@one.example"]


def test_many_recipients(served: Served) -> None:
    addresses = [f"person{k}@somewhere-{k % 7}.example" for k in range(1500)]
    said = served.record(rcpt_to=addresses)
    assert [one["address"] for one in said["recipients"]] == addresses
    assert served.check(said["receipt"]).kind == "message.recorded"
    taken = hashonly.to_json(fingerprint.take(MAIL))
    hashed = {"envelope": envelope(rcpt_to=[f"{'x' * 280}{k}@somewhere.example" for k in range(3600)])}
    got = post(served, json.dumps(hashed | {"fingerprint": taken}).encode(), "application/json")
    assert got.status_code == 201, got.text


def test_headers_that_declare_nobody_are_refused(served: Served) -> None:
    before = served.size
    problem(post(served, b"Subject: a\r\n\r\nb\r\n", "message/rfc822"), "invalid")
    problem(post(served, b"", "message/rfc822"), "invalid")
    assert served.size == before


def test_the_same_request_again_is_answered_as_before(served: Served) -> None:
    body, kind = parts()
    first = post(served, body, kind, "again").json()
    size = served.size
    # A client's library makes a new boundary each time; the parts are what counts.
    other, other_kind = parts(boundary="another")
    second = post(served, other, other_kind, "again")
    assert second.status_code == 201
    said = second.json()
    assert served.size == size
    assert said["repeated"] is True and first["repeated"] is False
    for name in ("message", "recipients", "files"):
        assert said[name] == first[name]
    for name in ("log", "seq", "leaf_hash", "entry"):
        assert said["receipt"][name] == first["receipt"][name]
    served.check(said["receipt"])
    # Without a key each request is one of its own.
    assert post(served, body, kind).json()["message"] != first["message"]


@pytest.mark.parametrize("way", ["message", "envelope", "octets alone"])
def test_the_same_key_with_another_request_is_refused(served: Served, way: str) -> None:
    body, kind = parts()
    assert post(served, body, kind, f"reused {way}".replace(" ", "-")).status_code == 201
    before = served.size
    if way == "message":
        body, kind = parts(MAIL + b"one octet more")
    elif way == "envelope":
        body, kind = parts(hosted=["f1"])
    else:
        body, kind = MAIL, "message/rfc822"
    problem(post(served, body, kind, f"reused {way}".replace(" ", "-")), "key-reused")
    assert served.size == before


def test_a_key_is_its_holders_own(served: Served) -> None:
    body, kind = parts()
    mine = post(served, body, kind, "shared-word").json()
    theirs = post(served, body, kind, "shared-word", "ingest").json()
    assert mine["message"] != theirs["message"] and theirs["repeated"] is False
    key, _ = make_key(served.log, "sender")
    headers = {"authorization": f"Bearer {key}", "idempotency-key": "shared-word", "content-type": kind}
    third = httpx.post(f"{served.url}/v1/messages", content=body, headers=headers).json()
    assert third["message"] not in (mine["message"], theirs["message"])


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "caf\xe9", "tab\there"])
def test_a_key_that_is_none_is_refused(served: Served, key: str) -> None:
    before = served.size
    body, kind = parts()
    headers = [(b"content-type", kind.encode()), (b"idempotency-key", key.encode("latin-1"))]
    got = served.as_("sender").post("/v1/messages", content=body, headers=headers)
    problem(got, "bad-request")
    assert served.size == before


def test_two_keys_are_none(served: Served) -> None:
    before = served.size
    body, kind = parts()
    headers = [("content-type", kind), ("idempotency-key", "one"), ("idempotency-key", "two")]
    problem(served.as_("sender").post("/v1/messages", content=body, headers=headers), "bad-request")
    assert served.size == before


def test_the_longest_key_is_taken(served: Served) -> None:
    body, kind = parts()
    assert post(served, body, kind, "x" * 255).json()["repeated"] is False
    assert post(served, body, kind, "x" * 255).json()["repeated"] is True


def test_while_the_first_is_under_way_the_same_key_is_in_flight(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    body, kind = parts()
    held, go_on = threading.Event(), threading.Event()
    settle = Sequencer._settle

    def slowly(self: Any, submissions: Any) -> Any:
        held.set()
        assert go_on.wait(30)
        return settle(self, submissions)

    monkeypatch.setattr(Sequencer, "_settle", slowly)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(lambda: post(served, body, kind, "in-flight"))
        assert held.wait(30)
        try:
            problem(post(served, body, kind, "in-flight"), "in-flight")
        finally:
            go_on.set()
        said = first.result(30).json()
    monkeypatch.undo()
    assert post(served, body, kind, "in-flight").json()["message"] == said["message"]


def test_twenty_at_once_under_one_key_are_one_message(served: Served) -> None:
    body, kind = parts()
    before = served.size
    with ThreadPoolExecutor(20) as pool:
        got = list(pool.map(lambda _: post(served, body, kind, "twenty"), range(20)))
    answered = [one.json()["message"] for one in got if one.status_code == 201]
    assert answered and len(set(answered)) == 1
    for one in got:
        if one.status_code != 201:
            problem(one, "in-flight")
    written = served.log.reader.entries(before, served.size)
    assert [entry.decode(data).kind for data in written].count("message.recorded") == 1


def test_what_comes_after_the_body_is_no_header(served: Served) -> None:
    sent = head(served, "POST /v1/messages HTTP/1.1", Content_Type="message/rfc822", Transfer_Encoding="chunked")
    sent += f"{len(MAIL):x}\r\n".encode() + MAIL + b"\r\n0\r\nIdempotency-Key: trailer\r\n\r\n"
    got = [say(served, sent) for _ in range(2)]
    assert [one is not None and json.loads(one.body)["repeated"] for one in got] == [False, False]
