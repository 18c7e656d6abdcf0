"""The HTTP service under load: `postseal serve` in processes of its own, the load from another one of the same machine.

Everything is on: keys, idempotency keys, receipts with proof, the request log. What is acknowledged is durable.
"""

from __future__ import annotations

import itertools
import json
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import httpx

from bench import load
from bench.figure import Figure, p99
from bench.ingest import ORIGIN
from tests.helpers import environment as environment_of

CONNECTIONS = 64
MESSAGES = 64
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
_SERVING = re.compile(r"serving http://([0-9.]+):([0-9]+)")


@dataclass(frozen=True, slots=True)
class Sizes:
    """Windows and their seconds; lines of a bulk request; messages recorded."""

    windows: int
    seconds: float
    lines: int
    messages: int


@dataclass(frozen=True, slots=True)
class Served:
    """A running service, and an admin's key."""

    address: tuple[str, int]
    key: str
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://{self.address[0]}:{self.address[1]}"

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers={"authorization": f"Bearer {self.key}"}, timeout=120)


@contextmanager
def served(url: str, directory: Path, key: str | None = None) -> Iterator[Served]:
    """A service on the ledger at ``url``, a new one perhaps."""
    environment = environment_of(DATA_DIR=str(directory), DATABASE_URL=url, ORIGIN=ORIGIN, BIND="127.0.0.1:0")
    command = [sys.executable, "-m", "cli.main"]
    if key is None:
        made = subprocess.run([*command, "apikey", "create", "--role", "admin"], env=environment, capture_output=True)
        key = made.stdout.decode().strip()
    directory.mkdir(parents=True, exist_ok=True)
    said = directory / f"served-{time.monotonic_ns()}.log"
    with said.open("wb") as log:
        process = subprocess.Popen([*command, "serve"], env=environment, stderr=log)
    try:
        while (found := _SERVING.search(said.read_text())) is None:
            if process.poll() is not None:
                raise RuntimeError(f"the service did not start: {said.read_text()}")
            time.sleep(0.02)
        yield Served((found[1], int(found[2])), key, process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def run(url: str, directory: Path, name: str, targets: tuple[float, float], sizes: Sizes) -> list[Figure]:
    """Single appends, bulk and reads on one database; ``targets`` of single appends and of bulk."""
    single, bulk = targets
    with served(url, directory) as service:
        messages = record(service, MESSAGES)
        figures = _appends(service, messages, name, single, sizes)
        figures.append(_alone(service, messages, name, sizes))
        figures.append(_bulk(service, messages, name, bulk, sizes))
        figures.append(_reads(service, name, sizes))
    return figures


def several(url: str, directory: Path, name: str, processes: int, sizes: Sizes) -> list[Figure]:
    """Single appends to some processes on one database, and to one of them alone in between."""
    with ExitStack() as stack:
        first = stack.enter_context(served(url, directory))
        more = [stack.enter_context(served(url, directory, first.key)) for _ in range(processes - 1)]
        messages = record(first, MESSAGES)
        rates: dict[bool, list[float]] = {False: [], True: []}
        late: list[float] = []
        for window in range(2 * sizes.windows + 2):
            alone = window % 2 == 0
            addresses = [one.address for one in ([first] if alone else [first, *more])]
            requests = partial(_events, first.key, messages, f"{processes}-{window}")
            done = load.run(addresses, requests, CONNECTIONS, sizes.seconds, 201)
            if window > 1:
                rates[alone].append(done.rate)
                if not alone:
                    late.append(1000 * p99(done.latencies))
    name = f"append over HTTP, {name}, {processes} processes"
    note = f"as above; target: what one of them did in the same minute, {median(rates[True]):,.0f}/s"
    return [
        Figure(name, "events/s", rates[False], target=median(rates[True]), note=note),
        Figure(f"{name}: p99", "ms", late, note=note),
    ]


def messages(url: str, directory: Path, name: str, sizes: Sizes) -> list[Figure]:
    """Many messages recorded, and what the service's memory has grown by since the first tenth of them."""
    with served(url, directory) as service:
        requests = partial(_recordings, service.key)
        rates: list[float] = []
        grown: list[float] = []
        count, early = 0, 0.0
        while count < sizes.messages:
            done = load.run([service.address], requests, 16, max(sizes.seconds, 1), 201)
            count += len(done.latencies)
            rates.append(done.rate)
            held = _memory(service.process.pid)
            if count < sizes.messages // 10 or not early:
                early = held
            grown.append(held - early)
    note = f"two recipients and an attachment each, 3 entries; {count:,} messages; 16 connections"
    return [
        Figure(f"messages recorded over HTTP, {name}", "messages/s", rates, note=note),
        Figure(
            f"messages recorded over HTTP, {name}: memory grown",
            "MB",
            grown,
            of=max,
            note="resident, after the first tenth",
        ),
    ]


def _memory(pid: int) -> float:
    """Megabytes resident."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def record(service: Served, count: int) -> list[str]:
    """Messages, and their ids."""
    with service.client() as client:
        made = []
        for number in range(count):
            body, kind = _recording(number)
            got = client.post("/v1/messages", content=body, headers={"content-type": kind})
            got.raise_for_status()
            made.append(got.json()["message"])
        return made


def _appends(service: Served, messages: Sequence[str], name: str, target: float, sizes: Sizes) -> list[Figure]:
    rates, late = [], []
    for window in range(sizes.windows + 1):
        requests = partial(_events, service.key, messages, f"{window}")
        done = load.run([service.address], requests, CONNECTIONS, sizes.seconds, 201)
        if window:
            rates.append(done.rate)
            late.append(1000 * p99(done.latencies))
    note = f"one event a request, {CONNECTIONS} connections, three sealed facts, receipt with proof"
    return [
        Figure(f"append over HTTP, {name}", "events/s", rates, target=target, note=note),
        Figure(f"append over HTTP, {name}: p99", "ms", late, target=30, note=note),
    ]


def _alone(service: Served, messages: Sequence[str], name: str, sizes: Sizes) -> Figure:
    requests = partial(_events, service.key, messages, "alone")
    done = load.run([service.address], requests, 1, sizes.seconds, 201)
    values = [1000 * one for one in done.latencies[len(done.latencies) // 10 :]]
    return Figure(f"append over HTTP, {name}, 1 connection: p50", "ms", values, target=1.5, note="as above")


def _bulk(service: Served, messages: Sequence[str], name: str, target: float, sizes: Sizes) -> Figure:
    rates = []
    with service.client() as client:
        for window in range(sizes.windows + 1):
            lines = (
                json.dumps(_event(number, messages) | {"message": messages[number % len(messages)], "id": str(number)})
                for number in range(sizes.lines)
            )
            body = ("\n".join(lines) + "\n").encode()
            headers = {"content-type": "application/x-ndjson", "idempotency-key": f"bulk-{window}"}
            start = time.perf_counter()
            got = client.post("/v1/events", content=body, headers=headers)
            seconds = time.perf_counter() - start
            if got.status_code != 200 or got.content.count(b'"seq"') != sizes.lines:
                raise RuntimeError(f"bulk: {got.status_code} {got.text[:400]}")
            if window:
                rates.append(sizes.lines / seconds)
    note = f"{sizes.lines:,} lines a request, three sealed facts each, under an idempotency key"
    return Figure(f"NDJSON bulk over HTTP, {name}", "events/s", rates, target=target, note=note)


def _reads(service: Served, name: str, sizes: Sizes) -> Figure:
    with service.client() as client:
        (log,) = client.get("/v1/logs").json()["logs"]
    rates = []
    for _ in range(sizes.windows):
        requests = partial(_following, service.key, log["log"], log["size"] // 256)
        rates.append(load.run([service.address], requests, CONNECTIONS, sizes.seconds, 200).rate)
    note = f"every second one a full tile, {CONNECTIONS} connections"
    return Figure(f"checkpoints and tiles read over HTTP, {name}", "requests/s", rates, target=3000, note=note)


# Requests, made in the process that sends them


def _head(method: str, path: str, key: str, *more: str) -> str:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {key}", *more]
    return "\r\n".join(lines)


def _post(path: str, key: str, kind: str, body: bytes, *more: str) -> bytes:
    head = _head("POST", path, key, f"Content-Type: {kind}", f"Content-Length: {len(body)}", *more)
    return f"{head}\r\n\r\n".encode() + body


def _events(key: str, messages: Sequence[str], window: str, connection: int) -> Iterator[bytes]:
    for number in itertools.count(connection):
        path = f"/v1/messages/{messages[number % len(messages)]}/events"
        body = json.dumps(_event(number, messages)).encode()
        once = f"Idempotency-Key: {window}-{connection}-{number}"
        yield _post(path, key, "application/json", body, once)


def _event(number: int, messages: Sequence[str]) -> dict[str, object]:
    return {
        "kind": ("message.opened", "delivery.delivered")[number // len(messages) % 2],
        "recipient": f"r{1 + number % 2}",
        "source": "webhook",
        "details": {"ip": f"192.0.2.{number % 251}", "user_agent": AGENT, "url": f"https://example.org/t/{number}"},
    }


def _recordings(key: str, connection: int) -> Iterator[bytes]:
    for number in itertools.count(connection * 1_000_000):
        body, kind = _recording(number)
        yield _post("/v1/messages", key, kind, body)


def _recording(number: int) -> tuple[bytes, str]:
    said = json.dumps({"mail_from": "sender@example.org", "rcpt_to": ["anna@example.com", f"b{number}@example.net"]})
    mail = (
        "From: Sender <sender@example.org>\r\nTo: Anna <anna@example.com>\r\n"
        f"Subject: Offer {number}\r\nMessage-ID: <{number}@example.org>\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nHello.\r\n"
        f"--b\r\nContent-Type: application/pdf; name=offer-{number}.pdf\r\n"
        f"Content-Disposition: attachment; filename=offer-{number}.pdf\r\n\r\n%PDF {number}\r\n--b--\r\n"
    )
    parts = (
        f'--e\r\nContent-Disposition: form-data; name="envelope"\r\nContent-Type: application/json\r\n\r\n{said}\r\n'
        '--e\r\nContent-Disposition: form-data; name="message"; filename="m.eml"\r\n'
        f"Content-Type: message/rfc822\r\n\r\n{mail}\r\n--e--\r\n"
    )
    return parts.encode(), "multipart/form-data; boundary=e"


def _following(key: str, log: str, tiles: int, connection: int) -> Iterator[bytes]:
    for number in itertools.count(connection):
        index = number // 2 % tiles
        name = "/".join(f"x{index // 1000**k % 1000:03}" for k in (2, 1) if index >= 1000**k) or ""
        place = f"{name}/{index % 1000:03}" if name else f"{index:03}"
        path = f"/v1/logs/{log}/checkpoint" if number % 2 else f"/v1/logs/{log}/tile/0/{place}"
        yield f"{_head('GET', path, key)}\r\n\r\n".encode()
