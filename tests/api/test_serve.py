"""`postseal serve` as a process: it starts, ends as it should, and its log names nobody."""

from __future__ import annotations

import json
import signal
import socket
import threading
import time
from pathlib import Path

import httpx
import pytest

from ledger import entry
from ledger.store import open_store
from tests.api.processes import Place, served
from tests.api.serving import MAIL, RECIPIENTS, SENDER, parts

both = pytest.mark.parametrize("database_url", ["sqlite", "postgresql18"], indirect=True)
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def place(database_url: str, tmp_path: Path) -> Place:
    return Place(database_url, tmp_path / "data")


def kinds(place: Place) -> list[str]:
    store = open_store(place.url)
    try:
        data = store.reader.entries(0, store.reader.head().size)
        return [entry.decode(one).kind for one in data]
    finally:
        store.close()


@both
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_when_it_is_told_to(place: Place, number: signal.Signals) -> None:
    with served(place) as server:
        url = server.wait_ready()
        assert httpx.get(f"{url}/readyz").status_code == 200
        assert httpx.get(f"{url}/docs").status_code == 200
        assert "no API key yet" in server.said
        # A client that stays connected does not keep it.
        with httpx.Client(base_url=url) as client:
            client.get("/healthz")
            assert server.stop(number) == 0
    assert kinds(place)[-2:] == ["ledger.started", "ledger.stopped"]
    assert "Traceback" not in server.said


@on_sqlite
def test_told_as_soon_as_it_says_that_it_serves(place: Place) -> None:
    for _ in range(4):
        with served(place) as server:
            server.wait_ready()
            assert server.stop() == 0, server.said
            assert "Traceback" not in server.said and "interrupted" not in server.said
            assert kinds(place)[-1] == "ledger.stopped"


@on_sqlite
def test_told_while_it_starts_it_leaves_the_ledger_closed(place: Place) -> None:
    with served(place) as server:
        server.wait_ready()
        server.stop()
    for wait in (0.4, 0.7, 1.0):
        with served(place) as server:
            time.sleep(wait)
            # 130: interrupted before it served; -15: before it had done anything.
            status = server.stop()
            assert status in (0, 130, -15), server.said
            assert "Traceback" not in server.said
            assert kinds(place)[-1] == "ledger.stopped"


@on_sqlite
def test_what_is_under_way_is_answered_before_it_ends(place: Place) -> None:
    key = place.key("ingest")
    with served(place) as server:
        url = server.wait_ready()
        host, port = url.removeprefix("http://").split(":")
        head = "POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Type: message/rfc822\r\n"
        head += f"Authorization: Bearer {key}\r\nContent-Length: {len(MAIL)}\r\n\r\n"
        with socket.create_connection((host, int(port)), 20) as connection:
            connection.sendall(head.encode() + MAIL[:100])
            time.sleep(0.3)
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            with pytest.raises(httpx.TransportError):
                httpx.get(f"{url}/healthz")
            connection.sendall(MAIL[100:])
            assert connection.recv(65_536).startswith(b"HTTP/1.1 201 ")
        assert server.wait() == 0
    assert kinds(place)[-1] == "ledger.stopped" and "message.recorded" in kinds(place)


@pytest.mark.soak
@on_sqlite
def test_a_client_that_never_ends_does_not_keep_it_for_ever(place: Place) -> None:
    key = place.key("ingest")
    with served(place) as server:
        url = server.wait_ready()
        host, port = url.removeprefix("http://").split(":")
        head = f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
        head += "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
        stop = threading.Event()
        with socket.create_connection((host, int(port)), 20) as connection:
            connection.sendall(head.encode())

            def go_on() -> None:
                while not stop.wait(0.1):
                    try:
                        connection.sendall(b"400\r\n" + b"\n" * 1024 + b"\r\n")
                    except OSError:
                        return

            thread = threading.Thread(target=go_on)
            thread.start()
            time.sleep(0.3)
            assert server.stop() == 0
            stop.set()
            thread.join()
    assert kinds(place)[-1] == "ledger.stopped"
    assert "Traceback" not in server.said


@on_sqlite
def test_an_address_that_is_taken_leaves_no_trace(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place.settings["BIND"] = f"127.0.0.1:{taken.getsockname()[1]}"
        ran = place.run("serve")
    assert ran.returncode == 2 and "POSTSEAL_BIND" in ran.stderr and ran.stdout == ""
    assert ran.stderr.count("\n") == 1 and not place.directory.exists()


@on_sqlite
def test_of_two_that_want_one_address_one_is_told_at_once(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        place.settings["BIND"] = f"127.0.0.1:{free.getsockname()[1]}"
    with served(place) as first, served(place) as second:
        end = time.monotonic() + 30
        while first.process.poll() is None and second.process.poll() is None:
            assert time.monotonic() < end
            time.sleep(0.01)
        lost, won = (first, second) if first.process.poll() is not None else (second, first)
        assert lost.wait() == 2 and "POSTSEAL_BIND" in lost.said
        assert httpx.get(f"{won.wait_ready()}/readyz").status_code == 200
        assert won.stop() == 0
    # Whoever loses never opened the ledger.
    assert kinds(place).count("ledger.started") == 1


@both
def test_two_servers_on_one_database(place: Place) -> None:
    key = place.key("admin")
    body, kind = parts()
    headers = {"authorization": f"Bearer {key}", "content-type": kind}
    with served(place) as one, served(place) as other:
        urls = [one.wait_ready(), other.wait_ready()]
        with httpx.Client(headers=headers) as client:
            keyed = {"idempotency-key": "both"}
            got = [client.post(f"{url}/v1/messages", content=body, headers=keyed) for url in urls]
            assert [one.json()["repeated"] for one in got] == [False, True]
            assert got[0].json()["message"] == got[1].json()["message"]
            receipt = got[0].json()["receipt"]
            for k in range(10):
                receipt = client.post(f"{urls[k % 2]}/v1/messages", content=body).json()["receipt"]
                said = client.get(f"{urls[1 - k % 2]}/v1/logs/{receipt['log']}/entries/{receipt['seq']}").json()
                assert said["leaf_hash"] == receipt["leaf_hash"]
        # A key that is revoked by command opens nothing at either, a second later.
        assert place.run("apikey", "revoke", key.split("_")[1]).returncode == 0
        time.sleep(1.1)
        for url in urls:
            assert httpx.get(f"{url}/v1/logs/{receipt['log']}/entries/0", headers=headers).status_code == 401
        assert one.stop() == 0 and other.stop() == 0
    assert place.run("audit").returncode in (0, 3)


@on_sqlite
def test_its_log_names_nobody(place: Place) -> None:
    key = place.key("admin")
    body, kind = parts()
    auth = {"authorization": f"Bearer {key}"}
    with served(place) as server:
        with httpx.Client(base_url=server.wait_ready(), headers=auth) as client:
            message = client.post("/v1/messages", content=body, headers={"content-type": kind}).json()["message"]
            client.post(f"/v1/messages/{message}/events", json={"kind": "message.opened", "recipient": RECIPIENTS[0]})
            client.post(
                f"/v1/messages/{message}/events", json={"kind": "message.opened", "recipient": "who@one.example"}
            )
            client.post(f"/v1/messages/{message}/events", json={"who@one.example": 1})
            client.post(f"/v1/messages/{RECIPIENTS[0]}/events", json={})
            client.get(f"/v1/{RECIPIENTS[0]}?q={RECIPIENTS[0]}")
            client.post("/v1/messages", content=b"no mail", headers={"content-type": "message/rfc822"})
        with socket.create_connection(tuple(server.url.removeprefix("http://").split(":"))) as connection:  # type: ignore[arg-type]
            connection.sendall(f"MAIL FROM:<{SENDER}>\r\n\r\n".encode())
            connection.recv(1000)
        assert server.stop() == 0
    lines = server.said.splitlines()
    said = [json.loads(line) for line in lines if line.startswith("{")]
    assert len([one for one in said if one["what"] == "request"]) == 7
    assert all(one["at"].endswith("Z") and one["level"] in ("info", "warning") for one in said)
    assert all(line.startswith(("{", "postseal: ")) for line in lines)
    for word in ("example", "@", "bob", "plan", key, "who"):
        assert word not in server.said, word
