"""The order of characters on paper, beside another implementation of Unicode Standard Annex 9."""

from __future__ import annotations

import time

import pytest
from bidi import get_display
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.bidi import direction, levels, ordered

LETTERS = (
    "abc \u05d0\u05d1\u05d2 \u0627\u0628\u062a 123 \u0660\u0661 +-#$%,.:/ ()[]{}<> !?&_\u00ab\u00bb\u00a0\u3008\u3009"
)


def shown(text: str) -> str:
    return "".join(ordered(text, levels(text)[1]))


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("abc (123)", "abc (123)"),
        ("\u05d0\u05d1 abc 12", "abc 12 \u05d1\u05d0"),
        ("a \u05d0\u05d1 12 b", "a 12 \u05d1\u05d0 b"),
        ("\u05d0 (b) \u05d2", "\u05d2 (b) \u05d0"),
        ("\u0627 12-34", "34-12 \u0627"),
        ("\u0661 + \u0662", "\u0662 + \u0661"),
    ],
)
def test_known(text: str, seen: str) -> None:
    # Brackets among letters that read from right to left are drawn mirrored; here they stand as they are.
    flipped = str.maketrans("()", ")(")
    assert shown(text) in (seen, seen.translate(flipped))


@settings(max_examples=2_000, deadline=None)
@given(st.text(st.sampled_from(LETTERS), max_size=20))
def test_the_order_is_that_of_another_implementation(text: str) -> None:
    assert shown(text) == get_display(text)


def test_the_first_strong_letter_decides() -> None:
    assert [direction(text) for text in ("1 a\u05d0", "(\u05d0 a", "12 ()")] == [0, 1, None]
    assert levels("12 ()", 1)[0] == 1


@pytest.mark.parametrize("text", ["(\u05d0", "\u05d0)", "([{\u05d0", "\u05d0%", "\u05d01,", "\u05d0\u0301", "\u05d0a"])
def test_time_grows_with_the_length(text: str) -> None:
    levels(text)

    def taken(count: int) -> float:
        start = time.process_time()
        levels(text * count)
        return time.process_time() - start

    assert min(taken(20_000) for _ in range(3)) < 12 * min(taken(5_000) for _ in range(3))
