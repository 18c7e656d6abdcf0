"""What the entries add up to, from the entries alone: to build it again, or to hold it against what is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from msgspec import UNSET

from ledger import entry
from ledger.errors import RolledBack
from ledger.ids import parse_time
from ledger.merkle import Frontier
from ledger.spelling import ordinal
from ledger.state import Chain
from ledger.store.append import Appender, Head, Row, Rows, check_mac
from ledger.store.read import Reader
from ledger.tiles import grow

DERIVED: Final = ("chains", "tokens", "transfers", "tiles", "edge")
"""Tables that hold nothing the entries do not say."""


@dataclass(slots=True)
class Folded:
    """State of the chains by number, and what link tokens and transfers belong to."""

    chains: dict[int, Chain] = field(default_factory=dict)
    tokens: dict[bytes, int] = field(default_factory=dict)
    transfers: dict[str, tuple[int, str, bool]] = field(default_factory=dict)
    last: str = ""
    erasing: set[int] = field(default_factory=set)
    """Numbers of the messages (0: the log) on whose chains an erasure is recorded."""


def fold(rows: Iterable[Sequence[Row]]) -> Folded:
    """Fold chunks of `Reader.rows`, of one part or all. Chain numbers are the rows' own: `ledger.audit` checks them.

    FormatError for what is no entry; KeyError never: a chain that was not opened here is opened empty, and will differ.
    """
    folded = Folded()
    for chunk in rows:
        for _, root, no, n, leaf, data in chunk:
            made = entry.decode(data)
            chain = folded.chains.get(no)
            if chain is None:
                chain = folded.chains[no] = _open(folded, made, no, root, n)
            chain.fold(made, leaf.hex())
            _refer(folded, made, no)
            if made.kind == "erasure.done":
                folded.erasing.add(root)
            folded.last = made.at
    return folded


def _open(folded: Folded, made: entry.Entry, no: int, root: int, n: int) -> Chain:
    facts: Any = made.facts
    if n == 0 and made.kind == "recipient.added":
        message = folded.chains.get(root)
        return Chain(no, made.chain, root, ordinal(facts.recipient), message.files if message is not None else 0)
    return Chain(no, made.chain, root, 0)


def _refer(folded: Folded, made: entry.Entry, no: int) -> None:
    facts: Any = made.facts
    if made.kind.startswith("download."):
        folded.transfers[facts.transfer] = (no, facts.file, made.kind != "download.started")
    elif made.kind.startswith("recipient.added") and facts.tokens is not UNSET:
        folded.tokens.update((bytes.fromhex(token), no) for token in facts.tokens)


def rebuild(reader: Reader, appender: Appender, batch: str, mac: Callable[[str], bytes]) -> None:
    """Drop every derived table and build it again, under the writer's lock and in one transaction.

    ``batch`` is a fresh id: it makes every other writer read anew. RolledBack for a head that is not that of the
    entries, or that no holder of the ring made (``mac``, see `Head`): what stands may not be what was acknowledged.
    """
    head = appender.begin()
    try:
        check_mac(head, mac)
        folded = fold(reader.rows(0, 1))
        rows = Rows(
            opened=[folded.chains[no] for no in sorted(folded.chains)],
            tokens=sorted(folded.tokens.items()),
            transfers=sorted((id, *what) for id, what in folded.transfers.items()),
        )
        made = _grow(reader, rows, head)
        made = replace(made, at=parse_time(folded.last) if folded.last else 0, chains=len(folded.chains))
        if made != head:
            raise RolledBack("the entries are not those that the head of the ledger names")
        made = replace(head, batch=head.batch + 1)
        appender.clear(DERIVED)
        appender.write(rows, replace(made, mac=mac(made.claim())), batch)
    except BaseException:
        appender.rollback()
        raise
    appender.commit()


def _grow(reader: Reader, rows: Rows, head: Head) -> Head:
    frontier, edge, size, last = Frontier(), dict[int, bytes](), 0, ""
    for chunk in reader.rows(0, 1):
        leaves = [row[4] for row in chunk]
        edge, full = grow(edge, frontier.extend(leaves))
        rows.tiles += [(tile.level, tile.index, data) for tile, data in full]
        size += len(chunk)
        last = leaves[-1].hex()
    rows.edge = [(level, data) for level, data in edge.items() if level > 0]
    return replace(head, size=size, root=frontier.root(), frontier=frontier.to_bytes(), leaf=last)
