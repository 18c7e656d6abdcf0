"""Facts against the schema of their kind: what the types say, and what they cannot. docs/format.md, "Vocabulary".

For whoever reads entries by the million: `relax` gives the same types without the patterns of their strings, and
tests of the strings that are as exact and much quicker.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter, call
from typing import Annotated, Any, Final, NamedTuple, TypeAlias, Union, cast, get_args, get_origin

import msgspec
from msgspec import UNSET, Struct

from ledger import spelling
from ledger.errors import FormatError
from ledger.event import KINDS, Closing, Continued, Facts, Kind


def parse_facts(kind: str, facts: Mapping[str, object]) -> Facts:
    """The typed facts of an entry of this kind, standing on no chain yet. FormatError names the field."""
    known = KINDS.get(kind)
    if known is None:
        raise FormatError(f"unknown kind {kind[:64]!r}")
    try:
        return msgspec.convert(facts, known.facts)
    except (msgspec.ValidationError, RecursionError) as error:
        raise FormatError(f"facts of {kind}: {error}") from None


def check_facts(kind: Kind, chain_type: str, facts: Facts) -> None:
    """What the types cannot say: grade by kind, attribution by chain, closing facts by chain. FormatError."""
    if chain_type not in kind.on:
        raise FormatError(f"{kind.name} may not stand on a {chain_type} chain")
    said: Any = facts
    if kind.grade is not None:
        if said.grade != kind.grade:
            raise FormatError(f"{kind.name} has grade {kind.grade}, not {said.grade}")
        if (said.attribution == "exact") != (chain_type == "recipient"):
            raise FormatError(f"attribution {said.attribution} does not belong on a {chain_type} chain")
        if (said.candidates is not UNSET) != (said.attribution == "one_of"):
            raise FormatError("candidates go with attribution one_of, and only with it")
        if said.late is False:
            raise FormatError("late is true or absent")
    elif kind.closes:
        _check_closing(kind.name, chain_type, cast(Closing, facts))
    elif kind.name == "block.applied":
        if (said.recipients is not UNSET) != (chain_type == "message"):
            raise FormatError("recipients stands on a message's block.applied, and only there")
        if said.recipient is not UNSET and chain_type != "message":
            raise FormatError("recipient stands on a message's block.applied only")
    elif kind.facts is Continued and kind.name != "message.recorded.continued":
        wanted = "files" if kind.name.startswith("block.") else "tokens"
        if (said.files is not UNSET) != (wanted == "files") or (said.tokens is not UNSET) != (wanted == "tokens"):
            raise FormatError(f"{kind.name} continues {wanted}")
    elif kind.facts is Continued and (said.files is not UNSET or said.tokens is not UNSET):
        raise FormatError(f"{kind.name} continues sealed digests only")


def _check_closing(name: str, chain_type: str, facts: Closing) -> None:
    on_log = (facts.keys is not UNSET, facts.message is not UNSET, facts.pending is not UNSET)
    if on_log != (chain_type == "log",) * 3:
        raise FormatError(f"{name}: keys, message and pending stand on the log's chain, and only there")
    if (facts.recipients is not UNSET) != (chain_type == "message"):
        raise FormatError(f"{name}: recipients stands on the message's chain, and only there")
    if facts.recipient is not UNSET and chain_type != "message":
        raise FormatError(f"{name}: recipient stands on the message's chain only")


KNOWN: Final = 4096
"""Words remembered of each sort; then the memory starts afresh, so that no log can fill it."""

BASE64URL: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
LAST: Final = b"AEIMQUYcgkosw048"
"""The alphabet of digests, and the characters one may end in: 32 bytes leave it four bits."""

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


def are_hashes(words: Sequence[str]) -> bool:
    """Whether each of them is."""
    joined = "".join(words)
    try:
        return {*map(len, words)} <= {64} and bytes.fromhex(joined).hex() == joined
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
    return word is UNSET or (len(word) == 43 and word[42] in _ENDS and not word.encode().translate(None, BASE64URL))


def _id(word: Any) -> bool:
    return word is UNSET or _UUID7(word) is not None


_ENDS: Final = frozenset(LAST.decode())

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


def _relax_type(annotation: Any) -> tuple[Any, _Slow | None]:
    """The type without patterns, and the test that takes their place (None where there was no pattern)."""
    origin = get_origin(annotation)
    if origin is Annotated:
        base, *metas = get_args(annotation)
        base, slow = _relax_type(base)
        patterns = [m.pattern for m in metas if m.pattern is not None]
        if patterns:
            return base, _pattern(patterns[0])
        return Annotated[(base, *metas)], slow
    if origin in (Union, types.UnionType):
        relaxed = [_relax_type(one) for one in get_args(annotation)]
        made: Any = Union[tuple(one for one, _ in relaxed)]  # noqa: UP007 - built at run time
        return made, next((slow for _, slow in relaxed if slow is not None), None)
    if origin is tuple:
        item, slow = _relax_type(get_args(annotation)[0])
        if slow is None:
            return annotation, None
        return tuple.__class_getitem__((item, ...)), _each(slow)
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        made, checks = relax(annotation)
        return made, checks.slow()
    return annotation, None


class Checks:
    """The tests of one struct's patterned fields, as one: `check` is None where there is nothing to test."""

    def __init__(self, fields: list[tuple[str, _Slow]]) -> None:
        self._fields = fields
        self.check: Check | None = None
        if len(fields) == 1:
            self.check = _one(*fields[0])
        elif fields:
            self.check = _several(fields)

    def without(self, names: frozenset[str]) -> Checks:
        return Checks([(name, slow) for name, slow in self._fields if name not in names])

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


_structs: Final[dict[type[Struct], tuple[type[Struct], Checks]]] = {}


def relax(struct: type[Struct]) -> tuple[type[Struct], Checks]:
    """The same struct, and those in it, without the patterns of strings; and the tests that take their place."""
    known = _structs.get(struct)
    if known is None:
        fields: list[Any] = []
        patterned = []
        for field in msgspec.structs.fields(struct):
            relaxed, slow = _relax_type(field.type)
            fields.append((field.name, relaxed) if field.required else (field.name, relaxed, field.default))
            if slow is not None:
                patterned.append((field.name, slow))
        spelt = {field.name: field.encode_name for field in msgspec.structs.fields(struct)}
        made = msgspec.defstruct(
            struct.__name__, fields, frozen=True, forbid_unknown_fields=True, kw_only=True, gc=False, rename=spelt
        )
        known = _structs[struct] = made, Checks(patterned)
    return known


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
