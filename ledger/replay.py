"""Replays the chains of one part of a log. A message stands in one part with its recipients; so does the log's chain.

Entries come in ledger order, with holes where other parts have theirs. What can be judged inside the part is judged
entry by entry: bytes and links in this file, what they say by `ledger.journal` and `ledger.dossier`. What needs other
parts (the hash before, acts that reach over, uniqueness) leaves as a compact `Summary`. Nothing the store says beside
the entries is believed: it is compared.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import compress, count
from operator import lt, ne
from typing import Any, Final, NamedTuple, TypeAlias

from msgspec import UNSET

from ledger import canonical
from ledger.dossier import UNKNOWN, Chain, Dossier, Handler, check_static
from ledger.entry import ZERO, check_sealed
from ledger.errors import FormatError
from ledger.event import KINDS, Continued, Kind
from ledger.journal import Closing, Journal, Own, Record
from ledger.rules import BrokenError, Finding, Findings
from ledger.scan import Line, Lines, Said, Times, read, read_all
from ledger.schema import are_hashes, is_id

Row: TypeAlias = "Sequence[Any]"
"""(seq, root, chain number, n, leaf hash, entry) as stored; nothing is sure of their types or values."""

_OPENS: Final = {kind.name: next(iter(kind.on)) for kind in KINDS.values() if kind.opens}
"""Kinds that open a chain, and the type of chain they open."""

NO_TIME: Final = bytes(27)
"""Stands among `Summary.times` where an entry has none that can be read."""

_MAX: Final = 2**63 - 1
_PREV: Final = "prev is not the leaf hash of the entry before"
_BITE: Final = 256  # rows at a time: more of them, with all that is made of them, leave the processor's cache


@dataclass(slots=True)
class Summary:
    """What one part leaves behind. Arrays run parallel, in ledger order."""

    seqs: array[int] = field(default_factory=lambda: array("q"))
    leaves: bytearray = field(default_factory=bytearray)
    jumps: array[int] = field(default_factory=lambda: array("q"))
    """Entries whose predecessor is not in this part, and in ``prevs`` the hash they name it by (32 bytes)."""
    prevs: bytearray = field(default_factory=bytearray)
    turns: array[int] = field(default_factory=lambda: array("q"))
    """Entries where ``at`` changed, and in ``times`` to what (27 bytes)."""
    times: bytearray = field(default_factory=bytearray)
    chains: bytearray = field(default_factory=bytearray)
    """Ids of the chains opened (16 bytes), in ``numbers`` their number, in ``opened`` their first entry."""
    numbers: array[int] = field(default_factory=lambda: array("q"))
    opened: array[int] = field(default_factory=lambda: array("q"))
    tokens: bytearray = field(default_factory=bytearray)
    """Link tokens (32 bytes), and in ``token_seqs`` the entries that opened a chain by them."""
    token_seqs: array[int] = field(default_factory=lambda: array("q"))
    transfers: bytearray = field(default_factory=bytearray)
    """Ids of transfers (16 bytes), and in ``transfer_seqs`` the entries that started them."""
    transfer_seqs: array[int] = field(default_factory=lambda: array("q"))
    acts: bytearray = field(default_factory=bytearray)
    """Ids of acts (16 bytes), and in ``act_spans``: first entry, last, how many, on how many chains."""
    act_spans: array[int] = field(default_factory=lambda: array("q"))
    references: array[int] = field(default_factory=lambda: array("q"))
    """Pairs: an input referred to, the entry that does."""
    closings: list[Closing] = field(default_factory=list)
    messages: int = 0
    recipients: int = 0
    record: Record | None = None
    findings: list[Finding] = field(default_factory=list)


class _Columns(NamedTuple):
    """Rows, column by column, and what they come to: their hashes, in hex as well, and of each the one before it (empty
    where that entry is in another part)."""

    seqs: Sequence[int]
    roots: Sequence[Any]
    numbers: Sequence[Any]
    places: Sequence[Any]
    stored: Sequence[Any]
    digests: Sequence[bytes]
    leaves: Sequence[str]
    befores: Sequence[str]

    def only(self, places: Sequence[int]) -> _Columns:
        """Some of them."""
        return _Columns._make([column[place] for place in places] for column in self)


class _Rules(NamedTuple):
    """What holds for one kind beside its schema."""

    kind: Kind
    static: bool
    handler: Handler | None
    own: Own | None


class Replay:
    """Feed it the rows of one part, then `finish`."""

    def __init__(self, origin: str) -> None:
        self._times = Times()
        self._found = Findings()
        self._summary = Summary()
        self._journal = Journal(origin, self._times)
        self._dossier = Dossier()
        self._chains: dict[str, Chain] = {}
        self._at: str | None = None
        self._next = 0
        self._previous = ZERO
        self._act = ""
        self._act_chains: set[str] = set()
        self._span = [0, 0, 0]  # of the act at hand: first entry, last, how many
        self._rules: Final = {kind.name: self._rules_of(kind) for kind in KINDS.values()}

    def _rules_of(self, kind: Kind) -> _Rules:
        static = kind.grade is not None or kind.closes or kind.name == "block.applied" or kind.facts is Continued
        return _Rules(kind, static, self._dossier.handler(kind.name), self._journal.handlers.get(kind.name))

    def feed(self, rows: Sequence[Row]) -> None:
        """Take the next rows, ascending. They are complete only with `finish`."""
        for start in range(0, len(rows), _BITE):
            self._bite(rows[start : start + _BITE])

    def _bite(self, rows: Sequence[Row]) -> None:
        rows = self._in_order(rows)
        if not rows:
            return
        # By columns as far as that goes; entry by entry only what depends on the chain.
        seqs, roots, numbers, places, stored, datas = zip(*rows, strict=True)
        octets = datas if {*map(type, datas)} == {bytes} else [data if type(data) is bytes else b"" for data in datas]
        digests = [sha256(b"\0" + data).digest() for data in octets]
        leaves = [digest.hex() for digest in digests]
        columns = _Columns(seqs, roots, numbers, places, stored, digests, leaves, self._befores(seqs, leaves))
        self._summary.seqs += array("q", seqs)
        self._summary.leaves += b"".join(digests)
        lines = read_all(octets, self._times)
        if lines is not None:
            self._check_times(seqs, lines.ats)
        else:
            readable, lines = self._read_each(seqs, datas)
            ats = dict(zip(readable, lines.ats, strict=True))
            self._check_times(seqs, [ats.get(place) for place in range(len(seqs))])
            columns = columns.only(readable)
        self._check_columns(columns, lines)
        self._follow(columns, lines)

    def _follow(self, columns: _Columns, lines: Lines) -> None:
        """Each entry on its chain and in its act."""
        current, span, act_chains = self._act, self._span, self._act_chains
        seqs, roots, numbers, _, _, _, leaves, _ = columns
        acts, _, ids, cprevs, saids, ns, *_ = lines
        chains = map(self._chains.get, ids)  # looked up one by one, as entries before may have opened them
        for place, chain, act, cprev, said, n, leaf, number, root in zip(
            count(), chains, acts, cprevs, saids, ns, leaves, numbers, roots, strict=False
        ):
            if chain is None:
                chain = self._open(seqs[place], root, number, said.kind, ids[place], n, cprev)
            elif n == chain.n + 1 and cprev == chain.leaf:
                chain.n = n
            elif not self._link(seqs[place], said.kind, n, chain):
                continue
            chain.leaf = leaf
            if number != chain.number or root != chain.root:
                detail = "the chain or message stored beside the entry is not its own"
                self._found.add("columns", seqs[place], detail)
            if act != current:
                current = self._turn_act(seqs[place], act)
            if current:
                span[1] = seqs[place]
                span[2] += 1
                act_chains.add(chain.id)
            if not (said.plain and chain.type == "recipient" and not chain.blocks):
                self._judge(seqs[place], lines.line(place), said, chain)

    def _judge(self, seq: int, line: Line, said: Said, chain: Chain) -> None:
        """What an entry says, on its chain. Not called where there is nothing to compare it with."""
        facts = said.facts
        if facts is None:
            return
        kind, static, handler, own = self._rules[said.kind]
        type_ = chain.type
        try:
            if type_ not in kind.on:
                if type_ == UNKNOWN:
                    return
                raise BrokenError("kind.chain", f"{kind.name} does not stand on a {type_}'s chain")
            if static and not (said.exact and type_ == "recipient"):
                check_static(kind, type_, facts)
            if own is not None and type_ == "log":
                own(seq, line, facts)
            elif handler is not None:
                handler(seq, line, facts, chain)
        except BrokenError as broken:
            self._found.add(broken.rule, seq, broken.detail)
        except FormatError as error:
            self._found.add("schema", seq, str(error))

    def finish(self) -> Summary:
        """What the part came to."""
        self._close_act()
        summary, dossier = self._summary, self._dossier
        summary.findings = self._found.items
        summary.tokens, summary.token_seqs = dossier.tokens, dossier.token_seqs
        summary.transfers, summary.transfer_seqs = dossier.transfers, dossier.transfer_seqs
        summary.references, summary.closings = dossier.references, dossier.closings
        if self._journal.record.first_vkey or any(chain.type == "log" for chain in self._chains.values()):
            summary.record = self._journal.record
        return summary

    # The columns

    def _in_order(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Those that are numbered upwards."""
        seqs = [row[0] for row in rows]
        if {*map(type, seqs)} == {int} and self._next <= seqs[0] and seqs[-1] <= _MAX and all(map(lt, seqs, seqs[1:])):
            return rows
        kept = []
        following = self._next
        for row in rows:
            if type(row[0]) is int and following <= row[0] <= _MAX:
                kept.append(row)
                following = row[0] + 1
            else:
                self._found.add("seq", following, "a row is out of order, repeated or not numbered")
        return kept

    def _befores(self, seqs: Sequence[int], leaves: Sequence[str]) -> Sequence[str]:
        """The leaf hash before each entry; empty where that entry is not in this part."""
        befores = (self._previous, *leaves[:-1])
        self._previous = leaves[-1]
        following, self._next = self._next, seqs[-1] + 1
        if seqs[-1] - following >= len(seqs):
            followings = [following, *[seq + 1 for seq in seqs]]
            return tuple(before if seq == f else "" for before, seq, f in zip(befores, seqs, followings, strict=False))
        return befores

    def _check_columns(self, columns: _Columns, lines: Lines) -> None:
        """What entries say of themselves and of the entry before, and what is stored beside them."""
        seqs, _, numbers, places, stored, digests, _, befores = columns
        if "" in befores:
            befores = self._jump(seqs, lines.prevs, befores)
        self._compare("prev", seqs, befores, lines.prevs, _PREV)
        self._compare("seq", seqs, seqs, lines.seqs, "the entry is numbered otherwise than its row")
        self._compare("columns", seqs, digests, stored, "the leaf hash stored beside the entry is not its own")
        self._compare("columns", seqs, lines.ns, places, "the position stored beside the entry is not its own")
        tracking = [said.tracking for said in lines.said]
        self._dossier.track([*compress(seqs, tracking)], [*compress(numbers, tracking)])

    def _compare(self, rule: str, seqs: Sequence[int], ours: Sequence[Any], theirs: Sequence[Any], detail: str) -> None:
        if [*ours] != [*theirs]:
            for seq, our, their in zip(seqs, ours, theirs, strict=True):
                if our != their:
                    self._found.add(rule, seq, detail)

    def _jump(self, seqs: Sequence[int], prevs: Sequence[str], befores: Sequence[str]) -> Sequence[str]:
        """Leave what has no entry before it in this part to `ledger.blocks`; ``befores`` with the hash named there."""
        jumps = [place for place, before in enumerate(befores) if not before]
        if not are_hashes([prevs[place] for place in jumps]):
            for place in jumps:
                if not are_hashes([prevs[place]]):
                    self._found.add("prev", seqs[place], _PREV)
            jumps = [place for place in jumps if are_hashes([prevs[place]])]
        self._summary.jumps += array("q", [seqs[place] for place in jumps])
        self._summary.prevs += bytes.fromhex("".join([prevs[place] for place in jumps]))
        return [before or prev for before, prev in zip(befores, prevs, strict=True)]

    def _check_times(self, seqs: Sequence[int], ats: Sequence[str | None]) -> None:
        """Note where ``at`` turns into another; None are entries that cannot be read."""
        for place in compress(count(), map(ne, ats, [self._at, *ats])):
            self._turn(seqs[place], ats[place])
        self._at = ats[-1]

    def _read_each(self, seqs: Sequence[int], datas: Sequence[Any]) -> tuple[list[int], Lines]:
        """One entry after the other, to say what is wrong with which. The places of those that could be read."""
        readable, made = [], []
        for place, (seq, data) in enumerate(zip(seqs, datas, strict=True)):
            try:
                loose, reading, facts = read(data)
            except FormatError as error:
                self._found.add(*_unreadable(seq, data, error))
                continue
            try:
                reading.check_words(facts)
                if loose.occurred is not UNSET:
                    self._times.check(loose.occurred)
                if (loose.occurred is UNSET) != (loose.clock is UNSET):
                    raise FormatError("occurred and clock go together")
            except FormatError as error:
                self._found.add("schema", seq, str(error))
                facts = None
            try:
                check_sealed(loose.sealed)
            except FormatError as error:
                self._found.add("schema", seq, str(error))
            readable.append(place)
            made.append(loose.spread(reading.said(facts)))
        return readable, Lines(*zip(*made, strict=True))

    # The envelope, where it is not as it mostly is

    def _turn(self, seq: int, at: str | None) -> None:
        time = NO_TIME
        try:
            if at is not None:
                self._times.check(at)
                time = at.encode()
        except FormatError as error:
            self._found.add("schema", seq, str(error))
        self._summary.times += time
        self._summary.turns.append(seq)

    def _turn_act(self, seq: int, act: str) -> str:
        self._close_act()
        if act and not is_id(act):
            self._found.add("schema", seq, "act is not an id")
            act = ""
        self._act = act
        self._span[:] = (seq, seq, 0)
        return act

    def _open(self, seq: int, root: object, number: object, opening: str, id: str, n: int, cprev: str) -> Chain:
        kind = _OPENS.get(opening, UNKNOWN)
        if not is_id(id):
            self._found.add("schema", seq, "chain is not an id")
            kind = UNKNOWN
        elif kind is UNKNOWN or n != 0:
            self._found.add("chain.opening", seq, "an entry on a chain that was not opened")
        elif cprev:
            self._found.add("chain.cprev", seq, "cprev at n = 0")
        number = number if type(number) is int and 0 <= number <= _MAX else -1
        own = 0 if kind == "log" else number if kind == "message" or type(root) is not int else root
        chain = Chain(kind, id, 0 if kind == "log" else number, own, n)
        self._chains[id] = chain
        if kind is not UNKNOWN:
            summary = self._summary
            summary.chains += bytes.fromhex(id.replace("-", ""))
            summary.numbers.append(chain.number)
            summary.opened.append(seq)
            summary.messages += kind == "message"
            summary.recipients += kind == "recipient"
        return chain

    def _link(self, seq: int, kind: str, n: int, chain: Chain) -> bool:
        """Say what is wrong; whether the chain goes on from this entry."""
        if kind in _OPENS:
            rule = "genesis" if _OPENS[kind] == "log" else "chain.opening"
            self._found.add(rule, seq, "an opening entry on a chain that is open")
            return False
        if n != chain.n + 1:
            self._found.add("chain.gap", seq, f"position {n} of the chain, {chain.n + 1} expected")
        else:
            self._found.add("chain.cprev", seq, "cprev is not the leaf hash of the chain's entry before")
        chain.n = n
        return True

    def _close_act(self) -> None:
        """The act at hand is over: is it whole?"""
        act = self._act
        if not act:
            return
        first, last, count = self._span
        for broken in self._dossier.close_act(act, first):
            self._found.add(broken.rule, first, broken.detail)
        self._summary.acts += bytes.fromhex(act.replace("-", ""))
        self._summary.act_spans.extend((first, last, count, len(self._act_chains)))
        self._act_chains.clear()
        self._act = ""


def _unreadable(seq: int, data: object, error: FormatError) -> tuple[str, int, str]:
    """The rule that is broken by what is no entry, where, and why."""
    if type(data) is not bytes:
        return "columns", seq, "the entry is stored as something else than bytes"
    # Only one of many reasons is worth telling apart: bytes that nobody could have hashed as canonical JSON.
    try:
        canonical.loads(data)
    except FormatError:
        return "canonical", seq, str(error)
    return "schema", seq, str(error)
