"""Keeping content: into the vault before the entry that says so, and out of it again where no entry came of it.

A crash between the two leaves a blob that no message has. `Keeping.sweep` deletes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ledger import content, mime
from ledger.act import Recording
from ledger.drafts import Opening
from ledger.envelope import Envelope
from ledger.errors import InvalidRequest, Refused, Unavailable
from ledger.fingerprint import Fingerprint
from ledger.plan import Act
from ledger.preparing import Preparing
from ledger.sequencer import Answer, Outcome

ORPHAN_SECONDS: Final = 3600.0
"""How long a blob may lie without a message that has it: far longer than any entry is on its way."""


class Keeping(Preparing):
    """The part of a log that keeps content."""

    def prepare_kept(
        self,
        octets: bytes | None,
        key: bytes | None,
        fingerprint: Fingerprint,
        sent: Envelope,
        roles: Sequence[str],
        **details: Any,
    ) -> tuple[Recording, list[Opening]]:
        """`prepare`, with the content of the message put into the vault: durable when this returns. None is not kept.
        Whoever submits it, under ``key`` if he has one, hands the answer to `settle`. InvalidRequest, Unavailable."""
        if octets is None:
            return self.prepare(fingerprint, sent, roles, **details)
        if self.blobs is None:
            raise Unavailable("there is no vault here to keep the content of messages in")
        whole = mime.normalise(octets)
        if len(whole) != fingerprint.raw.size:
            raise InvalidRequest("the octets to be kept are not those of the fingerprint")
        made, openings = self.prepare(fingerprint, sent, roles, content="kept", **details)
        # What was recorded under this key is answered from the ledger, and nothing is written.
        if key is None or not self.reader.requested(key):
            made.blobs = content.keep(self.blobs, self.id, made.id, whole, fingerprint.header_size, self._chance)
        return made, openings

    def settle(self, made: Act, answer: Answer) -> None:
        """Delete what was kept for a message that was not recorded after all. Where nobody can say whether it was, it
        stays, until `sweep`."""
        if isinstance(made, Recording) and made.blobs and self.blobs is not None:
            repeated = isinstance(answer, Outcome) and answer.repeated
            if repeated or isinstance(answer, Refused):
                content.discard(self.blobs, made.blobs)

    def sweep(self) -> int:
        """Delete old blobs that no message has; how many there were. Unavailable."""
        if self.blobs is None:
            return 0
        old = [name for name, seconds in self.blobs.names() if seconds > ORPHAN_SECONDS]
        # Only now, so that a blob whose entry came meanwhile is known.
        orphans = self.reader.unnamed(old)
        for name in orphans:
            self.blobs.delete(name)
        return len(orphans)
