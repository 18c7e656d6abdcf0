"""Salted facts that can be revealed one by one, in the form of RFC 9901 (SD-JWT) section 4.2.

A disclosure is canonical JSON ``[salt, name, value]``; its salt is 16 random octets. It travels as D, the unpadded
base64url of that JSON, and is never serialised again: D itself is what is hashed. Its *digest*, the unpadded base64url
of SHA-256 over the ASCII octets of D (43 characters), stands in an entry. Without D the salt keeps anyone from
finding the value by trying; once D is destroyed the digest says nothing about it.

Malformed input is a `FormatError`, a disclosure nobody committed to a `ProofError`.
"""

from __future__ import annotations

import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Final

from ledger import canonical
from ledger.canonical import Json
from ledger.errors import FormatError, ProofError

SALT_SIZE: Final = 16

MAX_LENGTH: Final = 2 * 65_535
"""Characters of D."""

_NAME: Final = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)*")
_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
_FROM_URL: Final = bytes.maketrans(b"-_", b"+/")


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What D says. ``name`` is a path such as ``subject``, ``r1`` or ``f2.sha256``."""

    salt: bytes
    name: str
    value: Json


def make(name: str, value: Json, salt: bytes) -> str:
    """D of a fact. ``salt`` is 16 octets that no other disclosure has and nobody can guess."""
    if len(salt) != SALT_SIZE:
        raise FormatError(f"disclosure: {len(salt)} octets of salt, {SALT_SIZE} expected")
    return make_salted([(name, value)], lambda: _encode(salt))[0][0]


def make_salted(facts: Iterable[tuple[str, Json]], salt: Callable[[], bytes]) -> tuple[list[str], list[str]]:
    """D of each (name, value), and their digests. ``salt`` hands out salts in their text form, each once
    (`ledger.chance`)."""
    texts: list[str] = []
    digests: list[str] = []
    for name, value in facts:
        # The canonical spelling of the list, written out: salt and name need no escapes.
        text = b2a_base64(b'["' + salt() + _middle(name) + canonical.dumps(value) + b"]").translate(_TO_URL, b"=\n")
        if len(text) > MAX_LENGTH:
            raise FormatError(f"disclosure: {len(text)} characters, limit {MAX_LENGTH}")
        texts.append(text.decode())
        digests.append(_encode(sha256(text).digest()).decode())
    return texts, digests


@lru_cache(1024)
def _middle(name: str) -> bytes:
    if not _NAME.fullmatch(name):
        raise FormatError("disclosure: its name is not a path of lowercase words")
    return f'","{name}",'.encode()


def digest(disclosure: str) -> str:
    """The digest of D, which need not be well formed otherwise: it is only hashed."""
    return _encode(sha256(_ascii(disclosure)).digest()).decode()


def parse(disclosure: str) -> Disclosure:
    """What D says, if it is exactly what `make` would have made of that."""
    if len(disclosure) > MAX_LENGTH:
        raise FormatError(f"disclosure: {len(disclosure)} characters, limit {MAX_LENGTH}")
    content = canonical.loads(_decode(disclosure), limit=MAX_LENGTH)
    if type(content) is not list or len(content) != 3:
        raise FormatError("disclosure: not a list of salt, name and value")
    salt, name, value = content
    if type(salt) is not str or type(name) is not str or not _NAME.fullmatch(name):
        raise FormatError("disclosure: salt is no string, or its name is not a path of lowercase words")
    octets = _decode(salt)
    if len(octets) != SALT_SIZE:
        raise FormatError(f"disclosure: {len(octets)} octets of salt, {SALT_SIZE} expected")
    return Disclosure(octets, name, value)


def check(digests: Collection[str], disclosure: str) -> None:
    """Check that an entry whose ``sealed`` is ``digests`` commits to D."""
    if digest(disclosure) not in digests:
        raise ProofError("disclosure: the entry does not commit to it")


def _encode(data: bytes) -> bytes:
    return b2a_base64(data).translate(_TO_URL, b"=\n")


def _decode(text: str) -> bytes:
    encoded = _ascii(text)
    try:
        data = a2b_base64(encoded.translate(_FROM_URL) + b"=" * (-len(encoded) % 4), strict_mode=True)
    except ValueError as error:
        raise FormatError(f"base64url: {error}") from error
    # Refuses what the decoder lets through: stray bits in the last character, padding, the other alphabet.
    if _encode(data) != encoded:
        raise FormatError("base64url: not in its canonical spelling")
    return data


def _ascii(text: str) -> bytes:
    try:
        return text.encode("ascii")
    except (UnicodeEncodeError, AttributeError) as error:
        raise FormatError("disclosure: not a string of ASCII characters") from error
