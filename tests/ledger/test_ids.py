"""Identifiers and instants."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import entry
from ledger.ids import format_time, parse_time, uuid7

MICROS = st.integers(0, 253_402_300_799_999_999)
RANDOM = st.binary(min_size=10, max_size=10)


@given(st.integers(0, 2**48 * 1000 - 1), RANDOM)
def test_ids_are_uuid_7(micros: int, random: bytes) -> None:
    text = uuid7(micros, random)
    made = uuid.UUID(text)
    assert str(made) == text
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == micros // 1000


@given(MICROS, MICROS, RANDOM, RANDOM)
def test_ids_are_ordered_in_time(one: int, two: int, first: bytes, second: bytes) -> None:
    if one != two:
        assert (uuid7(one, first) < uuid7(two, second)) == (one < two)


@given(MICROS, RANDOM, RANDOM)
def test_every_random_bit_that_is_meant_to_counts(micros: int, one: bytes, two: bytes) -> None:
    def used(random: bytes) -> tuple[int, int, bytes]:
        return random[0] & 3, random[1] & 0x3F, random[2:9]

    assert (uuid7(micros, one) == uuid7(micros, two)) == (used(one) == used(two))


@given(MICROS)
def test_times_go_there_and_back(micros: int) -> None:
    text = format_time(micros)
    entry.check_time(text)
    assert parse_time(text) == micros
    assert datetime.fromisoformat(text) == datetime.fromtimestamp(micros // 10**6, UTC).replace(
        microsecond=micros % 10**6
    )


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1, "1970-01-01T00:00:00.000001Z"),
        (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
        (1_795_410_000_123_456, "2026-11-23T05:00:00.123456Z"),
        (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_known_instants(micros: int, text: str) -> None:
    assert format_time(micros) == text and parse_time(text) == micros
