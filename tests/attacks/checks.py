"""What is asked of a ledger after an attack: the audit with the keys known from outside, and the store's inspection."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ledger.audit import Report, audit
from ledger.keys import KeyRing
from ledger.store.engine import open_engine
from ledger.store.inspect import inspect
from ledger.store.read import Reader
from ledger.store.replayed import StoredLog
from tests.attacks.world import ORIGIN, World


def audited(world: World, note: bytes | None = None, **options: Any) -> Report:
    """The audit, against the world's newest checkpoint or another."""
    said = world.note if note is None else note
    return audit(partial(StoredLog, world.url, said), **({"origin": ORIGIN, "vkeys": world.vkeys} | options))


def inspected(world: World, ring: KeyRing | None = None, parts: int = 1) -> list[str]:
    engine = open_engine(world.url)
    try:
        return inspect(Reader(engine), ring or world.ring(), parts).findings
    finally:
        engine.dispose()


def broken(report: Report) -> dict[str, str]:
    """Rules broken, each with the detail of its first finding."""
    found: dict[str, str] = {}
    for finding in report.findings:
        found.setdefault(finding.rule, finding.detail)
    return found


def says(findings: Sequence[str], words: str) -> bool:
    """Whether one finding has all of these words in it, wherever they stand."""
    return any(all(word in finding for word in words.split(" ... ")) for finding in findings)
