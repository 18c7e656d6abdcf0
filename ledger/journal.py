"""The log's own chain in a replay: its opening, its keys, its beats, and what its entries say of the rest of the log.

What only the whole log can answer (is this the root at that size? was this input there?) is written down for
`ledger.audit` to compare.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

from msgspec import UNSET

from ledger import note
from ledger.errors import LedgerError
from ledger.event import BEAT_LIMIT_SECONDS, KINDS
from ledger.ids import parse_time
from ledger.keyhistory import endorsement
from ledger.note import Verifier
from ledger.rules import BrokenError
from ledger.scan import Line, Times

_ASSERTED: Final = frozenset({UNSET, *KINDS})


@dataclass(slots=True)
class Key:
    """One verifier key of the log: where it was introduced, and from which entry on it is not live."""

    verifier: Verifier
    introduced: int
    ended: int | None = None


@dataclass(slots=True)
class KeyHistory:
    """Every key a log ever had, by vkey, in the order of their introduction."""

    keys: dict[str, Key] = field(default_factory=dict)

    def live(self, size: int) -> list[Key]:
        """Keys that may sign for the log when it has ``size`` entries."""
        return [k for k in self.keys.values() if k.introduced < size and (k.ended is None or k.ended >= size)]

    def trusted(self, pinned: Collection[str]) -> set[str]:
        """The pinned keys, and every key after one of them: each is endorsed by the key before."""
        vkeys = list(self.keys)
        first = min((place for place, vkey in enumerate(vkeys) if vkey in pinned), default=len(vkeys))
        return set(vkeys[first:])

    def introduce(self, origin: str, seq: int, vkey: str, endorsed: str | None) -> None:
        """Add a key: the first as it is, a later one with a note by the key before, if that is live. BrokenError."""
        if vkey in self.keys:
            raise BrokenError("keys", "this key was introduced before")
        before = next(reversed(self.keys.values()), None)
        if (before is None) != (endorsed is None):
            raise BrokenError("keys", "every key but the first is endorsed by the key before")
        try:
            verifier = Verifier.parse(vkey)
            if verifier.name != origin:
                raise BrokenError("keys", "the key's name is not the origin")
            if before is not None and endorsed is not None:
                live = [before.verifier] if before.ended is None else []
                if note.open(endorsed.encode(), live).text != endorsement(origin, vkey):
                    raise BrokenError("keys", "the endorsement is of something else")
        except LedgerError as error:
            raise BrokenError("keys", str(error)) from None
        self.keys[vkey] = Key(verifier, seq)

    def end(self, seq: int, vkey: str, compromised: bool) -> None:
        """Retire a live key, or call any known one compromised."""
        key = self.keys.get(vkey)
        if key is None:
            raise BrokenError("keys", "no such key was introduced")
        if key.ended is None:
            key.ended = seq
        elif not compromised:
            raise BrokenError("keys", "this key was retired before")


def check_input(seq: int, facts: Any, references: array[int]) -> None:
    """Entries about raw inputs: note what they refer to."""
    if getattr(facts, "input", UNSET) is not UNSET:
        references.extend((facts.input, seq))
    if getattr(facts, "asserts", UNSET) not in _ASSERTED:
        raise BrokenError("schema", "asserts is not a kind")


class Closing(NamedTuple):
    """One side of a closing act: what the log's entry says, or what the message's says."""

    act: str
    seq: int
    message: str
    words: str


class Root(NamedTuple):
    """A root that an entry says the log had when it had ``size`` entries."""

    seq: int
    size: int
    root: bytes


@dataclass(slots=True)
class Record:
    """What the log's chain came to."""

    history: KeyHistory = field(default_factory=KeyHistory)
    first_vkey: str = ""
    inputs: array[int] = field(default_factory=lambda: array("q"))
    references: array[int] = field(default_factory=lambda: array("q"))
    """Pairs: an input referred to, the entry that does."""
    closings: list[Closing] = field(default_factory=list)
    roots: list[Root] = field(default_factory=list)
    outages: list[tuple[str, str]] = field(default_factory=list)
    steps: int = 0


def words(kind: str, facts: Any) -> str:
    """What the entries of one closing act have in common."""
    if kind == "certificate.issued":
        return f"{kind} {facts.number} {facts.certificate} {facts.claims}"
    return f"{kind} {facts.evidence}"


Own: TypeAlias = Callable[[int, Line, Any], None]


class Journal:
    """Rules for kinds on the log's chain; a handler raises BrokenError at the first that does not hold."""

    def __init__(self, origin: str, times: Times) -> None:
        self.record: Final = Record()
        self._origin = origin
        self._times = times
        self._key_seqs: list[int] = []
        self._beat = ""
        self._issued: set[str] = set()
        self.handlers: Final[dict[str, Own]] = {
            "ledger.opened": self._opened,
            "ledger.started": self._beats,
            "ledger.heartbeat": self._beats,
            "clock.stepped": self._stepped,
            "listener.gap": self._gap,
            "key.introduced": self._introduced,
            "key.retired": self._ended,
            "key.compromised": self._ended,
            "checkpoint.timestamped": self._timestamped,
            "audit.reviewed": self._reviewed,
            "webhook.received": self._input,
            "input.unparsed": self._input,
            "input.unattributed": self._input,
            "certificate.issued": self._closing,
            "evidence.exported": self._closing,
            "certificate.sealed": self._numbered,
            "certificate.superseded": self._numbered,
            "certificate.withdrawn": self._numbered,
        }

    def _opened(self, seq: int, line: Line, facts: Any) -> None:
        if seq != 0:
            raise BrokenError("genesis", "a log is opened by entry 0 only")
        self.record.first_vkey = facts.vkey
        if facts.log != line.chain:
            raise BrokenError("genesis", "entry 0 names another log than its chain")
        if facts.origin != self._origin:
            raise BrokenError("genesis", "entry 0 opens a log of another origin")

    def _introduced(self, seq: int, line: Line, facts: Any) -> None:
        self._key_seqs.append(seq)
        first = not self.record.history.keys
        endorsed = None if facts.endorsement is UNSET else facts.endorsement
        self.record.history.introduce(self._origin, seq, facts.vkey, endorsed)
        if (seq == 1) != first:
            raise BrokenError("genesis", "entry 1, and no other, introduces the first key")
        if first and facts.vkey != self.record.first_vkey:
            raise BrokenError("genesis", "entry 1 introduces another key than entry 0 names")

    def _ended(self, seq: int, line: Line, facts: Any) -> None:
        self._key_seqs.append(seq)
        compromised = hasattr(facts, "since")
        if compromised:
            self._times.check(facts.since)
        self.record.history.end(seq, facts.vkey, compromised)

    def _beats(self, seq: int, line: Line, facts: Any) -> None:
        self._times.check(line.at)
        before, self._beat = self._beat, line.at
        if before and parse_time(line.at) - parse_time(before) > BEAT_LIMIT_SECONDS * 1_000_000:
            self.record.outages.append((before, line.at))

    def _stepped(self, seq: int, line: Line, facts: Any) -> None:
        self.record.steps += 1

    def _gap(self, seq: int, line: Line, facts: Any) -> None:
        self._times.check(facts.since)
        self._times.check(facts.until)
        if facts.until < facts.since:
            raise BrokenError("schema", "a gap ends before it begins")

    def _timestamped(self, seq: int, line: Line, facts: Any) -> None:
        self._root(seq, facts)

    def _reviewed(self, seq: int, line: Line, facts: Any) -> None:
        # A failed review may be about the very root it names.
        if facts.verdict == "passed":
            self._root(seq, facts)

    def _root(self, seq: int, facts: Any) -> None:
        if facts.size > seq:
            raise BrokenError("root", "this names a size the log did not have yet")
        self.record.roots.append(Root(seq, facts.size, bytes.fromhex(facts.root)))

    def _input(self, seq: int, line: Line, facts: Any) -> None:
        self.record.inputs.append(seq)
        check_input(seq, facts, self.record.references)

    def _closing(self, seq: int, line: Line, facts: Any) -> None:
        if not line.act:
            raise BrokenError("act", f"{line.kind} is part of an act")
        self.record.closings.append(Closing(line.act, seq, facts.message, words(line.kind, facts)))
        if line.kind == "certificate.issued":
            if facts.number in self._issued:
                raise BrokenError("certificate", "this number was issued before")
            self._issued.add(facts.number)
        if facts.keys != tuple(self._key_seqs):
            raise BrokenError("closing.keys", "the keys named are not all there were")

    def _numbered(self, seq: int, line: Line, facts: Any) -> None:
        if facts.number not in self._issued:
            raise BrokenError("certificate", "no certificate of this number was issued here")


def differences(record: Record, closings: Iterable[Closing]) -> list[tuple[int, str]]:
    """Closing acts whose sides do not meet: what the message chains say, held against the log's chain."""
    own = {closing.act: closing for closing in record.closings}
    found = []
    for closing in closings:
        other = own.pop(closing.act, None)
        if other is None:
            found.append((closing.seq, "the log's chain has no entry of this closing act"))
        elif (other.message, other.words) != (closing.message, closing.words):
            found.append((other.seq, "the entry on the log's chain is about something else than the message's"))
    found += [(other.seq, "no message was closed by this act") for other in own.values()]
    return found
