"""The blocks of a message, as its chains tell them: also those of long ago, as they stood when they were made."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import UNSET, UnsetType

from ledger import entry
from ledger.act import in_time
from ledger.entry import Entry
from ledger.state import Chain
from ledger.store.read import Reader

Pair = tuple[int, str, str]
"""Recipient number, file, and whether the block came in time: ``yes``, ``no`` or ``unknown``."""


def told(pairs: Sequence[Pair], inside: Collection[str]) -> list[dict[str, str]]:
    """Pairs as JSON; no block reaches a file that travelled ``inside`` the mail."""
    return [
        {"recipient": f"r{number}", "file": file, "in_time": "out_of_reach" if file in inside else when}
        for number, file, when in pairs
    ]


def inside(sealed: Mapping[str, Any]) -> set[str]:
    """The files that travelled inside the mail, by what is sealed of a message; of what was erased nobody knows."""
    return {name for name, held in sealed.items() if isinstance(held, dict) and held.get("where") == "inside"}


@dataclass(slots=True)
class Block:
    """A block. ``made`` is its entry on the message's chain, ``lifted`` the entry that lifted it."""

    made: Entry
    lifted: Entry | None = None
    pairs: list[Pair] = field(default_factory=list)

    @property
    def facts(self) -> Any:
        """Of `made`."""
        return self.made.facts

    def document(self, inside: Collection[str]) -> dict[str, Any]:
        """As JSON."""
        facts = self.facts
        said = {"block": facts.block, "scope": facts.scope, "seq": self.made.seq, "at": self.made.at}
        said |= {"in_force": self.lifted is None, "pairs": told(self.pairs, inside)}
        said |= _set(recipient=facts.recipient, reason=facts.reason)
        if self.lifted is not None:
            why: Any = self.lifted.facts
            said["lifted"] = {"seq": self.lifted.seq, "at": self.lifted.at} | _set(reason=why.reason)
        return said


def _set(**said: str | UnsetType) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value is not UNSET}


def blocks(reader: Reader, message: Chain) -> list[Block]:
    """All blocks of a message, the oldest first."""
    # One chain is read after the other: what is recorded meanwhile would be on some of them and not on the others.
    size = reader.head().size
    own = _fresh(message)
    chains = {chain.id: chain for chain in (own, *map(_fresh, reader.recipients(message)))}
    rows = [row for chain in chains.values() for row in reader.chain_entries(chain) if row[0] < size]
    found: dict[str, Block] = {}
    latest = ""
    # In the order of the ledger, so that each is judged by what was recorded before it.
    for _, data in sorted(rows):
        made = entry.decode(data)
        chain = chains[made.chain]
        facts: Any = made.facts
        base = made.kind.removesuffix(".continued")
        if base == "block.applied":
            latest = getattr(facts, "block", latest)
            if chain is own:
                found.setdefault(latest, Block(made))
            else:
                covered = getattr(facts, "files", ())
                found[latest].pairs += [(chain.ordinal, file, in_time(own, chain, file)) for file in covered]
        elif base == "block.lifted" and chain is own:
            found[facts.block].lifted = made
        chain.fold(made, "")
    return list(found.values())


def _fresh(chain: Chain) -> Chain:
    return Chain(chain.no, chain.id, chain.root, chain.ordinal, chain.files)
