from __future__ import annotations

import re

import pytest

from ledger import chain
from ledger.chain import ZERO, Head, Link
from ledger.errors import ProofError
from ledger.merkle import leaf_hash

HASHES = [leaf_hash(bytes([i])) for i in range(8)]


def links(first: bytes | None) -> list[Link]:
    return [Link(i, HASHES[i - 1] if i else first, HASHES[i]) for i in range(8)]


def refuse(items: list[Link], first: bytes | None, reason: str) -> None:
    with pytest.raises(ProofError, match=re.escape(reason)):
        chain.check_links(items, first=first)


@pytest.mark.parametrize("first", [None, ZERO], ids=["subject", "ledger"])
def test_link_makes_what_check_takes(first: bytes | None) -> None:
    head = None
    made = []
    for leaf in HASHES:
        item = Link(*chain.link(head, first=first), leaf)
        chain.check(item, head, first=first)
        head = Head(item.position, leaf)
        made.append(item)
    assert made == links(first)
    chain.check_links(made, first=first)
    chain.check_links(made[3:], head=Head(2, HASHES[2]), first=first)
    chain.check_links([], first=first)


@pytest.mark.parametrize("first", [None, ZERO], ids=["subject", "ledger"])
def test_every_fault_names_its_position(first: bytes | None) -> None:
    good = links(first)
    for at in range(8):
        item = good[at]
        if at < 7:
            refuse(good[:at] + good[at + 1 :], first, f"gap at position {at}, next is {at + 1}")
            refuse([*good[:at], good[at + 1], item, *good[at + 2 :]], first, f"gap at position {at}")
        refuse(good[: at + 1] + good[at:], first, f"position {at} comes twice or out of order, {at + 1} expected")
        for wrong in {None, ZERO, HASHES[(at + 3) % 8], bytes(31)} - {item.previous}:
            broken = Link(at, wrong, item.leaf_hash)
            refuse([*good[:at], broken, *good[at + 1 :]], first, f"position {at} does not name the entry before it")
        if at < 7:
            forged = Link(at, item.previous, bytes(32))
            refuse([*good[:at], forged, *good[at + 1 :]], first, f"position {at + 1} does not name")


def test_the_two_kinds_begin_differently() -> None:
    refuse(links(None), ZERO, "position 0 does not name")
    refuse(links(ZERO), None, "position 0 does not name")
    refuse(links(None)[1:], None, "gap at position 0, next is 1")
    refuse([Link(-1, None, HASHES[0])], None, "position -1 comes twice or out of order, 0 expected")
