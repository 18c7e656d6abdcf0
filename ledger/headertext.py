"""Header values as people read them. For display only: nothing that is hashed, matched or delivered to comes from here.

A value is unfolded, read as UTF-8 (RFC 6532), its encoded words (RFC 2047) decoded, inside quotes too as mail programs
do. Neighbouring words of one character set are joined before decoding, because senders split characters between them.
What cannot be read becomes U+FFFD, an unknown character set leaves the word as it stands. Control characters become
U+FFFD, so that a subject holds no newline; direction marks stay (names need them) and whoever prints must isolate them.
The text may say what the octets do not (``=?utf-8?q?a=40b?=``): never take an address out of it.
"""

from __future__ import annotations

import binascii
import codecs
import re
import unicodedata

# Only character sets: Python also knows codecs that are quadratic (punycode, idna), none of the kind (rot13), or whose
# look-up remembers every name a stranger makes up.
_CHARSETS = re.compile(
    r"utf-?(?:7|8|16|32)(?:-?[bl]e)?|us-ascii|ascii|iso-?(?:ir-)?8859-?(?:[1-9]|1[0-6])(?:-[ei])?|latin-?[1-9]|(?:windows|cp)-?[0-9]{3,4}"
    r"|koi8-?[rut]|gb2312|gbk|gb18030|hz(?:-gb-2312)?|big5(?:-?hkscs)?|shift[-_]?jis|sjis|euc-?(?:jp|kr|cn)|iso-?2022-?(?:jp(?:-?[123])?|kr)"
    r"|ks_c_5601-1987|tis-?620|mac-?(?:roman|cyrillic|greek|turkish)|macintosh|johab",
    re.ASCII,
)
_WORD = re.compile(r"=\?([^?\s]{1,40})\?([BbQq])\?([^?]*)\?=")
_UNHEX = re.compile(rb"=([0-9A-Fa-f]{2})")


def read(value: bytes) -> str:
    """The text of an unstructured value, or of a structured one as it would be shown. Never raises; may be empty."""
    text = value.replace(b"\r\n", b"").decode("utf-8", "replace")
    if "=?" in text:
        text = _decode_words(text)
    return clean(text).strip()


def read_parameter(parameters: dict[str, bytes], name: str) -> str | None:
    """A parameter for people: ``name*`` (RFC 2231, RFC 8187) before ``name``; None where neither says anything."""
    extended = parameters.get(name + "*")
    if extended is not None:
        charset, _, octets = extended.split(b"'", 2)
        text = decode(octets, charset.decode("ascii", "replace"))
        if text is None:
            text = octets.decode("utf-8", "replace")
        return clean(text).strip() or None
    plain = parameters.get(name)
    return None if plain is None else read(plain) or None


def decode(octets: bytes, charset: str, errors: str = "replace") -> str | None:
    """``octets`` in ``charset`` (RFC 2231's ``*language`` dropped), or None where we do not know that character set.
    ``errors`` as `bytes.decode` has it."""
    name = charset.partition("*")[0].lower()
    if name == "utf-8":
        return octets.decode("utf-8", errors)
    if not _CHARSETS.fullmatch(name):
        return None
    try:
        return codecs.lookup(name).decode(octets, errors)[0]
    except (LookupError, UnicodeError):
        return None


def _decode_words(text: str) -> str:
    out: list[str] = []
    waiting: tuple[str, bytearray, list[str]] | None = None  # character set, its octets so far, the words as they stood

    def settle() -> None:
        nonlocal waiting
        if waiting is not None:
            charset, octets, words = waiting
            decoded = decode(bytes(octets), charset)
            out.append("".join(words) if decoded is None else decoded)
            waiting = None

    at = 0
    for found in _WORD.finditer(text):
        between = text[at : found.start()]
        at = found.end()
        octets = _word_octets(found[2], found[3])
        charset = found[1].lower()
        if between.strip(" \t") or waiting is None:
            settle()
            out.append(between)
        elif waiting[0] != charset or charset.startswith(("utf-16", "utf-32")):  # each with its own byte order mark
            settle()
        if waiting is None:
            waiting = (charset, bytearray(octets), [found[0]])
        else:
            waiting[1].extend(octets)
            waiting[2].append(found[0])
    settle()
    out.append(text[at:])
    return "".join(out)


def _word_octets(encoding: str, encoded: str) -> bytes:
    octets = encoded.encode("utf-8")
    if encoding in "Qq":
        return _UNHEX.sub(lambda found: bytes((int(found[1], 16),)), octets.replace(b"_", b" "))
    octets = re.sub(rb"[^A-Za-z0-9+/]", b"", octets)
    octets = octets[:-1] if len(octets) % 4 == 1 else octets
    return binascii.a2b_base64(octets + b"=" * (-len(octets) % 4))


def clean(text: str) -> str:
    """``text`` without control characters and without surrogates (UTF-7 and UTF-32 can smuggle them in)."""
    if text.isprintable():
        return text
    return "".join("�" if unicodedata.category(c) in ("Cc", "Cs") and c != "\t" else c for c in text).replace("\t", " ")
