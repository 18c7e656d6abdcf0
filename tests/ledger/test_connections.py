"""Lost connections to PostgreSQL: killed by the server, cut on the way around COMMIT, a server that crashes under load
or is not there. Nothing here pretends: real servers, real sockets."""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from ledger import entry
from ledger.errors import LedgerError, StoreUnavailable, Unavailable
from ledger.log import Log
from ledger.sequencer import Submission
from tests.databases import Postgres
from tests.ledger.ledgers import MASTER, beat, open_log, outcome, outcomes, record, submit
from tests.ledger.walk import walk

COMMIT = b"COMMIT\0"


class Proxy:
    """Stands between a client and a server's Unix socket, and can cut the line or fall silent."""

    def __init__(self, server: Postgres, directory: Path) -> None:
        self._server = str(server.directory / ".s.PGSQL.5432")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(directory / ".s.PGSQL.5432"))
        self._listener.listen()
        self._open: list[socket.socket] = []
        self.directory = directory
        self.cut: str = ""  # "", "before", "after", "answered": when COMMIT passes
        self.silent = False
        self.commits = 0
        self._drop = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                try:
                    server.connect(self._server)
                except OSError:
                    client.close()
                    continue
                self._open += [client, server]
                for source, target in ((client, server), (server, client)):
                    pump = threading.Thread(target=self._pump, args=(source, target, source is client), daemon=True)
                    pump.start()

    def _pump(self, source: socket.socket, target: socket.socket, asking: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self.silent:
                    continue
                if self._drop and not asking:
                    # The server has answered COMMIT, so that it has happened; nobody will hear of it.
                    self._drop = False
                    break
                if asking and COMMIT in data and self.cut:
                    self.commits += 1
                    cut, self.cut = self.cut, ""
                    self._drop = cut == "answered"
                    if cut != "before":
                        target.sendall(data)
                    if cut != "answered":
                        break
                else:
                    target.sendall(data)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for one in [self._listener, *self._open]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@pytest.fixture(scope="module")
def server(postgresql18: Postgres) -> Postgres:
    return postgresql18


@pytest.fixture
def url(server: Postgres) -> Iterator[str]:
    with server.fresh_database() as url:
        yield url


@pytest.fixture
def proxy(server: Postgres) -> Iterator[Proxy]:
    # Not pytest's own folder: the name of a socket has a hundred characters at most.
    directory = Path(tempfile.mkdtemp(prefix="postseal-px-"))
    made = Proxy(server, directory)
    yield made
    made.close()
    shutil.rmtree(directory)


def through(url: str, proxy: Proxy, **more: str) -> str:
    extra = "".join(f"&{name}={value}" for name, value in more.items())
    return url.split("?")[0] + f"?host={proxy.directory}{extra}"


def terminate(server: Postgres, url: str) -> None:
    """What an administrator, a failover or the out-of-memory killer does to every session of this database."""
    name = make_url(url).database
    server.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")


@pytest.mark.parametrize("cut", ["before", "after", "answered"])
def test_the_line_is_cut_at_commit(server: Postgres, proxy: Proxy, url: str, tmp_path: Path, cut: str) -> None:
    with open_log(through(url, proxy), tmp_path) as log:
        made = record(log)
        for k in range(5):
            key = log.request_key("cut", str(k))
            size = log.reader.head().size
            proxy.cut = cut
            event = Submission(log.draft(made.message, "r1", "message.opened", facts={"item": k}), key, bytes(32))
            (first,) = outcomes(log.submit([event]).result(60))
            assert proxy.commits == k + 1 and not first.repeated
            assert log.reader.head().size == size + 1
            (again,) = outcomes(log.submit([event]).result(60))
            assert again.repeated and again.recorded == first.recorded
    walk(url, log.ring)


def test_sessions_are_terminated_under_load(server: Postgres, url: str, tmp_path: Path) -> None:
    """Wherever it strikes, whoever was answered stands there once, and whoever was not is answered on a second try."""
    with open_log(url, tmp_path) as log:
        stop = threading.Event()

        def strike() -> None:
            while not stop.wait(0.03):
                terminate(server, url)

        striking = threading.Thread(target=strike)
        striking.start()
        try:
            answered = _load(log, record_until_answered(log), 2.5)
        finally:
            stop.set()
            striking.join()
        _check_load(url, log, answered)


ENOUGH = 20
"""Answers under load that show something; a busy machine takes longer for them."""


def record_until_answered(log: Log) -> str:
    while True:
        with contextlib.suppress(Unavailable):
            return record(log).message


def _load(log: Log, message: str, seconds: float, pause: float = 0.0) -> dict[int, int]:
    """Four threads; each repeats an event under its key until it is answered, for so long and until enough of them
    were. Seq by item."""
    answered: dict[int, int] = {}
    failures: list[BaseException] = []
    end = time.monotonic() + seconds

    def work(number: int) -> None:
        try:
            item = number
            while time.monotonic() < end or (len(answered) <= ENOUGH and time.monotonic() < end + 60):
                key = log.request_key("load", str(item))
                event = log.draft(message, "r1", "message.opened", facts={"item": item})
                while True:
                    (answer,) = log.submit([Submission(event, key, bytes(32))]).result(120)
                    if not isinstance(answer, LedgerError):
                        break
                    assert isinstance(answer, Unavailable), answer
                    assert time.monotonic() < end + 60
                    time.sleep(0.05)
                answered[item] = answer.recorded[0].seq
                item += 4
                time.sleep(pause)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    return answered


def _check_load(url: str, log: Log, answered: dict[int, int]) -> None:
    walked = walk(url, log.ring)
    items = {e.facts.item: e.seq for e in walked.entries if e.kind == "message.opened"}  # type: ignore[attr-defined]
    assert items == answered and len(answered) > ENOUGH
    assert len(items) == walked.kinds().count("message.opened")
    assert log.sequencer.defect is None


def test_the_server_crashes_and_comes_back_under_load(server: Postgres, url: str, tmp_path: Path) -> None:
    with open_log(url, tmp_path) as log:
        message = record(log).message

        def strike() -> None:
            for _ in range(2):
                time.sleep(0.4)
                server.crash()
                server.start()

        striking = threading.Thread(target=strike)
        striking.start()
        answered = _load(log, message, 3)
        striking.join()
        _check_load(url, log, answered)


def test_a_database_that_is_not_there_is_told_at_once_and_works_when_it_is_back(
    server: Postgres, url: str, tmp_path: Path
) -> None:
    with open_log(url, tmp_path) as log:
        message = record(log).message
        key = log.request_key("away", "1")
        event = Submission(log.draft(message, "r1", "message.opened"), key, bytes(32))
        server.crash()
        try:
            start = time.monotonic()
            for _ in range(3):
                (answer,) = log.submit([event]).result(60)
                assert isinstance(answer, StoreUnavailable)
                assert "\n" not in str(answer) and "SELECT" not in str(answer) and str(MASTER) not in str(answer)
            assert time.monotonic() - start < 5
            with pytest.raises(StoreUnavailable):
                log.reader.head()
            with pytest.raises(StoreUnavailable):
                open_log(url, tmp_path)
        finally:
            server.start()
        (answer,) = log.submit([event]).result(60)
        assert not outcome(answer).repeated
    assert walk(url, log.ring).kinds().count("message.opened") == 1


def test_a_server_that_does_not_answer_is_given_up_in_bounded_time(
    server: Postgres, proxy: Proxy, url: str, tmp_path: Path
) -> None:
    """A connection is made and nothing ever comes: what a firewall that forgets does."""
    with open_log(through(url, proxy, connect_timeout="2"), tmp_path) as log:
        record(log)
        proxy.silent = True
        terminate(server, url)
        start = time.monotonic()
        (answer,) = submit(log, beat(log.instance), timeout=100)
        assert isinstance(answer, StoreUnavailable)
        assert time.monotonic() - start < 20
        proxy.silent = False
        outcomes(submit(log, beat(log.instance)))
    walk(url, log.ring)


def test_a_writer_that_holds_the_lock_too_long_does_not_hold_everybody(
    monkeypatch: pytest.MonkeyPatch, url: str, tmp_path: Path
) -> None:
    import psycopg

    monkeypatch.setattr("ledger.store.postgres.LOCK_TIMEOUT", "200ms")
    with open_log(url, tmp_path) as log:
        with psycopg.connect(url.replace("+psycopg", "")) as other:
            other.execute("SELECT 1 FROM head FOR UPDATE")
            (answer,) = submit(log, beat(log.instance))
            assert isinstance(answer, Unavailable) and "another process has held the head" in str(answer)
        outcomes(submit(log, beat(log.instance)))
    walk(url, log.ring)


def test_what_was_answered_survives_a_crash(server: Postgres, url: str, tmp_path: Path) -> None:
    """The crash comes right after the answer: nothing may still be on its way to the disk."""
    with open_log(url, tmp_path) as log:
        message = record(log).message
        recorded: list[Any] = []
        for k in range(3):
            recorded += outcomes(submit(log, log.draft(message, "r1", "message.opened", facts={"item": k})))
            server.crash()
            server.start()
            assert log.reader.entry(recorded[-1].recorded[0].seq) == recorded[-1].recorded[0].data
    items = [e.facts.item for e in walk(url).entries if e.kind == "message.opened"]  # type: ignore[attr-defined]
    assert items == [0, 1, 2]
    assert all(entry.from_bytes(r.recorded[0].data).kind == "message.opened" for r in recorded)
