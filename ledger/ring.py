"""What a key ring holds, and its bytes. docs/format.md, "Master key, key ring". No disk, clock or chance.

The keys of a ring stand in the order of their making: retired ones (their seeds are gone), the one that signs, and
while a rotation is under way the next one. Its epochs are numbered from 1 without a gap, destroyed ones included, so
that no number ever means two keys. Each act returns a new ring and changes nothing.
"""

from __future__ import annotations

from typing import Final, NoReturn

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from ledger import canonical, note
from ledger.canonical import Json
from ledger.entry import check_time
from ledger.errors import FormatError, LedgerError, SecretError
from ledger.keyhistory import endorsement
from ledger.note import Signer, Verifier, decode_base64, encode_base64
from ledger.vault import KEY_SIZE, NONCE_SIZE

FORMAT: Final = "postseal-ring/1"

MAX_BYTES: Final = 1 << 20


class _Secret(Struct, frozen=True):
    """Shown or pickled, a struct would give its fields away."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}, secret>"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return []

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


class Key(_Secret, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A key that signs checkpoints. ``seed`` is absent once it is retired, ``endorsement`` on the first."""

    created: str
    vkey: str
    endorsement: str | UnsetType = UNSET
    retired: str | UnsetType = UNSET
    seed: str | UnsetType = UNSET


class Epoch(_Secret, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A key-encryption key; either ``kek`` or ``destroyed`` is there."""

    created: str
    epoch: int
    destroyed: str | UnsetType = UNSET
    kek: str | UnsetType = UNSET


class Ring(_Secret, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All secrets of one log. ``generation`` counts the changes, from 1."""

    blind: str
    epochs: list[Epoch]
    generation: int
    keys: list[Key]
    log: str
    origin: str

    def current(self) -> Key:
        """The key that signs."""
        return next(key for key in self.keys if key.retired is UNSET)

    def signer(self) -> Signer:
        """The key that signs, ready for it."""
        return _signer(self.origin, self.current())

    def next(self) -> Key | None:
        """The key that will follow, while a rotation is under way."""
        last = self.keys[-1]
        return None if last is self.current() else last

    def kek(self, epoch: int) -> AESGCM:
        """The key-encryption key of an epoch. SecretError if it was destroyed, or is newer than this ring."""
        if not 1 <= epoch <= len(self.epochs):
            raise SecretError(f"epoch {epoch} is not in the key ring of log {self.log}: an older copy of the ring?")
        found = self.epochs[epoch - 1]
        if found.kek is UNSET:
            raise SecretError(f"the key of epoch {epoch} was destroyed on {found.destroyed}")
        return AESGCM(decode_base64(found.kek))


def first(log: str, origin: str, at: str, random: bytes) -> Ring:
    """The ring of a new log, from 96 random bytes: one signing key, epoch 1, the blind-index key."""
    seed, kek, blind = random[:KEY_SIZE], random[KEY_SIZE : 2 * KEY_SIZE], random[2 * KEY_SIZE :]
    vkey = Signer(origin, seed).vkey
    ring = Ring(
        blind=encode_base64(blind),
        epochs=[Epoch(created=at, epoch=1, kek=encode_base64(kek))],
        generation=1,
        keys=[Key(created=at, vkey=vkey, seed=encode_base64(seed))],
        log=log,
        origin=origin,
    )
    check(ring)
    return ring


def begin_rotation(ring: Ring, at: str, seed: bytes) -> Ring:
    """With a next key, endorsed by the one that signs; unchanged if there is one already."""
    if ring.next() is not None:
        return ring
    vkey = Signer(ring.origin, seed).vkey
    endorsed = note.sign(endorsement(ring.origin, vkey), [ring.signer()]).decode()
    return replace(ring, keys=[*ring.keys, Key(created=at, vkey=vkey, endorsement=endorsed, seed=encode_base64(seed))])


def finish_rotation(ring: Ring, vkey: str, at: str) -> Ring:
    """With the next key, which must be ``vkey``, as the one that signs; the seed of the old one is dropped."""
    if ring.current().vkey == vkey:
        return ring
    following = ring.next()
    if following is None or following.vkey != vkey:
        raise SecretError(f"{vkey} is not the next key of log {ring.log}")
    old = replace(ring.current(), seed=UNSET, retired=at)
    return replace(ring, keys=[*ring.keys[:-2], old, following])


def new_epoch(ring: Ring, at: str, kek: bytes) -> Ring:
    """With a further epoch, which is the current one from now on."""
    epoch = Epoch(created=at, epoch=len(ring.epochs) + 1, kek=encode_base64(kek))
    return replace(ring, epochs=[*ring.epochs, epoch])


def destroy_epoch(ring: Ring, epoch: int, at: str) -> Ring:
    """Without the key of an epoch that is not the current one; unchanged if it is gone already."""
    if not 1 <= epoch < len(ring.epochs):
        raise SecretError(f"epoch {epoch} is the current one of log {ring.log}, or not in its ring: not destroyed")
    epochs = list(ring.epochs)
    if epochs[epoch - 1].kek is UNSET:
        return ring
    epochs[epoch - 1] = replace(epochs[epoch - 1], kek=UNSET, destroyed=at)
    return replace(ring, epochs=epochs)


def to_bytes(ring: Ring, cipher: AESGCM, master: str, nonce: bytes) -> bytes:
    """The file: ``cipher`` is of the ring's key, ``master`` names the master key that this was derived from."""
    check(ring)
    if len(nonce) != NONCE_SIZE:
        raise FormatError(f"nonce: not {NONCE_SIZE} bytes long")
    box = nonce + cipher.encrypt(nonce, canonical.dumps(msgspec.to_builtins(ring)), _place(ring.log, master))
    outside: dict[str, Json] = {"box": encode_base64(box), "format": FORMAT, "log": ring.log, "master": master}
    return canonical.dumps(outside) + b"\n"


def master_of(data: bytes, log: str) -> str:
    """The name of the master key that a ring file of this log says it is under. Nothing vouches for it yet."""
    return _outside(data, log)[0]


def from_bytes(data: bytes, log: str, cipher: AESGCM) -> Ring:
    """The inverse of `to_bytes`. SecretError for a file that is damaged, of another log or under another key."""
    master, box = _outside(data, log)
    try:
        plain = cipher.decrypt(box[:NONCE_SIZE], box[NONCE_SIZE:], _place(log, master))
    except (InvalidTag, ValueError):
        plain = b""
    if not plain:
        raise SecretError(f"the key ring of log {log} does not open: it is damaged")
    # Whatever is wrong with the plaintext is told without its words: an exception's cause would hold them.
    ring = None
    try:
        ring = msgspec.convert(canonical.loads(plain, limit=MAX_BYTES), Ring)
        check(ring)
        well_formed = ring.log == log
    except (LedgerError, msgspec.ValidationError):
        well_formed = False
    if ring is None or not well_formed:
        raise SecretError(f"the key ring of log {log} opens, but is not a {FORMAT}")
    return ring


def check(ring: Ring) -> None:
    """Everything the format says of a ring beyond the types of its fields."""
    if ring.generation < 1 or len(decode_base64(ring.blind)) != KEY_SIZE:
        raise FormatError("key ring: its generation or blind-index key")
    for number, epoch in enumerate(ring.epochs, 1):
        _check_times(epoch.created, epoch.destroyed)
        if epoch.epoch != number or (epoch.kek is UNSET) == (epoch.destroyed is UNSET):
            raise FormatError("key ring: an epoch's number, or not either key or end")
        if epoch.kek is not UNSET and len(decode_base64(epoch.kek)) != KEY_SIZE:
            raise FormatError("key ring: an epoch's key")
    if not ring.epochs or ring.epochs[-1].kek is UNSET:
        raise FormatError("key ring: no current epoch")
    _check_keys(ring)


def _check_keys(ring: Ring) -> None:
    retired = [key.retired is not UNSET for key in ring.keys]
    # All retired ones first, then one or two.
    if retired != sorted(retired, reverse=True) or not 1 <= len(retired) - sum(retired) <= 2:
        raise FormatError("key ring: not retired keys, the one that signs, perhaps the next")
    previous: Verifier | None = None
    for key in ring.keys:
        _check_times(key.created, key.retired)
        verifier = Verifier.parse(key.vkey)
        if verifier.name != ring.origin or (key.endorsement is UNSET) != (previous is None):
            raise FormatError("key ring: a key of another origin, or without its endorsement")
        if previous is not None and key.endorsement is not UNSET:
            opened = note.open(key.endorsement.encode("utf-8", "surrogatepass"), [previous])
            if opened.text != endorsement(ring.origin, key.vkey):
                raise FormatError("key ring: an endorsement is of another key")
        if (key.seed is UNSET) == (key.retired is UNSET):
            raise FormatError("key ring: a key has either a seed or an end")
        if key.seed is not UNSET and _signer(ring.origin, key).vkey != key.vkey:
            raise FormatError("key ring: a seed is of another key")
        previous = verifier


def _check_times(*times: str | UnsetType) -> None:
    for time in times:
        if time is not UNSET:
            check_time(time)


def _signer(origin: str, key: Key) -> Signer:
    if key.seed is UNSET:
        raise SecretError(f"the seed of {key.vkey} is gone: it was retired")
    return Signer(origin, decode_base64(key.seed))


def _place(log: str, master: str) -> bytes:
    return f"{FORMAT}:{log}:{master}".encode()


def _outside(data: bytes, log: str) -> tuple[str, bytes]:
    try:
        if not data.endswith(b"\n"):
            raise FormatError("no final newline")
        outside = canonical.loads(data[:-1], limit=MAX_BYTES)
        if not isinstance(outside, dict) or outside.get("format") != FORMAT:
            raise FormatError(f"not a {FORMAT}")
        if set(outside) != {"box", "format", "log", "master"}:
            raise FormatError("not its fields")
        box, owner, master = outside["box"], outside["log"], outside["master"]
        if not isinstance(box, str) or not isinstance(owner, str) or not isinstance(master, str):
            raise FormatError("not its types")
        sealed = decode_base64(box)
    except FormatError as error:
        raise SecretError(f"the key ring of log {log} cannot be read: {error}") from error
    if owner != log:
        raise SecretError(f"the key ring that lies here for log {log} is of another log")
    return master, sealed
