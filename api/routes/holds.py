"""Holds: what nothing may be erased of while one is in force."""

from __future__ import annotations

from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Path, Request, Response

from api import answers, bodies, drafting, idempotency, schemas, schemas_erasure
from api.errors import Problem
from api.openapi import APPENDING, appends, body_of, needs, problems
from api.routes.reading import looked_in_vain
from api.service import serving
from ledger import entry
from ledger.errors import UnknownReference
from ledger.sequencer import Submission

router = APIRouter(tags=["retention and erasure"])


@router.post(
    "/v1/messages/{message}/holds",
    status_code=201,
    response_model=schemas_erasure.Placed,
    openapi_extra=needs("hold") | appends(body_of(schemas_erasure.NewHold)),
    responses=problems(*APPENDING, "not-found", "held"),
)
async def hold(request: Request, message: Annotated[schemas.Id, Path()]) -> Response:
    """Hold a message, or one recipient of it: nothing that the hold covers is erased until it is released."""
    service = serving(request)
    caller = await service.caller(request, "hold")
    body = await bodies.read_json(request)
    said = bodies.parse(schemas_erasure.NewHold, body)
    key, digest = idempotency.of(service, caller, request, body)
    recipient = said.recipient
    actor = [("actor", caller.name)]
    try:
        if recipient is not None and "@" in recipient:
            recipient = await anyio.to_thread.run_sync(drafting.recipient_of, service, message, recipient)
        made = service.log.prepare_hold(message, recipient=recipient, reason=said.reason, sealed=actor)
        outcome = await service.gathering.write(Submission(made, key, digest))
    except (Problem, UnknownReference):
        # Who is a recipient is told by a refusal too.
        await looked_in_vain(service, caller, message, "hold")
        raise
    first: Any = entry.decode(outcome.recorded[0].data)
    return answers.created({"hold": first.facts.hold, "receipt": await service.receipt(outcome)})


@router.post(
    "/v1/messages/{message}/holds/{hold}/release",
    status_code=201,
    response_model=schemas_erasure.Released,
    openapi_extra=needs("hold") | appends(body_of(schemas_erasure.NewRelease)),
    responses=problems(*APPENDING, "not-found"),
)
async def release(
    request: Request, message: Annotated[schemas.Id, Path()], hold: Annotated[schemas.Id, Path()]
) -> Response:
    """Release a hold. That it was in force until now stays on record."""
    service = serving(request)
    caller = await service.caller(request, "hold")
    body = await bodies.read_json(request)
    said = bodies.parse(schemas_erasure.NewRelease, body)
    key, digest = idempotency.of(service, caller, request, body)
    made = service.log.prepare_release(message, hold, reason=said.reason, sealed=[("actor", caller.name)])
    outcome = await service.gathering.write(Submission(made, key, digest))
    return answers.created({"receipt": await service.receipt(outcome)})
