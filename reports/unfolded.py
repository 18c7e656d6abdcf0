"""Evidence unfolded into files that a person can check with `sha256sum` and `openssl`: each says again what stands in
the evidence, and nothing else, so that whoever has the evidence can make all of them anew and compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec import UNSET

from ledger import disclosure, document, keyhistory, merkle, multiproof, note
from ledger.case import Case, Item
from ledger.errors import ProofError
from ledger.note import Verifier
from reports.parts import spelt

EVIDENCE: Final = "data/evidence.json"
CHECKPOINT: Final = "data/checkpoint.txt"

_LONGEST: Final = 64
"""Characters of a disclosure's name that names its file."""


def unfold(said: Case, evidence: bytes) -> dict[str, bytes]:
    """Every file but content and certificate, by its place in the package. ProofError, FormatError where the evidence
    does not hold together."""
    shown = shown_of(said)
    verifier = signer_of(said)
    key = Ed25519PublicKey.from_public_bytes(verifier.public_key)
    made = {
        EVIDENCE: evidence,
        CHECKPOINT: document.text(said.evidence.checkpoint),
        "data/keys/log.pem": key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "data/keys/log.vkey": f"{verifier.vkey}\n".encode(),
        "data/entries.txt": "".join(_line(said, item) for item in shown).encode(),
    }
    leaves = {seq: item.leaf for seq, item in said.items.items()}
    size = said.checkpoint.size
    nodes = [bytes.fromhex(node) for node in said.evidence.proof]
    multiproof.check_many(leaves, size, nodes, said.checkpoint.root)
    paths = multiproof.prove_each([item.seq for item in shown], leaves, size, nodes)
    texts: list[tuple[int, str]] = []
    held = {one.seq: one for one in said.evidence.entries}
    for item in shown:
        made[f"data/entries/{item.seq}.json"] = held[item.seq].entry
        made[f"data/proofs/{item.seq}.txt"] = _path(item.seq, size, paths[item.seq])
        for number, text in enumerate(held[item.seq].disclosures, 1):
            fact = disclosure.parse(text)
            made[_place(item.seq, number, fact.name)] = text.encode("ascii")
            texts.append((item.seq, f"{fact.name}\t{spelt(fact.value)}\n"))
    made["data/disclosures.txt"] = "".join(f"{seq}\t{line}" for seq, line in sorted(texts)).encode("ascii")
    return made


def shown_of(said: Case) -> Sequence[Item]:
    """The entries that get a file: all but those of the log's own chain by which non-access shows that the recorder was
    alive. They are many, all alike, and stand in the evidence."""
    act = said.message[-1].entry.act if said.message else UNSET
    log = {item.seq for item in said.log}
    return [
        item
        for item in said.items.values()
        if item.seq not in log
        or (act is not UNSET and item.entry.act == act)
        or item.kind in ("ledger.opened", "checkpoint.timestamped")
        or item.kind.startswith("key.")
    ]


def signer_of(said: Case) -> Verifier:
    """The key whose signature on the checkpoint a person is told to check: of the first line by the log's name."""
    text, signatures = note.parse(document.text(said.evidence.checkpoint))
    keys = {key.verifier.key_id: key.verifier for key in keyhistory.read(said.log)}
    for signature in signatures:
        if signature.name == said.checkpoint.origin:
            if signature.key_id not in keys:
                break
            keys[signature.key_id].check(text, signature.signature)
            return keys[signature.key_id]
    raise ProofError("the first signature by the log's name on the checkpoint is of none of the log's keys")


def _path(seq: int, size: int, hashes: Sequence[bytes]) -> bytes:
    """An inclusion proof, from the leaf up: on which side of what was computed each hash stands."""
    sides = []
    low, high = 0, size
    while high - low > 1:
        middle = merkle.split(low, high)
        if seq < middle:
            sides.append("R")
            high = middle
        else:
            sides.append("L")
            low = middle
    return "".join(f"{side} {one.hex()}\n" for side, one in zip(reversed(sides), hashes, strict=True)).encode()


def _place(seq: int, number: int, name: str) -> str:
    return f"data/disclosures/{seq}-{name if len(name) <= _LONGEST else number}.txt"


def chain_of(said: Case, item: Item) -> str:
    """Whose chain an entry stands on, in a word: ``message``, ``log`` or ``r1`` ..."""
    if said.types.get(item.entry.chain) != "recipient":
        return said.types.get(item.entry.chain, "?")
    name: str = said.chains[item.entry.chain][0].facts.recipient
    return name


def _line(said: Case, item: Item) -> str:
    return f"{item.seq}\t{item.entry.at}\t{chain_of(said, item)}\t{item.kind}\n"
