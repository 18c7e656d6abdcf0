"""Signed notes as in C2SP signed-note v1.0.0: a text that people can read, and lines of signatures below it.

    text, one or more lines, each ended by a newline
    (empty line)
    — NAME base64(key id, 4 octets || signature)

Key id = first four octets of SHA-256(name || 0x0A || signature type || public key). A verifier key travels as the
*vkey* ``NAME+HEX(key id)+base64(signature type || public key)``. Here is Ed25519, signature type 0x01; other types
(cosignatures) come in as a `NoteSigner` or `NoteVerifier`.

Parsing is strict, one spelling per note: ``format(*parse(data)) == data``. Malformed bytes are a `FormatError`;
a signature that fails, or none by a known key, is a `SignatureError`.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ledger.errors import FormatError, SignatureError

ED25519: Final = 0x01

MAX_NOTE: Final = 1_000_000
"""Octets."""

MAX_SIGNATURES: Final = 64
"""The standard asks to accept at least 16 and to have a limit."""

_PREFIX: Final = "— "  # U+2014 and a space
_CONTROL: Final = re.compile(rb"[\x00-\x09\x0b-\x1f]")
_VKEY_ID: Final = re.compile(r"[0-9a-f]{8}")


class NoteSigner(Protocol):
    """Whoever can sign a note: `Signer`, or a cosigner of another signature type."""

    @property
    def name(self) -> str:
        """Key name."""

    @property
    def key_id(self) -> bytes:
        """Four octets."""

    def sign(self, text: bytes) -> bytes:
        """The signature of a note with this text, without the key id."""


class NoteVerifier(Protocol):
    """Whoever can check a signature of one key: `Verifier`, or a cosigner's of another signature type."""

    @property
    def name(self) -> str:
        """Key name."""

    @property
    def key_id(self) -> bytes:
        """Four octets."""

    def check(self, text: bytes, signature: bytes) -> None:
        """Raise `SignatureError` unless this key made ``signature`` for ``text``."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One line below a note. ``signature`` is what follows the key id; its form depends on the key."""

    name: str
    key_id: bytes
    signature: bytes

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.key_id) != 4 or not self.signature:
            raise FormatError("note: a signature needs a key id of four octets and at least one octet more")


@dataclass(frozen=True, slots=True)
class Note:
    """An opened note. ``verified`` holds the first signature of each known key, so that its length counts keys."""

    text: bytes
    verified: tuple[Signature, ...]
    unverified: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class Verifier:
    """An Ed25519 public key (32 octets) under a name."""

    name: str
    public_key: bytes
    key_id: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_name(self.name)
        if type(self.public_key) is not bytes or len(self.public_key) != 32:
            raise FormatError("verifier key: an Ed25519 public key has 32 octets")
        object.__setattr__(self, "key_id", key_id(self.name, ED25519, self.public_key))

    @classmethod
    def parse(cls, vkey: str) -> Verifier:
        """From a vkey of signature type 0x01; every other type is a `FormatError` here."""
        name, signature_type, public_key = parse_vkey(vkey)
        if signature_type != ED25519:
            raise FormatError(f"verifier key: signature type {signature_type:#04x} is not Ed25519")
        return cls(name, public_key)

    @property
    def vkey(self) -> str:
        """The verifier key as text."""
        return format_vkey(self.name, ED25519, self.public_key)

    def check(self, text: bytes, signature: bytes) -> None:
        """Raise `SignatureError` unless this key made ``signature`` (RFC 8032 over the text's octets)."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, text)
        except (InvalidSignature, ValueError) as error:
            raise SignatureError(f"signature of {self.name}+{self.key_id.hex()} does not verify") from error


class Signer:
    """An Ed25519 private key under a name, made from its seed of 32 octets (RFC 8032 section 5.1.5)."""

    __slots__ = ("_private_key", "verifier")

    def __init__(self, name: str, seed: bytes) -> None:
        if type(seed) is not bytes or len(seed) != 32:
            raise FormatError("signer: an Ed25519 seed has 32 octets")
        self._private_key = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier: Final = Verifier(name, self._private_key.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"Signer({self.vkey!r})"

    @property
    def name(self) -> str:
        """Key name."""
        return self.verifier.name

    @property
    def key_id(self) -> bytes:
        """Four octets."""
        return self.verifier.key_id

    @property
    def vkey(self) -> str:
        """The verifier key as text."""
        return self.verifier.vkey

    def sign(self, text: bytes) -> bytes:
        """64 octets: the signature over the octets of a note's text, or of any other message."""
        return self._private_key.sign(text)


def sign(text: bytes, signers: Sequence[NoteSigner], existing: Iterable[Signature] = ()) -> bytes:
    """The note: ``text``, then the ``existing`` signatures (not checked here), then the signers' own.

    An existing signature by the key of one of the signers is left out: the new one replaces it.
    """
    _check_text(text)
    replaced = {(signer.name, signer.key_id) for signer in signers}
    signatures = [old for old in existing if (old.name, old.key_id) not in replaced]
    signatures += [Signature(signer.name, signer.key_id, signer.sign(text)) for signer in signers]
    return format(text, signatures)


def open(data: bytes, verifiers: Iterable[NoteVerifier]) -> Note:
    """Parse a note and check every signature by a known key; at least one there must be, and none may fail.

    A key is known if name and id are those of a verifier. Signatures by others are kept as unverified and say
    nothing, even where they share a name or an id with a known key.
    """
    known: dict[tuple[str, bytes], NoteVerifier] = {}
    for verifier in verifiers:
        if known.setdefault((verifier.name, verifier.key_id), verifier) != verifier:
            raise SignatureError(f"two different keys are called {verifier.name}+{verifier.key_id.hex()}")
    text, signatures = parse(data)
    verified: dict[tuple[str, bytes], Signature] = {}
    unverified = []
    for signature in signatures:
        key = signature.name, signature.key_id
        if key in known:
            known[key].check(text, signature.signature)
            verified.setdefault(key, signature)
        else:
            unverified.append(signature)
    if not verified:
        raise SignatureError("note: no signature by a known key")
    return Note(text, tuple(verified.values()), tuple(unverified))


def parse(data: bytes) -> tuple[bytes, tuple[Signature, ...]]:
    """Text and signatures of a note, with nothing verified."""
    if type(data) is not bytes or len(data) > MAX_NOTE:
        raise FormatError(f"note: no bytes, or more than {MAX_NOTE} of them")
    # The last empty line: the text may have empty lines of its own, signatures have none.
    end = data.rfind(b"\n\n")
    if end < 0 or not data.endswith(b"\n"):
        raise FormatError("note: no empty line before the signatures, or no final newline")
    text = data[: end + 1]
    _check_text(text)
    lines = _decode(data[end + 2 :]).split("\n")[:-1]
    if not 1 <= len(lines) <= MAX_SIGNATURES:
        raise FormatError(f"note: {len(lines)} signatures, 1 to {MAX_SIGNATURES} accepted")
    return text, tuple(_parse_line(line) for line in lines)


def format(text: bytes, signatures: Sequence[Signature]) -> bytes:
    """The inverse of `parse`."""
    _check_text(text)
    if not 1 <= len(signatures) <= MAX_SIGNATURES:
        raise FormatError(f"note: {len(signatures)} signatures, 1 to {MAX_SIGNATURES} accepted")
    lines = [f"{_PREFIX}{s.name} {encode_base64(s.key_id + s.signature)}\n" for s in signatures]
    note = text + b"\n" + "".join(lines).encode()
    if len(note) > MAX_NOTE:
        raise FormatError(f"note: {len(note)} octets, limit {MAX_NOTE}")
    return note


def key_id(name: str, signature_type: int, public_key: bytes) -> bytes:
    """Four octets; the same for every signature type whose id is a single octet, except 0x02."""
    return sha256(name.encode() + b"\n" + bytes([signature_type]) + public_key).digest()[:4]


def parse_vkey(vkey: str) -> tuple[str, int, bytes]:
    """Name, signature type and public key of a verifier key of any type; its key id must be the computed one."""
    # No more than two splits: base64 has a + of its own.
    parts = vkey.split("+", 2) if type(vkey) is str else []
    if len(parts) != 3 or not _VKEY_ID.fullmatch(parts[1]):
        raise FormatError("verifier key: not NAME+8 HEX DIGITS+BASE64")
    name, given_id, encoded = parts
    check_name(name)
    key = decode_base64(encoded)
    if len(key) < 2:
        raise FormatError("verifier key: no public key")
    if key_id(name, key[0], key[1:]).hex() != given_id:
        raise FormatError("verifier key: its id is not that of name and key")
    return name, key[0], key[1:]


def format_vkey(name: str, signature_type: int, public_key: bytes) -> str:
    """The inverse of `parse_vkey`."""
    check_name(name)
    key = bytes([signature_type]) + public_key
    return f"{name}+{key_id(name, signature_type, public_key).hex()}+{encode_base64(key)}"


def check_name(name: str) -> None:
    """Refuse what is not a key name: non-empty UTF-8 without control characters, Unicode spaces and ``+``."""
    # split() knows the Unicode spaces, and returns nothing for the empty string.
    if type(name) is not str or name.split() != [name] or "+" in name or _CONTROL.search(_encode(name)):
        raise FormatError("note: a key name is empty or holds a space, a control character or a plus sign")


def decode_base64(text: str) -> bytes:
    """RFC 4648 section 4, padded, in its only spelling: no white space, no stray characters, no stray bits."""
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise FormatError(f"base64: {error}") from error
    if encode_base64(data) != text:
        raise FormatError("base64: not in its canonical spelling")
    return data


def encode_base64(data: bytes) -> str:
    """RFC 4648 section 4, padded, one line."""
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def _parse_line(line: str) -> Signature:
    name, space, encoded = line.removeprefix(_PREFIX).partition(" ")
    if not line.startswith(_PREFIX) or not space:
        raise FormatError("note: a signature line is not '— NAME BASE64'")
    blob = decode_base64(encoded)
    return Signature(name, blob[:4], blob[4:])


def _check_text(text: bytes) -> None:
    if type(text) is not bytes or not text.endswith(b"\n") or _CONTROL.search(text):
        raise FormatError("note: text does not end with a newline, or holds a control character")
    _decode(text)


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError("note: not UTF-8") from error


def _encode(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise FormatError("note: a lone surrogate has no UTF-8") from error
