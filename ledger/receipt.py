"""Receipts: what whoever recorded something keeps."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.merkle import prove_inclusion
from ledger.sequencer import Outcome
from ledger.store.read import Reader


@dataclass(frozen=True, slots=True)
class Receipt:
    """The entry, and the proof that the log held it at the checkpoint."""

    log: str
    seq: int
    leaf_hash: str
    entry: bytes
    checkpoint: bytes
    proof: tuple[bytes, ...]


def is_at_hand(outcome: Outcome) -> bool:
    """Whether receipts of what this act wrote are made without asking the database."""
    return outcome.growth is not None and outcome.growth.start <= outcome.recorded[0].seq


def receipt(log: str, reader: Reader, outcome: Outcome, index: int = 0) -> Receipt:
    """The receipt of one of the entries an act wrote, proved at the checkpoint it was answered with."""
    recorded = outcome.recorded[index]
    if outcome.growth is not None and is_at_hand(outcome):
        proof = outcome.growth.prove(recorded.seq)
    else:
        # What an earlier request wrote is proved from the stored tiles.
        size = int(outcome.checkpoint.split(b"\n", 2)[1])
        proof = prove_inclusion(recorded.seq, size, reader.nodes(size))
    return Receipt(log, recorded.seq, recorded.leaf, recorded.data, outcome.checkpoint, tuple(proof))
