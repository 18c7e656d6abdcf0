"""Finding messages: by blind indexes, by when they were recorded, by what is recorded of their recipients.

A message is found newest first. Each method takes a `Reader.snapshot`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    exists,
    func,
    literal,
    select,
    union_all,
)
from sqlalchemy.sql.expression import FromClause

from ledger.drafts import MAX_PARTS
from ledger.event import MAX_ITEMS
from ledger.state import FIRSTS, NEVER, STATES, Chain
from ledger.store import tables as t
from ledger.store.append import chain_of

COUNTED: Final = 1000
"""Rows of each blind index that are counted; of what has more it is said that it is common."""

SAMPLED: Final = 64
"""Parts of `lookups` in which they are counted."""

AT_ONCE: Final = 10_000
"""Values of one statement; databases count its parameters."""

_PARTS: Final[BindParameter[list[int]]] = bindparam("parts", expanding=True)
_FIRST: Final = ("sent", "received", "opened", "link_opened", "started", "downloaded", "bounced", "denied")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Blind indexes of terms that a message is found by; ids of at least ``since`` and below ``until``; a state that
    one of its recipients is in. Those older than ``before``, and no more than ``limit``."""

    blinds: Sequence[bytes] = ()
    since: str | None = None
    until: str | None = None
    state: str | None = None
    before: Chain | None = None
    limit: int


def messages(connection: Connection, wanted: Conditions) -> list[Chain]:
    """Messages for which every condition holds, newest first."""
    timed = wanted.since is not None or wanted.until is not None
    if wanted.blinds:
        newest = connection.execute(select(func.max(t.lookups.c.part))).scalar_one()
        if newest is None:
            return []
        counted = _rarest_first(connection, wanted.blinds, newest)
        if not timed or counted[0][0] < COUNTED:
            return _by_terms(connection, wanted, [blind for _, blind in counted], newest)
    elif wanted.state is not None and not timed:
        return _by_state(connection, wanted)
    return _by_time(connection, wanted)


def with_any(connection: Connection, blinds: Sequence[bytes], limit: int) -> list[Chain]:
    """Messages with a row for any of these blind indexes, the newest first."""
    rows = t.lookups.c
    newest = connection.execute(select(func.max(rows.part))).scalar_one()
    if newest is None or not blinds:
        return []
    query = select(rows.message).distinct().where(rows.part.in_(_PARTS), rows.blind.in_(blinds))
    query = query.order_by(rows.message.desc())
    found: list[int] = []
    for parts in _blocks(newest):
        found += connection.scalars(query.limit(limit - len(found)), {"parts": parts})
        if len(found) == limit:
            break
    return _numbered(connection, found)


def _by_time(connection: Connection, wanted: Conditions) -> list[Chain]:
    """From the newest id down, which begins with the time; each is asked whether all else holds."""
    c, rows = t.chains.c, t.lookups.c
    query = select(*c).where(c.ordinal == 0, c.no > 0, *_fits(t.chains, wanted))
    for blind in wanted.blinds:
        its_own = (rows.part == c.no // t.LOOKUP_PART, rows.blind == blind, rows.message == c.no)
        query = query.where(exists().where(*its_own))
    if wanted.before is not None:
        query = query.where(c.id < wanted.before.id)
    return _chains(connection, query.order_by(c.id.desc()).limit(wanted.limit))


def _by_state(connection: Connection, wanted: Conditions) -> list[Chain]:
    """From the recipients' chains: where few are in a state, that takes a third of the time."""
    part = t.chains.c
    query = select(part.root).distinct().where(part.ordinal > 0, _is_in(t.chains, wanted.state or ""))
    if wanted.before is not None:
        query = query.where(part.root < wanted.before.no)
    return _numbered(connection, list(connection.scalars(query.order_by(part.root.desc()).limit(wanted.limit))))


def _by_terms(connection: Connection, wanted: Conditions, blinds: Sequence[bytes], newest: int) -> list[Chain]:
    """From the rows of the first term, part after part, newest first; each is asked whether all else holds."""
    rows = t.lookups.c
    rare, *others = blinds
    query = select(rows.message).distinct().where(rows.part.in_(_PARTS), rows.blind == rare)
    for other in others:
        also = t.lookups.alias().c
        query = query.where(exists().where(also.part == rows.part, also.blind == other, also.message == rows.message))
    if wanted.before is not None:
        query = query.where(rows.message < wanted.before.no)
        newest = wanted.before.no // t.LOOKUP_PART
    one = t.chains.alias()
    if fits := _fits(one, wanted):
        query = query.where(exists().where(one.c.no == rows.message, *fits))
    query = query.order_by(rows.message.desc())
    found: list[int] = []
    for parts in _blocks(newest):
        found += connection.scalars(query.limit(wanted.limit - len(found)), {"parts": parts})
        if len(found) == wanted.limit:
            break
    return _numbered(connection, found)


def _blocks(newest: int) -> Iterator[list[int]]:
    """All parts, newest first, in blocks that grow: what is common is found in the first one, what is rare in few
    statements."""
    size = 1
    while newest >= 0:
        yield list(range(newest, max(newest - size, -1), -1))
        newest -= size
        size = min(2 * size, AT_ONCE)


def _rarest_first(connection: Connection, blinds: Sequence[bytes], newest: int) -> list[tuple[int, bytes]]:
    """With how often it occurs among the newest messages. What is common is then only looked up for what is rare."""
    different = list(dict.fromkeys(blinds))
    rows = t.lookups.c
    counts = []
    for place, blind in enumerate(different):
        some = select(rows.message).where(rows.part.in_(_PARTS), rows.blind == blind).limit(COUNTED).subquery()
        counts.append(select(literal(place), func.count()).select_from(some))
    parts = list(range(max(0, newest - SAMPLED + 1), newest + 1))
    counted = sorted((count, place) for place, count in connection.execute(union_all(*counts), {"parts": parts}))
    return [(count, different[place]) for count, place in counted]


def _fits(chain: FromClause, wanted: Conditions) -> list[ColumnElement[bool]]:
    found = []
    if wanted.since is not None:
        found.append(chain.c.id >= wanted.since)
    if wanted.until is not None:
        found.append(chain.c.id < wanted.until)
    if wanted.state is not None:
        part = t.chains.alias()
        found.append(exists().where(part.c.root == chain.c.no, part.c.ordinal > 0, _is_in(part, wanted.state)))
    return found


def _is_in(chain: FromClause, state: str) -> ColumnElement[bool]:
    """As `Chain.states` has it, but for ``recorded``, which is no condition."""
    kind = STATES[state]
    if kind is None:
        # `Chain.extra` in canonical JSON: of a recipient's chain nothing stands before its blocks.
        return chain.c.extra.like('{"blocks":%')
    return chain.c[_FIRST[FIRSTS[kind]]] != NEVER


def recipients(connection: Connection, messages: Sequence[Chain], most: int) -> Mapping[int, list[Chain]]:
    """The first ``most`` recipients' chains of each of these messages, by the message's number."""
    c = t.chains.c
    found: dict[int, list[Chain]] = {message.no: [] for message in messages}
    query = select(*c).where(c.root.in_(list(found)), c.ordinal > 0, c.ordinal <= most)
    for chain in _chains(connection, query.order_by(c.root, c.ordinal)):
        found[chain.root].append(chain)
    return found


def recordings(connection: Connection, messages: Sequence[Chain], most: int) -> list[tuple[int, int, bytes]]:
    """(message's number, seq, entry) of the first entries of these messages: all that seal what is said of them and of
    their first ``most`` recipients."""
    e = t.entries.c
    wanted: dict[int, list[int]] = {}
    for message in messages:
        wanted.setdefault(continued(message.files + min(message.recipients, most)), []).append(message.no)
    parts = [and_(e.chain.in_(those), e.n <= n) for n, those in wanted.items()]
    found: list[tuple[int, int, bytes]] = []
    for part in parts:
        rows = connection.execute(select(e.chain, e.seq, e.entry).where(part).order_by(e.chain, e.n))
        found += [(row[0], row[1], bytes(row[2])) for row in rows]
    return found


def continued(items: int) -> int:
    """In how many entries, beside the first, what is sealed of a message goes on at most: ``items`` are its files and
    recipients, and headers and parts that are no files come to them."""
    return (items + MAX_PARTS + 20) // MAX_ITEMS


def entries(connection: Connection, seqs: Iterable[int]) -> list[bytes]:
    """The entries of these numbers, in no order."""
    e = t.entries.c
    wanted = sorted(seqs)
    found: list[bytes] = []
    for start in range(0, len(wanted), AT_ONCE):
        rows = connection.scalars(select(e.entry).where(e.seq.in_(wanted[start : start + AT_ONCE])))
        found += [bytes(data) for data in rows]
    return found


def _chains(connection: Connection, query: Select[Any]) -> list[Chain]:
    return [chain_of(tuple(row)) for row in connection.execute(query)]


def _numbered(connection: Connection, numbers: Sequence[int]) -> list[Chain]:
    """The chains of these numbers, the highest first."""
    c = t.chains.c
    return _chains(connection, select(*c).where(c.no.in_(numbers)).order_by(c.no.desc())) if numbers else []
