"""Looking messages up, by what they are about and by what became of them. docs/format.md, "Lookups".

What is looked for goes through the key ring: the database holds blind indexes only, and learns from a search no more
than which of them it asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ledger import drafts, entry, terms, vault
from ledger.canonical import Json
from ledger.disclosure import parse
from ledger.drafts import Blinds
from ledger.errors import InvalidRequest, UnknownReference
from ledger.ids import uuid7
from ledger.overview import Standing, is_recording, standing
from ledger.state import STATES, Chain
from ledger.store import find
from ledger.store.read import Reader
from ledger.terms import Term

MOST: Final = 500
"""Messages of one page."""

SHOWN: Final = 20
"""Recipients of one message in a page; `ledger.overview` has them all."""

_LAST: Final = 1000 * (2**48 - 1)
"""The last microsecond that an id can begin with."""

Opened = Callable[[Sequence[int], Sequence[str]], Mapping[int, Sequence[str]]]
"""What is sealed on entries under the data keys of some subjects: D texts by seq."""


@dataclass(frozen=True, slots=True)
class Found:
    """A message that was looked for. ``subject`` and ``mail_from`` are None where there was none, or it was erased.

    ``recipients`` are the first `SHOWN` of ``count``; ``chain`` is the number of the message's chain.
    """

    message: str
    chain: int
    seq: int
    recorded_at: str
    subject: str | None
    mail_from: str | None
    files: int
    count: int
    recipients: tuple[Standing, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is looked for: every condition that is not None must hold.

    Of ``subject`` and ``file`` every word; ``since`` and ``until`` (not itself) are microseconds since 1970, as the
    message's id has them; ``state`` is of some recipient; ``before`` is the last message of the page before.
    """

    address: str | None = None
    domain: str | None = None
    subject: str | None = None
    file: str | None = None
    sha256: str | None = None
    since: int | None = None
    until: int | None = None
    state: str | None = None
    before: str | None = None
    limit: int = 50

    def terms(self) -> list[Term]:
        """InvalidRequest where nothing could be found by what is said, or it says what cannot be."""
        made: list[Term] = []
        for name, spell in _SPELT.items():
            said = getattr(self, name)
            if said is not None:
                found = spell(said)
                if not found:
                    raise InvalidRequest(f"nothing can be found by this {name}")
                made += found
        if self.state is not None and self.state not in STATES:
            raise InvalidRequest(f"a state is one of {', '.join(STATES)}")
        if not 1 <= self.limit <= MOST:
            raise InvalidRequest(f"a page has 1 to {MOST} messages")
        if any(not 0 <= at <= _LAST for at in (self.since, self.until) if at is not None):
            raise InvalidRequest("an instant is told in microseconds since 1970")
        return made


_SPELT: Final[Mapping[str, Callable[[str], list[Term]]]] = {
    "address": lambda said: terms.by_address(said)[:1],  # its domain finds nothing more
    "domain": terms.by_domain,
    "subject": terms.by_subject,
    "file": terms.by_file,
    "sha256": terms.by_sha256,
}


def search(reader: Reader, blinds: Blinds, opened: Opened, wanted: Wanted) -> list[Found]:
    """Newest first. InvalidRequest, UnknownReference."""
    made = wanted.terms()
    before = None
    if wanted.before is not None:
        before = reader.chain(wanted.before)
        if before is None or before.type != "message":
            raise UnknownReference("no such message in this log")
    with reader.snapshot() as connection:
        conditions = find.Conditions(
            blinds=drafts.blind_terms(made, blinds),
            since=None if wanted.since is None else uuid7(wanted.since, bytes(10)),
            until=None if wanted.until is None else uuid7(wanted.until, bytes(10)),
            state=None if wanted.state == "recorded" else wanted.state,
            before=before,
            limit=wanted.limit,
        )
        messages = find.messages(connection, conditions)
        recipients = find.recipients(connection, messages, SHOWN)
        recordings = find.recordings(connection, messages, SHOWN)
    return _tell(messages, recipients, recordings, opened)


def _tell(
    messages: Sequence[Chain],
    recipients: Mapping[int, Sequence[Chain]],
    recordings: Sequence[tuple[int, int, bytes]],
    opened: Opened,
) -> list[Found]:
    # What names several people stays closed: of nobody beyond those shown is anything told.
    subjects = [one.id for message in messages for one in (message, *recipients[message.no])]
    subjects += [message.id + vault.SENDER for message in messages]
    texts = opened([seq for _, seq, _ in recordings], subjects)
    disclosed: dict[int, dict[str, Json]] = {message.no: {} for message in messages}
    first: dict[int, tuple[int, str]] = {}
    for no, seq, data in recordings:
        made = entry.decode(data)
        first.setdefault(no, (seq, made.at))
        if is_recording(made):
            disclosed[no].update((one.name, one.value) for one in map(parse, texts.get(seq, ())))
    found = []
    for message in messages:
        seq, at = first[message.no]
        said = disclosed[message.no]
        known = {opening.chain: opening for opening in drafts.openings_of(said)}
        found.append(
            Found(
                message=message.id,
                chain=message.no,
                seq=seq,
                recorded_at=at,
                subject=_text(said, "subject"),
                mail_from=_text(said, "mail_from"),
                files=message.files,
                count=message.recipients,
                recipients=tuple(standing(chain, known.get(chain.id)) for chain in recipients[message.no]),
            )
        )
    return found


def _text(said: Mapping[str, Json], name: str) -> str | None:
    value = said.get(name)
    return value if isinstance(value, str) else None
