"""The service as `postseal serve` runs it, beside the story: on a thread, with its log in a file."""

from __future__ import annotations

import errno
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import uvicorn

from api import app as application
from api import server
from api.service import Service
from api.settings import Settings
from api.watching import LOGGER
from cli.exits import UNAVAILABLE, Stop
from cli.serve import SIGNALS, cannot_listen, end_by_signal, listen, log_to
from ledger.log import Log
from ledger.store.credentials import Credential, Credentials

FIRST: Final = "first"
STORY: Final = "demo"
"""Labels of the key that is shown, and of those that the story uses."""


class Running:
    """A service that answers."""

    def __init__(self, running: uvicorn.Server, thread: threading.Thread, logfile: Path) -> None:
        self._running = running
        self._thread = thread
        self._logfile = logfile

    def end_by_signal(self) -> None:
        """From here on Ctrl-C or SIGTERM no longer interrupts but ends it; what is under way is still answered."""
        end_by_signal(self._running)

    def wait(self) -> None:
        """Until it has ended. Stop if nobody told it to."""
        self._thread.join()
        if not self._running.should_exit:
            raise Stop(UNAVAILABLE, f"the service ended by itself; {self._logfile} says why")


def listen_somewhere(bind: tuple[str, int]) -> tuple[socket.socket, bool]:
    """A socket on this address, or on a free port if it is taken, and whether it was."""
    try:
        return listen(bind), False
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise cannot_listen(bind, error) from None
    return listen((bind[0], 0)), True


@contextmanager
def serving(log: Log, here: Settings, listening: socket.socket, logfile: Path) -> Iterator[Running]:
    """The service, once it answers. It has ended when this returns."""
    running = uvicorn.Server(server.config(application.create(Service(log, log.credentials, here)), here))
    log_to(logging.FileHandler(logfile, encoding="utf-8"))
    # A daemon: should ending it be interrupted, too, the process must not wait for it for ever.
    thread = threading.Thread(target=_run, args=(running, listening), name="service", daemon=True)
    thread.start()
    try:
        while not running.started:
            if not thread.is_alive():
                raise Stop(UNAVAILABLE, f"the service did not start; {logfile} says why")
            time.sleep(0.01)
        yield Running(running, thread, logfile)
    finally:
        end_by_signal(running)
        running.should_exit = True
        thread.join()


def _run(running: uvicorn.Server, listening: socket.socket) -> None:
    try:
        running.run(sockets=[listening])
    except Exception as error:
        LOGGER.error("the service failed", exc_info=error)


def first_key(credentials: Credentials) -> str | None:
    """A key for whoever watches, if this ledger has never had any; it is kept nowhere."""
    if credentials.list():
        return None
    return credentials.create("admin", FIRST, _now(), os.urandom)[0]


@contextmanager
def story_key(credentials: Credentials) -> Iterator[str]:
    """A key of no more rights than the story needs, revoked when it is over."""
    made: Credential | None = None
    try:
        with undisturbed():
            key, made = credentials.create("sender", STORY, _now(), os.urandom)
        yield key
    finally:
        if made is not None:
            credentials.revoke(made.id, _now())


@contextmanager
def undisturbed() -> Iterator[None]:
    """What is begun in here is finished; a signal that comes meanwhile interrupts when it is."""
    came: list[int] = []
    told = {number: signal.signal(number, lambda one, _: came.append(one)) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in told.items():
            signal.signal(number, handler)
    if came:
        raise KeyboardInterrupt


def _now() -> int:
    return time.time_ns() // 1000
