"""kill -9 at any moment: nothing acknowledged is missing, nothing is half present, nothing is there twice.

Writers are processes of their own (`tests.ledger.load`), four threads each, one process or three at once. `make soak`
kills at fifty moments in each configuration; the sample that always runs kills a few times.
"""

from __future__ import annotations

import base64
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from ledger.audit import audit
from ledger.store.replayed import StoredLog
from tests.databases import Postgres
from tests.helpers import HOUSE, environment
from tests.ledger import load
from tests.ledger.ledgers import ORIGIN, open_log
from tests.ledger.walk import Walked, walk

PROCESSES = pytest.mark.parametrize("processes", [1, 3])
LONG = 1000.0


class Writers:
    """Processes that write to one ledger, each with a journal."""

    def __init__(self, url: str, directory: Path, processes: int) -> None:
        self.url = url
        self.directory = directory
        self.journals = [directory / f"journal{k}" for k in range(processes)]
        self.started = 0

    def start(self, journal: Path, seconds: float = LONG) -> subprocess.Popen[bytes]:
        self.started += 1
        command = [sys.executable, "-m", "tests.ledger.load", self.url, str(self.directory), str(journal)]
        with (self.directory / "errors").open("ab") as errors:
            return subprocess.Popen(
                [*command, str(self.started), str(seconds)], cwd=HOUSE, env=environment(), stderr=errors
            )

    @contextmanager
    def running(self) -> Iterator[list[subprocess.Popen[bytes]]]:
        """All of them, each well into its work."""
        sizes = [journal.stat().st_size if journal.exists() else 0 for journal in self.journals]
        writers = [self.start(journal) for journal in self.journals]
        try:
            deadline = time.monotonic() + 60
            for journal, size, writer in zip(self.journals, sizes, writers, strict=True):
                while not journal.exists() or journal.stat().st_size < size + 2000:
                    assert writer.poll() is None and time.monotonic() < deadline, self.errors()
                    time.sleep(0.005)
            yield writers
        finally:
            for writer in writers:
                writer.kill()
                writer.wait()

    def errors(self) -> str:
        return (self.directory / "errors").read_text()

    def check(self) -> Walked:
        """Open what is left, let it go on for an entry, and hold every promise against it."""
        with open_log(self.url, self.directory) as log:
            state, note = log.checkpoint()
            vkey = log.ring.signer().vkey
        walked = walk(self.url, log.ring)
        report = audit(partial(StoredLog, self.url, note), origin=ORIGIN, vkeys=[vkey])
        assert not report.findings and report.checkpoint_size == state.size
        answers = [line for journal in self.journals for line in load.lines(journal) if "answered" in line]
        for line in answers:
            for seq, leaf in line["recorded"]:
                assert walked.leaves[seq].hex() == leaf
        # What a checkpoint said once, it says for ever; a sample, since each means hashing the whole prefix.
        for line in random.Random(1).sample(answers, min(30, len(answers))) + answers[-1:]:
            assert walked.root(line["size"]) == base64.b64decode(line["root"])
        keys = [key for key, _, _ in walked.tables["requests"]]
        events = [(chain, key) for chain, key, _ in walked.tables["seen"]]
        assert len(keys) == len(set(keys)) and len(events) == len(set(events))
        # Every event of the load has a key and seals its own name: so many entries, so many names.
        assert walked.kinds().count("message.opened") == len(events)
        assert len({e.sealed[0] for e in walked.entries if e.kind == "message.opened"}) == len(events)
        return walked

    def kill(self, moments: random.Random) -> int:
        """One round: let them write, kill each at a moment of its own. How many were killed."""
        with self.running() as writers:
            for writer in moments.sample(writers, len(writers)):
                time.sleep(moments.random() * 0.4)
                assert writer.poll() is None, self.errors()
                writer.send_signal(signal.SIGKILL)
                assert writer.wait() == -signal.SIGKILL
        return len(self.journals)


@pytest.fixture(params=["sqlite", "postgresql18"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], str]]:
    """A function that makes a fresh database of one kind."""
    if request.param == "sqlite":
        names = iter(range(1000))
        yield lambda: f"sqlite:///{tmp_path / f'ledger{next(names)}.db'}"
        return
    server: Postgres = request.getfixturevalue("postgresql18")
    open_ones = []

    def fresh() -> str:
        open_ones.append(server.fresh_database())
        return open_ones[-1].__enter__()

    yield fresh
    for one in open_ones:
        one.__exit__(None, None, None)


def rounds(new_url: Callable[[], str], directory: Path, processes: int, moments: int, seed: int) -> int:
    """Kill until there were that many moments; a fresh ledger now and then. Returns the entries that were checked."""
    random_ = random.Random(seed)
    killed = entries = 0
    while killed < moments:
        place = directory / f"killed{killed}"
        place.mkdir()
        writers = Writers(new_url(), place, processes)
        for _ in range(min(5, moments)):
            killed += writers.kill(random_)
            size = writers.check().size
            if killed >= moments:
                break
        entries += size
    return entries


@PROCESSES
def test_kill_the_writers(new_url: Callable[[], str], tmp_path: Path, processes: int) -> None:
    assert rounds(new_url, tmp_path, processes, 1, 7) > 100


@pytest.mark.soak
@PROCESSES
def test_kill_the_writers_at_fifty_moments(
    new_url: Callable[[], str], tmp_path: Path, processes: int, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = rounds(new_url, tmp_path, processes, 50, int(os.environ.get("SEED", "1")))
    with capsys.disabled():
        print(f" {processes} at once, 50 kills: {entries} entries checked", end="")


def kill_server(server: Postgres) -> None:
    """The postmaster and all its children, at once: what the machine's own end looks like to the files."""
    children = subprocess.run(["pgrep", "-P", str(server.pid)], capture_output=True, text=True).stdout.split()
    for pid in [server.pid, *map(int, children)]:
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and any(Path(f"/proc/{pid}/stat").exists() for pid in children):
        time.sleep(0.01)


def server_rounds(server: Postgres, directory: Path, moments: int, seed: int) -> int:
    random_ = random.Random(seed)
    with server.fresh_database() as url:
        writers = Writers(url, directory, 2)
        for _ in range(moments):
            with writers.running():
                time.sleep(random_.random() * 0.3)
                kill_server(server)
                server.start()
                # They were not killed: they wait, send again, and must end up with one entry for each request.
                time.sleep(0.5)
            walked = writers.check()
    return walked.size


def test_kill_the_server(postgresql18: Postgres, tmp_path: Path) -> None:
    assert server_rounds(postgresql18, tmp_path, 1, 3) > 100


@pytest.mark.soak
def test_kill_the_server_at_twenty_moments(
    postgresql18: Postgres, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = server_rounds(postgresql18, tmp_path, 20, 4)
    with capsys.disabled():
        print(f" 20 kills of the server: {entries} entries checked", end="")


def test_three_processes_open_one_empty_database_at_once(new_url: Callable[[], str], tmp_path: Path) -> None:
    """One of them begins the log; all write to it, interleaved, to the end."""
    writers = Writers(new_url(), tmp_path, 3)
    running = [writers.start(journal, 2.5) for journal in writers.journals]
    assert [w.wait(90) for w in running] == [0, 0, 0], writers.errors()
    walked = writers.check()
    assert [e.kind for e in walked.entries[:2]] == ["ledger.opened", "key.introduced"]
    assert walked.entries[0].facts.origin == ORIGIN  # type: ignore[attr-defined]
    writers_of = {}
    for number, journal in enumerate(writers.journals):
        assert load.unanswered(journal) == []
        writers_of |= {seq: number for line in load.lines(journal) for seq, _ in line.get("recorded", [])}
    order = [writers_of[seq] for seq in sorted(writers_of)]
    assert set(order) == {0, 1, 2}
    assert sum(a != b for a, b in pairwise(order)) > 20, "they took turns"
