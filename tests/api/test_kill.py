"""kill -9 of the service under load: who has a receipt finds his entry, and who has none repeats and ends with one.

`make soak` kills at fifty moments on each database; the sample that always runs kills twice.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from ledger import checkpoint, merkle
from ledger.audit import audit
from ledger.keys import KeyRing, MasterKey, ring_path
from ledger.note import Verifier
from ledger.store import open_store
from ledger.store.replayed import StoredLog
from tests.api.processes import Place, Server, served
from tests.api.serving import parts
from tests.ledger.ledgers import ORIGIN
from tests.ledger.walk import walk

CLIENTS = 4
LINES = 40


@dataclass
class Request:
    """What a client asks for, under a key of its own; ``names`` are sealed in what it must lead to, each once."""

    key: str
    path: str
    body: bytes
    kind: str
    names: list[str]
    answer: Any = None


@dataclass
class Client:
    """Sends requests one after the other, each until it is answered or the service is gone."""

    number: int
    authorization: str
    random: random.Random
    requests: list[Request] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    def run(self, url: str) -> None:
        """Until the service dies. First what was not answered before."""
        with httpx.Client(base_url=url, headers={"authorization": self.authorization}, timeout=30) as client:
            try:
                if self.requests and self.requests[-1].answer is None:
                    self.send(client, self.requests[-1])
                while True:
                    self.requests.append(self.next())
                    self.send(client, self.requests[-1])
            except httpx.TransportError:
                return

    def finish(self, url: str) -> None:
        """Only what was not answered."""
        if self.requests and self.requests[-1].answer is None:
            with httpx.Client(base_url=url, headers={"authorization": self.authorization}, timeout=30) as client:
                self.send(client, self.requests[-1])

    def next(self) -> Request:
        key = f"{self.number}-{len(self.requests)}"
        roll = self.random.random()
        if not self.messages or roll < 0.2:
            body, kind = parts(rcpt_to=[f"{key}@one.example"])
            return Request(key, "/v1/messages", body, kind, [f"{key}@one.example"])
        message = self.random.choice(self.messages[-10:])
        if roll < 0.8:
            body = json.dumps(event(key)).encode()
            return Request(key, f"/v1/messages/{message}/events", body, "application/json", [key])
        names = [f"{key}-{k}" for k in range(LINES)]
        lines = b"".join(json.dumps(event(name) | {"message": message}).encode() + b"\n" for name in names)
        return Request(key, "/v1/events", lines, "application/x-ndjson", names)

    def send(self, client: httpx.Client, request: Request) -> None:
        headers = {"content-type": request.kind, "idempotency-key": request.key}
        while True:
            got = client.post(request.path, content=request.body, headers=headers)
            if got.status_code in (200, 201):
                break
            assert got.status_code in (409, 503) and "retry-after" in got.headers, got.text
            time.sleep(0.05)
        if request.kind == "application/x-ndjson":
            request.answer = [json.loads(line) for line in got.content.split(b"\n")[:-1]]
            assert len(request.answer) == LINES + 1
        else:
            request.answer = got.json()
            if request.path == "/v1/messages":
                self.messages.append(request.answer["message"])


def event(name: str) -> dict[str, Any]:
    return {"kind": "message.opened", "recipient": "r1", "details": {"detail": name}}


@dataclass
class Load:
    """A ledger, its clients, and what they were told."""

    place: Place
    clients: list[Client]

    def kill(self, moments: random.Random) -> None:
        """One round: let them write, and kill the service in the middle of it."""
        with served(self.place) as server:
            asked = [len(client.requests) for client in self.clients]
            threads = self.start(server)
            end = time.monotonic() + 60
            while any(len(client.requests) < before + 3 for client, before in zip(self.clients, asked, strict=True)):
                assert time.monotonic() < end, server.said
                time.sleep(0.005)
            time.sleep(moments.random() * 0.5)
            assert server.process.poll() is None, server.said
            server.process.kill()
            assert server.process.wait() == -9
            for thread in threads:
                thread.join(60)
                assert not thread.is_alive()

    def start(self, server: Server) -> list[threading.Thread]:
        url = server.wait_ready()
        threads = [threading.Thread(target=client.run, args=(url,)) for client in self.clients]
        for thread in threads:
            thread.start()
        return threads

    def check(self) -> int:
        """Hold every promise against what is there; how many requests were answered."""
        with served(self.place) as server:
            url = server.wait_ready()
            for client in self.clients:
                client.finish(url)
            assert server.stop() == 0, server.said
        store = open_store(self.place.url)
        try:
            log = store.reader.head().log
        finally:
            store.close()
        directory = self.place.directory
        master = MasterKey.load(directory / "keys" / "master.key")
        ring = KeyRing.load(ring_path(directory, log), master, log, os.urandom)
        walked = walk(self.place.url, ring)
        verifiers = [Verifier.parse(ring.signer().vkey)]
        proved: list[checkpoint.Checkpoint] = []
        answered = [request for client in self.clients for request in client.requests]
        assert all(request.answer is not None for request in answered)
        for request in answered:
            if isinstance(request.answer, list):
                *lines, last = request.answer
                for line in lines:
                    assert walked.leaves[line["seq"]].hex() == line["leaf_hash"]
                proved.append(checkpoint.open(last["checkpoint"].encode(), ORIGIN, verifiers)[0])
                continue
            receipt = request.answer["receipt"]
            assert walked.leaves[receipt["seq"]].hex() == receipt["leaf_hash"]
            proved.append(state := checkpoint.open(receipt["checkpoint"].encode(), ORIGIN, verifiers)[0])
            proof = [bytes.fromhex(node) for node in receipt["proof"]]
            merkle.check_inclusion(walked.leaves[receipt["seq"]], receipt["seq"], state.size, proof, state.root)
        # What was said of the tree once holds for ever; a sample, since each means hashing the whole prefix.
        for state in random.Random(1).sample(proved, min(20, len(proved))):
            assert walked.root(state.size) == state.root
        self.check_once(walked, answered)
        newest = checkpoint.sign(checkpoint.Checkpoint(ORIGIN, walked.size, walked.root(walked.size)), ring.signer())
        report = audit(partial(StoredLog, self.place.url, newest), origin=ORIGIN, vkeys=[ring.signer().vkey])
        assert not report.findings
        return len(answered)

    def check_once(self, walked: Any, answered: list[Request]) -> None:
        """As many entries as requests, or lines of them: with no receipt pointing to the same one, each has its own."""
        lines = [line["seq"] for one in answered if isinstance(one.answer, list) for line in one.answer[:-1]]
        singles = [one.answer["receipt"]["seq"] for one in answered if not isinstance(one.answer, list)]
        assert len(set(lines + singles)) == len(lines + singles)
        recorded = sum(one.path == "/v1/messages" for one in answered)
        assert walked.kinds().count("message.recorded") == recorded
        assert walked.kinds().count("message.opened") == len(lines) + len(singles) - recorded


def loaded(place: Place, seed: int) -> Load:
    key = place.key("admin")
    return Load(place, [Client(k, f"Bearer {key}", random.Random(seed + k)) for k in range(CLIENTS)])


both = pytest.mark.parametrize("database_url", ["sqlite", "postgresql18"], indirect=True)


@both
def test_kill_the_service(database_url: str, tmp_path: Path) -> None:
    load = loaded(Place(database_url, tmp_path / "data"), 11)
    moments = random.Random(3)
    for _ in range(2):
        load.kill(moments)
    assert load.check() > 20


@pytest.mark.soak
@both
def test_kill_the_service_at_fifty_moments(database_url: str, tmp_path: Path) -> None:
    load = loaded(Place(database_url, tmp_path / "data"), 12)
    moments = random.Random(5)
    for round_ in range(50):
        load.kill(moments)
        if round_ % 10 == 9:
            load.check()
    assert load.check() > 500
