"""Evidence: what is handed to somebody who must not have to trust us."""

from __future__ import annotations

from typing import Annotated, Any, Final

import anyio.to_thread
from fastapi import APIRouter, Path, Request, Response

from api import bodies, drafting, idempotency, schemas
from api.errors import Problem
from api.openapi import APPENDING, appends, body_of, needs, problems
from api.routes.reading import looked, looked_in_vain
from api.service import serving
from ledger import evidence
from ledger.errors import Adverse, UnknownReference
from ledger.sequencer import Submission

router = APIRouter(tags=["evidence"])

MEDIA_TYPE: Final = "application/json"

_DOCUMENT: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Evidence (`postseal-evidence/1`), these very octets: `postseal verify` checks them offline",
        "content": {MEDIA_TYPE: {"schema": {"type": "object"}}},
        "headers": {"Content-Disposition": {"schema": {"type": "string"}}},
    }
}


@router.post(
    "/v1/messages/{message}/evidence",
    openapi_extra=needs("export") | appends(body_of(schemas.NewEvidence)),
    response_class=Response,
    responses=_DOCUMENT | problems(*APPENDING, "not-found", "adverse"),
)
async def export(request: Request, message: Annotated[schemas.Id, Path()]) -> Response:
    """Evidence of a message up to now, for all its recipients or for one (it then shows no other). The export is itself
    an entry. A claim of non-access that would not be true is refused, with the fact in the way; and it is not complete
    before an auditor has vouched that nothing is filed elsewhere (`postseal audit --sign`)."""
    service = serving(request)
    caller = await service.caller(request, "export")
    body = await bodies.read_json(request)
    said = bodies.parse(schemas.NewEvidence, body)
    if said.only is not None and said.kind != "history":
        raise Problem("invalid", "only: a claim of non-access must disclose what it is about")
    key, digest = idempotency.of(service, caller, request, body)
    log, actor = service.log, service.log.person(caller.id, caller.name)

    def prepare() -> tuple[Any, Any]:
        recipient = said.recipient
        if recipient is not None and "@" in recipient:
            recipient = drafting.recipient_of(service, message, recipient)
        return log.prepare_export(
            message,
            recipient=recipient,
            kind=said.kind,
            file=said.file,
            actor=actor,
            key=key,
            show=said.only or (),
        )

    try:
        claim, closing = await anyio.to_thread.run_sync(prepare)
        done = await service.gathering.write(Submission(closing, key, digest))
        data = await anyio.to_thread.run_sync(lambda: evidence.format(log.assemble(claim, done, said.only)))
    except (Problem, Adverse, UnknownReference):
        # Why not is told from what is recorded, and so is a look.
        await looked_in_vain(service, caller, message, "evidence")
        raise
    if done.repeated:
        await looked(service, caller, message, "evidence")
    headers = {
        "cache-control": "no-store",
        "content-disposition": f'attachment; filename="evidence-{message}.json"',
    }
    return Response(data, 200, headers, MEDIA_TYPE)
