"""Recording: `POST /v1/messages`, with the octets, with the octets alone, or with nothing but their fingerprint."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import anyio.to_thread
from fastapi import APIRouter, Request, Response

from api import answers, bodies, idempotency, multipart, schemas
from api.errors import Problem
from api.openapi import APPENDING, appends, needs, problems
from api.service import serving
from api.settings import SecondDigest
from ledger import entry, envelope, fingerprint, hashonly, signed
from ledger.canonical import Json
from ledger.envelope import Envelope
from ledger.errors import Refused
from ledger.fingerprint import Fingerprint, Leaf
from ledger.sequencer import Submission

router = APIRouter(tags=["messages"])

ENVELOPE_LIMIT: Final = 8 << 20
"""Octets of an envelope, or of what stands for the message itself: room for as many recipients as there may be."""

_BODY: Final = {
    "requestBody": {
        "required": True,
        "description": "The message with its envelope; the octets alone (the envelope is then taken from the headers "
        "and labelled declared: it names nobody in Bcc); or, so that the content never leaves you, its fingerprint.",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["envelope", "message"],
                    "properties": {
                        "envelope": {"type": "string", "contentMediaType": "application/json"},
                        "message": {"type": "string", "contentMediaType": "message/rfc822"},
                    },
                }
            },
            "message/rfc822": {"schema": {"type": "string", "contentMediaType": "message/rfc822"}},
            "application/json": {"schema": {"$ref": "#/components/schemas/HashOnly"}},
        },
    }
}


_PLACE: Final[dict[int | str, dict[str, Any]]] = {
    201: {"headers": {"Location": {"schema": {"type": "string"}, "description": "Where the message will be shown"}}}
}


class _Sent(NamedTuple):
    """A message as a client brought it; ``said`` is what makes it the same request."""

    said: tuple[bytes, ...]
    taken: Fingerprint
    envelope: Envelope
    roles: Sequence[str]
    hosted: Sequence[str]
    keep: bytes | None = None
    retention: str | None = None
    signed: Sequence[tuple[str, Json]] = ()


@router.post(
    "/v1/messages",
    status_code=201,
    response_model=schemas.Recorded,
    openapi_extra=needs("record") | appends(_BODY),
    responses=_PLACE | problems(*APPENDING),
)
async def record(request: Request) -> Response:
    """Record a message: its content hashes, its envelope, and a chain of entries for each recipient. The content itself
    is kept only where the envelope says `keep_content`."""
    service = serving(request)
    caller = await service.caller(request, "record")
    sent = await _read(request, service.settings.message_bytes, service.settings.second_digest)
    key, digest = idempotency.of(service, caller, request, *sent.said)
    log = service.log
    made, openings = await anyio.to_thread.run_sync(
        lambda: log.prepare_kept(
            sent.keep,
            key,
            sent.taken,
            sent.envelope,
            sent.roles,
            hosted=sent.hosted,
            signed=sent.signed,
            retention=service.settings.retention_class(sent.retention),
            actor=service.log.person(caller.id, caller.name),
        )
    )
    try:
        outcome = await service.gathering.write(Submission(made, key, digest))
    except Refused as refused:
        await anyio.to_thread.run_sync(log.settle, made, refused)
        raise
    message = made.id
    if outcome.repeated:
        await anyio.to_thread.run_sync(log.settle, made, outcome)
        message = entry.decode(outcome.recorded[0].data).chain
        openings = await anyio.to_thread.run_sync(log.recipients, message)
    said = {
        "message": message,
        "recipients": [{"id": one.recipient, "address": one.address} for one in openings],
        "files": [_file(leaf) for leaf in sent.taken.files],
        "receipt": await service.receipt(outcome),
        "repeated": outcome.repeated,
    }
    return answers.created(said, f"/v1/messages/{message}")


def _file(leaf: Leaf) -> dict[str, Any]:
    said: dict[str, Any] = {"id": leaf.file, "media_type": leaf.media_type, "size": leaf.size, "sha256": leaf.sha256}
    return said if leaf.name is None else said | {"name": leaf.name}


async def _read(request: Request, limit: int, second: SecondDigest | None) -> _Sent:
    kind = bodies.media_type(request)
    if kind == "multipart/form-data":
        body = await bodies.read(request, limit + ENVELOPE_LIMIT)
        return await anyio.to_thread.run_sync(_given, body, request.headers["content-type"], limit, second)
    if kind == "message/rfc822":
        octets = await bodies.read(request, limit)
        return await anyio.to_thread.run_sync(_declared, octets, second)
    if kind == "application/json":
        body = await bodies.read(request, ENVELOPE_LIMIT)
        return await anyio.to_thread.run_sync(_hash_only, body)
    raise Problem("unsupported-media-type", "send multipart/form-data, message/rfc822 or application/json")


def _given(body: bytes, content_type: str, limit: int, second: SecondDigest | None) -> _Sent:
    parts = multipart.parse(body, content_type, frozenset({b"envelope", b"message"}))
    said, octets = parts[b"envelope"], parts[b"message"]
    if len(octets) > limit:
        raise Problem("too-large", f"the message is longer than {limit:,} bytes")
    if len(said) > ENVELOPE_LIMIT:
        raise Problem("too-large", f"the envelope is longer than {ENVELOPE_LIMIT:,} bytes")
    wanted = bodies.parse(schemas.Envelope, said)
    sent = envelope.given(wanted.mail_from, wanted.rcpt_to)
    return _Sent(
        (said, octets),
        fingerprint.take(octets, second=second),
        sent,
        envelope.roles(octets, sent),
        wanted.hosted,
        octets if wanted.keep_content else None,
        wanted.retention,
        _signed(octets, wanted.dkim_keys),
    )


def _declared(octets: bytes, second: SecondDigest | None) -> _Sent:
    sent = envelope.declared(octets)
    taken = fingerprint.take(octets, second=second)
    return _Sent((octets,), taken, sent, envelope.roles(octets, sent), (), signed=_signed(octets, {}))


def _signed(octets: bytes, keys: Mapping[str, str]) -> Sequence[tuple[str, Json]]:
    signed.check_keys(keys)
    return signed.facts(octets, {query.lower(): record for query, record in keys.items()}, int(time.time()))


def _hash_only(body: bytes) -> _Sent:
    wanted = bodies.parse(schemas.HashOnly, body)
    if wanted.envelope.dkim_keys:
        raise Problem("invalid", "dkim_keys: of a message that stays with you no signature can be checked here")
    if wanted.envelope.keep_content:
        raise Problem("invalid", "keep_content: of a message that stays with you nothing can be kept here")
    sent = envelope.given(wanted.envelope.mail_from, wanted.envelope.rcpt_to)
    taken = hashonly.from_json(wanted.fingerprint)
    # The headers stayed with the sender, so nothing tells a To from a Bcc.
    return _Sent(
        (body,),
        taken,
        sent,
        ["envelope"] * len(sent.rcpt_to),
        wanted.envelope.hosted,
        retention=wanted.envelope.retention,
    )
