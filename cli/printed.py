"""The part of `postseal verify` that judges certificates: it reads PDF and draws it, and is loaded only for one."""

from __future__ import annotations

from pathlib import Path

from cli.exits import USAGE, Stop
from ledger.errors import FormatError
from ledger.trust import Trust
from ledger.verdict import Verdict
from reports import paper


def judge(file: Path, data: bytes, policy: Trust, content: bytes | None) -> tuple[Verdict, bytes]:
    """The verdict on a certificate, and the evidence in it."""
    try:
        twin = paper.twin(data)
    except FormatError as error:
        raise Stop(USAGE, f"{file} is {error}") from None
    return paper.check(data, twin, policy, content), twin
