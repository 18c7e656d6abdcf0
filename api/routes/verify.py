"""Verifying: what a document proves by itself, and whether a file is one that was recorded."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any, Final

import anyio.to_thread
from fastapi import APIRouter, Request, Response

from api import answers, bodies, multipart
from api.errors import Problem
from api.openapi import OPTIONAL, problems
from api.roles import may
from api.routes.reading import looked
from api.service import Caller, Service, serving
from api.verified import Verified
from ledger import evidence
from ledger.differs import unquoted
from ledger.errors import FormatError
from ledger.identify import Identified
from ledger.trust import Trust
from ledger.verdict import Verdict
from reports import paper, parcel

router = APIRouter(tags=["verify"])

MARK: Final = b"postseal-evidence/"

INFLATED: Final = 2
"""How many times the limit the files of a package may be together. Packages are not compressed, unless on the way."""

MATCHES: Final = 100
"""Messages that are told of one file, the newest."""

_BODY: Final = {
    "requestBody": {
        "required": True,
        "description": "Evidence (`postseal-evidence/1`), a package of it (.zip), a certificate (.pdf), a message or "
        "any file, as it is or as part `file` of a form; with evidence, part `content` may be the mail or file that it "
        "should be evidence of.",
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "contentMediaType": "application/octet-stream"},
                        "content": {"type": "string", "contentMediaType": "application/octet-stream"},
                    },
                }
            },
        },
    }
}


@router.post(
    "/v1/verify",
    response_model=Verified,
    openapi_extra=OPTIONAL | _BODY,
    responses=problems("too-large", "unsupported-media-type", "invalid"),
)
async def verify(request: Request) -> Response:
    """Judge evidence, a package of it with all that lies in it, or a certificate: everything is computed again. Looked
    up is only whether a certificate is the file that this log has sealed, and what became of it. Open to all; trusted
    are this log's keys. To trust others, or nobody, `postseal verify` does the same offline; it also draws the paper of
    a certificate again.

    Any other file is held against what was recorded, if a key says who asks: which message, or which file of one, it is
    a copy of, at which of seven levels, and everything in which it differs. Found by the hash of its octets, its
    Message-ID or its Date; what is not kept cannot be compared further than by hashes, and is said not to be.
    """
    service = serving(request)
    caller = await service.caller(request, None) if "authorization" in request.headers else None
    data, content = await _read(request, service.settings.message_bytes)
    judged = await anyio.to_thread.run_sync(judge, service, data, content)
    if judged is not None:
        return answers.found(judged)
    if caller is None or not may(caller.role, "read"):
        return answers.found(unasked())
    matches = [_match(one) for one in await matched(service, caller, data)]
    said = "this is no evidence, so it proves nothing by itself; it was held against what was recorded"
    return answers.found({"verdict": "unknown", "checks": [_check("intact", "not_checked", said)], "matches": matches})


async def _read(request: Request, limit: int) -> tuple[bytes, bytes | None]:
    if bodies.media_type(request) != "multipart/form-data":
        return await bodies.read(request, limit), None
    body = await bodies.read(request, limit + bodies.JSON_LIMIT)
    kind, names, optional = request.headers["content-type"], frozenset({b"file"}), frozenset({b"content"})
    parts = await anyio.to_thread.run_sync(multipart.parse_files, body, kind, names, optional)
    if sum(len(part.octets) for part in parts.values()) > limit:
        raise Problem("too-large", f"what is sent is longer than {limit:,} bytes")
    return parts[b"file"].octets, parts[b"content"].octets if b"content" in parts else None


def weigh(service: Service, data: bytes, content: bytes | None) -> tuple[Verdict, bytes] | None:
    """Evidence, a package or a certificate, under this service's policy: its log's keys, and nobody else's. With the
    evidence. None for what is none of these."""
    trust = Trust.of(*(key.vkey for key in service.log.ring.keys))
    if parcel.is_package(data):
        # What is inflated is held in memory, and a stranger sends it.
        package = parcel.open(data, INFLATED * service.settings.message_bytes)
        return parcel.check(package, trust, content), package.evidence
    if paper.is_pdf(data):
        try:
            twin = paper.twin(data)
        except FormatError:
            return None
        # Whoever has the file has the token in it: what became of it he may know.
        return paper.check(data, twin, trust, content, service.log), twin
    if data.lstrip().startswith(b"{") and MARK in data:
        return evidence.check(data, trust, content), data
    return None


def judge(service: Service, data: bytes, content: bytes | None) -> dict[str, Any] | None:
    """Verdict and checks of what can be judged by itself, by name."""
    found = weigh(service, data, content)
    if found is None:
        return None
    checks = [_check(one.name, one.status, one.detail) for one in found[0].checks]
    return {"verdict": found[0].verdict, "checks": checks, "matches": []}


def unasked() -> dict[str, Any]:
    """What somebody without a key is told of a file that is no evidence: the same, whether it was recorded or not."""
    said = "this is no evidence; whether a file was recorded is told to those whose API key may read"
    return {"verdict": "unknown", "checks": [_check("intact", "not_checked", said)], "matches": []}


async def matched(service: Service, caller: Caller, data: bytes) -> list[Identified]:
    """What some octets are a copy of, the best first; that somebody looked is recorded before he is told."""
    found = await anyio.to_thread.run_sync(service.log.identify, data) if data else []
    found = found[:MATCHES]
    await looked(service, caller, None, "verify")
    if not may(caller.role, "content"):
        return [replace(one, differences=unquoted(one.differences)) for one in found]
    for one in found:
        # Words of what was kept are quoted: that is a look at it.
        if unquoted(one.differences) != one.differences:
            await looked(service, caller, one.message, "content")
    return found


def _match(one: Identified) -> dict[str, Any]:
    said: dict[str, Any] = {"message": one.message, "level": one.level}
    for name, value in (("part", one.part), ("inside", one.inside)):
        if value is not None:
            said[name] = value
    differences = [
        {name: value for name, value in asdict(difference).items() if value is not None}
        for difference in one.differences
    ]
    said |= {"recorded_at": one.recorded_at, "seq": one.seq, "differences": differences}
    return said | {"dkim": [asdict(each) for each in one.dkim]} if one.dkim else said


def _check(name: str, status: str, detail: str) -> dict[str, str]:
    return {"name": name, "status": status, "detail": detail}
