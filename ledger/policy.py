"""Block rules: what may still be handed over. Pure; asked in the transaction that records the access.

A block names recipient x file pairs as they were at its instant, and is in force from its own entry to its lift. Any
block that matches wins. Ledger order decides, never a clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ledger.event import ACCESSES, ELSEWHERE, POLICED


@dataclass(frozen=True, slots=True)
class Block:
    """One block in force on one chain: its id, the entry that applied it, the files it covers there."""

    id: str
    seq: int
    files: frozenset[str]


@dataclass(frozen=True, slots=True)
class Decision:
    """``denied`` names the block that forbids it; ``late`` says it is recorded although a block covers it."""

    denied: Block | None = None
    late: bool = False


ALLOWED = Decision()


def decide(kind: str, source: str, file: str | None, blocks: Iterable[Block]) -> Decision:
    """What happens to an access of ``kind`` from ``source`` to ``file`` while ``blocks`` are in force on its chain.

    What a webhook, report or import tells of has happened: it is recorded and flagged, because denying it would hide
    it. What asks us now is denied. Without a file nothing hosted is asked for, and no block can cover it.
    """
    if file is None or kind not in ACCESSES:
        return ALLOWED
    for block in blocks:
        if file in block.files:
            if source in ELSEWHERE:
                return Decision(late=True)
            if kind in POLICED:
                return Decision(denied=block)
            return ALLOWED
    return ALLOWED
