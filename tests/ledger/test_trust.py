from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import canonical
from ledger.errors import FormatError
from ledger.trust import Compromised, Trust, TrustedLog
from tests.ledger.evidencelog import AUDITOR, CLOCK, KEY, NEXT_KEY, ORIGIN, OTHER_AUDITOR, STRICT, WITNESSES

STOLEN = Compromised(since="2026-01-01T00:00:00.000000Z", vkey=KEY.vkey)


def test_the_simplest_policy_names_a_key() -> None:
    trust = Trust.of(KEY.vkey)
    assert trust.logs == (TrustedLog(origin=ORIGIN, keys=(KEY.vkey,)),)
    assert not (trust.require or trust.witnesses or trust.auditors or trust.anchors or trust.quorum)
    two = Trust.of(NEXT_KEY.vkey, KEY.vkey, AUDITOR.vkey, KEY.vkey)
    assert [log.origin for log in two.logs] == ["auditor.example", ORIGIN]
    assert Trust.parse(two.to_bytes()) == two


@pytest.mark.parametrize("trust", [Trust.of(KEY.vkey), Trust(logs=()), STRICT], ids=["key", "nobody", "strict"])
def test_there_and_back(trust: Trust) -> None:
    data = trust.to_bytes()
    assert Trust.parse(data) == trust
    assert canonical.dumps(canonical.loads(data)) == data
    assert set(json.loads(data)) == {
        "anchors", "auditors", "format", "logs", "quorum", "require", "witnesses"
    }  # fmt: skip


BROKEN: dict[str, Callable[[Any], Any]] = {
    "field missing": lambda said: {name: value for name, value in said.items() if name != "require"},
    "unlisted field": lambda said: said | {"note": "x"},
    "another format": lambda said: said | {"format": "postseal-trust/2"},
    "witnesses not ascending": lambda said: said | {"witnesses": said["witnesses"][::-1]},
    "witness twice": lambda said: said | {"witnesses": said["witnesses"][:1] * 2},
    "quorum of nobody": lambda said: said | {"quorum": 0},
    "quorum too large": lambda said: said | {"quorum": 3},
    "log as a witness": lambda said: said | {"witnesses": [KEY.vkey], "quorum": 1},
    "witness as an auditor": lambda said: said | {"auditors": said["witnesses"]},
    "no key": lambda said: said | {"logs": [said["logs"][0] | {"keys": []}]},
    "key of another origin": lambda said: said | {"logs": [said["logs"][0] | {"keys": [AUDITOR.vkey]}]},
    "key that is none": lambda said: said | {"logs": [said["logs"][0] | {"keys": [KEY.vkey[:-4]]}]},
    "log twice": lambda said: said | {"logs": said["logs"] * 2},
    "anchor that is none": lambda said: said | {"anchors": ["AAAA"]},
    "unknown requirement": lambda said: said | {"require": ["intact"]},
    "impossible instant": lambda said: (
        said
        | {
            "logs": [
                said["logs"][0] | {"compromised": [{"since": "2026-02-30T00:00:00.000000Z", "vkey": KEY.vkey}]},
            ]
        }
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_policy_is_refused(name: str) -> None:
    said = json.loads(STRICT.to_bytes())
    data = json.dumps(BROKEN[name](said), sort_keys=True, separators=(",", ":")).encode()
    assert Trust.parse(STRICT.to_bytes()) == STRICT
    with pytest.raises(FormatError):
        Trust.parse(data)


def test_one_key_is_not_two_witnesses() -> None:
    first = WITNESSES[0].verifier
    other = type(first)("alias.example", first.signature_type, first.public_key)
    with pytest.raises(FormatError, match="one key is listed as two witnesses"):
        Trust(logs=(), witnesses=tuple(sorted((first.vkey, other.vkey))), quorum=2)


def test_bytes_that_are_no_policy() -> None:
    for data in (b"", b"{}", b"null", b"\xff", b"[" * 100_000, STRICT.to_bytes() + b"\n", b" " * 17_000_000):
        with pytest.raises(FormatError):
            Trust.parse(data)


# A flipped bit may make a serial number negative: still read today, and said to be refused by a later release.
@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@given(st.integers(0, len(STRICT.to_bytes()) * 8 - 1))
def test_a_flipped_bit_is_refused_or_read_back_the_same(at: int) -> None:
    data = bytearray(STRICT.to_bytes())
    data[at // 8] ^= 1 << at % 8
    try:
        trust = Trust.parse(bytes(data))
    except FormatError:
        return
    assert trust.to_bytes() == bytes(data)


def test_all_parts_have_their_place() -> None:
    log = TrustedLog(origin=ORIGIN, keys=tuple(sorted((KEY.vkey, NEXT_KEY.vkey))), compromised=(STOLEN,))
    trust = Trust(
        logs=(log,), anchors=(CLOCK.anchor,), auditors=tuple(sorted((AUDITOR.vkey, OTHER_AUDITOR.vkey)))
    )  # fmt: skip
    assert Trust.parse(trust.to_bytes()) == trust
    assert trust.log(ORIGIN) == log
    assert trust.log("elsewhere") is None
