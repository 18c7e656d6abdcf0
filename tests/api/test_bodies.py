"""JSON that everybody reads alike, or none; content types that are taken, or none."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import bodies
from api.errors import Problem
from tests.api.serving import MAIL, Served, check_problem
from tests.api.wire import Said, Wire, head, say

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES, st.booleans())
def test_json_is_read_as_it_was_meant(value: Any, ascii_: bool) -> None:
    assert bodies.loads(json.dumps(value, ensure_ascii=ascii_).encode()) == value


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_whatever_comes_it_is_read_or_refused(octets: bytes) -> None:
    with suppress(Problem):
        assert bodies.loads(octets) == json.loads(octets)


@pytest.mark.parametrize("depth", [bodies.DEPTH, bodies.DEPTH + 1])
def test_as_deep_as_it_may_be(depth: int) -> None:
    octets = b"[" * (depth + 1) + b"]" * (depth + 1)
    if depth <= bodies.DEPTH:
        bodies.loads(octets)
    else:
        with pytest.raises(Problem):
            bodies.loads(octets)


# Over HTTP

on_sqlite = pytest.mark.parametrize("any_database", ["sqlite"], indirect=True, scope="module")


@pytest.fixture(scope="module")
def message(served: Served) -> str:
    said: str = served.record()["message"]
    return said


@pytest.fixture
def unchanged(served: Served, message: str) -> Iterator[Served]:
    """The service; whatever a test sends, its ledger is as it was, and a good request passes afterwards."""
    before = served.size
    yield served
    assert served.size == before
    served.check_well()


def refused(said: Said | None, name: str) -> None:
    assert said is not None, "hung up without an answer"
    check_problem(said.status, said.headers, said.body, name)


DEEP = 10_000
JSON: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"kind=message.opened",
    "cut": b'{"kind": "message.opened"',
    "more after the end": b'{"kind": "message.opened"} {}',
    "not UTF-8": b'{"kind": "message.opened\xff"}',
    "UTF-16": '{"kind": "message.opened"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"kind": "message.opened"}',
    "a member twice": b'{"kind": "message.opened", "kind": "link.opened"}',
    "a member twice, spelled in two ways": b'{"kind": "message.opened", "k\\u0069nd": "link.opened"}',
    "a member twice, inside": b'{"kind": "message.opened", "details": {"a": 1, "a": 2}}',
    "arrays without end": b'{"kind": "message.opened", "details": {"a": ' + b"[" * DEEP + b"]" * DEEP + b"}}",
    "objects without end": b'{"kind": "message.opened", "details": ' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}",
    "forty arrays": b'{"kind": "message.opened", "details": {"a": ' + b"[" * 40 + b"]" * 40 + b"}}",
    "NaN": b'{"kind": "message.opened", "details": {"a": NaN}}',
    "Infinity": b'{"kind": "message.opened", "details": {"a": Infinity}}',
    "-Infinity": b'{"kind": "message.opened", "details": {"a": -Infinity}}',
    "1e400": b'{"kind": "message.opened", "details": {"a": 1e400}}',
    "ten thousand digits": b'{"kind": "message.opened", "details": {"a": ' + b"9" * 10_000 + b"}}",
    "a lone surrogate": b'{"kind": "message.opened", "details": {"a": "\\ud800"}}',
    "a lone surrogate, in UTF-8": b'{"kind": "message.opened", "details": {"a": "\xed\xa0\x80"}}',
    "surrogates in the wrong order": b'{"kind": "message.opened", "details": {"a": "\\udc00\\ud800"}}',
    "a lone surrogate for a name": b'{"kind": "message.opened", "\\uD800": 1}',
    "a comment": b'{"kind": "message.opened" /* so */}',
    "a line end in a string": b'{"kind": "message.opened", "details": {"a": "\n"}}',
    "a NUL": b'{"kind": "message.opened"}\x00',
}


@on_sqlite
@pytest.mark.parametrize("path", ["messages/{}/events", "messages/{}/blocks", "messages"])
@pytest.mark.parametrize("body", JSON.values(), ids=JSON)
def test_broken_json(unchanged: Served, message: str, path: str, body: bytes) -> None:
    got = unchanged.as_("admin").post(
        "/v1/" + path.format(message), content=body, headers={"content-type": "application/json"}
    )
    check_problem(got.status_code, got.headers, got.content, "bad-request")


FLAT: dict[str, bytes] = {
    "1e2": b'{"kind": "relay.accepted", "facts": {"code": 1e2}}',
    "a number beyond 2^53": b'{"kind": "relay.accepted", "facts": {"code": 9007199254740993}}',
    "a very small number": b'{"kind": "message.opened", "details": {"a": 1e-400}}',
    "a string": b'"message.opened"',
    "an array": b"[]",
    "null": b"null",
}


@on_sqlite
@pytest.mark.parametrize("body", FLAT.values(), ids=FLAT)
def test_json_that_is_no_event(unchanged: Served, message: str, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    got = unchanged.as_("admin").post(f"/v1/messages/{message}/events", content=body, headers=headers)
    check_problem(got.status_code, got.headers, got.content, "invalid")


@on_sqlite
@pytest.mark.parametrize(
    "kind", ["", "text/json", "application/jsonx", "application/x-www-form-urlencoded", "*/*", "\xff"]
)
def test_wrong_content_types(unchanged: Served, message: str, kind: str) -> None:
    for path, body in ((f"/v1/messages/{message}/events", b'{"kind": "message.opened"}'), ("/v1/messages", MAIL)):
        length = f"{len(body)}"
        sent = head(unchanged, f"POST {path} HTTP/1.1", "admin", Content_Type=kind, Content_Length=length) + body
        refused(say(unchanged, sent), "unsupported-media-type")


@on_sqlite
@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "gzip, identity", "x"])
def test_what_is_compressed_is_not_hashed_as_it_came(unchanged: Served, message: str, coding: str) -> None:
    for path, kind in (
        ("messages", "message/rfc822"),
        (f"messages/{message}/events", "application/json"),
        ("verify", "application/octet-stream"),
        *([("events", "application/x-ndjson")] if coding != "gzip" else []),
    ):
        headers = {"content-type": kind, "content-encoding": coding}
        got = unchanged.as_("admin").post(f"/v1/{path}", content=MAIL, headers=headers)
        check_problem(got.status_code, got.headers, got.content, "unsupported-media-type")


@on_sqlite
def test_unfinished_bodies_are_not_kept_without_end(unchanged: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = unchanged.service.settings.message_bytes
    monkeypatch.setattr(bodies, "HELD", 0)
    top = head(unchanged, "POST /v1/verify HTTP/1.1", "sender", Content_Length=f"{limit}")
    top = b"\r\n".join(line for line in top.split(b"\r\n") if not line.lower().startswith(b"authorization"))
    some = b"x" * (limit * 3 // 4)
    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(unchanged)) for _ in range(3)]
        for wire in wires[:2]:
            assert wire.send(top + some)
        while unchanged.service.held[False] < 2 * len(some):
            time.sleep(0.01)
        # Two may be half here; one more is told to come back.
        wires[2].send(top + some)
        refused(wires[2].answer(), "unavailable")
        # Who has a key has room of his own.
        got = unchanged.as_("sender").post("/v1/verify", content=some, headers={"content-type": "text/plain"})
        assert got.status_code == 200
        assert wires[0].send(b"x" * (limit - len(some)))
        said = wires[0].answer()
        assert said is not None and said.status == 200
    while any(unchanged.service.held.values()):
        time.sleep(0.01)
