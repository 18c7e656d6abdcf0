"""The same work with two other libraries, as durable as they get, and what each does not do."""

from __future__ import annotations

import random
import sqlite3
import time
from pathlib import Path
from typing import Any

from auditchain import SqliteBackend, SyncAuditLog, generate_keypair
from pymerkle import SqliteTree

from bench.figure import Figure
from bench.work import BATCH

NO_PYMERKLE = "no chains, sealing, duplicates, signatures or rules: bytes into a tree"
NO_AUDITCHAIN = "one chain; no tree on disk, sealing, duplicates or rules"


def pymerkle(directory: Path, entries: list[bytes], windows: int, proofs: int) -> list[Figure]:
    """``SqliteTree.append_entries``; its connection set to WAL and synchronous=FULL, as ours is."""
    tree = SqliteTree(str(directory / "pymerkle.db"))
    tree.con.execute("PRAGMA journal_mode=WAL")
    tree.con.execute("PRAGMA synchronous=FULL")
    rates = []
    for _ in range(windows):
        start = time.perf_counter()
        for at in range(0, len(entries), BATCH):
            tree.append_entries(entries[at : at + BATCH])
        rates.append(len(entries) / (time.perf_counter() - start))
    size = tree.get_size()
    dice = random.Random(size)
    took = []
    for _ in range(proofs):
        start = time.perf_counter()
        tree.prove_inclusion(dice.randrange(size) + 1)
        took.append(1000 * (time.perf_counter() - start))
    tree.close()
    return [
        Figure("ingest, pymerkle, SQLite", "entries/s", rates, note=f"WAL, FULL; {NO_PYMERKLE}"),
        Figure(f"inclusion proof, pymerkle, {size:,} leaves: p50", "ms", took, note="inner nodes are hashed again"),
    ]


def auditchain(directory: Path, records: int, windows: int, proofs: int) -> list[Figure]:
    """``append_many`` of the same facts in the clear, chained by SHA-256, and once with a signature on each record."""
    figures = []
    seed, _ = generate_keypair()
    for name, options in (("", {}), (", each record signed", {"signing_key": seed})):
        path = directory / f"auditchain{len(name)}.db"
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA journal_mode=WAL")  # stays with the file; synchronous is FULL by default
        log = SyncAuditLog(SqliteBackend(path), **options)  # type: ignore[arg-type]
        rates = []
        for window in range(windows):
            batches = [_records(window * records + at) for at in range(0, records, BATCH)]
            start = time.perf_counter()
            for batch in batches:
                log.append_many(batch)
            rates.append(records / (time.perf_counter() - start))
        what = f"ingest, auditchain{name}, SQLite"
        figures.append(Figure(what, "entries/s", rates, note=f"WAL, FULL; {NO_AUDITCHAIN}"))
        if not name:
            figures += _audit(log, records * windows, proofs)
        log.close()
    return figures


def _records(start: int) -> list[tuple[str, str, str, dict[str, Any] | None]]:
    return [
        (
            "gateway",
            "message.opened",
            f"message {n // 15} r{n % 2 + 1}",
            {
                "ip": f"192.0.2.{n % 251}",
                "user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)",
                "url": f"https://example.org/t/{n}/index.html?utm_source=mail",
                "occurred": "2026-11-23T04:03:11.000000Z",
            },
        )
        for n in range(start, start + BATCH)
    ]


def _audit(log: SyncAuditLog, size: int, proofs: int) -> list[Figure]:
    start = time.perf_counter()
    assert log.verify().ok
    rate = size / (time.perf_counter() - start)
    took = []
    dice = random.Random(size)
    for _ in range(proofs):
        start = time.perf_counter()
        log.inclusion_proof(dice.randrange(size))
        took.append(1000 * (time.perf_counter() - start))
    return [
        Figure("audit, auditchain", "entries/s", [rate], note=f"one chain of {size:,} records, in memory; no rules"),
        Figure(f"inclusion proof, auditchain, {size:,} records: p50", "ms", took, note="reads the whole log"),
    ]
