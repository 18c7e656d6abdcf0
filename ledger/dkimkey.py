"""Tag lists (RFC 6376 section 3.2), and the one that a domain publishes: its key record (section 3.6.1, RFC 8463).

A record is text from an archive or from whoever asked the DNS, and so a stranger's: it is limited, parsed strictly, and
everything wrong with it is `Malformed`.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from ledger.errors import FormatError

MAX_LIST: Final = 65_536
"""Octets of a tag list; a z= tag may repeat a whole header."""

MAX_TAGS: Final = 100
MAX_RECORD: Final = 8_192
"""Octets of a key record; one of RSA with 8192 bits has 1,500."""

WEAKEST: Final = 1024
"""Bits of an RSA key below which nothing is signed (RFC 8301 section 3.2)."""

STRONGEST: Final = 8192
"""Bits of an RSA key above which nobody waits for us."""

_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9_]*")
_VALUE = re.compile(rb"[\t -:<-~\x80-\xff]*")
_WORDS = re.compile(rb"[A-Za-z0-9*][A-Za-z0-9-]*(?:[ \t]*:[ \t]*[A-Za-z0-9*][A-Za-z0-9-]*)*")


# OBJECT IDENTIFIER rsaEncryption, near the start of a SubjectPublicKeyInfo; and how an RSAPublicKey begins
_RSA: Final = bytes.fromhex("06092a864886f70d010101")
_INTEGERS = re.compile(rb"\x30(?:[\x00-\x7f]|\x81.|\x82..)\x02", re.DOTALL)


class Malformed(FormatError):
    """A signature field or a key record breaks RFC 6376; the text says where."""


def tags(text: bytes) -> dict[str, bytes]:
    """The tags in order, values unfolded and without the white space around them. Raises Malformed."""
    if len(text) > MAX_LIST:
        raise Malformed(f"a tag list of {len(text)} octets, limit {MAX_LIST}")
    specs = text.replace(b"\r\n", b"").split(b";", MAX_TAGS + 1)
    if not specs[-1].strip(b" \t"):
        specs.pop()
    if not 1 <= len(specs) <= MAX_TAGS:
        raise Malformed(f"a tag list without a tag, or with more than {MAX_TAGS}")
    found: dict[str, bytes] = {}
    for spec in specs:
        name, equals, value = spec.partition(b"=")
        name, value = name.strip(b" \t"), value.strip(b" \t")
        if not equals or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise Malformed("a tag list with something else than name=value")
        if name.decode() in found:
            raise Malformed("a tag list with the same tag twice")
        found[name.decode()] = value
    return found


def words(value: bytes) -> frozenset[str]:
    """A list of words between colons. Raises Malformed."""
    if not _WORDS.fullmatch(value):
        raise Malformed("a tag that should be words between colons is not")
    return frozenset(word.strip(b" \t").decode() for word in value.split(b":"))


def unbase64(value: bytes) -> bytes:
    """RFC 4648 section 4 with white space anywhere, padded. Raises Malformed."""
    try:
        return binascii.a2b_base64(value.translate(None, b" \t"), strict_mode=True)
    except binascii.Error:
        raise Malformed("a tag that should be base64 is not") from None


@dataclass(frozen=True, slots=True)
class Key:
    """``public`` is None once the domain has revoked it. ``usable``: made for mail, and for SHA-256."""

    public: RSAPublicKey | Ed25519PublicKey | None
    usable: bool
    strict: bool  # t=s: i= must name the domain itself
    testing: bool  # t=y

    @property
    def algorithm(self) -> str:
        """The only ``a=`` it can verify."""
        return "ed25519-sha256" if isinstance(self.public, Ed25519PublicKey) else "rsa-sha256"

    @property
    def weak(self) -> bool:
        return isinstance(self.public, RSAPublicKey) and self.public.key_size < WEAKEST

    def verifies(self, signature: bytes, digest: bytes) -> bool:
        """Whether this key signed ``digest``, the SHA-256 of the header (RFC 8463 signs it as it is)."""
        try:
            if isinstance(self.public, RSAPublicKey):
                self.public.verify(signature, digest, PKCS1v15(), Prehashed(SHA256()))
            elif self.public is not None:
                self.public.verify(signature, digest)
            return self.public is not None
        except InvalidSignature:
            return False


def parse(record: str) -> Key:
    """The key of a record (all strings of the TXT record joined). Raises Malformed."""
    if not record.isascii() or len(record) > MAX_RECORD:
        raise Malformed(f"a key record that is not ASCII, or larger than {MAX_RECORD} octets")
    found = tags(record.encode())
    if "v" in found and (next(iter(found)) != "v" or found["v"] != b"DKIM1"):
        raise Malformed("a key record of another version than DKIM1")
    if "p" not in found:
        raise Malformed("a key record without p=")
    kind = found.get("k", b"rsa")
    if kind not in (b"rsa", b"ed25519"):
        raise Malformed("a key record with a k= other than rsa and ed25519")
    flags = words(found["t"]) if found.get("t") else frozenset()
    services = words(found.get("s", b"*"))
    octets = unbase64(found["p"])
    return Key(
        _public(kind, octets) if octets else None,
        not services.isdisjoint(("*", "email")) and "sha256" in words(found.get("h", b"sha256")),
        "s" in flags,
        "y" in flags,
    )


def _public(kind: bytes, octets: bytes) -> RSAPublicKey | Ed25519PublicKey:
    """RSA as SubjectPublicKeyInfo, as everyone does, or as RSAPublicKey, as the RFC has it (erratum 3017)."""
    try:
        if kind == b"ed25519":
            return Ed25519PublicKey.from_public_bytes(octets)
        # Looked at first, because other kinds of keys are loaded with warnings, or not at all, from release to release.
        if _RSA not in octets[:24] and not _INTEGERS.match(octets):
            raise ValueError
        public = load_der_public_key(octets)
        if not isinstance(public, RSAPublicKey) or public.key_size > STRONGEST:
            raise ValueError
    except (ValueError, UnsupportedAlgorithm):
        raise Malformed("a key record whose p= is no Ed25519 key, or no RSA key that is used") from None
    return public
