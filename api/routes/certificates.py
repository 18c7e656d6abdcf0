"""Certificates: issued, handed out again, withdrawn, and looked up by whoever has the paper."""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Annotated, Any, Final

import anyio.to_thread
from fastapi import APIRouter, Path, Request, Response

from api import answers, bodies, drafting, idempotency, schemas, schemas_proofs
from api.disposition import attachment
from api.errors import Problem
from api.openapi import APPENDING, appends, body_of, needs, problems
from api.routes.reading import looked, looked_in_vain
from api.service import Service, serving
from ledger import claims
from ledger.certified import Status
from ledger.certifying import Issued
from ledger.closing import Close
from ledger.errors import Adverse, Erased, FormatError, InvalidRequest, UnknownReference
from ledger.sequencer import Submission

router = APIRouter(tags=["certificates"])

MEDIA_TYPE: Final = "application/pdf"
_PDF: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The file, the same octets each time: `postseal verify` checks it offline",
        "content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
        "headers": {"Content-Disposition": {"schema": {"type": "string"}}},
    }
}


@router.post(
    "/v1/messages/{message}/certificates",
    status_code=201,
    response_model=schemas_proofs.Issued,
    openapi_extra=needs("certify") | appends(body_of(schemas_proofs.NewCertificate)),
    responses=problems(*APPENDING, "not-found", "adverse", "erased"),
)
async def issue(request: Request, message: Annotated[schemas.Id, Path()]) -> Response:
    """Issue a certificate of dispatch (with the content), delivery, access, block or non-access, for all recipients or
    for one (it then shows no other). Refused, with the fact in the way, where it would not be true. It is an entry, and
    so is the hash of its file."""
    service = serving(request)
    caller = await service.caller(request, "certify")
    body = await bodies.read_json(request)
    said = bodies.parse(schemas_proofs.NewCertificate, body)
    key, digest = idempotency.of(service, caller, request, body)
    actor = service.log.person(caller.id, caller.name)

    def ask() -> Close:
        recipient = said.recipient
        if recipient is not None and "@" in recipient:
            recipient = drafting.recipient_of(service, message, recipient)
        return service.certifying.ask(
            message,
            said.kind,
            actor=actor,
            recipient=recipient,
            file=said.file,
            content=not said.facts_only,
            language=said.language,
            paper=said.paper,
            supersedes=said.supersedes,
            key=key,
        )

    try:
        closing = await anyio.to_thread.run_sync(ask)
        done = await service.gathering.write(Submission(closing, key, digest))
        issued: Issued = await anyio.to_thread.run_sync(service.certifying.finish, done)
    except (Problem, Adverse, Erased, InvalidRequest, UnknownReference):
        # Why not is told from what is recorded, and so is a look.
        await looked_in_vain(service, caller, message, "certificate")
        raise
    if done.repeated:
        await looked(service, caller, message, "certificate")
    url = f"/v1/certificates/{issued.number}.pdf"
    told = {
        "number": issued.number,
        "token": issued.token,
        "url": url,
        "sha256": sha256(issued.pdf).hexdigest(),
        "receipt": await service.receipt(done),
    }
    return answers.created(told, url)


@router.get(
    "/v1/certificates/{number}.pdf",
    openapi_extra=needs("certify"),
    response_class=Response,
    responses=_PDF | problems("not-found", "erased", "invalid", "damaged"),
)
async def again(request: Request, number: Annotated[schemas_proofs.Number, Path()]) -> Response:
    """The file of a certificate, held against the hash that the ledger has sealed."""
    service = serving(request)
    caller = await service.caller(request, "certify")
    known: Status = await anyio.to_thread.run_sync(service.log.certified, number)
    await looked(service, caller, known.message, "certificate")
    pdf: bytes = await anyio.to_thread.run_sync(service.log.certificate, number)
    name = f"certificate-{number}.pdf"
    headers = {"cache-control": "no-store", "content-disposition": attachment(name, name)}
    return Response(pdf, 200, headers, MEDIA_TYPE)


@router.post(
    "/v1/certificates/{number}/withdraw",
    status_code=201,
    response_model=schemas_proofs.Withdrawn,
    openapi_extra=needs("withdraw") | appends(body_of(schemas_proofs.NewWithdrawal)),
    responses=problems(*APPENDING, "not-found"),
)
async def withdraw(request: Request, number: Annotated[schemas_proofs.Number, Path()]) -> Response:
    """Say that a certificate is not to be relied on any longer. That it was issued stays recorded."""
    service = serving(request)
    caller = await service.caller(request, "withdraw")
    body = await bodies.read_json(request)
    said = bodies.parse(schemas_proofs.NewWithdrawal, body)
    key, digest = idempotency.of(service, caller, request, body)
    actor = service.log.person(caller.id, caller.name)

    def ask() -> Any:
        return service.certifying.withdrawal(number, said.reason, actor=actor, key=key)

    made = await anyio.to_thread.run_sync(ask)
    done = await service.gathering.write(Submission(made, key, digest))
    return answers.created({"receipt": await service.receipt(done)})


@router.post(
    "/v1/certificates/lookup",
    response_model=schemas_proofs.Certificate,
    openapi_extra=body_of(schemas_proofs.NewLookup),
    responses=problems("not-found", "too-large", "unsupported-media-type", "invalid", open_to_all=True),
)
async def lookup(request: Request) -> Response:
    """What became of a certificate, for whoever has the paper: its number with its token. An unknown number and a wrong
    token are one answer."""
    service = serving(request)
    said = bodies.parse(schemas_proofs.NewLookup, await bodies.read_json(request))
    found = await anyio.to_thread.run_sync(find, service, said.number, said.token)
    return answers.found(status(found))


def find(service: Service, number: str, token: str) -> Status:
    """A certificate by what was typed from paper. Problem, the same one for whatever is wrong."""
    try:
        wanted, word = claims.typed(number), claims.typed(token)
        # Compared before it is looked for: how long the answer takes tells nobody which numbers there are.
        if hmac.compare_digest(word, service.certifying.token(wanted)):
            return service.log.certified(wanted)
    except (FormatError, UnknownReference):
        pass
    raise Problem("not-found", "no certificate is opened by this number and token")


def status(found: Status) -> dict[str, Any]:
    """As JSON."""
    said: dict[str, Any] = {
        "number": found.number,
        "kind": found.kind,
        "status": "current",
        "message": found.message,
        "sealed_at": found.sealed.at,
        "seq": found.sealed.seq,
        "sha256": found.sha256,
    }
    if found.recipient is not None:
        said["recipient"] = found.recipient
    if found.superseded is not None:
        said |= {"status": "superseded", "superseded_by": found.superseded}
    if found.withdrawn is not None:
        said |= {"status": "withdrawn", "withdrawn_at": found.withdrawn.at}
    return said
