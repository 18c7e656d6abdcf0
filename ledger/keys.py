"""Where secrets come from: one master key in a file, and for each log a key ring that is encrypted under it.

docs/format.md, "Master key, key ring". Any number of processes may use a ring: each looks at the file before it uses a
secret, and changes it under a lock. What is done in what order is the caller's: see each act's docstring.

Secrets appear in no repr, no error and no pickle. They stay in this process's memory as long as it runs: Python cannot
wipe them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final, NoReturn

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import UNSET
from msgspec.structs import replace

from ledger import durable, ring, vault
from ledger.errors import SecretError
from ledger.ids import format_time
from ledger.note import Signer, decode_base64
from ledger.ring import Ring

Random = Callable[[int], bytes]
"""A source of that many random bytes that nobody can guess: `os.urandom`."""

_MASTER: Final = re.compile(rb"[0-9a-f]{64}\n")
_LOG: Final = re.compile(r"[0-9a-f-]{36}")


def ring_path(data_dir: Path, log: str) -> Path:
    """Where the ring of a log lies."""
    if not _LOG.fullmatch(log):
        raise SecretError("this is not the id of a log")
    return data_dir / "keys" / f"{log}.ring"


class MasterKey:
    """32 bytes that everything else is encrypted under, by keys derived from it for one purpose each."""

    __slots__ = ("_secret", "id")

    def __init__(self, secret: bytes) -> None:
        if type(secret) is not bytes or len(secret) != vault.KEY_SIZE:
            raise SecretError(f"a master key has {vault.KEY_SIZE} bytes")
        self._secret = secret
        self.id: Final = self._derive("postseal-master-id/1", 8).hex()
        """Names the key without telling anything of it: 16 hex characters."""

    @classmethod
    def create(cls, path: Path, rings: Path, random: Random) -> MasterKey:
        """A new one, in a file that was not there. Refused while ``rings``, a directory, holds key rings: they are
        under a master key that must be found, not replaced."""
        try:
            with durable.locked(path):
                if rings.exists() and any(file.suffix == ".ring" for file in rings.iterdir()):
                    raise SecretError(f"{rings} holds key rings, but {path} is not their master key: bring that back")
                key = cls(random(vault.KEY_SIZE))
                durable.create(path, key._secret.hex().encode() + b"\n")
        except FileExistsError:
            raise SecretError(f"{path} is there already; a master key is never replaced in place") from None
        except OSError as error:
            raise SecretError(f"the master key {path} cannot be created: {_reason(error)}") from None
        return key

    @classmethod
    def load(cls, path: Path) -> MasterKey:
        """The one in the file. SecretError if it is missing, not exactly a master key, or open to others."""
        try:
            data, _ = durable.read(path, 65, private=True)
        except FileNotFoundError:
            raise SecretError(f"the master key {path} is missing; without it nothing sealed can be opened") from None
        except OSError as error:
            raise SecretError(f"the master key {path} cannot be used: {_reason(error)}") from None
        if not _MASTER.fullmatch(data):
            raise SecretError(f"{path} is not a master key: 64 lowercase hex characters and a newline")
        return cls(bytes.fromhex(data[:64].decode()))

    def ring_cipher(self, log: str) -> AESGCM:
        """What the ring of this log is encrypted with."""
        return AESGCM(self._derive(f"{ring.FORMAT}:{log}", vault.KEY_SIZE))

    def _derive(self, purpose: str, length: int) -> bytes:
        return HKDF(SHA256(), length, salt=None, info=purpose.encode()).derive(self._secret)

    def __repr__(self) -> str:
        return f"MasterKey({self.id})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


@dataclass(frozen=True, slots=True)
class LogKey:
    """What anyone may know of a key that signs: ``state`` is ``retired``, ``current`` or ``next``."""

    vkey: str
    state: str
    created: str
    retired: str | None
    endorsement: bytes | None


@dataclass(frozen=True, slots=True, repr=False)
class _Loaded:
    """A ring as it was read, with what is made from it once."""

    identity: durable.Identity
    ring: Ring
    signer: Signer
    blind: vault.Blinder
    keks: dict[int, AESGCM]

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


class KeyRing:
    """The secrets of one log. For several threads. Every method may raise SecretError."""

    def __init__(self, path: Path, master: MasterKey, log: str, random: Random) -> None:
        """The ring that lies at ``path``; it must be there. See also `create`."""
        self.log: Final = log
        self._path = path
        self._master = master
        self._random = random
        self._lock = Lock()
        self._loaded = self._read()

    @classmethod
    def create(cls, path: Path, master: MasterKey, log: str, origin: str, at: int, random: Random) -> KeyRing:
        """The first ring of a log that is about to be opened. ``at``, here and below, in microseconds since 1970."""
        made = ring.first(log, origin, format_time(at), random(3 * vault.KEY_SIZE))
        data = ring.to_bytes(made, master.ring_cipher(log), master.id, random(vault.NONCE_SIZE))
        try:
            with durable.locked(path):
                durable.create(path, data)
        except FileExistsError:
            raise SecretError(f"{path} is there already; a key ring is never replaced") from None
        except OSError as error:
            raise SecretError(f"the key ring {path} cannot be created: {_reason(error)}") from None
        return cls(path, master, log, random)

    @classmethod
    def load(cls, path: Path, master: MasterKey, log: str, random: Random) -> KeyRing:
        """The ring that lies at ``path``; SecretError if none does."""
        return cls(path, master, log, random)

    @property
    def origin(self) -> str:
        """Name of the log and of its keys."""
        return self._fresh().ring.origin

    @property
    def keys(self) -> list[LogKey]:
        """All keys that sign or signed, in the order of their making."""
        held = self._fresh().ring
        current = held.current()
        return [
            LogKey(
                vkey=key.vkey,
                state="current" if key is current else "next" if key.retired is UNSET else "retired",
                created=key.created,
                retired=None if key.retired is UNSET else key.retired,
                endorsement=None if key.endorsement is UNSET else key.endorsement.encode(),
            )
            for key in held.keys
        ]

    @property
    def epoch(self) -> int:
        """Number of the current epoch."""
        return len(self._fresh().ring.epochs)

    @property
    def past_epochs(self) -> list[int]:
        """Numbers of the epochs before the current one whose keys were not destroyed."""
        epochs = self._fresh().ring.epochs
        return [epoch.epoch for epoch in epochs[:-1] if epoch.kek is not UNSET]

    def signer(self) -> Signer:
        """The key that signs now. Ask under the lock of the log's head, and sign that head's next state with it: a
        rotation that is finished in between introduced its key above that state."""
        return self._fresh().signer

    def new_data_key(self, subject: str) -> tuple[int, bytes, AESGCM]:
        """A fresh data key under the current epoch: the epoch, the wrapped key to store, the cipher to use.

        Ask under the lock of the log's head, so that no key comes under an epoch that is being destroyed.
        """
        return self.new_data_keys([subject])[0]

    def new_data_keys(self, subjects: Sequence[str]) -> list[tuple[int, bytes, AESGCM]]:
        """The same for each of several subjects, with one look at the file."""
        loaded = self._fresh()
        epoch = len(loaded.ring.epochs)
        kek = _kek(loaded, epoch)
        both = vault.KEY_SIZE + vault.NONCE_SIZE
        random = self._random(both * len(subjects))
        made = []
        for position, subject in enumerate(subjects):
            key = random[position * both : position * both + vault.KEY_SIZE]
            nonce = random[position * both + vault.KEY_SIZE : (position + 1) * both]
            made.append((epoch, vault.wrap(kek, epoch, subject, self.log, key, nonce), AESGCM(key)))
        return made

    def open_data_key(self, subject: str, epoch: int, wrapped: bytes) -> AESGCM:
        """The cipher of a stored data key."""
        return AESGCM(vault.unwrap(_kek(self._fresh(), epoch), epoch, subject, self.log, wrapped))

    def rewrap_data_key(self, subject: str, epoch: int, wrapped: bytes) -> tuple[int, bytes]:
        """The same data key under the current epoch, and that epoch's number."""
        loaded = self._fresh()
        key = vault.unwrap(_kek(loaded, epoch), epoch, subject, self.log, wrapped)
        now = len(loaded.ring.epochs)
        return now, vault.wrap(_kek(loaded, now), now, subject, self.log, key, self._random(vault.NONCE_SIZE))

    def blind(self, kind: str, value: str) -> bytes:
        """A blind index (`ledger.vault.Blinder`) under this log's key, which never changes."""
        return self._loaded.blind(kind, value)

    def blinds(self, pairs: Sequence[tuple[str, str]]) -> list[bytes]:
        """The same for each (kind, value), with one look at the file."""
        blind = self._loaded.blind
        return [blind(kind, value) for kind, value in pairs]

    def begin_rotation(self, at: int) -> LogKey:
        """Make the next key that signs, with its endorsement by the current one, which goes on signing.

        In this order: begin, record ``key.introduced`` with the endorsement, `finish_rotation`, record ``key.retired``.
        After a crash begin again: it returns the same key until that is finished.
        """
        seed = self._random(vault.KEY_SIZE)
        self._change(lambda held: ring.begin_rotation(held, format_time(at), seed))
        return self.keys[-1]

    def finish_rotation(self, vkey: str, at: int) -> None:
        """Sign with the next key from now on, and forget the seed of the old one for good. Only once the entry that
        introduces ``vkey`` is durable: nobody would believe its signatures."""
        self._change(lambda held: ring.finish_rotation(held, vkey, format_time(at)))

    def new_epoch(self, at: int) -> int:
        """Begin an epoch: data keys are wrapped under its key from now on. Returns its number."""
        kek = self._random(vault.KEY_SIZE)
        return len(self._change(lambda held: ring.new_epoch(held, format_time(at), kek)).epochs)

    def destroy_epoch(self, epoch: int, at: int, in_use: Callable[[int], int]) -> None:
        """Destroy the key of a past epoch: whatever is still wrapped under it is lost, in every copy and backup that
        does not hold an older ring.

        ``in_use`` counts the data keys under it, and the caller holds the lock of the log's head all the while.
        """

        def edit(held: Ring) -> Ring:
            changed = ring.destroy_epoch(held, epoch, format_time(at))
            count = in_use(epoch) if changed is not held else 0
            if count:
                raise SecretError(f"{count} data keys are still under epoch {epoch}: wrap them anew first")
            return changed

        self._change(edit)

    def rewrap(self, master: MasterKey) -> None:
        """Encrypt this ring under another master key. Both key files must exist until this has been done for every
        ring; processes that hold the old one are refused at their next look."""
        self._change(lambda held: held, master)

    def __repr__(self) -> str:
        return f"KeyRing({self.log})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")

    def _fresh(self) -> _Loaded:
        """The ring as the file has it now."""
        loaded = self._loaded
        try:
            if durable.identity(self._path) == loaded.identity:
                return loaded
        except OSError as error:
            raise SecretError(f"the key ring {self._path} is gone: {_reason(error)}") from None
        with self._lock:
            self._loaded = self._read()
            return self._loaded

    def _read(self) -> _Loaded:
        try:
            data, identity = durable.read(self._path, ring.MAX_BYTES, private=True)
        except FileNotFoundError:
            raise SecretError(f"the key ring {self._path} is missing") from None
        except OSError as error:
            raise SecretError(f"the key ring {self._path} cannot be used: {_reason(error)}") from None
        under = ring.master_of(data, self.log)
        if under != self._master.id:
            raise SecretError(f"the key ring of log {self.log} is under master key {under}, not {self._master.id}")
        held = ring.from_bytes(data, self.log, self._master.ring_cipher(self.log))
        return _Loaded(identity, held, held.signer(), vault.Blinder(decode_base64(held.blind)), {})

    def _change(self, edit: Callable[[Ring], Ring], master: MasterKey | None = None) -> Ring:
        try:
            with self._lock, durable.locked(self._path):
                # Never from memory: another process may have changed it since.
                self._loaded = self._read()
                held = self._loaded.ring
                changed = edit(held)
                if changed is not held or master is not None:
                    under = master or self._master
                    changed = replace(changed, generation=held.generation + 1)
                    nonce = self._random(vault.NONCE_SIZE)
                    durable.replace(self._path, ring.to_bytes(changed, under.ring_cipher(self.log), under.id, nonce))
                    self._master = under
                    self._loaded = self._read()
                return self._loaded.ring
        except OSError as error:
            raise SecretError(f"the key ring {self._path} cannot be changed: {_reason(error)}") from None


def _kek(loaded: _Loaded, epoch: int) -> AESGCM:
    cipher = loaded.keks.get(epoch)
    if cipher is None:
        cipher = loaded.keks[epoch] = loaded.ring.kek(epoch)
    return cipher


def _reason(error: OSError) -> str:
    """One line without Python's decoration."""
    return error.strerror or str(error)
