"""Subject access: everything held about one address, for whom it is about."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

import anyio.to_thread
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from api import bodies, schemas_erasure
from api.openapi import body_of, needs, problems
from api.routes.reading import looked
from api.service import serving
from ledger.errors import LedgerError, UnknownReference
from ledger.ids import format_time
from ledger.sequencer import Submission
from reports.package import package
from reports.subject import contents, gather, looks

router = APIRouter(tags=["retention and erasure"])

MEDIA_TYPE: Final = "application/zip"

_PACKAGE: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "A ZIP archive: README.html, a page to read and print, data.json, the same for programs, and "
        "under content/ what was kept of each message, without its header block",
        "content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
        "headers": {"Content-Disposition": {"schema": {"type": "string"}}},
    }
}


@router.post(
    "/v1/subject-access",
    openapi_extra=needs("subject") | body_of(schemas_erasure.Subject),
    response_class=StreamingResponse,
    responses=_PACKAGE | problems("invalid", "not-found", "too-large", "unsupported-media-type"),
)
async def subject(request: Request) -> StreamingResponse:
    """Everything held about an address: each message it is a recipient or the sender of, or is mentioned in, with what
    is recorded of it and what was kept of its content. No other recipient is named, unless in a text itself. That it
    was asked for is an entry on each of these messages."""
    service = serving(request)
    caller = await service.caller(request, "subject")
    said = bodies.parse(schemas_erasure.Subject, await bodies.read_json(request))
    log, actor = service.log, service.log.person(caller.id, caller.name)

    def make() -> Iterator[bytes]:
        found = looks(log, said.address)
        if not found:
            raise UnknownReference("nothing is found by this address")
        views = [log.prepare_view(message, "subject-access", actor, recipient=who) for message, who in found]
        # Before anything is told: what cannot be recorded is not looked at.
        for answer in log.submit([Submission(view) for view in views]).result():
            if isinstance(answer, LedgerError):
                raise answer
        # All that was kept is authenticated here, before the first octet is sent.
        gathered = gather(log, said.address, format_time(time.time_ns() // 1000))
        return package(gathered, contents(log, gathered))

    try:
        pieces = await anyio.to_thread.run_sync(make)
    except UnknownReference:
        # That nothing is found tells something too.
        await looked(service, caller, None, "subject-access")
        raise
    headers = {"cache-control": "no-store", "content-disposition": 'attachment; filename="subject-access.zip"'}
    return StreamingResponse(pieces, 200, headers, MEDIA_TYPE)
