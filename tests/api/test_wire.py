"""What is not HTTP, or is HTTP that nobody should send: its own problem, or a connection closed, never a guess."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator

import pytest

from ledger.ids import uuid7
from tests.api.serving import Served, check_problem
from tests.api.wire import Wire, head, say

pytestmark = pytest.mark.parametrize("any_database", ["sqlite"], indirect=True, scope="module")
NOBODY = uuid7(1_780_000_000_000_000, bytes(10))


@pytest.fixture(autouse=True)
def _nothing_recorded(served: Served) -> Iterator[None]:
    before = served.size
    yield
    assert served.size == before
    served.check_well()


GARBAGE: dict[str, bytes] = {
    "noise": bytes(range(256)),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,
    "SMTP": b"EHLO mail.example\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /healthz\r\n\r\n",
    "HTTP/3.7": b"GET /healthz HTTP/3.7\r\nHost: x\r\n\r\n",
    "no version": b"GET /healthz HTTP\r\n\r\n",
    "a method unknown": b"FETCH /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "no target": b"GET  HTTP/1.1\r\nHost: x\r\n\r\n",
    "a relative target": b"GET healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "a tunnel": b"CONNECT mail.example:25 HTTP/1.1\r\nHost: mail.example:25\r\n\r\n",
    "a space in the target": b"GET /health z HTTP/1.1\r\nHost: x\r\n\r\n",
    "a NUL in the target": b"GET /health\x00z HTTP/1.1\r\nHost: x\r\n\r\n",
    "raw octets in the target": b"GET /caf\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a header without a colon": b"GET /healthz HTTP/1.1\r\nHost x\r\n\r\n",
    "a header without a name": b"GET /healthz HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n",
    "a space before the colon": b"GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n",
    "a folded header": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c\r\n\r\n",
    "a NUL in a header": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: b\x00c\r\n\r\n",
    "a bare CR in a header": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: b\rX-B: c\r\n\r\n",
    "a length that is none": b"POST /v1/verify HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
    "a length below nothing": b"POST /v1/verify HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "a length with a sign": b"POST /v1/verify HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\nx",
    "a length of thirty digits": b"POST /v1/verify HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 30 + b"\r\n\r\n",
    "two lengths": b"POST /v1/verify HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /healthz HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
    "two hosts in HTTP/1.0": b"GET /healthz HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n",
    "a host that is none": b"GET /healthz HTTP/1.1\r\nHost: x y\r\n\r\n",
    "a host with a path": b"GET /healthz HTTP/1.1\r\nHost: x/y\r\n\r\n",
    "a length and chunks": (
        b"POST /v1/verify HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"1\r\nx\r\n0\r\n\r\n"
    ),
    "a coding unknown": b"POST /v1/verify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\nx",
    "chunked twice": b"POST /v1/verify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n1\r\nx\r\n",
    "chunked after gzip": (
        b"POST /v1/verify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
    ),
    "chunked after gzip, in two fields": (
        b"POST /v1/verify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"1\r\nx\r\n0\r\n\r\n"
    ),
    "chunked and chunked": (
        b"POST /v1/verify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
    ),
    "no coding": b"POST /v1/verify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\nContent-Length: 1\r\n\r\nx",
    "an empty coding": b"POST /v1/verify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\nContent-Length: 1\r\n\r\nx",
    "chunks in HTTP/1.0": (
        b"POST /v1/verify HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
    ),
    "a coding unknown, and an offer": (
        b"POST /v1/verify HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
        b"Transfer-Encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
    ),
    "a chunk without a size": b"POST /v1/verify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a chunk of 2^70": b"POST /v1/verify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"f" * 18
    + b"\r\n",
    "a chunk longer than it said": (
        b"POST /v1/verify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxyz\r\n0\r\n\r\n"
    ),
}


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE)
def test_what_is_not_http_is_refused(served: Served, data: bytes) -> None:
    said = say(served, data)
    assert said is not None
    check_problem(said.status, said.headers, said.body, "bad-request")
    assert said.closed and said.headers["x-content-type-options"] == "nosniff"


def test_garbage_after_a_request_does_not_stand_in_for_its_answer(served: Served) -> None:
    # The first request may be recorded: whoever reads 400 for it would be told wrong.
    body = b"x" * 1000
    good = head(served, "POST /v1/verify HTTP/1.1", None, Content_Length=f"{len(body)}") + body
    with Wire(served) as wire:
        wire.send(good + b"\x00\x01\x02 garbage\r\n\r\n")
        said = wire.answer()
        assert said is None or said.status == 200


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "POST"])
def test_an_asterisk_is_no_resource_of_ours(served: Served, method: str) -> None:
    said = say(served, head(served, f"{method} * HTTP/1.1"))
    assert said is not None
    check_problem(said.status, said.headers, said.body, "not-found")


@pytest.mark.parametrize("target", ["http://x/healthz", "http://other.example:99/healthz"])
def test_the_absolute_form_is_understood(served: Served, target: str) -> None:
    said = say(served, f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert said is not None and said.status == 200


def test_http_1_0_is_answered_and_closed(served: Served) -> None:
    said = say(served, b"GET /healthz HTTP/1.0\r\n\r\n")
    assert said is not None and said.status == 200 and said.closed


OFFERS = ("h2c", "websocket", "TLS/1.2")


def offer(served: Served, line: str, protocol: str = "h2c", **fields: str) -> bytes:
    """As curl --http2 and Java's HttpClient ask where there is no TLS."""
    said = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": protocol, "HTTP2-Settings": "AAMAAABkAAQAoAAAAAIAAAAA"}
    return head(served, line, "sender", **said, **fields)


@pytest.mark.parametrize("protocol", OFFERS)
def test_no_other_protocol_is_spoken(served: Served, protocol: str) -> None:
    # The offer is passed over (RFC 9110, 7.8): the connection goes on as HTTP/1.1, and does not fall silent.
    with Wire(served, 5) as wire:
        wire.send(offer(served, "GET /healthz HTTP/1.1", protocol) * 2 + head(served, "GET /nowhere HTTP/1.1"))
        got = [wire.answer() for _ in range(3)]
        assert [said.status for said in got if said is not None] == [200, 200, 404]
        wire.send(head(served, "GET /healthz HTTP/1.1", None))
        said = wire.answer()
        assert said is not None and said.status == 200


EVENT = b'{"kind":"no kind of ours","line":"that is refused"}\n'


@pytest.mark.parametrize("chunked", [False, True], ids=["whole", "chunked"])
@pytest.mark.parametrize("cut", [1, 60, 5000], ids=["octets", "pieces", "at once"])
@pytest.mark.parametrize("body", [EVENT * 3, b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"], ids=["lines", "a request"])
def test_an_offer_loses_no_body(served: Served, body: bytes, cut: int, chunked: bool) -> None:
    fields = {"Transfer_Encoding": "chunked"} if chunked else {"Content_Length": f"{len(body)}"}
    coded = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if chunked else body
    said = []
    with Wire(served, 5) as plain:
        plain.send(head(served, "POST /v1/events HTTP/1.1", Content_Type="application/x-ndjson", **fields) + coded)
        said.append(lines(plain))
    with Wire(served, 5) as wire:
        sent = offer(served, "POST /v1/events HTTP/1.1", Content_Type="application/x-ndjson", **fields) + coded
        wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(sent), cut):
            wire.send(sent[at : at + cut])
        said.append(lines(wire))
        # What the body says is not another request.
        wire.send(head(served, "GET /healthz HTTP/1.1", None))
        after = wire.answer()
        assert after is not None and after.status == 200
    assert said[0] and said[0] == said[1]


@pytest.mark.parametrize("where", ["head", "trailers", "both"])
def test_an_offer_in_trailers_is_none(served: Served, where: str) -> None:
    offered = b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
    start = b"POST /v1/verify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
    start += offered if where != "trailers" else b"Connection: Upgrade\r\n"
    sent = start + b"\r\n1\r\nx\r\n0\r\n" + (offered if where != "head" else b"") + b"\r\n"
    for pieces in ([sent + head(served, "GET /nowhere HTTP/1.1")], [sent, head(served, "GET /nowhere HTTP/1.1")]):
        with Wire(served, 5) as wire:
            for piece in pieces:
                wire.send(piece)
                time.sleep(0.05)
            got = [wire.answer(), wire.answer()]
            assert [said.status for said in got if said is not None] == [200, 404]
            time.sleep(0.05)
            # Neither was answered twice.
            wire.send(head(served, "GET /healthz HTTP/1.1"))
            said = wire.answer()
            assert said is not None and said.body == b'{"status":"ok"}'


def test_a_thousand_offers_in_one_piece(served: Served) -> None:
    with Wire(served) as wire:
        wire.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" * 1000)
        for _ in range(1000):
            said = wire.answer()
            assert said is not None and said.status == 200


def lines(wire: Wire) -> list[bytes]:
    """What is answered to the lines of events; the checkpoint after them is another each time."""
    return wire.chunks().splitlines()[:-1]


@pytest.mark.parametrize("target", ["mail.example:25", "x:80", "127.0.0.1:80"])
def test_a_tunnel_is_refused_before_its_body(served: Served, target: str) -> None:
    inner = head(served, "GET /healthz HTTP/1.1", None)
    with Wire(served, 5) as wire:
        wire.send(head(served, f"CONNECT {target} HTTP/1.1", Content_Length=f"{len(inner)}") + inner)
        said = wire.answer()
        assert said is not None
        check_problem(said.status, said.headers, said.body, "bad-request")
        assert said.closed


@pytest.mark.parametrize("method", ["DELETE", "HEAD", "OPTIONS", "PATCH", "PUT", "TRACE", "PROPFIND", "QUERY"])
@pytest.mark.parametrize("path", ["/healthz", "/v1/logs", "/v1/messages", f"/v1/messages/{NOBODY}/events"])
def test_methods_that_a_resource_does_not_know(served: Served, method: str, path: str) -> None:
    said = say(served, head(served, f"{method} {path} HTTP/1.1", "admin"), head=method == "HEAD")
    assert said is not None and said.status == 405
    assert said.headers["allow"] in ("GET", "POST", "GET, POST", "POST, GET")
    assert said.headers["content-type"] == "application/problem+json"
    if method != "HEAD":
        check_problem(said.status, said.headers, said.body, "method-not-allowed")


def paths(served: Served) -> dict[str, str]:
    log = f"/v1/logs/{served.log.id}"
    return {
        "nowhere": "/nowhere",
        "an empty segment": "//v1/logs",
        "a slash at the end": "/v1/logs/",
        "another case": "/V1/logs",
        "up": "/v1/../v1/logs/x/y",
        "up, encoded": "/v1/%2e%2e/%2e%2e/etc/passwd",
        "a slash, encoded": "/v1%2flogs%2f",
        "up in a tile": f"{log}/tile/entries/%2e%2e/%2e%2e/checkpoint",
        "a tile's slash, encoded": f"{log}/tile/0/000.p%2f1/",
        "a tile misspelt": f"{log}/tile/0/0",
        "a tile's group of zeros": f"{log}/tile/0/x000/000",
        "a tile of another width": f"{log}/tile/0/000.p/256",
        "a tile's sign": f"{log}/tile/0/-01",
        "a tile's other digits": f"{log}/tile/0/%d9%a0%d9%a0%d9%a0",
        "a level beyond": f"{log}/tile/64/000",
        "a NUL": f"{log}/tile/0/000%00",
        "a line end": f"{log}/tile/0/000%0d%0aX:%20y",
        "no UTF-8": "/v1/logs/%ff%fe",
        "half an escape": "/v1/logs/%zz%",
        "very long": "/" + "a" * 20_000,
        "no log": f"/v1/logs/{NOBODY}/checkpoint",
        "a log in capitals": f"/v1/logs/{served.log.id.upper()}/checkpoint",
        "an entry's number signed": f"{log}/entries/+1",
        "an entry's number padded": f"{log}/entries/01.0",
        "an entry beyond": f"{log}/entries/9007199254740992",
        "an entry far beyond": f"{log}/entries/{'9' * 5000}",
        "an entry below": f"{log}/entries/-1",
        "an old size beyond": f"{log}/proofs/consistency?old=1&new=9007199254740992",
        "an old size above the new": f"{log}/proofs/consistency?old=3&new=2",
        "no old size": f"{log}/proofs/consistency",
        "an old size in words": f"{log}/proofs/consistency?old=two",
    }


def test_tricks_with_paths(served: Served) -> None:
    for name, path in paths(served).items():
        said = say(served, head(served, f"GET {path} HTTP/1.1", "admin"))
        assert said is not None, name
        assert said.status in (400, 404, 422), (name, said)
        kind = {400: "bad-request", 404: "not-found", 422: "invalid"}[said.status]
        check_problem(said.status, said.headers, said.body, kind)
        # Nothing of what a stranger wrote comes back as anything but one line of JSON.
        assert b"<" not in said.body and b"X: y" not in said.body, name
        assert "x" not in said.headers


def test_a_path_is_not_spelled_in_two_ways(served: Served) -> None:
    for path in ("/v1/log%73", "/%76%31/logs"):
        said = say(served, head(served, f"GET {path} HTTP/1.1"))
        # RFC 3986 has them equivalent; what counts is that no check is passed by.
        assert said is not None and said.status in (200, 404)


def test_requests_in_one_piece_are_answered_in_order(served: Served) -> None:
    with Wire(served) as wire:
        wire.send(b"".join(head(served, f"GET {path} HTTP/1.1", None) for path in ("/healthz", "/nowhere", "/v1/logs")))
        got = [wire.answer() for _ in range(3)]
    assert [said.status for said in got if said is not None] == [200, 404, 200]


def test_a_client_that_leaves_is_no_defect(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    for path, kind in (
        ("/v1/messages", "message/rfc822"),
        ("/v1/events", "application/x-ndjson"),
        ("/v1/verify", "x/y"),
    ):
        with Wire(served) as wire:
            wire.send(head(served, f"POST {path} HTTP/1.1", "admin", Content_Type=kind, Content_Length="100") + b"x")
            time.sleep(0.1)
    time.sleep(0.2)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_a_client_that_leaves_while_it_is_answered_is_no_defect(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    length = {"Content_Type": "application/x-ndjson", "Content_Length": f"{len(EVENT) * 50}"}
    asked = {
        "one": head(served, "GET /openapi.json HTTP/1.1"),
        "many": head(served, "GET /openapi.json HTTP/1.1") * 40,
        "lines": (head(served, "POST /v1/events HTTP/1.1", **length) + EVENT * 50) * 5,
        "a lane": head(served, f"GET /v1/logs/{served.log.id}/checkpoint HTTP/1.1") * 40,
        "many, and one that stops": head(served, "GET /openapi.json HTTP/1.1") * 40 + b"GET / HT",
    }
    for sent in asked.values():
        for wait in (0, 0.005, 0.02, 0.1):
            wire = Wire(served, window=4096)
            wire.send(sent)
            time.sleep(wait)
            wire.cut()
    time.sleep(0.5)
    assert [(record.name, record.getMessage()) for record in caplog.records if record.levelno >= logging.WARNING] == []
