"""A database that is not the one we acknowledged from: an older copy, a fork, another put in its place while we run."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from ledger.errors import LedgerError, RolledBack, StartRefused
from ledger.log import Log
from ledger.store.engine import open_engine
from tests.databases import Postgres
from tests.ledger.ledgers import beat, open_log, outcomes, record, submit
from tests.ledger.walk import walk


class Copies:
    """Copies of a database, made and put back while nobody has it open."""

    def __init__(self, url: str, directory: Path, server: Postgres | None) -> None:
        self.url = url
        self._server = server
        self._directory = directory
        self._names: list[str] = []

    def take(self) -> str:
        name = f"copy{len(self._names)}"
        self._names.append(name)
        if self._server is None:
            with sqlite3.connect(make_url(self.url).database or "") as source:
                source.execute(f"VACUUM INTO '{self._directory / name}'")
            source.close()
        else:
            name = f"{make_url(self.url).database}_{name}"
            self._server.execute(f"CREATE DATABASE {name} TEMPLATE {make_url(self.url).database}")
        return name

    def put(self, name: str) -> None:
        database = make_url(self.url).database or ""
        if self._server is None:
            for suffix in ("", "-wal", "-shm"):
                Path(database + suffix).unlink(missing_ok=True)
            shutil.copy(self._directory / name, database)
        else:
            self._server.execute(f"DROP DATABASE {database} WITH (FORCE)")
            self._server.execute(f"CREATE DATABASE {database} TEMPLATE {name}")

    def drop(self) -> None:
        if self._server is not None:
            for name in self._names:
                self._server.execute(f"DROP DATABASE IF EXISTS {make_url(self.url).database}_{name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql18"])
def copies(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Copies]:
    if request.param == "sqlite":
        yield Copies(f"sqlite:///{tmp_path / 'ledger.db'}", tmp_path, None)
        return
    server: Postgres = request.getfixturevalue(request.param)
    with server.fresh_database() as url:
        made = Copies(url, tmp_path, server)
        yield made
        made.drop()


def write(url: str, directory: Path, messages: int = 1) -> None:
    with open_log(url, directory) as log:
        for _ in range(messages):
            record(log)


def refused(url: str, directory: Path, words: str) -> None:
    size = walk(url).size
    with pytest.raises(RolledBack, match=words) as caught:
        open_log(url, directory)
    assert "\n" not in str(caught.value) and "way out" in str(caught.value)
    assert walk(url).size == size


def test_an_older_copy_is_refused_the_newest_is_not(copies: Copies, tmp_path: Path) -> None:
    write(copies.url, tmp_path)
    old = copies.take()
    write(copies.url, tmp_path)
    new = copies.take()
    copies.put(old)
    refused(copies.url, tmp_path, "older copy")
    copies.put(new)
    write(copies.url, tmp_path)
    walk(copies.url)


def test_a_fork_is_refused(copies: Copies, tmp_path: Path) -> None:
    """The same backup, written to on two machines: both ledgers are whole, and only one of them is ours."""
    write(copies.url, tmp_path)
    common = copies.take()
    elsewhere = tmp_path / "elsewhere"
    for folder in ("keys", "marks"):
        shutil.copytree(tmp_path / folder, elsewhere / folder)
    write(copies.url, elsewhere, messages=5)
    fork = copies.take()
    copies.put(common)
    write(copies.url, tmp_path, messages=2)
    ours = copies.take()
    copies.put(fork)
    refused(copies.url, tmp_path, "forked")
    copies.put(ours)
    write(copies.url, tmp_path)


def test_a_lost_database_is_not_begun_again(copies: Copies, tmp_path: Path) -> None:
    empty = copies.take()
    write(copies.url, tmp_path)
    copies.put(empty)
    with pytest.raises(StartRefused) as caught:
        open_log(copies.url, tmp_path)
    assert "\n" not in str(caught.value)


def _halts(log: Log, within: float = 5) -> LedgerError:
    """Why it writes no more. Nothing that was answered after the change may be lost, so nothing is answered."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            (answer,) = submit(log, beat(log.instance))
        except StartRefused as error:
            return error
        assert isinstance(answer, LedgerError), "it was answered from a database that is not ours"
        time.sleep(0.05)
    pytest.fail("it goes on")


def _close(log: Log) -> None:
    with pytest.raises(LedgerError):
        log.close()


CHANGES: dict[str, Callable[[str], list[str]]] = {
    "older": lambda _: [
        "DELETE FROM entries WHERE seq >= 3",
        "UPDATE head SET size = 3, batch = 1",
    ],
    "other root": lambda url: [
        f"UPDATE head SET batch = batch + 1, root = {_blob(url, '00' * 32)}",
    ],
}


def _blob(url: str, digits: str) -> str:
    return f"x'{digits}'" if url.startswith("sqlite") else f"'\\x{digits}'::bytea"


@pytest.mark.parametrize("change", CHANGES)
def test_a_database_changed_while_it_runs_halts_the_writer(copies: Copies, tmp_path: Path, change: str) -> None:
    log = open_log(copies.url, tmp_path)
    record(log)
    engine = open_engine(copies.url)
    with engine.begin() as connection:
        for statement in CHANGES[change](copies.url):
            connection.execute(text(statement.replace(":", "\\:") if "::" in statement else statement))
    engine.dispose()
    assert isinstance(_halts(log), RolledBack)
    _close(log)


def test_a_database_put_in_its_place_while_it_runs_halts_the_writer(copies: Copies, tmp_path: Path) -> None:
    write(copies.url, tmp_path)
    old = copies.take()
    log = open_log(copies.url, tmp_path)
    record(log)
    outcomes(submit(log, beat(log.instance)))
    copies.put(old)
    _halts(log)
    _close(log)
    size = walk(copies.url).size
    refused(copies.url, tmp_path, "older copy")
    assert walk(copies.url).size == size
