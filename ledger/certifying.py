"""Issuing certificates, in this order, each step durable before the next:

    refused if it would not be true -> certificate.issued closes the chains -> evidence of what was closed -> drawn by
    whoever draws -> kept in the vault -> certificate.sealed

Killed after the first entry, the same request goes on where it ended; a number that was never sealed opens nothing.
docs/format.md, "Certificates".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Final

from msgspec import UNSET

from ledger import blobs, claims, content, drafts, entry, event, evidence, export
from ledger.act import Close, Seal
from ledger.blobs import NAME_SIZE, Blob
from ledger.claims import Claims
from ledger.document import Claim, Evidence
from ledger.errors import Adverse, Unavailable, UnknownReference
from ledger.event import Source
from ledger.log import Log
from ledger.sequencer import Outcome
from ledger.trust import Trust
from ledger.vault import HEADER, KEY_SIZE

Draw = Callable[[Evidence], bytes]
"""Paper from evidence, and from nothing else."""

Actor = tuple[str, str]
"""Who asks for it, as `Log.person` gives it."""

_BEHIND: Final[Mapping[str, tuple[frozenset[str], str]]] = {
    "delivery": (
        frozenset(("relay.accepted", "delivery.delivered", "delivery.relayed")),
        "nothing is recorded of a delivery, nor that a server took it over",
    ),
    "access": (frozenset(event.ACCESSES), "no access is recorded"),
    "block": (frozenset(("block.applied",)), "no block is recorded"),
}
"""Of each kind that needs a fact behind it: any of these, or else why there is no certificate."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A certificate that is asked for: what it will say, and what of it evidence will prove."""

    claims: Claims
    claim: Claim


class Certifying:
    """Certificates of one log."""

    def __init__(self, log: Log) -> None:
        self._log: Final = log

    def ask(
        self,
        message: str,
        kind: str,
        *,
        actor: Actor,
        recipient: str | None = None,
        file: str | None = None,
        shown: bool = True,
        language: str = "en",
        paper: str = "a4",
        source: Source = "api",
        key: bytes | None = None,
    ) -> tuple[Asked, Close]:
        """What will be said, and the act that closes its chains, made ready for `Log.submit`. ``key`` is that of the
        request: one that was recorded before is answered as of then. Adverse where it would not be true, with the fact
        in the way, and before anything is recorded; InvalidRequest, UnknownReference."""
        log = self._log
        drafts.check_source(source)
        if log.blobs is None:
            raise Unavailable("there is no vault here to keep certificates in")
        claim = export.claim_of(
            message, recipient, "non_access" if kind == "non_access" else "history", None, log.message(message).files
        )
        if file is not None:
            claim = export.claim_of(message, recipient, claim.kind, file, log.message(message).files)
        try:
            made = claims.make(
                certificate=kind,
                content=shown,
                language=language,
                message=message,
                number=claims.number(log.random(claims.NUMBER_SIZE)),
                paper=paper,
                **({} if recipient is None else {"recipient": recipient}),
                **({} if file is None else {"file": file}),
            )
        except FormatError as error:
            raise InvalidRequest(str(error)) from None
        if key is None or not log.reader.requested(key):
            self._check(made, claim)
        closing = Close(
            message=message,
            kind="certificate.issued",
            facts=event.CertificateIssued,
            said={"certificate": kind, "claims": claims.digest(made), "number": made.number},
            act=log.new_id(),
            source=source,
            number=None if recipient is None else drafts.number_of(recipient),
            sealed=log.seal(actor[0], [("actor", actor[1])]),
            own=log.seal("", [(claims.FACT, claims.to_json(made))]),
        )
        return Asked(made, claim), closing

    def _check(self, made: Claims, claim: Claim) -> None:
        """Adverse where it would not be true."""
        if made.certificate == "non_access":
            self._log.rehearse(claim)
        elif made.certificate in _BEHIND:
            wanted, without = _BEHIND[made.certificate]
            message = self._log.message(made.message)
            chains = [message, *self._log.reader.recipients(message)]
            if made.recipient is not UNSET:
                chains = [chain for chain in chains if f"r{chain.ordinal}" == made.recipient]
            if not any(_is_any(data, wanted) for chain in chains for _, data in self._log.reader.chain_entries(chain)):
                raise Adverse(without)
