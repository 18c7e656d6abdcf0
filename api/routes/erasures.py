"""Erasures: of one recipient, of a message, of a person. What is recorded of them says nothing about whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Path, Request, Response

from api import answers, bodies, drafting, idempotency, schemas, schemas_erasure
from api.errors import Problem
from api.openapi import APPENDING, appends, body_of, needs, problems
from api.routes.reading import looked, looked_in_vain
from api.service import Caller, Service, serving
from api.watching import LOGGER
from ledger.erasing import Erased, Open, unfinished
from ledger.erasure import Done
from ledger.errors import Erased as AlreadyErased
from ledger.errors import UnknownReference
from ledger.plan import Act
from ledger.sequencer import Outcome, Submission

router = APIRouter(tags=["retention and erasure"])


@router.post(
    "/v1/messages/{message}/erasures",
    status_code=201,
    response_model=schemas_erasure.Erasure,
    openapi_extra=needs("erase") | appends(body_of(schemas_erasure.NewErasure)),
    responses=problems(*APPENDING, "not-found", "erased", "held", "retained"),
)
async def erase(request: Request, message: Annotated[schemas.Id, Path()]) -> Response:
    """Erase a message with all its recipients, or one of these: the keys of what is sealed of them are destroyed, and
    nothing is found by it any more. The proofs stand, and so does whatever was exported."""
    service = serving(request)
    caller = await service.caller(request, "erase")
    body = await bodies.read_json(request)
    said = bodies.parse(schemas_erasure.NewErasure, body)
    key, digest = idempotency.of(service, caller, request, body)

    def prepare() -> Act:
        recipient = said.recipient
        if recipient is not None and "@" in recipient:
            recipient = drafting.recipient_of(service, message, recipient)
        return service.erasing.of_message(message, _actor(service, caller), recipient=recipient)

    try:
        return await _carry_out(service, prepare, key, digest)
    except (Problem, UnknownReference, AlreadyErased):
        # Who is a recipient is told by a refusal too.
        await looked_in_vain(service, caller, message, "erasure")
        raise


@router.post(
    "/v1/erasures",
    status_code=201,
    response_model=schemas_erasure.Erasure,
    openapi_extra=needs("erase") | appends(body_of(schemas_erasure.NewPersonErasure)),
    responses=problems(*APPENDING, "not-found", "held", "retained"),
)
async def erase_person(request: Request) -> Response:
    """Erase a person: wherever his address is found as a recipient, as the sender, or mentioned in To or Cc."""
    service = serving(request)
    caller = await service.caller(request, "erase")
    said = bodies.parse(schemas_erasure.NewPersonErasure, await bodies.read_json(request))
    # Without the body: a digest of it would keep what tells a guessed address from others, after all else is gone.
    key, digest = idempotency.of(service, caller, request)

    def prepare() -> Act:
        return service.erasing.of_person(said.address, _actor(service, caller))

    try:
        return await _carry_out(service, prepare, key, digest)
    except UnknownReference:
        # That nothing is found tells something too.
        await looked(service, caller, None, "erasure")
        raise


@router.post(
    "/v1/erasures/{erasure}/approve",
    status_code=201,
    response_model=schemas_erasure.Erasure,
    openapi_extra=needs("erase") | appends({}),
    responses=problems("in-flight", "invalid", "key-reused", "not-found", "held", "retained", "second-person"),
)
async def approve(request: Request, erasure: Annotated[schemas.Id, Path()]) -> Response:
    """Approve an erasure that somebody else asked for; it is carried out at once."""
    service = serving(request)
    caller = await service.caller(request, "erase")
    key, digest = idempotency.of(service, caller, request)
    return await _carry_out(service, lambda: service.erasing.approval(erasure, _actor(service, caller)), key, digest)


@router.get("/v1/erasures", response_model=schemas_erasure.Erasures, openapi_extra=needs("erase"), responses=problems())
async def erasures(request: Request) -> Response:
    """Erasures that are not done: those that wait for a second person, and those that something hinders."""
    service = serving(request)
    caller = await service.caller(request, "erase")
    found = await anyio.to_thread.run_sync(unfinished, service.log)
    await looked(service, caller, None, "erasures")
    return answers.found({"erasures": [_open(one) for one in found]})


def _open(one: Open) -> dict[str, Any]:
    told: dict[str, Any] = {"erasure": one.erasure, "scope": one.scope, "messages": one.messages}
    told |= {"since": one.since, "waiting": one.waiting}
    return told if one.recipient is None else told | {"recipient": one.recipient}


def _actor(service: Service, caller: Caller) -> tuple[str, str]:
    return service.log.person(caller.id, caller.name)


async def _carry_out(service: Service, prepare: Callable[[], Act], key: bytes | None, digest: bytes | None) -> Response:
    def prepared() -> Act:
        # Who asks again may ask for what cannot be found any more: he is answered from what was recorded, whatever act
        # comes under his key.
        if key is not None and service.log.reader.requested(key):
            return Done("", service.log.new_id(), "api")
        return prepare()

    act = await anyio.to_thread.run_sync(prepared)
    outcome = await service.gathering.write(Submission(act, key, digest))
    done = await anyio.to_thread.run_sync(_go_on, service, outcome)
    told: dict[str, Any] = {"erasure": done.erasure, "state": done.state}
    told["receipt"] = await service.receipt(done.outcome)
    return answers.created(told | ({"reason": done.reason} if done.reason else {}))


def _go_on(service: Service, outcome: Outcome) -> Erased:
    done = service.erasing.go_on(outcome)
    for reason in service.erasing.resume():
        LOGGER.warning("%s", reason)
    return done
