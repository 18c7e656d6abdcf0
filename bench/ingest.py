"""Ingest through `Log`: each writing process drafts a batch, hands it to its log and waits until it is durable.

Drafting in one thread while another writes was measured too and is slower: both need Python's one lock. What uses two
cores is two processes, each with a log of its own on the same database; they take turns at its head.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import psycopg

from bench.figure import Figure
from bench.work import BATCH, Work
from ledger.errors import LedgerError
from ledger.keys import MasterKey
from ledger.log import Log

Told = Callable[[], None]
"""Called after every window."""

ORIGIN = "localhost/bench"


@contextmanager
def opened(url: str, directory: Path, **options: Any) -> Iterator[Log]:
    """A new log; ``options`` are those of `Log`."""
    master = MasterKey.create(directory / "keys" / "master.key", directory / "keys", os.urandom)
    with Log.open(url, directory, origin=ORIGIN, master=master, **options) as log:
        yield log


def run(
    url: str, directory: Path, name: str, processes: int, windows: int, batches: int, target: float, tell: Told
) -> Figure:
    """``windows`` windows, in each of which every process writes ``batches`` batches; before them one to warm up."""
    spawn = multiprocessing.get_context("spawn")
    together = spawn.Barrier(processes)
    pipes = []
    children = []
    for _ in range(processes):
        here, there = spawn.Pipe()
        child = spawn.Process(target=_write, args=(there, together, url, directory, windows, batches))
        child.start()
        pipes.append(here)
        children.append(child)
    rates = []
    for window in range(windows + 1):
        times = [pipe.recv() for pipe in pipes]
        tell()
        if window:
            seconds = max(end for _, end in times) - min(start for start, _ in times)
            rates.append(processes * batches * BATCH / seconds)
    for child in children:
        child.join()
    size = processes * batches * BATCH
    note = f"everything on, drafting included; batches of {BATCH:,}, windows of {size:,} entries"
    by = f", {processes} processes" if processes > 1 else ""
    return Figure(f"ingest, {name}{by}", "entries/s", rates, target=target, note=note)


def _write(pipe: Connection, together: Barrier, url: str, directory: Path, windows: int, batches: int) -> None:
    master = MasterKey.load(directory / "keys" / "master.key")
    with Log.open(url, directory, origin=ORIGIN, master=master) as log:
        work = Work(log)
        settle()
        for _ in range(windows + 1):
            told = work.events(batches)
            together.wait()
            start = time.perf_counter()
            for events in told:
                for answer in log.submit(work.draft(events)).result():
                    if isinstance(answer, LedgerError):
                        raise answer
            pipe.send((start, time.perf_counter()))


def settle() -> None:
    """What a process that ingests should do once it has started: what is loaded by now is never looked at again by the
    collector, and it looks less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(500_000, 20, 100)


def limit_sqlite(directory: Path, entries: list[bytes], windows: int) -> Figure:
    """The same bytes, hashed and inserted, and nothing else: no chains, no sealing, no keys, no tree."""
    connection = sqlite3.connect(directory / "limit.db", isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=16384"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("CREATE TABLE entries (seq INTEGER PRIMARY KEY, leaf BLOB NOT NULL, entry BLOB NOT NULL)")
    rates = []
    seq = 0
    for _ in range(windows):
        start = time.perf_counter()
        for at in range(0, len(entries), BATCH):
            rows = [(seq + i, sha256(b"\0" + e).digest(), e) for i, e in enumerate(entries[at : at + BATCH])]
            seq += len(rows)
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO entries VALUES (?, ?, ?)", rows)
            connection.execute("COMMIT")
        rates.append(len(entries) / (time.perf_counter() - start))
    connection.close()
    return Figure("limit: bare insert and hash, SQLite", "entries/s", rates, note="no keys, chains, tree or sealing")


def limit_postgresql(url: str, entries: list[bytes], windows: int) -> Figure:
    """The same on PostgreSQL, by COPY."""
    rates = []
    seq = 0
    with psycopg.connect(url.replace("postgresql+psycopg", "postgresql")) as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE TABLE bare (seq int8 PRIMARY KEY, leaf bytea NOT NULL, entry bytea NOT NULL)")
        connection.commit()
        for _ in range(windows):
            start = time.perf_counter()
            for at in range(0, len(entries), BATCH):
                with cursor.copy("COPY bare FROM STDIN (FORMAT BINARY)") as copy:
                    copy.set_types(["int8", "bytea", "bytea"])
                    for i, e in enumerate(entries[at : at + BATCH]):
                        copy.write_row((seq + i, sha256(b"\0" + e).digest(), e))
                seq += BATCH
                connection.commit()
            rates.append(len(entries) / (time.perf_counter() - start))
    return Figure("limit: bare COPY and hash, PostgreSQL", "entries/s", rates, note="no keys, chains, tree or sealing")
