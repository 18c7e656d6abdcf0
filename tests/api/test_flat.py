"""Fifty thousand lines through the service: written and answered in flat memory."""

from __future__ import annotations

from collections.abc import Iterator

import psutil
import pytest

from ledger.store import engine
from tests.api.serving import Served, serving
from tests.api.test_bulk import NDJSON, line

pytestmark = pytest.mark.parametrize("any_database", ["sqlite", "postgresql18"], indirect=True, scope="module")


@pytest.fixture(scope="module")
def served(any_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service whose database keeps next to nothing in memory: SQLite would fill its cache while it is measured."""
    with pytest.MonkeyPatch.context() as small:
        small.setattr(engine, "CACHE_KIB", 1024)
        with serving(any_database, tmp_path_factory.mktemp("flat")) as made:
            yield made


def own(process: psutil.Process) -> int:
    """Octets that are resident and the process's own: without the pages of files that it has mapped."""
    held = process.memory_info()
    return int(held.rss - held.shared)


def bulk(served: Served, message: str, count: int) -> tuple[int, int]:
    """So many lines, written and read as they come; lines answered, and the growth of this process in octets."""
    rows = [line(message, source="webhook", details={"user_agent": f"agent {k}" * 5}) for k in range(50)]

    def body() -> Iterator[bytes]:
        piece = b"".join(rows)
        for _ in range(count // len(rows)):
            yield piece

    process = psutil.Process()
    before = most = own(process)
    answered = 0
    headers = {"content-type": NDJSON}
    with served.as_("ingest").stream("POST", "/v1/events", content=body(), headers=headers) as got:
        assert got.status_code == 200
        for one in got.iter_lines():
            answered += one.startswith('{"seq":')
            most = max(most, own(process))
    assert one.startswith('{"checkpoint":')
    return answered, most - before


def test_fifty_thousand_lines_in_flat_memory(served: Served) -> None:
    message = served.record()["message"]
    # What grows once (caches, pools, statements) grows now.
    bulk(served, message, 5000)
    answered, grown = bulk(served, message, 50_000)
    assert answered == 50_000
    assert grown < 15_000_000, f"{grown / 1e6:.0f} MB"
