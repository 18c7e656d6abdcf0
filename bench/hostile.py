"""Mail that was written to hurt: how much longer everything takes that is done with its octets, if there is four times
as much of it. Linear is 4; all limits but those of size, depth and time are lifted, since they would hide it."""

from __future__ import annotations

import time
from collections.abc import Callable

from bench.figure import Figure
from ledger import dkim, mime, relaxed
from ledger.dkim import Signature
from ledger.fingerprint import take
from tests.ledger.hostile import LOOSE, RECORD, SHAPES

MOST = 5
FLOOR = 0.002
"""Seconds that are added to both times: below them it is the machine that is measured."""

NOTE = "CPU time for 4n octets to that for n, of all that is done with the octets of a message; the best of three each"

SIGNED = (
    b"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.org; s=a; bh=; b=;\r\n h=from:to:subject"
    b":content-type" + b":a" * 200 + b"\r\nFrom: a@example.org\r\n"
)


def run(size: int, tell: Callable[[], None]) -> list[Figure]:
    figures = []
    for shape in SHAPES:
        small, large = seconds(shape, size), seconds(shape, 4 * size)
        ratio = (large + FLOOR) / (small + FLOOR)
        figures.append(Figure(f"hostile, {shape}", "times", [ratio], target=MOST, note=NOTE))
        tell()
    return figures


def seconds(shape: str, size: int) -> float:
    """CPU time of all that is done with a message of that shape and of about that size; the best of three."""
    octets = SHAPES[shape](size)
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        _do(octets)
        best = min(best, time.process_time() - start)
    return best


def _do(octets: bytes) -> None:
    take(octets, LOOSE)
    whole = mime.normalise(SIGNED + octets)
    header = mime.read_header(whole, 0, len(whole), LOOSE)
    dkim.kept(whole, header)
    for signature in dkim.signatures(header):
        if isinstance(signature, Signature):
            dkim.check(whole, header, signature, RECORD, 0)
    relaxed.body_hash(whole, header.end)
