"""The machine a figure belongs to."""

from __future__ import annotations

import os
import platform
import sqlite3
import statistics
import time
from pathlib import Path

from bench.figure import Figure


def facts(postgresql: str) -> list[str]:
    """Processor, kernel, versions, and what was durable."""
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    return [
        f"{_processor()}, {os.cpu_count()} cores; load before the run {load}",
        f"{platform.system()} {platform.release()}; {platform.python_implementation()} {platform.python_version()}",
        f"SQLite {sqlite3.sqlite_version}: journal_mode=WAL, synchronous=FULL (the WAL is synced at every COMMIT)",
        f"PostgreSQL {postgresql}: fsync, full_page_writes and synchronous_commit on; on this machine, by socket",
    ]


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def sync(directory: Path, times: int) -> Figure:
    """What it costs to make 4 KiB durable here: write and fdatasync, at the end of a growing file."""
    took = []
    file = os.open(directory / "sync", os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        for _ in range(times):
            start = time.perf_counter()
            os.write(file, bytes(4096))
            os.fdatasync(file)
            took.append(time.perf_counter() - start)
    finally:
        os.close(file)
    return Figure("disk: write and sync 4 KiB", "ms", [1000 * t for t in took], statistics.median)
