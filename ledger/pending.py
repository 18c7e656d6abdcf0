"""Erasures that were asked for and are not done yet: what has to be remembered so that a crash forgets none of them.

A row for each chain that an erasure covers. It names data keys by their subjects, and says nothing personal: where all
messages of a person are to be found later, it has the blind index of his address. It vanishes when the erasure is done.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

MAC: Final = "erasure"
"""The kind of blind index that the rows are under, so that nobody without the key ring can ask for an erasure."""


@dataclass(frozen=True, slots=True)
class Pending:
    """One chain, by its number, of one erasure.

    ``keys`` are the subjects of the data keys that fall with it, ``blind`` the blind index of a person's address (empty
    where no person is erased), ``requester`` the subject of who asked. ``waiting``: for a second person.
    """

    id: str
    chain: int
    scope: str
    keys: tuple[str, ...]
    blind: bytes
    requester: str
    waiting: bool

    @property
    def is_wide(self) -> bool:
        """Whether what names several people goes as well."""
        return any(map(is_wide, self.keys))

    def claim(self) -> str:
        """What the MAC of a row is over."""
        keys = " ".join(self.keys)
        return f"{self.id}:{self.chain}:{self.scope}:{keys}:{self.blind.hex()}:{self.requester}:{int(self.waiting)}"

    def to_row(self, mac: Callable[[str], bytes]) -> tuple[Any, ...]:
        """In the order of the table's columns."""
        keys = " ".join(self.keys)
        return self.id, self.chain, self.scope, keys, self.blind, self.requester, self.waiting, mac(self.claim())


def from_row(row: Sequence[Any], mac: Callable[[str], bytes]) -> Pending | None:
    """The inverse of `Pending.to_row`; None for a row that no holder of the key ring made."""
    id, chain, scope, keys, blind, requester, waiting, said = row
    made = Pending(id, chain, scope, tuple(keys.split()), bytes(blind), requester, bool(waiting))
    return made if hmac.compare_digest(mac(made.claim()), bytes(said)) else None


def is_wide(key: str) -> bool:
    """Whether the data key of this subject protects what names several people: `ledger.vault.SHARED`, HEADER."""
    return key.endswith((":shared", ":header"))
