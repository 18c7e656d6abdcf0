"""`postseal serve`: the HTTP service, until it is told to stop."""

from __future__ import annotations

import gc
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import typer
import uvicorn

from api import app as application
from api import server, settings
from api.service import Service
from api.watching import JsonLines
from cli.apikey import line_for_another
from cli.exits import OK, UNAVAILABLE, USAGE, Stop
from cli.writing import AcceptClock, open_log

app = typer.Typer(add_completion=False, rich_markup_mode=None)

SIGNALS: Final = signal.SIGINT, signal.SIGTERM
"""What tells the service to end."""

COLLECT: Final = 500_000, 20, 100
"""When Python's collector looks: what is loaded by now stays, and a batch of entries under way is no garbage."""


@app.command()
def serve(accept_clock: AcceptClock = False) -> int:
    """Serve the ledger over HTTP until Ctrl-C, or until the service manager says so.

    It listens on POSTSEAL_BIND, by default on this machine alone; API documentation is at /docs. The log goes to
    standard error, one JSON object a line, without personal data. `postseal apikey create` makes the keys.
    """
    here = settings.from_environment()
    with interruptible(), _listen(here.bind) as listening, open_log(accept_clock) as log:
        running = uvicorn.Server(server.config(application.create(Service(log, log.credentials, here)), here))
        log_to(logging.StreamHandler(sys.stderr))
        settle()
        # Before it says that it serves: who waits for that may end it at once.
        end_by_signal(running)
        sys.stderr.write(f"postseal: serving {address(listening)}, documentation at /docs; Ctrl-C ends it\n")
        if not log.credentials.list():
            sys.stderr.write(f"postseal: there is no API key yet; this makes one: {line_for_another(here)}\n")
        running.run(sockets=[listening])
    sys.stderr.write("postseal: ended; the ledger is closed\n")
    return OK if running.started else UNAVAILABLE


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGINT and SIGTERM interrupt, even where a shell had one of them ignored. Entered before the ledger is opened:
    from then on there is something to close, however the process is told to end."""
    told = {number: signal.signal(number, signal.default_int_handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in told.items():
            signal.signal(number, handler)


def end_by_signal(running: uvicorn.Server) -> None:
    """From here on a signal makes uvicorn answer what is under way and end. On the main thread it raises the signal
    once more when it has, while the ledger is still to be closed."""
    for number in SIGNALS:
        signal.signal(number, running.handle_exit)


def settle() -> None:
    """After start-up: what is loaded is never looked at again by the collector, and it looks less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT)


def _listen(bind: tuple[str, int]) -> socket.socket:
    """Before the ledger is opened: an address that is taken must leave no trace in it."""
    try:
        return listen(bind)
    except OSError as error:
        raise cannot_listen(bind, error) from None


def listen(bind: tuple[str, int]) -> socket.socket:
    """OSError where that cannot be."""
    host, port = bind
    family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
        0
    ]
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(place)
        # Not left to uvicorn: until somebody listens, others may take the address too; and who comes early waits.
        made.listen(server.BACKLOG)
    except OSError:
        made.close()
        raise
    return made


def cannot_listen(bind: tuple[str, int], error: OSError) -> Stop:
    """What a person is told of it."""
    return Stop(USAGE, f"cannot listen on {_shown(bind[0])}:{bind[1]} (POSTSEAL_BIND): {error.strerror}")


def address(listening: socket.socket) -> str:
    """Where a browser finds it."""
    host, port = listening.getsockname()[:2]
    return f"http://{_shown(host)}:{port}"


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def log_to(handler: logging.Handler) -> None:
    """Requests, and what goes wrong, as lines of JSON."""
    handler.setFormatter(JsonLines())
    for name, level in (("postseal", logging.INFO), ("uvicorn.error", logging.WARNING), ("asyncio", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)
        logger.propagate = False
