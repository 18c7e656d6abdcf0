"""What a process looks up once for all who wait: API keys, and the newest checkpoint."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from api import known
from api.known import Known
from api.service import FRESH_SECONDS
from ledger.checkpoint import Checkpoint
from ledger.errors import StoreUnavailable
from ledger.merkle import EMPTY_ROOT
from ledger.store.credentials import Credential
from tests.api.serving import Served, make_key, problem
from tests.ledger.ledgers import ORIGIN

pytestmark = pytest.mark.parametrize("any_database", ["sqlite"], indirect=True, scope="module")


EMPTY = Checkpoint(ORIGIN, 0, EMPTY_ROOT)


class Asked:
    """The key store, watched: what it was asked, and a wait that it makes everybody have."""

    def __init__(self, served: Served, seconds: float = 0.0) -> None:
        self._served = served
        self._seconds = seconds
        self.keys: list[str] = []
        self.broken = False

    def __call__(self, key: str) -> Credential | None:
        self.keys.append(key)
        time.sleep(self._seconds)
        if self.broken:
            raise OSError("the database is away")
        return self._served.log.credentials.find(key)


def test_many_who_come_together_ask_once(served: Served) -> None:
    key, id = make_key(served.log, "auditor")
    asked = Asked(served, 0.05)

    async def come() -> list[Credential | None]:
        here = Known(asked)
        found = await asyncio.gather(*(here.find(key) for _ in range(50)))
        return [*found, await here.find(key)]

    assert [one.id if one else None for one in asyncio.run(come())] == [id] * 51
    assert asked.keys == [key]


def test_it_is_asked_again_before_anybody_has_to_wait(served: Served) -> None:
    key, _ = make_key(served.log, "auditor")
    asked = Asked(served, 0.05)

    async def come() -> float:
        here, worst = Known(asked), 0.0
        await here.find(key)
        end = time.monotonic() + 2.5 * known.SECONDS
        while time.monotonic() < end:
            start = time.monotonic()
            assert await here.find(key) is not None
            worst = max(worst, time.monotonic() - start)
            await asyncio.sleep(0.01)
        return worst

    worst = asyncio.run(come())
    assert 4 <= len(asked.keys) <= 6
    assert worst < 0.05


def test_a_revocation_while_it_is_asked_is_not_overlooked(served: Served) -> None:
    key, id = make_key(served.log, "auditor")
    asked = Asked(served)
    plain = asked.__call__

    async def come() -> Credential | None:
        def find(key: str) -> Credential | None:
            found = plain(key)
            if len(asked.keys) == 1:
                # What was found is out of date before it is told.
                served.log.credentials.revoke(id, time.time_ns() // 1000)
                here.forget(id)
            return found

        here = Known(find)
        return await here.find(key)

    found = asyncio.run(come())
    assert found is not None and found.revoked is not None
    assert len(asked.keys) == 2


def test_what_went_wrong_is_told_and_not_remembered(served: Served) -> None:
    key, id = make_key(served.log, "auditor")
    asked = Asked(served)

    async def come() -> Credential | None:
        here = Known(asked)
        asked.broken = True
        told = await asyncio.gather(*(here.find(key) for _ in range(3)), return_exceptions=True)
        assert [type(one) for one in told] == [OSError] * 3
        asked.broken = False
        return await here.find(key)

    found = asyncio.run(come())
    assert found is not None and found.id == id and len(asked.keys) == 2


def test_a_checkpoint_is_read_once_for_all_who_wait(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    read: Any = served.log.checkpoint
    looks: list[float] = []

    def look() -> Any:
        looks.append(time.monotonic())
        time.sleep(0.05)
        return read()

    monkeypatch.setattr(served.log, "checkpoint", look)
    client = served.as_("auditor")
    with ThreadPoolExecutor(24) as pool:
        start = time.monotonic()
        got = list(pool.map(lambda _: client.get(f"/v1/logs/{served.log.id}/checkpoint").status_code, range(200)))
        seconds = time.monotonic() - start
    assert set(got) == {200}
    # One at a time, and none before the last is a tenth of a second old.
    assert 1 <= len(looks) <= seconds / FRESH_SECONDS + 2


def test_where_it_cannot_be_read_nobody_is_shown_an_old_one(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    receipt = served.record()["receipt"]
    client = served.as_("auditor")
    checkpoint = f"/v1/logs/{served.log.id}/checkpoint"
    proof = f"/v1/logs/{served.log.id}/entries/{receipt['seq']}.tlog-proof"

    def look() -> Any:
        time.sleep(0.05)
        raise StoreUnavailable("connection to server at 192.0.2.1 failed")

    with monkeypatch.context() as away, ThreadPoolExecutor(16) as pool:
        away.setattr(served.log, "checkpoint", look)
        # As if another process had written it: this one has to look.
        away.setattr(type(served.log), "signed", None)
        served.service._checkpoint = EMPTY, b""
        served.service._checkpoint_until = 0.0
        for got in pool.map(client.get, [checkpoint, proof] * 16):
            said = problem(got, "unavailable")
            assert "192.0.2.1" not in said["detail"]
    assert client.get(checkpoint).status_code == client.get(proof).status_code == 200
