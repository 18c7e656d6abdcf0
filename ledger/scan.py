"""Reading entries by the million, as a replay does: what `ledger.entry` accepts and nothing else, at half the cost.

`ledger.entry` is the authority and this file its fast path. Two things are saved. Facts are parsed apart from the
envelope, so that facts seen before (most are: the same few words) are not parsed again. And the patterns of strings are
not run on words that have already passed them; what has no quick, exact test of its own goes to `ledger.event`.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Sequence
from operator import attrgetter, call
from typing import Annotated, Any, Final, NamedTuple, TypeAlias, Union, get_args, get_origin

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from ledger import canonical, event
from ledger.entry import MAX_BYTES, check_time
from ledger.errors import FormatError
from ledger.event import KINDS

KNOWN: Final = 4096
"""Words and facts remembered of each sort; then the memory starts afresh, so that no log can fill it."""


class Line(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, gc=False):
    """The envelope of an entry, its facts still bytes. Spelling of its strings is the caller's to check or compare."""

    at: str
    chain: str
    facts: Raw
    kind: str
    n: event.Seq
    prev: str
    sealed: Annotated[list[Annotated[str, Meta(min_length=43, max_length=43)]], Meta(max_length=event.MAX_ITEMS)]
    seq: event.Seq
    source: event.Source
    v: Annotated[int, Meta(ge=1, le=1)]
    act: str | UnsetType = UNSET
    clock: event.Clock | UnsetType = UNSET
    cprev: str | UnsetType = UNSET
    occurred: str | UnsetType = UNSET


_decode: Final[Callable[[bytes], Line]] = msgspec.json.Decoder(Line).decode
_encode: Final[Callable[[object], bytes]] = msgspec.json.Encoder(order="sorted").encode
_FAILURES: Final = (msgspec.MsgspecError, UnicodeError, RecursionError, TypeError)


def read(data: bytes) -> Line:
    """The envelope: schema, and canonical spelling of all but the facts, which are for `Reading.read`. FormatError."""
    try:
        line = _decode(data)
        if _encode(line) == data and len(data) <= MAX_BYTES:
            return line
    except _FAILURES as error:
        raise FormatError(f"not an entry: {error}") from None
    raise FormatError("an entry is not canonical JSON, or too long")


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


_BASE64URL: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_LAST: Final = b"AEIMQUYcgkosw048"


def are_digests(words: Sequence[str]) -> bool:
    """Whether strings of 43 characters each are all the unpadded base64url of 32 bytes."""
    joined = "".join(words).encode()
    return not joined.translate(None, _BASE64URL) and not joined[42::43].translate(None, _LAST)


_UUID7: Final = re.compile(get_args(event.Id)[1].pattern).match


def is_id(word: str) -> bool:
    """Whether it is a UUIDv7 in the one spelling of docs/format.md."""
    return _UUID7(word) is not None


def is_hash(word: str) -> bool:
    """Whether it is 64 lowercase hex characters."""
    try:
        return len(word) == 64 and bytes.fromhex(word).hex() == word
    except ValueError:
        return False


# Tests of one field's value. What is absent passes: whether it may be was for the decoder to say.
def _hash(word: Any) -> bool:
    return word is UNSET or is_hash(word)


def _digest(word: Any) -> bool:
    return word is UNSET or (len(word) == 43 and word[42] in _ENDS and not word.encode().translate(None, _BASE64URL))


_ENDS: Final = frozenset(_LAST.decode())

Check: TypeAlias = Callable[[Any], bool]
_Words: TypeAlias = "set[object]"
_words: Final[dict[str, _Words]] = {}
_QUICK: Final[dict[str, Check]] = {
    get_args(event.Hash)[1].pattern: _hash,
    get_args(event.Digest)[1].pattern: _digest,
}


class _Slow(NamedTuple):
    """How to test one annotated type quickly, and what to remember of a value that passed the slow test."""

    check: Check
    learn: Callable[[Any], None]


def _nothing(value: object) -> None:
    return None


def _pattern(pattern: str) -> _Slow:
    quick = _QUICK.get(pattern)
    if quick is not None:
        return _Slow(quick, _nothing)
    words = _words.setdefault(pattern, {UNSET})

    def learn(value: object) -> None:
        if len(words) >= KNOWN:
            words.clear()
            words.add(UNSET)
        words.add(value)

    return _Slow(words.__contains__, learn)


def _each(slow: _Slow) -> _Slow:
    def learn(values: Sequence[object]) -> None:
        for value in values:
            slow.learn(value)

    return _Slow(lambda values: values is UNSET or all(map(slow.check, values)), learn)


def _relax(annotation: Any) -> tuple[Any, _Slow | None]:
    """The type without patterns, and the test that takes their place (None where there was no pattern)."""
    origin = get_origin(annotation)
    if origin is Annotated:
        base, *metas = get_args(annotation)
        base, slow = _relax(base)
        patterns = [m.pattern for m in metas if m.pattern is not None]
        if patterns:
            return base, _pattern(patterns[0])
        return Annotated[(base, *metas)], slow
    if origin in (Union, types.UnionType):
        relaxed = [_relax(one) for one in get_args(annotation)]
        made: Any = Union[tuple(one for one, _ in relaxed)]  # noqa: UP007 - built at run time
        return made, next((slow for _, slow in relaxed if slow is not None), None)
    if origin is tuple:
        item, slow = _relax(get_args(annotation)[0])
        if slow is None:
            return annotation, None
        return tuple.__class_getitem__((item, ...)), _each(slow)
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        made, checks = _relaxed(annotation)
        return made, checks.slow()
    return annotation, None


class _Checks:
    """The tests of one struct's patterned fields."""

    def __init__(self, fields: list[tuple[str, _Slow]]) -> None:
        names = [name for name, _ in fields]
        self._get: Callable[[Any], Any] = attrgetter(*names) if len(names) > 1 else self._few(names)
        self._checks = [slow.check for _, slow in fields]
        self._learns = [slow.learn for _, slow in fields]
        self._absent = (UNSET,) * len(fields)

    @staticmethod
    def _few(names: list[str]) -> Callable[[Any], Any]:
        return lambda struct: tuple(getattr(struct, name) for name in names)

    def check(self, struct: Any) -> bool:
        if struct is UNSET:
            return True
        values = self._get(struct)
        return values == self._absent or all(map(call, self._checks, values))

    def learn(self, struct: Any) -> None:
        for value, learn in zip(self._get(struct), self._learns, strict=True):
            if value is not UNSET:
                learn(value)

    def slow(self) -> _Slow | None:
        return _Slow(self.check, self.learn) if self._checks else None


_structs: Final[dict[type[Struct], tuple[type[Struct], _Checks]]] = {}


def _relaxed(struct: type[Struct]) -> tuple[type[Struct], _Checks]:
    known = _structs.get(struct)
    if known is None:
        fields: list[Any] = []
        patterned = []
        for field in msgspec.structs.fields(struct):
            relaxed, slow = _relax(field.type)
            fields.append((field.name, relaxed) if field.required else (field.name, relaxed, field.default))
            if slow is not None:
                patterned.append((field.name, slow))
        made = msgspec.defstruct(
            struct.__name__, fields, frozen=True, forbid_unknown_fields=True, kw_only=True, gc=False
        )
        known = _structs[struct] = made, _Checks(patterned)
    return known


class Reading:
    """How the facts of one kind are read, and which are known to be good on which type of chain."""

    __slots__ = ("_checks", "_decode", "kind", "known")

    def __init__(self, kind: event.Kind) -> None:
        relaxed, self._checks = _relaxed(kind.facts)
        self.kind = kind
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(relaxed).decode
        self.known: dict[str, dict[bytes, Any]] = {"log": {}, "message": {}, "recipient": {}}
        """Facts by their bytes and the type of chain: read and checked before."""

    def read(self, raw: bytes) -> Any:
        """Facts from their canonical bytes. FormatError. The result has the fields of ``kind.facts``."""
        try:
            facts = self._decode(raw)
            if _encode(facts) != raw:
                raise FormatError("facts are not canonical JSON")
        except _FAILURES as error:
            raise FormatError(f"facts of {self.kind.name}: {error}") from None
        if not self._checks.check(facts):
            said = canonical.loads(raw)
            if not isinstance(said, dict):
                raise FormatError("facts are no object")
            event.parse_facts(self.kind.name, said)
            self._checks.learn(facts)
        return facts

    def keep(self, chain_type: str, raw: bytes, facts: Any) -> None:
        """Remember facts that passed every check of their own."""
        known = self.known[chain_type]
        if len(known) >= KNOWN:
            known.clear()
        known[raw] = facts


READINGS: Final = {name: Reading(kind) for name, kind in KINDS.items()}
