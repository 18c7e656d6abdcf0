"""The text of a part: what its octets say, whatever character set and transfer encoding they came in.

`normal` is the spelling that text is compared under, docs/format.md, "Fingerprint". Nothing in it searches twice from
the same place, since text is written by strangers.
"""

from __future__ import annotations

import re
import unicodedata
from hashlib import sha256
from typing import Final

from ledger import headertext
from ledger.visible import SHOWN

LINE: Final = 998
"""Octets of a line, its CRLF aside, that relays let pass (RFC 5322 section 2.1.1)."""

_SOFT: Final = re.compile(r"(?<!\n--) \r?\n")
_LINE_END: Final = re.compile("\r+\n?")

MARKS: Final = 1000
"""Combining marks, between one ASCII character and the next, past which a text is left as it is composed: to put them
in order takes their number squared."""

_FOREIGN: Final = re.compile("[^\\x00-\\x7f]+")

_USUAL: Final = frozenset(("", "us-ascii", "ascii", "utf-8", "utf8"))
# Programs label with the narrower name what they write, and read, in the wider one.
_WIDER: Final = {
    "gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "shift-jis": "cp932", "sjis": "cp932",
    "euc-kr": "cp949", "ks_c_5601-1987": "cp949", "big5": "big5-hkscs", "iso-8859-1": "windows-1252",
    "iso-8859-9": "windows-1254", "tis-620": "cp874",
}  # fmt: skip
_UNPRINTED: Final = re.compile(r"[^!-~]")

MAX_NAME: Final = 40
"""Characters of the name of a character set that is not known."""

LIMIT: Final = 16 << 20
"""Decoded octets of a part past which its text is not looked at: its octets alone say whether it is the same."""


def unknown(charset: bytes | None) -> str | None:
    """The name of a character set that is not known here, as a fingerprint tells it; None for any other."""
    name = _name(charset)
    if name in _USUAL or headertext.decode(b"", name) is not None:
        return None
    return _UNPRINTED.sub("?", name)[:MAX_NAME]


def _name(charset: bytes | None) -> str:
    return "" if charset is None else charset.decode("ascii", "replace").strip().lower()


def decoded(octets: bytes, charset: bytes | None) -> str:
    """The text that ``octets`` say in the character set their part names.

    Without a name, under one that nobody knows, or as US-ASCII or UTF-8, it is UTF-8 if it can be, and otherwise
    Windows-1252: so mail programs read it, and relays put such names where there was none. What cannot be read stands
    there as ``\\x`` and two hex digits each octet: no two texts are the same because of it.
    """
    name = _name(charset)
    said = None if name in _USUAL else headertext.decode(octets, _WIDER.get(name, name), "backslashreplace")
    if said is not None:
        return said
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("windows-1252", "backslashreplace")


def joined(octets: bytes) -> bytes:
    """Text with its lines as they were before a relay broke those of more than 998 octets, which Postfix does
    after 998 octets each time, with CRLF and a space, in the middle of a word or a character."""
    if len(octets) <= LINE:
        return octets
    lines = octets.split(b"\r\n")
    if max(map(len, lines)) < LINE:
        return octets
    whole, piece = [lines[0]], len(lines[0])
    for line in lines[1:]:
        if piece == LINE and line.startswith(b" "):
            whole[-1] += line[1:]
            piece = len(line) - 1
        else:
            whole.append(line)
            piece = len(line)
    return b"\r\n".join(whole)


def normal(text: str) -> str:
    """Unicode NFC, what Windows-1252 shows for U+0080 to U+009F in their place, without a byte order mark; every line
    end as LF, none at the end; no blanks at the ends of lines."""
    text = text.removeprefix("\ufeff")
    if "\r" in text:
        # Encoders that took CRLF for LF have left two CRs.
        text = _LINE_END.sub("\n", text) if "\r\r" in text else text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.isascii():
        text = text.translate(SHOWN)
        # What UTF-7 and UTF-32 can smuggle in has no UTF-8.
        text = text.encode("utf-8", "replace").decode()
        if all(len(run) <= MARKS or _marks(run) <= MARKS for run in _FOREIGN.findall(text)):
            text = unicodedata.normalize("NFC", text)
    if " \n" in text or "\t\n" in text:
        text = "\n".join([line.rstrip(" \t") for line in text.split("\n")])
    return text.rstrip(" \t\n")


def read(octets: bytes, charset: bytes | None, encoding: str, *, delsp: bool = False) -> str | None:
    """The text of a part in its normal spelling; ``octets`` are decoded, from ``encoding``; ``delsp`` as `mime.Part`
    has it. None where it is too long."""
    if len(octets) > LIMIT:
        return None
    text = decoded(octets if encoding in ("base64", "quoted-printable") else joined(octets), charset)
    return normal(_SOFT.sub("", text) if delsp else text)


def digest(octets: bytes, charset: bytes | None, encoding: str, *, delsp: bool = False) -> str | None:
    """SHA-256, in hex, of the UTF-8 of what `read` finds."""
    text = read(octets, charset, encoding, delsp=delsp)
    return None if text is None else sha256(text.encode()).hexdigest()


def _marks(run: str) -> int:
    return sum(map(bool, map(unicodedata.combining, run)))
