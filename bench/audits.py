"""A full audit (`ledger.audit`), in a process of its own so that its memory can be told."""

from __future__ import annotations

import multiprocessing
import resource
import time
from functools import partial
from multiprocessing.connection import Connection

from bench.figure import Figure
from bench.ingest import ORIGIN
from ledger.audit import audit
from ledger.store.replayed import StoredLog


def run(url: str, note: bytes, vkey: str, processes: int, times: int, target: float) -> list[Figure]:
    """Rate and peak memory of ``times`` audits by ``processes`` processes."""
    rates, peaks = [], []
    spawn = multiprocessing.get_context("spawn")
    size = messages = recipients = 0
    for _ in range(times):
        here, there = spawn.Pipe()
        child = spawn.Process(target=_audit, args=(there, url, note, vkey, processes))
        child.start()
        size, seconds, peak, messages, recipients = here.recv()
        child.join()
        rates.append(size / seconds)
        peaks.append(peak)
    chains = messages + recipients + 1
    name = f"full audit, {processes} process" + ("es" if processes > 1 else "")
    return [
        Figure(name, "entries/s", rates, target=target, note=f"every rule; {size:,} entries on {chains:,} chains"),
        Figure(f"{name}: peak memory", "MB", peaks, target=500, note="sum of the processes' peaks"),
    ]


def _audit(pipe: Connection, url: str, note: bytes, vkey: str, processes: int) -> None:
    start = time.perf_counter()
    report = audit(partial(StoredLog, url, note), origin=ORIGIN, vkeys=[vkey], processes=processes)
    seconds = time.perf_counter() - start
    assert report.ok, report.findings[:3]
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # The largest child, for each of them: they do the same work.
    others = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * processes if processes > 1 else 0
    pipe.send((report.size, seconds, (own + others) / 1024, report.messages, report.recipients))
