"""API keys: who may ask the service. No evidence: nothing in the log rests on these rows.

A key is ``postseal_<id>_<secret>``. Only its hash is kept, so that whoever reads the database cannot use it; and each
row is under a MAC of the key ring, so that whoever writes to the database cannot add a key, or give one another role.
What he can do all the same stands in docs/threat-model.md.
"""

from __future__ import annotations

import hmac
import re
from base64 import b32encode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import Engine, Executable, Row, Select, case, insert, or_, select, update
from sqlalchemy.exc import DBAPIError

from ledger.errors import InvalidRequest, StoreUnavailable, UnknownReference
from ledger.ids import format_time
from ledger.store.engine import explain
from ledger.store.tables import api_keys

ROLES: Final = ("ingest", "sender", "compliance", "auditor", "legal", "admin")

Mac = Callable[[str], bytes]
"""`ledger.keys.KeyRing.blind` for the kind `MAC`."""

Random = Callable[[int], bytes]
"""A source of that many random bytes that nobody can guess: `os.urandom`."""

MAC: Final = "api-key"

_KEY: Final = re.compile(r"postseal_([a-z2-7]{10})_[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")
_ID: Final = re.compile(r"[a-z2-7]{10}")
_LABEL: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_SECRET_SIZE: Final = 32

AT_ONCE: Final = 1000
"""Keys of one statement; databases count its parameters."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What is known of an API key. Times are in microseconds since 1970.

    ``genuine`` is false for a row that no holder of the key ring made, or that was changed since: it opens nothing.
    """

    id: str
    role: str
    label: str
    created: int
    last_used: int | None = None
    revoked: int | None = None
    genuine: bool = True

    def document(self) -> dict[str, Any]:
        """As JSON, its times as entries spell them; what never was is left out."""
        said: dict[str, Any] = {"id": self.id, "role": self.role, "label": self.label}
        said["created"] = format_time(self.created)
        for name, at in (("last_used", self.last_used), ("revoked", self.revoked)):
            if at is not None:
                said[name] = format_time(at)
        return said | {"genuine": self.genuine}


def check_new(role: str, label: str) -> None:
    """InvalidRequest unless a key may have this role and label."""
    if role not in ROLES:
        raise InvalidRequest(f"a role is one of {', '.join(ROLES)}")
    if not _LABEL.fullmatch(label):
        raise InvalidRequest("a label names a system: up to 64 of a-z 0-9 . _ - that begin with a letter or digit")


def check_id(id: str) -> None:
    """InvalidRequest unless a key could be called so. It is not repeated: it may be a key."""
    if not _ID.fullmatch(id):
        raise InvalidRequest("an API key is named by its id, the ten characters between the underscores")


class Credentials:
    """The API keys of the log in one database. Safe to share between threads. Every method may raise StoreUnavailable
    and SecretError."""

    def __init__(self, engine: Engine, mac: Mac) -> None:
        self._engine = engine
        self._mac = mac

    def create(self, role: str, label: str, at: int, random: Random) -> tuple[str, Credential]:
        """A new key, and what is known of it. The key itself is told here and nowhere else. InvalidRequest."""
        check_new(role, label)
        id = b32encode(random(7)).decode().lower()[:10]
        secret = urlsafe_b64encode(random(_SECRET_SIZE)).decode().rstrip("=")
        key = f"postseal_{id}_{secret}"
        hashed = _hash(key)
        made = Credential(id, role, label, at)
        row = {"id": id, "hash": hashed, "role": role, "label": label, "created": at, "mac": self._seal(made, hashed)}
        self._write(insert(api_keys).values(row))
        return key, made

    def find(self, key: str) -> Credential | None:
        """Who has this key: None for what is no key, and for one that is not known here. One that was revoked is found,
        with ``revoked`` set; a row that is not genuine is not."""
        if not _KEY.fullmatch(key):
            return None
        found = self._read(select(api_keys).where(api_keys.c.hash == _hash(key)))
        made = self._known(found[0]) if found else None
        return made if made is not None and made.genuine else None

    def list(self) -> Sequence[Credential]:
        """All there are, the oldest first; those that are not genuine too."""
        return [self._known(row) for row in self._read(select(api_keys).order_by(api_keys.c.created, api_keys.c.id))]

    def revoke(self, id: str, at: int) -> None:
        """Let this key open nothing from now on. One that was revoked before keeps its time. InvalidRequest,
        UnknownReference."""
        c = api_keys.c
        check_id(id)
        found = self._read(select(api_keys).where(c.id == id))
        if not found:
            raise UnknownReference("no API key has this id")
        row = found[0]
        made = self._known(row)
        if not made.genuine:
            # Under a MAC of ours it would be one of ours.
            raise UnknownReference(f"API key {id} was not made by Postseal and opens nothing: delete its row")
        if made.revoked is None:
            revoked = replace(made, revoked=at)
            values = {"revoked": at, "mac": self._seal(revoked, row.hash)}
            self._write(update(api_keys).where(c.id == id, c.revoked.is_(None)).values(values))

    def touch(self, used: Mapping[str, int]) -> None:
        """When these keys (by id) were last used; an earlier time than the one that stands changes nothing."""
        c = api_keys.c
        ids = list(used)
        for start in range(0, len(ids), AT_ONCE):
            some = {id: used[id] for id in ids[start : start + AT_ONCE]}
            at = case(some, value=c.id)
            later = or_(c.last_used.is_(None), c.last_used < at)
            self._write(update(api_keys).where(c.id.in_(some), later).values(last_used=at))

    def findings(self) -> Sequence[str]:
        """What an inspection says of the table."""
        strange = sum(not made.genuine for made in self.list())
        return [f"api_keys: {strange} rows were not made by Postseal, or were changed since; they open nothing"] * (
            strange > 0
        )

    def _known(self, row: Row[Any]) -> Credential:
        made = Credential(row.id, row.role, row.label, row.created, row.last_used, row.revoked)
        return replace(made, genuine=hmac.compare_digest(self._seal(made, row.hash), row.mac))

    def _seal(self, made: Credential, hashed: bytes) -> bytes:
        revoked = "" if made.revoked is None else made.revoked
        return self._mac(f"{made.id}:{hashed.hex()}:{made.role}:{made.label}:{made.created}:{revoked}")

    def _read(self, query: Select[Any]) -> Sequence[Row[Any]]:
        try:
            with self._engine.connect() as connection:
                return connection.execute(query).all()
        except DBAPIError as error:
            raise StoreUnavailable(explain(error)) from None

    def _write(self, statement: Executable) -> None:
        # One statement is one transaction, on SQLite too.
        try:
            with self._engine.begin() as connection:
                connection.execute(statement)
        except DBAPIError as error:
            raise StoreUnavailable(explain(error)) from None


def _hash(key: str) -> bytes:
    return sha256(key.encode()).digest()
