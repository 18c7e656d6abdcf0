"""Certificates and packages: how fast they are drawn, how much memory that takes, how fast a stranger has a verdict."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench.figure import Figure
from ledger.sequencer import Submission
from reports import bag, certificate
from tests.reports.office import Office, an_office, letter

DRAW: Final = """
import resource, sys, time
from pathlib import Path
from reports import certificate
twin = Path(sys.argv[1]).read_bytes()
start = time.perf_counter()
certificate.draw(twin)
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
BATCH: Final = 1000


def run(directory: Path, rounds: int, events: tuple[int, int], tell: Callable[[], None]) -> list[Figure]:
    """``events`` on one recipient's chain: of a long certificate, and of one four times as long."""
    small = _twin(directory, 0)
    certificate.draw(small)
    took = _timed(lambda: certificate.draw(small), 20 * rounds)
    note = "one process, warm: of one recipient and the facts alone, three pages A4, evidence inside, PDF/A-3a"
    figures = [Figure("certificate, few events", "certificates/s", [1 / one for one in took], target=50, note=note)]
    tell()
    for count in events:
        twin = directory / f"twin-{count}.json"
        twin.write_bytes(_twin(directory, count))
        drawn = [_drawn(twin) for _ in range(rounds)]
        limits = (3.0, 300.0) if count == 5000 else (None, None)
        name, said = f"certificate, {count:,} events", "a process of its own, its first drawing: fonts are loaded"
        figures.append(Figure(name, "s", [one for one, _ in drawn], target=limits[0], note=said))
        figures.append(Figure(f"{name}: memory", "MB", [one for _, one in drawn], target=limits[1]))
        tell()
    package = directory / "package.zip"
    package.write_bytes(b"".join(bag.pack(_twin(directory, 91)).pieces))
    command = [sys.executable, "-m", "cli.main", "verify", str(package)]
    subprocess.run(command, capture_output=True, check=False)
    waited = _timed(lambda: subprocess.run(command, capture_output=True, check=False), 7 * rounds)
    note = "the whole command, Python's start included"
    return [*figures, Figure("verify a package of 100 entries", "s", waited, target=0.3, note=note)]


def _timed(work: Callable[[], object], times: int) -> list[float]:
    took = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        took.append(time.perf_counter() - start)
    return took


def _drawn(twin: Path) -> tuple[float, float]:
    """Seconds, and megabytes at most."""
    ran = subprocess.run([sys.executable, "-c", DRAW, str(twin)], capture_output=True, text=True, check=True)
    seconds, memory = map(float, ran.stdout.split())
    return seconds, memory


def _twin(directory: Path, events: int) -> bytes:
    """Evidence of a certificate about one recipient to whom so much happened."""
    with tempfile.TemporaryDirectory(dir=directory) as place, an_office(Path(place)) as office:
        office.record(letter())
        for start in range(0, events, BATCH):
            _happen(office, min(BATCH, events - start))
        office.issue("access" if events else "dispatch", "r1", content=bool(events))
        return office.twins[-1]


def _happen(office: Office, count: int) -> None:
    agent = [("ip", "203.0.113.9"), ("user_agent", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)")]
    acts = [office.log.draft(office.message, "r1", "link.opened", source="portal", sealed=agent) for _ in range(count)]
    for answer in office.log.submit([Submission(one) for one in acts]).result():
        if isinstance(answer, Exception):
            raise answer
