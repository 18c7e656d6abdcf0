"""Replays the chains of one part of a log. A message stands in one part with its recipients; so does the log's chain.

Entries come in ledger order, with holes where other parts have theirs. What can be judged inside the part is judged
entry by entry: bytes and links in this file, what they say by `ledger.journal` and `ledger.dossier`. What needs other
parts (the hash before, acts that reach over, uniqueness) leaves as a compact `Summary`. Nothing the store says beside
the entries is believed: it is compared.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final, TypeAlias

from msgspec import UNSET, UnsetType

from ledger import canonical
from ledger.dossier import UNKNOWN, Chain, Dossier, Handler
from ledger.entry import ZERO, check_sealed
from ledger.errors import FormatError
from ledger.event import Continued, Kind
from ledger.journal import Closing, Journal, Own, Record
from ledger.rules import BrokenError, Finding, Findings
from ledger.scan import READINGS, Check, Line, Reading, Times, are_digests, is_hash, is_id, read
from ledger.schema import check_facts

Row: TypeAlias = "Sequence[Any]"
"""(seq, root, chain number, n, leaf hash, entry) as stored; nothing is sure of their types or values."""

_OPENS: Final = {reading.line: next(iter(reading.kind.on)) for reading in READINGS.values() if reading.kind.opens}
"""Kinds that open a chain, and the type of chain they open."""

NO_TIME: Final = bytes(27)
"""Stands among `Summary.times` where an entry has none that can be read."""

_MAX: Final = 2**63 - 1


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


_Kind: TypeAlias = "tuple[Check | None, str | None, frozenset[str], bool, Reading, Handler | None, Own | None]"


class Replay:
    """Feed it the rows of one part, then `finish`."""

    def __init__(self, origin: str) -> None:
        self._times = Times()
        self._found = Findings()
        self._summary = Summary()
        self._journal = Journal(origin, self._times)
        self._dossier = Dossier()
        self._chains: dict[str, Chain] = {}
        self._at = ""
        self._next = 0
        self._previous = ZERO
        self._act: str | UnsetType = UNSET
        self._act_chains: set[str] = set()
        self._span = [0, 0, 0]  # of the act at hand: first entry, last, how many
        self._table: Final = {line: self._row(reading) for line, reading in READINGS.items()}

    def _row(self, reading: Reading) -> _Kind:
        """What the loop needs of one kind, in the order of its use."""
        kind = reading.kind
        static = kind.closes or kind.name == "block.applied" or kind.facts is Continued
        handler, own = self._dossier.handler(kind.name), self._journal.handlers.get(kind.name)
        return reading.check, kind.grade, kind.on, static, reading, handler, own

    def feed(self, rows: Iterable[Row]) -> None:
        """Take the next rows, ascending. They are complete only with `finish`."""
        rows = list(rows)
        summary, find = self._summary, self._found.add
        add_seq, leaves, chains, table = summary.seqs.append, summary.leaves, self._chains, self._table
        tracked, tracked_on = self._dossier.tracked.append, self._dossier.tracked_on.append
        check_time = self._times.check
        following, previous, at, act = self._next, self._previous, self._at, self._act
        span, act_chains = self._span, self._act_chains
        pool: list[str] = []
        doubtful = False
        for seq, root, number, n, stored, data in rows:
            if type(seq) is not int or not following <= seq <= _MAX:
                find("seq", following, "a row is out of order, repeated or not numbered")
                continue
            try:
                line = read(data)
            except FormatError as error:
                self._unreadable(seq, data, error)
                at = ""
                following, previous = seq + 1, sha256(b"\0" + data).hexdigest() if type(data) is bytes else ""
                continue
            digest = sha256(b"\0" + data).digest()
            leaf = digest.hex()
            add_seq(seq)
            leaves += digest
            if seq != following:
                self._jump(seq, line.prev)
            elif line.prev != previous:
                find("prev", seq, "prev is not the leaf hash of the entry before")
            following = seq + 1
            previous = leaf
            if line.seq != seq:
                find("seq", seq, "the entry is numbered otherwise than its row")
            if line.at != at:
                at = self._turn(seq, line.at)
            chain = chains.get(line.chain)
            if chain is None:
                chain = self._open(seq, root, number, line)
            elif line.n == chain.n + 1 and line.cprev == chain.leaf:
                chain.n += 1
            elif not self._link(seq, line, chain):
                continue
            chain.leaf = leaf
            if stored != digest or n != line.n or number != chain.number or root != chain.root:
                find("columns", seq, "a leaf hash, position, chain or message stored beside the entry is not its own")
            if line.act is not act and line.act != act:
                self._close_act()
                act = self._act = line.act
                span[:] = (seq, seq, 0)
                if act is not UNSET and not is_id(act):
                    find("schema", seq, "act is not an id")
                    act = self._act = UNSET
            if act is not UNSET:
                span[1] = seq
                span[2] += 1
                act_chains.add(chain.id)
            sealed = line.sealed
            if sealed:
                pool += sealed
                if len(sealed) == 3:
                    first, second, third = sealed
                    doubtful = doubtful or not first < second < third
                elif len(sealed) > 1 and (sealed != sorted(sealed) or len(set(sealed)) != len(sealed)):
                    doubtful = True
            check, grade, on, static, reading, handler, own = table[line.__class__]
            facts = line.facts
            if grade is not None:
                tracked(seq)
                tracked_on(chain.number)
            try:
                if check is not None and not check(facts):
                    reading.check_all(facts)
                occurred = line.occurred
                if occurred is not UNSET:
                    check_time(occurred)
                if (occurred is UNSET) != (line.clock is UNSET):
                    raise FormatError("occurred and clock go together")
                type_ = chain.type
                if type_ not in on:
                    if type_ is UNKNOWN:
                        continue
                    raise BrokenError("kind.chain", f"{reading.name} does not stand on a {type_}'s chain")
                if grade is not None:
                    if facts.grade != grade or facts.attribution != "exact" or type_ != "recipient":
                        _check_static(reading, type_, facts)
                elif static:
                    _check_static(reading, type_, facts)
                if own is not None and type_ == "log":
                    own(seq, line, facts)
                elif handler is not None:
                    handler(seq, line, facts, chain)
            except BrokenError as broken:
                find(broken.rule, seq, broken.detail)
            except FormatError as error:
                find("schema", seq, str(error))
        if doubtful or not are_digests(pool):
            self._check_sealed(rows)
        self._next, self._previous, self._at = following, previous, at

    def finish(self) -> Summary:
        """What the part came to."""
        self._close_act()
        summary, dossier = self._summary, self._dossier
        summary.findings = self._found.items
        summary.tokens, summary.token_seqs = dossier.tokens, dossier.token_seqs
        summary.references, summary.closings = dossier.references, dossier.closings
        if self._journal.record.first_vkey or any(chain.type == "log" for chain in self._chains.values()):
            summary.record = self._journal.record
        return summary

    # The envelope, where it is not as it mostly is

    def _unreadable(self, seq: int, data: object, error: FormatError) -> None:
        self._summary.seqs.append(seq)
        self._summary.turns.append(seq)
        self._summary.times += NO_TIME
        if type(data) is not bytes:
            self._found.add("columns", seq, "the entry is stored as something else than bytes")
            data = b""
        else:
            self._found.add(_unreadable(data), seq, str(error))
        self._summary.leaves += sha256(b"\0" + data).digest()

    def _jump(self, seq: int, prev: str) -> None:
        if is_hash(prev):
            self._summary.jumps.append(seq)
            self._summary.prevs += bytes.fromhex(prev)
        else:
            self._found.add("prev", seq, "prev is not the leaf hash of the entry before")

    def _turn(self, seq: int, at: str) -> str:
        try:
            self._times.check(at)
        except FormatError as error:
            self._found.add("schema", seq, str(error))
            self._summary.times += NO_TIME
        else:
            self._summary.times += at.encode()
        self._summary.turns.append(seq)
        return at

    def _open(self, seq: int, root: object, number: object, line: Line) -> Chain:
        kind = _OPENS.get(line.__class__, UNKNOWN)
        if not is_id(line.chain):
            self._found.add("schema", seq, "chain is not an id")
            kind = UNKNOWN
        elif kind is UNKNOWN or line.n != 0:
            self._found.add("chain.opening", seq, "an entry on a chain that was not opened")
        elif line.cprev is not UNSET:
            self._found.add("chain.cprev", seq, "cprev at n = 0")
        number = number if type(number) is int and 0 <= number <= _MAX else -1
        own = 0 if kind == "log" else number if kind == "message" or type(root) is not int else root
        chain = Chain(kind, line.chain, 0 if kind == "log" else number, own)
        chain.n = line.n
        self._chains[line.chain] = chain
        if kind is not UNKNOWN:
            summary = self._summary
            summary.chains += bytes.fromhex(line.chain.replace("-", ""))
            summary.numbers.append(chain.number)
            summary.opened.append(seq)
            summary.messages += kind == "message"
            summary.recipients += kind == "recipient"
        return chain

    def _link(self, seq: int, line: Line, chain: Chain) -> bool:
        """Say what is wrong; whether the chain goes on from this entry."""
        if line.__class__ in _OPENS:
            rule = "genesis" if _OPENS[line.__class__] == "log" else "chain.opening"
            self._found.add(rule, seq, "an opening entry on a chain that is open")
            return False
        if line.n != chain.n + 1:
            self._found.add("chain.gap", seq, f"position {line.n} of the chain, {chain.n + 1} expected")
        else:
            self._found.add("chain.cprev", seq, "cprev is not the leaf hash of the chain's entry before")
        chain.n = line.n
        return True

    def _check_sealed(self, rows: Iterable[Row]) -> None:
        for row in rows:
            try:
                check_sealed(read(row[5]).sealed)
            except FormatError as error:
                if "sealed" in str(error):
                    self._found.add("schema", row[0], str(error))

    def _close_act(self) -> None:
        """The act at hand is over: is it whole?"""
        act = self._act
        if act is UNSET:
            return
        first, last, count = self._span
        for broken in self._dossier.close_act(act, first):
            self._found.add(broken.rule, first, broken.detail)
        self._summary.acts += bytes.fromhex(act.replace("-", ""))
        self._summary.act_spans.extend((first, last, count, len(self._act_chains)))
        self._act_chains.clear()
        self._act = UNSET


def _check_static(reading: Reading, chain_type: str, facts: Any) -> None:
    """What `ledger.schema.check_facts` says, under the name of the rule that is broken."""
    try:
        check_facts(reading.kind, chain_type, facts)
    except FormatError as error:
        raise BrokenError(_static(reading.kind, facts), str(error)) from None


def _static(kind: Kind, facts: Any) -> str:
    """The rule that `check_facts` found broken."""
    if kind.grade is not None:
        if facts.grade != kind.grade:
            return "grade"
        return "block.late" if facts.late is False else "attribution"
    if kind.closes:
        return "closing"
    return "continued" if kind.name.endswith(".continued") else "block"


def _unreadable(data: bytes) -> str:
    """The rule that bytes break which are no entry."""
    # Only one of many reasons is worth telling apart: bytes that nobody could have hashed as canonical JSON.
    try:
        canonical.loads(data)
    except FormatError:
        return "canonical"
    return "schema"
