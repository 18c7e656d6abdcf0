"""Around every request: counts and times for `/metrics`, and one line of JSON in the log. No address, subject, name or
body is ever in either; the route stands for the path, and the id of the API key for its holder."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.metrics import Metrics

LOGGER: Final = logging.getLogger("postseal")

UNKNOWN: Final = "(none)"
"""The route of what no route takes: a stranger's path is his own words."""


class Watched:
    """The application, watched."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._requests = RequestLog()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0
        answered = False

        async def told(message: Message) -> None:
            nonlocal status, answered
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)
            answered = message["type"] == "http.response.body" and not message.get("more_body", False)

        start = time.perf_counter()
        try:
            await self._app(scope, receive, told)
        except Exception:
            # A defect that was answered was logged, too; raised further it would end the connection without a word.
            if not answered:
                raise
        finally:
            self._note(scope, status, time.perf_counter() - start)

    def _note(self, scope: MutableMapping[str, Any], status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", UNKNOWN)
        self._metrics.request(route, status, seconds)
        if LOGGER.isEnabledFor(logging.INFO):
            said = {"method": scope["method"], "route": route, "status": status, "ms": round(1000 * seconds, 2)}
            self._requests.note(said | scope.get("state", {}).get("caller", {}))


class RequestLog:
    """A line for each request, logged some at a time: one at a time they would cost more than many a request. Whoever
    kills the process loses the last `EVERY` seconds of them."""

    EVERY: Final = 0.1

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._second = 0, ""

    def note(self, said: Mapping[str, Any]) -> None:
        """Take what is said of a request; on the event loop."""
        if not self._lines:
            asyncio.get_running_loop().call_later(self.EVERY, self.flush)
        now = time.time()
        if int(now) != self._second[0]:
            self._second = int(now), _instant(now)
        at = f"{self._second[1]}.{int(now % 1 * 1000):03}Z"
        self._lines.append(orjson.dumps({"at": at, "level": "info", "what": "request", **said}))

    def flush(self) -> None:
        """Log what was taken."""
        lines, self._lines = self._lines, []
        record = logging.LogRecord(LOGGER.name, logging.INFO, __file__, 0, "requests", (), None)
        record.lines = b"\n".join(lines).decode()
        LOGGER.handle(record)


def _instant(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


class JsonLines(logging.Formatter):
    """One object a line: time, level, what, and what belongs to it."""

    def format(self, record: logging.LogRecord) -> str:
        lines: str | None = getattr(record, "lines", None)
        if lines is not None:
            return lines
        said: dict[str, Any] = {
            "at": f"{_instant(record.created)}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "what": record.getMessage(),
        }
        said |= getattr(record, "said", {})
        if record.exc_info:
            # Frames and the exception's class, not its words: they may quote what was sent.
            kind, _, trace = record.exc_info
            frames = []
            while trace is not None:
                code = trace.tb_frame.f_code
                frames.append(f"{code.co_filename.rsplit('/', 2)[-1]}:{trace.tb_lineno} {code.co_name}")
                trace = trace.tb_next
            said |= {"error": getattr(kind, "__name__", "?"), "frames": frames[-12:]}
        return orjson.dumps(said).decode()
