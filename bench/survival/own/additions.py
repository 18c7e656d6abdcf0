"""What lists and gateways add: a tag, a footer, a footer as a part of its own, a banner."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from bench.survival import raw
from bench.survival.change import Copy
from bench.survival.raw import Untouchable

TAG: Final = b"[list] "
FOOTER: Final = (
    b"_______________________________________________\r\n"
    b"Circulated by the announcements desk; to leave it write to leave@lists.example.org\r\n"
    b"https://lists.example.org/announcements\r\n"
)
FOOTER_HTML: Final = (
    b'<hr><p style="font-size:small">Circulated by the announcements desk; <a href='
    b'"https://lists.example.org/announcements">leave it</a></p>\r\n'
)
FOOTER_SAYS: Final = "Circulated by the announcements desk"
BANNER: Final = (
    b"CAUTION: this message came from outside the organisation. Do not open what you did not expect.\r\n\r\n"
)
BANNER_HTML: Final = (
    b'<div style="background:#ffeb9c;border:1px solid #9c6500;padding:4pt"><b>CAUTION:</b> this message came from '
    b"outside the organisation. Do not open what you did not expect.</div>\r\n"
)
BANNER_SAYS: Final = "this message came from outside the organisation"

# An ASCII sentence can be put between the octets of any character set but these.
_NOT_ASCII = re.compile(r"utf-?(16|32|7)|iso-?2022|hz|ucs|unknown", re.IGNORECASE)
_SUBJECT = re.compile(rb"^Subject:[ \t]*(?=[^ \t\r\n])", re.MULTILINE | re.IGNORECASE)
_BODY_START = re.compile(rb"<body\b[^>]*>", re.IGNORECASE)
_BODY_END = re.compile(rb"</body\b", re.IGNORECASE)

Insert = Callable[[bytes], bytes]


def tag(octets: bytes) -> Copy | None:
    found = _SUBJECT.search(octets, 0, raw.read(octets).body)
    return Copy(octets[: found.end()] + TAG + octets[found.end() :], (TAG.decode().strip(),)) if found else None


def footer(octets: bytes) -> Copy | None:
    return into_texts(octets, _after, _before_body_end, FOOTER_SAYS)


def banner(octets: bytes) -> Copy | None:
    return into_texts(octets, lambda text: BANNER + text, _after_body_start, BANNER_SAYS)


def _after(text: bytes) -> bytes:
    return text + (b"" if text.endswith(b"\n") or not text else b"\r\n") + FOOTER


def _before_body_end(html: bytes) -> bytes:
    found = list(_BODY_END.finditer(html))
    at = found[-1].start() if found else len(html)
    return html[:at] + FOOTER_HTML + html[at:]


def _after_body_start(html: bytes) -> bytes:
    found = _BODY_START.search(html)
    at = found.end() if found else 0
    return html[:at] + BANNER_HTML + html[at:]


def into_texts(octets: bytes, plain: Insert, html: Insert, says: str) -> Copy | None:
    """The first text/plain and the first text/html changed, each in the encoding that it has."""
    edits: list[raw.Edit] = []
    for kind, insert in (("text/plain", plain), ("text/html", html)):
        first = next((part for part in raw.inline_texts(octets) if part.type == kind), None)
        if first is None or _NOT_ASCII.search(first.charset):
            continue
        try:
            edits += raw.recode(octets, first, insert(raw.decoded(octets, first)))
        except Untouchable:
            continue
    return Copy(raw.edited(octets, edits), (says,)) if edits else None


_PART: Final = (
    b'Content-Type: text/plain; charset="us-ascii"\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: 7bit\r\n'
    b"Content-Disposition: inline\r\n\r\n" + FOOTER
)
FILE_NAME: Final = "invoice-2026.zip"
_FILE: Final = (
    b"Content-Type: application/zip; name=invoice-2026.zip\r\nContent-Disposition: attachment; "
    b"filename=invoice-2026.zip\r\nContent-Transfer-Encoding: base64\r\n\r\nUEsDBBQAAAAIAAAAIQAAAAAAAAAAAA==\r\n"
)
_FIELD = re.compile(rb"[!-9;-~]+[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*")
_BOUNDARY: Final = b"===============4567890123456789012=="


def footer_part(octets: bytes) -> Copy | None:
    return _with_part(octets, _PART, FOOTER_SAYS)


def file_added(octets: bytes) -> Copy | None:
    return _with_part(octets, _FILE, FILE_NAME)


def _with_part(octets: bytes, more: bytes, says: str) -> Copy | None:
    """Appended to multipart/mixed; anything else is wrapped in one, its content fields moved inside with it."""
    top = raw.read(octets)
    if top.type == "multipart/mixed":
        if not top.parts:
            return None
        delimiter = b"--" + top.boundary + b"\r\n"
        return Copy(octets[: top.close] + delimiter + more + b"\r\n" + octets[top.close :], (says,))
    outer: list[bytes] = []
    inner: list[bytes] = []
    at = top.start
    while (found := _FIELD.match(octets, at, top.body)) is not None:
        (inner if found[0].lower().startswith(b"content-") else outer).append(found[0])
        at = found.end()
    if octets[at : top.body] != b"\r\n":
        return None
    head = b"".join(outer)
    if not re.search(rb"^MIME-Version:", head, re.MULTILINE | re.IGNORECASE):
        head += b"MIME-Version: 1.0\r\n"
    head += b'Content-Type: multipart/mixed; boundary="' + _BOUNDARY + b'"\r\n'
    delimiter = b"\r\n--" + _BOUNDARY
    body = octets[top.body :]
    return Copy(
        head + delimiter + b"\r\n" + b"".join(inner) + b"\r\n" + body + delimiter + b"\r\n" + more + delimiter
        + b"--\r\n",
        (says,),
    )  # fmt: skip
