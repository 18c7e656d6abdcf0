"""Entries: one spelling, which is RFC 8785's, and no other is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import rfc8785
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import canonical, entry, event
from ledger.errors import FormatError
from tests.ledger.facts import entries

FEW = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
ID = "01890a5d-ac96-774b-bcce-b302099a8057"
TIME = "2026-11-23T14:00:00.123456Z"
DIGEST = "A" * 43
SAID: dict[str, Any] = {
    "act": ID,
    "at": TIME,
    "chain": ID,
    "clock": "stated",
    "cprev": "a" * 64,
    "facts": {"attestation": "D", "attribution": "exact", "file": "f1", "grade": "G4", "item": 3},
    "kind": "link.opened",
    "n": 5,
    "occurred": TIME,
    "prev": "b" * 64,
    "sealed": [DIGEST, "B" * 42 + "A"],
    "seq": 7,
    "source": "portal",
    "v": 1,
}


def data(**changes: Any) -> bytes:
    """An entry with fields changed; None leaves one out."""
    return rfc8785.dumps({name: value for name, value in (SAID | changes).items() if value is not None})


def test_the_sample_is_good() -> None:
    assert entry.to_bytes(entry.from_bytes(data())) == data()


@pytest.mark.parametrize("kind", event.KINDS)
def test_bytes_are_rfc_8785_and_come_back(kind: str) -> None:
    @FEW
    @given(entries(kind))
    def check(made: entry.Entry) -> None:
        written = entry.to_bytes(made)
        said = json.loads(written)
        assert written == canonical.dumps(said) == rfc8785.dumps(said)
        assert entry.from_bytes(written) == made
        assert entry.to_bytes(entry.from_bytes(written)) == written

    check()


HASHES = ["", "a" * 63, "a" * 65, "A" * 64, "g" * 64, "a" * 64 + "\n", " " + "a" * 63, "é" * 64, 7, [], "²" * 64]
IDS = [
    "",
    ID.upper(),
    ID + "\n",
    ID.replace("-", ""),
    ID[:-1],
    f"{{{ID}}}",
    "01890a5d-ac96-474b-bcce-b302099a8057",  # version 4
    "01890a5d-ac96-774b-ccce-b302099a8057",  # another variant
    7,
    {},
]
TIMES = [
    "",
    "2026-11-23T14:00:00Z",
    "2026-11-23T14:00:00.123Z",
    "2026-11-23T14:00:00.1234567Z",
    "2026-11-23T14:00:00.123456",
    "2026-11-23T14:00:00.123456+00:00",
    "2026-11-23 14:00:00.123456Z",
    "2026-11-23t14:00:00.123456z",
    "2026-02-30T14:00:00.123456Z",
    "2026-11-31T14:00:00.123456Z",
    "2025-02-29T14:00:00.123456Z",
    "2026-13-01T14:00:00.123456Z",
    "2026-00-01T14:00:00.123456Z",
    "2026-11-00T14:00:00.123456Z",
    "2026-11-23T24:00:00.000000Z",
    "2026-11-23T14:60:00.123456Z",
    "2026-11-23T14:00:60.123456Z",
    "1969-12-31T23:59:59.999999Z",
    "0001-01-01T00:00:00.000000Z",
    "10000-01-01T00:00:00.000000Z",
    "\uff12026-11-23T14:00:00.123456Z",
    "2026-W47-1T14:00:00.123456Z",
    TIME + "\n",
    1795410000,
]
COUNTS: list[Any] = [-1, 2**53, 1.0, 1e3, "1", True, [], 10**30]
WRONG: dict[str, list[Any]] = {
    "v": [0, 2, "1", 1.0, True, None],
    "seq": [*COUNTS, None],
    "n": [*COUNTS, None, 0],
    "prev": [*HASHES, None],
    "cprev": [*HASHES, None],
    "at": [*TIMES, None],
    "occurred": [*TIMES, None],
    "chain": [*IDS, None],
    "act": IDS,
    "kind": ["", "link", "Link.opened", "link.opened ", "link.opened\0", 7, None, "link.opened.continued"],
    "source": ["", "mail", "Portal", 7, None],
    "clock": ["", "server", None],
    "facts": [None, [], "", {}, {"grade": "G4"}],
    "sealed": [
        None,
        {},
        DIGEST,
        [DIGEST, DIGEST],
        ["B" * 42 + "A", DIGEST],
        [DIGEST[:-1]],
        [DIGEST + "A"],
        ["A" * 42 + "="],
        ["A" * 42 + "B"],  # bits that no digest has
        ["+" + DIGEST[1:]],
        ["/" + DIGEST[1:]],
        ["é" + DIGEST[1:]],
        [DIGEST[:-1] + "\n"],
        [7],
        [f"{k:043}"[:42] + "A" for k in range(257)],
    ],
    "extra": ["x", {}, 0],
    "type": ["link.opened"],
}


def refused(written: bytes, what: str) -> None:
    try:
        entry.from_bytes(written)
    except FormatError:
        return
    pytest.fail(f"{what} was taken")


def written(said: dict[str, Any]) -> bytes:
    """As `data`, for what RFC 8785 itself would not write."""
    return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def test_every_wrong_spelling_of_every_field_is_refused() -> None:
    assert written(SAID) == data()
    for name, wrongs in WRONG.items():
        for wrong in wrongs:
            said = {k: v for k, v in (SAID | {name: wrong}).items() if v is not None}
            refused(written(said), f"{name} = {wrong!r}")


def test_null_is_refused_everywhere() -> None:
    for name in [*SAID, "extra"]:
        refused(written(SAID | {name: None}), f"{name} = null")


def test_what_goes_together() -> None:
    entry.from_bytes(data(n=0, cprev=None))
    entry.from_bytes(data(occurred=None, clock=None))
    for wrong in ({"cprev": None}, {"n": 0}, {"occurred": None}, {"clock": None}):
        with pytest.raises(FormatError):
            entry.from_bytes(data(**wrong))


SPOILT: list[Callable[[bytes], bytes]] = [
    lambda d: d + b"\n",
    lambda d: b" " + d,
    lambda d: b"\xef\xbb\xbf" + d,
    lambda d: d.replace(b":", b": ", 1),
    lambda d: d.replace(b'"v":1', b'"v":1.0'),
    lambda d: d.replace(b'"v":1', b'"v":1e0'),
    lambda d: d.replace(b'"v":1', b'"v":01'),
    lambda d: d.replace(b'"v":1', b'"v":1,"v":1'),
    lambda d: d.replace(b'"n":5', b'"n":5,"n":5'),
    lambda d: d.replace(b'"seq":7', b'"seq":-0'),
    lambda d: d.replace(b"portal", b"port\\u0061l"),
    lambda d: d.replace(b"portal", b"portal\xff"),
    lambda d: d.replace(b'"kind"', b'"k\\u0069nd"'),
    lambda d: d[:-1],
    lambda d: d[1:],
    lambda d: d + d,
    lambda d: b"[" + d + b"]",
    lambda d: d.decode().encode("utf-16"),
    lambda d: b"",
    lambda d: b"null",
    lambda d: b"[" * 100_000,
    lambda d: b'{"facts":' * 20_000,
]


def test_one_spelling_only() -> None:
    for number, spoil in enumerate(SPOILT):
        assert spoil(data()) != data(), number
        refused(spoil(data()), f"spelling {number}")


def test_fields_stand_in_order() -> None:
    turned = json.dumps(dict(reversed(SAID.items())), separators=(",", ":")).encode()
    with pytest.raises(FormatError, match="canonical"):
        entry.from_bytes(turned)


def test_no_entry_is_longer_than_its_length_can_be_written() -> None:
    def with_note(length: int) -> bytes:
        vkey = "v" * 4096
        return entry.to_bytes(_key(vkey, "\\" * length))

    assert len(with_note(8192)) < entry.MAX_BYTES
    # No schema lets an entry grow so far: the limit is for what a schema of tomorrow lets through.
    for make in (lambda: entry.to_bytes(_key("v", "x" * 70_000)), lambda: entry.decode(b"x" * 65_536)):
        with pytest.raises(FormatError, match="65535"):
            make()


def _key(vkey: str, endorsement: str) -> entry.Entry:
    facts = event.KeyIntroduced(vkey=vkey, endorsement=endorsement)
    said = {"at": TIME, "chain": ID, "n": 0, "prev": "0" * 64, "seq": 0, "source": "system", "v": 1}
    return entry.TYPES["key.introduced"](facts=facts, sealed=[], **said)


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(FormatError, match="surrogate"):
        entry.to_bytes(_key("v", "\ud800"))
    with pytest.raises(FormatError):
        entry.from_bytes(entry.to_bytes(_key("v", "x")).replace(b'"x"', b'"\\ud800"'))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_garbage_is_refused(garbage: bytes) -> None:
    with pytest.raises(FormatError):
        entry.from_bytes(garbage)


@settings(max_examples=400, deadline=None)
@given(st.integers(0, len(data()) - 1), st.integers(0, 255))
def test_a_changed_byte_is_refused_or_read_as_it_stands(place: int, byte: int) -> None:
    changed = bytearray(data())
    changed[place] = byte
    try:
        made = entry.from_bytes(bytes(changed))
    except FormatError:
        return
    assert entry.to_bytes(made) == changed
