from __future__ import annotations

import collections
import contextlib
import dataclasses
import datetime
import enum
import json
import uuid
from typing import Any

import orjson
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import canonical
from ledger.canonical import Json
from ledger.errors import FormatError

BIGGEST = 2**53 - 1

keys = st.text(st.characters(max_codepoint=0x7F), max_size=8)
strings = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
scalars = strings | st.booleans() | st.integers(-BIGGEST, BIGGEST)
documents: st.SearchStrategy[Any] = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=20
)


class Text(str):
    __slots__ = ()


class Colour(enum.Enum):
    RED = "red"


class Number(enum.IntEnum):
    ONE = 1


@dataclasses.dataclass
class Record:
    a: int = 1


Pair = collections.namedtuple("Pair", "a b")


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@settings(deadline=None, max_examples=500)
@given(documents)
def test_equals_rfc8785_and_comes_back(value: Json) -> None:
    data = canonical.dumps(value)
    assert data == rfc8785.dumps(value)
    again = canonical.loads(data, limit=10**6)
    assert repr(again) == repr(json.loads(data))  # by repr, since True == 1
    assert canonical.dumps(again) == data


def test_every_character_below_256_and_the_line_separators() -> None:
    for code in [*range(256), 0x2028, 0x2029, 0xFEFF, 0xFFFF, 0x1F600]:
        assert canonical.dumps(chr(code)) == rfc8785.dumps(chr(code))


def test_known_bytes() -> None:
    assert canonical.dumps({"b": [True, -1, ""], "a": {"z": "é"}}) == '{"a":{"z":"é"},"b":[true,-1,""]}'.encode()
    assert canonical.dumps(BIGGEST) == b"9007199254740991"
    assert canonical.dumps(-BIGGEST) == b"-9007199254740991"


@pytest.mark.parametrize(
    "bad",
    [
        None,
        1.0,
        0.0,
        float("nan"),
        float("inf"),
        2**53,
        -(2**53),
        2**70,
        (),
        (1, 2),
        b"bytes",
        bytearray(b"x"),
        {1},
        frozenset(),
        Text("text"),
        Colour.RED,
        Number.ONE,
        Record(),
        Pair(1, 2),
        datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
        datetime.date(2026, 1, 1),
        datetime.time(1),
        uuid.UUID(int=0),
        orjson.Fragment(b"1"),
        collections.OrderedDict(a=1),
        object(),
        "\ud800",
        "a\udfff",
    ],
    ids=lambda bad: f"{type(bad).__name__}-{bad!r:.40}".split(" at ")[0],
)
def test_refused_anywhere(bad: Any) -> None:
    values: list[Any] = [bad, [bad], [1, bad], {"a": bad}, {"a": [{"b": bad}]}]
    for value in values:
        with pytest.raises(FormatError):
            canonical.dumps(value)


@pytest.mark.parametrize(
    "key",
    ["é", "\x80", "\ud800", 1, None, True, b"b", Text("k"), (), Colour.RED],
    ids=lambda key: f"{type(key).__name__}-{key!r}",
)
def test_refused_as_key(key: Any) -> None:
    values: list[Any] = [{key: 1}, {"a": 1, key: 1}, [{"b": {key: 1}}]]
    for value in values:
        with pytest.raises(FormatError):
            canonical.dumps(value)


def test_depth() -> None:
    data = canonical.dumps(nested(64))
    assert canonical.loads(data) == nested(64)
    for depth in (65, 100, 253, 254, 255, 300):
        with pytest.raises(FormatError):
            canonical.dumps(nested(depth))
    for depth in (65, 1000, 1024, 1025, 30_000):
        with pytest.raises(FormatError):
            canonical.loads(b"[" * depth + b"1" + b"]" * depth)


def test_what_contains_itself_is_refused_at_once() -> None:
    wide: list[Any] = []
    wide += [wide, wide, wide]
    looped: dict[str, Any] = {}
    looped["a"] = [looped]
    for value in (wide, looped):
        with pytest.raises(FormatError):
            canonical.dumps(value)


def test_a_stack_nearly_used_up_is_a_format_error() -> None:
    value, data = nested(60), canonical.dumps(nested(60))
    outcomes: set[object] = set()

    def deeper() -> None:
        # Below the last call not one frame is free; each caller up the stack has one more.
        with contextlib.suppress(RecursionError):
            deeper()
        try:
            outcomes.add(canonical.dumps(value) == data)
        except FormatError as error:
            outcomes.add(type(error.__cause__))
        except RecursionError:
            outcomes.add("no room even for the call")

    deeper()
    assert outcomes >= {True, RecursionError}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"1 ",
        b" 1",
        b"1\n",
        b"[1, 2]",
        b'{"a": 1}',
        b'{"b":1,"a":1}',
        b'{"a":1,"a":1}',
        b'{"a":1,"a":2}',
        b"null",
        b"[null]",
        b"1.0",
        b"[1.5]",
        b"1e0",
        b"1E2",
        b"-0",
        b"-0.0",
        b"01",
        b"+1",
        b"1_0",
        b"9007199254740992",
        b"-9007199254740992",
        b"18446744073709551616",
        b"NaN",
        b"Infinity",
        b"nul",
        b"tru",
        b"'a'",
        b'"\\u0061"',
        b'"\\/"',
        b'"\\u000A"',
        b'"\\u000a"',
        b'"\\u001F"',
        b'"\\u00e9"',
        b'"\\ud83d\\ude00"',
        b'"\\ud800"',
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'"\xc0\x80"',
        b'"\n"',
        b'{"\xc3\xa9":1}',
        b'{"\\u00e9":1}',
        b"{1:1}",
        b"[1,]",
        b"[1",
        b"\xef\xbb\xbf1",
        b"1\x00",
        b"1,2",
        b'{"a":1}{"a":1}',
        b"/**/1",
    ],
)
def test_another_spelling_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        canonical.loads(data)


def test_only_bytes_are_parsed() -> None:
    others: list[Any] = ["1", bytearray(b"1"), memoryview(b"1"), None, 1]
    for data in others:
        with pytest.raises(FormatError):
            canonical.loads(data)


def test_limit() -> None:
    assert len(canonical.loads(canonical.dumps("a" * 65_533))) == 65_533  # type: ignore[arg-type]
    with pytest.raises(FormatError):
        canonical.loads(canonical.dumps("a" * 65_534))
    assert canonical.loads(b"[]", limit=2) == []
    with pytest.raises(FormatError):
        canonical.loads(b"[]", limit=1)


@settings(deadline=None, max_examples=500)
@given(st.binary(max_size=40) | st.text('[]{}",:0123456789.-eE \\untrefalsi\x00é', max_size=30).map(str.encode))
def test_fuzz_bytes(data: bytes) -> None:
    try:
        value = canonical.loads(data)
    except FormatError:
        return
    assert canonical.dumps(value) == data


@settings(deadline=None, max_examples=300)
@given(documents, st.data())
def test_fuzz_one_octet_changed(value: Json, data: st.DataObject) -> None:
    good = canonical.dumps(value)
    at = data.draw(st.integers(0, len(good) - 1))
    bad = good[:at] + bytes([data.draw(st.integers(0, 255))]) + good[at + data.draw(st.integers(0, 2)) :]
    try:
        again = canonical.loads(bad, limit=10**6)
    except FormatError:
        return
    assert canonical.dumps(again) == bad
