"""kill -9 at any moment of an erasure or of an epoch's turn: the next start finishes it, and nothing is amiss."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from ledger import entry, epochs
from ledger.audit import audit
from ledger.erasing import Erasing, unfinished
from ledger.store.inspect import inspect
from ledger.store.replayed import StoredLog
from tests.helpers import HOUSE, environment
from tests.ledger.ledgers import ORIGIN, open_log


def start(url: str, directory: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.ledger.erasures", url, str(directory)]
    return subprocess.Popen(command, cwd=HOUSE, env=environment(), stdout=subprocess.PIPE, text=True)


def round_(url: str, directory: Path, moment: float) -> int:
    """One kill, and what is found after it: how many erasures it left to be finished."""
    running = start(url, directory)
    assert running.stdout is not None
    assert running.stdout.readline() == "done\n"
    time.sleep(moment)
    assert running.poll() is None
    running.send_signal(signal.SIGKILL)
    running.communicate()
    with open_log(url, directory) as log:
        left = len(unfinished(log))
        # What is half done is not amiss, and what is said to be done is.
        assert inspect(log.reader, log.ring).findings == []
        assert Erasing(log).resume() == [] and unfinished(log) == []
        if log.ring.past_epochs:
            assert epochs.turn(log.store, log.ring, lambda: 1_790_000_000_000_000).finished
        asked, done = [], []
        for data in log.reader.entries(0, log.reader.head().size):
            made = entry.decode(data)
            if made.kind in ("erasure.requested", "erasure.done"):
                (asked if made.kind == "erasure.requested" else done).append((made.facts.erasure, made.chain))  # type: ignore[attr-defined]
        assert sorted(asked) == sorted(done) and len(set(done)) == len(done)
        for chain in log.reader.messages(3):
            if chain.erased >= 0:
                assert log.disclosed(chain.id) == {}
        assert inspect(log.reader, log.ring).findings == []
        _, note = log.checkpoint()
        report = audit(partial(StoredLog, url, note), origin=ORIGIN, vkeys=[log.ring.signer().vkey])
        assert not report.findings
    return left


def test_killed_at_some_moments(database_url: str, tmp_path: Path) -> None:
    moments = random.Random(7)
    for _ in range(3):
        round_(database_url, tmp_path, moments.random() * 0.3)


@pytest.mark.soak
def test_killed_at_many_moments(database_url: str, tmp_path: Path) -> None:
    moments = random.Random()
    assert sum(round_(database_url, tmp_path, moments.random() * 0.3) for _ in range(60)) > 0
