"""Adding an auditor's replay statement to evidence: the one thing a holder may add besides timestamps."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from cli.exits import NO, USAGE, Stop
from ledger import checkpoint, durable, evidence, note
from ledger.audit import Report
from ledger.errors import FormatError, LedgerError
from ledger.evidence import Replay
from ledger.merkle import prove_consistency
from ledger.store.read import Reader
from reports import parcel

MAX_BYTES = 256 * 1024 * 1024


def attach(path: Path, signed: bytes, report: Report, reader: Reader) -> None:
    """Put the statement into the evidence at ``path``, tied to its checkpoint by a consistency proof. A package is
    packed again around it."""
    try:
        data = durable.read(path, MAX_BYTES)[0]
        package = parcel.open(data) if parcel.is_package(data) else None
        document = evidence.parse(data if package is None else package.evidence)
        told = checkpoint.parse(note.parse(document.checkpoint.encode())[0])
    except (FormatError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Stop(USAGE, f"{path}: {reason}") from None
    if told.origin != report.origin or told.size > report.size or reader.root(told.size) != told.root:
        raise Stop(NO, f"{path} is of another log than the one that was audited")
    small, large = sorted((told.size, report.size))
    proof = prove_consistency(small, large, reader.nodes(large)) if small < large else []
    added = Replay(consistency=tuple(node.hex() for node in proof), statement=signed.decode())
    made = evidence.format(replace(document, replays=(*document.replays, added)))
    if package is not None:
        try:
            made = b"".join(parcel.repack(package, made).pieces)
        except LedgerError as error:
            raise Stop(NO, f"{path}: {error}") from None
    durable.replace(path, made)
