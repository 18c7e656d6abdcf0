"""Mail that was written to hurt a reader, by size; and what every reader here must do with any octets at all."""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from ledger import canonical, dkim, dkimkey, mime, relaxed
from ledger.dkim import Signature, Unread
from ledger.errors import FormatError, Unparsable
from ledger.fingerprint import take
from ledger.hashonly import from_json, to_json
from ledger.mime import Limits

LOOSE: Final = Limits(header_bytes=10**9, header_fields=10**9, parts=10**9, parameters=10**9, addresses=10**9)
"""Every limit lifted that is not a limit of size, depth or time."""

_QP = b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
_B64 = b"Content-Transfer-Encoding: base64\r\n\r\n"
_TYPE = b"Content-Type: a/b"
_MIXED = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"


def _nested(n: int, levels: int = 38) -> bytes:
    """Multiparts in each other, whose boundaries all begin alike."""
    text = b"".join(
        b"Content-Type: multipart/mixed; boundary=%s\r\n\r\n--%s\r\n" % (name, name)
        for name in (b"b" * (level + 1) for level in range(levels))
    )
    return text + (b"--" + b"b" * 60 + b"\r\n") * (n // 64)


def _wrapped(n: int, levels: int = 38) -> bytes:
    """Attached messages in each other, each in an encoding that changes nothing."""
    top = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    return top * levels + b"A: b\r\n\r\n" + b"x" * 70 * (n // 70)


def _base64_within(n: int) -> bytes:
    """Attached messages in each other, in base64 each."""
    octets = b"A: b\r\n\r\n" + b"x" * (n // 6)
    for _ in range(6):
        octets = b"Content-Type: message/rfc822\r\n" + _B64 + base64.encodebytes(octets).replace(b"\n", b"\r\n")
    return octets


def _signed(names: bytes, n: int) -> bytes:
    return b"From: a\r\nDKIM-Signature: v=1; a=rsa-sha256; d=a.b; s=c; bh=; b=; h=from" + names * n + b"\r\n\r\n"


SHAPES: Final[dict[str, Callable[[int], bytes]]] = {
    "spaces in a header": lambda n: b"Subject:" + b" " * n + b"x\r\n\r\n",
    "tabs in a header": lambda n: b"Subject:" + b"\t" * n + b"x\r\n\r\n",
    "spaces in a body": lambda n: _QP + (b" " * 1000 + b"x\r\n") * (n // 1000),
    "one line of spaces": lambda n: _QP + b" " * n + b"x \r\n",
    "one line of tabs": lambda n: _QP + b"\t" * n + b"x\t\r\n",
    "spaces after boundaries": lambda n: _MIXED + (b"--b" + b" " * 1000 + b"x\r\n") * (n // 1000),
    "empty lines": lambda n: b"A: b\r\n" + b"\r\n" * (n // 2),
    "continuation lines": lambda n: b"Subject: x\r\n" + b" y\r\n" * (n // 4) + b"\r\n",
    "empty continuation lines": lambda n: b"Subject: x\r\n" + b" \r\n" * (n // 3) + b"\r\n",
    "fields": lambda n: b"a:\r\n" * (n // 4) + b"\r\n",
    "different fields": lambda n: b"".join(b"a%x:\r\n" % i for i in range(n // 10)) + b"\r\n",
    "a name without a colon": lambda n: b"A: b\r\n" + b"a" * n,
    "colons": lambda n: b"A:" + b":" * n + b"\r\n\r\n",
    "parts": lambda n: _MIXED + b"--b\r\n" * (n // 5),
    "parts with a header": lambda n: _MIXED + b"--b\r\nA: b\r\n\r\nx\r\n" * (n // 16),
    "boundary prefixes": lambda n: _MIXED + b"--bb\r\n" * (n // 6),
    "close delimiters": lambda n: _MIXED + b"--b--\r\n" * (n // 7),
    "dashes": lambda n: _MIXED + b"-" * n,
    "a boundary of dashes": lambda n: b"Content-Type: multipart/mixed; boundary=----------\r\n\r\n" + b"-" * n,
    "nested multiparts": _nested,
    "attached messages": lambda n: b"Content-Type: message/rfc822\r\n\r\n" * (n // 32),
    "attached messages, wrapped": _wrapped,
    "attached messages, base64 within base64": _base64_within,
    "parameters": lambda n: _TYPE + b";x=1" * (n // 4) + b"\r\n\r\n",
    "different parameters": lambda n: _TYPE + b"".join(b";x%x=1" % i for i in range(n // 10)) + b"\r\n\r\n",
    "semicolons": lambda n: _TYPE + b";" * n + b"\r\n\r\n",
    "parameters without a value": lambda n: _TYPE + b"; a b" * (n // 5) + b"\r\n\r\n",
    "open quotes": lambda n: _TYPE + b';a="\\"' * (n // 6) + b"\r\n\r\n",
    "open quotes and backslashes": lambda n: _TYPE + b';a="\\\\\\' * (n // 7) + b"\r\n\r\n",
    "quotes": lambda n: _TYPE + b";" + b'"' * n + b"\r\n\r\n",
    "continued parameters": lambda n: _TYPE + b"".join(b";x*%d=%%41" % i for i in range(n // 10)) + b"\r\n\r\n",
    "percent signs": lambda n: _TYPE + b";name*=utf-8''" + b"%" * n + b"\r\n\r\n",
    "apostrophes": lambda n: _TYPE + b";name*=utf-8" + b"'" * n + b"\r\n\r\n",
    "comments": lambda n: _TYPE + b"(" * n + b"\r\n\r\n",
    "comments in addresses": lambda n: b"To: " + b"(" * (n // 2) + b")" * (n // 2) + b"\r\n\r\n",
    "addresses": lambda n: b"To: " + b"a@b, " * (n // 5) + b"\r\n\r\n",
    "angle brackets": lambda n: b"From: " + b"<" * n + b"\r\n\r\n",
    "quotes in addresses": lambda n: b"From: " + b'"' * n + b"\r\n\r\n",
    "encoded words": lambda n: b"Subject: " + b"=?utf-8?q?a?= " * (n // 15) + b"\r\n\r\n",
    "encoded words of many character sets": lambda n: (
        b"Subject: " + b"=?latin-1?q?a?= =?utf-8?b?YQ==?= " * (n // 33) + b"\r\n\r\n"
    ),
    "half encoded words": lambda n: b"Subject: " + b"=?utf-8?q?" * (n // 10) + b"\r\n\r\n",
    "word openers": lambda n: b"Subject: " + b"=?" * (n // 2) + b"\r\n\r\n",
    "question marks": lambda n: b"Subject: =?utf-8?q?" + b"?" * n + b"\r\n\r\n",
    "punycode": lambda n: b"Subject: =?punycode?q?" + b"a" * n + b"?=\r\n\r\n",
    "idna": lambda n: b"Subject: =?idna?q?" + b"a." * (n // 2) + b"?=\r\n\r\n",
    "utf-7": lambda n: b"Subject: =?utf-7?q?" + b"+AGE-" * (n // 5) + b"?=\r\n\r\n",
    "iso-2022-jp": lambda n: b"Subject: =?iso-2022-jp?q?" + b"\x1b$B!!\x1b(B" * (n // 8) + b"?=\r\n\r\n",
    "damaged base64": lambda n: _B64 + b"QUI*" * (n // 4),
    "padding": lambda n: _B64 + b"Q===" * (n // 4),
    "equals signs": lambda n: _QP + b"=" * n,
    "soft breaks": lambda n: _QP + b"=\r\n" * (n // 3),
    "bare carriage returns in quoted-printable": lambda n: _QP + b"=\r" * (n // 2),
    "bare line feeds": lambda n: b"A: b\n" + b"\n" * n,
    "bare carriage returns": lambda n: b"A: b\r\n\r\n" + b"\r" * n,
    "mixed line ends": lambda n: b"A: b\r\n\r\n" + b"\r\n\n\r" * (n // 4),
    "signed fields": lambda n: _signed(b":a", n // 2),
    "folded signed fields": lambda n: _signed(b":\r\n a", n // 5),
    "tags": lambda n: _signed(b";", n),
    "signatures": lambda n: b"DKIM-Signature: v=1; h=from\r\n" * (n // 29) + b"\r\n",
}

RECORD: Final = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
NARROW: Final = Limits(
    size=1 << 24, header_bytes=5_000, header_fields=40, depth=6, parts=8, parameters=12, addresses=30
)
"""Small enough that built and mutated messages come to every limit."""


def examine(octets: bytes, limits: Limits = NARROW) -> None:
    """All that is done with the octets of a stranger. An AssertionError, or any error but FormatError, is a finding."""
    try:
        taken = take(octets, limits)
    except FormatError:
        assert not octets or len(mime.normalise(octets)) > limits.size
        return
    value = to_json(taken)
    again = canonical.loads(canonical.dumps(value), limit=1 << 28)
    assert from_json(again) == taken
    assert taken.parsed is (taken.root is not None)
    whole = mime.normalise(octets)
    _records(octets)
    try:
        header = mime.read_header(whole, 0, len(whole), limits)
    except Unparsable:
        assert not taken.parsed
        return
    relaxed.body_hash(whole, header.end)
    kept = dkim.kept(whole, header)
    assert all(field.octets in whole for field in kept.fields)
    for found in dkim.signatures(header):
        if isinstance(found, Signature):
            assert header.fields[found.index][0] == b"dkim-signature"
            outcome = dkim.check(whole, header, found, RECORD, 1_700_000_000)
            assert outcome.line.isascii()
        else:
            assert type(found) is Unread and found.line.isascii()


def _records(octets: bytes) -> None:
    for text in (octets.decode("latin-1"), "v=DKIM1; p=" + octets.partition(b"\n")[0].decode("latin-1")):
        with suppress(dkimkey.Malformed):
            dkimkey.parse(text)
