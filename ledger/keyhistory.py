"""The log's signing keys, as its own entries tell: introduced, endorsed by the key before, retired, compromised.

The first key is vouched for by nobody here: a reader's policy must name it, or a key that it led to. Which key was in
use is told by the order of entries, never by a time that the log itself asserts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from msgspec import UNSET

from ledger import note
from ledger.case import Item
from ledger.errors import FormatError, LedgerError, ProofError, SignatureError

ENDORSEMENT: Final = "postseal-key/1"


@dataclass(frozen=True, slots=True)
class Key:
    """One key. ``introduced`` and ``retired`` are seqs; ``compromised`` is the earliest instant since when."""

    verifier: note.Verifier
    introduced: int
    retired: int | None = None
    compromised: str | None = None

    @property
    def label(self) -> str:
        """Name and id, as on a signature."""
        return f"{self.verifier.name}+{self.verifier.key_id.hex()}"

    def signs(self, size: int) -> bool:
        """Whether it may sign a checkpoint of this size: its introduction is in the tree, its retirement is not."""
        return self.introduced < size and (self.retired is None or self.retired >= size)


def endorsement(origin: str, vkey: str) -> bytes:
    """The text by which the key before endorses a new one."""
    return f"{ENDORSEMENT}\n{origin}\n{vkey}\n".encode()


def read(log: Iterable[Item]) -> list[Key]:
    """The keys in the order of their introduction, from the entries of the log's chain. The error names the entry."""
    keys: list[Key] = []
    origin = first = ""
    for item in log:
        facts = item.facts
        try:
            if item.kind == "ledger.opened":
                origin, first = facts.origin, facts.vkey
            elif item.kind == "key.introduced":
                if not keys and facts.vkey != first:
                    raise ProofError("the first key introduced is not the one that opened the log")
                keys.append(_introduce(item, origin, keys))
            elif item.kind == "key.retired":
                place = _place(keys, facts.vkey)
                keys[place] = replace(keys[place], retired=keys[place].retired or item.seq)
            elif item.kind == "key.compromised":
                place = _place(keys, facts.vkey)
                keys[place] = replace(keys[place], compromised=min(keys[place].compromised or facts.since, facts.since))
        except LedgerError as error:
            raise type(error)(f"entry {item.seq}: {error}") from None
    return keys


def _introduce(item: Item, origin: str, keys: list[Key]) -> Key:
    verifier = note.Verifier.parse(item.facts.vkey)
    if verifier.name != origin:
        raise FormatError("the key introduced is not called after the log's origin")
    if any(key.verifier == verifier for key in keys):
        raise ProofError("the key was introduced before")
    given = item.facts.endorsement
    if not keys:
        if given is not UNSET:
            raise ProofError("the first key has no key before it to endorse it")
    elif given is UNSET:
        raise SignatureError("the key is not endorsed by the key before it")
    elif keys[-1].retired is not None or keys[-1].compromised is not None:
        raise SignatureError("the key is endorsed by one that was no longer live")
    else:
        opened = note.open(given.encode("utf-8", "surrogatepass"), [keys[-1].verifier])
        if opened.text != endorsement(origin, item.facts.vkey):
            raise ProofError("the endorsement is of another key or log")
    return Key(verifier, item.seq)


def _place(keys: list[Key], vkey: str) -> int:
    for place, key in enumerate(keys):
        if key.verifier.vkey == vkey:
            return place
    raise ProofError("it is about a key that was not introduced")
