"""Tracking events: one at a time, and many as newline-delimited JSON."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO, Annotated, Any, Final

import anyio.to_thread
import orjson
from fastapi import APIRouter, Path, Request, Response
from starlette.responses import StreamingResponse

from api import answers, bodies, drafting, idempotency, schemas
from api.errors import Problem, problem_of
from api.openapi import APPENDING, appends, body_of, needs, problems
from api.service import Caller, Service, serving
from ledger.errors import LedgerError, Unavailable
from ledger.sequencer import Answer, Submission

router = APIRouter(tags=["events"])

LINE_LIMIT: Final = 65_536
"""Octets of one line."""

LINES: Final = 1_000_000
"""Lines of one request."""

BODY_LIMIT: Final = 1 << 30
"""Octets of one request: lines that are refused are not worth reading for ever."""

BATCH: Final = 500
"""Lines handed to the ledger together."""

UNDER_WAY: Final = 2
BUSY_SECONDS: Final = 0.05


@router.post(
    "/v1/messages/{message}/events",
    status_code=201,
    response_model=schemas.Appended,
    openapi_extra=needs("event") | appends(body_of(schemas.NewEvent)),
    responses=problems(*APPENDING, "not-found", "blocked"),
)
async def event(request: Request, message: Annotated[schemas.Id, Path()]) -> Response:
    """Append one tracking event. An access that a block covers is answered 409, with the receipt of its denial."""
    service = serving(request)
    caller = await service.caller(request, "event")
    body = await bodies.read_json(request)
    key, digest = idempotency.of(service, caller, request, body)
    act = await drafting.event(service, message, bodies.parse(schemas.NewEvent, body))
    outcome = await service.gathering.write(Submission(act, key, digest))
    said = await service.receipt(outcome)
    if outcome.denied is not None:
        raise Problem("blocked", f"block {outcome.denied} covers this file; the attempt is on record", receipt=said)
    return answers.created({"receipt": said, "repeated": outcome.repeated})


_NDJSON: Final = {
    "requestBody": {
        "required": True,
        "description": "One event a line, each with `message` and, to find its answer by, an `id` of yours. It may be "
        "sent with `Content-Encoding: gzip`.",
        "content": {"application/x-ndjson": {"schema": {"$ref": "#/components/schemas/BulkEvent"}}},
    }
}


_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "One answer a line, in the order of the request; the last line has the checkpoint",
        "content": {"application/x-ndjson": {"schema": {"$ref": "#/components/schemas/BulkLine"}}},
    }
}


@router.post(
    "/v1/events",
    openapi_extra=needs("event") | appends(_NDJSON),
    response_class=StreamingResponse,
    responses=_ANSWERS | problems("in-flight", "too-large", "unsupported-media-type", "invalid"),
)
async def many(request: Request) -> Response:
    """Append many events. A line that is refused does not touch the others.

    With an `Idempotency-Key` the whole request may be sent again after a lost answer: lines that were recorded are
    answered as repeats. The answer begins when the last line was read. Where the body as a whole is at fault (too long,
    broken gzip) after lines of it were recorded, these are answered, and one more line has the problem.
    """
    service = serving(request)
    caller = await service.caller(request, "event")
    if bodies.media_type(request) != "application/x-ndjson":
        raise Problem("unsupported-media-type", "send application/x-ndjson")
    # On disk, nameless: most clients read nothing before they have sent everything, and memory is to stay flat.
    answered = TemporaryFile("w+b", buffering=1 << 16)  # noqa: SIM115 - closed by whoever reads it to its end
    try:
        bulk = _Bulk(service, caller, request, answered)
        batch: list[bytes] = []
        broken: Problem | None = None
        try:
            async for line in _lines(request):
                batch.append(line)
                if len(batch) >= BATCH:
                    await bulk.take(batch)
                    batch = []
        except Problem as problem:
            if not bulk.begun:
                raise
            # What was recorded by then is answered for; the body's own problem comes after that.
            broken = problem
        else:
            await bulk.take(batch)
        await bulk.end(broken)
    except BaseException:
        answered.close()
        raise
    return StreamingResponse(_told(answered), media_type="application/x-ndjson", headers={"cache-control": "no-store"})


async def _told(answered: IO[bytes]) -> AsyncIterator[bytes]:
    with answered:
        answered.seek(0)
        while part := await anyio.to_thread.run_sync(answered.read, 1 << 16):
            yield part


async def _lines(request: Request) -> AsyncIterator[bytes]:
    rest = b""
    count = size = 0
    async for chunk in bodies.unpacked(request):
        size += len(chunk)
        if size > BODY_LIMIT:
            raise Problem(
                "too-large", f"the body is longer than {BODY_LIMIT:,} bytes: send the rest in another request"
            )
        *whole, rest = (rest + chunk).split(b"\n")
        # Of a line that is too long only as much is kept as shows that.
        rest = rest[: LINE_LIMIT + 1]
        for line in whole:
            count += 1
            if count > LINES:
                raise Problem("too-large", f"more than {LINES:,} lines: send the rest in another request")
            yield line
    if rest:
        yield rest


@dataclass(slots=True)
class _Line:
    """One line that became an act, or the problem that it is."""

    id: str | None
    problem: Problem | None = None


class _Bulk:
    """The batches of one request, at most `UNDER_WAY` with the ledger, answered in order."""

    def __init__(self, service: Service, caller: Caller, request: Request, answered: IO[bytes]) -> None:
        self._service = service
        self._caller = caller
        self._request = request
        self._answered = answered
        self._waiting: deque[tuple[list[_Line], asyncio.Future[list[Answer]]]] = deque()
        self._first = 0
        self._checkpoint = b""

    async def take(self, lines: Sequence[bytes]) -> None:
        """Hand these lines to the ledger; waits while enough are under way."""
        if not lines:
            return
        while len(self._waiting) >= UNDER_WAY:
            await self._receive()
        known, submissions = await anyio.to_thread.run_sync(self._prepare, lines, self._first)
        self._first += len(lines)
        self._waiting.append((known, await self._submit(submissions)))

    async def _submit(self, submissions: Sequence[Submission]) -> asyncio.Future[list[Answer]]:
        while True:
            try:
                return asyncio.wrap_future(self._service.log.submit(submissions))
            except Unavailable:
                # A full queue empties; what has halted does not.
                if self._service.log.halted is not None:
                    raise
                await asyncio.sleep(BUSY_SECONDS)

    @property
    def begun(self) -> bool:
        """Whether anything was handed over."""
        return self._first > 0

    async def end(self, broken: Problem | None) -> None:
        """Until everything is answered; ``broken`` is why the rest of the body was not read."""
        while self._waiting:
            await self._receive()
        if broken is not None:
            self._answered.write(orjson.dumps({"problem": broken.document()}) + b"\n")
        note = self._checkpoint or (await self._service.checkpoint())[1]
        self._answered.write(orjson.dumps({"checkpoint": note.decode()}) + b"\n")

    async def _receive(self) -> None:
        known, future = self._waiting.popleft()
        answers = iter(await future)
        said = []
        for line in known:
            told: dict[str, Any] = {} if line.id is None else {"id": line.id}
            problem = line.problem
            if problem is None:
                answer = next(answers)
                problem = self._told(answer, told)
            if problem is not None:
                told["problem"] = problem.document()
            said.append(orjson.dumps(told))
        said.append(b"")
        self._answered.write(b"\n".join(said))

    def _told(self, answer: Answer, told: dict[str, Any]) -> Problem | None:
        if isinstance(answer, LedgerError):
            return problem_of(answer)
        recorded = answer.recorded[0]
        told |= {"seq": recorded.seq, "leaf_hash": recorded.leaf, "repeated": answer.repeated}
        self._checkpoint = answer.checkpoint
        if answer.denied is not None:
            return Problem("blocked", f"block {answer.denied} covers this file; the attempt is on record")
        return None

    def _prepare(self, lines: Sequence[bytes], first: int) -> tuple[list[_Line], list[Submission]]:
        known: list[_Line] = []
        submissions: list[Submission] = []
        for number, octets in enumerate(lines, first + 1):
            line = _Line(None)
            known.append(line)
            try:
                if len(octets) > LINE_LIMIT:
                    raise Problem("too-large", f"line {number} is longer than {LINE_LIMIT:,} bytes")
                read = bodies.loads(octets)
                if isinstance(read, dict) and isinstance(id := read.get("id"), str) and len(id) <= schemas.LINE_ID:
                    line.id = id
                said = bodies.fit(schemas.BulkEvent, read)
                act = drafting.draft(self._service, said.message, said)
                key, digest = idempotency.of_line(self._service, self._caller, self._request, number, octets)
                submissions.append(Submission(act, key, digest))
            except Problem as problem:
                line.problem = problem
            except LedgerError as error:
                line.problem = problem_of(error)
        return known, submissions
