"""The stand for the database tests is itself tested: it must be real, fresh, durable, and gone afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.pool import NullPool

from tests.databases import Postgres
from tests.helpers import HOUSE


@pytest.mark.parametrize("run", ["first", "second"])
def test_every_test_gets_an_empty_database(database_url: str, run: str) -> None:
    engine = create_engine(database_url, poolclass=NullPool)
    assert inspect(engine).get_table_names() == []
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE seen (run TEXT)"))
    assert inspect(engine).get_table_names() == ["seen"]


def test_the_server_is_durable_and_unreachable_from_outside(postgresql_url: str) -> None:
    engine = create_engine(postgresql_url, poolclass=NullPool)
    with engine.connect() as connection:
        settings = {
            name: connection.execute(text(f"SHOW {name}")).scalar_one()
            for name in ["fsync", "synchronous_commit", "full_page_writes", "listen_addresses"]
        }
    assert settings == {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "listen_addresses": ""}


def test_versions(postgresql18: Postgres, postgresql15: Postgres) -> None:
    for server, major in [(postgresql18, "18"), (postgresql15, "15")]:
        assert (server.directory / "data" / "PG_VERSION").read_text().strip() == major


# A program of its own, because the test is what happens when its process is killed.
OWNER = """
import sys
from tests.conftest import embedded_18
from tests.databases import Postgres
with Postgres.running(embedded_18(), max_connections="10") as server:
    with server.fresh_database() as url:
        server.crash()
        server.start()
        print(server.pid, server.directory, flush=True)
        sys.stdin.read()
"""


@pytest.mark.parametrize("how", ["end", "kill"])
def test_a_server_ends_with_the_process_that_started_it(how: str) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER], cwd=HOUSE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdin is not None and owner.stdout is not None
    with owner:
        pid, directory = owner.stdout.readline().split()
        assert _runs(int(pid))
        if how == "kill":
            owner.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while (_runs(int(pid)) or Path(directory).exists()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(int(pid))
    assert not Path(directory).exists()


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
