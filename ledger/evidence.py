"""Evidence: one document that proves what happened to a message, to whoever holds it, without us and without a network.

`check` recomputes everything from the document's bytes, the reader's policy and, if given, the content; it looks
nothing up and reads no clock. `build` makes the document; `imprint` and `renew` keep it provable when the cryptography
of its timestamps grows old. docs/format.md, "Evidence", says what it holds and what each check means. How each is made
stands in `ledger.case` (intact), `ledger.complete` (chained, complete), `ledger.vouched` (unforked, signed, trusted,
witnessed), `ledger.timed` and `ledger.absence` (no_access_recorded).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec
from msgspec import UNSET

from ledger import (
    absence,
    case,
    complete,
    disclosure,
    document,
    fingerprint,
    match,
    multiproof,
    note,
    originals,
    timed,
    vouched,
)
from ledger import checkpoint as checkpoints
from ledger.case import Case
from ledger.differs import DIFFERENT, IDENTICAL, MISSING
from ledger.document import Claim, Evidence, Held, OfAll, OfCheckpoint, OfEarlier, Replay, format, parse
from ledger.errors import FormatError, ProofError
from ledger.merkle import Read
from ledger.sides import Copy
from ledger.trust import Compromised, Trust, TrustedLog
from ledger.verdict import NAMES, Check, NotChecked, Verdict, conclude, find, run

__all__ = [
    "check",
    "Verdict",
    "Check",
    "NAMES",
    "Trust",
    "TrustedLog",
    "Compromised",
    "build",
    "Claim",
    "OfCheckpoint",
    "OfEarlier",
    "OfAll",
    "Replay",
    "imprint",
    "renew",
    "Evidence",
    "parse",
    "format",
]

ALWAYS: Final = frozenset({"intact", "included", "chained", "complete", "signed", "trusted"})
"""Without these nothing is valid, whatever the claim and the policy."""


def check(evidence: bytes, trust: Trust, content: bytes | None = None) -> Verdict:
    """Judge a document under a policy; with ``content``, also whether that is what the document is about.

    Never raises for what the document holds: bytes that are no document at all make an invalid verdict.
    """
    required = ALWAYS | set(trust.require) | ({"content"} if content is not None else set())
    read = find("intact", lambda: case.read(parse(evidence)))
    intact = run("intact", lambda: _describe(read.own()))
    if intact.status != "passed":
        return conclude(
            [intact, *(Check(name, "not_checked", "the document is not intact") for name in NAMES[1:])], required
        )
    said = read.own()
    if said.claim.kind == "non_access":
        required |= {"no_access_recorded", "unforked"}
    chained = find("chained", lambda: complete.check_chained(said))
    whole = find("complete", lambda: complete.check_complete(said))
    stamps = find("timed", lambda: timed.judge(said, trust))
    proven = stamps.own() if stamps.error is None else None
    signed = find("signed", lambda: vouched.check_signed(said, proven, trust))
    checks = [
        intact,
        run("content", lambda: _check_content(said, content)),
        run("included", lambda: _check_included(said)),
        run("chained", chained.own),
        run("complete", lambda: complete.describe(whole.own())),
        run("unforked", lambda: vouched.check_unforked(said, whole.needed(), trust)),
        run("signed", lambda: vouched.describe_signed(said, signed.own())),
        run("trusted", lambda: vouched.check_trusted(signed.needed(), proven, trust)),
        run("timed", lambda: timed.check_timed(said, stamps.own(), whole.needed())),
        run("witnessed", lambda: vouched.check_witnessed(said, signed.needed(), trust)),
        run("no_access_recorded", lambda: chained.needed() and absence.check_no_access(said, whole.needed())),
    ]
    return conclude(checks, required)


def _describe(said: Case) -> str:
    disclosures = sum(len(item.disclosed) for item in said.items.values())
    return f"{len(said.items)} entries and {disclosures} disclosures that they commit to"


def _check_content(said: Case, content: bytes | None) -> str:
    """Hold octets against what is disclosed of the message, and against each file that is."""
    if content is None:
        raise NotChecked("no content was given")
    sealed = {name: value for item in said.recording for name, value in item.disclosed.items()}
    claimed = said.claim.file
    for name, leaf in originals.leaves_of(sealed).items():
        # Of nothing at all nothing is proved; and of a claim on one file that is what it is about.
        if content and claimed in (UNSET, name) and fingerprint.is_of(content, leaf):
            return f"identical to the {'file' if leaf.file else 'part'} {name}"
    total = said.message[0].facts.files if said.message and said.message[0].kind == "message.recorded" else 0
    files = f"{len(said.files)} of {total} files disclosed"
    if said.raw is None:
        why = f"was {said.erased}" if said.erased else "is not disclosed here, or was erased"
        raise NotChecked(f"the digest of the message {why}; it is none of the {files}")
    if said.message[0].facts.fingerprint not in fingerprint.ALGORITHMS:
        raise NotChecked("the message's digest was made in a way that is not known here")
    try:
        copy = Copy.of(content)
    except FormatError:
        raise ProofError(f"no message, and none of the {files}") from None
    shown = all(len(item.disclosed) == len(item.entry.sealed) for item in said.recording)
    known = originals.of_sealed if shown else originals.of_disclosed
    original = known(sealed, "evidence holds hashes of it only")
    found = match.compare(original, copy)
    if found is None and original.unknown:
        raise NotChecked(f"what would tie it to the message is not disclosed here; it is none of the {files}")
    if found is None:
        raise ProofError(f"different from the message, and from the {files}")
    told = "; ".join(f"{one.where} {one.detail}".strip() for one in found.differences if one.kind != "transport")
    detail = f"{found.level}{': ' if told else ''}{told}"
    if found.level in (MISSING, DIFFERENT):
        if found.open:
            raise NotChecked(f"how much of the message it is cannot be told from this evidence alone: {told}")
        raise ProofError(detail)
    return "identical to the message, line ends aside" if found.level == IDENTICAL else f"the message: {detail}"


def _check_included(said: Case) -> str:
    told = said.checkpoint
    leaves = {seq: item.leaf for seq, item in said.items.items()}
    multiproof.check_many(leaves, told.size, [bytes.fromhex(node) for node in said.evidence.proof], told.root)
    return f"{len(leaves)} of the {told.size} entries under the checkpoint's root"


def build(
    claim: Claim,
    entries: Mapping[int, bytes],
    disclosures: Mapping[int, Iterable[str]],
    checkpoint: bytes,
    read: Read,
    *,
    timestamps: Sequence[OfCheckpoint | OfEarlier | OfAll] = (),
    replays: Sequence[Replay] = (),
) -> Evidence:
    """The document over these entries (bytes as stored, by seq) with these disclosures of theirs (D, by seq).

    Which entries those are, docs/format.md lists; ``checkpoint`` is a signed note over a tree that holds them all, with
    its cosignatures, and ``read`` gives the hashes of that tree. The same arguments make the same bytes. A ProofError
    or FormatError says what a stranger would find wrong: nothing is handed out that cannot be checked.
    """
    told = checkpoints.parse(note.parse(checkpoint)[0])
    made = Evidence(
        checkpoint=checkpoint.decode(),
        claim=claim,
        entries=tuple(
            Held(
                disclosures=tuple(sorted(disclosures.get(seq, ()), key=disclosure.digest)), entry=entries[seq], seq=seq
            )
            for seq in sorted(entries)
        ),
        format="postseal-evidence/1",
        proof=tuple(node.hex() for node in multiproof.prove_many(entries, told.size, read)),
        replays=tuple(replays),
        timestamps=tuple(timestamps),
    )
    said = case.read(parse(format(made)))
    _check_included(said)
    complete.check_chained(said)
    complete.check_complete(said)
    return made


def imprint(evidence: Evidence) -> bytes:
    """What a renewal is made for: SHA-256 of the document as it is, all its timestamps included."""
    return document.renewal_imprints(evidence)[-1]


def renew(evidence: Evidence, token: bytes) -> Evidence:
    """The document with one more token (DER), over its `imprint`. Any holder may; nothing else may change after."""
    return msgspec.structs.replace(evidence, timestamps=(*evidence.timestamps, OfAll(token=token)))
