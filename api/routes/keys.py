"""API keys: who may ask, and who may no longer."""

from __future__ import annotations

import os
import time
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Path, Request, Response

from api import answers, bodies, schemas_keys
from api.openapi import body_of, needs, problems
from api.service import serving

router = APIRouter(tags=["keys"])


@router.post(
    "/v1/keys",
    status_code=201,
    response_model=schemas_keys.MadeKey,
    openapi_extra=needs("keys") | body_of(schemas_keys.NewKey),
    responses=problems("too-large", "unsupported-media-type", "invalid"),
)
async def create(request: Request) -> Response:
    """Make a key, and tell it this once: only its hash is kept. A lost answer leaves a key that nobody has; list the
    keys and revoke it."""
    service = serving(request)
    await service.caller(request, "keys")
    said = bodies.parse(schemas_keys.NewKey, await bodies.read_json(request))
    label = said.role if said.label is None else said.label
    key, made = await anyio.to_thread.run_sync(
        service.credentials.create, said.role, label, time.time_ns() // 1000, os.urandom
    )
    return answers.created({"key": key} | made.document())


@router.get("/v1/keys", response_model=schemas_keys.Keys, openapi_extra=needs("keys"), responses=problems())
async def keys(request: Request) -> Response:
    """All keys, the oldest first, revoked ones too: what each may do, and when it was last used."""
    service = serving(request)
    await service.caller(request, "keys")
    return answers.found({"keys": [one.document() for one in await anyio.to_thread.run_sync(service.credentials.list)]})


@router.delete(
    "/v1/keys/{id}",
    status_code=204,
    openapi_extra=needs("keys"),
    response_class=Response,
    responses=problems("not-found", "invalid"),
)
async def revoke(request: Request, id: Annotated[str, Path(pattern=r"^[a-z2-7]{10}$")]) -> Response:
    """Let a key open nothing from now on, the one that asks included; other processes know it a second later. It stays
    listed: what it did stands in the log."""
    service = serving(request)
    await service.caller(request, "keys")
    await anyio.to_thread.run_sync(service.credentials.revoke, id, time.time_ns() // 1000)
    service.known.forget(id)
    return Response(status_code=204)
