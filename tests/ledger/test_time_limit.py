"""A message that takes too long is given up, and recorded as what it is: unparsed, with its hash and the reason."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace

import pytest

from ledger.fingerprint import take
from ledger.hashonly import from_json, to_json
from ledger.mime import Limits
from tests.ledger.hostile import LOOSE, SHAPES
from tests.ledger.test_fingerprint import REAL


def ticking() -> tuple[Callable[[], float], list[float]]:
    """A clock on which a second passes whenever it is looked at, and what it showed."""
    shown: list[float] = []

    def clock() -> float:
        shown.append(1000.0 + len(shown))
        return shown[-1]

    return clock, shown


@pytest.mark.parametrize("seconds", [0, 1, 5, 10])
def test_a_message_that_takes_too_long_has_its_hash_and_a_reason(seconds: int) -> None:
    clock, shown = ticking()
    taken = take(REAL, Limits(seconds=seconds), clock=clock)
    assert taken.reason == f"took longer than {seconds} seconds"
    assert (taken.leaves, taken.root, taken.defects) == ((), None, ())
    assert taken.raw == take(REAL).raw
    assert from_json(to_json(taken)) == taken
    assert len(shown) == seconds + 2  # nothing more is done once it is over


def test_a_slow_clock_changes_nothing() -> None:
    clock, _ = ticking()
    assert take(REAL, Limits(seconds=10_000), clock=clock) == take(REAL)
    assert Limits().seconds == 20


def looks(octets: bytes) -> int:
    """How often the time was looked at; the two at the start not counted."""
    clock, shown = ticking()
    take(octets, replace(LOOSE, seconds=1e9), clock=clock)
    return len(shown) - 2


@pytest.mark.parametrize(
    ("octets", "least"),
    [
        pytest.param(SHAPES["parts with a header"](16_000), 2 * 1000, id="each part and delimiter"),
        pytest.param(SHAPES["boundary prefixes"](6_000), 1000, id="each line that looks like a delimiter"),
        pytest.param(SHAPES["nested multiparts"](7_000), 38 * 100, id="each level"),
        pytest.param(SHAPES["attached messages"](320), 10, id="each attached message"),
        pytest.param(
            b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.b64encode(bytes(3 << 20)),
            64,
            id="each 64 KiB of base64",
        ),
        pytest.param(
            b"Content-Transfer-Encoding: base64\r\n\r\n*" + base64.b64encode(bytes(3 << 20)), 64, id="of damaged base64"
        ),
        pytest.param(
            b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + (b"a" * 75 + b"\r\n") * 50_000,
            58,
            id="of quoted-printable",
        ),
    ],
)
def test_the_time_is_looked_at_wherever_a_stranger_says_how_much_is_done(octets: bytes, least: int) -> None:
    assert looks(octets) >= least


def test_a_plain_message_asks_for_the_time_a_few_times_only() -> None:
    assert looks(b"Subject: x\r\n\r\nHello\r\n") <= 2


def test_attached_messages_do_not_multiply_what_is_in_memory() -> None:
    """An encoding that changes nothing, around itself: 38 copies of one message would be held at once."""
    octets = SHAPES["attached messages, wrapped"](100_000)
    assert take(octets, Limits(size=len(octets))).reason == f"attached messages of more than {len(octets)} octets"
    assert take(octets, Limits(size=38 * len(octets))).parsed
