"""How a person checks a package with tools of every computer: what HOW-TO-VERIFY.txt says, and of which files.

A reader of packages makes this text anew, to see that nobody put other commands in its place. So it is part of the
format: the one beside this file is never edited, another one is a new version. Its commands are those of
docs/verify-by-hand.md, which explains more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from ledger.case import Case
from ledger.note import Verifier
from reports.parts import Part, spelt
from reports.sealed import PLACE, Certificate

VERSION: Final = 1

TEMPLATE: Final = Path(__file__).with_name(f"how-to-verify-{VERSION}.txt")


def text(said: Case, verifier: Verifier, parts: Iterable[Part], certificate: Certificate | None, shown: int) -> bytes:
    """HOW-TO-VERIFY.txt of one package: ASCII, whoever wrote a file's name. ``shown`` is how many entries have a file
    of their own."""
    made = TEMPLATE.read_text("ascii")
    made = made.replace("@ABOUT@", "\n".join(_about(said, verifier)))
    # Last, because what stands for it holds names that strangers chose.
    return made.replace("@FILES@", "\n".join(_files(said, parts, certificate, shown))).encode("ascii")


def _about(said: Case, verifier: Verifier) -> Iterator[str]:
    claim, end = said.claim, said.message[-1].entry
    what = "what was recorded" if claim.kind == "history" else "that no access is recorded"
    if isinstance(claim.file, str):
        what += f" to file {claim.file}"
    whom = claim.recipient if isinstance(claim.recipient, str) else "all recipients"
    yield f"Message      {claim.message}"
    yield f"Evidence of  {what}, for {whom}"
    yield f"As of        {end.at}, entry {end.seq}"
    yield f"Log          {said.checkpoint.origin}, {said.checkpoint.size} entries"
    yield f"Signed by    {verifier.vkey}"


def _files(said: Case, parts: Iterable[Part], certificate: Certificate | None, shown: int) -> Iterator[str]:
    rows: Sequence[tuple[str, str]] = [
        ("data/evidence.json", "all of it, for programs; the other files say it again, for people"),
        *([] if certificate is None else [(PLACE, f"certificate {certificate.number}, of entry {certificate.seq}")]),
        *((part.place, _part(part)) for part in parts),
        ("data/entries.txt", "the entries as a list: number, time (UTC), whose chain, what happened"),
        ("data/entries", f"{shown} of the {len(said.items)} entries held, octet for octet"),
        ("data/proofs", "for each of them, its way up the tree of hashes"),
        ("data/disclosures.txt", "the facts that are shown, as a list: entry, name, value"),
        ("data/disclosures", "each of them in the form that its entry holds the hash of"),
        ("data/checkpoint.txt", "the state of the log, signed"),
        ("data/keys", "the key that signed it: log.vkey (C2SP), log.pem (for openssl)"),
        ("manifest-*.txt", "hashes of all files of data; tagmanifest-sha256.txt of the others"),
    ]
    for place, words in rows:
        yield place
        yield f"  {words}"


def _part(part: Part) -> str:
    what = "the message" if part.fact == "raw" else f"file {part.fact}"
    return what + (f", called {spelt(part.name)}" if part.name else "")
