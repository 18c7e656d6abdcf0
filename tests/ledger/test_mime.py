"""Structure, boundaries, parameters and transfer encodings, on messages written out by hand."""

from __future__ import annotations

import base64
import binascii
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import mime, parameters
from ledger.errors import Unparsable

LIMITS = mime.Limits()


def leaves(
    text: str | bytes, limits: mime.Limits = LIMITS
) -> tuple[list[tuple[str, str, bytes]], list[tuple[str, str]]]:
    """[(path, media type, decoded octets)], [(path, defect)]"""
    octets = mime.normalise(text.encode() if isinstance(text, str) else text)
    header = mime.read_header(octets, 0, len(octets), limits)
    walk = mime.Walk(octets, limits)
    found = []
    for part in walk.leaves(header):
        decoded, damaged = mime.decode(part)
        found.append((part.path, part.media_type, decoded + (b"!damaged" if damaged else b"")))
    return found, [(defect.path, defect.code) for defect in walk.defects]


def test_line_ends() -> None:
    assert mime.normalise(b"a\nb\r\nc\rd\r\r\ne\n\rf\n\n") == b"a\r\nb\r\nc\rd\r\r\ne\r\n\rf\r\n\r\n"
    whole = b"a: b\r\n\r\nc\r\n"
    assert mime.normalise(whole) is whole


@given(
    st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b"abcdefg\r\n", b"abcdefg\r\n", b"abcdefgh\n"])).map(
        b"".join
    ),
    st.integers(1, 40),
)
def test_normalise_does_what_it_says_wherever_lines_are_cut(octets: bytes, piece: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mime, "_PIECE", piece)
        assert mime.normalise(octets) == re.sub(rb"(?<!\r)\n", rb"\r\n", octets)


@pytest.mark.parametrize("spoiled", [b"\n", b"a\nb\r\n", b"\n\r\n", b"\r\r\n", b"\r\n\n"])
def test_one_line_of_many_alike_is_spoiled(spoiled: bytes) -> None:
    line = 76 * b"A" + b"\r\n"
    for before in (1, 2, 5000, 9999):
        octets = before * line + spoiled + (10_000 - before) * line
        expected = before * line + re.sub(rb"(?<!\r)\n", rb"\r\n", spoiled) + (10_000 - before) * line
        assert mime.normalise(octets) == expected
    # A line end that is missing where the others have one, and one more elsewhere: as many as there should be.
    octets = 9 * line + 77 * b"A" + b"\n" + 9 * line
    assert mime.normalise(octets) == 9 * line + 77 * b"A" + b"\r\n" + 9 * line
    octets = 9 * line + 75 * b"A" + b"\nA\r\n" + 9 * line
    assert mime.normalise(octets) == octets.replace(b"A\nA", b"A\r\nA")


@given(st.lists(st.sampled_from([b"-", b"--", b"--xy", b"--x", b"\r\n", b"a"])).map(b"".join), st.integers(1, 9))
def test_a_boundary_is_found_wherever_octets_are_cut(octets: bytes, piece: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mime, "_PIECE", piece)
        for start in range(len(octets)):
            assert mime._find(octets, b"--xy", start, len(octets)) == octets.find(b"--xy", start)
            assert mime._find(octets, b"--xy", 0, start) == octets.find(b"--xy", 0, start)


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a"])).map(b"".join))
def test_normalise_is_idempotent_and_keeps_everything_but_bare_line_feeds(octets: bytes) -> None:
    once = mime.normalise(octets)
    assert mime.normalise(once) == once
    assert once.replace(b"\r\n", b"\n") == octets.replace(b"\r\n", b"\n")
    assert once.count(b"\n") == once.count(b"\r\n")


def test_header_block() -> None:
    octets = b"\xef\xbb\xbfFrom a@b Mon\r\nA: 1\r\n folded\r\nb : 2\r\n \r\n\ta\r\nA:\r\n\r\nbody: x\r\n"
    header = mime.read_header(octets, 0, len(octets), LIMITS)
    assert header.fields == ((b"a", b" 1\r\n folded\r\n"), (b"b", b" 2\r\n \r\n\ta\r\n"), (b"a", b"\r\n"))
    assert header.first[b"a"] == b" 1\r\n folded\r\n"
    assert header.repeated == {b"a"}
    assert octets[header.end :] == b"body: x\r\n"
    assert not header.cut


@pytest.mark.parametrize(
    ("octets", "body", "cut"),
    [
        (b"A: 1\r\n", b"", False),
        (b"A: 1", b"", False),
        (b"A: 1\r\nno field\r\n\r\nx", b"no field\r\n\r\nx", True),
        (b"no field", b"no field", True),
        (b": empty name\r\n", b": empty name\r\n", True),
        (b"\r\nA: 1\r\n", b"A: 1\r\n", False),
        (b"A: 1\rB: 2\r\n\r\nx", b"x", False),  # a bare CR ends no line
    ],
)
def test_where_the_body_begins(octets: bytes, body: bytes, cut: bool) -> None:
    header = mime.read_header(octets, 0, len(octets), LIMITS)
    assert (octets[header.end :], header.cut) == (body, cut)


def test_header_limits_hold_exactly() -> None:
    octets = b"A: 1\r\n" * 10 + b"\r\nbody"
    mime.read_header(octets, 0, len(octets), mime.Limits(header_fields=10, header_bytes=62))
    with pytest.raises(Unparsable, match="more than 9 header fields"):
        mime.read_header(octets, 0, len(octets), mime.Limits(header_fields=9))
    with pytest.raises(Unparsable, match="larger than 61 octets"):
        mime.read_header(octets, 0, len(octets), mime.Limits(header_bytes=61))
    with pytest.raises(Unparsable, match="larger than 50 octets"):
        mime.read_header(b"A" * 100, 0, 100, mime.Limits(header_bytes=50))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b" text/plain", (b"text/plain", {})),
        (b"text/plain (a comment); charset=us-ascii", (b"text/plain", {"charset": b"us-ascii"})),
        (b'a/b; x="1;2"; Y = z ;;; w', (b"a/b", {"x": b"1;2", "y": b"z"})),
        (b'a/b; x="a\\"b\\\\c"', (b"a/b", {"x": b'a"b\\c'})),
        (b"a/b; name=report(1).pdf", (b"a/b", {"name": b"report(1).pdf"})),
        (b'a/b; x="unclosed; y=2', (b"a/b", {"x": b'"unclosed', "y": b"2"})),
        (b"a/b; x=1; x=2", (b"a/b", {"x": b"1"})),
        (b"a/b; =1; x=", (b"a/b", {"x": b""})),
        (b"a/b; x*=utf-8'de'%e2%82%ac%zz", (b"a/b", {"x*": b"utf-8'de'\xe2\x82\xac%zz"})),
        (b"a/b; x*0=one; x*1=%41; x*2*=%41", (b"a/b", {"x": b"one%41A"})),
        (b"a/b; x*1*=%41; x*0*=utf-8''%42; x*3=lost", (b"a/b", {"x*": b"utf-8''BA"})),
        (b"a/b; x*01=a; x*x=b; x*\xd9\xa1=c", (b"a/b", {})),
        (b"a/b;\r\n boundary=x", (b"a/b", {"boundary": b"x"})),
    ],
)
def test_parameters(value: bytes, expected: tuple[bytes, dict[str, bytes]]) -> None:
    made = parameters.read(value, 200)
    assert (made.head, made.named) == expected


@pytest.mark.parametrize(
    ("value", "repeated"),
    [
        (b"a/b; x=1; y=1", False),
        (b"a/b; x=1; x=1", False),
        (b"a/b; x=1; X=2", True),
        (b"a/b; filename=a.pdf; filename*=utf-8''b.pdf", False),
        (b"a/b; boundary=a; boundary*=utf-8''b", True),
        (b"a/b; boundary*0=a; boundary*1=b", False),
    ],
)
def test_parameters_that_stand_there_twice(value: bytes, repeated: bool) -> None:
    assert parameters.read(value, 200).repeated is repeated


@pytest.mark.parametrize("value", [b"(x) text/html", b"text/html (x)", b"text(x)/html; a=b", b"(a)(b) text/html"])
def test_a_comment_is_no_type(value: bytes) -> None:
    assert parameters.read(value, 200).head == b"text/html"


def test_parameter_limit() -> None:
    value = b"a/b" + b"; x=1" * 5
    parameters.read(value, 5)
    with pytest.raises(Unparsable, match="more than 4 parameters"):
        parameters.read(value, 4)


MIXED = "Content-Type: multipart/mixed; boundary=b\n\n"


@pytest.mark.parametrize(
    ("text", "expected", "defects"),
    [
        ("A: b\n\nhello\n", [("1", "text/plain", b"hello\r\n")], []),
        ("Content-Type: nonsense\n\nx", [("1", "text/plain", b"x")], []),
        (MIXED + "pre\n--b\n\none\n--b--\nepilogue\n", [("1", "text/plain", b"one")], []),
        (MIXED + "--b\n\none\n\n--b \t\n\ntwo--b\n--b-- \n",
         [("1", "text/plain", b"one\r\n"), ("2", "text/plain", b"two--b")], []),
        # a longer boundary with the same start, a delimiter inside a line, something after the boundary
        (MIXED + "--b\n\n--bb\nx --b\n--b x\n--b--", [("1", "text/plain", b"--bb\r\nx --b\r\n--b x")], []),
        # empty parts: no header, no body; and two delimiters in a row, which have none between
        (MIXED + "--b\n\n--b\nA: b\n\n--b\n--b--\n", [(n, "text/plain", b"") for n in "12"], []),
        (MIXED + "--b\n--b\n\nx\n--b", [("1", "text/plain", b"x")], [("0", "unclosed")]),
        (MIXED + "--b\n--b--\n", [("1", "multipart/mixed", b"--b\r\n--b--\r\n")], [("0", "no-parts")]),
        ("Content-Type: multipart/mixed; boundary*=x'y'%62\n\n--b\n\nx\n--b--", [("1", "text/plain", b"x")], []),
        (MIXED + "--b\n\none\n", [("1", "text/plain", b"one\r\n")], [("0", "unclosed")]),
        (MIXED + "--b--\n--b\n\none\n--b--\n", [("1", "text/plain", b"one")], []),
        (MIXED + "nothing\n", [("1", "multipart/mixed", b"nothing\r\n")], [("0", "no-parts")]),
        ("Content-Type: multipart/mixed\n\nx", [("1", "multipart/mixed", b"x")], [("0", "no-boundary")]),
        ('Content-Type: multipart/mixed; boundary="b "\n\n--b\n\nx\n--b--', [("1", "text/plain", b"x")], []),
        ("Content-Type: multipart/digest; boundary=b\n\n--b\n\nA: b\n\nx\n--b--",
         [("1", "message/rfc822", b"A: b\r\n\r\nx"), ("1.1", "text/plain", b"x")], []),
        (MIXED + "--b\nno field\n\nx\n--b--", [("1", "text/plain", b"no field\r\n\r\nx")], [("1", "header-cut")]),
        ("Content-Type: text/plain\nContent-Type: a/b\n\nx", [("1", "text/plain", b"x")], [("0", "repeated-field")]),
    ],
)  # fmt: skip
def test_shapes(text: str, expected: list[tuple[str, str, bytes]], defects: list[tuple[str, str]]) -> None:
    assert leaves(text) == (expected, defects)


def test_nested_multiparts_and_an_inner_one_that_the_outer_ends() -> None:
    text = (
        MIXED
        + "--b\nContent-Type: multipart/alternative; boundary=bb\n\n"
        + "--bb\n\n1\n--bb\nContent-Type: text/html\n\n2\n--bb--\n"
        + "--b\nContent-Type: multipart/related; boundary=c\n\n--c\n\n3\n"
        + "--b\nContent-Type: multipart/mixed; boundary=b\n\n4\n--b--\n"
    )
    found, defects = leaves(text)
    assert found == [
        ("1.1", "text/plain", b"1"),
        ("1.2", "text/html", b"2"),
        ("2.1", "text/plain", b"3"),
        ("3", "multipart/mixed", b"4"),
    ]
    assert defects == [("2", "unclosed"), ("3", "no-parts")]


def test_attached_messages_are_leaves_and_descended_into() -> None:
    inner = "Subject: in\nContent-Type: multipart/mixed; boundary=i\n\n--i\n\nx\n--i\nContent-Type: a/b\n\ny\n--i--"
    encoded = base64.encodebytes(inner.replace("\n", "\r\n").encode()).decode()
    broken = "Content-Type: multipart/mixed\n\nz"
    text = (
        MIXED
        + f"--b\nContent-Type: message/rfc822\n\n{inner}\n"
        + f"--b\nContent-Type: message/global\nContent-Transfer-Encoding: base64\n\n{encoded}\n"
        + "--b\nContent-Type: message/rfc822\n\nA: b\n\nplain\n"
        + f"--b\nContent-Type: message/rfc822\n\n{broken}\n"
        + "--b\nContent-Type: message/rfc822\n\n\nno header\n--b--\n"
    )
    found, defects = leaves(text)
    octets = inner.replace("\n", "\r\n").encode()
    assert found == [
        ("1", "message/rfc822", octets),
        ("1.1", "text/plain", b"x"),
        ("1.2", "a/b", b"y"),
        ("2", "message/global", octets),
        ("2.1", "text/plain", b"x"),
        ("2.2", "a/b", b"y"),
        ("3", "message/rfc822", b"A: b\r\n\r\nplain"),
        ("3.1", "text/plain", b"plain"),
        ("4", "message/rfc822", b"Content-Type: multipart/mixed\r\n\r\nz"),
        ("4.1", "multipart/mixed", b"z"),
        ("5", "message/rfc822", b"\r\nno header"),
    ]
    assert defects == [("4", "no-boundary"), ("5", "no-message")]


def test_depth_and_part_limits_hold_exactly() -> None:
    text = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(4)) + "\nx"
    assert leaves(text, mime.Limits(depth=5))[0] == [("1.1.1.1", "text/plain", b"x")]
    with pytest.raises(Unparsable, match="nested deeper than 4"):
        leaves(text, mime.Limits(depth=4))
    attached = "Content-Type: message/rfc822\n\n" * 4 + "A: b\n\nx"
    assert len(leaves(attached, mime.Limits(depth=5))[0]) == 5
    with pytest.raises(Unparsable, match="nested deeper than 4"):
        leaves(attached, mime.Limits(depth=4))
    parts = MIXED + "--b\n\nx\n" * 3 + "--b--"
    assert len(leaves(parts, mime.Limits(parts=3))[0]) == 3
    with pytest.raises(Unparsable, match="more than 2 parts"):
        leaves(parts, mime.Limits(parts=2))


def base64_of(text: bytes) -> bytes:
    return leaves(b"Content-Transfer-Encoding: BASE64 \r\n\r\n" + text)[0][0][2]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", b""),
        (b"aGVsbG8=", b"hello"),
        (b"aGV\r\n sb\tG8=\r\n\r\n", b"hello"),
        (b"aGVsbG8h", b"hello!"),
        (b"aGVsbA==", b"hell"),
        # damaged, each read as the docstring of `pieces` says
        (b"aGVsbG8", b"hello!damaged"),
        (b"aGVsbA=", b"hell!damaged"),
        (b"aGVsbG8hx", b"hello!!damaged"),
        (b"aGVs*bG8=", b"hello!damaged"),
        (b"aGVsbG8=\r\n-- \r\nfooter", b"hello!damaged"),
        (b"aGVsbG8=aGVsbG8=", b"hello!damaged"),
        (b"aGVsbG8h====", b"hello!!damaged"),
        (b"=aGVsbG8h", b"!damaged"),
        (b"aG\xff=Vs", b"h!damaged"),
    ],
)
def test_base64(text: bytes, expected: bytes) -> None:
    assert base64_of(text) == expected


@given(st.binary(max_size=300_000), st.integers(1, 200), st.sampled_from([b"\r\n", b" \r\n", b"\r\n\r\n"]))
def test_base64_round_trip_over_chunks(octets: bytes, width: int, line_end: bytes) -> None:
    text = base64.b64encode(octets)
    lines = line_end.join(text[at : at + width] for at in range(0, len(text), width))
    assert base64_of(lines) == octets


@pytest.mark.parametrize("at", [65_535, 65_536, 87_380, 87_382])
def test_base64_that_ends_or_breaks_in_the_middle_of_a_large_part(at: int) -> None:
    octets = bytes(range(256)) * 400
    text = base64.b64encode(octets)
    quanta = at // 4
    kept = octets[: quanta * 3]
    assert base64_of(text[: quanta * 4] + b"QQ==" + text[quanta * 4 :]) == kept + b"A!damaged"
    assert base64_of(text[:at] + b"*" + text[at:]) == octets + b"!damaged"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"a=3Db=c3=C3", b"a=b\xc3\xc3"),
        (b"soft =\r\nbreak=\r\n", b"soft break"),
        (b"trailing \t\r\nspace =  \r\njoined", b"trailing\r\nspace joined"),
        (b"end =", b"end "),
        (b"end  ", b"end"),
        (b"_ stays", b"_ stays"),
        (b"a=zz", b"a=zz!damaged"),
        (b"8bit \xff", b"8bit \xff"),
    ],
)
def test_quoted_printable(text: bytes, expected: bytes) -> None:
    assert leaves(b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + text)[0][0][2] == expected


@given(st.binary(max_size=500))
def test_quoted_printable_round_trip(octets: bytes) -> None:
    octets = mime.normalise(octets)
    # istext=False encodes CR and LF too, so that the line ends that remain are soft ones
    encoded = binascii.b2a_qp(octets, istext=False).replace(b"=\n", b"=\r\n")
    assert leaves(b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + encoded)[0][0][2] == octets


@pytest.mark.parametrize("encoding", ["x-uuencode", "8 bit", "uuencode", "base64x"])
def test_unknown_encodings_leave_the_octets(encoding: str) -> None:
    octets = f"Content-Transfer-Encoding: {encoding}\r\n\r\nYQ==".encode()
    header = mime.read_header(octets, 0, len(octets), LIMITS)
    (part,) = mime.Walk(octets, LIMITS).leaves(header)
    assert (part.encoding, mime.decode(part)) == ("unknown", (b"YQ==", False))
