"""Blobs: what is kept of messages, each encrypted under a random key of its own. docs/format.md, "Blobs".

That key is stored wrapped under the data key of the one whose data the blob is. Who destroys the data key destroys the
blob, in every copy. Both are bound to their place: a blob, or a wrapped key, of another log, message, part or name does
not open.

Where blobs lie is somebody else's: whoever has a `Blobs` to put them into, and get them from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NoReturn, Protocol

from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from ledger.errors import Damaged, FormatError
from ledger.vault import KEY_SIZE, NONCE_SIZE, WRAPPED_SIZE

NAME_SIZE: Final = 16
"""Random bytes of a blob's name, which is their hex: it says nothing of what the blob holds."""


class Blobs(Protocol):
    """Where blobs lie. For several threads. A name is 32 characters of hex; Damaged for any other."""

    def put(self, name: str, pieces: Iterable[bytes]) -> None:
        """A new blob: durable when this returns, and nothing is left of it when this raises. Unavailable."""

    def get(self, name: str) -> Iterator[bytes]:
        """In pieces of any size. Damaged where there is none; Unavailable where it cannot be read now."""

    def delete(self, name: str) -> None:
        """For good, and durably; nothing happens where there is none. Unavailable."""

    def names(self) -> Iterator[tuple[str, float]]:
        """Each blob, unfinished ones too, and for how many seconds nobody has written to it. Unavailable."""


class Blob(Struct, frozen=True):
    """One blob: which ``part`` of a message it is, under whose data key its own ``key`` is wrapped (``subject``), the
    ``size`` of what it holds, and how many octets of that are a small header made for it (``small``)."""

    part: str
    name: str
    subject: str
    size: int
    small: int
    key: bytes

    def __repr__(self) -> str:
        # Shown or pickled, a struct would give its key away.
        return f"Blob({self.part}, {self.name})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return []

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


def encrypt(blob: Blob, log: str, message: str, pieces: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    """What is put for ``pieces``, in pieces: C2SP chunked-encryption, Cobblestone-256."""
    encryptor = Cobblestone256Encryptor(blob.key, _place(log, message, blob.part, blob.name))
    for piece in pieces:
        if made := encryptor.update(piece):
            yield made
    yield encryptor.finalize()


def decrypt(blob: Blob, log: str, message: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The inverse. What is given is authentic, and it is all there is only once this has ended: Damaged."""
    decryptor = Cobblestone256Decryptor(blob.key, _place(log, message, blob.part, blob.name))
    size = 0
    try:
        for piece in pieces:
            if opened := decryptor.update(piece):
                size += len(opened)
                yield opened
        if opened := decryptor.finalize():
            size += len(opened)
            yield opened
    except InvalidTag:
        raise Damaged(f"the blob {blob.name} does not open: damaged, cut short, or of another place") from None
    if size != blob.size:
        raise Damaged(f"the blob {blob.name} holds {size} octets, not {blob.size}")


def wrap(cipher: AESGCM, blob: Blob, log: str, message: str, nonce: bytes) -> bytes:
    """The blob's key as it is stored, 60 bytes. ``cipher`` is of the data key of its subject."""
    if len(nonce) != NONCE_SIZE or len(blob.key) != KEY_SIZE:
        raise FormatError("blob: its key or nonce is not as long as it must be")
    return nonce + cipher.encrypt(
        nonce, blob.key, _key_place(log, message, blob.part, blob.name, blob.size, blob.small)
    )


def unwrap(
    cipher: AESGCM, wrapped: bytes, log: str, message: str, *, part: str, name: str, subject: str, size: int, small: int
) -> Blob:
    """The inverse of `wrap`. Damaged for what was changed, or is of another place."""
    if len(wrapped) == WRAPPED_SIZE:
        try:
            place = _key_place(log, message, part, name, size, small)
            key = cipher.decrypt(wrapped[:NONCE_SIZE], wrapped[NONCE_SIZE:], place)
        except InvalidTag:
            pass
        else:
            return Blob(part=part, name=name, subject=subject, size=size, small=small, key=key)
    raise Damaged("the key of a blob does not open: damaged, or of another blob, message, part or log")


def _place(log: str, message: str, part: str, name: str) -> bytes:
    return f"postseal-blob/1:{log}:{message}:{part}:{name}".encode()


def _key_place(log: str, message: str, part: str, name: str, size: int, small: int) -> bytes:
    return f"postseal-blob-key/1:{log}:{message}:{part}:{name}:{size}:{small}".encode()
