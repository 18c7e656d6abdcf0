"""Evidence: what is handed to somebody who must not have to trust us."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

import anyio.to_thread
from fastapi import APIRouter, Path, Request, Response

from api import bodies, drafting, idempotency, schemas, schemas_proofs
from api.errors import Problem
from api.openapi import APPENDING, appends, body_of, needs, problems
from api.roles import may
from api.routes.content import ALONE, Sent
from api.routes.reading import looked, looked_in_vain
from api.service import Service, serving
from ledger import evidence
from ledger.closing import Close
from ledger.document import Claim
from ledger.errors import Adverse, Erased, UnknownReference
from ledger.sequencer import Submission
from reports import bag, native
from reports.bag import Package
from reports.sealed import check_fits

router = APIRouter(tags=["evidence"])

MEDIA_TYPE: Final = "application/json"
PACKAGE: Final = "application/zip"

_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Evidence (`postseal-evidence/1`), these very octets: `postseal verify` checks them offline. To "
        "whoever accepts `application/zip` rather than JSON, a package of it (docs/format.md, Package)",
        "content": {
            MEDIA_TYPE: {"schema": {"type": "object"}},
            PACKAGE: {"schema": {"type": "string", "format": "binary"}},
        },
        "headers": {"Content-Disposition": {"schema": {"type": "string"}}},
    }
}

_WEIGHT: Final = re.compile(r"\s*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*", re.ASCII | re.IGNORECASE)


@router.post(
    "/v1/messages/{message}/evidence",
    openapi_extra=needs("export") | appends(body_of(schemas_proofs.NewEvidence)),
    response_class=Response,
    responses=_ANSWERS | problems(*APPENDING, "not-found", "adverse", "erased", "damaged"),
)
async def export(request: Request, message: Annotated[schemas.Id, Path()]) -> Response:
    """Evidence of a message up to now, for all its recipients or for one (it then shows no other). The export is itself
    an entry. A claim of non-access that would not be true is refused, with the fact in the way; and it is not complete
    before an auditor has vouched that nothing is filed elsewhere (`postseal audit --sign`).

    As a package (`Accept: application/zip`) it comes with every entry, proof and fact in a file of its own and how to
    check them by hand; with `content` also with what was kept."""
    service = serving(request)
    caller = await service.caller(request, "export")
    body = await bodies.read_json(request)
    said = bodies.parse(schemas_proofs.NewEvidence, body)
    if said.only is not None and said.kind != "history":
        raise Problem("invalid", "only: a claim of non-access must disclose what it is about")
    package = _prefers_package(request)
    if (said.content or said.certificate) and not package:
        raise Problem("invalid", "evidence holds hashes only; ask for a package (Accept: application/zip)")
    if said.content and not may(caller.role, "content"):
        raise Problem("forbidden", f"a key of role {caller.role} may not see content")
    key, digest = idempotency.of(service, caller, request, body)
    log, actor = service.log, service.log.person(caller.id, caller.name)

    def prepare() -> tuple[Claim, Close, list[str]]:
        recipient = said.recipient
        if recipient is not None and "@" in recipient:
            recipient = drafting.recipient_of(service, message, recipient)
        claim, closing = log.prepare_export(
            message,
            recipient=recipient,
            kind=said.kind,
            file=said.file,
            actor=actor,
            key=key,
            show=said.only or (),
        )
        if said.certificate is not None:
            check_fits(log.certified(said.certificate), claim)
        return claim, closing, native.choose(log.content(message), claim, said.only) if said.content else []

    try:
        claim, closing, chosen = await anyio.to_thread.run_sync(prepare)
        for what in [*(["certificate"] if said.certificate else []), *native.looks(chosen)]:
            await service.gathering.write(Submission(log.prepare_view(message, what, actor)))
        done = await service.gathering.write(Submission(closing, key, digest))
        data = await anyio.to_thread.run_sync(lambda: evidence.format(log.assemble(claim, done, said.only)))
    except (Problem, Adverse, Erased, UnknownReference):
        # Why not is told from what is recorded, and so is a look.
        await looked_in_vain(service, caller, message, "evidence")
        raise
    if done.repeated:
        await looked(service, caller, message, "evidence")
    if package:
        return await _packed(service, message, data, chosen, said.certificate)
    return Response(data, 200, _headers(f"evidence-{message}.json"), MEDIA_TYPE)


async def _packed(service: Service, message: str, data: bytes, chosen: list[str], certificate: str | None) -> Response:
    def read() -> Package:
        contents = native.read(service.log.content(message), chosen) if chosen else None
        return bag.pack(data, contents, None if certificate is None else service.log.certificate(certificate))

    parts = (await anyio.to_thread.run_sync(service.log.content, message)).parts if chosen else {}
    room = service.hold(2 * sum(blob.size for blob in parts.values()))
    try:
        made = await anyio.to_thread.run_sync(read)
    except BaseException:
        service.opened -= room
        raise
    headers = _headers(f"{made.name}.zip") | ALONE | {"content-length": str(made.size)}
    return Sent(service, room, made.pieces, headers=headers, media_type=PACKAGE)


def _headers(name: str) -> dict[str, str]:
    return {"cache-control": "no-store", "content-disposition": f'attachment; filename="{name}"', "vary": "accept"}


def _prefers_package(request: Request) -> bool:
    """Whether a package is accepted by name, and JSON is not, or less. What cannot be read is not accepted."""
    weights: dict[str, float] = {}
    for accepted in bodies.header(request, b"accept"):
        for one in accepted.decode("latin-1").split(","):
            name, *parameters = one.split(";")
            said = _WEIGHT.fullmatch(parameters[-1]) if parameters else None
            weights[name.strip().lower()] = float(said[1]) if said else 0.0 if parameters else 1.0
    return weights.get(PACKAGE, 0) > weights.get(MEDIA_TYPE, 0)
