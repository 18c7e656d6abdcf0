"""What is certified, for whom, how strongly; and everything that speaks against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import UNSET

from ledger.case import Case, Item
from ledger.certified import (
    LOST,
    Blocking,
    Certified,
    accesses,
    agents,
    blockings,
    deliveries,
    delivery,
    files_of,
    is_access,
)
from ledger.entry import Entry
from reports import events, facts
from reports.blocks import Block, Box, Cell, Column, Grid, Heading, Text
from reports.wording import Words, moment

MOST: Final = 12
"""Adverse facts of one sort that stand in the box; the record of events has all of them."""


def titled(certified: Certified) -> str:
    """What the certificate may call itself: a server that took a message over has not delivered it."""
    chains = ([item.entry for item in chain] for chain in certified.recipients)
    if certified.claims.certificate == "delivery":
        known = [got for got in map(delivery, chains) if got is not None]
        return "delivery" if any(got.kind == "delivery.delivered" for got in known) else "relayed"
    return certified.claims.certificate


def certified_sentence(case: Case, certified: Certified, words: Words) -> tuple[str, str]:
    """What is certified, and what that does not show, in a sentence each."""
    made = certified.claims
    table = {"dispatch": _dispatched, "delivery": _delivered, "access": _accessed}
    said = table.get(made.certificate, _blocked)(case, certified, facts.whom(case, certified, words), words)
    key = titled(certified)
    return said, words(f"not.{'delivered' if key == 'delivery' else key}")


def _one(certified: Certified) -> bool:
    return certified.claims.recipient is not UNSET or len(certified.recipients) == 1


def _chains(certified: Certified) -> list[list[Entry]]:
    return [[item.entry for item in chain] for chain in certified.recipients]


def _dispatched(case: Case, certified: Certified, whom: str, words: Words) -> str:
    key = "certified.dispatch"
    if not certified.claims.content:
        key = "certified.dispatch.facts"
    if case.erased or (certified.claims.content and case.raw is None):
        key = "certified.dispatch.hidden"
    return words(key, at=moment(case.message[0].entry.at), whom=whom)


def _delivered(case: Case, certified: Certified, whom: str, words: Words) -> str:
    chains = _chains(certified)
    found = [got for got in map(delivery, chains) if got is not None]
    first = min(found, key=lambda got: got.seq)
    if not _one(certified):
        either = min((one for chain in chains for one in deliveries(chain)), key=lambda one: one.seq)
        return words("certified.delivery.all", count=len(found), total=len(chains), at=moment(either.at))
    key = "delivered" if first.kind == "delivery.delivered" else "relayed"
    said = words(f"certified.{key}", whom=whom, at=moment(first.at))
    later = [item for item in certified.recipients[0] if item.kind in LOST and item.seq > first.seq]
    if not later:
        return said
    last = later[-1]
    what = events.says(last, words)
    return f"{said} {words('certified.later', seq=str(last.seq), at=moment(last.entry.at), what=what)}"


def _accessed(case: Case, certified: Certified, whom: str, words: Words) -> str:
    made, chains = certified.claims, _chains(certified)
    some = [got for chain in chains if (got := accesses(chain, made.file))]
    at = moment(min((got[0] for got in some), key=lambda one: one.seq).at)
    if not _one(certified):
        return words("certified.access.all", count=len(some), total=len(chains), at=at)
    if made.file is not UNSET:
        return words("certified.access.file", whom=whom, at=at, files=words("files.one", file=made.file))
    return words("certified.access", whom=whom, at=at)


def _blocked(case: Case, certified: Certified, whom: str, words: Words) -> str:
    """Of a block, or of non-access: which files, since when, and whether the block still stands."""
    made, files = certified.claims, files_of(certified.claims, facts.hosted(case))
    found = [blockings(chain, files) for chain in _chains(certified)]
    if made.certificate == "non_access":
        since = max(_since(some, file) for some in found for file in files)
        until, named = moment(certified.closing.message.entry.at), _named(sorted(files, key=_ordinal), words)
        return words("certified.non_access", files=named, whom=whom, blocked=moment(since), until=until)
    first = min((one.applied for some in found for one in some), key=lambda one: one.seq)
    at = moment(first.at)
    if not _one(certified):
        return words("certified.block.all", at=at, count=sum(map(bool, found)), total=len(found))
    blocked = found[0]
    named = _named(sorted({file for one in blocked for file in one.files}, key=_ordinal), words)
    if len(blocked) > 1:
        return words("certified.block.steps", files=named, whom=whom, at=at)
    lifted = blocked[0].lifted
    if lifted is not None:
        return words("certified.block.lifted", files=named, whom=whom, at=at, until=moment(lifted.at))
    return words("certified.block", files=named, whom=whom, at=at)


def _since(blocked: Sequence[Blocking], file: str) -> str:
    """Since when a file has been withheld without a break, at the end."""
    return min((one.applied.at for one in blocked if one.lifted is None and file in one.files), default="")


def _ordinal(name: str) -> int:
    return int(name[1:])


def _named(files: list[str], words: Words) -> str:
    return words("files.one", file=files[0]) if len(files) == 1 else words("files.some", files=words.listed(files))


def claims(case: Case, certified: Certified, words: Words) -> list[Block]:
    """Per recipient: the fact and its grade, when it was first recorded, by whose clock and word, in which entry."""
    columns = (
        Column(words("claim.recipient"), 0.25),
        Column(words("claim.fact"), 0.31),
        Column(words("claim.instant"), 0.2),
        Column(words("claim.source"), 0.16),
        Column(words("claim.entry"), 0.08),
    )
    rows: list[Sequence[Cell]] = []
    for chain in certified.recipients:
        name = chain[0].facts.recipient
        known = case.recipients.get(name)
        who = Cell(name, (words("undisclosed") if known is None else known.address,))
        found = _claims(case, certified, chain, words)
        rows += [(who, *cells) for cells in found] or [(who, Cell(words("claim.none")), Cell(""), Cell(""), Cell(""))]
    heading = "heading.claims.one" if len(certified.recipients) == 1 else "heading.claims"
    return [Heading(words(heading)), Grid(columns, rows)]


def _claims(case: Case, certified: Certified, chain: Sequence[Item], words: Words) -> list[tuple[Cell, ...]]:
    made = certified.claims
    entries = [item.entry for item in chain]
    if made.certificate in ("block", "non_access"):
        return _withheld(case, certified, chain, words)
    if made.certificate == "dispatch":
        relayed = next((one for one in entries if one.kind == "relay.accepted"), None)
        found = [case.message[0].entry] + ([] if relayed is None else [relayed])
    elif made.certificate == "delivery":
        # Both, where both are recorded: of the weaker fact more may be known.
        ways = ("relay.accepted", "delivery.relayed", "delivery.delivered")
        first = [next((one for one in deliveries(entries) if one.kind == way), None) for way in ways]
        found = [one for one in first if one is not None]
    else:
        found, kinds = [], set()
        for one in accesses(entries, made.file):
            # The earliest of each kind: what came again proves nothing more.
            if one.kind not in kinds:
                kinds.add(one.kind)
                found.append(one)
    return [_cells(one, words) for one in found]


def _cells(one: Entry, words: Words) -> tuple[Cell, ...]:
    said: Any = one.facts
    not_shown = words("claim.shows_not", what=words(f"not.{said.grade}"))
    when: tuple[str, ...] = ()
    if one.occurred is not UNSET:
        when = (words("log.occurred", clock=words(f"clock.{one.clock}"), at=moment(one.occurred)),)
    vouched = getattr(said, "attestation", None)
    more = [words(f"source.{one.source}")] + ([] if vouched is None else [words(f"vouched.{vouched}")])
    file = getattr(said, "file", UNSET)
    grade = words(f"grade.{said.grade}")
    fact = grade if file is UNSET else words("log.of", of=file, what=grade)
    return Cell(fact, (not_shown,)), Cell(moment(one.at), when), Cell(words("clock.ledger"), more), Cell(str(one.seq))


def _withheld(case: Case, certified: Certified, chain: Sequence[Item], words: Words) -> list[tuple[Cell, ...]]:
    """A row for each block: which files, what was accessed before, whether it still stands."""
    made = certified.claims
    entries = [item.entry for item in (*case.message, *chain)]
    inside = [name for name, file in case.files.items() if file.where == "inside"]
    rows: list[tuple[Cell, ...]] = []
    for one in blockings([item.entry for item in chain], files_of(made, facts.hosted(case))):
        files = list(one.files)
        more = [_before(entries, files, one.applied, words)]
        if one.lifted is None:
            more.append(words("claim.standing"))
        else:
            more.append(words("claim.lifted", at=moment(one.lifted.at), seq=str(one.lifted.seq)))
        if made.certificate == "non_access" and one.lifted is None:
            since, until = moment(case.message[0].entry.at), moment(certified.closing.message.entry.at)
            more.append(words("claim.never", files=words.listed(files), since=since, until=until))
        if inside and made.file is UNSET:
            more.append(words("claim.inside", files=words.listed(sorted(inside, key=_ordinal))))
        rows.append(
            (
                Cell(words("claim.blocked", files=words.listed(files)), more),
                Cell(moment(one.applied.at)),
                Cell(words("clock.ledger"), (words(f"source.{one.applied.source}"),)),
                Cell(str(one.applied.seq)),
            )
        )
    return rows


def _before(entries: Sequence[Entry], files: Sequence[str], block: Entry, words: Words) -> str:
    """Accesses to any of the files before a block, machines' and nobody's among them."""
    found = [one for one in entries if one.seq < block.seq and any(is_access(one, file) for file in files)]
    if not found:
        return words("claim.before.none")
    first = min(found, key=lambda one: one.seq)
    return words("claim.before", count=len(found), seq=str(first.seq), at=moment(first.at))


def adverse(case: Case, certified: Certified, words: Words) -> list[Block]:
    """A box of what speaks against it, and of what was not checked."""
    items, unchecked = _adverse(case, certified, words), _unchecked(certified, words)
    box = Box(items or [words("adverse.none")], title=words("unchecked"), more=unchecked)
    return [Heading(words("heading.adverse")), box]


def _unchecked(certified: Certified, words: Words) -> list[str]:
    # Evidence of a certificate holds neither tokens nor statements: they come later, and lie beside it.
    said = [words("unchecked.time"), words("unchecked.witness"), words("unchecked.replay")]
    return said if certified.claims.certificate == "non_access" else [*said, words("unchecked.recorder")]


def _covered(certified: Certified) -> list[Item]:
    return [item for chain in (certified.message, *certified.recipients) for item in chain]


def _adverse(case: Case, certified: Certified, words: Words) -> list[str]:
    """The gravest first. Of each kind as many as can be read, the last of them always: it is how things ended."""
    found: dict[tuple[int, str], list[Item]] = {}
    judged: dict[int, str] = {}
    for chain in (certified.message, *certified.recipients):
        judged.update(agents(item.entry for item in chain))
    items = sorted(_covered(certified), key=lambda item: item.seq)
    others = events.of_others(certified)
    said_once: set[str] = set()
    for item in items:
        key = "" if item.seq in others else _key(item, certified, judged)
        act = item.entry.act
        # What one act wrote on several chains is one fact.
        if not key or (isinstance(act, str) and key in _ACTS and f"{key} {act}" in said_once):
            continue
        said_once.add(f"{key} {act}")
        found.setdefault((_GRAVITY.index(key), item.kind), []).append(item)
    said = []
    for (gravity, _), some in sorted(found.items(), key=lambda one: (one[0][0], one[1][0].seq)):
        key = _GRAVITY[gravity]
        shown = some if len(some) <= MOST else [*some[: MOST - 1], some[-1]]
        said += [_line(key, item, certified, words) for item in shown]
        if len(some) > MOST:
            said.append(words("adverse.more", count=len(some) - MOST, what=events.says(some[0], words)))
    said += _counted("adverse.denied", [item for item in items if item.kind == "access.denied"], words)
    claimed = [item for item in items if getattr(item.facts, "attestation", "") == "E"]
    said += _counted("adverse.unauthenticated", claimed, words)
    said += _of_log(case, words)
    hidden = sum(len(item.entry.sealed) - len(item.disclosed) for item in _covered(certified))
    return [*said, words("adverse.hidden", count=hidden)] if hidden else said


_GRAVITY: Final = (
    "adverse.late",
    "adverse.access",
    "adverse.unattributed",
    "adverse.lost",
    "adverse.other",
    "adverse.machine",
    "adverse.input",
    "adverse.lifted",
    "adverse.reclassified",
    "adverse.erased",
    "adverse.certificate",
)
_ACTS: Final = frozenset(("adverse.lifted", "adverse.erased", "adverse.certificate"))


def _counted(key: str, items: Sequence[Item], words: Words) -> list[str]:
    if not items:
        return []
    first: Mapping[str, Any] = {"seq": str(items[0].seq), "at": moment(items[0].entry.at)}
    return [words(f"{key}.one", **first) if len(items) == 1 else words(key, count=len(items), **first)]


def _key(item: Item, certified: Certified, judged: Mapping[int, str]) -> str:
    """Which sort of adverse fact an entry is; empty for none."""
    kind, said = item.kind, item.facts
    positive = certified.claims.certificate in ("access", "delivery", "dispatch")
    if is_access(item.entry):
        if getattr(said, "late", UNSET) is True:
            return "adverse.late"
        if item.entry.chain == certified.message[0].entry.chain:
            return "adverse.unattributed"
        if judged.get(item.seq) == "machine":
            return "adverse.machine"
        return "" if positive else "adverse.access"
    if kind in LOST or kind == "relay.deferred":
        return "adverse.lost"
    table = {
        "code.failed": "adverse.other",
        "delivery.autoresponded": "adverse.other",
        "delivery.complained": "adverse.other",
        "message.transformed": "adverse.other",
        "recipient.refused": "adverse.other",
        "block.lifted": "adverse.lifted",
        "certificate.withdrawn": "adverse.certificate",
        "erasure.done": "adverse.erased",
        "event.reclassified": "adverse.reclassified",
        "input.unattributed": "adverse.input",
        "input.unparsed": "adverse.input",
    }
    return table.get(kind, "")


def _line(key: str, item: Item, certified: Certified, words: Words) -> str:
    said = item.facts
    values: dict[str, object] = {"seq": str(item.seq), "at": moment(item.entry.at)}
    values |= {"what": events.says(item, words), "on": events.on(item, certified, words)}
    values |= {"event": str(getattr(said, "event", "")), "number": getattr(said, "number", "")}
    return words(key, **values)


def _of_log(case: Case, words: Words) -> list[str]:
    """Of the ledger's own entries, where evidence holds them: clocks that stepped, listeners that were down."""
    found = []
    for item in case.log:
        said, values = item.facts, {"seq": str(item.seq), "at": moment(item.entry.at)}
        if item.kind == "clock.stepped":
            way = words("adverse.ahead" if said.ahead else "adverse.back")
            found.append(words("adverse.clock", way=way, seconds=words.seconds(said.micros), **values))
        elif item.kind == "listener.gap":
            since, until = moment(said.since), moment(said.until)
            found.append(words("adverse.gap", channel=said.channel, since=since, until=until, **values))
        elif item.kind in ("input.unattributed", "input.unparsed"):
            found.append(words("adverse.input", **values))
        elif item.kind in ("key.compromised", "ledger.stopped"):
            found.append(words(f"adverse.{item.kind.split('.')[1]}", **values))
    more = [words("adverse.more.log", count=len(found) - MOST)] if len(found) > MOST else []
    return found[:MOST] + more


def headline(case: Case, certified: Certified, words: Words) -> list[Block]:
    """The sentences that a busy reader reads."""
    said, not_said = certified_sentence(case, certified, words)
    count, unchecked = len(_adverse(case, certified, words)), len(_unchecked(certified, words))
    told = words("headline.adverse", count=count, unchecked=unchecked)
    return [Heading(words("heading.certified")), Text(said, "lead"), Text(not_said), Text(told)]
