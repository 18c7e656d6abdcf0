"""A vault in memory, and mails that are hard to keep."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Iterator
from typing import Any

from ledger import content, fingerprint, mime
from ledger.blobs import Blob
from ledger.content import Content
from ledger.errors import Damaged, Unavailable
from ledger.fingerprint import Fingerprint

LOG = "01890a5d-ac96-774b-bcce-b302099a8057"
MESSAGE = "01890a5d-ac96-774b-bcce-b302099a8058"

TOP = b"From: ann@sender.example\r\nTo: bob@one.example\r\nSubject: the plan\r\n"
MIXED = TOP + b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n\tboundary=x\r\n"
PARTS = b"\r\n--x\r\n\r\nsee attached\r\n--x\r\nContent-Disposition: attachment; filename=a.bin\r\n"
LARGE = bytes(range(256)) * 9000

MAILS = {
    "plain": TOP + b"\r\nhello\r\n",
    "bare LF": (MIXED + PARTS + b"\r\none\r\n--x--\r\n").replace(b"\r\n", b"\n"),
    "bare LF and CRLF": MIXED + PARTS.replace(b"\r\n", b"\n") + b"\r\none\r\n--x--\r\n",
    "a bare CR": TOP + b"\r\na\rb\r\n",
    "no end of the header": TOP,
    "no line end at all": b"Subject: x",
    "a structural field that ends without a line end": b"Subject: x\r\nContent-Type: text/html",
    "a structural field that ends in a CR": b"Subject: x\r\nContent-Type: text/html\r",
    "an empty body": TOP + b"\r\n",
    "a header cut short": TOP + b"this is no field\r\n\r\nand this the body\r\n",
    "a cut header of a multipart": MIXED + b"no field\r\n" + PARTS + b"\r\ntwo\r\n--x--\r\n",
    "no header field": b"\r\nnothing but a body\r\n",
    "no mail at all": bytes(range(256)) * 5,
    "one octet": b"x",
    "a line feed": b"\n",
    "an mbox line first": b"From ann Mon Nov 23 2026\r\n" + MIXED + PARTS + b"\r\none\r\n--x--\r\n",
    "a byte order mark": b"\xef\xbb\xbf" + TOP + b"\r\nhello\r\n",
    "8bit": TOP + b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xc3\xa4\xff\r\n",
    "a single file": TOP + b"Content-Type: application/pdf; name=p.pdf\r\nContent-Transfer-Encoding: base64\r\n"
    b"Content-Disposition: attachment\r\nContent-ID: <1@x>\r\n\r\nTm90IHJlYWxseQ==\r\n",
    "quoted-printable": MIXED + PARTS + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n=41=\r\nB =\r\n--x--\r\n",
    "two content types": MIXED + b"Content-Type: text/plain\r\n" + PARTS + b"\r\none\r\n--x--\r\n",
    "an attached message": MIXED
    + b"\r\n--x\r\nContent-Type: message/rfc822\r\n\r\n"
    + MIXED.replace(b"=x", b"=y")
    + PARTS.replace(b"--x", b"--y")
    + b"\r\nin\r\n--y--\r\n\r\n--x--\r\n",
    "parts too deep": b"".join(
        b"Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\n" % (k, k) for k in range(60)
    ),
    "a large file": MIXED
    + PARTS
    + b"Content-Transfer-Encoding: base64\r\n\r\n"
    + base64.encodebytes(LARGE).replace(b"\n", b"\r\n")
    + b"--x--\r\n",
    "a large file as it is": MIXED + PARTS + b"\r\n" + LARGE.replace(b"\n", b"") + b"\r\n--x--\r\n",
    "just a chunk of header": TOP + b"X: " + b"y" * (16384 - len(TOP) - 7) + b"\r\n\r\nhello\r\n",
}
"""By what is odd about them. Some have files, some cannot be parsed."""


class Heap:
    """`ledger.blobs.Blobs` in memory. With ``fails`` the put of that number fails."""

    def __init__(self, fails: int | None = None) -> None:
        self.held: dict[str, bytes] = {}
        self.fails = fails
        self.puts = 0

    def put(self, name: str, pieces: Iterable[bytes]) -> None:
        self.puts += 1
        if self.puts == self.fails:
            raise Unavailable("the disk is full")
        assert name not in self.held
        self.held[name] = b"".join(pieces)

    def get(self, name: str) -> Iterator[bytes]:
        if name not in self.held:
            raise Damaged(f"the blob {name} is missing")
        data = self.held[name]
        # Of no size that has to do with chunks.
        for start in range(0, len(data), 5000):
            yield data[start : start + 5000]

    def delete(self, name: str) -> None:
        self.held.pop(name, None)

    def names(self) -> Iterator[tuple[str, float]]:
        yield from ((name, 0.0) for name in self.held)


def sealed(taken: Fingerprint) -> dict[str, Any]:
    """What `ledger.drafts` seals of a message that `Content` needs."""
    said: dict[str, Any] = {"raw": {"sha256": taken.raw.sha256, "size": taken.raw.size}}
    for leaf in taken.files:
        said[str(leaf.file)] = {
            "path": leaf.path,
            "sha256": leaf.sha256,
            "size": leaf.size,
            "media_type": leaf.media_type,
            "name": leaf.name,
        }
    return said


def kept(octets: bytes, store: Heap, **more: Any) -> Content:
    """A message in a vault."""
    taken = fingerprint.take(octets)
    made = content.keep(store, LOG, MESSAGE, mime.normalise(octets), taken.header_size, os.urandom)
    parts: dict[str, Blob] = {blob.part: blob for blob in made}
    said: dict[str, Any] = {"log": LOG, "message": MESSAGE, "files": len(taken.files), "store": store, "parts": parts}
    return Content(**said | {"sealed": sealed(taken)} | more)
