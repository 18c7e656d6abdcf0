"""Issuing certificates, in this order, each step durable before the next:

    refused if it would not be true -> certificate.issued closes the chains -> evidence of what was closed, drawn ->
    kept in the vault -> certificate.sealed -> (certificate.superseded)

Killed anywhere, the same request under the same key goes on where it ended; a number that was never sealed opens
nothing. docs/format.md, "Certificates".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import msgspec
from msgspec import UNSET

from ledger import certified, claims, drafts, entry, event, evidence, export, papers
from ledger.act import Event
from ledger.blobs import Blob, Blobs
from ledger.certified import Status
from ledger.claims import Claims
from ledger.closing import Close, Seal
from ledger.disclosure import parse
from ledger.document import Claim, Evidence
from ledger.entry import Entry
from ledger.errors import (
    Adverse,
    Erased,
    FormatError,
    InFlight,
    InvalidRequest,
    ProofError,
    Refused,
    Unavailable,
    UnknownReference,
)
from ledger.event import Source
from ledger.log import Log
from ledger.sequencer import Outcome
from ledger.state import Chain
from ledger.transaction import Recorded

Draw = Callable[[bytes], bytes]
"""Paper from the octets of evidence, and from nothing else."""

Actor = tuple[str, str]
"""Who asks, as `Log.person` gives it."""

TRIES: Final = 20
"""How often a certificate is sealed anew, because something else was recorded of its message meanwhile."""

_ERASURE: Final = b'"kind":"erasure.'

MOST: Final = 25_000
"""Entries that one certificate is about: 1,700 pages, drawn in some fifteen seconds."""


@dataclass(frozen=True, slots=True)
class Service:
    """What certificates say of who issues them: who runs the system, on which legal basis, and the address of the page
    where a number can be looked up. Each may be None."""

    operator: str | None = None
    basis: str | None = None
    verify: str | None = None


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate: its number and what opens it where it is looked up, its file, and the act that issued it."""

    number: str
    token: str
    pdf: bytes
    outcome: Outcome


class Certifying:
    """Certificates of one log."""

    def __init__(self, log: Log, draw: Draw, service: Service) -> None:
        self._log: Final = log
        self._draw: Final = draw
        self._service: Final = service

    def issue(self, message: str, kind: str, *, actor: Actor, **asked: Any) -> Issued:
        """All the steps. ``asked`` is as `ask` has it."""
        return self.finish(self._log.write(self.ask(message, kind, actor=actor, **asked)))

    def ask(
        self,
        message: str,
        kind: str,
        *,
        actor: Actor,
        recipient: str | None = None,
        file: str | None = None,
        content: bool = True,
        language: str = "en",
        paper: str = "a4",
        supersedes: str | None = None,
        source: Source = "api",
        key: bytes | None = None,
    ) -> Close:
        """The act that closes its chains, made ready for `Log.submit`; `finish` takes what comes of it. ``key`` is that
        of the request: one that was recorded before is answered as of then. Adverse where the certificate would not be
        true, with the fact in the way, and before anything is recorded; InvalidRequest, UnknownReference."""
        log = self._log
        drafts.check_source(source)
        self._vault()
        number, size = log.number(log.random(claims.HALF), log.message(message)), log.reader.head().size
        said = {"recipient": recipient, "file": file, "supersedes": supersedes}
        said |= {"operator": self._service.operator, "basis": self._service.basis, "verify": self._service.verify}
        try:
            made = claims.make(
                certificate=kind,
                content=content,
                language=language,
                message=message,
                number=number,
                paper=paper,
                shown=claims.shown_digest(()),
                size=size,
                token=self.token(number),
                **{name: value for name, value in said.items() if value is not None},
            )
        except FormatError as error:
            raise InvalidRequest(str(error)) from None
        if key is None or not log.reader.requested(key):
            chains = self._covered(made)
            self._check(made, supersedes, chains)
            choose = export.may_print(made, log.id)
            shown = export.committed(log.reader, log.disclosures, chains, size, choose)
            made = msgspec.structs.replace(made, shown=shown)
        return Close(
            message=message,
            kind="certificate.issued",
            facts=event.CertificateIssued,
            said={"certificate": kind, "claims": claims.digest(made), "number": number},
            act=log.new_id(),
            source=source,
            number=None if recipient is None else drafts.number_of(recipient),
            sealed=log.seal(actor[0], [("actor", actor[1])]),
            own=log.seal("", [(claims.FACT, claims.to_json(made))]),
        )

    def finish(self, done: Outcome) -> Issued:
        """What is to follow once the act of `ask` is durable, as far as it was not done before. Adverse where what came
        between the two is in the way: the number is withdrawn then. Erased, Unavailable."""
        log, vault = self._log, self._vault()
        issued = next(one for one in map(_decode, done.recorded) if one.facts.recipients is not UNSET)
        made = self._claims(issued)
        try:
            return Issued(made.number, made.token, log.certificate(made.number), done)
        except UnknownReference:
            pass
        try:
            octets = evidence.format(self._evidence(made, done))
            pdf = self._draw(octets)
        except (Adverse, FormatError, ProofError) as error:
            # Something came between that is in the way, and this number will never be sealed.
            if self._became(made)[1] is None:
                said = {"number": made.number, "reason": "adverse"}
                log.write(self._mark(made.message, "certificate.withdrawn", said, "system"))
            raise error if isinstance(error, Adverse) else Adverse(str(error)) from None
        recipient = None if made.recipient is UNSET else made.recipient
        blob = papers.keep(vault, log.id, made.message, made.number, recipient, pdf, log.random)
        try:
            repeated = self._seal(made, issued, blob, sha256(pdf).hexdigest())
        except Refused:
            vault.delete(blob.name)
            raise
        if repeated:
            # Somebody else with the same request was first.
            vault.delete(blob.name)
            pdf = log.certificate(made.number)
        if made.supersedes is not UNSET and self.status(made.supersedes).superseded is None:
            said = {"number": made.supersedes, "by": made.number}
            log.write(self._mark(made.message, "certificate.superseded", said, issued.source))
        return Issued(made.number, made.token, pdf, done)

    def _seal(self, made: Claims, issued: Entry, blob: Blob, digest: str) -> bool:
        """Record it; whether somebody else had. Erased where an erasure came meanwhile, which did not find it."""
        log = self._log
        facts = event.CertificateSealed(number=made.number, sha256=digest)
        key = log.event_key("certificate", made.number)
        for _ in range(TRIES):
            own = log.reader.chain_entries(log.message(made.message))
            if any(_ERASURE in data for seq, data in own if seq > issued.seq):
                raise Erased("what this certificate tells of is being erased, or was")
            try:
                # An erasure is an entry on this chain: none came between, if it has not grown.
                return log.write(Seal(made.message, facts, issued.source, blob, key, len(own))).repeated
            except InFlight:
                continue
        raise Unavailable("so much is recorded of this message now that a certificate cannot be sealed; ask again")

    def withdraw(self, number: str, reason: str | None = None, *, actor: Actor, source: Source = "api") -> Outcome:
        """Say that a certificate is not to be relied on any longer. UnknownReference, InvalidRequest."""
        return self._log.write(self.withdrawal(number, reason, actor=actor, source=source))

    def withdrawal(
        self, number: str, reason: str | None, *, actor: Actor, source: Source = "api", key: bytes | None = None
    ) -> Event:
        """The same, made ready for `Log.submit`; ``key`` is that of the request, which may have been recorded before.
        InvalidRequest for what was withdrawn already."""
        drafts.check_source(source)
        known = self.status(number)
        if known.withdrawn is not None and (key is None or not self._log.reader.requested(key)):
            raise InvalidRequest(f"this certificate was withdrawn by entry {known.withdrawn.seq} before")
        said = {"number": number} | ({} if reason is None else {"reason": reason})
        return self._mark(known.message, "certificate.withdrawn", said, source, actor)

    def token(self, number: str) -> str:
        """What opens a certificate for whoever has the paper."""
        return claims.number(self._log.ring.blind("certificate", number)[: claims.NUMBER_SIZE])

    def status(self, number: str) -> Status:
        """What the ledger says of a certificate that was sealed. UnknownReference."""
        return self._log.certified(number)

    def _vault(self) -> Blobs:
        if self._log.blobs is None:
            raise Unavailable("there is no vault here to keep certificates in")
        return self._log.blobs

    def _mark(self, message: str, kind: str, said: dict[str, str], source: Source, actor: Actor | None = None) -> Event:
        sealed = () if actor is None else self._log.seal(actor[0], [("actor", actor[1])])
        return Event(message, 0, kind, drafts.facts_of(kind, said), source, sealed)

    def _became(self, made: Claims) -> tuple[str | None, Entry | None]:
        """By which number it was superseded, and the entry that withdrew it, whether it was sealed or not."""
        own = self._log.reader.chain_entries(self._log.message(made.message))
        return certified.became(made.number, [entry.decode(data) for _, data in own])

    def _claims(self, issued: Entry) -> Claims:
        for text in self._log.disclosures([issued.seq]).get(issued.seq, ()):
            said = parse(text)
            if said.name == claims.FACT:
                return claims.from_json(said.value)
        raise Erased("what this certificate was to say was erased")

    def _covered(self, made: Claims) -> list[Chain]:
        """The message's chain, and those of the recipients. UnknownReference."""
        own = self._log.message(made.message)
        chains = self._log.reader.recipients(own)
        if made.recipient is not UNSET:
            chains = [chain for chain in chains if f"r{chain.ordinal}" == made.recipient]
            if not chains:
                raise UnknownReference("the message has no such recipient")
        return [own, *chains]

    def _check(self, made: Claims, supersedes: str | None, chains: Sequence[Chain]) -> None:
        """Adverse where it would not be true."""
        log = self._log
        claim = _claim_of(made, chains[0].files)
        count = sum(chain.n for chain in chains)
        if count > MOST:
            said = f"{count:,} entries are more than a certificate can hold ({MOST:,})"
            raise InvalidRequest(f"{said}: ask for one recipient's, or export evidence")
        if supersedes is not None:
            before = self.status(supersedes)
            if (before.message, before.kind, before.recipient) != (
                made.message,
                made.certificate,
                made.recipient or None,
            ):
                raise InvalidRequest(
                    "a certificate takes the place of one of its kind, about the same message and recipient"
                )
            if before.withdrawn is not None or before.superseded is not None:
                raise InvalidRequest("that certificate was withdrawn, or another took its place before")
        if made.certificate == "non_access":
            choose = export.may_print(made, log.id)
            export.rehearse(log.reader, log.disclosures, claim, log.checkpoint()[1], log.now(), choose)
        held = [[entry.decode(data) for _, data in log.reader.chain_entries(chain)] for chain in chains]
        known = log.disclosed(made.message)
        hosted = {name for name, said in known.items() if _is_hosted(name, said)}
        certified.check_behind(made, held[0], held[1:], hosted)

    def _evidence(self, made: Claims, done: Outcome) -> Evidence:
        log = self._log
        claim = _claim_of(made, log.message(made.message).files)
        choose = export.may_print(made, log.id)
        return export.assemble(log.reader, log.disclosures, claim, done.recorded, done.checkpoint, choose)


def _is_hosted(name: str, said: Any) -> bool:
    return name[0] == "f" and name[1:].isdigit() and said.get("where") == "hosted"


def _decode(recorded: Recorded) -> Any:
    return entry.decode(recorded.data)


def _claim_of(made: Claims, files: int) -> Claim:
    kind = "non_access" if made.certificate == "non_access" else "history"
    recipient = None if made.recipient is UNSET else made.recipient
    file = None if made.file is UNSET or kind == "history" else made.file
    return export.claim_of(made.message, recipient, kind, file, files)
