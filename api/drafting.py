"""From an event as a client says it to an act for the ledger."""

from __future__ import annotations

from typing import Any, Final

import anyio.to_thread

from api import bodies, schemas
from api.errors import Problem
from api.service import Service
from ledger import envelope
from ledger.act import Event
from ledger.ids import format_time

SOURCES: Final = frozenset({"api", "gateway", "import", "portal", "report", "webhook"})
"""Whom a client may speak for: anyone but the ledger itself."""

OWN: Final = ("attestation", "file", "grade", "transfer")
"""Facts that are not said among the others: what vouches for an event is not the client's to choose freely."""


async def event(service: Service, message: str, said: schemas.NewEvent) -> Event:
    """An act, made ready. On the event loop unless an address has to be looked up."""
    if said.recipient is not None and "@" in said.recipient:
        return await anyio.to_thread.run_sync(draft, service, message, said)
    return draft(service, message, said)


def draft(service: Service, message: str, said: schemas.NewEvent) -> Event:
    """The same where waiting for the database is no harm."""
    if said.source not in SOURCES:
        raise Problem("invalid", "source: only the ledger speaks for system")
    facts: dict[str, Any] = dict(said.facts or {})
    for name in OWN:
        if name in facts:
            raise Problem("invalid", f"facts: {name} is not said here")
    for name, value in (("file", said.file), ("transfer", said.transfer)):
        if value is not None:
            facts[name] = value
    log = service.log
    if said.kind == "download.started" and "transfer" not in facts:
        facts["transfer"] = log.new_id()
    recipient = said.recipient
    if recipient is not None and "@" in recipient:
        recipient = recipient_of(service, message, recipient)
    occurred = bodies.instant("occurred", said.occurred)
    details: list[tuple[str, Any]] = sorted((said.details or {}).items())
    return log.draft(
        message,
        recipient,
        said.kind,
        source=said.source,
        attestation=said.attestation,
        facts=facts,
        sealed=details,
        occurred=None if occurred is None else format_time(occurred),
        clock=said.clock,
        key=None if said.event_key is None else log.event_key(f"api:{said.source}", said.event_key),
    )


def recipient_of(service: Service, message: str, address: str) -> str:
    """The number of the recipient with this address."""
    wanted = envelope.comparable(address)
    for opening in service.log.recipients(message):
        if envelope.comparable(opening.address) == wanted:
            return opening.recipient
    raise Problem("not-found", "no recipient of this message has that address, or it was erased")
