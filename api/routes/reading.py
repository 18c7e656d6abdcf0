"""Messages found and told: what is recorded of them, of each recipient and each file. What some roles look at becomes
an entry before they see it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any, Final

import anyio.to_thread
from fastapi import APIRouter, Path, Query, Request, Response

from api import answers, blocked, bodies, schemas
from api.errors import Problem
from api.openapi import body_of, needs, problems
from api.roles import WATCHED
from api.service import Caller, Service, serving
from ledger import search
from ledger.errors import UnknownReference
from ledger.overview import Overview, Standing
from ledger.retention import Term
from ledger.search import Found, Wanted
from ledger.sequencer import Submission
from ledger.state import Chain

router = APIRouter(tags=["messages"])

HEADERS: Final = ("subject", "from", "to", "cc", "date", "message_id")
_SPELT: Final = ("address", "domain", "subject", "file")
_ASKED: Final = frozenset({"before", "limit", "sha256", "since", "state", "until"})


@router.get(
    "/v1/messages",
    response_model=schemas.Messages,
    openapi_extra=needs("read"),
    responses=problems("invalid", "not-found"),
)
async def messages(
    request: Request,
    sha256: Annotated[schemas.Hash | None, Query(description="Of the message, or of one of its files")] = None,
    since: Annotated[str | None, Query(description="Recorded at this instant or later")] = None,
    until: Annotated[str | None, Query(description="Recorded before this instant")] = None,
    state: Annotated[schemas.State | None, Query(description="Some recipient is in this state")] = None,
    before: Annotated[schemas.Id | None, Query(description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=search.MOST)] = 50,
) -> Response:
    """The newest messages, or those for which every condition holds. To search for an address, a subject or a file
    name, which would be personal data in a URL, use `POST /v1/messages/search`."""
    service = serving(request)
    caller = await service.caller(request, "read")
    if named := [name for name in _SPELT if name in request.query_params]:
        raise Problem("invalid", f"{named[0]}: not in a URL, which others log; send it to POST /v1/messages/search")
    if not _ASKED.issuperset(request.query_params):
        # Ignored, it would be taken for a condition that all of these meet.
        raise Problem("invalid", f"only these are asked for in a URL: {', '.join(sorted(_ASKED))}")
    said = schemas.Search(sha256=sha256, since=since, until=until, state=state, before=before, limit=limit)
    return await _answer(service, caller, said)


@router.post(
    "/v1/messages/search",
    response_model=schemas.Messages,
    openapi_extra=needs("read") | body_of(schemas.Search),
    responses=problems("invalid", "not-found", "too-large", "unsupported-media-type"),
)
async def find(request: Request) -> Response:
    """Messages for which every condition holds, the newest first. Words are found whole, in any order, whatever their
    case. The database sees blind indexes of what is looked for, never the words."""
    service = serving(request)
    caller = await service.caller(request, "read")
    return await _answer(service, caller, bodies.parse(schemas.Search, await bodies.read_json(request)))


async def _answer(service: Service, caller: Caller, said: schemas.Search) -> Response:
    wanted = Wanted(
        address=said.address,
        domain=said.domain,
        subject=said.subject,
        file=said.file,
        sha256=said.sha256,
        since=bodies.instant("since", said.since),
        until=bodies.instant("until", said.until),
        state=said.state,
        before=said.before,
        limit=said.limit,
    )
    found = await anyio.to_thread.run_sync(service.log.search, wanted)
    await looked(service, caller, None, "search")
    told: dict[str, Any] = {"messages": [_found(one) for one in found]}
    if len(found) == wanted.limit:
        told["next"] = found[-1].message
    return answers.found(told)


def _found(one: Found) -> dict[str, Any]:
    told: dict[str, Any] = {"message": one.message, "seq": one.seq, "recorded_at": one.recorded_at}
    told |= {"files": one.files, "recipients": one.count, "first": [_brief(who) for who in one.recipients]}
    return told | _known({"subject": one.subject, "mail_from": one.mail_from})


def _brief(one: Standing) -> dict[str, Any]:
    return {"id": one.recipient, "state": one.state} | _known({"address": one.address})


def _known(said: Mapping[str, Any]) -> dict[str, Any]:
    """Without what there never was, or what was erased."""
    return {name: value for name, value in said.items() if value is not None}


@router.get(
    "/v1/messages/{message}",
    response_model=schemas.Message,
    openapi_extra=needs("read"),
    responses=problems("not-found", "invalid"),
)
async def message(request: Request, message: Annotated[schemas.Id, Path()]) -> Response:
    """One message: what was sent, and what is recorded of each recipient and each file. A summary for people, in which
    a machine's event counts like anyone's: what proves is the evidence."""
    service = serving(request)
    caller = await service.caller(request, "read")
    said = await anyio.to_thread.run_sync(service.log.overview, message)
    await looked(service, caller, message, "message")
    return answers.found(_overview(said))


def _overview(said: Overview) -> dict[str, Any]:
    sealed = said.disclosed
    told: dict[str, Any] = {
        "message": said.message,
        "seq": said.seq,
        "recorded_at": said.recorded_at,
        "content": said.content,
        "envelope": said.envelope,
        "headers": _known({name: sealed.get(name) for name in HEADERS}),
        "files": [_file(f"f{number}", sealed) for number in range(1, said.files + 1)],
        "recipients": [_recipient(one, said) for one in said.recipients],
        "unattributed": _firsts(said.unattributed, said),
        "holds": said.holds,
    }
    kept = None if said.term is None else _term(said.term)
    known = {"mail_from": sealed.get("mail_from"), "raw": sealed.get("raw")}
    return told | _known(known | {"retention": kept, "erased": _entry(said.erased, said)})


def _term(term: Term) -> dict[str, Any]:
    told: dict[str, Any] = {"class": term.name, "minimum": term.minimum, "erasable": term.erasable}
    return told if term.due is None else told | {"maximum": term.maximum, "due": term.due}


def _entry(seq: int | None, said: Overview) -> dict[str, Any] | None:
    return None if seq is None else {"seq": seq, "at": said.times[seq]}


def _file(name: str, sealed: Mapping[str, Any]) -> dict[str, Any]:
    """Nothing but its name once it was erased."""
    held = sealed.get(name) or {}
    return {"id": name} | _known({key: held.get(key) for key in ("name", "media_type", "size", "sha256", "where")})


def _recipient(one: Standing, said: Overview) -> dict[str, Any]:
    files = sorted({*one.blocks, *one.downloads}, key=lambda name: int(name[1:]))
    told: dict[str, Any] = {
        "id": one.recipient,
        "state": one.state,
        "states": one.states,
        "grade": one.grade,
        "firsts": _firsts(one.firsts, said),
        "files": [{"id": f, "fetched": f in one.downloads, "blocks": one.blocks.get(f, ())} for f in files],
        "holds": one.holds,
    }
    return told | _known({"address": one.address, "role": one.role, "erased": _entry(one.erased, said)})


def _firsts(firsts: Mapping[str, int], said: Overview) -> dict[str, Any]:
    return {kind: {"seq": seq, "at": said.times[seq]} for kind, seq in firsts.items()}


@router.get(
    "/v1/messages/{message}/blocks",
    tags=["blocks"],
    response_model=schemas.Blocks,
    openapi_extra=needs("read"),
    responses=problems("not-found", "invalid"),
)
async def blocks(request: Request, message: Annotated[schemas.Id, Path()]) -> Response:
    """Every block of a message, lifted ones too, and for each file whether it came in time."""
    service = serving(request)
    caller = await service.caller(request, "read")

    def read() -> list[dict[str, Any]]:
        own: Chain = service.log.message(message)
        found = blocked.blocks(service.log.reader, own)
        inside = blocked.inside(service.log.disclosed(message))
        return [one.document(inside) for one in found]

    told = await anyio.to_thread.run_sync(read)
    await looked(service, caller, message, "blocks")
    return answers.found({"blocks": told})


async def looked(service: Service, caller: Caller, message: str | None, what: str) -> None:
    """Record that this caller looks, if his role's looks are recorded; nothing is shown before that is durable."""
    if caller.role in WATCHED:
        await service.gathering.write(
            Submission(service.log.prepare_view(message, what, service.log.person(caller.id, caller.name)))
        )


async def looked_in_vain(service: Service, caller: Caller, message: str, what: str) -> None:
    """The same where the answer is no: that tells something too, unless there is no such message."""
    with suppress(UnknownReference):
        await looked(service, caller, message, what)
