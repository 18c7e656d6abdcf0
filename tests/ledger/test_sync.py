"""Nothing is answered that a power cut could take back. A killed process cannot show this, since the kernel keeps what
was written; so strace watches what is synced before each answer, and a disk is made of what was synced and no more.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from tests.databases import Postgres
from tests.helpers import HOUSE, environment
from tests.ledger.ledgers import beat, open_log, outcomes, submit
from tests.ledger.walk import walk

WRITER = """
import json, os, sys
from pathlib import Path
from ledger.store import engine as engines
from tests.ledger.ledgers import beat, download, open_log, record

url, directory, answers, acts, careless = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), sys.argv[5]
engines.WAL_PAGES = 60  # so that the log is also copied back now and then
if careless == "careless":
    prepare = engines._prepare_sqlite
    def prepare_badly(connection, record):
        prepare(connection, record)
        connection.execute("PRAGMA synchronous=OFF").close()
    engines._prepare_sqlite = prepare_badly
    engines.check_durable = lambda engine: None
journal = os.open(answers, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
with open_log(url, directory) as log:
    for k in range(acts):
        if k % 5 == 0:
            message = record(log)
            recorded = message.outcome.recorded
        elif k % 5 == 1:
            recorded = log.write(download(log, message.message, "r1")).recorded
        else:
            recorded = log.write(beat(log.instance)).recorded
        os.write(journal, json.dumps([[r.seq, r.leaf] for r in recorded]).encode() + b"\\n")
"""
CALLS = "write,pwrite64,pwritev,pwritev2,fsync,fdatasync,ftruncate,unlink,unlinkat,rename,renameat,sendto"
CALL = re.compile(r"^(\d+) +(\w+)\((.*)$")
RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)$")


def strace(*options: str) -> list[str]:
    """The beginning of a command line; skips where tracing is not possible."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    probe = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, text=True)
    if probe.returncode:
        pytest.skip(f"strace may not trace here: {probe.stderr.strip().splitlines()[-1]}")
    return ["strace", "-f", "-y", "-qq", "-e", f"trace={CALLS}", "-e", "signal=none", *options]


def unhex(text: str) -> str:
    return bytes.fromhex(text.replace("\\x", "")).decode()


@dataclass
class Call:
    """One system call: whose, what, its arguments as strace writes them, and whether this line is its end."""

    pid: str
    name: str
    arguments: str
    ended: bool


def calls(trace: Path) -> Iterator[Call]:
    """Calls in the order of their begin; one that others interrupted appears again when it ends."""
    pending: dict[str, str] = {}
    with trace.open() as lines:
        for line in lines:
            # With -xx the names of files are spelt in hex too.
            line = re.sub(r"<((?:\\x[0-9a-f]{2})+)>", lambda found: f"<{unhex(found[1])}>", line)
            if match := RESUMED.match(line):
                yield Call(match[1], match[2], pending.pop(match[1]) + match[3].lstrip(), True)
            elif match := CALL.match(line):
                if line.rstrip().endswith("<unfinished ...>"):
                    pending[match[1]] = match[3].rsplit("<unfinished", 1)[0].rstrip()
                    yield Call(match[1], match[2], match[3], False)
                else:
                    yield Call(match[1], match[2], match[3], True)


def run_writer(directory: Path, acts: int, careless: bool = False) -> Path:
    """Write to a new ledger under strace; the trace."""
    trace = directory / "trace"
    writer = [sys.executable, "-c", WRITER, f"sqlite:///{directory / 'ledger.db'}", str(directory)]
    done = subprocess.run(
        [
            *strace("-xx", "-s", "1000000", "-o", str(trace)),
            *writer,
            str(directory / "answers"),
            str(acts),
            "careless" if careless else "careful",
        ],
        cwd=HOUSE,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return trace


@dataclass
class File:
    """What is surely on the disk, and what was written since the last sync."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes]] = field(default_factory=list)

    def write(self, offset: int, data: bytes) -> None:
        self.pending.append((offset, data))

    def sync(self) -> None:
        self.durable = self.image(self.pending)
        self.pending = []

    def cut(self, length: int) -> None:
        # As if at once: a length that is kept too long is what a torn write leaves, and SQLite must bear both.
        self.sync()
        del self.durable[length:]

    def image(self, landed: Sequence[tuple[int, bytes]]) -> bytearray:
        image = bytearray(self.durable)
        for offset, data in landed:
            image.extend(bytes(max(0, offset + len(data) - len(image))))
            image[offset : offset + len(data)] = data
        return image

    def after_power_cut(self, chance: random.Random | None) -> bytearray:
        """Without chance nothing unsynced has landed; with it some sectors have, in any order."""
        if chance is None:
            return self.durable
        sectors = [(offset + k, data[k : k + 512]) for offset, data in self.pending for k in range(0, len(data), 512)]
        return self.image([sector for sector in sectors if chance.random() < 0.5])


WRITTEN = re.compile(r'^\d+<([^>]*)>, "((?:\\x[0-9a-f]{2})*)", \d+(?:, (\d+))?\)')
PATH = re.compile(r"^\d+<([^>]*)>(?:, (\d+))?")


def power_cuts(trace: Path, directory: Path) -> Iterator[tuple[list[tuple[int, str]], dict[str, File]]]:
    """At each answer: what has been answered so far, and the files as they are at that moment."""
    files: dict[str, File] = {}
    answered: list[tuple[int, str]] = []
    database = str(directory / "ledger.db")
    ours = {database, f"{database}-wal"}
    for call in calls(trace):
        match = WRITTEN.match(call.arguments)
        if match and call.name == "write" and match[1] == str(directory / "answers") and call.ended:
            yield answered, files
            answered += [(seq, leaf) for seq, leaf in json.loads(unhex(match[2]))]
            yield answered, files
        elif call.name == "pwrite64" and call.ended and any(f"<{name}>" in call.arguments for name in ours):
            # Interrupted, it is counted when it ends: until then no sync can have covered it.
            assert match is not None, call.arguments[:200]
            if match[1] in ours:
                data = bytes.fromhex(match[2].replace("\\x", ""))
                files.setdefault(match[1], File()).write(int(match[3]), data)
        elif call.name in ("fsync", "fdatasync", "ftruncate") and call.ended:
            place = PATH.match(call.arguments)
            assert place is not None and " = 0" in call.arguments
            if place[1] in ours:
                file = files.setdefault(place[1], File())
                if call.name == "ftruncate":
                    file.cut(int(place[2]))
                else:
                    file.sync()
        elif call.name in ("unlink", "unlinkat") and call.ended:
            name = re.search(r'"((?:\\x[0-9a-f]{2})*)"', call.arguments)
            assert name is not None
            files.pop(unhex(name[1]), None)


def lost(trace: Path, directory: Path, place: Path, chances: int) -> list[str]:
    """For each answer, cut the power and read what is left. What was answered and is not there."""
    chance = random.Random(3)
    missing = []
    cuts = 0
    for number, (answered, files) in enumerate(power_cuts(trace, directory)):
        for which in [None, *[chance] * chances] if number % 3 == 0 else [None]:
            cuts += 1
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            for name, file in files.items():
                (place / Path(name).name).write_bytes(file.after_power_cut(which))
            try:
                connection = sqlite3.connect(place / "ledger.db")
                try:
                    found = dict(connection.execute("SELECT seq, hex(leaf) FROM entries").fetchall())
                finally:
                    connection.close()
            except sqlite3.DatabaseError as error:
                missing.append(f"answer {number}: {error}")
                continue
            missing += [f"answer {number}: entry {s}" for s, leaf in answered if found.get(s, "").lower() != leaf]
        if number % 40 == 0 and not missing:
            walk(f"sqlite:///{place / 'ledger.db'}")
    assert cuts > 50
    return missing


def test_after_a_power_cut_every_answered_entry_is_there(tmp_path: Path) -> None:
    trace = run_writer(tmp_path, acts=60)
    copied = [c for c in calls(trace) if c.name == "fdatasync" and re.match(r"\d+<[^>]*ledger\.db>", c.arguments)]
    assert len(copied) > 2, "the log was copied back while it ran"
    assert lost(trace, tmp_path, tmp_path / "disk", chances=2) == []


def test_without_syncs_a_power_cut_is_noticed(tmp_path: Path) -> None:
    """A test of the test above."""
    trace = run_writer(tmp_path, acts=30, careless=True)
    assert len(lost(trace, tmp_path, tmp_path / "disk", chances=0)) > 10


def unsynced(trace: Path, log: str, is_answer: re.Pattern[str]) -> tuple[int, int]:
    """How many answers there were, and how many of them left while something written to the log was not synced."""
    answers = early = 0
    dirty = False
    for call in calls(trace):
        if re.search(rf"<[^>]*{log}[^>]*>", call.arguments):
            if call.name.startswith(("write", "pwrite")):
                dirty = True
            elif call.name in ("fsync", "fdatasync") and call.ended:
                assert " = 0" in call.arguments
                dirty = False
        elif is_answer.search(f"{call.name}({call.arguments}") and call.ended:
            answers += 1
            early += dirty
    return answers, early


@pytest.mark.parametrize("careless", [False, True], ids=["careful", "careless"])
def test_sqlite_syncs_its_log_between_write_and_answer(tmp_path: Path, careless: bool) -> None:
    trace = run_writer(tmp_path, acts=5, careless=careless)
    answers, early = unsynced(trace, r"ledger\.db-wal", re.compile(r"^write\(\d+<[^>]*/answers>"))
    assert answers == 5
    assert early == (5 if careless else 0)


def test_postgresql_syncs_its_log_between_write_and_answer(postgresql18: Postgres, tmp_path: Path) -> None:
    strace()
    with postgresql18.fresh_database() as url, open_log(url, tmp_path) as log:
        outcomes(submit(log, beat(log.instance)))
        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            rows = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE (datname = %s AND pid <> pg_backend_pid()) "
                "OR backend_type IN ('walwriter', 'checkpointer')",
                (make_url(url).database,),
            ).fetchall()
        trace = tmp_path / "trace"
        attach = [argument for (pid,) in rows for argument in ("-p", str(pid))]
        tracer = subprocess.Popen([*strace("-o", str(trace)), *attach], stderr=subprocess.PIPE, text=True)
        try:
            _attached([pid for (pid,) in rows], tracer)
            for _ in range(5):
                outcomes(submit(log, beat(log.instance)))
        finally:
            tracer.terminate()
            said = tracer.communicate(timeout=30)[1]
    if not trace.exists() or not trace.stat().st_size:
        pytest.skip(f"strace may not attach to the server: {said.strip()}")
    answers, early = unsynced(trace, "pg_wal/", re.compile(r'^sendto\(.*"C\\0\\0\\0\\vCOMMIT'))
    assert (answers, early) == (5, 0)


def _attached(pids: Sequence[int], tracer: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and tracer.poll() is None:
        traced = [re.search(r"TracerPid:\t(\d+)", Path(f"/proc/{pid}/status").read_text()) for pid in pids]
        if all(match and match[1] != "0" for match in traced):
            return
        time.sleep(0.02)
    pytest.skip(f"strace may not attach to the server (uid {os.geteuid()})")
