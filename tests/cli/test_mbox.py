"""Mbox files against the standard library's reader on what is well formed, and against their own habits on the rest."""

from __future__ import annotations

import io
import mailbox
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli import mbox

FROM = b"From a@b.example Thu Jan  1 00:00:00 1970\n"


def split(data: bytes, quoting: mbox.Quoting = "rd", limit: int = 1 << 20) -> list[bytes | None]:
    return list(mbox.split(io.BytesIO(data), limit, quoting))


def write(messages: list[bytes], quote: bool = True) -> bytes:
    """As mboxrd says: every line of >*From gets one more >; an empty line ends each message."""
    stored = []
    for octets in messages:
        head, _, body = octets.partition(b"\n\n")
        body = re.sub(rb"^(>*From )", rb">\1", body, flags=re.MULTILINE) if quote else body
        stored.append(FROM + head + b"\n\n" + body + b"\n")
    return b"".join(stored)


# Lines that are likely to go wrong, and any others.
LINE = st.sampled_from([b"", b"From here", b">From there", b">>From", b"From ", b" From", b"text"]) | st.binary(
    max_size=20
).map(lambda data: data.replace(b"\n", b"").replace(b"\r", b""))
BODY = st.lists(LINE, max_size=8).map(lambda lines: b"".join(line + b"\n" for line in lines))


@given(st.lists(BODY, min_size=1, max_size=5))
def test_what_mboxrd_quotes_comes_back(bodies: list[bytes]) -> None:
    messages = [b"Subject: x\n\n" + body for body in bodies]
    assert split(write(messages)) == messages


@given(st.lists(BODY, min_size=1, max_size=5))
def test_the_standard_library_cuts_at_the_same_places(bodies: list[bytes]) -> None:
    # Unquoted, it takes every From line for a separator; well formed is what has none.
    messages = [b"Subject: x\n\n" + re.sub(rb"^From ", b"from ", body, flags=re.MULTILINE) for body in bodies]
    data = write(messages, quote=False)
    assert split(data, "none") == messages == library(data)


def library(data: bytes) -> list[bytes]:
    box = mailbox.mbox.__new__(mailbox.mbox)
    box._file = io.BytesIO(data)  # type: ignore[attr-defined]
    box._toc, box._next_key, box._pending, box._file_length = None, 0, False, 0  # type: ignore[attr-defined]
    return [box.get_bytes(key) for key in box.iterkeys()]


def test_crlf_files_are_cut_alike() -> None:
    data = write([b"Subject: 1\n\nx\n", b"Subject: 2\n\nFrom y\n"]).replace(b"\n", b"\r\n")
    assert split(data) == [b"Subject: 1\r\n\r\nx\r\n", b"Subject: 2\r\n\r\nFrom y\r\n"]


@pytest.mark.parametrize(
    ("quoting", "body"),
    [
        ("rd", b"From a\n>From b\n"),
        ("o", b"From a\n>>From b\n"),
        ("none", b">From a\n>>From b\n"),
    ],
)
def test_each_habit_takes_back_its_own_quoting(quoting: mbox.Quoting, body: bytes) -> None:
    assert split(FROM + b"Subject: x\n\n>From a\n>>From b\n", quoting) == [b"Subject: x\n\n" + body]


def test_a_sentence_is_no_separator_where_separators_have_dates() -> None:
    body = b"Subject: x\n\nfirst\n\nFrom now on we meet at ten.\n"
    assert split(FROM + body + b"\n" + FROM + b"Subject: y\n\n\n") == [body, b"Subject: y\n\n"]


def test_separators_without_dates_are_taken_where_the_first_has_none() -> None:
    assert split(b"From a\nS: 1\n\nx\n\nFrom b\nS: 2\n\ny\n") == [b"S: 1\n\nx\n", b"S: 2\n\ny\n"]


def test_a_header_that_is_quoted_stays_as_it_is() -> None:
    assert split(FROM + b"S: 1\n>From x\n\n>From y\n") == [b"S: 1\n>From x\n\nFrom y\n"]


def test_what_is_too_large_is_none_and_the_next_comes() -> None:
    small, large = b"S: 1\n\nx\n", b"S: 2\n\n" + b"y" * 5000 + b"\n"
    assert split(write([small, large, small]), limit=1000) == [small, None, small]
    assert split(write([small]), limit=len(small)) == [small]
    assert split(write([small]), limit=len(small) - 1) == [None]


def test_a_line_without_end_is_read_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mbox, "CHUNK", 7)
    message = b"Subject: " + b"x" * 100 + b"\n\nfrom From here\n"
    assert split(write([message, message])) == [message, message]


def test_nothing_before_the_first_separator_is_a_message(tmp_path: Path) -> None:
    assert split(b"") == []
    assert split(b"Subject: x\n\nno mbox\n") == []
