"""Reading entries by the million, as a replay does: what `ledger.entry` accepts, nothing else, at a part of the cost.

`ledger.entry` is the authority and this file its fast path. `read_all` takes many entries apart at once, by one pattern
that is the canonical spelling of the envelope; what several say alike is read once. It knows only whether all is well.
Where that is not so, or an entry is too unusual for the pattern, `read` takes one after the other and says what is
wrong. Both save running the patterns of strings over words that have already passed them, or that have a quicker exact
test; what has neither goes to `ledger.event`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import compress, count, groupby
from operator import ge
from typing import Annotated, Any, Final, NamedTuple, get_args

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from ledger import canonical, event, schema, spelling
from ledger.entry import MAX_BYTES, check_time
from ledger.errors import FormatError
from ledger.event import KINDS
from ledger.schema import BASE64URL, KNOWN, LAST


class Loose(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, gc=False):
    """An entry whose strings are still to be compared or checked. See `read`."""

    at: str
    chain: str
    facts: msgspec.Raw
    kind: str
    n: spelling.Seq
    prev: str
    sealed: Annotated[list[Annotated[str, Meta(min_length=43, max_length=43)]], Meta(max_length=event.MAX_ITEMS)]
    seq: spelling.Seq
    source: event.Source
    v: Annotated[int, Meta(ge=1, le=1)]
    act: str | UnsetType = UNSET
    clock: event.Clock | UnsetType = UNSET
    cprev: str | UnsetType = UNSET
    occurred: str | UnsetType = UNSET

    def spread(self, said: Said) -> Sequence[Any]:
        """As a row of `Lines`."""
        sealed = ",".join(f'"{digest}"' for digest in self.sealed)
        act, cprev = ("" if word is UNSET else word or "?" for word in (self.act, self.cprev))
        return act, self.at, self.chain, cprev, said, self.n, self.prev, sealed, self.seq, self.source


class Times:
    """Checks instants; a second already seen is not looked up in the calendar again."""

    __slots__ = ("_seconds",)

    def __init__(self) -> None:
        self._seconds: set[str] = set()

    def check(self, time: str) -> None:
        """As `ledger.entry.check_time`."""
        if time[:20] in self._seconds:
            micros = time[20:26]
            if len(time) == 27 and time[26] == "Z" and micros.isascii() and micros.isdigit():
                return
        check_time(time)
        if len(self._seconds) >= KNOWN:
            self._seconds.clear()
        self._seconds.add(time[:20])

    def know(self, seconds: Iterable[str]) -> bool:
        """Whether all of these, the first 20 characters of instants, are seconds that were; empty ones are let pass."""
        try:
            for second in {*seconds} - self._seconds - {""}:
                self.check(f"{second}000000Z")
        except FormatError:
            return False
        return True


class Line(Struct, frozen=True, gc=False):
    """What the rules of a kind see of an entry beside its facts. ``act`` is empty where there is none; ``sealed`` is
    how many digests there are."""

    kind: str
    act: str
    at: str
    chain: str
    n: int
    sealed: int
    source: str


class Said(Struct, frozen=True, gc=False):
    """What an entry says beside its envelope: its kind, and facts of that kind (None if they are not well formed).

    Of tracking events: ``exact`` if grade and attribution are those of its kind on a recipient's chain, and ``plain``
    if there is nothing more in it to compare, where no block is in force.
    """

    kind: str
    facts: Any
    tracking: bool = False
    exact: bool = False
    plain: bool = False


COMPARED: Final = {
    **{kind.name: frozenset({"candidates", "file", "token"}) for kind in KINDS.values() if kind.grade is not None},
    "access.denied": frozenset({"block", "file", "token"}),
    "download.completed": frozenset({"file", "token", "transfer"}),
    "download.aborted": frozenset({"file", "token", "transfer"}),
    "recipient.added": frozenset({"message", "recipient", "tokens"}),
}
"""Facts that a replay compares with what it knows, or tests itself: `Reading.check` leaves them out."""


class Reading:
    """What there is to know about entries of one kind: `kind`, its `name`, and the test of its facts' strings."""

    __slots__ = ("_decode", "_grade", "_learn", "check", "kind", "name")

    def __init__(self, kind: event.Kind) -> None:
        relaxed, checks = schema.relax(kind.facts)
        self.kind = kind
        self.name = kind.name
        checks = checks.without(COMPARED.get(kind.name, frozenset()))
        self.check = checks.check
        """Quick test of the facts' strings, but for `COMPARED`; what fails may still pass `check_all`. None where there
        is nothing to test."""
        self._learn = checks.learn
        self._grade = kind.grade
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(relaxed).decode

    def read(self, data: bytes) -> Any:
        """Facts from their own JSON, but for the patterns of strings. FormatError, or what msgspec raises."""
        facts = self._decode(data)
        if _encode(facts) != data:
            raise FormatError("facts are not canonical JSON")
        return facts

    def said(self, facts: Any) -> Said:
        """What these facts come to; None are such as could not be read."""
        grade = self._grade
        if grade is None or facts is None:
            return Said(self.name, facts, grade is not None)
        exact = facts.grade == grade and facts.attribution == "exact"
        bare = facts.token is facts.input is facts.file is facts.candidates is facts.late is UNSET
        return Said(self.name, facts, True, exact, exact and bare)

    def check_words(self, facts: Any) -> Any:
        """The facts, if their strings are well spelled but for `COMPARED`. FormatError."""
        if self.check is not None and not self.check(facts):
            self.check_all(facts)
        return facts

    def check_all(self, facts: Any) -> None:
        """The spelling of the facts' strings, slowly; what passes will pass quickly. FormatError."""
        said = canonical.loads(_encode(facts))
        schema.parse_facts(self.name, said if isinstance(said, dict) else {})
        self._learn(facts)


_encode: Final[Callable[[object], bytes]] = msgspec.json.Encoder(order="sorted").encode
_decode: Final[Callable[[bytes], Loose]] = msgspec.json.Decoder(Loose).decode
READINGS: Final = {kind.name: Reading(kind) for kind in KINDS.values()}


def read(data: bytes) -> tuple[Loose, Reading, Any]:
    """An entry, what there is to know about its kind, and its facts. Schema and canonical spelling are checked as by
    `ledger.entry.decode`, but for the patterns of strings: those of the facts are for `Reading.check_words`, those of
    the envelope for the caller. FormatError."""
    try:
        loose = _decode(data)
        if _encode(loose) != data or len(data) > MAX_BYTES:
            raise FormatError("an entry is not canonical JSON, or too long")
        reading = READINGS.get(loose.kind)
        if reading is None:
            raise FormatError(f"not an entry: unknown kind {loose.kind[:64]!r}")
        return loose, reading, reading.read(bytes(loose.facts))
    except (msgspec.MsgspecError, UnicodeError, RecursionError, TypeError) as error:
        raise FormatError(f"not an entry: {error}") from None


class Lines(NamedTuple):
    """Entries, column by column. Strings are as in the entry, empty where a field is absent; sealed digests as they
    stand between the brackets."""

    acts: Sequence[str] = ()
    ats: Sequence[str] = ()
    chains: Sequence[str] = ()
    cprevs: Sequence[str] = ()
    said: Sequence[Said] = ()
    ns: Sequence[int] = ()
    prevs: Sequence[str] = ()
    sealed: Sequence[str] = ()
    seqs: Sequence[int] = ()
    sources: Sequence[str] = ()

    def line(self, place: int) -> Line:
        """One of them."""
        sealed = (len(self.sealed[place]) + 1) // UNIT
        kind, act, at, chain = self.said[place].kind, self.acts[place], self.ats[place], self.chains[place]
        return Line(kind, act, at, chain, self.ns[place], sealed, self.sources[place])


# The canonical spelling of an entry, field by field. A dot stands for any character: each group is checked by whoever
# gets it, and with that the line is what a writer would have made. Facts end at the brace before their kind.
_ENTRY: Final = re.compile(
    r'^\{(?:"act":"(.{36})",|)"at":"(.{27})","chain":"(.{36})",'
    rf'(?:"clock":"(?:{"|".join(get_args(event.Clock))})",()|)(?:"cprev":"(.{{64}})",|)'
    r'"facts":(\{[^}]*\}(?:,"kind":|[^}]*\},"kind":)"[^"]*)","n":(0|[1-9][0-9]{0,14}),'
    r'(?(4)"occurred":"(.{20})[0-9]{6}Z",|)"prev":"(.{64})","sealed":\[([^]]*)\],'
    rf'"seq":(0|[1-9][0-9]{{0,14}}),"source":"({"|".join(get_args(event.Source))})","v":1\}}$',
    re.MULTILINE | re.DOTALL,
).findall

_said: Final[dict[str, Said]] = {}


def _learn(text: str) -> Said:
    facts, _, kind = text.rpartition(',"kind":"')
    if len(_said) >= KNOWN:
        _said.clear()
    reading = READINGS[kind]
    said = _said[text] = reading.said(reading.check_words(reading.read(facts.encode())))
    return said


_numbers: Final = msgspec.json.Decoder(list[int]).decode


def read_all(data: Sequence[bytes], times: Times) -> Lines | None:
    """Many entries; None unless all are as `read` wants them and their facts, digests and instants claimed are spelled
    well. What stands in ``at``, ``prev``, ``chain``, ``cprev`` and ``act`` is for the caller."""
    # A line each, and a match each: so no match has taken what belongs to two entries, and none has left out a word.
    if b"\n" in b"".join(data) or max(map(len, data)) > MAX_BYTES:
        return None
    try:
        found = _ENTRY(b"\n".join(data).decode())
        if len(found) != len(data):
            return None
        acts, ats, chains, _, cprevs, texts, ns, seconds, prevs, sealed, seqs, sources = zip(*found, strict=True)
        if not times.know(seconds) or not are_sealed(sealed):
            return None
        known = _said.get
        said = [known(text) or _learn(text) for text in texts]
    except (FormatError, KeyError, msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    counts, places = _numbers(f"[{','.join(ns)}]"), _numbers(f"[{','.join(seqs)}]")
    return Lines(acts, ats, chains, cprevs, said, counts, prevs, sealed, places, sources)


UNIT: Final = 46
"""Characters of a digest, its quotes and a comma."""

_SHAPE: Final = bytes.maketrans(BASE64URL, b"a" * 64)


def are_sealed(lists: Sequence[str]) -> bool:
    """Whether these are what stands between the brackets of ``sealed``: digests, ascending, no two alike."""
    for length, same in groupby(sorted(lists, key=len), len):
        digests, rest = divmod(length + 1, UNIT)
        if not length:
            continue
        if rest or digests > event.MAX_ITEMS:
            return False
        joined = f"{','.join(same)},".encode()
        units = len(joined) // UNIT
        if joined.translate(_SHAPE) != b'"%b",' % (b"a" * 43) * units or joined[43::UNIT].translate(None, LAST):
            return False
        for start in range(1, length - UNIT, UNIT):
            # Most pairs differ in their first character.
            firsts, seconds = joined[start :: length + 1], joined[start + UNIT :: length + 1]
            for place in compress(count(), map(ge, firsts, seconds)):
                at = place * (length + 1) + start
                if joined[at : at + 43] >= joined[at + UNIT : at + UNIT + 43]:
                    return False
    return True
