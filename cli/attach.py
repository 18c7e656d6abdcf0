"""Adding an auditor's replay statement to evidence: the one thing a holder may add besides timestamps."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from cli.exits import NO, USAGE, Stop
from ledger import checkpoint, durable, evidence, note
from ledger.audit import Report
from ledger.errors import FormatError
from ledger.evidence import Replay
from ledger.merkle import prove_consistency
from ledger.store.read import Reader

MAX_BYTES = 256 * 1024 * 1024


def attach(path: Path, signed: bytes, report: Report, reader: Reader) -> None:
    """Put the statement into the document at ``path``, tied to its checkpoint by a consistency proof."""
    try:
        document = evidence.parse(durable.read(path, MAX_BYTES)[0])
        told = checkpoint.parse(note.parse(document.checkpoint.encode())[0])
    except (FormatError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Stop(USAGE, f"{path}: {reason}") from None
    if told.origin != report.origin or told.size > report.size or reader.root(told.size) != told.root:
        raise Stop(NO, f"{path} is of another log than the one that was audited")
    small, large = sorted((told.size, report.size))
    proof = prove_consistency(small, large, reader.nodes(large)) if small < large else []
    added = Replay(consistency=tuple(node.hex() for node in proof), statement=signed.decode())
    made = replace(document, replays=(*document.replays, added))
    durable.replace(path, evidence.format(made))
