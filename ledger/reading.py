"""Reading: a log's entries with what is sealed on them. Nothing is written, and nothing is recorded about who read."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Self

from msgspec import UNSET

from ledger import blobs, certified, claims, content, drafts, entry, papers, vault
from ledger.blobs import Blob, Blobs
from ledger.certified import Status
from ledger.content import Content
from ledger.drafts import Opening
from ledger.errors import Damaged, Erased, SecretError, Unavailable, UnknownReference
from ledger.identify import Identified, Kept, identify
from ledger.keys import KeyRing, MasterKey, Random, ring_path
from ledger.overview import Overview, named, overview, recording
from ledger.search import Found, Wanted, search
from ledger.state import Chain
from ledger.store.append import Row
from ledger.store.credentials import MAC, Credentials
from ledger.store.read import Reader


class Reading:
    """What every holder of a log can read: `reader` the entries, `ring` what is sealed on them, `blobs` what is kept of
    messages, where he has it."""

    id: str
    origin: str
    reader: Reader
    ring: KeyRing
    blobs: Blobs | None = None

    @classmethod
    def over(cls, reader: Reader, data_dir: Path, master: MasterKey, random: Random) -> Self:
        """A log that is only read. Its database is taken as it stands: no migration, no high-water mark."""
        made = cls.__new__(cls)
        head = reader.head()
        made.id, made.origin, made.reader = head.log, head.origin, reader
        made.ring = KeyRing.load(ring_path(data_dir, head.log), master, head.log, random)
        return made

    @property
    def credentials(self) -> Credentials:
        """The API keys of this log."""
        return Credentials(self.reader.engine, partial(self.ring.blind, MAC))

    def acting(self, id: str) -> str:
        """The subject of the data key of an acting person, who is known as ``id`` wherever he acts."""
        return f"person:{self.ring.blind('actor', id).hex()}"

    def message(self, id: str) -> Chain:
        """A message's own chain; UnknownReference."""
        chain = self.reader.chain(id)
        if chain is None or chain.type != "message":
            raise UnknownReference("no such message in this log")
        return chain

    def disclosures(self, seqs: Sequence[int], subjects: Sequence[str] | None = None) -> dict[int, list[str]]:
        """What is sealed on these entries, as far as it was not erased, and under the data keys of ``subjects`` only if
        any are given: D texts by seq."""
        try:
            return self._open(seqs, subjects)
        except SecretError:
            # Between the look at the rows and the look at the ring an epoch may have been turned.
            return self._open(seqs, subjects)

    def _open(self, seqs: Sequence[int], subjects: Sequence[str] | None) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        for seq, subject, epoch, wrapped, box in self.reader.boxes(seqs, subjects):
            cipher = self.ring.open_data_key(subject, epoch, wrapped)
            found.setdefault(seq, []).extend(vault.open_box(cipher, self.id, seq, box))
        return found

    def boxes(self, seq: int) -> list[tuple[str, list[str]]]:
        """What is sealed on an entry and was not erased: D texts, by the subject whose data key they are under."""
        return [
            (subject, vault.open_box(self.ring.open_data_key(subject, epoch, wrapped), self.id, seq, box))
            for _, subject, epoch, wrapped, box in self.reader.boxes([seq])
        ]

    def disclosed(self, message: str) -> dict[str, Any]:
        """Names and values sealed on a message's first entry and its continuations."""
        made = recording(self.reader, self.message(message))
        return dict(named(self.disclosures([one.seq for one in made])))

    def recipients(self, message: str) -> list[Opening]:
        """The recipients of a message that were not erased."""
        return drafts.openings_of(self.disclosed(message))

    def search(self, wanted: Wanted) -> list[Found]:
        """Messages for which every condition holds, newest first. InvalidRequest, UnknownReference."""
        return search(self.reader, self.ring.blinds, self.disclosures, wanted)

    def identify(self, octets: bytes) -> list[Identified]:
        """Messages, or files of them, that the octets are a copy of; the best first. FormatError."""
        return identify(self.reader, self.ring.blinds, self.disclosures, self._kept, octets)

    def _kept(self, message: Chain) -> Kept:
        """The content of a message as far as it is at hand, to hold a copy against."""
        body: bytes | None = None
        try:
            content = self.content(message.id)
            if "body" in content.parts:
                body = b"".join(content.body()[1])
            return Kept(b"".join(content.whole()), body, "")
        except (Erased, UnknownReference) as error:
            return Kept(None, body, str(error))
        except (Damaged, Unavailable) as error:
            # That is for the audit to find; the hashes still stand.
            return Kept(None, None, str(error))

    def overview(self, message: str) -> Overview:
        """A message and each of its recipients, at a glance; UnknownReference."""
        return overview(self.reader, self.disclosures, message)

    def content(self, message: str) -> Content:
        """What is kept of a message. Nothing records that somebody looks: whoever shows it does that first.
        UnknownReference where it was never kept."""
        own = self.message(message)
        made = recording(self.reader, own)
        facts: Any = made[0].facts
        if getattr(facts, "content", "") != "kept":
            raise UnknownReference("the content of this message was not kept")
        if self.blobs is None:
            raise Unavailable("there is no vault here to read the content of messages from")
        parts = {}
        for row in self.reader.blobs(own):
            if row[0] in content.PARTS:
                parts[row[0]] = self._blob(own, row)
        sealed = named(self.disclosures([one.seq for one in made], [message]))
        lost = "raw" not in sealed or content.missing(parts)
        return Content(self.id, message, own.files, self.blobs, parts, sealed, self._erased(own) if lost else None)

    def certificate(self, number: str) -> bytes:
        """The file of a certificate, held against the hash that the ledger has of it. UnknownReference where none of
        this number was sealed; Erased where what it told of was; Damaged, Unavailable."""
        if self.blobs is None:
            raise Unavailable("there is no vault here to read certificates from")
        known = self.certified(number)
        part = papers.PART + number
        message = self.message(known.message)
        row = next((row for row in self.reader.blobs(message) if row[0] == part), None)
        if row is None:
            raise Erased("what this certificate told of was erased, and its file with that")
        octets = papers.read(self.blobs, self.id, message.id, self._blob(message, row))
        if sha256(octets).hexdigest() != known.sha256:
            raise Damaged("this certificate is not the one whose hash was recorded")
        return octets

    def certified(self, number: str, message: str | None = None) -> Status:
        """What the ledger says of a certificate that was sealed, which its number names the ``message`` of as well.
        UnknownReference."""
        found = (
            self.reader.numbered([self.place(claims.octets(number))]) if message is None else [self.message(message)]
        )
        for chain in found:
            own = [entry.decode(data) for _, data in self.reader.chain_entries(chain)]
            issued: Any = None
            for one in own:
                facts: Any = one.facts
                if one.kind == "certificate.issued" and facts.number == number:
                    issued = facts
                elif one.kind == "certificate.sealed" and facts.number == number and issued is not None:
                    recipient = None if issued.recipient is UNSET else issued.recipient
                    superseded, withdrawn = certified.became(number, own)
                    kind, digest = issued.certificate, facts.sha256
                    return Status(number, kind, chain.id, recipient, one, digest, superseded, withdrawn)
        raise UnknownReference("no certificate of this number was sealed here")

    def number(self, random: bytes, message: Chain) -> str:
        """The number of a new certificate; `ledger.claims.HALF` random octets make it another each time."""
        return claims.number(random + (message.no ^ self._mask(random)).to_bytes(claims.HALF, "big"))

    def place(self, octets: bytes) -> int:
        """The number of the chain of the message that a certificate's number leads to, if there is such."""
        return int.from_bytes(octets[claims.HALF :], "big") ^ self._mask(octets[: claims.HALF])

    def _mask(self, random: bytes) -> int:
        return int.from_bytes(self.ring.blind("certificate-place", random.hex())[: claims.HALF], "big")

    def _blob(self, message: Chain, row: Row) -> Blob:
        part, name, size, small, wrapped, subject, epoch, data_key = row
        cipher = self.ring.open_data_key(subject, epoch, data_key)
        place = {"part": part, "name": name, "subject": subject, "size": size, "small": small}
        return blobs.unwrap(cipher, wrapped, self.id, message.id, **place)

    def _erased(self, message: Chain) -> str | None:
        """When an erasure that may have taken something of this message was last recorded."""
        chains = [message, *self.reader.recipients(message)]
        told = [data for chain in chains for _, data in self.reader.chain_entries(chain) if _ERASED in data]
        return max((entry.decode(data).at for data in told), default=None)


_ERASED: Final = b'"kind":"erasure.done"'
