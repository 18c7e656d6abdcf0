"""Packages of a real ledger, and what an attacker makes of them: he unpacks, changes, lists all anew and packs."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

from ledger import act, closing, envelope, event, evidence, fingerprint
from ledger.log import Log
from ledger.trust import Trust
from ledger.verdict import Verdict
from reports import bag, native, parcel

SENDER, BOB, CY, DEE = "ann@sender.example", "bob@one.example", "cy@two.example", "dee@three.example"
PLAN, FIGURES = b"not really a PDF", b"1 2 3\r\n4 5 6"
PDF = b"%PDF-1.7 of a certificate"
MAIL = b"\r\n".join(
    [
        b"From: Ann <ann@sender.example>",
        b"To: bob@one.example",
        b"Cc: cy@two.example",
        b"Subject: The plan",
        b"Message-ID: <1@sender.example>",
        b"MIME-Version: 1.0",
        b"Content-Type: multipart/mixed; boundary=x",
        b"",
        b"--x",
        b"",
        b"see attached",
        b"--x",
        b"Content-Type: application/pdf",
        b"Content-Disposition: attachment; filename=plan.pdf",
        b"",
        PLAN,
        b"--x",
        b"Content-Type: application/octet-stream",
        b"Content-Disposition: attachment; filename*=UTF-8''..%2F%E2%80%AEb%C3%BCro.exe",
        b"",
        FIGURES,
        b"--x--",
        b"",
    ]
)


def record(log: Log, octets: bytes = MAIL, **details: Any) -> str:
    """A message to three recipients, the last of them a blind copy; its content is kept."""
    sent = envelope.given(SENDER, [BOB, CY, DEE])
    roles = envelope.roles(octets, sent)
    return log.record(fingerprint.take(octets), sent, roles, **{"keep": octets, "hosted": ["f1"]} | details).message


def certify(log: Log, message: str, pdf: bytes = PDF, number: str = "ps-1", recipient: int | None = None) -> None:
    """A certificate issued and sealed, as the ledger's own acts do it."""
    said = {"certificate": "delivery", "claims": "c" * 64, "number": number}
    log.write(
        closing.Close(message, "certificate.issued", event.CertificateIssued, said, log.new_id(), "api", recipient)
    )
    sealed = event.CertificateSealed(number=number, sha256=hashlib.sha256(pdf).hexdigest())
    log.write(act.Event(message, 0, "certificate.sealed", sealed, "api"))


def pack(
    log: Log, message: str, *, content: bool = True, pdf: bytes | None = None, only: Sequence[str] = (), **claimed: Any
) -> bytes:
    """The package of an export, with what was kept."""
    claim, closing = log.prepare_export(message, show=only, **claimed)
    chosen = native.choose(log.content(message), claim, only or None) if content else []
    made = evidence.format(log.assemble(claim, log.write(closing), only or None))
    return b"".join(bag.pack(made, native.read(log.content(message), chosen) if content else None, pdf).pieces)


def trust(log: Log) -> Trust:
    return Trust.of(*(key.vkey for key in log.ring.keys))


def judge(data: bytes, whom: Trust, content: bytes | None = None) -> Verdict:
    return parcel.check(parcel.open(data), whom, content)


def failed(verdict: Verdict) -> set[str]:
    return {check.name for check in verdict.checks if check.status == "failed"}


def unpack(data: bytes) -> tuple[str, dict[str, bytes]]:
    """The folder's name with its slash, and the files by their place in it."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        folder = archive.namelist()[0].partition("/")[0] + "/"
        return folder, {one.filename.removeprefix(folder): archive.read(one) for one in archive.infolist()}


def zipped(folder: str, files: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for place, octets in files.items():
            info = zipfile.ZipInfo(folder + place, (2026, 11, 23, 14, 0, 0))
            info.compress_type, info.external_attr = method, 0o100644 << 16
            archive.writestr(info, octets)
    return out.getvalue()


def listed(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The same files with lists that fit them: that much anybody can do."""
    made = dict(files)
    data = {place: octets for place, octets in files.items() if place.startswith("data/")}
    oxum = f"Payload-Oxum: {sum(map(len, data.values()))}.{len(data)}"
    lines = made["bag-info.txt"].decode().split("\n")
    made["bag-info.txt"] = "\n".join(oxum if line.startswith("Payload-Oxum") else line for line in lines).encode()
    for name in ("sha256", "sha512"):
        made[f"manifest-{name}.txt"] = manifest(data, name)
    tags = {p: o for p, o in made.items() if not p.startswith("data/") and not p.startswith("tagmanifest")}
    return made | {"tagmanifest-sha256.txt": manifest(tags, "sha256")}


def manifest(files: Mapping[str, bytes], algorithm: str) -> bytes:
    return "".join(f"{hashlib.new(algorithm, files[p]).hexdigest()}  {p}\n" for p in sorted(files)).encode()


def forge(data: bytes, changes: Mapping[str, bytes | None], *, lists: bool = True) -> bytes:
    """A package with other files; ``None`` takes one out. With ``lists`` all lists of hashes fit again."""
    folder, files = unpack(data)
    made = {place: octets for place, octets in (files | dict(changes)).items() if octets is not None}
    return zipped(folder, listed(made) if lists else made)
