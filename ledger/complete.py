"""Whether the entries of a document hang together (``chained``) and are all that its claim needs (``complete``).

Both look at the entries alone. The danger in ``complete`` is to be satisfied by whatever was given. So what must be
there is derived from the claim, from `message.recorded` (how many recipients) and from the closing act (which keys, how
many chains), and everything held must be part of it. The chains end at one act that stands on the recipients', the
message's and the log's chain; evidence is of the state *as of* that act. Cutting chains back to an older act that
closed them makes older evidence, not false evidence: the instant is in the detail.

What one branch cannot show, a replay must: that there is no other branch, and that the closing entry names every key
entry. See docs/threat-model.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import Any

from msgspec import UNSET

from ledger.case import OPENS, Case, Item
from ledger.entry import ZERO
from ledger.errors import ProofError
from ledger.event import BEATS, CLOSING
from ledger.spelling import ordinal


@dataclass(frozen=True, slots=True)
class Closing:
    """The act at which the evidence ends: its entry on the message's chain, the log's, and each covered recipient's."""

    message: Item
    log: Item
    recipients: Sequence[Item]

    @property
    def last(self) -> int:
        """The greatest seq of the act's entries that are held."""
        return max(item.seq for item in (self.message, self.log, *self.recipients))


def check_chained(case: Case) -> str:
    """``prev`` and ``cprev`` wherever both neighbours are held; ``at`` never less; continued entries in their place."""
    links = 0
    before: Item | None = None
    for seq, item in case.items.items():
        if seq == 0 and item.entry.prev != ZERO:
            raise ProofError("entry 0 names an entry before it")
        if before is not None:
            if before.seq == seq - 1:
                links += 1
                if item.entry.prev != before.leaf.hex():
                    raise ProofError(f"entry {seq} does not name entry {seq - 1} as held here as its predecessor")
            if item.entry.at < before.entry.at:
                raise ProofError(f"entry {seq} says it was recorded earlier than entry {before.seq}")
        before = item
    for id, chain in case.chains.items():
        for first, second in pairwise(chain):
            n = second.entry.n
            if n <= first.entry.n:
                raise ProofError(f"chain {id}: n = {n} of entry {second.seq} comes twice or out of order")
            if n == first.entry.n + 1:
                links += 1
                if second.entry.cprev != first.leaf.hex():
                    raise ProofError(
                        f"chain {id}: entry {second.seq} (n = {n}) does not name entry {first.seq} before it"
                    )
        _check_continued(chain)
    return f"{links} links between {len(case.items)} entries on {len(case.chains)} chains"


def _check_continued(chain: Sequence[Item]) -> None:
    before: Item | None = None
    for item in chain:
        base = item.kind.removesuffix(".continued")
        if base != item.kind:
            if before is None or before.entry.n != item.entry.n - 1 or before.kind.removesuffix(".continued") != base:
                raise ProofError(f"entry {item.seq} continues no {base} directly before it on its chain")
            part = 1 if before.kind == base else before.facts.part + 1
            if item.facts.part != part:
                raise ProofError(f"entry {item.seq} is part {item.facts.part} of a {base}, part {part} expected")
            if item.entry.act != before.entry.act:
                raise ProofError(f"entry {item.seq} continues entry {before.seq} but not its act")
        before = item


def check_complete(case: Case) -> Closing:
    """Everything the claim needs is held, and nothing else. Returned is the act that it is complete up to."""
    _check_log(case)
    covered = _check_openings(case)
    closing = _find_closing(case)
    for chain in (case.message, *covered):
        _check_gapless(chain)
    _check_tokens(case, covered)
    _check_keys(case, closing)
    _check_log_entries(case, closing)
    return closing


def describe(closing: Closing) -> str:
    """The detail of a passed check: up to when the evidence speaks."""
    end = closing.message
    return (
        f"every entry of {len(closing.recipients) + 1} chains from the first to the {end.kind} of entry {end.seq}: "
        f"as of {end.entry.at}, and nothing is said of later"
    )


def covered_chains(case: Case) -> list[Sequence[Item]]:
    """The recipients' chains held, by ordinal."""
    chains = [case.chains[id] for id, chain_type in case.types.items() if chain_type == "recipient"]
    return sorted(chains, key=lambda chain: ordinal(chain[0].facts.recipient))


def _find_closing(case: Case) -> Closing:
    """The act that closes every chain held. ProofError where there is none, or it does not match."""
    last = case.message[-1]
    act = last.entry.act
    if last.kind not in CLOSING or act is UNSET:
        raise ProofError(
            f"the message's chain ends at entry {last.seq}, a {last.kind}, and not at an act that closes it"
        )
    on_recipients = []
    for chain in covered_chains(case):
        name, end = chain[0].facts.recipient, chain[-1]
        if end.entry.act != act or end.kind != last.kind:
            raise ProofError(
                f"the chain of {name} ends at entry {end.seq}, a {end.kind}, and not at the act of entry {last.seq}"
            )
        on_recipients.append(end)
    on_log = [item for item in case.log if item.entry.act == act]
    if len(on_log) != 1:
        raise ProofError(f"the act of entry {last.seq} stands {len(on_log)} times on the log's chain, not once")
    closing = Closing(last, on_log[0], on_recipients)
    _check_closing(case, closing)
    return closing


def _check_closing(case: Case, closing: Closing) -> None:
    last, facts = closing.message, closing.message.facts
    entries = [last, closing.log, *closing.recipients]
    for item in entries[1:]:
        if item.kind != last.kind:
            raise ProofError(f"entry {item.seq} shares an act with entry {last.seq} but is another kind of act")
        for field in ("certificate", "claims", "evidence", "number"):
            if getattr(item.facts, field, UNSET) != getattr(facts, field, UNSET):
                raise ProofError(f"entries {last.seq} and {item.seq} of one act differ in {field}")
    if closing.log.facts.message != case.claim.message:
        raise ProofError(f"entry {closing.log.seq} on the log's chain closes another message")
    opened, claim = case.message[0], case.claim
    recipients = opened.facts.recipients if opened.kind == "message.recorded" else 0
    if facts.recipient is not UNSET:
        if facts.recipients != 1 or ordinal(facts.recipient) > recipients:
            raise ProofError(f"entry {last.seq} closes the chain of {facts.recipient}, and counts {facts.recipients}")
        if claim.recipient != facts.recipient and recipients != 1:
            raise ProofError(
                f"entry {last.seq} closes the chain of {facts.recipient} only: the claim is wider, or another's"
            )
    elif claim.recipient is UNSET and facts.recipients != recipients:
        raise ProofError(f"entry {last.seq} closes {facts.recipients} chains; the message has {recipients} recipients")
    if not len(closing.recipients) <= facts.recipients <= recipients:
        raise ProofError(f"entry {last.seq} closes {facts.recipients} chains; {len(closing.recipients)} are held")
    # An act's entries stand together in the log, so that nothing was recorded between the end of one chain and another.
    seqs = [item.seq for item in entries]
    if max(seqs) - min(seqs) >= facts.recipients + 2:
        raise ProofError(f"the entries of the closing act lie apart: {min(seqs)} to {max(seqs)}")
    for chain in (case.message, case.log, *covered_chains(case)):
        if sum(item.entry.act == last.entry.act for item in chain) != 1:
            raise ProofError(f"the closing act stands more than once on chain {chain[0].entry.chain}")


def _check_log(case: Case) -> None:
    first, second = case.items.get(0), case.items.get(1)
    if first is None or first.kind != "ledger.opened":
        raise ProofError("entry 0, the ledger.opened of this log, is not here")
    if first.entry.chain != first.facts.log or first.entry.n != 0:
        raise ProofError("entry 0 does not open the chain of the log it names")
    if (
        second is None
        or second.kind != "key.introduced"
        or second.entry.chain != first.entry.chain
        or second.entry.n != 1
    ):
        raise ProofError("entry 1, the key.introduced of the key that signs, is not here")
    for id, chain in case.chains.items():
        if id not in case.types:
            raise ProofError(f"entry {chain[0].seq} stands on a chain whose opening entry is not here")
        for item in chain:
            # Any of these kinds, not the chain's own only: check_facts has seen that it may stand on such a chain.
            if (item.kind in OPENS) != (item.entry.n == 0):
                raise ProofError(f"entry {item.seq}: a {item.kind} at n = {item.entry.n}")
        if case.types[id] == "log" and chain is not case.log:
            raise ProofError(f"entry {chain[0].seq} opens a second log")
        if case.types[id] == "message" and id != case.claim.message:
            raise ProofError(f"entry {chain[0].seq} belongs to another message than the claim's")


def _check_openings(case: Case) -> list[Sequence[Item]]:
    """The chains of exactly the recipients the claim covers; each opened by the act that recorded the message."""
    claim = case.claim
    if case.types.get(claim.message) != "message":
        raise ProofError("the message's chain is not here")
    opened = case.message[0]
    recorded = opened.kind == "message.recorded"
    total = opened.facts.recipients if recorded else 0
    if claim.recipient is not UNSET and ordinal(claim.recipient) > total:
        raise ProofError(f"the claim is about {claim.recipient}; the message has {total} recipients")
    if claim.file is not UNSET and ordinal(claim.file) > (opened.facts.files if recorded else 0):
        raise ProofError(f"the claim is about {claim.file}, which the message does not have")
    wanted = {f"r{k}" for k in range(1, total + 1)} if claim.recipient is UNSET else {claim.recipient}
    covered = covered_chains(case)
    found: dict[str, str] = {}
    for chain in covered:
        added, name = chain[0], chain[0].facts.recipient
        if added.facts.message != claim.message:
            raise ProofError(f"entry {added.seq} adds {name} to another message")
        if name in found:
            raise ProofError(f"two chains are held for {name}")
        if name not in wanted:
            raise ProofError(f"entry {added.seq} opens the chain of {name}, whom the claim does not cover")
        if opened.entry.act is UNSET or added.entry.act != opened.entry.act or added.seq <= opened.seq:
            raise ProofError(f"entry {added.seq} adds {name} by another act than recorded the message")
        found[name] = added.entry.chain
    missing = len(wanted) - len(found)
    if missing:
        name = min(wanted - found.keys(), key=ordinal)
        raise ProofError(f"the chain of {name} is not here" + (f", nor {missing - 1} others" if missing > 1 else ""))
    if recorded and claim.recipient is UNSET:
        seqs = [item.seq for item in case.items.values() if item.entry.act == opened.entry.act]
        if max(seqs) - min(seqs) + 1 != len(seqs):
            raise ProofError(f"the entries of the act that recorded the message lie apart: {min(seqs)} to {max(seqs)}")
    _check_sealed(case, total, found)
    return covered


def _check_sealed(case: Case, total: int, found: dict[str, str]) -> None:
    """What the message's entry discloses of its recipients and files is of those it counts, and of the chains held."""
    for name, sealed in case.recipients.items():
        if name in found:
            added = case.chains[found[name]][0]
            for field, said in (("address", sealed.address), ("role", sealed.role)):
                if added.disclosed.get(field, said) != said:
                    raise ProofError(f"entry {added.seq} gives {name} another {field} than the message's entry does")
    owners: dict[str, str] = {}
    for name, sealed in case.recipients.items():
        if ordinal(name) > total:
            raise ProofError(f"the message's entry discloses {name}; it has {total} recipients")
        if name in found and sealed.chain != found[name]:
            raise ProofError(f"the message's entry says the chain of {name} is another than the one held")
        if owners.setdefault(sealed.chain, name) != name or (sealed.chain in found.values() and name not in found):
            raise ProofError(f"the message's entry gives {name} the chain of another recipient")
    files = case.message[0].facts.files if total else 0
    for name in case.files:
        if ordinal(name) > files:
            raise ProofError(f"the message's entry discloses {name}; it has {files} files")


def _check_gapless(chain: Iterable[Item]) -> None:
    for n, item in enumerate(chain):
        if item.entry.n != n:
            raise ProofError(
                f"chain {item.entry.chain}: n = {n} is not here, next is n = {item.entry.n} (entry {item.seq})"
            )


def _check_tokens(case: Case, covered: Collection[Sequence[Item]]) -> None:
    """A link token opens one chain, and what came through it stands there: an access filed elsewhere shows."""
    owner: dict[str, str] = {}
    for chain in covered:
        for item in chain:
            if item.kind in ("recipient.added", "recipient.added.continued"):
                for token in item.facts.tokens or ():
                    if owner.setdefault(token, item.entry.chain) != item.entry.chain:
                        raise ProofError(f"entry {item.seq}: a link token that opens another chain too")
    for chain in (case.message, *covered):
        for item in chain:
            token = getattr(item.facts, "token", UNSET)
            if token is not UNSET and owner.get(token) != item.entry.chain:
                raise ProofError(f"entry {item.seq} came through a link token that does not open its chain")


def _check_keys(case: Case, closing: Closing) -> None:
    """The closing entry names the key entries up to it: all of those, and no other, are held."""
    named, end = set(closing.log.facts.keys), closing.log
    held = {item.seq for item in case.log if item.kind.startswith("key.") and item.seq < end.seq}
    if list(end.facts.keys) != sorted(named):
        raise ProofError(f"entry {end.seq} names its key entries out of order or twice")
    for seq in sorted(named - held):
        raise ProofError(f"entry {seq}, a key entry that entry {end.seq} names, is not here")
    for seq in sorted(held - named):
        raise ProofError(f"entry {end.seq} does not name the {case.items[seq].kind} of entry {seq} before it")


def _check_log_entries(case: Case, closing: Closing) -> None:
    """On the log's chain nothing is held but what docs/format.md lists."""
    segment = {item.seq for item in log_segment(case, closing)}
    tokens = {sha256(stamp.token).hexdigest() for stamp in case.evidence.timestamps}
    for item in case.log:
        facts: Any = item.facts
        if item.kind == "checkpoint.timestamped" and facts.token in tokens:
            continue
        if item.seq in segment or item.entry.n == 0 or item is closing.log or item.kind.startswith("key."):
            continue
        raise ProofError(f"entry {item.seq}, a {item.kind} on the log's chain, is no part of what was claimed")


def log_segment(case: Case, closing: Closing) -> Sequence[Item]:
    """For a non_access claim, the log's chain from the last beat before the message to the closing entry, in order.

    Where the log has no beat before the message it goes back to entry 0. ProofError where an entry of it is missing.
    """
    if case.claim.kind != "non_access":
        return ()
    log = list(case.log)
    end = log.index(closing.log)
    recorded = case.message[0].seq
    start = end
    while not (log[start].kind in BEATS and log[start].seq < recorded):
        n = log[start].entry.n
        if n == 0:
            break
        if start == 0 or log[start - 1].entry.n != n - 1:
            raise ProofError(
                f"the log's chain is not held whole from the last beat before the message: n = {n - 1}, "
                f"before entry {log[start].seq}, is not here"
            )
        start -= 1
    return log[start : end + 1]
