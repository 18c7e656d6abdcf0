"""Requests that no honest client makes: each refused with its own problem, nothing recorded, the service well."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from api import server
from tests.api.serving import Served, check_problem, parts
from tests.api.wire import Said, Wire, head, say

# What is refused here is refused before there is a database to it.
pytestmark = pytest.mark.parametrize("any_database", ["sqlite"], indirect=True, scope="module")


@pytest.fixture(autouse=True)
def _nothing_recorded(served: Served) -> Iterator[None]:
    """Whatever a test sends, the ledger is as it was, and a good request passes afterwards."""
    before = served.size
    yield
    assert served.size == before
    served.check_well()


def refused(said: Said | None, name: str) -> Said:
    assert said is not None, "hung up without an answer"
    check_problem(said.status, said.headers, said.body, name)
    return said


# Slow


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "IDLE_SECONDS", 0.4)
    monkeypatch.setattr(server, "LINGER_SECONDS", 0.2)


@pytest.mark.usefixtures("hasty")
def test_a_request_that_never_comes(served: Served) -> None:
    with Wire(served) as wire:
        assert refused(wire.answer(), "timeout").closed


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("sent", ["GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ", "G", "GET /healthz HTTP/1.1\r\n"])
def test_a_head_that_stops(served: Served, sent: str) -> None:
    with Wire(served) as wire:
        wire.send(sent.encode())
        assert refused(wire.answer(), "timeout").closed


@pytest.mark.usefixtures("hasty")
def test_a_head_that_drips(served: Served) -> None:
    # An octet now and then keeps no connection open.
    with Wire(served) as wire:
        start = time.monotonic()
        dripping = _drip(wire, b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 1000)
        refused(wire.answer(), "timeout")
        assert time.monotonic() - start < 4
        dripping.join()


@pytest.mark.usefixtures("hasty")
def test_a_body_that_stops(served: Served) -> None:
    body, kind = parts()
    for length in (f"{len(body)}", None):
        more = {"Transfer_Encoding": "chunked"} if length is None else {"Content_Length": length}
        with Wire(served) as wire:
            wire.send(head(served, "POST /v1/messages HTTP/1.1", Content_Type=kind, **more) + b"100\r\n" + body[:100])
            assert refused(wire.answer(), "timeout").closed


@pytest.mark.usefixtures("hasty")
def test_a_body_that_drips(served: Served) -> None:
    with Wire(served) as wire:
        wire.send(head(served, "POST /v1/messages HTTP/1.1", Content_Type="message/rfc822", Content_Length="4000"))
        start = time.monotonic()
        dripping = _drip(wire, b"Subject: a\r\n\r\n" + b"a" * 3900)
        refused(wire.answer(), "timeout")
        assert time.monotonic() - start < 4
        dripping.join()


def _drip(wire: Wire, data: bytes) -> threading.Thread:
    def drip() -> None:
        for at in range(len(data)):
            if not wire.send(data[at : at + 1]):
                return
            time.sleep(0.05)

    thread = threading.Thread(target=drip)
    thread.start()
    return thread


@pytest.mark.usefixtures("hasty")
def test_a_body_that_is_slow_but_comes(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "BODY_RATE", 100)
    octets = b"nothing that could be recorded " * 10
    with Wire(served) as wire:
        length = f"{len(octets)}"
        wire.send(head(served, "POST /v1/verify HTTP/1.1", None, Content_Length=length))
        for at in range(0, len(octets), 31):
            wire.send(octets[at : at + 31])
            time.sleep(0.15)
        said = wire.answer()
    assert said is not None and said.status == 200


@pytest.mark.usefixtures("hasty")
def test_two_hundred_slow_clients_keep_nobody_waiting(served: Served) -> None:
    wires = [Wire(served) for _ in range(200)]
    for wire in wires:
        wire.send(b"POST /v1/messages HTTP/1.1\r\nHost: x\r\n")
    start = time.monotonic()
    assert served.as_("sender").get("/healthz").status_code == 200
    assert time.monotonic() - start < 2
    for wire in wires:
        with wire:
            refused(wire.answer(), "timeout")


def test_a_client_that_reads_nothing_is_no_burden(served: Served) -> None:
    # It asks for more than buffers hold, and leaves.
    with Wire(served) as wire:
        wire.send(head(served, "GET /openapi.json HTTP/1.1", None) * 100)
        time.sleep(0.2)


def test_a_client_that_never_reads_is_not_kept(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "WRITE_SECONDS", 0.5)
    with Wire(served, window=4096) as wire:
        wire.send(head(served, "GET /openapi.json HTTP/1.1", None) * 80)
        assert wire.is_cut(8)


def test_a_client_that_never_reads_and_was_hung_up_on(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "WRITE_SECONDS", 0.5)
    with Wire(served, window=4096) as wire:
        wire.send(head(served, "GET /openapi.json HTTP/1.1", None) * 79)
        wire.send(head(served, "GET /openapi.json HTTP/1.1", None, Connection="close"))
        assert wire.is_cut(8)


@pytest.mark.parametrize("after", ["", "\r\n", "the body"])
def test_a_connection_that_falls_silent_between_requests(
    served: Served, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    # Octets that begin no request do not keep it open.
    monkeypatch.setattr(server, "KEEP_SECONDS", 0.5)
    with Wire(served, 5) as wire:
        length = {"Content_Length": f"{len(after)}"} if after.strip() else {}
        wire.send(head(served, "POST /v1/messages HTTP/1.1", None, **length))
        refused(wire.answer(), "no-key")
        wire.send(after.encode())
        assert wire.is_closed()


def test_line_ends_without_a_request(served: Served) -> None:
    with Wire(served, 5) as wire:
        wire.send(head(served, "GET /healthz HTTP/1.1"))
        said = wire.answer()
        assert said is not None and said.status == 200
        for _ in range(20):
            wire.send(b"\r\n" * 2000)
            time.sleep(0.005)
        assert refused(wire.answer(), "headers-too-large").closed


def test_a_client_that_reads_slowly_is_kept(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "WRITE_SECONDS", 0.5)
    with Wire(served, window=16_384) as wire:
        wire.send(head(served, "GET /openapi.json HTTP/1.1", None) * 80)
        # Less in all than the kernel would have to send before it took more from us.
        until = time.monotonic() + 2
        while time.monotonic() < until:
            wire.read(4096)
            time.sleep(0.02)
        for _ in range(80):
            said = wire.answer()
            assert said is not None and said.status == 200


# Large


def test_a_declared_body_of_ten_gigabytes(served: Served) -> None:
    for path, kind in (("/v1/messages", "message/rfc822"), ("/v1/messages", parts()[1]), ("/v1/verify", "text/plain")):
        with Wire(served) as wire:
            wire.send(head(served, f"POST {path} HTTP/1.1", Content_Type=kind, Content_Length="10000000000"))
            # Nothing of it has to arrive before it is refused.
            refused(wire.answer(), "too-large")
            assert not _pour(wire, 300_000_000)


def test_a_body_that_nobody_waits_for_is_not_read_for_ever(served: Served) -> None:
    with Wire(served) as wire:
        wire.send(head(served, "POST /v1/messages HTTP/1.1", None, Transfer_Encoding="chunked"))
        refused(wire.answer(), "no-key")
        assert not _pour(wire, 300_000_000)


def test_a_short_body_after_the_answer_does_no_harm(served: Served) -> None:
    # The answer did not wait for the body; the connection is good for another request.
    with Wire(served) as wire:
        wire.send(head(served, "POST /v1/messages HTTP/1.1", None, Content_Length="50000"))
        refused(wire.answer(), "no-key")
        wire.send(b"x" * 50_000 + head(served, "GET /healthz HTTP/1.1"))
        said = wire.answer()
        assert said is not None and said.status == 200


def test_a_client_that_waits_to_be_told_is_told_to_go_on(served: Served) -> None:
    with Wire(served) as wire:
        for _ in range(2):
            wire.send(head(served, "POST /v1/verify HTTP/1.1", None, Content_Length="50", Expect="100-continue"))
            go_on = wire.answer(head=True)
            assert go_on is not None and go_on.status == 100
            wire.send(b"x" * 50)
            said = wire.answer()
            assert said is not None and said.status == 200


def test_a_client_that_waits_to_be_told_is_told_no(served: Served) -> None:
    # After a final answer in place of 100 nobody can tell the body from the next request.
    with Wire(served) as wire:
        wire.send(head(served, "POST /v1/messages HTTP/1.1", None, Content_Length="50", Expect="100-continue"))
        said = refused(wire.answer(), "no-key")
        assert said.closed


def test_an_endless_chunked_body(served: Served) -> None:
    with Wire(served) as wire:
        chunked = {"Content_Type": "message/rfc822", "Transfer_Encoding": "chunked"}
        wire.send(head(served, "POST /v1/messages HTTP/1.1", **chunked))
        thread = threading.Thread(target=_pour, args=(wire, 300_000_000))
        thread.start()
        refused(wire.answer(), "too-large")
        thread.join(20)
        assert not thread.is_alive()


def _pour(wire: Wire, octets: int) -> bool:
    """Send so much, as chunks; False if the service hung up on it."""
    chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    return all(wire.send(chunk) for _ in range(octets // len(chunk)))


def test_an_endless_chunk_extension(served: Served) -> None:
    with Wire(served) as wire:
        wire.send(head(served, "POST /v1/verify HTTP/1.1", None, Transfer_Encoding="chunked") + b"5;a=")
        for _ in range(2000):
            if not wire.send(b"b" * 65_536):
                break
        else:
            pytest.fail("130 MB of it were read")


def test_a_million_headers(served: Served) -> None:
    with Wire(served) as wire:
        wire.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        thread = threading.Thread(target=lambda: any(not wire.send(b"a: b\r\n" * 10_000) for _ in range(100)))
        thread.start()
        assert refused(wire.answer(), "headers-too-large").closed
        thread.join()


def test_as_many_headers_as_there_may_be(served: Served) -> None:
    fields = {f"X{k}": "y" for k in range(server.HEADERS - 2)}
    said = say(served, head(served, "GET /healthz HTTP/1.1", **fields))
    assert said is not None and said.status == 200
    refused(say(served, head(served, "GET /healthz HTTP/1.1", More="z", **fields)), "headers-too-large")


@pytest.mark.parametrize("line", [b"X-A: ", b"GET /", b"", b"X"])
def test_one_endless_line_in_the_head(served: Served, line: bytes) -> None:
    start = b"" if line.startswith(b"GET") else b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
    with Wire(served) as wire:
        wire.send(start + line)
        thread = threading.Thread(target=lambda: any(not wire.send(b"a" * 65_536) for _ in range(1000)))
        thread.start()
        said = wire.answer()
        assert said is not None
        if said.status == 400:
            refused(said, "bad-request")
        else:
            refused(said, "headers-too-large")
        thread.join()


def test_trailers_without_end(served: Served) -> None:
    with Wire(served) as wire:
        wire.send(head(served, "POST /v1/verify HTTP/1.1", None, Transfer_Encoding="chunked"))
        wire.send(b"1\r\nx\r\n0\r\n")
        for _ in range(3000):
            if not wire.send(b"a: b\r\n" * 10_000):
                break
        else:
            pytest.fail("180 MB of trailers were read")


def test_a_head_cut_in_two_may_be_followed_by_a_body_at_once(served: Served) -> None:
    # The body that comes along in one piece is not taken for headers.
    sent = head(served, "POST /v1/verify HTTP/1.1", None, Content_Length="200000") + b"x" * 200_000
    with Wire(served) as wire:
        wire.send(sent[:30])
        time.sleep(0.05)
        wire.send(sent[30:])
        said = wire.answer()
    assert said is not None and said.status == 200
