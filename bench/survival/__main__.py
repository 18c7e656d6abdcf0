"""``python -m bench.survival CORPUS... [--limit N] [--own] [--only TEXT] [--out table.md] [--failures FILE]``"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from bench.survival import corpus, run, table
from bench.survival.change import Change
from bench.survival.product import Product, Recorded


def main(product: Callable[[Path], Product] = Recorded) -> None:
    parser = argparse.ArgumentParser(prog="bench.survival", description="Which changes in transit a message survives.")
    parser.add_argument("corpus", nargs="+", type=Path, help="eml files, mboxes, Maildirs, folders of them")
    parser.add_argument("--limit", type=int, default=1000, help="copies of each change at most (default 1000)")
    parser.add_argument("--only", action="append", help="rows whose kind or hand holds this text; may be repeated")
    parser.add_argument("--own", action="store_true", help="our own hand only, no other software")
    parser.add_argument("--sent", action="store_true", help="changed are mails that have From, Date and Message-ID")
    parser.add_argument("--out", type=Path, help="where to write the table, as Markdown")
    parser.add_argument("--failures", type=Path, help="where to write each copy that was not answered as it should be")
    arguments = parser.parse_args()
    # A run that is stopped stops the programs that it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.perf_counter()
    mails = corpus.load(arguments.corpus, _say)
    if not mails.recorded:
        raise SystemExit("no message found")
    with (
        tempfile.TemporaryDirectory(prefix="ledger-") as data,
        tempfile.TemporaryDirectory(prefix="hands-") as scratch,
        product(Path(data)) as asked,
    ):
        others = None if arguments.own else Path(scratch)
        rows = run.run(mails, asked, others, arguments.limit, _chosen(arguments.only), _say, sent=arguments.sent)
    fact = (
        f"{datetime.now(UTC):%Y-%m-%d}: {len(mails.recorded):,} messages recorded, {len(mails.strangers):,} never; "
        f"at most {arguments.limit:,} copies of each change; {time.perf_counter() - started:.0f} s"
    )
    text = table.markdown(rows, fact)
    if arguments.out:
        arguments.out.write_text(text)
    if arguments.failures:
        arguments.failures.write_text("".join(f"{line}\n" for row in rows for line in row.failures))
    print(text)
    sys.exit(0 if all(table.reached(row) for row in rows) else 1)


def _chosen(only: list[str] | None) -> Callable[[Change], bool]:
    if not only:
        return lambda _: True
    return lambda change: any(text.lower() in f"{change.kind} {change.hand}".lower() for text in only)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
