"""Block rules: every combination, against the rule in words."""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest

from ledger import event
from ledger.policy import ALLOWED, Block, decide

BLOCKS = [Block("one", 3, frozenset({"f1", "f2"})), Block("two", 9, frozenset({"f2"}))]


@pytest.mark.parametrize("source", get_args(event.Source))
def test_every_kind_file_and_block(source: str) -> None:
    for kind, file, blocks in product(event.KINDS, (None, "f1", "f2", "f3"), ([], BLOCKS[:1], BLOCKS[1:], BLOCKS)):
        covering = [b for b in blocks if file in b.files]
        decision = decide(kind, source, file, blocks)
        happened = source in ("webhook", "report", "import")
        if not covering or kind not in event.ACCESSES:
            assert decision == ALLOWED
        elif happened:
            assert decision.late and decision.denied is None
        elif kind in ("download.started", "link.confirmed"):
            assert decision.denied == covering[0] and not decision.late
        else:
            assert decision == ALLOWED


def test_policed_kinds_are_accesses() -> None:
    assert event.POLICED <= event.ACCESSES
    assert {"download.started", "link.confirmed"} == event.POLICED
    assert {"webhook", "report", "import"} == event.ELSEWHERE
