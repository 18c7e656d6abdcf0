"""What a message is, and which one a copy is of: fingerprints, and looking a received copy up among many."""

from __future__ import annotations

import base64
import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from adapters.blobs import LocalBlobs
from bench.figure import Figure, p99
from bench.ingest import opened
from ledger import envelope, fingerprint
from ledger.log import Log
from ledger.sequencer import Submission

LARGE: Final = 50_000_000
"""Octets of a large attachment."""

ASKED: Final = 200
"""Copies that are looked up, and messages that are kept so that they can be compared to the last word."""

FOOTER: Final = b"\r\n-- \r\nThe list\r\n--x\r\nContent-Type: app"
BATCH: Final = 1000
ONE_CORE: Final = "CPU time of one process"


def run(directory: Path, messages: int, rounds: int, tell: Callable[[], None]) -> list[Figure]:
    """``messages`` are recorded, then copies of some of them looked up; ``tell`` is called for each batch."""
    figures = [_large(rounds), _small(rounds)]
    (directory / "copies").mkdir()
    url = f"sqlite:///{directory}/copies.db"
    blobs = partial(LocalBlobs, directory / "copies" / "blobs")
    with opened(url, directory / "copies", blobs=blobs) as log:
        _record(log, messages, tell)
        figures += _identify(log, messages)
    return figures


def _large(rounds: int) -> Figure:
    """Of the octets as they travel: base64, a third more than the attachment."""
    content = base64.encodebytes(random.Random(1).randbytes(LARGE)).replace(b"\n", b"\r\n")
    octets = b"".join(
        [
            b"From: a@sender.example\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nsee attached\r\n",
            b"--x\r\nContent-Type: application/pdf; name=plan.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n",
            content + b"--x--\r\n",
        ]
    )
    rates = [len(octets) / 1e6 / took for took in _timed(lambda: fingerprint.take(octets), rounds)]
    return Figure("fingerprint, 50 MB attachment", "MB/s", rates, target=200, note=f"{ONE_CORE}; base64 as it travels")


def _small(rounds: int) -> Figure:
    octets = mail(0, 20_000)
    times = _timed(lambda: [fingerprint.take(octets) for _ in range(500)], rounds)
    rates = [500 / took for took in times]
    note = f"{ONE_CORE}; text and an attachment"
    return Figure("fingerprint, mail of 20 KB", "mails/s", rates, target=3000, note=note)


def _timed(act: Callable[[], object], rounds: int) -> Iterator[float]:
    for _ in range(rounds):
        start = time.process_time()
        act()
        yield time.process_time() - start


def mail(number: int, size: int = 2_000) -> bytes:
    """A mail of its own, with an attachment that fills it up to about ``size`` octets."""
    lines = ["Received: from a.example by b.example; Mon, 5 Jan 2026 10:00:00 +0000"] * 3
    lines += ["From: Ann Sender <ann@sender.example>", "To: bob@one.example", f"Subject: offer no. {number}"]
    lines += [f"Date: Mon, 5 Jan 2026 {number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02} +0000"]
    lines += [f"Message-ID: <{number}@sender.example>", "MIME-Version: 1.0"]
    lines += ["Content-Type: multipart/mixed; boundary=x", "", "--x", "Content-Type: text/plain; charset=utf-8", ""]
    lines += [f"Dear Bob, please find our offer no. {number}.", ""] * max(1, size // 400)
    lines += ["--x", "Content-Type: application/pdf; name=offer.pdf", "Content-Transfer-Encoding: base64", ""]
    attachment = random.Random(number).randbytes(max(100, (size - 60 * len(lines)) * 3 // 4))
    lines += base64.encodebytes(attachment).decode().splitlines()
    return "\r\n".join([*lines, "--x--", ""]).encode()


def _record(log: Log, messages: int, tell: Callable[[], None]) -> None:
    sent = envelope.given("ann@sender.example", ["bob@one.example"])
    for start in range(0, messages, BATCH):
        submissions = []
        for number in range(start, min(messages, start + BATCH)):
            octets = mail(number)
            # The last ones are kept, so that their texts can be compared.
            kept = octets if number >= messages - ASKED else None
            made, _ = log.prepare_kept(kept, None, fingerprint.take(octets), sent, ["to"])
            submissions.append(Submission(made))
        for answer in log.submit(submissions).result():
            if isinstance(answer, Exception):
                raise answer
        tell()


def _identify(log: Log, messages: int) -> list[Figure]:
    dice = random.Random(messages)
    took: dict[str, list[float]] = {}
    for turn in range(ASKED):
        old = dice.randrange(messages)
        young = messages - 1 - turn % min(ASKED, messages)
        copies = {
            "same octets": mail(old),
            "through a relay": b"Received: from b.example by c.example; now\r\n" + mail(old),
            "with a footer, content kept": mail(young).replace(b"\r\n--x\r\nContent-Type: app", FOOTER, 1),
            "never recorded": mail(messages + turn),
        }
        for name, copy in copies.items():
            start = time.perf_counter()
            found = log.identify(copy)
            took.setdefault(name, []).append(1000 * (time.perf_counter() - start))
            if len(found) != (name != "never recorded"):
                raise AssertionError(f"{name}: {len(found)} matches")
    note = "SQLite, mails of 2 KB, one after another; from the octets to the verdict"
    figures = []
    for name, times in took.items():
        what = f"verify a copy among {messages:,}, {name}"
        figures.append(Figure(f"{what}: p50", "ms", times, target=50, note=note))
        figures.append(Figure(f"{what}: p99", "ms", times, p99, note=note))
    return figures
