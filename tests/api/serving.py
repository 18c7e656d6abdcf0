"""The service as its clients meet it: a real server on a loopback port, and keys of every role."""

from __future__ import annotations

import base64
import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from api import app as application
from api import server
from api.roles import ROLES
from api.service import Service
from api.settings import Settings
from ledger import checkpoint, entry, merkle
from ledger.entry import Entry
from ledger.log import Log
from ledger.note import Verifier
from tests.ledger.ledgers import ORIGIN, open_log

SENDER = "ann@sender.example"
RECIPIENTS = ("bob@one.example", "cy@two.example", "dee@three.example")

MAIL = b"""From: Ann <ann@sender.example>\r
To: bob@one.example\r
Cc: cy@two.example\r
Subject: The plan\r
Message-ID: <1@sender.example>\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary=x\r
\r
--x\r
\r
see attached\r
--x\r
Content-Type: application/pdf\r
Content-Disposition: attachment; filename=plan.pdf\r
\r
not really a PDF\r
--x\r
Content-Type: application/octet-stream\r
Content-Disposition: attachment; filename=figures.bin\r
\r
1 2 3\r
--x--\r
"""


def settings(directory: Path, **more: Any) -> Settings:
    """Settings of a service whose log was opened by the test itself."""
    return Settings(directory, "", ORIGIN, directory / "master.key", bind=("127.0.0.1", 0), **more)


def envelope(**more: Any) -> dict[str, Any]:
    return {"mail_from": SENDER, "rcpt_to": list(RECIPIENTS), "hosted": ["f1", "f2"]} | more


def parts(message: bytes = MAIL, boundary: str = "edge", **more: Any) -> tuple[bytes, str]:
    """A multipart body with an envelope and these octets, and its content type. Written by hand: a library might mend
    what it is given."""
    edge = f"--{boundary}\r\n".encode()
    said = json.dumps(envelope(**more)).encode()
    body = edge + b'Content-Disposition: form-data; name="envelope"\r\nContent-Type: application/json\r\n\r\n' + said
    body += b"\r\n" + edge + b'Content-Disposition: form-data; name="message"; filename="m.eml"\r\n'
    body += b"Content-Type: message/rfc822\r\n\r\n" + message + f"\r\n--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"


@dataclass
class Served:
    """A running service. ``keys`` has an API key for each role; `as_` a client that uses it."""

    log: Log
    app: FastAPI
    service: Service
    url: str
    keys: Mapping[str, str]
    _clients: dict[str, httpx.Client] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.removeprefix("http://").rpartition(":")
        return host, int(port)

    def as_(self, role: str) -> httpx.Client:
        """A client with a key of this role; ``nobody`` has none."""
        with self._lock:
            if role not in self._clients:
                headers = {} if role == "nobody" else {"authorization": f"Bearer {self.keys[role]}"}
                self._clients[role] = httpx.Client(base_url=self.url, headers=headers, timeout=60)
            return self._clients[role]

    @property
    def size(self) -> int:
        """Entries in the ledger."""
        return self.log.reader.head().size

    def record(self, message: bytes = MAIL, **more: Any) -> Any:
        """A message recorded over HTTP: what was answered."""
        body, kind = parts(message, **more)
        got = self.as_("sender").post("/v1/messages", content=body, headers={"content-type": kind})
        assert got.status_code == 201, got.text
        return got.json()

    def open(self, note: str) -> checkpoint.Checkpoint:
        """A checkpoint, its signature checked with the key that the service publishes."""
        (said,) = self.as_("nobody").get("/v1/logs").json()["logs"]
        return checkpoint.open(note.encode(), ORIGIN, [Verifier.parse(said["vkey"])])[0]

    def check(self, receipt: Mapping[str, Any]) -> Entry:
        """The entry of a receipt that proves what it says."""
        assert set(receipt) == {"log", "seq", "leaf_hash", "entry", "checkpoint", "proof"}
        assert receipt["log"] == self.log.id
        data = base64.b64decode(receipt["entry"], validate=True)
        leaf = merkle.leaf_hash(data)
        assert leaf.hex() == receipt["leaf_hash"]
        state = self.open(receipt["checkpoint"])
        proof = [bytes.fromhex(node) for node in receipt["proof"]]
        merkle.check_inclusion(leaf, receipt["seq"], state.size, proof, state.root)
        made = entry.decode(data)
        assert made.seq == receipt["seq"]
        assert self.log.reader.entry(made.seq) == data
        return made

    def check_well(self) -> None:
        """A good request passes."""
        assert self.as_("sender").get("/healthz").status_code == 200
        self.check(self.record()["receipt"])


def problem(got: httpx.Response, name: str) -> Any:
    """The document of a problem, whole and of the right kind."""
    return check_problem(got.status_code, got.headers, got.content, name)


def check_problem(status: int, headers: Mapping[str, str], body: bytes, name: str) -> Any:
    from api.errors import KINDS, MEDIA_TYPE, PREFIX

    kind = KINDS[name]
    assert (status, headers.get("content-type")) == (kind.status, MEDIA_TYPE), body
    said = json.loads(body)
    assert said["type"] == PREFIX + name, said
    assert (said["status"], said["title"]) == (kind.status, kind.title)
    assert said["detail"] and "\n" not in said["detail"] and len(said["detail"]) < 500
    assert headers.get("cache-control") == "no-store"
    assert headers.get("retry-after") == (None if kind.retry is None else str(kind.retry))
    return said


@contextmanager
def serving(url: str, directory: Path, *, log: Log | None = None, **more: Any) -> Iterator[Served]:
    """A service on the ledger at ``url``. Its stop joins: when this returns nothing of it is left."""
    with open_log(url, directory) if log is None else _kept(log) as opened:
        here = settings(directory, **more)
        service = Service(opened, opened.credentials, here)
        app = application.create(service)
        running = uvicorn.Server(server.config(app, here))
        with socket.create_server(("127.0.0.1", 0)) as listening:
            thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]}, name="service")
            thread.start()
            try:
                while not running.started:
                    assert thread.is_alive(), "the service did not start"
                    time.sleep(0.005)
                host, port = listening.getsockname()
                routes: Any = app._app._app  # type: ignore[attr-defined]
                served = Served(opened, routes, service, f"http://{host}:{port}", make_keys(opened))
                try:
                    yield served
                finally:
                    for client in served._clients.values():
                        client.close()
            finally:
                running.should_exit = True
                thread.join(30)
                assert not thread.is_alive(), "the service did not stop"


@contextmanager
def _kept(log: Log) -> Iterator[Log]:
    yield log


def make_keys(log: Log, roles: Sequence[str] = ROLES) -> dict[str, str]:
    return {role: make_key(log, role)[0] for role in roles}


def make_key(log: Log, role: str) -> tuple[str, str]:
    """A key, and its id."""
    key, made = log.credentials.create(role, f"test-{role}", time.time_ns() // 1000, os.urandom)
    return key, made.id
