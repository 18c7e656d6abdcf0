"""`multipart/form-data`: parts come out as they went in, and what is broken is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import multipart
from api.errors import Problem
from api.routes import messages
from tests.api.serving import Served, check_problem, parts
from tests.api.wire import Said, head, say

NAMES = frozenset({b"envelope", b"message"})


@given(st.binary(max_size=2000), st.integers(0, 3))
def test_octets_come_out_as_they_went_in(octets: bytes, noise: int) -> None:
    body, kind = parts(octets, boundary="boundary-that-is-not-in-it" + "-" * noise)
    assert multipart.parse(body, kind, NAMES)[b"message"] == octets


@given(st.lists(st.sampled_from([b"\r", b"\n", b"-", b"--", b"e", b"edge", b"--edge", b"\r\n", b"\r\n--", b"x"])))
def test_octets_that_look_like_the_boundary(pieces: list[bytes]) -> None:
    octets = b"".join(pieces)
    body, kind = parts(octets)
    if b"\r\n--edge" in b"\r\n" + octets:
        return
    assert multipart.parse(body, kind, NAMES)[b"message"] == octets


@given(st.binary(max_size=300), st.integers(0, 400), st.integers(0, 400))
def test_whatever_comes_it_is_parsed_or_refused(noise: bytes, start: int, end: int) -> None:
    body, kind = parts(b"Subject: a\r\n\r\nb\r\n")
    for one in (noise, body[:start] + noise + body[end:], body[start:], body[:end]):
        with suppress(Problem):
            assert set(multipart.parse(one, kind, NAMES)) == NAMES


@given(st.text(st.characters(max_codepoint=255), max_size=100))
def test_whatever_the_content_type_says_it_is_parsed_or_refused(said: str) -> None:
    body, kind = parts(b"x")
    for one in (said, f"multipart/form-data; {said}", f"multipart/form-data; boundary={said}", kind + said):
        with suppress(Problem):
            multipart.parse(body, one, NAMES)


# Over HTTP

on_sqlite = pytest.mark.parametrize("any_database", ["sqlite"], indirect=True, scope="module")


@pytest.fixture
def unchanged(served: Served) -> Iterator[Served]:
    """The service; whatever a test sends, its ledger is as it was, and a good request passes afterwards."""
    before = served.size
    yield served
    assert served.size == before
    served.check_well()


def refused(said: Said | None, name: str) -> None:
    assert said is not None, "hung up without an answer"
    check_problem(said.status, said.headers, said.body, name)


def _multipart(served: Served, body: bytes, kind: str) -> Said | None:
    length = f"{len(body)}"
    return say(served, head(served, "POST /v1/messages HTTP/1.1", Content_Type=kind, Content_Length=length) + body)


BODY, KIND = parts()
FIRST = b'--edge\r\nContent-Disposition: form-data; name="envelope"\r\n\r\n'
BROKEN: dict[str, tuple[bytes, str, str]] = {
    "no boundary": (BODY, "multipart/form-data", "bad-request"),
    "an empty boundary": (BODY, 'multipart/form-data; boundary=""', "bad-request"),
    "a boundary too long": (BODY, f"multipart/form-data; boundary={'b' * 71}", "bad-request"),
    "another boundary": (BODY, "multipart/form-data; boundary=other", "bad-request"),
    "nothing": (b"", KIND, "bad-request"),
    "no parts": (b"--edge--\r\n", KIND, "invalid"),
    "no end": (BODY.removesuffix(b"--edge--\r\n"), KIND, "bad-request"),
    "half an end": (BODY.removesuffix(b"--\r\n"), KIND, "bad-request"),
    "cut in a part's headers": (BODY[:30], KIND, "bad-request"),
    "a part twice": (BODY.replace(b'name="message"', b'name="envelope"'), KIND, "invalid"),
    "a part missing": (BODY[: BODY.index(b"--edge", 10)] + b"--edge--\r\n", KIND, "invalid"),
    "an unknown part": (BODY.replace(b'name="message"', b'name="letter"'), KIND, "invalid"),
    "a part too many": (FIRST.replace(b"envelope", b"more") + b"x\r\n" + BODY, KIND, "invalid"),
    "a part without a name": (BODY.replace(b'; name="message"', b""), KIND, "invalid"),
    "a part that is no form's": (
        BODY.replace(b'form-data; name="message"', b'attachment; name="message"'),
        KIND,
        "invalid",
    ),
    "a part without headers": (
        BODY.replace(b'Content-Disposition: form-data; name="envelope"\r\n', b""),
        KIND,
        "invalid",
    ),
    "base64": (
        BODY.replace(b"message/rfc822", b"message/rfc822\r\nContent-Transfer-Encoding: base64"),
        KIND,
        "bad-request",
    ),
    "huge part headers": (
        BODY.replace(b"message/rfc822", b"message/rfc822\r\nX: " + b"y" * 50_000),
        KIND,
        "bad-request",
    ),
    "many part headers": (
        BODY.replace(b"message/rfc822", b"message/rfc822" + b"\r\nX: y" * 5_000),
        KIND,
        "bad-request",
    ),
    "NULs in part headers": (BODY.replace(b"message/rfc822", b"message/\x00rfc822"), KIND, "bad-request"),
    "ten thousand parts": (FIRST.replace(b"envelope", b"x") * 10_000 + BODY, KIND, "invalid"),
    "bare LFs": (BODY.replace(b"\r\n", b"\n"), KIND, "bad-request"),
    "an envelope that is no JSON": (BODY.replace(b'{"mail_from"', b'{"mail_from'), KIND, "bad-request"),
    "an envelope that is not UTF-8": (BODY.replace(b"ann@", b"\xff@"), KIND, "bad-request"),
    "an envelope too long": (BODY.replace(b"ann@", b"a" * messages.ENVELOPE_LIMIT + b"@"), KIND, "too-large"),
    "an empty message": (parts(b"")[0], KIND, "invalid"),
    "JSON instead": (b"{}", KIND, "bad-request"),
}


@on_sqlite
@pytest.mark.parametrize(("body", "kind", "name"), BROKEN.values(), ids=BROKEN)
def test_broken_multipart(unchanged: Served, body: bytes, kind: str, name: str) -> None:
    refused(_multipart(unchanged, body, kind), name)
