"""Holds and erasures in a replay: what is released was held, and nothing is erased that is."""

from __future__ import annotations

from typing import Any, Protocol

from ledger.rules import BrokenError
from ledger.scan import Line


class Holding(Protocol):
    """A chain, as far as holds go. ``message`` is that of a recipient's chain."""

    holds: set[str] | None

    @property
    def message(self) -> Holding | None:
        """None on any other chain."""


def placed(seq: int, line: Line, facts: Any, chain: Holding) -> None:
    """`hold.placed`."""
    if chain.holds is None:
        chain.holds = set()
    if facts.hold in chain.holds:
        raise BrokenError("hold", "this hold is in force here already")
    chain.holds.add(facts.hold)


def released(seq: int, line: Line, facts: Any, chain: Holding) -> None:
    """`hold.released`."""
    if chain.holds is None or facts.hold not in chain.holds:
        raise BrokenError("hold", "released, but not in force here")
    chain.holds.remove(facts.hold)


def erased(seq: int, line: Line, facts: Any, chain: Holding) -> None:
    """`erasure.done`."""
    if chain.holds or (chain.message is not None and chain.message.holds):
        raise BrokenError("hold", "erased while a hold was in force")
