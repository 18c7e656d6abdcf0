"""Witnesses: C2SP tlog-cosignature v1.1 and the messages of tlog-witness (add-checkpoint). No network here.

A cosignature says: at this time, this was the largest checkpoint of that log I had seen, consistent with all before it.
On the note it is a signature line whose blob, after the key id, is

    timestamp (u64, big-endian, POSIX seconds, 1 to 2^63 - 1) || signature

over, for Ed25519 (type 0x04, RFC 8032),

    "cosignature/v1\\n" "time " timestamp in decimal "\\n" text of the checkpoint

and, for ML-DSA-44 (type 0x06, FIPS 204, empty context),

    "subtree/v1\\n\\0" || u8 length, cosigner's name || u64 timestamp || u8 length, origin || u64 0 || u64 size || root

The Ed25519 message does not hold the cosigner's name: one key under two names would sign twice with one signature. That
is why `check_cosignatures` refuses a list of witnesses in which a key comes twice, or the log's own key appears.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from ledger import checkpoint, note
from ledger.errors import FormatError, SignatureError
from ledger.merkle import HASH_SIZE, MAX_SIZE

ED25519: Final = 0x04
ML_DSA_44: Final = 0x06
MAX_TIMESTAMP: Final = 2**63 - 1
MAX_PROOF: Final = 63
"""Hashes of a consistency proof in a request."""

MAX_REQUEST: Final = 1_000_000
"""Octets."""

_PUBLIC_SIZES: Final = {ED25519: 32, ML_DSA_44: 1312}
_SIGNATURE_SIZES: Final = {ED25519: 64, ML_DSA_44: 2420}
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class CosignatureVerifier:
    """A witness's public key under its name; a `note.NoteVerifier`. ``signature_type`` is ED25519 or ML_DSA_44."""

    name: str
    signature_type: int
    public_key: bytes
    key_id: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        note.check_name(self.name)
        if _PUBLIC_SIZES.get(self.signature_type) != len(self.public_key):
            raise FormatError(f"witness key: type {self.signature_type:#04x} with {len(self.public_key)} octets")
        if len(self.name.encode()) > 255:
            raise FormatError("witness key: a name longer than 255 octets")
        object.__setattr__(self, "key_id", note.key_id(self.name, self.signature_type, self.public_key))

    @classmethod
    def parse(cls, vkey: str) -> CosignatureVerifier:
        """From a vkey of type 0x04 or 0x06. FormatError for others: a log's key does not pass for a witness's."""
        return cls(*note.parse_vkey(vkey))

    @property
    def vkey(self) -> str:
        """The verifier key as text."""
        return note.format_vkey(self.name, self.signature_type, self.public_key)

    def check(self, text: bytes, signature: bytes) -> None:
        """Raise SignatureError unless this key made ``signature`` (timestamp and all) for the checkpoint ``text``."""
        timestamp = self.timestamp(signature)
        try:
            message = _message(self.signature_type, self.name, timestamp, text)
            if self.signature_type == ED25519:
                Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature[8:], message)
            else:
                MLDSA44PublicKey.from_public_bytes(self.public_key).verify(signature[8:], message)
        except (InvalidSignature, ValueError, FormatError) as error:
            raise SignatureError(f"cosignature of {self.name}+{self.key_id.hex()} does not verify") from error

    def timestamp(self, signature: bytes) -> int:
        """POSIX seconds that a cosignature claims; only `check` says that the witness said so."""
        if len(signature) != 8 + _SIGNATURE_SIZES[self.signature_type]:
            raise SignatureError(f"cosignature of {self.name}: {len(signature)} octets")
        timestamp = int.from_bytes(signature[:8], "big")
        # 0 is what a cosigner puts on a subtree it cannot date: it vouches for no time and no order.
        if not 1 <= timestamp <= MAX_TIMESTAMP:
            raise SignatureError(f"cosignature of {self.name}: a timestamp outside 1 to 2^63 - 1")
        return timestamp


class Cosigner:
    """A witness's private key, made from its seed of 32 octets (RFC 8032 section 5.1.5, FIPS 204 section 6.1)."""

    __slots__ = ("_private_key", "verifier")

    def __init__(self, name: str, signature_type: int, seed: bytes) -> None:
        if type(seed) is not bytes or len(seed) != 32:
            raise FormatError("cosigner: a seed has 32 octets")
        if signature_type not in _PUBLIC_SIZES:
            raise FormatError(f"cosigner: signature type {signature_type:#04x} is neither 0x04 nor 0x06")
        self._private_key: Final = (
            Ed25519PrivateKey.from_private_bytes(seed)
            if signature_type == ED25519
            else MLDSA44PrivateKey.from_seed_bytes(seed)
        )
        public_key = self._private_key.public_key().public_bytes_raw()
        self.verifier: Final = CosignatureVerifier(name, signature_type, public_key)

    def __repr__(self) -> str:
        return f"Cosigner({self.verifier.vkey!r})"

    def cosign(self, text: bytes, timestamp: int) -> note.Signature:
        """The cosignature of a checkpoint's text at ``timestamp`` (POSIX seconds).

        Whoever calls this has checked that the checkpoint is consistent with every one he cosigned before, and has
        made that durable: a witness that forgets vouches for forks.
        """
        checkpoint.parse(text)
        if type(timestamp) is not int or not 1 <= timestamp <= MAX_TIMESTAMP:
            raise FormatError("cosignature: a timestamp outside 1 to 2^63 - 1")
        key = self.verifier
        signature = self._private_key.sign(_message(key.signature_type, key.name, timestamp, text))
        return note.Signature(key.name, key.key_id, timestamp.to_bytes(8, "big") + signature)


def _message(signature_type: int, name: str, timestamp: int, text: bytes) -> bytes:
    if signature_type == ED25519:
        return b"cosignature/v1\ntime %d\n" % timestamp + text
    told = checkpoint.parse(text)
    named, origin = name.encode(), told.origin.encode()
    return b"".join(
        (
            b"subtree/v1\n\0",
            bytes([len(named)]) + named,
            timestamp.to_bytes(8, "big"),
            bytes([len(origin)]) + origin,
            bytes(8),
            told.size.to_bytes(8, "big"),
            told.root,
        )
    )


def check_cosignatures(
    data: bytes, log: note.Verifier, witnesses: Sequence[CosignatureVerifier], quorum: int
) -> list[tuple[str, int]]:
    """Who of ``witnesses`` cosigned the checkpoint note ``data`` of ``log``, sorted by name, and when (POSIX seconds).

    A witness is a name: with two keys (Ed25519 and ML-DSA-44) it counts once, at the later of its times. Raises
    FormatError, and SignatureError where the log did not sign, a signature by a known key fails, fewer than ``quorum``
    cosigned, or one key stands behind two names.
    """
    keys = Counter([log.public_key, *(witness.public_key for witness in witnesses)])
    if any(count > 1 for count in keys.values()):
        raise SignatureError("one key is listed twice among the log and its witnesses: it would count as two")
    if type(quorum) is not int or quorum < 0:
        raise SignatureError("a quorum is a number from 0")
    _, opened = checkpoint.open(data, log.name, [log], witnesses)
    known = {(witness.name, witness.key_id): witness for witness in witnesses}
    times: dict[str, int] = {}
    for signature in opened.verified:
        witness = known.get((signature.name, signature.key_id))
        if witness is not None:
            times[witness.name] = max(times.get(witness.name, 0), witness.timestamp(signature.signature))
    if len(times) < quorum:
        raise SignatureError(f"{len(times)} witnesses cosigned, {quorum} required")
    return sorted(times.items())


def attach(data: bytes, cosignatures: Iterable[note.Signature], witnesses: Iterable[CosignatureVerifier]) -> bytes:
    """The note ``data`` with those ``cosignatures`` that are by known witnesses, each in place of its key's older one.

    Lines by unknown keys are dropped, as tlog-witness asks of a client. Raises SignatureError if a known one fails.
    """
    text, signatures = note.parse(data)
    known = {(witness.name, witness.key_id): witness for witness in witnesses}
    kept = list(signatures)
    for new in cosignatures:
        witness = known.get((new.name, new.key_id))
        if witness is not None:
            witness.check(text, new.signature)
            kept = [old for old in kept if (old.name, old.key_id) != (new.name, new.key_id)] + [new]
    return note.format(text, kept)


@dataclass(frozen=True, slots=True)
class Request:
    """The body of add-checkpoint: the size the witness is believed to have seen last, a proof from there, the note."""

    old_size: int
    proof: tuple[bytes, ...]
    note: bytes


def format_request(request: Request) -> bytes:
    """The octets to POST to ``<submission prefix>/add-checkpoint``. FormatError where `parse_request` would refuse."""
    lines = [f"old {request.old_size}", *map(note.encode_base64, request.proof)]
    body = "".join(line + "\n" for line in lines).encode() + b"\n" + request.note
    if parse_request(body) != request:
        raise FormatError("add-checkpoint: not a request")
    return body


def parse_request(body: bytes) -> Request:
    """The inverse of `format_request`. What it refuses is a 400; keys, proof and state are the witness's to check."""
    if type(body) is not bytes or len(body) > MAX_REQUEST:
        raise FormatError(f"add-checkpoint: no bytes, or more than {MAX_REQUEST} of them")
    head, empty, signed = body.partition(b"\n\n")
    try:
        first, *lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise FormatError("add-checkpoint: not ASCII above the note") from error
    if not empty or not first.startswith("old "):
        raise FormatError("add-checkpoint: not 'old SIZE', a proof, an empty line and a note")
    if len(lines) > MAX_PROOF:
        raise FormatError(f"add-checkpoint: a proof of {len(lines)} hashes, limit {MAX_PROOF}")
    proof = tuple(map(note.decode_base64, lines))
    if any(len(digest) != HASH_SIZE for digest in proof):
        raise FormatError(f"add-checkpoint: a hash in the proof is not {HASH_SIZE} bytes long")
    text, _ = note.parse(signed)
    old_size = _parse_size(first.removeprefix("old "))
    if old_size > checkpoint.parse(text).size:
        raise FormatError("add-checkpoint: the old size is larger than the checkpoint's")
    return Request(old_size, proof, signed)


def format_response(cosignatures: Sequence[note.Signature]) -> bytes:
    """The body of a 200: signature lines."""
    return note.format(_NO_TEXT, cosignatures).removeprefix(_NO_TEXT + b"\n")


def parse_response(body: bytes) -> tuple[note.Signature, ...]:
    """The signature lines of a 200, at least one, nothing verified; `attach` does that."""
    text, signatures = note.parse(_NO_TEXT + b"\n" + body)
    if text != _NO_TEXT:  # an empty line within the response
        raise FormatError("add-checkpoint: a response is signature lines and nothing else")
    return signatures


_NO_TEXT: Final = b"-\n"


def format_conflict(size: int) -> bytes:
    """The body of a 409 (``text/x.tlog.size``): the size of the checkpoint the witness cosigned last."""
    return f"{size}\n".encode()


def parse_conflict(body: bytes) -> int:
    """The inverse of `format_conflict`."""
    text = body.decode("ascii", "replace")
    if not text.endswith("\n"):
        raise FormatError("add-checkpoint: a conflict is a size and a newline")
    return _parse_size(text[:-1])


def _parse_size(text: str) -> int:
    if not _SIZE.fullmatch(text) or int(text) > MAX_SIZE:
        raise FormatError("add-checkpoint: a size is a decimal number up to 2^63 - 1 in its only spelling")
    return int(text)
