"""Ingest through `Log`: one caller drafts and submits batches, the log's own thread writes them. Two batches are under
way at a time, so that one is drafted while the other is written."""

from __future__ import annotations

import os
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg

from bench.figure import Figure
from bench.work import BATCH, Work
from ledger.errors import LedgerError
from ledger.keys import MasterKey
from ledger.log import Log

ORIGIN = "localhost/bench"


@contextmanager
def opened(url: str, directory: Path) -> Iterator[Log]:
    """A new log."""
    master = MasterKey.create(directory / "keys" / "master.key", directory / "keys", os.urandom)
    with Log.open(url, directory, origin=ORIGIN, master=master) as log:
        yield log


def run(log: Log, name: str, windows: int, batches: int, target: float, tell: Callable[[], None]) -> Figure:
    """``windows`` windows of ``batches`` batches each, after one that only warms up."""
    work = Work(log)
    rates = []
    under_way: deque[Any] = deque()
    for window in range(windows + 1):
        told = work.events(batches)
        start = time.perf_counter()
        for events in told:
            under_way.append(log.submit(work.draft(events)))
            while len(under_way) > 2:
                _check(under_way.popleft().result())
            tell()
        while under_way:
            _check(under_way.popleft().result())
        if window:
            rates.append(batches * BATCH / (time.perf_counter() - start))
    note = f"everything on, drafting included; batches of {BATCH:,}, windows of {batches * BATCH:,} entries"
    return Figure(f"ingest, {name}", "entries/s", rates, target=target, note=note)


def _check(answers: list[Any]) -> None:
    for answer in answers:
        if isinstance(answer, LedgerError):
            raise answer


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
