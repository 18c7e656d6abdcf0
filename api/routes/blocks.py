"""Blocks: after sending, before a file leaves."""

from __future__ import annotations

from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Path, Request, Response

from api import answers, blocked, bodies, drafting, idempotency, schemas
from api.errors import Problem
from api.openapi import APPENDING, appends, body_of, needs, problems
from api.routes.reading import looked_in_vain
from api.service import Service, serving
from ledger import entry
from ledger.errors import UnknownReference
from ledger.sequencer import Submission

router = APIRouter(tags=["blocks"])


@router.post(
    "/v1/messages/{message}/blocks",
    status_code=201,
    response_model=schemas.Blocked,
    openapi_extra=needs("block") | appends(body_of(schemas.NewBlock)),
    responses=problems(*APPENDING, "not-found"),
)
async def block(request: Request, message: Annotated[schemas.Id, Path()]) -> Response:
    """Block a file, for everybody or one recipient; all files of one recipient; or everything. Counts from the entry's
    instant on. Files that travelled inside the mail are out of reach."""
    service = serving(request)
    caller = await service.caller(request, "block")
    body = await bodies.read_json(request)
    said = bodies.parse(schemas.NewBlock, body)
    key, digest = idempotency.of(service, caller, request, body)
    recipient = said.recipient
    try:
        if recipient is not None and "@" in recipient:
            recipient = await anyio.to_thread.run_sync(drafting.recipient_of, service, message, recipient)
        actor = [("actor", caller.name)]
        made = service.log.prepare_block(
            message, said.scope, recipient=recipient, file=said.file, reason=said.reason, sealed=actor
        )
        # Before it is recorded: an answer that failed over this would not say that it was.
        inside = blocked.inside(await anyio.to_thread.run_sync(service.log.disclosed, message))
        outcome = await service.gathering.write(Submission(made, key, digest))
    except (Problem, UnknownReference):
        # Who is a recipient, and how many files there are, is told by a refusal too.
        await looked_in_vain(service, caller, message, "block")
        raise
    first: Any = entry.decode(outcome.recorded[0].data)
    block = first.facts.block
    if outcome.repeated:
        made.pairs = await anyio.to_thread.run_sync(_then, service, message, block)
    told = blocked.told(made.pairs, inside)
    return answers.created({"block": block, "pairs": told, "receipt": await service.receipt(outcome)})


def _then(service: Service, message: str, block: str) -> list[blocked.Pair]:
    """What an earlier request's block covered, as it stood when it was recorded."""
    found = blocked.blocks(service.log.reader, service.log.message(message))
    return next(one.pairs for one in found if one.facts.block == block)


@router.post(
    "/v1/messages/{message}/blocks/{block}/lift",
    status_code=201,
    response_model=schemas.Lifted,
    openapi_extra=needs("block") | appends(body_of(schemas.NewLift)),
    responses=problems(*APPENDING, "not-found"),
)
async def lift(
    request: Request, message: Annotated[schemas.Id, Path()], block: Annotated[schemas.Id, Path()]
) -> Response:
    """Lift a block. What happened while it stood stays on record."""
    service = serving(request)
    caller = await service.caller(request, "block")
    body = await bodies.read_json(request)
    said = bodies.parse(schemas.NewLift, body)
    key, digest = idempotency.of(service, caller, request, body)
    made = service.log.prepare_lift(message, block, reason=said.reason, sealed=[("actor", caller.name)])
    outcome = await service.gathering.write(Submission(made, key, digest))
    return answers.created({"receipt": await service.receipt(outcome)})
