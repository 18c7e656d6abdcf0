"""The log itself: C2SP tlog-tiles, single entries, proofs. What log clients written by others follow and verify."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Annotated, Any, Final

import anyio.to_thread
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BeforeValidator

from api import answers, schemas
from api.errors import Problem
from api.openapi import needs, problems
from api.service import Service, serving
from ledger import tiles
from ledger.errors import FormatError
from ledger.merkle import leaf_hash, prove_consistency, prove_inclusion

router = APIRouter(tags=["logs"])

LogId = Annotated[schemas.Id, Path(description="See `GET /v1/logs`")]


def _digits(said: str) -> int:
    """One spelling for each number; pydantic would take ``+1`` and ``1.0`` too."""
    if not _NUMBER(said):
        raise ValueError("a number is written in digits, without sign, point or leading zeros")
    return int(said)


_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII).fullmatch
Number = Annotated[int, BeforeValidator(_digits, json_schema_input_type=int)]

FOREVER: Final = "public, max-age=31536000, immutable"
"""A tile never changes; a cache may keep it as long as it likes."""

_TEXT: Final = "text/plain; charset=utf-8"
_OCTETS: Final = "application/octet-stream"


def _octets(description: str, kind: str = _OCTETS) -> dict[int | str, dict[str, Any]]:
    return {200: {"description": description, "content": {kind: {"schema": {"type": "string", "format": "binary"}}}}}


@router.get("/v1/logs", response_model=schemas.Logs, responses=problems(open_to_all=True))
async def logs(request: Request) -> Response:
    """The logs of this service: their names, their keys, their sizes. Open to all."""
    service = serving(request)
    state, _ = await service.checkpoint()
    said = {"log": service.log.id, "origin": state.origin, "vkey": service.log.ring.signer().vkey, "size": state.size}
    return answers.found({"logs": [said]})


@router.get(
    "/v1/logs/{log}/checkpoint",
    response_class=Response,
    responses=_octets("A signed note (C2SP tlog-checkpoint)", "text/plain")
    | problems("not-found", "invalid", open_to_all=True),
)
async def checkpoint(request: Request, log: LogId) -> Response:
    """The newest state, signed. Open to all: it tells nothing but the log's size, and is what witnesses ask for."""
    service = _of(request, log)
    _, note = await service.checkpoint()
    return Response(note, media_type=_TEXT, headers={"cache-control": "no-cache"})


@router.get(
    "/v1/logs/{log}/tile/{path:path}",
    response_class=Response,
    responses=_octets("Hashes, 32 octets each; or entries, each after its length in two octets")
    | problems("not-found", "invalid"),
    openapi_extra=needs("log"),
)
async def tile(request: Request, log: LogId, path: Annotated[str, Path(max_length=64)]) -> Response:
    """A tile, `<L>/<N>[.p/<W>]`, or a bundle of entries, `entries/<N>[.p/<W>]` (C2SP tlog-tiles)."""
    service = _of(request, log)
    await _allowed(service, request)
    try:
        wanted = tiles.parse_path(f"tile/{path}")
    except FormatError as error:
        raise Problem("not-found", str(error)) from None
    holding = (wanted.index * tiles.FULL + wanted.width) << 8 * max(wanted.level, 0)
    state, _ = await service.checkpoint(holding)
    if tiles.available(wanted.level, wanted.index, state.size) < wanted.width:
        raise Problem("not-found", f"the log of {state.size} entries has no such tile, or none of that width")
    data = service.tiles.get(wanted)
    if data is None:
        data = await anyio.to_thread.run_sync(_tile, service, wanted, state.size)
        service.tiles.put(wanted, data)
    public = service.settings.public_log
    headers = {"cache-control": FOREVER if public else FOREVER.replace("public", "private"), "vary": "Authorization"}
    return Response(data, media_type=_OCTETS, headers=headers)


def _tile(service: Service, wanted: tiles.Tile, size: int) -> bytes:
    reader = service.log.reader
    start = wanted.index * tiles.FULL
    if wanted.level == tiles.ENTRIES:
        return tiles.format_bundle(reader.entries(start, start + wanted.width))
    (data,) = reader.tiles([wanted], size)
    return bytes(data[: wanted.width * 32])


@router.get(
    "/v1/logs/{log}/entries/{seq}.tlog-proof",
    response_class=Response,
    responses=_octets("C2SP tlog-proof", "text/plain") | problems("not-found", "invalid"),
    openapi_extra=needs("log"),
)
async def proof(request: Request, log: LogId, seq: Annotated[Number, Path(ge=0, le=2**53)]) -> Response:
    """The proof that the newest checkpoint holds this entry, with that checkpoint."""
    service = _of(request, log)
    await _allowed(service, request)
    state, note = await service.checkpoint(seq + 1)
    size, reader = state.size, service.log.reader
    path = await _prove(seq < size, lambda: prove_inclusion(seq, size, reader.nodes(size)))
    lines = ["c2sp.org/tlog-proof@v1", f"index {seq}", *(base64.b64encode(node).decode() for node in path)]
    return Response("\n".join(lines) + "\n\n" + note.decode(), media_type=_TEXT)


@router.get(
    "/v1/logs/{log}/entries/{seq}",
    response_model=schemas.Entry,
    responses=problems("not-found", "invalid"),
    openapi_extra=needs("log"),
)
async def entry(request: Request, log: LogId, seq: Annotated[Number, Path(ge=0, le=2**53)]) -> Response:
    """One entry: its bytes, as they are hashed. What is sealed stays sealed."""
    service = _of(request, log)
    await _allowed(service, request)
    data = await anyio.to_thread.run_sync(service.log.reader.entry, seq)
    if data is None:
        raise Problem("not-found", f"the log has no entry {seq}")
    return answers.found({"seq": seq, "leaf_hash": leaf_hash(data).hex(), "entry": base64.b64encode(data).decode()})


@router.get(
    "/v1/logs/{log}/proofs/consistency",
    response_model=schemas.Consistency,
    responses=problems("not-found", "invalid"),
    openapi_extra=needs("log"),
)
async def consistency(
    request: Request,
    log: LogId,
    old: Annotated[Number, Query(ge=1, le=2**53, description="Size of the older tree")],
    new: Annotated[
        Number | None, Query(ge=1, le=2**53, description="Size of the newer one; by default the newest")
    ] = None,
) -> Response:
    """The proof that one state of the log only adds to another (RFC 6962 section 2.1.2)."""
    service = _of(request, log)
    await _allowed(service, request)
    state, _ = await service.checkpoint(max(old, new or 0))
    size = state.size if new is None else new
    if new is not None and new < old:
        raise Problem("invalid", "new: the newer tree is smaller than the older one")
    path = await _prove(old <= size <= state.size, lambda: prove_consistency(old, size, service.log.reader.nodes(size)))
    return answers.found({"old": old, "new": size, "proof": [node.hex() for node in path]})


async def _prove(there: bool, make: Callable[[], list[bytes]]) -> list[bytes]:
    if not there:
        raise Problem("not-found", "the log is not that long")
    return await anyio.to_thread.run_sync(make)


def _of(request: Request, log: str) -> Service:
    service = serving(request)
    if log != service.log.id:
        raise Problem("not-found", "no such log here")
    return service


async def _allowed(service: Service, request: Request) -> None:
    """Kinds, times and counts are still pseudonymous personal data, so the inside of a log is not for everybody."""
    if not service.settings.public_log:
        await service.caller(request, "log")
