"""Data keys, and the boxes that disclosures rest in. docs/format.md, "Disclosures at rest, data keys".

A data key belongs to one subject and is stored wrapped under the key-encryption key of an epoch (`ledger.keys`). Every
box and every wrapped key is bound to its place: opened for another log, entry, epoch or subject it fails. Who destroys
a data key destroys what was sealed under it, in every copy.

Nonces are 12 random bytes, an argument, never used twice under one key. Nothing here ever puts a key or a plaintext
into an error.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.errors import FormatError, SecretError

KEY_SIZE: Final = 32
NONCE_SIZE: Final = 12
TAG_SIZE: Final = 16
WRAPPED_SIZE: Final = NONCE_SIZE + KEY_SIZE + TAG_SIZE

SHARED: Final = ":shared"
"""Ends the subject of what names several people: their own erasures each destroy it."""

SENDER: Final = ":sender"
"""Ends the subject of what names the sender."""

HEADER: Final = ":header"
"""Ends the subject of what may name anybody who sent or received a message, whatever its To and Cc say (there is also
``Received: ... for <him>``): the erasure of each of them destroys it."""

RECIPIENT: Final = ":r"
"""Stands in the subject of a certificate for one recipient, before his number: it names him and the sender, and the
erasure of each of them destroys it."""

BESIDE: Final = (SHARED, SENDER, HEADER)
"""What ends the subjects beside the message's own that facts of the message itself are sealed under."""

_KIND: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_INNER: Final = bytes(octet ^ 0x36 for octet in range(256))
_OUTER: Final = bytes(octet ^ 0x5C for octet in range(256))
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def wrap(kek: AESGCM, epoch: int, subject: str, log: str, key: bytes, nonce: bytes) -> bytes:
    """A data key as it is stored: 60 bytes. ``subject`` is as `ledger.plan.Sealed` has it."""
    if len(key) != KEY_SIZE:
        raise FormatError(f"data key: not {KEY_SIZE} bytes long")
    return _seal(kek, key, _key_place(log, epoch, subject), nonce)


def unwrap(kek: AESGCM, epoch: int, subject: str, log: str, wrapped: bytes) -> bytes:
    """The inverse of `wrap`: the 32 bytes of the data key."""
    if len(wrapped) == WRAPPED_SIZE:
        try:
            return kek.decrypt(wrapped[:NONCE_SIZE], wrapped[NONCE_SIZE:], _key_place(log, epoch, subject))
        except InvalidTag:
            pass
    raise SecretError(
        f"the data key of {subject} does not open under epoch {epoch}: damaged, or of another subject, epoch or log"
    )


def seal_box(cipher: AESGCM, log: str, seq: int, texts: Sequence[str], nonce: bytes) -> bytes:
    """What entry ``seq`` sealed under one data key, as it is stored. ``texts`` are disclosures in their text form D."""
    plain = "\n".join(texts)
    # Asked, not tried: a UnicodeEncodeError would hold the plaintext.
    if not plain.isascii() or plain.count("\n") != len(texts) - 1:
        raise FormatError("box: no disclosure at all, or one that is not ASCII or has a line break")
    return _seal(cipher, plain.encode(), f"postseal-sealed/1:{log}:{seq}".encode(), nonce)


def open_box(cipher: AESGCM, log: str, seq: int, box: bytes) -> list[str]:
    """The inverse of `seal_box`: the disclosures in their order."""
    if len(box) >= NONCE_SIZE + TAG_SIZE:
        try:
            plain = cipher.decrypt(box[:NONCE_SIZE], box[NONCE_SIZE:], f"postseal-sealed/1:{log}:{seq}".encode())
        except InvalidTag:
            pass
        else:
            if plain.isascii():
                return plain.decode().split("\n")
    raise SecretError(f"what entry {seq} sealed does not open: it is damaged, or of another entry, data key or log")


class Blinder:
    """Makes blind indexes under one key: 32 bytes to look a value up by without storing it, HMAC-SHA-256.

    ``kind`` keeps an address from matching a digest that is spelt alike. The caller has brought each value into the one
    spelling it is looked up by. HMAC (RFC 2104) is written out, because what it begins with is the same for all: that
    is less than half the time, and `hmac.digest` lets other threads of Python in each time.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_SIZE:
            raise FormatError(f"blind index: the key is not {KEY_SIZE} bytes long")
        padded = key.ljust(sha256().block_size, b"\0")
        self._inner = sha256(padded.translate(_INNER) + b"postseal-blind/1:")
        self._outer = sha256(padded.translate(_OUTER))

    def __call__(self, kind: str, value: str) -> bytes:
        """Of one value. FormatError for a kind that is no code, or a lone surrogate in the value."""
        if not _KIND.fullmatch(kind):
            raise FormatError("blind index: the kind is not a code")
        if not value.isascii() and _SURROGATE.search(value):
            raise FormatError("blind index: a lone surrogate has no UTF-8")
        one, two = self._inner.copy(), self._outer.copy()
        one.update(f"{kind}:{value}".encode())
        two.update(one.digest())
        return two.digest()


def _key_place(log: str, epoch: int, subject: str) -> bytes:
    return f"postseal-data-key/1:{log}:{epoch}:{subject}".encode()


def _seal(cipher: AESGCM, plain: bytes, place: bytes, nonce: bytes) -> bytes:
    if len(nonce) != NONCE_SIZE:
        raise FormatError(f"nonce: not {NONCE_SIZE} bytes long")
    return nonce + cipher.encrypt(nonce, plain, place)
