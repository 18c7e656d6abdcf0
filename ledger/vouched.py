"""Who vouches for the checkpoint of a document: the checks ``signed``, ``trusted``, ``witnessed`` and ``unforked``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ledger import checkpoint, document, ids, keyhistory, merkle, note, statement, witness
from ledger.case import Case
from ledger.complete import Closing
from ledger.errors import ProofError, SignatureError
from ledger.keyhistory import Key
from ledger.timed import Proven, first_after
from ledger.trust import Trust
from ledger.verdict import NotChecked

RULES: Final = frozenset({1})
"""Versions of the replay's rules (docs/format.md, "Rules of a replay") that this check knows to be enough."""

_WHY: Final = "that nothing is hidden, only a replay of the whole log shows"


@dataclass(frozen=True, slots=True)
class Signed:
    """The log's keys in order, and the places of those whose signature on the checkpoint counts."""

    keys: Sequence[Key]
    good: Sequence[int]

    @property
    def signer(self) -> Key:
        """The newest key that counts."""
        return self.keys[self.good[-1]]


def check_signed(case: Case, proven: Sequence[Proven] | None, trust: Trust) -> Signed:
    """That a key of the log, in use at that size and not in other hands by then, signed the checkpoint.

    ``proven`` are the timestamps that hold, or None where none could be judged: a stolen key can date a signature as
    it likes, so only a timestamp shows that one was made before the theft.
    """
    keys = keyhistory.read(case.log)
    if not keys:
        raise ProofError("the entries held introduce no key")
    origin = keys[0].verifier.name
    _, opened = checkpoint.open(document.text(case.evidence.checkpoint), origin, [key.verifier for key in keys])
    signers = {signature.key_id for signature in opened.verified}
    good, doubts = [], []
    unjudged = False
    for place, key in enumerate(keys):
        if key.verifier.key_id not in signers:
            continue
        since = stolen(key, trust)
        if not key.signs(case.checkpoint.size):
            use = (
                f"retired by entry {key.retired}"
                if key.retired is not None
                else f"introduced by entry {key.introduced}"
            )
            doubts.append(f"{key.label} was {use}: it does not sign a checkpoint of size {case.checkpoint.size}")
        elif since is None or first_after(proven or (), case.checkpoint.size, since) is not None:
            good.append(place)
        else:
            unjudged |= proven is None and bool(case.evidence.timestamps)
            doubts.append(f"{key.label} is compromised since {since}, and no timestamp shows that it signed before")
    if good:
        return Signed(keys, good)
    if unjudged:
        raise NotChecked(f"{doubts[-1]}: the timestamps could not be checked")
    raise SignatureError("; ".join(doubts))


def describe_signed(case: Case, signed: Signed) -> str:
    """The detail of a passed check."""
    return f"the checkpoint of size {case.checkpoint.size} is signed by {signed.signer.label}"


def stolen(key: Key, trust: Trust) -> str | None:
    """Since when the key is in other hands: by the log's own word or by the reader's, whichever is earlier."""
    known = trust.log(key.verifier.name)
    said = [] if known is None else [item.since for item in known.compromised if item.vkey == key.verifier.vkey]
    return min([*said, *([key.compromised] if key.compromised else [])], default=None)


def check_trusted(signed: Signed, proven: Sequence[Proven] | None, trust: Trust) -> str:
    """That the reader's policy names the signing key, or one that endorsed it, step by step, while it was sound."""
    origin = signed.signer.verifier.name
    known = trust.log(origin)
    if known is None:
        raise NotChecked(f"the trust policy names no key of {origin}")
    for place in reversed(signed.good):
        for step in range(place, -1, -1):
            key = signed.keys[step]
            if key.verifier.vkey in known.keys:
                through = f", endorsed from {key.label} in {place - step} steps" if step < place else ""
                return f"{signed.keys[place].label} is trusted for {origin}{through}"
            if step and not _endorses(signed.keys[step - 1], key, proven, trust):
                break
    raise SignatureError(
        f"{signed.signer.label} is not a key that the trust policy names for {origin}, nor endorsed by one"
    )


def _endorses(before: Key, key: Key, proven: Sequence[Proven] | None, trust: Trust) -> bool:
    """Whether the endorsement of ``key`` counts: a stolen key endorses whatever the thief likes."""
    since = stolen(before, trust)
    return since is None or first_after(proven or (), key.introduced + 1, since) is not None


def check_witnessed(case: Case, signed: Signed, trust: Trust) -> str:
    """That enough of the reader's witnesses saw this checkpoint and no other of its size."""
    if not trust.witnesses:
        raise NotChecked("the trust policy names no witnesses")
    verifiers = [witness.CosignatureVerifier.parse(vkey) for vkey in trust.witnesses]
    data = document.text(case.evidence.checkpoint)
    seen = witness.check_cosignatures(data, signed.signer.verifier, verifiers, 0)
    if len(seen) < trust.quorum:
        raise NotChecked(
            f"cosigned by {len(seen)} of the witnesses that the trust policy names, {trust.quorum} required"
        )
    return "cosigned by " + ", ".join(f"{name} at {_posix(seconds)}" for name, seconds in seen)


def _posix(seconds: int) -> str:
    return ids.format_time(seconds * 1_000_000) if seconds < 253_402_300_800 else f"{seconds} s after 1970"


def check_unforked(case: Case, closing: Closing, trust: Trust) -> str:
    """That an auditor of the reader's replayed the very log that the checkpoint is of, past the closing entry.

    Only a replay shows that the chains held are the only ones, and that no access was filed under another.
    """
    if not trust.auditors:
        raise NotChecked(f"the trust policy names no auditors: {_WHY}")
    auditors = [note.Verifier.parse(vkey) for vkey in trust.auditors]
    known = {(auditor.name, auditor.key_id) for auditor in auditors}
    reasons = [f"no replay statement by an auditor of the trust policy is held: {_WHY}"]
    passed = ""
    for replay in case.evidence.replays:
        data = document.text(replay.statement)
        if not any((line.name, line.key_id) in known for line in note.parse(data)[1]):
            continue
        told = statement.open(data, auditors)
        _check_tied(case, told, [bytes.fromhex(node) for node in replay.consistency])
        if told.size <= closing.last:
            reasons.append(
                f"the replay held reaches to size {told.size}, the closing act to {closing.last + 1}: {_WHY}"
            )
        elif told.rules_version not in RULES:
            reasons.append(
                f"the replay held was made by rules of version {told.rules_version}, which are not known here"
            )
        else:
            passed = f"an auditor replayed the whole log to size {told.size}, by rules of version {told.rules_version}"
    if not passed:
        raise NotChecked(reasons[-1])
    return passed


def _check_tied(case: Case, told: statement.Statement, proof: Sequence[bytes]) -> None:
    """The statement is of the checkpoint's own log: else an honest auditor's word on another log would serve."""
    ours = case.checkpoint
    if told.origin != ours.origin:
        raise ProofError("the replay statement is of another log")
    low, high = sorted((told.checkpoint, ours), key=lambda each: each.size)
    try:
        merkle.check_consistency(low.size, low.root, high.size, high.root, proof)
    except ProofError as error:
        raise ProofError(
            f"the replay of size {told.size} is not tied to the checkpoint of size {ours.size}: {error}"
        ) from None
