"""A load generator for HTTP/1.1: connections that are kept, one request at a time on each, in a process of its own.

It knows only what the service answers with: a status line and a Content-Length.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import uvloop

Requests = Callable[[int], Iterator[bytes]]
"""The requests of one connection, by its number, without end. Pickled: it is called in another process."""


@dataclass(frozen=True, slots=True)
class Load:
    """What came of it: seconds of each request, in no order, and of everything."""

    seconds: float
    latencies: list[float]

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds


def run(
    addresses: Sequence[tuple[str, int]], requests: Requests, connections: int, seconds: float, expected: int
) -> Load:
    """``connections``, spread over the addresses, send what ``requests`` gives, and wait for each answer, which must
    have the status ``expected``. RuntimeError names another one."""
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe(duplex=False)
    child = spawn.Process(target=_child, args=(there, addresses, requests, connections, seconds, expected))
    child.start()
    there.close()
    try:
        found: Load | str = here.recv()
    except EOFError:
        found = "the load generator ended early"
    child.join()
    if isinstance(found, str):
        raise RuntimeError(found)
    return found


def _child(pipe: Connection, *arguments: Any) -> None:
    try:
        pipe.send(uvloop.run(_run(*arguments)))
    except RuntimeError as error:
        pipe.send(str(error))


async def _run(
    addresses: Sequence[tuple[str, int]], requests: Requests, connections: int, seconds: float, expected: int
) -> Load:
    loop = asyncio.get_running_loop()
    over = loop.create_future()
    made = [_Client(requests(number), b" %d " % expected, over) for number in range(connections)]
    for number, client in enumerate(made):
        await loop.create_connection(lambda client=client: client, *addresses[number % len(addresses)])  # type: ignore[misc]
    start = time.perf_counter()
    for client in made:
        client.begin()
    done, _ = await asyncio.wait([over], timeout=seconds)
    if done:
        over.result()
    end = time.perf_counter()
    for client in made:
        client.close()
    return Load(end - start, [one for client in made for one in client.latencies])


class _Client(asyncio.Protocol):
    def __init__(self, requests: Iterator[bytes], expected: bytes, over: asyncio.Future[None]) -> None:
        self.latencies: list[float] = []
        self._requests = requests
        self._expected = expected
        self._over = over
        self._held = b""
        self._sent = 0.0
        self._ended = False
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def begin(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(next(self._requests))

    def close(self) -> None:
        self._ended = True
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._held = held = self._held + data if self._held else data
        end = held.find(b"\r\n\r\n")
        if end < 0 or self._ended:
            return
        at = held.find(b"content-length: ", 0, end)
        size = int(held[at + 16 : held.index(b"\r\n", at)]) if at >= 0 else 0
        if len(held) < end + 4 + size:
            return
        self.latencies.append(time.perf_counter() - self._sent)
        self._held = b""
        if held[8:13] != self._expected:
            self._fail(f"the service answered {held[:400].decode(errors='replace')}")
            return
        self.begin()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._ended:
            self._fail(f"the service hung up: {error}")

    def _fail(self, reason: str) -> None:
        if not self._over.done():
            self._over.set_exception(RuntimeError(reason))
