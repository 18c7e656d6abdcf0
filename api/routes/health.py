"""Whether the service lives, whether it can record, and how it fares."""

from __future__ import annotations

from typing import Any, Final

import anyio.to_thread
from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from api import answers, schemas
from api.errors import Problem
from api.openapi import problems
from api.service import serving

router = APIRouter(tags=["service"])


@router.get("/healthz", response_model=schemas.Health, responses=problems(open_to_all=True))
async def alive() -> Response:
    """The process answers. Restart it when it does not."""
    return answers.found({"status": "ok"})


@router.get("/readyz", response_model=schemas.Health, responses=problems(open_to_all=True))
async def ready(request: Request) -> Response:
    """Requests can be recorded: the database answers, and the writer has not stopped."""
    service = serving(request)
    if service.log.halted is not None:
        raise Problem("unavailable", "the ledger stopped writing")
    await anyio.to_thread.run_sync(service.log.reader.head)
    return answers.found({"status": "ok"})


_NUMBERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "Prometheus text format", "content": {"text/plain": {"schema": {"type": "string"}}}}
}


@router.get("/metrics", response_class=Response, responses=_NUMBERS | problems(open_to_all=True))
async def metrics(request: Request) -> Response:
    """Prometheus. Numbers only; keep it from the public at the proxy."""
    service = serving(request)
    said = await anyio.to_thread.run_sync(generate_latest, service.metrics.registry)
    return Response(said, media_type=CONTENT_TYPE_LATEST)
