"""What was kept of a message, chosen to go along with a claim: no more than the claim discloses, and shows nobody else.

The header of a message names its other recipients. So with a claim about one of them go the files alone.
"""

from __future__ import annotations

from collections.abc import Collection

from msgspec import UNSET

from ledger.content import Content, missing
from ledger.document import Claim
from ledger.errors import InvalidRequest
from ledger.spelling import ordinal
from reports.bag import Pieces


def choose(held: Content, claim: Claim, only: Collection[str] | None) -> list[str]:
    """The facts (``raw``, ``f1`` ...) whose octets go along; ``only`` as the export has it.

    InvalidRequest where there are none, or the whole message is asked for by name and would show others; Erased where
    it is asked for by name and is not whole any more.
    """
    files = sorted((name for name in held.sealed if name[0] == "f" and name[1:].isdigit()), key=ordinal)
    chosen = [name for name in files if claim.file in (UNSET, name) and (only is None or name in only)]
    whole = claim.recipient is UNSET and claim.file is UNSET
    if only is not None and "raw" in only and not whole:
        raise InvalidRequest("the message as a whole names its other recipients: for one of them choose files of it")
    gone = missing(held.parts)
    if whole and ("raw" in only if only is not None else "raw" in held.sealed and not gone):
        # Of a message whose header was erased with somebody the files are left; who asks for all of it is told.
        for part in gone:
            held.check(part)
        chosen.insert(0, "raw")
    if not chosen:
        raise InvalidRequest("none of the content that was kept is disclosed by this claim")
    return chosen


def looks(chosen: Collection[str]) -> list[str]:
    """What is to be on record as looked at, before any of it is shown."""
    return ["content"] if "raw" in chosen else [f"file.{name}" for name in chosen]


def read(held: Content, chosen: Collection[str]) -> dict[str, Pieces]:
    """Their octets; of files these are authenticated before this returns. Erased, Damaged."""
    files = [name for name in chosen if name != "raw"]
    found: dict[str, Pieces] = {"raw": held.whole} if "raw" in chosen else {}
    leaves = held.several(files) if files else {}
    return found | {name: leaf.pieces for name, leaf in leaves.items()}
