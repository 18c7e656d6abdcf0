"""Judging a package that a stranger handed over: its evidence, and whether all that lies beside it says the same.

A person who checks by hand reads the files beside the evidence, a program the evidence. So each of these files is made
again from the evidence and compared octet by octet: whoever swaps one of them, and all the lists of hashes with it, is
found out. Content and certificate must be those that entries hold the hashes of. Nothing here needs more than the
package and the reader's own word whom he trusts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from ledger import case, document, evidence
from ledger.case import Case
from ledger.errors import FormatError, ProofError
from ledger.trust import Trust
from ledger.verdict import NAMES, PACKAGED, Check, NotChecked, Verdict, conclude, run
from reports.bag import Package, lay_out, pack
from reports.parts import FOLDER as CONTENT
from reports.parts import Measured, Part, measure, parts_of
from reports.sealed import PLACE, certificate_of
from reports.unfolded import EVIDENCE
from reports.unzipping import START, Octets, read

LIMIT: Final = 1 << 30
"""Octets of all files of a package together, unless the reader says less."""

_UUID: Final = rb"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_TOP: Final = re.compile(rb"postseal-" + _UUID + rb"/")
_NAME_AT: Final = 30
"""Where in an archive the first file's name stands."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A package as it was read, files by their place in its folder; or why it could not be read."""

    folder: str
    files: Mapping[str, Octets] = field(default_factory=dict)
    problem: str = ""

    @property
    def evidence(self) -> bytes:
        """The document; no octets where there is none."""
        return bytes(self.files.get(EVIDENCE, b""))


def is_package(data: bytes) -> bool:
    """Whether it says that it is, so that it is judged."""
    return data[:4] == START and _TOP.match(data, _NAME_AT) is not None


def open(data: bytes, limit: int = LIMIT) -> Parcel:
    """Read a package. FormatError for what does not say that it is one."""
    if not is_package(data):
        raise FormatError("not a Postseal package")
    folder = data[_NAME_AT : data.index(b"/", _NAME_AT) + 1].decode("ascii")
    try:
        files = read(data, limit)
        outside = next((name for name in files if not name.startswith(folder)), None)
        if outside is not None:
            raise FormatError(f"{outside} lies outside of the folder {folder}")
    except FormatError as error:
        return Parcel(folder, problem=str(error))
    return Parcel(folder, {name.removeprefix(folder): octets for name, octets in files.items()})


def repack(parcel: Parcel, evidence: bytes) -> Package:
    """The same content and certificate with other evidence about them: with one more timestamp or statement, say. What
    else lay in the package is left out. FormatError where it could not be read; ProofError as of `bag.pack`."""
    if parcel.problem:
        raise FormatError(parcel.problem)
    parts = parts_of(case.read(document.parse(evidence)))
    contents = {parts[place].fact: partial(_alone, held) for place, held in parcel.files.items() if place in parts}
    certificate = parcel.files.get(PLACE)
    return pack(evidence, contents, None if certificate is None else bytes(certificate))


def _alone(octets: Octets) -> tuple[Octets]:
    return (octets,)


def check(parcel: Parcel, trust: Trust, content: bytes | None = None) -> Verdict:
    """Judge it under a policy; with ``content``, also whether that is what its evidence is about. Never raises for what
    the package holds."""
    if EVIDENCE not in parcel.files:
        checks = [*_unmade(NAMES, "there is no evidence to be read"), *_unmade(PACKAGED, "the package cannot be read")]
        reason = parcel.problem or f"{EVIDENCE} is missing"
        checks[len(NAMES)] = Check("package", "failed", reason)
        return conclude(checks, {"package"})
    judged = evidence.check(parcel.evidence, trust, content)
    required = judged.required | {"package"}
    made = {check.name: check for check in judged.checks}
    if any(made[name].status != "passed" for name in ("intact", "included", "complete")):
        return conclude([*judged.checks, *_unmade(PACKAGED, "the evidence in it does not hold together")], required)
    said = case.read(document.parse(parcel.evidence))
    parts = parts_of(said)
    large = {
        place: measure((octets,), parts[place].second if place in parts else None)
        for place, octets in parcel.files.items()
        if place.startswith(CONTENT) or place == PLACE
    }
    if any(place.startswith(CONTENT) for place in large):
        required |= {"content"}
        own = run("content", lambda: _check_content(parts, large))
        made["content"] = own if content is None else _both(made["content"], own)
    if PLACE in large:
        required |= {"certificate"}
    checks = [
        *(made[name] for name in NAMES),
        run("package", lambda: _check_package(said, parcel, parts, large)),
        run("certificate", lambda: _check_certificate(said, large)),
    ]
    return conclude(checks, required)


def _check_package(said: Case, parcel: Parcel, parts: Mapping[str, Part], large: Mapping[str, Measured]) -> str:
    wanted = lay_out(said, parcel.evidence, large)
    for place in parcel.files:
        if place not in wanted and place not in parts and place != PLACE:
            raise ProofError(f"{place} is no part of a package")
    for place, octets in sorted(wanted.items(), key=lambda one: not one[0].startswith("data/")):
        held = parcel.files.get(place)
        if held is None:
            raise ProofError(f"{place} is missing")
        if held != octets:
            raise ProofError(_difference(place, octets, bytes(held)))
    return f"{len(parcel.files)} files; each says what the evidence says, or is what the evidence has the hash of"


def _difference(place: str, octets: bytes, held: bytes) -> str:
    if not place.removeprefix("tag").startswith("manifest-"):
        return f"{place} does not say what the evidence says"
    lines = frozenset(held.split(b"\n"))
    missing = next((line for line in octets.split(b"\n") if line not in lines), None)
    if missing is None:
        return f"{place} lists more than there is"
    return f"{place} does not state the hash of {missing.partition(b'  ')[2].decode('ascii')}"


def _check_content(parts: Mapping[str, Part], large: Mapping[str, Measured]) -> str:
    facts = []
    for place, found in large.items():
        if not place.startswith(CONTENT):
            continue
        if place not in parts:
            raise ProofError(f"{place} is nothing that the evidence discloses")
        parts[place].check(found)
        facts.append(parts[place].fact)
    return f"in the package, as it was recorded: {', '.join(sorted(facts))}"


def _check_certificate(said: Case, large: Mapping[str, Measured]) -> str:
    if PLACE not in large:
        raise NotChecked("there is no certificate in the package")
    found = certificate_of(said, large[PLACE].sha256)
    later = f"; certificate {found.superseded} has taken its place since" if found.superseded else ""
    return f"certificate {found.number}, issued by entry {found.seq}{later}"


def _both(given: Check, own: Check) -> Check:
    """The check of a file that the reader holds, and of those in the package."""
    order = ("failed", "not_checked", "passed")
    first, second = sorted((given, own), key=lambda check: order.index(check.status))
    detail = first.detail if first.status != "passed" else f"{first.detail}; {second.detail}"
    return Check("content", first.status, detail)


def _unmade(names: Sequence[str], reason: str) -> list[Check]:
    return [Check(name, "not_checked", reason) for name in names]
