"""A full audit (`ledger.audit`), in a process of its own so that its memory can be told."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

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
    over = threading.Event()
    peaks: list[int] = []
    watch = threading.Thread(target=_watch, args=(over, peaks))
    watch.start()
    start = time.perf_counter()
    report = audit(partial(StoredLog, url, note), origin=ORIGIN, vkeys=[vkey], processes=processes)
    seconds = time.perf_counter() - start
    over.set()
    watch.join()
    assert report.ok, report.findings[:3]
    pipe.send((report.size, seconds, max(peaks) / 1024, report.messages, report.recipients))


def _watch(over: threading.Event, peaks: list[int]) -> None:
    """The peaks of this process and of those it started, together, as often as they can be read before they end."""
    while True:
        pids = [os.getpid(), *(child.pid for child in multiprocessing.active_children())]
        peaks.append(sum(_peak(pid) for pid in pids))
        if over.wait(0.1):
            return


def _peak(pid: int | None) -> int:
    """Kilobytes. Not from getrusage: there a new process begins with the peak of the one that started it."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0
