"""Reading entries by the million, as a replay does: what `ledger.entry` accepts and nothing else, at half the cost.

`ledger.entry` is the authority and this file its fast path. What it saves is running the patterns of strings over words
that have already passed them, or that have a quicker exact test; what has neither goes to `ledger.event`.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Sequence
from operator import attrgetter, call
from typing import Annotated, Any, ClassVar, Final, NamedTuple, TypeAlias, Union, cast, get_args, get_origin

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from ledger import canonical, event, schema, spelling
from ledger.entry import MAX_BYTES, check_time
from ledger.errors import FormatError
from ledger.event import KINDS

KNOWN: Final = 4096
"""Words remembered of each sort; then the memory starts afresh, so that no log can fill it."""


class Line(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, gc=False, tag_field="kind"):
    """An entry whose strings are still to be compared or checked; one subclass per kind. See `read`."""

    kind: ClassVar[str]

    at: str
    chain: str
    facts: Any
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


_UUID7: Final = re.compile(get_args(spelling.Id)[1].pattern).match


def is_id(word: str) -> bool:
    """Whether it is a UUIDv7 in the one spelling of docs/format.md."""
    return _UUID7(word) is not None


def is_hash(word: str) -> bool:
    """Whether it is 64 lowercase hex characters."""
    try:
        return len(word) == 64 and bytes.fromhex(word).hex() == word
    except ValueError:
        return False


def parse_hash(word: str) -> bytes:
    """The 32 bytes. FormatError."""
    if not is_hash(word):
        raise FormatError("not a hash")
    return bytes.fromhex(word)


# Tests of one field's value. What is absent passes: whether it may be was for the decoder to say.
def _hash(word: Any) -> bool:
    return word is UNSET or is_hash(word)


def _digest(word: Any) -> bool:
    return word is UNSET or (len(word) == 43 and word[42] in _ENDS and not word.encode().translate(None, _BASE64URL))


def _id(word: Any) -> bool:
    return word is UNSET or _UUID7(word) is not None


_ENDS: Final = frozenset(_LAST.decode())

Check: TypeAlias = Callable[[Any], bool]
_Words: TypeAlias = "set[object]"
_words: Final[dict[str, _Words]] = {}
_QUICK: Final[dict[str, Check]] = {
    get_args(spelling.Hash)[1].pattern: _hash,
    get_args(spelling.Digest)[1].pattern: _digest,
    get_args(spelling.Id)[1].pattern: _id,
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
    """The tests of one struct's patterned fields, as one: `check` is None where there is nothing to test."""

    def __init__(self, fields: list[tuple[str, _Slow]]) -> None:
        self._fields = fields
        self.check: Check | None = None
        if len(fields) == 1:
            self.check = _one(*fields[0])
        elif fields:
            self.check = _several(fields)

    def without(self, names: frozenset[str]) -> _Checks:
        return _Checks([(name, slow) for name, slow in self._fields if name not in names])

    def learn(self, struct: Any) -> None:
        for name, slow in self._fields:
            value = getattr(struct, name)
            if value is not UNSET:
                slow.learn(value)

    def slow(self) -> _Slow | None:
        return None if self.check is None else _Slow(self.check, self.learn)


def _one(name: str, slow: _Slow) -> Check:
    get, test = attrgetter(name), slow.check

    def check(struct: Any) -> bool:
        if struct is UNSET:
            return True
        value = get(struct)
        return value is UNSET or test(value)

    return check


def _several(fields: list[tuple[str, _Slow]]) -> Check:
    get, tests = attrgetter(*(name for name, _ in fields)), [slow.check for _, slow in fields]
    absent = (UNSET,) * len(fields)

    def check(struct: Any) -> bool:
        if struct is UNSET:
            return True
        values = get(struct)
        return values == absent or all(map(call, tests, values))

    return check


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

    __slots__ = ("_learn", "check", "kind", "line", "name")

    def __init__(self, kind: event.Kind) -> None:
        relaxed, checks = _relaxed(kind.facts)
        self.kind = kind
        self.name = kind.name
        checks = checks.without(COMPARED.get(kind.name, frozenset()))
        self.check = checks.check
        """Quick test of the facts' strings, but for `COMPARED`; what fails may still pass `check_all`. None where there
        is nothing to test."""
        self._learn = checks.learn
        self.line: type[Line] = cast(
            "type[Line]",
            msgspec.defstruct(
                "Line_" + kind.name.replace(".", "_"),
                [("facts", relaxed)],
                bases=(Line,),
                namespace={"kind": kind.name},
                tag=kind.name,
                frozen=True,
                forbid_unknown_fields=True,
                kw_only=True,
                gc=False,
            ),
        )

    def check_all(self, facts: Any) -> None:
        """The spelling of the facts' strings, slowly; what passes will pass quickly. FormatError."""
        said = canonical.loads(_encode(facts))
        schema.parse_facts(self.name, said if isinstance(said, dict) else {})
        self._learn(facts)


_readings: Final = [Reading(kind) for kind in KINDS.values()]
READINGS: Final[dict[type[Line], Reading]] = {reading.line: reading for reading in _readings}
"""By the class of what `read` returned."""

_decode: Final[Callable[[bytes], Line]] = msgspec.json.Decoder(Union[tuple(READINGS)]).decode  # noqa: UP007 - computed
_encode: Final[Callable[[object], bytes]] = msgspec.json.Encoder(order="sorted").encode


def read(data: bytes) -> Line:
    """Schema and canonical spelling, as `ledger.entry.decode`, but for the patterns of strings: those of the facts are
    for `Reading.check`, those of the envelope for the caller. FormatError."""
    try:
        line = _decode(data)
        if _encode(line) == data and len(data) <= MAX_BYTES:
            return line
    except (msgspec.MsgspecError, UnicodeError, RecursionError, TypeError) as error:
        raise FormatError(f"not an entry: {error}") from None
    raise FormatError("an entry is not canonical JSON, or too long")


class Ordinals:
    """The numbers in ``r12`` or ``f3``, checked; FormatError."""

    __slots__ = ("_known", "_match")

    def __init__(self, letter: str) -> None:
        self._known: dict[str, int] = {}
        self._match = re.compile(letter + "[1-9][0-9]{0,4}").fullmatch

    def __call__(self, name: str) -> int:
        number = self._known.get(name)
        if number is None:
            if self._match(name) is None:
                raise FormatError("not the name of a file or recipient")
            number = self._known[name] = int(name[1:])
        return number
