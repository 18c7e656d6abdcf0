"""Whether the absence of an access is worth anything: the check ``no_access_recorded``.

Absence in a record proves something only if the record is whole, the recorder was alive, and nothing it received is
still lying about. Each adverse fact that the entries show is a failure; what they do not show either way is not
checked. Neither is ever passed over, and the detail says exactly what is claimed. docs/format.md, "Vocabulary".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from msgspec import UNSET

from ledger.case import Case, Item
from ledger.complete import Closing, covered_chains, log_segment
from ledger.errors import ProofError
from ledger.event import ACCESSES, BEAT_LIMIT_SECONDS, BEATS
from ledger.ids import parse_time
from ledger.spelling import ordinal
from ledger.verdict import NotChecked

_LIMIT = BEAT_LIMIT_SECONDS * 1_000_000


@dataclass(frozen=True, slots=True)
class _Applied:
    """A block in force: the entry that applied it on this chain, and the files it covers there."""

    item: Item
    files: frozenset[str]


def check_no_access(case: Case, closing: Closing) -> str:
    """On a case that is chained and complete, up to ``closing``."""
    if case.claim.kind != "non_access":
        raise NotChecked("not claimed")
    opened = case.message[0]
    if opened.kind != "message.recorded":
        raise NotChecked("the message was refused: there is nothing to have accessed")
    chains = covered_chains(case)
    _check_accesses(case, chains)
    _check_inputs(case, closing)
    blocked = _check_blocks(case, chains)
    alive = _check_recorder(case, closing)
    if not blocked:
        raise NotChecked("the message has no hosted file: what travelled inside the mail is beyond any block")
    last = max(blocked, key=lambda item: item.seq)
    denied = sum(item.kind == "access.denied" for chain in chains for item in chain)
    pairs = f", last of {len(blocked)} pairs" if len(blocked) > 1 else ""
    return (
        f"blocked at {last.entry.at} (entry {last.seq}{pairs}); "
        f"no access recorded from {opened.entry.at} to {closing.log.entry.at}, "
        f"{_count(denied, 'attempt')} denied; {alive}; "
        f"of files behind links only, not of the mail's own text{_inside(case)}"
    )


def _check_accesses(case: Case, chains: Sequence[Sequence[Item]]) -> None:
    """Whoever or whatever made it. What stands on the message's chain is nobody's alone: it counts against everyone."""
    for chain in (case.message, *chains):
        for item in chain:
            file = getattr(item.facts, "file", UNSET)
            if item.kind in ACCESSES and (UNSET in (file, case.claim.file) or file == case.claim.file):
                whom = "unattributed" if chain is case.message else f"on the chain of {chain[0].facts.recipient}"
                what = "" if file is UNSET else f" of {file}"
                raise ProofError(f"entry {item.seq}: {item.kind}{what} {whom}, recorded at {item.entry.at}")


def _check_blocks(case: Case, chains: Sequence[Sequence[Item]]) -> list[Item]:
    """For each pair of recipient and hosted file claimed, the first entry of a block in force on it at the closing."""
    total = case.message[0].facts.files
    files = [f"f{k}" for k in range(1, total + 1)] if case.claim.file is UNSET else [case.claim.file]
    blocked: list[Item] = []
    for chain in chains:
        standing = _in_force(chain)
        for file in files:
            sealed = case.files.get(file)
            if sealed is not None and sealed.where == "inside":
                continue
            covering = [block.item for block in standing if file in block.files]
            if covering:
                blocked.append(min(covering, key=lambda item: item.seq))
            elif sealed is not None:
                raise ProofError(f"no block of {file} is in force for {chain[0].facts.recipient} at the closing entry")
    unknown = sorted({file for file in files if file not in case.files}, key=ordinal)
    if unknown:
        more = f" and {len(unknown) - 1} others" if len(unknown) > 1 else ""
        why = f": {case.erased}" if case.erased else ""
        raise NotChecked(f"whether {unknown[0]}{more} waited behind a link or travelled inside is not disclosed{why}")
    return blocked


def _in_force(chain: Iterable[Item]) -> list[_Applied]:
    """Ledger order decides, never a clock."""
    blocks: dict[str, _Applied] = {}
    latest = ""
    for item in chain:
        if item.kind == "block.applied":
            latest = item.facts.block
            blocks[latest] = _Applied(item, frozenset(item.facts.files))
        elif item.kind == "block.applied.continued":
            blocks[latest] = _Applied(blocks[latest].item, blocks[latest].files | set(item.facts.files))
        elif item.kind == "block.lifted":
            blocks.pop(item.facts.block, None)
    return list(blocks.values())


def _check_inputs(case: Case, closing: Closing) -> None:
    """Whatever came in was understood, attributed and worked off: else the access may be in it."""
    recorded = case.message[0].seq
    segment = log_segment(case, closing)
    for item in (*case.message, *(item for item in segment if item.seq > recorded)):
        if item.kind in ("input.unattributed", "input.unparsed"):
            raise ProofError(f"entry {item.seq}: an {item.kind} was received by {item.facts.channel} meanwhile")
    if closing.log.facts.pending:
        raise ProofError(
            f"entry {closing.log.seq}: {closing.log.facts.pending} inputs were received and not worked off"
        )
    start, end = case.message[0].entry.at, closing.log.entry.at
    for item in segment:
        facts = item.facts
        if item.kind == "listener.gap" and facts.since <= end and facts.until >= start:
            raise ProofError(f"entry {item.seq}: {facts.channel} did not listen from {facts.since} to {facts.until}")


def _check_recorder(case: Case, closing: Closing) -> str:
    """Beats without outage from before the message was recorded to the closing entry."""
    segment = log_segment(case, closing)
    if segment[0].kind not in BEATS:
        raise NotChecked("no beat of the recorder stands before the message: nothing shows that it was alive")
    marks = [item for item in segment if item.kind in BEATS] + [closing.log]
    largest = 0
    for before, after in pairwise(marks):
        gap = parse_time(after.entry.at) - parse_time(before.entry.at)
        if gap > _LIMIT:
            raise ProofError(
                f"an outage of the recorder: {_seconds(gap)} s from entry {before.seq} ({before.entry.at}) "
                f"to entry {after.seq} ({after.entry.at}), limit {BEAT_LIMIT_SECONDS} s"
            )
        largest = max(largest, gap)
    # While a clock that was set back catches up, time recorded stands still, and so hides how long a gap was.
    hidden = sum(item.facts.micros for item in segment if item.kind == "clock.stepped" and not item.facts.ahead)
    if largest + hidden > _LIMIT:
        raise NotChecked(f"the clock was set back {_seconds(hidden)} s meanwhile, which could hide an outage")
    return f"{_count(len(marks) - 1, 'beat')}, largest gap {_seconds(largest)} s"


def _inside(case: Case) -> str:
    inside = sorted((name for name, file in case.files.items() if file.where == "inside"), key=ordinal)
    return f", nor of {', '.join(inside[:8])}{' ...' if len(inside) > 8 else ''} inside it" if inside else ""


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _seconds(micros: int) -> str:
    return f"{micros // 1_000_000}.{micros // 100_000 % 10}"
