"""Hash chains: every entry names the leaf hash of its predecessor, so whoever holds a later one can walk back.

Two kinds stand on the same entries. The ledger's own (``seq``, ``prev``) begins with `ZERO`; the chain of a message,
a recipient or the log (``n``, ``cprev``) begins with nothing, that is None. ``first`` says which of the two is meant.

A walk proves one contiguous branch. That it is the only one is shown by a replay of the whole log, not here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from ledger.errors import ProofError

ZERO: Final = bytes(32)
"""``prev`` of entry 0."""


class Head(NamedTuple):
    """The last entry of a chain: its position, from 0, and its leaf hash."""

    position: int
    leaf_hash: bytes


class Link(NamedTuple):
    """An entry as its chain sees it: ``previous`` is the leaf hash it names as its predecessor's."""

    position: int
    previous: bytes | None
    leaf_hash: bytes


def link(head: Head | None, *, first: bytes | None = None) -> tuple[int, bytes | None]:
    """Position and predecessor hash of the entry that comes after ``head``; None is a chain without entries."""
    if head is None:
        return 0, first
    return head.position + 1, head.leaf_hash


def check(item: Link, head: Head | None, *, first: bytes | None = None) -> None:
    """Check that ``item`` comes directly after ``head``; a `ProofError` names the position."""
    position, previous = link(head, first=first)
    if item.position < position:
        raise ProofError(f"chain: position {item.position} comes twice or out of order, {position} expected")
    if item.position > position:
        raise ProofError(f"chain: gap at position {position}, next is {item.position}")
    if item.previous != previous:
        raise ProofError(f"chain: position {position} does not name the entry before it")


def check_links(items: Iterable[Link], *, head: Head | None = None, first: bytes | None = None) -> None:
    """Check that ``items``, in order, go on from ``head`` without gap, repetition or wrong predecessor.

    With ``head`` None they begin at position 0. No items are no error: what must be there is for the caller to say.
    """
    for item in items:
        check(item, head, first=first)
        head = Head(item.position, item.leaf_hash)
