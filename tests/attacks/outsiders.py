"""Those who are not the operator: somebody who kept a checkpoint, a witness, an auditor, a timestamp authority."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from ledger import checkpoint, document, merkle, note, statement, witness
from ledger.checkpoint import Checkpoint
from ledger.document import Evidence, OfCheckpoint, OfEarlier, Replay
from ledger.errors import ProofError
from ledger.evidence import Trust, TrustedLog
from ledger.store import open_reader
from ledger.witness import Request
from tests.attacks.world import ORIGIN, World
from tests.ledger.authority import Authority

AUDITOR = note.Signer("auditor.example", b"u" * 32)
COSIGNER = witness.Cosigner("witness.example", witness.ED25519, b"w" * 32)
CLOCK = Authority("Time")


class Witness:
    """As C2SP tlog-witness has it: cosigns a checkpoint if it extends the last one it cosigned, and remembers it."""

    def __init__(self, world: World) -> None:
        self._log = [note.Verifier.parse(vkey) for vkey in world.vkeys]
        self.last = Checkpoint(ORIGIN, 0, merkle.EMPTY_ROOT)

    def add(self, body: bytes, posix: int) -> note.Signature:
        """ProofError for what does not extend it; the caller may be anyone."""
        request = witness.parse_request(body)
        told, opened = checkpoint.open(request.note, ORIGIN, self._log)
        if request.old_size != self.last.size:
            raise ProofError(f"conflict: {self.last.size}")
        if self.last.size:
            merkle.check_consistency(self.last.size, self.last.root, told.size, told.root, list(request.proof))
        self.last = told
        return COSIGNER.cosign(opened.text, posix)

    def ask(self, world: World, signed: bytes) -> note.Signature:
        """The operator asks for a cosignature, with the best proof that his tree has."""
        size = checkpoint.parse(note.parse(signed)[0]).size
        proof = tuple(consistency(world, self.last.size, size))
        return self.add(witness.format_request(Request(self.last.size, proof, signed)), 1_780_000_000)


def consistency(world: World, old: int, new: int) -> list[bytes]:
    return merkle.prove_consistency(old, new, open_reader(world.url).nodes(new)) if old else []


def tied(world: World, kept: Checkpoint, state: Checkpoint) -> None:
    """ProofError unless ``state`` extends what was kept; the proof is the best that the database can make."""
    merkle.check_consistency(kept.size, kept.root, state.size, state.root, consistency(world, kept.size, state.size))


@dataclass(frozen=True)
class Vouched:
    """What the outsiders said of the honest ledger while it was honest."""

    early: tuple[Checkpoint, bytes]
    replay: bytes
    token: bytes

    def attach(self, made: Evidence, world: World, stamp: bytes | None = None) -> Evidence:
        """All of it on a document from a ledger, tied to its checkpoint as well as its tree can."""
        state = checkpoint.parse(note.parse(document.text(made.checkpoint))[0])
        told = statement.open(self.replay, [AUDITOR.verifier])
        replay = Replay(
            consistency=_hex(consistency(world, *sorted((told.size, state.size)))), statement=self.replay.decode()
        )
        early, signed = self.early
        stamps: list[Any] = [
            OfEarlier(
                consistency=_hex(consistency(world, early.size, state.size)), note=signed.decode(), token=self.token
            )
        ]
        stamps += [] if stamp is None else [OfCheckpoint(token=stamp)]
        return replace(made, replays=(replay,), timestamps=tuple(stamps))


def _hex(hashes: list[bytes]) -> tuple[str, ...]:
    return tuple(node.hex() for node in hashes)


def trust(world: World, **more: Any) -> Trust:
    """A policy that believes the log's keys, and as many others as it is told to."""
    return Trust(logs=(TrustedLog(origin=ORIGIN, keys=tuple(sorted(world.vkeys))),), **more)
