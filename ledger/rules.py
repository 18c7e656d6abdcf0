"""The rules of a replay by name, and what a replay finds. docs/format.md, "Rules of a replay".

A finding names the rule, so that a test, a report and a reader mean the same thing by it. Names are stable; a rule that
changes what passes is a new `RULES_VERSION`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

RULES_VERSION: Final = 1

RULES: Final = {
    "canonical": "an entry's bytes are canonical JSON",
    "schema": "every field has the form docs/format.md gives it",
    "columns": "what the store notes beside an entry (leaf hash, chain, message, position) is what the entry says",
    "seq": "entries are numbered from 0 without gap, each number once",
    "prev": "each entry names the leaf hash of the entry before it",
    "time": "recorded time never goes back",
    "genesis": "entry 0 opens the log of this origin, entry 1 introduces its key, and no other entry opens it",
    "chain.opening": "a chain begins, at n = 0, with an opening kind of its own, which stands nowhere else",
    "chain.gap": "the entries of a chain are numbered without gap or repetition",
    "chain.cprev": "each entry names the leaf hash of the entry before it on its chain",
    "kind.chain": "each kind stands only on chains it may stand on",
    "grade": "a tracking event has the grade of its kind",
    "attribution": "exact on a recipient's chain; one_of with its candidates, or none, on a message's",
    "recipient": "recipients are numbered from 1, each added once, in the act that recorded the message",
    "sealed": "a recorded message, with what continues it, seals at least a digest for each recipient and each file",
    "file": "every file referred to is one of its message's",
    "input": "every input referred to is an earlier entry that recorded one",
    "event": "what is reclassified is an earlier tracking event of the same chain",
    "token": "a link token opens one chain only, and comes only through that chain",
    "transfer": "a transfer is started once, ends at most once, and keeps to one file and chain",
    "continued": "a list goes on directly after a full part of it, in the same act, parts counted from 1",
    "act": "entries of an act stand together, on more than one chain; a kind that is part of an act has one",
    "block": "a block covers its message and the recipients and files it says; who names a block finds it in force",
    "block.access": "nothing that a block forbids stands between the block and its lift",
    "block.late": "late marks what came from elsewhere about a covered file, always and only",
    "hold": "what is released is a hold in force on that chain, and nothing is erased that one covers",
    "closing": "a closing act closes the message, exactly the recipients it says, and the log, all in the same words",
    "closing.keys": "a closing entry names every key entry up to it",
    "certificate": "a certificate is issued once, and before anything else is said of its number",
    "keys": "a key is introduced once, endorsed by a key then live; only known keys are retired or compromised",
    "root": "a root recorded in the log is the root of the tree of that size",
    "tile": "stored tiles are the tiles of the recomputed tree",
    "checkpoint": "the checkpoint is signed by a live, trusted key and states size and root of the recomputed tree",
    "high-water": "the log extends the state that was seen before",
}
"""Every rule, and the sentence that holds when it is kept."""

LIMIT: Final = 100
"""Findings after which a replay keeps quiet: a broken log breaks everywhere."""


class Finding(NamedTuple):
    """One broken rule. ``seq`` is the entry that shows it, -1 where none does. ``detail`` holds nothing personal."""

    seq: int
    rule: str
    detail: str


class BrokenError(Exception):
    """Raised inside a replay by the entry at hand; it becomes a `Finding` and never leaves the replay."""

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(detail)
        self.rule = rule
        self.detail = detail


class Findings:
    """Collects at most `LIMIT` findings."""

    __slots__ = ("items",)

    def __init__(self) -> None:
        self.items: list[Finding] = []

    def add(self, rule: str, seq: int, detail: str) -> None:
        """Note one."""
        if len(self.items) < LIMIT:
            self.items.append(Finding(seq, rule, detail))
