"""The HTTP server: uvicorn on uvloop and httptools, with the limits it does not have of its own.

Headers are counted while they arrive, so that a million of them end at the limit and not in memory. A request must get
on: its head has `IDLE_SECONDS` to arrive whole, its body comes at `BODY_RATE` on average. Whoever is refused is hung up
on, but gets the time to read why; and what he sends after his answer is not read for ever. Whoever takes nothing of his
answers for `WRITE_SECONDS` is cut off.

HTTP/1.1 is all that is spoken. An offer to change to something else is passed over, as RFC 9110, 7.8 allows, and what
is sent along with it read as what it says that it is; a tunnel is refused.
"""

from __future__ import annotations

import asyncio
import fcntl
import re
import socket
import struct
import sys
import termios
from typing import Any, Final

import httptools
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

KEEP_SECONDS: Final = 60
"""How long a connection is kept that nothing is asked on."""

WRITE_SECONDS: Final = 30.0
"""How long a client may take nothing of what is written to it."""

LOOKS: Final = 10
"""How often in that time it is looked whether he took something."""

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
        self.timeout_keep_alive = KEEP_SECONDS
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
        self._look: asyncio.TimerHandle | None = None
        self._owed = 0
        """Octets that the client had not taken when it was last looked, kept by us or by the kernel."""
        self._idle_looks = 0
        self._answering: RequestResponseCycle | None = None
        """The request that is answered now: with others in line behind it not `cycle`, which is the last of them."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]  # uvicorn takes a Transport, which this is
        self._until = self.loop.time() + IDLE_SECONDS
        self._await()
        self._look = self.loop.call_later(WRITE_SECONDS / LOOKS, self._is_taken)

    def connection_lost(self, exc: Exception | None) -> None:
        self._rest()
        if self._look is not None:
            self._look.cancel()
        if self._answering is not None and not self._answering.response_complete:
            # Not told so, it would write on, to a connection that is no more: an error that is none of ours.
            self._answering.disconnected = True
            self._answering.message_event.set()
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
        self._unset_keepalive_if_required()
        self._parse(data)
        self._await()
        self._keep()

    def _parse(self, data: bytes | memoryview) -> None:
        while data and not self._over:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as offer:
                if not self._in_head:
                    self._refuse(_BROKEN)
                    return
                # The parser ends with the head, and would take the body for what comes next. Nothing was begun for the
                # head yet: it is read once more, by a parser that does not see the offer, and what follows after it.
                head = self._without_offer()
                self.parser = _parser(self)
                self._feed(head)
                data = memoryview(data)[offer.args[0] :]
            except httptools.HttpParserError as error:
                self._stop(error)

    def _feed(self, head: bytes) -> None:
        try:
            self.parser.feed_data(head)
        except httptools.HttpParserUpgrade:
            # It cannot be; if it were, not an octet of what follows could be told from another request.
            self._refuse(_BROKEN)
        except httptools.HttpParserError as error:
            self._stop(error)

    def _without_offer(self) -> bytes:
        """The head just parsed, as it came but for ``Upgrade``. The parser lets no line end into a field or target."""
        version = self.parser.get_http_version().encode("ascii")
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version)]
        lines += [b"%s: %s" % (name, value) for name, value in self.headers if name != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

    def _stop(self, error: httptools.HttpParserError) -> None:
        """What the parser would not go on with, or we."""
        if self._fields > HEADERS or self._said > HEADER_BYTES:
            self._refuse(_HEADERS)
        else:
            self._refuse(error.__context__.problem if isinstance(error.__context__, _Over) else _BROKEN)

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
            raise _Over(_HEADERS)
        # What comes after the body is no header: whoever looked at the request on its way has not seen it there.
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        version = self.parser.get_http_version()
        if version not in ("1.0", "1.1"):
            raise _Over(_BROKEN)
        self._check_head(version)
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise _Over(_TUNNEL)
            return
        self._in_head = False
        self._until = self.loop.time() + IDLE_SECONDS
        super().on_headers_complete()
        if self.expect_100_continue:
            # Answered instead of being told to go on, the client may send the body, or another request.
            self._keeps, self.cycle.keep_alive = self.cycle.keep_alive, False

    def _check_head(self, version: str) -> None:
        """Where one server ends a request and another reads on, a second request can hide (RFC 9112, 3.2 and 6.1)."""
        hosts = [value for name, value in self.headers if name == b"host"]
        if len(hosts) > 1 or (not hosts and version == "1.1") or not all(map(_HOST.fullmatch, hosts)):
            raise _Over(_NO_HOST)
        codings = [value.lower() for name, value in self.headers if name == b"transfer-encoding"]
        if codings and (codings != [b"chunked"] or version == "1.0"):
            raise _Over(_CODED)

    def on_body(self, body: bytes) -> None:
        self._unused = 0
        if self.cycle.response_complete:
            self._discard(len(body))
        elif self.expect_100_continue:
            self.cycle.keep_alive = self._keeps
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._in_head:
            # An offer to upgrade ended it for the parser, but not for us.
            return
        self._reading = False
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _is_taken(self) -> None:
        """Look whether the client takes what is written to it. However slowly it does, it is kept."""
        owed = self.transport.get_write_buffer_size()
        if owed:
            owed += _unsent(self.transport)
        self._idle_looks = self._idle_looks + 1 if owed and owed == self._owed else 0
        self._owed = owed
        if self._idle_looks < LOOKS:
            self._look = self.loop.call_later(WRITE_SECONDS / LOOKS, self._is_taken)
            return
        # Closed, it would be kept until everything is sent; and aborted, the kernel would keep what it has.
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.transport.abort()

    def _await(self) -> None:
        if self._watch is None and self._reading and not self._over:
            self._watch = self.loop.call_at(self._until, self._due)

    def _keep(self) -> None:
        if not self._reading and not self._over and self.cycle.response_complete:
            # The end of a body that was answered before, or line ends: for these alone the connection is not kept.
            self.timeout_keep_alive_task = self.loop.call_later(KEEP_SECONDS, self.timeout_keep_alive_handler)

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
        if cycle is None or (cycle.response_complete and (self._in_head or not self._reading)):
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

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.kind.name)
        self.problem = problem


def _parser(protocol: Protocol) -> httptools.HttpRequestParser:
    parser = httptools.HttpRequestParser(protocol)
    # As uvicorn has its own: what comes after a connection's last request is no reason to refuse that one.
    parser.set_dangerous_leniencies(lenient_data_after_close=True)
    return parser


def _unsent(transport: asyncio.Transport) -> int:
    """Octets that the kernel has taken, and the client has not."""
    try:
        said = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
    except OSError:
        # Not every system tells it of a socket; what we keep ourselves goes down, too, only in larger steps.
        return 0
    return int.from_bytes(said, sys.byteorder)


_HOST: Final = re.compile(rb"[A-Za-z0-9\-._~%!$&'()*+,;=:\[\]]*")
"""What a host and its port are written with (RFC 3986, 3.2.2)."""

_NO_LINGER: Final = struct.pack("ii", 1, 0)

_HEADERS: Final = Problem("headers-too-large", f"more than {HEADER_BYTES:,} bytes or {HEADERS} fields of headers")
_BROKEN: Final = Problem("bad-request", "this is not HTTP/1.1 as RFC 9112 has it")
_NO_HOST: Final = Problem("bad-request", "a request names its host, once (RFC 9112, section 3.2)")
_CODED: Final = Problem("bad-request", "no transfer coding but chunked is understood, and that in HTTP/1.1 only")
_TUNNEL: Final = Problem("bad-request", "no tunnel is made here, and no other protocol spoken")
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
        timeout_keep_alive=KEEP_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        backlog=BACKLOG,
        lifespan="on",
    )
