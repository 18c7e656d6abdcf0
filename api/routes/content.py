"""Content that was kept. Whoever looks at it is recorded before he sees the first octet, whatever his role."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Final, Literal

import anyio.to_thread
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from api import schemas
from api.disposition import attachment
from api.openapi import needs, problems
from api.service import Service, serving
from ledger.content import PIECE, Content, Leaf
from ledger.sequencer import Submission

router = APIRouter(tags=["content"])

MAIL: Final = "message/rfc822"
OCTETS: Final = "application/octet-stream"
"""Of every file, whatever its sender said that it is: nothing is to run, or be shown, where this is opened."""

ALONE: Final = {"cache-control": "no-store", "content-security-policy": "sandbox; default-src 'none'"}


def _octets(description: str, kind: str) -> dict[int | str, dict[str, Any]]:
    said = {"type": "string", "format": "binary"}
    headers = {"Content-Disposition": {"schema": {"type": "string"}}}
    return {200: {"description": description, "content": {kind: {"schema": said}}, "headers": headers}}


@router.get(
    "/v1/messages/{message}/content",
    openapi_extra=needs("content"),
    response_class=StreamingResponse,
    responses=_octets("The octets, with CRLF line ends", MAIL) | problems("not-found", "erased", "invalid", "damaged"),
)
async def kept(
    request: Request,
    message: Annotated[schemas.Id, Path()],
    part: Annotated[
        Literal["whole", "body"],
        Query(description="`body`: without the header block, but for the fields that say how to read it"),
    ] = "whole",
) -> StreamingResponse:
    """A message as it was recorded, if it was kept (`keep_content`). Its octets are held against the recorded hash
    before the first is sent. Of one whose header block was erased with a recipient `part=body` is left."""
    service = serving(request)
    held = await _look(request, service, message, "content" if part == "whole" else "content.body")

    def read() -> tuple[int, Iterator[bytes]]:
        return (held.size, held.whole()) if part == "whole" else held.body()

    size, pieces = await anyio.to_thread.run_sync(read)
    return Sent(service, 0, pieces, headers=_headers(size, attachment(f"{message}.eml", message)), media_type=MAIL)


@router.get(
    "/v1/messages/{message}/files/{file}",
    openapi_extra=needs("content"),
    response_class=StreamingResponse,
    responses=_octets("The decoded octets of the file", OCTETS) | problems("not-found", "erased", "invalid", "damaged"),
)
async def kept_file(
    request: Request, message: Annotated[schemas.Id, Path()], file: Annotated[schemas.File, Path()]
) -> StreamingResponse:
    """One file of a message that was kept, decoded, and held against its recorded hash before it is sent."""
    service = serving(request)
    held = await _look(request, service, message, f"file.{file}")
    room = service.hold(2 * sum(blob.size for blob in held.parts.values()))
    try:
        found: Leaf = await anyio.to_thread.run_sync(held.file, file)
    except BaseException:
        service.opened -= room
        raise
    pieces = _cut(found.pieces())
    return Sent(service, room, pieces, headers=_headers(found.size, attachment(found.name, file)), media_type=OCTETS)


async def _look(request: Request, service: Service, message: str, what: str) -> Content:
    """What is kept, once it is on record that the caller looks at it; that it is not there tells something, too."""
    caller = await service.caller(request, "content")
    log = service.log
    await anyio.to_thread.run_sync(log.message, message)
    await service.gathering.write(Submission(log.prepare_view(message, what, log.person(caller.id, caller.name))))
    return await anyio.to_thread.run_sync(log.content, message)


def _headers(size: int, disposition: str) -> dict[str, str]:
    return ALONE | {"content-disposition": disposition, "content-length": str(size)}


def _cut(pieces: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    """A part without a transfer encoding comes in one piece, however large it is."""
    for piece in pieces:
        for start in range(0, len(piece), PIECE):
            yield bytes(piece[start : start + PIECE])


class Sent(StreamingResponse):
    """What was kept. Gives back the ``room`` in memory that it took, whether it was read to its end or not."""

    def __init__(self, service: Service, room: int, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._service, self._room = service, room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._service.opened -= self._room
