"""Inclusion proofs through the path that receipts take: `Reader.nodes`, `prove_inclusion`."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from hashlib import sha256

from sqlalchemy import insert

from bench.figure import Figure, p99
from ledger.merkle import Frontier, check_inclusion, leaf_hash, prove_inclusion
from ledger.store import open_store, tables
from ledger.store.read import Reader
from ledger.tiles import FULL, grow

CHUNK = 65_536


def run(reader: Reader, size: int, leaf: Callable[[int], bytes], times: int, name: str, note: str) -> list[Figure]:
    """``times`` proofs of random entries of a tree of ``size``; one in a hundred is checked too."""
    dice = random.Random(size)
    root = reader.root(size)
    took = []
    for turn in range(times + 50):
        index = dice.randrange(size)
        start = time.perf_counter()
        proof = prove_inclusion(index, size, reader.nodes(size))
        if turn >= 50:
            took.append(1000 * (time.perf_counter() - start))
        if turn % 100 == 0:
            check_inclusion(leaf(index), index, size, proof, root)
    large = size >= 10_000_000
    return [
        Figure(f"inclusion proof, {name}: p50", "ms", took, target=1 if large else None, note=note),
        Figure(f"inclusion proof, {name}: p99", "ms", took, p99, target=2 if large else None, note=note),
    ]


def synthetic_leaf(index: int) -> bytes:
    """Leaf hash of an entry that was never written."""
    return leaf_hash(b"%d" % index)


def synthetic(url: str, size: int, tell: Callable[[], None]) -> Reader:
    """A tree of ``size`` leaves, hashed here and loaded into the tables past the writer: tiles, edge, and the leaves of
    the last tile. Such a database is no ledger; it is there to be read."""
    store = open_store(url)
    frontier = Frontier()
    edge: dict[int, bytes] = {}
    with store.engine.begin() as connection:
        for start in range(0, size, CHUNK):
            stop = min(size, start + CHUNK)
            edge, full = grow(edge, frontier.extend([sha256(b"\0%d" % i).digest() for i in range(start, stop)]))
            if full:
                rows = [{"level": tile.level, "n": tile.index, "data": data} for tile, data in full]
                connection.execute(insert(tables.tiles), rows)
            tell()
        if rows := [{"level": level, "data": data} for level, data in edge.items() if level]:
            connection.execute(insert(tables.edge), rows)
        if tail := [
            {"seq": i, "root": i, "chain": i, "n": 0, "leaf": synthetic_leaf(i), "entry": b""}
            for i in range(size - size % FULL, size)
        ]:
            connection.execute(insert(tables.entries), tail)
    return store.reader
