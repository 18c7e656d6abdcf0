"""Classes of retention: their spelling, and what they come to for a message."""

from __future__ import annotations

import pytest

from ledger.errors import FormatError
from ledger.retention import Class, Term, parse


def test_the_first_is_the_default_and_a_maximum_may_be_open() -> None:
    assert list(parse("standard=0-3650, finance=2555-3650,legal=2555-").values()) == [
        Class("standard", 0, 3650),
        Class("finance", 2555, 3650),
        Class("legal", 2555, None),
    ]


@pytest.mark.parametrize(
    "wrong",
    ["", "a", "a=", "a=1", "a=-1", "A=1-2", "a=2-1", "a=1-2,a=1-2", "a=1-2,", "a=1-9999999", "a=999999-", "a=+1-2"],
)
def test_what_is_no_class(wrong: str) -> None:
    with pytest.raises(FormatError):
        parse(wrong)


def test_days_count_from_the_record() -> None:
    term = Term("x", 1, 366, "2027-12-31T23:59:59.000001Z")
    assert term.erasable == "2028-01-01T23:59:59.000001Z" and term.due == "2028-12-31T23:59:59.000001Z"
    assert Term("x", 365_000, -1, "9999-01-01T00:00:00.000000Z").erasable == "9999-12-31T23:59:59.999999Z"
    assert Term("x", 0, -1, "2027-12-31T23:59:59.000001Z").due is None
