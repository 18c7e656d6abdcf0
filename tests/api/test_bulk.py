"""Many events as newline-delimited JSON: line by line, in order, and once, however often it is sent."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api.routes import events
from ledger import entry
from ledger.ids import uuid7
from tests.api.serving import Served, problem

NDJSON = "application/x-ndjson"
NOBODY = uuid7(1_780_000_000_000_000, bytes(10))


@pytest.fixture(scope="module")
def message(served: Served) -> str:
    said: str = served.record()["message"]
    return said


def line(message: str, id: str | None = None, **more: Any) -> bytes:
    said = {"message": message, "kind": "message.opened", "recipient": "r1"} | ({} if id is None else {"id": id}) | more
    return json.dumps(said).encode() + b"\n"


def send(served: Served, body: Any, key: str | None = None, kind: str = NDJSON) -> httpx.Response:
    headers = {"content-type": kind} | ({} if key is None else {"idempotency-key": key})
    return served.as_("ingest").post("/v1/events", content=body, headers=headers)


def told(got: httpx.Response) -> tuple[list[Any], Any]:
    """What was answered to each line, and the last line's checkpoint."""
    assert got.status_code == 200, got.text
    assert got.headers["content-type"] == NDJSON
    *lines, last = [json.loads(one) for one in got.content.split(b"\n")[:-1]]
    assert set(last) == {"checkpoint"}
    return lines, last["checkpoint"]


def opened(served: Served, message: str) -> int:
    """How many events the ledger holds of the message's first recipient."""
    chain = served.log.reader.chain(served.log.recipients(message)[0].chain)
    assert chain is not None
    return chain.n - 1


def test_each_line_is_answered_in_order(served: Served, message: str) -> None:
    other = served.record()["message"]
    body = line(message, "a") + line(other, "b", recipient="r2") + line(message, "c", recipient="r3")
    body += line(message, recipient="bob@one.example")
    lines, note = told(send(served, body))
    assert [one.get("id") for one in lines] == ["a", "b", "c", None]
    assert [set(one) - {"id"} for one in lines] == [{"seq", "leaf_hash", "repeated"}] * 4
    seqs = [one["seq"] for one in lines]
    assert seqs == list(range(seqs[0], seqs[0] + 4))
    state = served.open(note)
    assert state.size > seqs[-1]
    # The checkpoint proves each of them, by the read paths alone.
    for one in lines:
        got = served.as_("auditor").get(f"/v1/logs/{served.log.id}/entries/{one['seq']}").json()
        assert got["leaf_hash"] == one["leaf_hash"]
    chains = [one.chain for one in served.log.recipients(message)]
    assert entry.decode(served.log.reader.entry(seqs[2]) or b"").chain == chains[2]
    assert entry.decode(served.log.reader.entry(seqs[3]) or b"").chain == chains[0]


def test_lines_that_are_refused_do_not_touch_the_others(served: Served, message: str) -> None:
    before = served.size
    bad = [
        (b"\n", "bad-request"),
        (b"   \n", "bad-request"),
        (b"{\n", "bad-request"),
        (b"\xff\n", "bad-request"),
        (b'{"kind":"message.opened","kind":"message.opened"}\n', "bad-request"),
        (b'{"message": NaN}\n', "bad-request"),
        (b"[" * 5000 + b"\n", "bad-request"),
        (b"[]\n", "invalid"),
        (b"null\n", "invalid"),
        (line(message, "misspelt", kind="message.eaten"), "invalid"),
        (line(message, "no-recipient", recipient="r9"), "not-found"),
        (line(NOBODY, "no-message"), "not-found"),
        (line(message, "no-address", recipient="who@one.example"), "not-found"),
        (line(message, "its-own-voice", source="system"), "invalid"),
        (line(message, "a-claim", facts={"attestation": "A"}), "invalid"),
        (line(message, "long", details={"words": "x" * events.LINE_LIMIT}), "too-large"),
    ]
    body = b"".join(line(message, f"good-{k}") + one for k, (one, _) in enumerate(bad)) + line(message, "last")
    lines, _ = told(send(served, body))
    assert len(lines) == 2 * len(bad) + 1
    assert [one["id"] for one in lines[::2]] == [*(f"good-{k}" for k in range(len(bad))), "last"]
    assert all("seq" in one and "problem" not in one for one in lines[::2])
    for one, (sent, name) in zip(lines[1::2], bad, strict=True):
        assert one["problem"]["type"] == f"urn:postseal:problem:{name}", (sent[:80], one)
        assert "seq" not in one and "who" not in one["problem"]["detail"].split()
    assert served.size == before + len(bad) + 1


def test_a_line_too_long_is_refused_alone_wherever_it_is_cut(served: Served, message: str) -> None:
    long = line(message, "long", details={"words": "x" * 3 * events.LINE_LIMIT})

    def pieces() -> Iterator[bytes]:
        body = line(message, "before") + long + line(message, "after")
        for start in range(0, len(body), 7001):
            yield body[start : start + 7001]

    lines, _ = told(send(served, pieces()))
    assert [("seq" in one, "problem" in one) for one in lines] == [(True, False), (False, True), (True, False)]
    assert lines[1]["problem"]["type"].endswith(":too-large") and lines[2]["id"] == "after"


def test_line_ends_are_what_ndjson_says(served: Served, message: str) -> None:
    # CR is white space to JSON; U+2028 and U+0085 end no line; the last line end may be missing.
    body = line(message, "cr").replace(b"\n", b"\r\n")
    body += line(message, details={"words": "one\u2028two\u0085three"}) + line(message, "last").rstrip(b"\n")
    lines, _ = told(send(served, body))
    assert len(lines) == 3 and all("seq" in one for one in lines)


def test_nothing_but_a_checkpoint_answers_no_lines(served: Served) -> None:
    before = served.size
    lines, note = told(send(served, b""))
    # Not of this very moment: readers do not tax the database.
    assert lines == [] and served.open(note).size <= before
    lines, note = told(send(served, b"{\n"))
    assert len(lines) == 1 and served.open(note).size <= before and served.size == before


def test_a_denial_is_answered_in_its_place(served: Served) -> None:
    message = served.record()["message"]
    served.as_("sender").post(f"/v1/messages/{message}/blocks", json={"scope": "file", "file": "f1"})
    fetch = line(message, "denied", kind="download.started", file="f1")
    lines, _ = told(send(served, line(message, "one") + fetch + line(message, "two"), "denied"))
    assert [one["id"] for one in lines] == ["one", "denied", "two"]
    assert lines[1]["problem"]["type"].endswith(":blocked")
    made = entry.decode(served.log.reader.entry(lines[1]["seq"]) or b"")
    assert made.kind == "access.denied"
    again, _ = told(send(served, line(message, "one") + fetch + line(message, "two"), "denied"))
    assert [one["seq"] for one in again] == [one["seq"] for one in lines]
    assert again[1]["problem"]["type"].endswith(":blocked")


def test_a_whole_request_sent_again_is_recorded_once(served: Served, message: str) -> None:
    body = b"".join(line(message, f"{k}") for k in range(1200)) + b"{\n"
    first, _ = told(send(served, body, "whole"))
    size = served.size
    again, note = told(send(served, body, "whole"))
    assert served.size == size == served.open(note).size
    assert [one["repeated"] for one in again[:-1]] == [True] * 1200
    assert [(one["id"], one["seq"], one["leaf_hash"]) for one in again[:-1]] == [
        (one["id"], one["seq"], one["leaf_hash"]) for one in first[:-1]
    ]
    # Another line in the same place is another request.
    changed = body.replace(b'"id": "7"', b'"id": "seven"')
    lines, _ = told(send(served, changed, "whole"))
    assert lines[7]["problem"]["type"].endswith(":key-reused") and lines[8]["repeated"] is True
    assert served.size == size
    # Another credential's key is another key.
    other = served.as_("sender").post(
        "/v1/events", content=body, headers={"content-type": NDJSON, "idempotency-key": "whole"}
    )
    assert told(other)[0][0]["repeated"] is False


def test_twice_the_same_line_is_two_events_unless_the_source_says_so(served: Served, message: str) -> None:
    twice = [line(message, source="webhook", event_key="evt-2")] * 2 + [line(message)] * 2
    lines, _ = told(send(served, b"".join(twice)))
    assert [one["repeated"] for one in lines] == [False, True, False, False]
    assert lines[0]["seq"] == lines[1]["seq"] and lines[2]["seq"] != lines[3]["seq"]


def test_a_client_that_stops_half_way_loses_nothing_that_he_cannot_repeat(served: Served) -> None:
    message = served.record()["message"]
    rows = [line(message, f"{k}") for k in range(3000)]
    half = b"".join(rows[:1800]) + rows[1800][:40]
    head = f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {served.keys['ingest']}\r\n"
    head += f"Content-Type: {NDJSON}\r\nIdempotency-Key: half\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(served.address) as connection:
        connection.sendall(head.encode() + f"{len(half):x}\r\n".encode() + half + b"\r\n")
        until(lambda: opened(served, message) >= 1000)
    time.sleep(0.1)
    stopped = opened(served, message)
    assert 1000 <= stopped <= 1800
    served.check_well()
    again, _ = told(send(served, b"".join(rows), "half"))
    assert [one["repeated"] for one in again] == [True] * stopped + [False] * (3000 - stopped)
    assert opened(served, message) == 3000
    assert [one["id"] for one in again] == [f"{k}" for k in range(3000)]


def until(holds: Any, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_only_ndjson_is_taken(served: Served, message: str) -> None:
    before = served.size
    for kind in ("application/json", "text/plain", "application/x-ndjson-ish", ""):
        problem(send(served, line(message), kind=kind), "unsupported-media-type")
    assert served.size == before
    told(send(served, line(message), kind="application/X-NDJSON; charset=utf-8"))


def test_more_lines_than_a_request_may_have(served: Served, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "LINES", 5)
    assert len(told(send(served, line(message) * 5))[0]) == 5
    problem(send(served, line(message) * 6), "too-large")
    monkeypatch.setattr(events, "BODY_LIMIT", 10_000)
    problem(send(served, b"x" * 10_001), "too-large")
    problem(send(served, iter([b"x" * 6_000] * 2)), "too-large")
    served.check_well()


def packed(served: Served, body: bytes, key: str | None = None) -> httpx.Response:
    headers = {"content-type": NDJSON, "content-encoding": "gzip"} | ({} if key is None else {"idempotency-key": key})
    return served.as_("ingest").post("/v1/events", content=body, headers=headers)


def test_a_body_may_come_as_gzip(served: Served, message: str) -> None:
    rows = [line(message, f"z{k}", details={"words": "again and again " * 50}) for k in range(1200)]
    half = len(rows) // 2
    # In two members, as tools that compress in parallel write them.
    body = gzip.compress(b"".join(rows[:half])) + gzip.compress(b"".join(rows[half:]))
    lines, _ = told(packed(served, body))
    assert [one["id"] for one in lines] == [f"z{k}" for k in range(1200)] and all("seq" in one for one in lines)


@pytest.mark.parametrize("number", range(4))
def test_what_is_no_gzip_is_refused_and_nothing_recorded(served: Served, number: int) -> None:
    whole = gzip.compress(b"{}\n" * 100)
    body = (b"", b"{}\n", whole[:-9], whole + b"more")[number]
    before = served.size
    problem(packed(served, body), "bad-request")
    assert served.size == before


def test_lines_before_a_broken_body_are_answered(served: Served, message: str) -> None:
    rows = [line(message, f"b{k}", details={"words": f"{k}" * 40}) for k in range(3 * events.BATCH)]
    body = gzip.compress(b"".join(rows))
    before = served.size
    lines, note = told(packed(served, body[: len(body) * 9 // 10], "broken-body"))
    *answered, last = lines
    assert set(last) == {"problem"} and "gzip" in last["problem"]["detail"]
    assert len(answered) == served.size - before >= events.BATCH and served.open(note).size == served.size
    # Sent again, whole, under the same key: each line once.
    lines, _ = told(packed(served, body, "broken-body"))
    assert [one["repeated"] for one in lines] == [True] * len(answered) + [False] * (len(rows) - len(answered))
    assert served.size == before + len(rows)


def test_a_bomb_ends_at_the_limit(served: Served, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "BODY_LIMIT", 1 << 20)
    before = served.size
    bomb = gzip.compress(b" " * (200 << 20))
    assert len(bomb) < 1 << 18
    problem(packed(served, bomb), "too-large")
    assert served.size == before


def test_a_line_that_is_refused_comes_back_under_its_name(served: Served, message: str) -> None:
    body = line(message, "a", kind="no.such") + line("zzz", "b") + line(message, "c", facts=7) + b'{"id": 7}\n[]\n'
    lines, _ = told(send(served, body))
    assert [one.get("id") for one in lines] == ["a", "b", "c", None, None]
    assert all(one["problem"]["status"] == 422 for one in lines)
