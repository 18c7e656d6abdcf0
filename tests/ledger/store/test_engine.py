"""Databases that must not be trusted with a ledger, or cannot be written to: told at the start, in one line."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, event, make_url, text

from ledger.errors import StartRefused, StoreUnavailable, UnsafeStore
from ledger.store import engine as engines
from ledger.store import open_store
from tests.conftest import embedded_18
from tests.databases import Postgres
from tests.helpers import HOUSE, environment
from tests.ledger.ledgers import open_log, record
from tests.ledger.walk import walk

# Durability


@pytest.fixture(scope="module")
def careless() -> Iterator[Postgres]:
    """A server that keeps nothing safe; each test below asks for what it needs on top of a safe one."""
    with Postgres.running(embedded_18(), fsync="off") as server:
        yield server


def test_a_server_without_fsync_is_refused(careless: Postgres, tmp_path: Path) -> None:
    with careless.fresh_database() as url:
        with pytest.raises(UnsafeStore, match="fsync = off") as caught:
            open_log(url, tmp_path)
        assert "\n" not in str(caught.value)
        # Before anything was made: neither tables nor keys.
        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["ROLE postgres", "DATABASE {name}"])
def test_asynchronous_commit_of_a_role_or_database_is_refused(
    postgresql18: Postgres, tmp_path: Path, where: str
) -> None:
    with postgresql18.fresh_database() as url:
        place = where.format(name=make_url(url).database)
        postgresql18.execute(f"ALTER {place} SET synchronous_commit = off")
        try:
            with pytest.raises(UnsafeStore, match="synchronous_commit = off"):
                open_log(url, tmp_path)
        finally:
            postgresql18.execute(f"ALTER {place} RESET synchronous_commit")
        open_log(url, tmp_path).close()


def test_a_writers_session_is_synchronous_whatever_is_set_later(postgresql18: Postgres, tmp_path: Path) -> None:
    with postgresql18.fresh_database() as url:
        store = open_store(url)
        name = make_url(url).database
        open_log(url, tmp_path).close()
        postgresql18.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
        appender = store.appender()
        try:
            appender.begin()
            shown = appender._cursor.execute("SHOW synchronous_commit").fetchone()  # type: ignore[attr-defined]
            assert shown == ("on",)
        finally:
            appender.close()
            store.close()
            postgresql18.execute(f"ALTER DATABASE {name} RESET synchronous_commit")


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_memory_is_no_store(url: str) -> None:
    with pytest.raises(UnsafeStore, match="memory"):
        open_store(url)


@pytest.mark.parametrize("url", ["mysql://x/y", "postgresql+pg8000://x/y", "no url", ""])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(StartRefused) as caught:
        open_store(url)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("pragma", ["synchronous=NORMAL", "synchronous=OFF"])
def test_sqlite_that_does_not_sync_is_refused(tmp_path: Path, pragma: str) -> None:
    engine = engines.open_engine(f"sqlite:///{tmp_path / 'l.db'}")
    event.listen(engine, "connect", lambda connection, _: connection.execute(f"PRAGMA {pragma}").close())
    with pytest.raises(UnsafeStore, match="synchronous"):
        engines.check_durable(engine)


def test_every_connection_to_sqlite_is_durable(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'l.db'}"
    # Somebody else's connection before ours, with other settings, must not matter.
    other = create_engine(url)
    with other.connect() as connection:
        connection.execute(text("PRAGMA journal_mode=DELETE"))
    other.dispose()
    store = open_store(url)
    open_log(url, tmp_path).close()
    appender = store.appender()
    appender.begin()
    try:
        for pragma, value in (("journal_mode", "wal"), ("synchronous", 2)):
            found = appender._cursor.execute(f"PRAGMA {pragma}").fetchone()  # type: ignore[attr-defined]
            assert found == (value,)
    finally:
        appender.close()
        store.close()


# Places that cannot be written to


OPEN = """
import sys
from pathlib import Path
from ledger.errors import LedgerError
from tests.ledger.ledgers import open_log, record
try:
    with open_log(sys.argv[1], Path(sys.argv[2])) as log:
        record(log)
        print("recorded")
except LedgerError as error:
    print(type(error).__name__, error)
"""


class Bound:
    """Runs a program whom permissions bind, as they bind anybody but root."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.command = [sys.executable, "-c", OPEN, f"sqlite:///{place / 'ledger.db'}", str(place)]
        if os.geteuid() == 0:
            if shutil.which("setpriv") is None:
                pytest.skip("root is bound by no permissions, and there is no setpriv to bind him")
            over = "-dac_override,-dac_read_search"
            self.command = ["setpriv", f"--bounding-set={over}", f"--inh-caps={over}", *self.command]

    def open(self) -> str:
        """What a program says that opens the log at this place and records a message."""
        done = subprocess.run(self.command, cwd=HOUSE, env=environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout.strip()


@pytest.fixture
def bound(tmp_path: Path) -> Iterator[Bound]:
    place = tmp_path / "place"
    place.mkdir()
    yield Bound(place)
    for path in [place, *place.rglob("*")]:
        path.chmod(0o700)


def test_a_read_only_directory(bound: Bound) -> None:
    bound.place.chmod(0o500)
    assert bound.open() == "StoreUnavailable the database said: unable to open database file"
    assert list(bound.place.iterdir()) == []
    bound.place.chmod(0o700)
    assert bound.open() == "recorded"
    bound.place.chmod(0o500)
    said = bound.open()
    assert said.startswith(("StoreUnavailable ", "StartRefused ")) and "\n" not in said, said
    bound.place.chmod(0o700)
    assert bound.open() == "recorded"
    walk(f"sqlite:///{bound.place / 'ledger.db'}")


def test_a_read_only_database(bound: Bound) -> None:
    assert bound.open() == "recorded"
    database = bound.place / "ledger.db"
    size = walk(f"sqlite:///{database}").size
    database.chmod(0o400)
    assert bound.open() == "StoreUnavailable the database said: attempt to write a readonly database"
    # SQLite gives the files beside it the mode it had.
    for path in bound.place.glob("ledger.db*"):
        path.chmod(0o600)
    lock = bound.place / "ledger.db.lock"
    lock.chmod(0o400)
    assert bound.open() == f"StoreUnavailable {lock}: Permission denied"
    lock.chmod(0o600)
    assert walk(f"sqlite:///{database}").size == size
    assert bound.open() == "recorded"


def test_a_read_only_mark(bound: Bound) -> None:
    assert bound.open() == "recorded"
    marks = bound.place / "marks"
    marks.chmod(0o500)
    # The ledger is written; that the mark could not follow is said when it is closed.
    said = bound.open()
    assert said.startswith("recorded\nUnavailable the high-water mark ") and said.endswith("Permission denied"), said
    marks.chmod(0o700)
    assert bound.open() == "recorded"
    walk(f"sqlite:///{bound.place / 'ledger.db'}")


# Full disks


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of four megabytes; for root only, since nobody else may mount."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk(small_disk: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{small_disk / 'ledger.db'}"
    with open_log(url, tmp_path) as log:
        record(log)
        ballast = small_disk / "ballast"
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(1024))
        told = []
        for _ in range(400):
            # What little is left of the last page is used up first.
            try:
                record(log, recipients=5)
            except StoreUnavailable as error:
                told.append(str(error))
        assert len(told) > 350
        assert set(told) <= {"the database said: database or disk is full", "the database said: disk I/O error"}
        stood = walk(url, log.ring).size
        ballast.unlink()
        made = record(log)
        assert made.outcome.recorded[0].seq == stood
        assert log.sequencer.defect is None
    walk(url, log.ring)


LIMITED = """
import resource, sys
from pathlib import Path
from ledger.errors import StoreUnavailable
from tests.ledger.ledgers import open_log, record
from tests.ledger.walk import walk
url, directory = sys.argv[1], Path(sys.argv[2])
with open_log(url, directory) as log:
    record(log)
    size = max(path.stat().st_size for path in directory.glob("ledger.db*"))
    limit = (size + 20_000) // 4096 * 4096
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    told = []
    for _ in range(40):
        try:
            record(log, recipients=5)
        except StoreUnavailable as error:
            told.append(str(error))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    stood = walk(url, log.ring).size
    assert record(log).outcome.recorded[0].seq == stood
print(len(told), set(told))
walk(url, log.ring)
"""


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    """A quota, as anybody can set it for himself."""
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    command = [sys.executable, "-c", LIMITED, url, str(tmp_path)]
    done = subprocess.run(command, cwd=HOUSE, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    count, said = done.stdout.strip().split(" ", 1)
    assert int(count) > 30
    assert said in ("{'the database said: disk I/O error'}", "{'the database said: database or disk is full'}")
