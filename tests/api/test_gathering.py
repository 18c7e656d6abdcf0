"""Requests gathered while another process writes to the same ledger: none waits for ever, none is lost."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ledger.sequencer import Submission
from tests.api.serving import Served
from tests.ledger.ledgers import bare, beat, outcomes, submit

pytestmark = pytest.mark.parametrize("any_database", ["sqlite", "postgresql18"], indirect=True, scope="module")


def test_others_hold_the_head_for_a_while(served: Served) -> None:
    """What comes meanwhile is answered in one batch afterwards, and whoever only reads is not kept waiting."""
    message = served.record()["message"]
    client, log = served.as_("ingest"), served.log

    def opened(_: int) -> Any:
        got = client.post(f"/v1/messages/{message}/events", json={"kind": "message.opened", "recipient": "r1"})
        assert got.status_code == 201, got.text
        return got.json()["receipt"]

    store = log.store
    holder = store.appender()
    with ThreadPoolExecutor(20) as pool:
        # Another writer was here, so this one does not think that it is alone.
        with bare(store.url, served.service.settings.data_dir) as other:
            outcomes(submit(other.sequencer, beat(log.instance)))
        opened(0)
        with bare(store.url, served.service.settings.data_dir) as other:
            outcomes(submit(other.sequencer, beat(log.instance)))
        assert not log.sequencer.alone
        holder.begin()
        try:
            coming = [pool.submit(opened, k) for k in range(20)]
            time.sleep(0.3)
            assert not any(one.done() for one in coming)
            start = time.monotonic()
            assert client.get(f"/v1/logs/{log.id}/checkpoint").status_code == 200
            assert client.get("/healthz").status_code == 200
            assert time.monotonic() - start < 5
        finally:
            holder.rollback()
            holder.close()
        receipts = [one.result(30) for one in coming]
    assert len({one["checkpoint"] for one in receipts}) <= 2
    assert len({one["seq"] for one in receipts}) == 20


def test_two_writers_in_turns_lose_nothing(served: Served) -> None:
    message = served.record()["message"]
    client, log = served.as_("ingest"), served.log
    before = log.reader.head().size
    over = threading.Event()
    written = 0

    def write() -> None:
        nonlocal written
        with bare(log.store.url, served.service.settings.data_dir) as other:
            while not over.is_set():
                outcomes(other.sequencer.submit([Submission(beat(log.instance))] * 5).result(30))
                written += 5

    def opened(_: int) -> int:
        got = client.post(f"/v1/messages/{message}/events", json={"kind": "message.opened", "recipient": "r1"})
        assert got.status_code == 201, got.text
        return int(got.json()["receipt"]["seq"])

    other = threading.Thread(target=write)
    other.start()
    try:
        with ThreadPoolExecutor(16) as pool:
            seqs = list(pool.map(opened, range(300)))
    finally:
        over.set()
        other.join(60)
    assert len(set(seqs)) == 300
    assert written > 0
    # And beats of this process, perhaps.
    assert log.reader.head().size - before >= 300 + written
