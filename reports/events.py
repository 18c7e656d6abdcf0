"""Events in words, for the record of events and for what speaks against a certificate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec import UNSET

from ledger import canonical
from ledger.case import Case, Item
from ledger.certified import DELIVERIES, LOST, Certified
from ledger.event import ACCESSES, CLOSING
from reports.blocks import Cell, Column, Grid, Sort
from reports.wording import Words, moment

# fmt: off
_QUIET: Final = frozenset(
    (
        "asked", "attestation", "attribution", "candidates", "certificate", "claims", "content", "envelope", "event",
        "evidence", "file", "files", "fingerprint", "grade", "input", "item", "keys", "late", "message", "part",
        "pending", "recipient", "recipients", "retention", "scope", "token", "tokens", "transfer", "verdict",
    )
)
# fmt: on
"""Facts that are said in words, stand elsewhere on the paper, or say nothing to a person."""
_OPENING: Final = ("message.recorded", "recipient.added")


def on(item: Item, certified: Certified, words: Words) -> str:
    """Whose chain an entry stands on: ``r1`` ..., or the message."""
    if item.entry.chain == certified.message[0].entry.chain:
        return words("log.message")
    return _names(certified).get(item.entry.chain, words("log.from_ledger"))


def _names(certified: Certified) -> dict[str, str]:
    return {chain[0].entry.chain: chain[0].facts.recipient for chain in certified.recipients}


def says(item: Item, words: Words) -> str:
    """What an entry tells of, in words, with the files it is of."""
    kind = item.kind.removesuffix(".continued")
    said = words.find(f"event.{kind}") or kind
    facts = item.facts
    file, files = getattr(facts, "file", UNSET), getattr(facts, "files", UNSET)
    if isinstance(file, str):
        return words("log.of", of=file, what=said)
    return words("log.of", of=words.listed(list(files)), what=said) if isinstance(files, tuple) and files else said


def of_others(certified: Certified) -> frozenset[int]:
    """Entries of the message's chain about recipients whom a certificate for one is not about: what was done about
    them, and why, is not his to know. That there was such an act stands on every chain."""
    wanted = certified.claims.recipient
    if wanted is UNSET:
        return frozenset()
    theirs: set[str] = set()
    found = set()
    acts = {item.entry.act for chain in certified.recipients for item in chain}
    for item in certified.message:
        facts: Any = item.facts
        named = getattr(facts, "recipient", UNSET)
        ids = [getattr(facts, name) for name in ("block", "number", "hold") if getattr(facts, name, UNSET) is not UNSET]
        if isinstance(named, str) and named != wanted:
            theirs.update(ids)
            found.add(item.seq)
        elif theirs.intersection(ids) or (
            item.kind.startswith("erasure.") and facts.subject == "recipient" and item.entry.act not in acts
        ):
            found.add(item.seq)
    return frozenset(found)


def record(case: Case, certified: Certified, words: Words) -> Grid:
    """Every entry of the chains, in the ledger's order; and of the ledger's own those that are held because somebody
    may ask whether it was recording."""
    names = _names(certified) | {certified.message[0].entry.chain: words("log.message")}
    own = [item for item in case.log if item.kind in _OWN]
    items = sorted((item for chain in (certified.message, *certified.recipients, own) for item in chain), key=_seq)
    columns = (
        Column(words("log.entry"), 0.09),
        Column(words("log.at"), 0.205),
        Column(words("log.on"), 0.095),
        Column(words("log.event"), 0.43),
        Column(words("log.vouched"), 0.18),
    )
    others = of_others(certified)
    rows = []
    for some in _together(items):
        whose = words.listed([names.get(item.entry.chain, words("log.from_ledger")) for item in some])
        rows.append(_another(some, whose, words) if some[0].seq in others else _row(some, whose, words))
    return Grid(columns, rows)


def _together(items: Sequence[Item]) -> list[list[Item]]:
    """What closes chains stands on each of them, and says the same there: one row."""
    found: list[list[Item]] = []
    for item in items:
        before = found[-1][-1] if found else None
        if (
            before is not None
            and item.kind in CLOSING
            and (item.kind, item.entry.act) == (before.kind, before.entry.act)
        ):
            found[-1].append(item)
        else:
            found.append([item])
    return found


def _numbered(some: Sequence[Item]) -> str:
    first, last = some[0].seq, some[-1].seq
    return str(first) if first == last else f"{first}-{last}"


_OWN: Final = frozenset(
    (
        *("clock.stepped", "input.unattributed", "input.unparsed", "key.compromised", "key.retired"),
        *("ledger.started", "ledger.stopped", "listener.gap"),
    )
)


def _another(some: Sequence[Item], whose: str, words: Words) -> Sequence[Cell]:
    item = some[0]
    return (
        Cell(_numbered(some)),
        Cell(moment(item.entry.at)),
        Cell(whose),
        Cell(words("log.another")),
        Cell("", (words(f"source.{item.entry.source}"),)),
    )


def _seq(item: Item) -> int:
    return item.seq


def _row(some: Sequence[Item], whose: str, words: Words) -> Sequence[Cell]:
    item, facts = some[0], some[0].facts
    grade, vouched = getattr(facts, "grade", ""), getattr(facts, "attestation", "")
    return (
        Cell(_numbered(some)),
        Cell(moment(item.entry.at)),
        Cell(whose),
        Cell(says(item, words), _more(item, words)),
        Cell(", ".join(filter(None, (grade, vouched))), (words(f"source.{item.entry.source}"),)),
    )


def _more(item: Item, words: Words) -> list[str]:
    """What is said to an event: whose clock told another instant, who made it, its facts, what is disclosed of it."""
    facts: Any = item.facts
    found = []
    if item.entry.occurred is not UNSET:
        found.append(words("log.occurred", clock=words(f"clock.{item.entry.clock}"), at=moment(item.entry.occurred)))
    verdict = getattr(facts, "verdict", UNSET)
    if verdict is not UNSET:
        found.append(words(f"agent.{verdict.agent}", rule=verdict.rule, list=verdict.list))
    if getattr(facts, "late", UNSET) is True:
        found.append(words("log.late"))
    said = [
        f"{name}: {_value(getattr(facts, name))}"
        for name in facts.__struct_fields__
        if name not in _QUIET and getattr(facts, name) is not UNSET
    ]
    if item.kind == "event.reclassified":
        said.insert(0, f"{words('log.entry')} {facts.event}")
    if not item.kind.startswith(_OPENING):
        said += [f"{name}: {_value(item.disclosed[name])}" for name in sorted(item.disclosed) if name != "claims"]
    return [*found, *said]


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int)):
        return str(value)
    return canonical.dumps(value).decode() if isinstance(value, (dict, list)) else str(value)


def sort(item: Item) -> Sort:
    """What an entry is on a timeline."""
    kind = item.kind
    if kind in ACCESSES:
        return "access"
    if kind in LOST or kind == "relay.deferred":
        return "lost"
    if kind in DELIVERIES:
        return "delivery"
    if kind == "access.denied":
        return "denied"
    return "block" if kind in ("block.applied", "block.lifted") else "other"
