"""Blocks of 65,536 entries, in which the parts of a replay meet: each entry once, each naming the one before, times in
order, and the tree over them with its stored tiles.

A block is one subtree of level 16, so that blocks can be checked by several processes and their roots are all the tree
above needs.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple, Protocol

from ledger.merkle import HASH_SIZE, Frontier
from ledger.replay import NO_TIME, Summary
from ledger.rules import Finding, Findings
from ledger.tiles import FULL

BLOCK: Final = FULL * FULL
"""Entries of one block: a full tile of level 1."""

LEVEL: Final = 16
"""Of a block's root."""

_TIME: Final = 27  # octets of a time


class Tiles(Protocol):
    """Where stored tiles are."""

    def tile(self, level: int, index: int) -> bytes | None:
        """A stored full tile, 8,192 bytes; None if it is not stored."""


class Piece(NamedTuple):
    """What one part has in one block; slices of a `Summary`'s arrays."""

    seqs: array[int]
    leaves: bytes
    jumps: array[int]
    prevs: bytes
    turns: array[int]
    times: bytes


class Task(NamedTuple):
    """One block to check. ``before`` is the leaf hash of the entry before it, empty where that is missing."""

    first: int
    width: int
    pieces: list[Piece]
    before: bytes
    sizes: list[int]


@dataclass(slots=True)
class Checked:
    """A block checked: its root, the roots that `Task.sizes` asked for, its first and its last time."""

    root: bytes
    roots: list[bytes]
    times: tuple[bytes, bytes]
    findings: list[Finding]


def check(reader: Tiles, task: Task) -> Checked:
    """Check one block."""
    found = Findings()
    leaves = _meet(task, found)
    for piece in task.pieces:
        befores = [leaves[seq - task.first - 1] if seq > task.first else task.before for seq in piece.jumps]
        if b"".join(befores) != piece.prevs:
            for seq, before, prev in zip(piece.jumps, befores, cut(piece.prevs, HASH_SIZE), strict=True):
                if before and before != prev:
                    found.add("prev", seq, "prev is not the leaf hash of the entry before")
    times = _check_times(task, found)
    leaves = [leaf or bytes(HASH_SIZE) for leaf in leaves]
    frontier = Frontier()
    levels: dict[int, list[bytes]] = {}
    roots = []
    done = 0
    for size in [*task.sizes, task.width]:
        for run in frontier.extend(leaves[done:size]):
            levels.setdefault(run.level, []).extend(run.hashes)
        done = size
        roots.append(frontier.root())
    for level in (0, 8):
        check_tiles(reader, level, task.first >> level, levels.get(level, []), found)
    return Checked(roots.pop(), roots, times, found.items)


def _meet(task: Task, found: Findings) -> list[bytes]:
    """Leaf hashes in order, from all parts; empty where an entry is missing."""
    first, pieces = task.first, [p for p in task.pieces if p.seqs]
    if len(pieces) == 1 and len(pieces[0].seqs) == task.width:
        return cut(pieces[0].leaves, HASH_SIZE)  # ascending and all there: a replay takes no other
    table: dict[int, bytes] = {}
    for piece in pieces:
        for seq in table.keys() & piece.seqs if table else ():
            found.add("seq", seq, "an entry stands in the log twice")
        table.update(zip(piece.seqs, cut(piece.leaves, HASH_SIZE), strict=True))
    if len(table) < task.width:
        for seq in range(first, first + task.width):
            if seq not in table:
                found.add("seq", seq, "an entry is missing")
    return [table.get(seq, b"") for seq in range(first, first + task.width)]


def _check_times(task: Task, found: Findings) -> tuple[bytes, bytes]:
    """Times never go back within the block; the first and the last."""
    runs = []
    for piece in task.pieces:
        ends = [*piece.turns, task.first + task.width][1:]
        for at, turn, end in zip(cut(piece.times, _TIME), piece.turns, ends, strict=True):
            # From its turn to the part's last entry before the next; none where that lies before the block.
            low, high = bisect_left(piece.seqs, turn), bisect_left(piece.seqs, end)
            if low < high and at != NO_TIME:
                runs.append((at, piece.seqs[low], piece.seqs[high - 1]))
    if not runs:
        return b"", b""
    runs.sort()
    latest = -1  # entry of all with an earlier time
    same, last = runs[0][0], -1
    for at, start, end in runs:
        if at != same:
            same, latest = at, max(latest, last)
        if start < latest:
            return _find_times(task, found)
        last = max(last, end)
    return runs[0][0], runs[-1][0]


def _find_times(task: Task, found: Findings) -> tuple[bytes, bytes]:
    """Slowly, entry by entry, which go back."""
    known: dict[int, bytes] = {}
    for piece in task.pieces:
        ats = cut(piece.times, _TIME)
        for seq in piece.seqs:
            place = bisect_right(piece.turns, seq) - 1
            if place >= 0 and ats[place] != NO_TIME:
                known[seq] = ats[place]
    seqs = sorted(known)
    for before, seq in pairwise(seqs):
        if known[seq] < known[before]:
            found.add("time", seq, "recorded before the entry before it")
    return known[seqs[0]], known[seqs[-1]]


def check_tiles(reader: Tiles, level: int, first: int, hashes: Sequence[bytes], found: Findings) -> None:
    """Stored tiles over the complete subtrees of ``level`` (a multiple of 8) from number ``first`` on."""
    for start in range(0, len(hashes) - FULL + 1, FULL):
        index = (first + start) // FULL
        if reader.tile(level // 8, index) != b"".join(hashes[start : start + FULL]):
            found.add("tile", -1, f"tile {level // 8}/{index} is missing or not that of the tree")


def cut(data: bytes | bytearray, size: int) -> list[bytes]:
    """Equal pieces."""
    data = bytes(data)
    return [data[start : start + size] for start in range(0, len(data), size)]


def piece(summary: Summary, first: int, end: int) -> Piece:
    """What a part has of the block from entry ``first`` to ``end``."""
    low, high = bisect_left(summary.seqs, first), bisect_left(summary.seqs, end)
    jump, jump_end = bisect_left(summary.jumps, first), bisect_left(summary.jumps, end)
    # From the turn in force at the first entry, which may lie before the block.
    turn, turn_end = max(0, bisect_right(summary.turns, first) - 1), bisect_left(summary.turns, end)
    return Piece(
        summary.seqs[low:high],
        bytes(summary.leaves[HASH_SIZE * low : HASH_SIZE * high]),
        summary.jumps[jump:jump_end],
        bytes(summary.prevs[HASH_SIZE * jump : HASH_SIZE * jump_end]),
        summary.turns[turn:turn_end],
        bytes(summary.times[_TIME * turn : _TIME * turn_end]),
    )
