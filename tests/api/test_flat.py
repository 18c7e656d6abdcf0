"""Fifty thousand lines through the service: written and answered in flat memory."""

from __future__ import annotations

from collections.abc import Iterator

import psutil
import pytest

from tests.api.serving import Served
from tests.api.test_bulk import NDJSON, line

pytestmark = pytest.mark.parametrize("any_database", ["sqlite", "postgresql18"], indirect=True, scope="module")


def bulk(served: Served, message: str, count: int) -> tuple[int, int]:
    """So many lines, written and read as they come; lines answered, and the growth of this process in octets."""
    rows = [line(message, source="webhook", details={"user_agent": f"agent {k}" * 5}) for k in range(50)]

    def body() -> Iterator[bytes]:
        piece = b"".join(rows)
        for _ in range(count // len(rows)):
            yield piece

    process = psutil.Process()
    before = most = process.memory_info().rss
    answered = 0
    headers = {"content-type": NDJSON}
    with served.as_("ingest").stream("POST", "/v1/events", content=body(), headers=headers) as got:
        assert got.status_code == 200
        for one in got.iter_lines():
            answered += one.startswith('{"seq":')
            most = max(most, process.memory_info().rss)
    assert one.startswith('{"checkpoint":')
    return answered, most - before


def test_fifty_thousand_lines_in_flat_memory(served: Served) -> None:
    message = served.record()["message"]
    # What grows once (caches, pools, statements) grows now.
    bulk(served, message, 5000)
    answered, grown = bulk(served, message, 50_000)
    assert answered == 50_000
    assert grown < 40_000_000, f"{grown / 1e6:.0f} MB"
