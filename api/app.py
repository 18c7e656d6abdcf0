"""Puts the service together: routes, problems, and what every answer carries. ``cli`` hands in the open log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import anyio.to_thread
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.gzip import GZipMiddleware
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from api import bodies, openapi
from api.errors import Problem, problem_of
from api.lane import Lane
from api.routes import (
    blocks,
    certificates,
    content,
    docs,
    erasures,
    events,
    evidence,
    health,
    holds,
    keys,
    logs,
    messages,
    page,
    reading,
    subject,
    verify,
)
from api.service import Service
from api.watching import LOGGER, UNKNOWN, Watched
from ledger.errors import Damaged, LedgerError, SecretError, StartRefused, Unavailable

DESCRIPTION: Final = """\
A compliance and proof-of-delivery ledger for e-mail. Whatever is recorded comes back with a receipt: the entry, the
log's signed checkpoint, and the proof that leads from one to the other. Errors are problem documents (RFC 9457).
"""

COMPRESSED: Final = 4096
"""Octets of an answer that is worth compressing, for whoever accepts gzip."""

ERASING_SECONDS: Final = 60.0
"""How often erasures that something hindered are gone on with."""

USE_SECONDS: Final = 5.0
"""How often the last use of credentials is written down."""


def create(service: Service) -> Watched:
    """The ASGI application."""
    app = _routes(service)
    app.add_middleware(GZipMiddleware, minimum_size=COMPRESSED, compresslevel=5)
    return Watched(Lane(app), service.metrics)


def _routes(service: Service) -> FastAPI:

    @asynccontextmanager
    async def alive(_: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(one(service)) for one in (_note_use, _sweep, _go_on_erasing)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            await anyio.to_thread.run_sync(service.note_use)

    app = FastAPI(
        title="Postseal",
        version="1",
        description=DESCRIPTION,
        lifespan=alive,
        redirect_slashes=False,
        openapi_url="/openapi.json",
        # FastAPI's own pages load their scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.service = service
    kept = (content, holds, erasures, subject)
    for room in (
        messages,
        reading,
        events,
        blocks,
        *kept,
        evidence,
        certificates,
        verify,
        logs,
        keys,
        health,
        docs,
        page,
    ):
        app.include_router(room.router)
    app.exception_handlers |= {
        Problem: _problem,
        LedgerError: _refused,
        RequestValidationError: _invalid,
        HTTPException: _http,
        ClientDisconnect: _gone,
        Exception: _defect,
    }
    openapi.complete(app)
    return app


async def _note_use(service: Service) -> None:
    while True:
        await asyncio.sleep(USE_SECONDS)
        with suppress(LedgerError):
            await anyio.to_thread.run_sync(service.note_use)


async def _sweep(service: Service) -> None:
    """What a crash may have left in the vault. Nobody waits for it, neither the first request nor the end."""
    try:
        swept = await anyio.to_thread.run_sync(service.log.sweep, abandon_on_cancel=True)
    except LedgerError as error:
        LOGGER.warning("the vault was not swept: %s", error)
    else:
        if swept:
            LOGGER.info("swept %d blobs that no message has", swept)


async def _go_on_erasing(service: Service) -> None:
    """What somebody's reading hindered is not left until the next start."""
    while True:
        await asyncio.sleep(ERASING_SECONDS)
        with suppress(LedgerError):
            for reason in await anyio.to_thread.run_sync(service.erasing.resume):
                LOGGER.warning("%s", reason)


def answer(problem: Problem) -> Response:
    """A problem document."""
    return Response(problem.body(), problem.kind.status, problem.headers())


async def _problem(_: Request, error: Problem) -> Response:
    return answer(error)


async def _refused(_: Request, error: LedgerError) -> Response:
    if isinstance(error, (Damaged, Unavailable)):
        LOGGER.warning("%s: %s", type(error).__name__.lower(), error)
    if isinstance(error, (StartRefused, SecretError)):
        # Nothing a client can mend, and nothing he should read.
        LOGGER.error("refusing to go on: %s", error)
        return answer(Problem("unavailable", "the ledger stopped writing; its operator has been told why"))
    return answer(problem_of(error))


async def _invalid(_: Request, error: RequestValidationError) -> Response:
    return answer(Problem("invalid", bodies.explain(error.errors())))


_STATUSES: Final = {404: "not-found", 405: "method-not-allowed", 413: "too-large", 415: "unsupported-media-type"}


async def _http(_: Request, error: HTTPException) -> Response:
    said = answer(Problem(_STATUSES.get(error.status_code, "bad-request"), str(error.detail).lower()))
    # What belongs to the status: which methods a resource does know.
    said.headers.update(error.headers or {})
    return said


async def _gone(_: Request, error: ClientDisconnect) -> Response:
    # Nobody is left to read it; what was recorded is answered when he sends it again.
    return answer(Problem("bad-request", "the body ends before its end"))


async def _defect(request: Request, error: Exception) -> Response:
    # Never the path: a stranger's is his own words. The traceback goes to the operator's log without local values.
    LOGGER.error("a defect in %s", getattr(request.scope.get("route"), "path", UNKNOWN), exc_info=error)
    return answer(Problem("internal", f"a defect of ours: {type(error).__name__}"))
