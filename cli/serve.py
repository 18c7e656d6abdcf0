"""`postseal serve`: the HTTP service, until it is told to stop."""

from __future__ import annotations

import gc
import logging
import signal
import socket
import sys
from typing import Final

import typer
import uvicorn

from api import app as application
from api import server, settings
from api.service import Service
from api.watching import JsonLines
from cli.exits import OK, UNAVAILABLE, USAGE, Stop
from cli.writing import AcceptClock, open_log

app = typer.Typer(add_completion=False, rich_markup_mode=None)

COLLECT: Final = 500_000, 20, 100
"""When Python's collector looks: what is loaded by now stays, and a batch of entries under way is no garbage."""


@app.command()
def serve(accept_clock: AcceptClock = False) -> int:
    """Serve the ledger over HTTP until Ctrl-C, or until the service manager says so.

    It listens on POSTSEAL_BIND, by default on this machine alone; API documentation is at /docs. The log goes to
    standard error, one JSON object a line, without personal data. `postseal apikey create` makes the keys.
    """
    here = settings.from_environment()
    # Before the ledger is opened: from then on there is something to close, however the process is told to end.
    told = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with _listen(here.bind) as listening, open_log(accept_clock) as log:
            running = uvicorn.Server(server.config(application.create(Service(log, log.credentials, here)), here))
            _log()
            host, port = listening.getsockname()[:2]
            sys.stderr.write(
                f"postseal: serving http://{_shown(host)}:{port}, documentation at /docs; Ctrl-C ends it\n"
            )
            if not log.credentials.list():
                sys.stderr.write("postseal: there is no API key yet; `postseal apikey create --role admin` makes one\n")
            settle()
            # From here on uvicorn answers what is under way and ends; it raises the signal once more when it has, and
            # the ledger is still to be closed.
            for number in told:
                signal.signal(number, running.handle_exit)
            running.run(sockets=[listening])
    finally:
        for number, handler in told.items():
            signal.signal(number, handler)
    return OK if running.started else UNAVAILABLE


def settle() -> None:
    """After start-up: what is loaded is never looked at again by the collector, and it looks less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT)


def _listen(bind: tuple[str, int]) -> socket.socket:
    """Before the ledger is opened: an address that is taken must leave no trace in it."""
    host, port = bind
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        # Not left to uvicorn: until somebody listens, others may take the address too; and who comes early waits.
        made.listen(server.BACKLOG)
    except OSError as error:
        raise Stop(USAGE, f"cannot listen on {_shown(host)}:{port} (POSTSEAL_BIND): {error.strerror}") from None
    return made


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _log() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name, level in (("postseal", logging.INFO), ("uvicorn.error", logging.WARNING), ("asyncio", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)
        logger.propagate = False
