"""Verifying: what a document proves by itself, and whether a file is one that was recorded."""

from __future__ import annotations

from typing import Any, Final

import anyio.to_thread
from fastapi import APIRouter, Request, Response

from api import answers, bodies, schemas
from api.openapi import problems
from api.service import Service, serving
from ledger import evidence
from ledger.trust import Trust

router = APIRouter(tags=["verify"])

MARK: Final = b"postseal-evidence/"

_BODY: Final = {
    "requestBody": {
        "required": True,
        "description": "Evidence (`postseal-evidence/1`), as it is.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.post(
    "/v1/verify",
    response_model=schemas.Verified,
    openapi_extra=_BODY,
    responses=problems("too-large", "unsupported-media-type", open_to_all=True),
)
async def verify(request: Request) -> Response:
    """Judge evidence: everything in it is computed again, nothing is looked up. Open to all; trusted are this log's
    keys. To trust others, or nobody, `postseal verify` does the same offline."""
    service = serving(request)
    data = await bodies.read(request, service.settings.message_bytes)
    return answers.found(await anyio.to_thread.run_sync(judge, service, data))


def judge(service: Service, data: bytes) -> dict[str, Any]:
    """Verdict and checks, by name."""
    if MARK not in data:
        said = "this is no evidence; whether a file was recorded is asked with an API key"
        return {"verdict": "unknown", "checks": [_check("intact", "not_checked", said)], "matches": []}
    verdict = evidence.check(data, Trust.of(*(key.vkey for key in service.log.ring.keys)))
    checks = [_check(one.name, one.status, one.detail) for one in verdict.checks]
    return {"verdict": verdict.verdict, "checks": checks, "matches": []}


def _check(name: str, status: str, detail: str) -> dict[str, str]:
    return {"name": name, "status": status, "detail": detail}
