"""The HTTP server: uvicorn on uvloop and httptools, with the limits it does not have of its own.

Headers are counted while they arrive, so that a million of them end at the limit and not in memory. A request must get
on: its head has `IDLE_SECONDS` to arrive whole, its body comes at `BODY_RATE` on average. Whoever is refused is hung up
on, but gets the time to read why; and what he sends after his answer is not read for ever.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from api.errors import Problem
from api.settings import Settings

HEADER_BYTES: Final = 32_768
"""Octets of the request line and all headers together; of anything else that is no body, too."""

HEADERS: Final = 100
"""Header fields of a request, those after a chunked body included."""

IDLE_SECONDS: Final = 15.0
"""How long the head of a request may take, and how long a body may stand still."""

BODY_RATE: Final = 500
"""Octets a second that a body comes at, or the client is too slow to be waited for."""

LINGER_SECONDS: Final = 2.0
LINGER_BYTES: Final = 64 << 20
"""How long, and how much, a client is listened to after the answer to a request that he has not ended."""

BACKLOG: Final = 1024
"""Connections that wait to be taken."""

SHUTDOWN_SECONDS: Final = 10
"""How long requests under way may take to end once the service is told to stop."""

HARDENING: Final = [("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer")]
"""What every answer says."""


class Protocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._unused = 0
        """Octets that came since something of a body did."""
        self._said = 0
        self._fields = 0
        self._in_head = True
        self._reading = True
        """A request has begun, or the connection, and not ended."""
        self._keeps = True
        self._over = False
        self._left = LINGER_BYTES
        self._until = 0.0
        self._watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]  # uvicorn takes a Transport, which this is
        self._until = self.loop.time() + IDLE_SECONDS
        self._await()

    def connection_lost(self, exc: Exception | None) -> None:
        self._rest()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._over:
            self._discard(len(data))
            return
        if self._unused > HEADER_BYTES:
            # Not only complete headers: the parser would collect a single one without end.
            self._refuse(_HEADERS)
            return
        self._unused += len(data)
        if self._reading and not self._in_head:
            now = self.loop.time()
            self._until = min(max(self._until, now) + len(data) / BODY_RATE, now + IDLE_SECONDS)
        super().data_received(data)
        self._await()

    def on_message_begin(self) -> None:
        self._unused = self._said = self._fields = 0
        self._in_head = self._reading = True
        self._left = LINGER_BYTES
        self._until = self.loop.time() + IDLE_SECONDS
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._said += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields += 1
        self._said += len(name) + len(value)
        if self._fields > HEADERS or self._said > HEADER_BYTES:
            raise _Over
        # What comes after the body is no header: whoever looked at the request on its way has not seen it there.
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self.parser.get_http_version() not in ("1.0", "1.1"):
            raise _Over
        self._in_head = False
        self._until = self.loop.time() + IDLE_SECONDS
        super().on_headers_complete()
        if self.expect_100_continue:
            # Answered instead of being told to go on, the client may send the body, or another request.
            self._keeps, self.cycle.keep_alive = self.cycle.keep_alive, False

    def on_body(self, body: bytes) -> None:
        self._unused = 0
        if self.cycle.response_complete:
            self._discard(len(body))
        elif self.expect_100_continue:
            self.cycle.keep_alive = self._keeps
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._reading = False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What the parser would not go on with."""
        self._refuse(_HEADERS if self._fields > HEADERS or self._said > HEADER_BYTES else _BROKEN)

    def _await(self) -> None:
        if self._watch is None and self._reading and not self._over:
            self._watch = self.loop.call_at(self._until, self._due)

    def _rest(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _due(self) -> None:
        self._watch = None
        now = self.loop.time()
        if self._reading and self.flow.read_paused:
            # It is we who do not read on.
            self._until = now + IDLE_SECONDS
        if self._reading and now >= self._until:
            self._refuse(_LATE)
        else:
            self._await()

    def _refuse(self, problem: Problem) -> None:
        """Answer without the application, and hang up."""
        self._over = True
        self._rest()
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or (cycle.response_complete and self._in_head):
            self._answer(problem)
        elif self._in_head or not self._reading:
            # The requests before this one are still to be answered, and none of their answers is this.
            cycle.keep_alive = False
        elif cycle.response_started or self.pipeline:
            self.transport.close()
        else:
            cycle.disconnected = True
            cycle.message_event.set()
            self._answer(problem)

    def _answer(self, problem: Problem) -> None:
        if self.transport.is_closing():
            return
        body = problem.body()
        lines = [f"HTTP/1.1 {problem.kind.status} {_PHRASES[problem.kind.status]}", "connection: close"]
        lines += [f"{name}: {value}" for name, value in problem.headers().items()]
        lines += [f"{name.decode()}: {value.decode()}" for name, value in self.server_state.default_headers]
        lines += [f"content-length: {len(body)}", "", ""]
        self.transport.write("\r\n".join(lines).encode("ascii") + body)
        # Closed at once over what still comes in, the connection would take the answer with it.
        self.transport.write_eof()
        self._watch = self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _discard(self, octets: int) -> None:
        self._left -= octets
        if self._left < 0:
            self.transport.close()


class _Over(Exception):
    """Stops the parser: the request is refused."""


_HEADERS: Final = Problem("headers-too-large", f"more than {HEADER_BYTES:,} bytes or {HEADERS} fields of headers")
_BROKEN: Final = Problem("bad-request", "this is not HTTP/1.1 as RFC 9112 has it")
_LATE: Final = Problem("timeout", "the request came too slowly, or stopped in the middle")
_PHRASES: Final = {400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large"}


def config(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """How the service is run."""
    host, port = settings.bind
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http=Protocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        headers=HARDENING,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_keep_alive=60,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        backlog=BACKLOG,
        lifespan="on",
    )
