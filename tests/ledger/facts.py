"""Hypothesis strategies for facts and entries of every kind, read off the schema itself."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from typing import Any, get_args

import msgspec
from hypothesis import strategies as st
from msgspec import UNSET, inspect

from ledger import entry, event, schema, spelling
from ledger.ids import format_time, uuid7

HEX = st.binary(min_size=32, max_size=32).map(bytes.hex)
IDS = st.tuples(st.integers(0, 2**52), st.binary(min_size=10, max_size=10)).map(lambda made: uuid7(*made))
TIME = st.integers(0, 253_402_300_799_999_999).map(format_time)
DIGEST = st.binary(min_size=32, max_size=32).map(lambda b: urlsafe_b64encode(b).decode().rstrip("="))
# Long patterns are slow to draw from letter by letter.
LONG = {
    get_args(kind)[1].pattern: strategy
    for kind, strategy in ((spelling.Hash, HEX), (spelling.Id, IDS), (spelling.Digest, DIGEST))
}
COUNT = st.one_of(st.integers(0, 300), st.sampled_from([2**53 - 1, 2**53 - 2]))


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a msgspec type, as JSON would have them; UNSET where it may be absent."""
    match kind:
        case inspect.StrType():
            if kind.pattern in LONG:
                return LONG[kind.pattern]
            if kind.pattern is not None:
                return st.from_regex(kind.pattern, fullmatch=True)
            letters = st.characters(exclude_categories=["Cs"])
            return st.text(letters, min_size=kind.min_length or 0, max_size=20)
        case inspect.IntType():
            least, most = kind.ge or 0, kind.le or 2**53 - 1
            return st.one_of(st.integers(least, min(most, least + 300)), st.just(most))
        case inspect.BoolType():
            return st.booleans()
        case inspect.LiteralType():
            return st.sampled_from(kind.values)
        case inspect.VarTupleType():
            return st.lists(values(kind.item_type), min_size=kind.min_length or 0, max_size=4)
        case inspect.StructType():
            return facts(kind)
        case inspect.UnionType():
            return st.one_of(*map(values, kind.types))
        case inspect.UnsetType():
            return st.just(UNSET)
    raise AssertionError(kind)


def facts(kind: Any) -> st.SearchStrategy[dict[str, Any]]:
    """What a struct may say, as a dictionary."""
    fields = {field.encode_name: values(field.type) for field in kind.fields}
    return st.fixed_dictionaries(fields).map(
        lambda said: {name: value for name, value in said.items() if value is not UNSET}
    )


SIMPLE = (
    "a" * 64,
    "01890a5d-ac96-774b-bcce-b302099a8057",
    "A" * 43,
    "x",
    "r1",
    "f1",
    "2.0.0",
    "2026-11-23T14:00:00.000000Z",
)


def simplest(kind: Any) -> Any:
    """One value of a msgspec type; of a struct what it must say and no more."""
    match kind:
        case inspect.StrType():
            return next(text for text in SIMPLE if kind.pattern is None or re.match(kind.pattern, text))
        case inspect.IntType():
            return kind.ge or 0
        case inspect.BoolType():
            return True
        case inspect.LiteralType():
            return kind.values[0]
        case inspect.VarTupleType():
            return [simplest(kind.item_type)] * (kind.min_length or 0)
        case inspect.StructType():
            return {field.encode_name: simplest(field.type) for field in kind.fields if field.required}
    raise AssertionError(kind)


KINDS = {name: facts(inspect.type_info(kind.facts)) for name, kind in event.KINDS.items()}


@st.composite
def entries(draw: st.DrawFn, kind: str) -> entry.Entry:
    n = draw(COUNT)
    timed = draw(st.booleans())
    return entry.TYPES[kind](
        at=draw(TIME),
        chain=draw(IDS),
        facts=schema.parse_facts(kind, draw(KINDS[kind])),
        n=n,
        prev=draw(HEX),
        sealed=sorted(draw(st.sets(DIGEST, max_size=3))),
        seq=draw(COUNT),
        source=draw(st.sampled_from(msgspec.inspect.type_info(event.Source).values)),
        v=1,
        act=draw(st.one_of(st.just(UNSET), IDS)),
        cprev=draw(HEX) if n else UNSET,
        occurred=draw(TIME) if timed else UNSET,
        clock=draw(st.sampled_from(msgspec.inspect.type_info(event.Clock).values)) if timed else UNSET,
    )
