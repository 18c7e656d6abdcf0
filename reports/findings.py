"""What is certified, for whom, how strongly; and everything that speaks against it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import UNSET

from ledger.absence import Applied, in_force
from ledger.case import Case, Item
from ledger.certified import LOST, Certified, accesses, agents, blocks, delivery, is_access
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
    whom = facts.whom(case, certified, words)
    one = made.recipient is not UNSET or len(certified.recipients) == 1
    chains = [[item.entry for item in chain] for chain in certified.recipients]
    total = len(chains)
    if made.certificate == "dispatch":
        key = "certified.dispatch" if made.content else "certified.dispatch.facts"
        return words(key, at=moment(case.message[0].entry.at), whom=whom), words("not.dispatch")
    if made.certificate == "delivery":
        found = [got for got in map(delivery, chains) if got is not None]
        first = min(found, key=lambda got: got.seq)
        word = "delivered" if any(got.kind == "delivery.delivered" for got in found) else "relayed"
        if one:
            return words(f"certified.{word}", whom=whom, at=moment(first.at)), words(f"not.{word}")
        said = words("certified.delivery.all", count=len(found), total=total, at=moment(first.at))
        return said, words(f"not.{word}")
    if made.certificate == "access":
        some = [got for chain in chains if (got := accesses(chain, made.file))]
        at = moment(min(got[0].at for got in some))
        if one:
            return words("certified.access", whom=whom, at=at), words("not.access")
        return words("certified.access.all", count=len(some), total=total, at=at), words("not.access")
    if made.certificate == "non_access":
        since = moment(max(found.item.entry.at for _, found in standing_pairs(case, certified)))
        files = sorted({file for file, _ in standing_pairs(case, certified)}, key=_ordinal)
        until = moment(certified.closing.message.entry.at)
        said = words("certified.non_access", files=_named(files, words), whom=whom, blocked=since, until=until)
        return said, words("not.non_access")
    applied = [got for chain in chains if (got := blocks(chain, made.file))]
    first = min((one for got in applied for one in got), key=lambda one: one.seq)
    if not one:
        said = words("certified.block.all", at=moment(first.at), count=len(applied), total=total)
        return said, words("not.block")
    return _blocked(certified.recipients[0], applied[0], whom, words), words("not.block")


def _blocked(chain: Sequence[Item], applied: Sequence[Entry], whom: str, words: Words) -> str:
    """Of one recipient: one block, perhaps lifted, or several."""
    files = _named(_files_of(applied), words)
    ids = {one.facts.block for one in applied if one.kind == "block.applied"}  # type: ignore[attr-defined]
    at = moment(applied[0].at)
    if len(ids) != 1:
        return words("certified.block.steps", files=files, whom=whom, at=at)
    for item in chain:
        if item.kind == "block.lifted" and item.facts.block in ids:
            return words("certified.block.lifted", files=files, whom=whom, at=at, until=moment(item.entry.at))
    return words("certified.block", files=files, whom=whom, at=at)


def standing_pairs(case: Case, certified: Certified) -> list[tuple[str, Applied]]:
    """Of each recipient and hosted file that non-access is of, the first block in force on them at the end."""
    file = certified.claims.file
    files = [name for name, sealed in case.files.items() if sealed.where == "hosted" and file in (UNSET, name)]
    found = []
    for chain in certified.recipients:
        standing = in_force(chain)
        for name in files:
            covering = [one for one in standing if name in one.files]
            found += [(name, min(covering, key=lambda one: one.item.seq))] if covering else []
    return found


def _files_of(applied: Iterable[Entry]) -> list[str]:
    found = {file for one in applied for file in one.facts.files}  # type: ignore[attr-defined]
    return sorted(found, key=_ordinal)


def _ordinal(name: str) -> int:
    return int(name[1:])


def _named(files: list[str], words: Words) -> str:
    return words("files.one", file=files[0]) if len(files) == 1 else words("files.some", files=words.listed(files))


def claims(case: Case, certified: Certified, words: Words) -> list[Block]:
    """Per recipient: the fact and its grade, when it was first recorded, by whose clock and word, in which entry."""
    columns = (
        Column(words("claim.recipient"), 0.2),
        Column(words("claim.fact"), 0.36),
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
        got = delivery(entries)
        found = [] if got is None else [got]
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
    when = () if one.occurred is UNSET else (words("claim.occurred", at=moment(one.occurred)),)
    clock = words("clock.ledger") if one.clock is UNSET else words(f"clock.{one.clock}")
    vouched = getattr(said, "attestation", None)
    more = [words(f"source.{one.source}")] + ([] if vouched is None else [words(f"vouched.{vouched}")])
    file = getattr(said, "file", UNSET)
    grade = words(f"grade.{said.grade}")
    fact = grade if file is UNSET else words("log.of", of=file, what=grade)
    return Cell(fact, (not_shown,)), Cell(moment(one.at), when), Cell(clock, more), Cell(str(one.seq))


def _withheld(case: Case, certified: Certified, chain: Sequence[Item], words: Words) -> list[tuple[Cell, ...]]:
    """A row for each block: which files, what was accessed before, whether it still stands."""
    made = certified.claims
    entries = [item.entry for item in (*case.message, *chain)]
    standing = {applied.item.seq for applied in in_force(chain)}
    lifted = {item.facts.block: item for item in chain if item.kind == "block.lifted"}
    rows: list[tuple[Cell, ...]] = []
    for one in blocks([item.entry for item in chain], made.file):
        said: Any = one.facts
        if one.kind != "block.applied":
            continue
        files = list(said.files)
        more = [_before(entries, files, one, words)]
        end = lifted.get(said.block)
        if end is not None:
            more.append(words("claim.lifted", at=moment(end.entry.at), seq=str(end.seq)))
        elif one.seq in standing:
            more.append(words("claim.standing"))
        if made.certificate == "non_access":
            since, until = moment(case.message[0].entry.at), moment(certified.closing.message.entry.at)
            more.append(words("claim.never", files=words.listed(files), since=since, until=until))
        rows.append(
            (
                Cell(words("claim.blocked", files=words.listed(files)), more),
                Cell(moment(one.at)),
                Cell(words("clock.ledger"), (words(f"source.{one.source}"),)),
                Cell(str(one.seq)),
            )
        )
    return rows


def _before(entries: Sequence[Entry], files: Sequence[str], block: Entry, words: Words) -> str:
    """Accesses to any of the files before a block, machines and nobody's among them; and each that was late."""
    found = [one for one in entries if one.seq < block.seq and any(is_access(one, file) for file in files)]
    if not found:
        return words("claim.before.none")
    first = min(found, key=lambda one: one.seq)
    return words("claim.before", count=len(found), seq=str(first.seq), at=moment(first.at))


def adverse(case: Case, certified: Certified, words: Words) -> list[Block]:
    """A box of what speaks against it, and of what was not checked."""
    items = _adverse(case, certified, words)
    hidden = sum(len(item.entry.sealed) - len(item.disclosed) for item in _covered(certified))
    if hidden:
        items.append(words("adverse.hidden", count=hidden))
    unchecked = [words("unchecked.time")] if not case.evidence.timestamps else []
    unchecked.append(words("unchecked.witness"))
    if not case.evidence.replays:
        unchecked.append(words("unchecked.replay"))
    if certified.claims.certificate != "non_access":
        unchecked.append(words("unchecked.recorder"))
    box = Box(items or [words("adverse.none")], title=words("unchecked"), more=unchecked)
    return [Heading(words("heading.adverse")), box]


def _covered(certified: Certified) -> list[Item]:
    return [item for chain in (certified.message, *certified.recipients) for item in chain]


def _adverse(case: Case, certified: Certified, words: Words) -> list[str]:
    found: dict[str, list[str]] = {}
    judged: dict[int, str] = {}
    for chain in (certified.message, *certified.recipients):
        judged.update(agents(item.entry for item in chain))
    items = sorted(_covered(certified), key=lambda item: item.seq)
    for item in items:
        key = _key(item, certified, judged)
        if key:
            found.setdefault(key, []).append(_line(key, item, certified, words))
    said = []
    for lines in found.values():
        said += lines[:MOST]
        if len(lines) > MOST:
            said.append(words("adverse.more", count=len(lines) - MOST))
    for key, kind in (("adverse.denied", "access.denied"),):
        said += _counted(key, [item for item in items if item.kind == kind], words)
    claimed = [item for item in items if getattr(item.facts, "attestation", "") == "E"]
    said += _counted("adverse.unauthenticated", claimed, words)
    return said + _of_log(case, words)


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
        "block.lifted": "adverse.lifted",
        "certificate.superseded": "adverse.certificate",
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
    more = [words("adverse.more.log", count=len(found) - MOST)] if len(found) > MOST else []
    return found[:MOST] + more


def headline(case: Case, certified: Certified, words: Words) -> list[Block]:
    """The two sentences that a busy reader reads."""
    said, not_said = certified_sentence(case, certified, words)
    return [Heading(words("heading.certified")), Text(said, "lead"), Text(not_said)]
