"""The level of a copy, and what differs: message by message, change by change."""

from __future__ import annotations

import base64
import quopri
from collections.abc import Callable
from dataclasses import replace

import pytest

from ledger import fingerprint, match, originals
from ledger.differs import ADDITIONS, DIFFERENT, IDENTICAL, LINKS, MISSING, REENCODED, TRANSPORT
from ledger.match import Match
from ledger.sides import Copy, Original

TEXT = "Grüße,\r\nthe price is 4,000 Euro.\r\nhttps://a.example/x\r\n"
HTML = "<html><body><p>Grüße,</p><p>the price is 4,000 Euro.</p></body></html>"
INNER = b"From: c@x.example\r\nSubject: inner\r\nDate: Tue, 6 Jan 2026 10:00:00 +0000\r\n\r\nwithin\r\n"
MAIL = b"".join(
    [
        b"From: =?utf-8?q?J=C3=BCrgen?= <j@a.example>\r\nTo: Ann <ann@b.example>\r\nCc: cy@c.example\r\n",
        b"Subject: the offer\r\nDate: Mon, 5 Jan 2026 10:00:00 +0100\r\nMessage-ID: <1@a.example>\r\n",
        b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n",
        b"--b\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n",
        b"--i\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + TEXT.encode(),
        b"\r\n--i\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + HTML.encode(),
        b"\r\n--i--\r\n",
        b"--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=offer.pdf\r\n",
        b"Content-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQ=\r\n",
        b"--b\r\nContent-Type: text/csv\r\nContent-Disposition: attachment; filename=prices.csv\r\n\r\na;1\r\nb;2\r\n",
        b"--b\r\nContent-Type: message/rfc822\r\n\r\n" + INNER,
        b"--b--\r\n",
    ]
)


def known(*, kept: bool = True) -> Original:
    if kept:
        return originals.of_octets(MAIL)
    taken = fingerprint.take(MAIL)
    names = {"From": "from", "To": "to", "Cc": "cc", "Subject": "subject", "Date": "date", "Message-ID": "message_id"}
    sealed = {names[one.name]: one.value for one in taken.headers}
    sealed |= {name: fingerprint.part(leaf) for name, leaf in taken.facts}  # type: ignore[misc]
    return originals.of_sealed(
        sealed
        | {
            "raw": fingerprint.octets(taken.raw),
            "leaves": {"count": len(taken.leaves), "root": taken.root},
            "relaxed": {name: getattr(taken.relaxed, name) for name in ("body", "headers", "mime")},
        },
        "it was not kept",
    )


def found(copy: bytes, *, kept: bool = True) -> Match:
    assert copy != MAIL
    made = match.compare(known(kept=kept), Copy.of(copy))
    assert made is not None
    return made


def told(made: Match) -> set[tuple[str, str]]:
    return {(one.kind, one.where) for one in made.differences}


def edit(old: bytes, new: bytes) -> Callable[[], bytes]:
    def made() -> bytes:
        assert old in MAIL
        return MAIL.replace(old, new, 1)

    return made


def encoded(how: str) -> bytes:
    data = TEXT.encode()
    body = base64.encodebytes(data) if how == "base64" else quopri.encodestring(data)
    head = b"Content-Transfer-Encoding: "
    return MAIL.replace(
        head + b"8bit\r\n\r\n" + data, head + how.encode() + b"\r\n\r\n" + body.replace(b"\n", b"\r\n"), 1
    )


SURVIVE = {
    "line ends": (lambda: MAIL.replace(b"\r\n", b"\n"), IDENTICAL, set()),
    "trace": (lambda: b"Received: from a by b; now\r\nX-Spam: no\r\n" + MAIL, TRANSPORT, {("transport", "")}),
    "folded": (edit(b"To: Ann <", b"To: Ann\r\n\t<"), TRANSPORT, {("transport", "")}),
    "words anew": (edit(b"=?utf-8?q?J=C3=BCrgen?=", b"=?iso-8859-1?b?SvxyZ2Vu?="), TRANSPORT, {("transport", "")}),
    "date in another zone": (edit(b"10:00:00 +0100", b"09:00:00 +0000"), TRANSPORT, {("transport", "")}),
    "blanks": (lambda: MAIL.replace(b"Euro.\r\n", b"Euro. \t\r\n") + b"\r\n\r\n", TRANSPORT, {("transport", "")}),
    "base64": (lambda: encoded("base64"), REENCODED, {("re-encoded", "")}),
    "quoted-printable": (lambda: encoded("quoted-printable"), REENCODED, {("re-encoded", "")}),
    "another character set": (
        lambda: MAIL.replace(TEXT.encode(), TEXT.encode("latin-1"), 1).replace(b"charset=utf-8", b"charset=latin1", 1),
        REENCODED,
        {("re-encoded", "")},
    ),
    "boundary and preamble": (
        lambda: MAIL.replace(b"--b", b"--zz").replace(b"boundary=b", b"boundary=zz").replace(b"preamble", b""),
        REENCODED,
        {("re-encoded", "")},
    ),
    "tag": (edit(b"Subject: ", b"Subject: [list] "), ADDITIONS, {("header", "Subject")}),
    "reader dropped": (edit(b"Cc: cy@c.example\r\n", b""), ADDITIONS, {("header", "Cc")}),
    "no Message-ID": (edit(b"Message-ID: <1@a.example>\r\n", b""), ADDITIONS, {("header", "Message-ID")}),
    "footer": (edit(b"/x\r\n", b"/x\r\n-- \r\nThe list\r\n"), ADDITIONS, {("added", "p1")}),
    "banner": (edit(b"<body>", b"<body><div>CAUTION</div>"), ADDITIONS, {("added", "p2")}),
    "a part more": (
        edit(b"--b--", b"--b\r\n\r\nThe list\r\n--b--"),
        ADDITIONS,
        {("added", "p4")},
    ),
    "a file more": (
        edit(b"--b--", b"--b\r\nContent-Type: application/zip; name=x.zip\r\n\r\nPK\r\n--b--"),
        ADDITIONS,
        {("added", "f4")},
    ),
    "a file renamed": (edit(b"offer.pdf", b"other.pdf"), ADDITIONS, {("renamed", "f1")}),
    "links": (edit(b"https://a.example/x", b"https://safe.example/?u=a.example/x"), LINKS, {("link", "p1")}),
    "a file replaced": (edit(b"JVBERi0xLjQ=", b"JVBERi0xLjU="), MISSING, {("replaced", "f1")}),
    "a text file changed": (edit(b"b;2", b"b;3"), MISSING, {("replaced", "f2"), ("changed", "f2")}),
    "a word in the text": (edit(b"4,000", b"9,000"), DIFFERENT, {("changed", "p1")}),
    "a word in the page": (edit(b"<p>the price", b"<p>no price"), DIFFERENT, {("changed", "p2")}),
    "a word within": (edit(b"within", b"without"), DIFFERENT, {("changed", "p3")}),
    "another subject": (edit(b"the offer", b"the bill"), DIFFERENT, {("header", "Subject")}),
    "another sender": (edit(b"<j@a.example>", b"<j@evil.example>"), DIFFERENT, {("header", "From")}),
    "another day": (edit(b"5 Jan", b"4 Jan"), DIFFERENT, {("header", "Date")}),
    "two subjects": (edit(b"Subject:", b"Subject: the offer\r\nSubject:"), DIFFERENT, {("header", "Subject")}),
}  # fmt: skip


@pytest.mark.parametrize("name", SURVIVE)
def test_levels(name: str) -> None:
    change, level, differences = SURVIVE[name]
    made = found(change())
    assert (made.level, told(made)) == (level, differences)


def test_a_part_that_is_missing_is_named() -> None:
    start = MAIL.index(b"--b\r\nContent-Type: application/pdf")
    stop = MAIL.index(b"--b\r\nContent-Type: text/csv")
    made = found(MAIL[:start] + MAIL[stop:])
    assert (made.level, told(made)) == (MISSING, {("missing", "f1")})
    assert "offer.pdf" in made.differences[0].detail
    # Of an attached message it is said once, not of what is in it too.
    start = MAIL.index(b"--b\r\nContent-Type: message/rfc822")
    made = found(MAIL[:start] + b"--b--\r\n")
    assert (made.level, told(made)) == (MISSING, {("missing", "f3")})
    # The page alone, its text left out.
    start, stop = MAIL.index(b"--i\r\nContent-Type: text/plain"), MAIL.index(b"--i\r\nContent-Type: text/html")
    made = found(MAIL[:start] + MAIL[stop:])
    assert (made.level, told(made)) == (MISSING, {("missing", "p1")})


def test_of_two_alike_both_must_be_there() -> None:
    part = b"--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=%s\r\n\r\nPDF\r\n"
    both = MAIL.replace(b"--b--", part % b"one.pdf" + part % b"two.pdf" + b"--b--")
    one = MAIL.replace(b"--b--", part % b"one.pdf" + b"--b--")
    made = match.compare(originals.of_octets(both), Copy.of(one))
    assert made is not None and (made.level, told(made)) == (MISSING, {("missing", "f5")})


def test_parts_in_another_order() -> None:
    start, stop = MAIL.index(b"--b\r\nContent-Type: application/pdf"), MAIL.index(b"--b\r\nContent-Type: text/csv")
    end = MAIL.index(b"--b\r\nContent-Type: message/rfc822")
    made = found(MAIL[:start] + MAIL[stop:end] + MAIL[start:stop] + MAIL[end:])
    assert (made.level, told(made)) == (ADDITIONS, {("moved", "")})


def test_wrapped_by_a_list() -> None:
    top, body = MAIL.split(b"\r\n\r\n", 1)
    fields = top.split(b"\r\n")
    outer = b"\r\n".join([*fields[:-1], b"Content-Type: multipart/mixed; boundary=o"])
    wrapped = outer + b"\r\n\r\n--o\r\n" + fields[-1] + b"\r\n\r\n" + body + b"\r\n--o\r\n\r\nThe list\r\n--o--\r\n"
    made = found(wrapped)
    assert (made.level, [one.kind for one in made.differences]) == (ADDITIONS, ["added"])


@pytest.mark.parametrize("name", SURVIVE)
def test_hashes_alone_never_say_more_and_say_what_they_cannot(name: str) -> None:
    change, level, _ = SURVIVE[name]
    made = found(change(), kept=False)
    if level in (IDENTICAL, TRANSPORT, REENCODED, MISSING) or name in (
        "tag", "reader dropped", "no Message-ID", "a part more", "a file more", "a file renamed",
    ):  # fmt: skip
        assert made.level == level and not made.open
    else:
        assert made.level == DIFFERENT
        assert made.open == (name in ("footer", "banner", "links") or name.startswith("a word"))


def test_a_copy_that_nothing_ties_to_the_message_is_no_copy() -> None:
    stranger = MAIL.replace(b"<1@a.example>", b"<2@a.example>").replace(b"5 Jan", b"7 Jan")
    assert match.compare(known(), Copy.of(stranger)) is None
    assert match.compare(known(), Copy.of(b"%PDF-1.4 nothing of a mail")) is None
    assert match.compare(known(), Copy.of(b"Subject: the offer\r\n\r\n" + TEXT.encode())) is None
    # Without any of the six headers it is the body that tells.
    bare = originals.of_octets(b"X-Note: x\r\n\r\nthe same\r\n")
    made = match.compare(bare, Copy.of(b"Received: y\r\nX-Note: x\r\n\r\nthe same \r\n"))
    assert made is not None and made.level == TRANSPORT
    assert match.compare(bare, Copy.of(b"X-Note: x\r\n\r\nnot the same\r\n")) is None
    # Sent twice it is two messages, whatever else they share.
    assert match.compare(known(), Copy.of(MAIL.replace(b"<1@a.example>", b"<2@a.example>"))) is None
    # The same words to somebody else are another message.
    other = MAIL.replace(b"<1@a.example>", b"<2@a.example>").replace(b"ann@b.example", b"bob@b.example")
    assert match.compare(known(), Copy.of(other)) is None


def test_its_own_message_id_over_other_words_is_different() -> None:
    made = found(b"From: j@a.example\r\nMessage-ID: <1@a.example>\r\n\r\nnothing of it\r\n")
    assert made.level == DIFFERENT and {"missing", "header"} <= {kind for kind, _ in told(made)}


def test_headers_that_were_erased_are_not_compared() -> None:
    sealed = known(kept=False)
    headers = {name: value for name, value in sealed.headers.items() if name not in ("To", "Cc")}
    bare = replace(sealed, headers=headers, unknown=frozenset({"To", "Cc"}))
    copy = MAIL.replace(b"To: Ann <", b"To: Ann\r\n\t <")
    made = match.compare(bare, Copy.of(copy.replace(b"Subject: ", b"Subject: [x] ", 1)))
    assert made is not None and told(made) == {("header", "Subject"), ("not_compared", "")}


def test_a_record_of_version_1_is_told_by_its_octets_and_its_files() -> None:
    sealed = {
        "raw": {"sha256": fingerprint.take(MAIL).raw.sha256, "size": len(MAIL)},
        "leaves": "00" * 32,
        "message_id": "<1@a.example>",
        "f1": {"media_type": "application/pdf", "name": "offer.pdf", "path": "2", "size": 8, "where": "inside",
               "sha256": fingerprint.hashed(b"%PDF-1.4").sha256},
    }  # fmt: skip
    old = originals.of_sealed(sealed, "version 1 says no more")
    made = match.compare(old, Copy.of(MAIL))
    assert made is not None and made.level == IDENTICAL
    made = match.compare(old, Copy.of(b"X: y\r\n" + MAIL))
    assert made is not None and made.level == DIFFERENT and ("not_compared", "") in told(made)
    assert not any(kind in ("missing", "added") for kind, _ in told(made))
    made = match.compare(old, Copy.of(MAIL.replace(b"JVBERi0xLjQ=", b"JVBERi0xLjU=")))
    assert made is not None and ("replaced", "f1") in told(made)
