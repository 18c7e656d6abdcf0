"""What is sealed of the signatures that a message carries: its DKIM, ARC and DKIM2 fields as they stood, and how its
DKIM signatures verified under the key records that were supplied, which are archived with that.

docs/format.md, "Signatures of others". Keys vanish from the DNS; whoever has the record and the message can check again
in thirty years, and `again` does so for a copy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ledger import dkim, mime
from ledger.canonical import Json
from ledger.dkim import Signature
from ledger.errors import FormatError, Unparsable

MAX_KEYS: Final = 32
MAX_RECORD: Final = 4096
"""Characters of a key record."""

_MAX_FIELDS: Final = 60_000
"""Characters of all fields together: a disclosure must hold them."""


def check_keys(keys: Mapping[str, str]) -> None:
    """FormatError unless these could be key records by the names under which the DNS has them."""
    if len(keys) > MAX_KEYS:
        raise FormatError(f"more than {MAX_KEYS} key records")
    for query, record in keys.items():
        if "._domainkey." not in query or not query.isascii() or len(query) > 255:
            raise FormatError("a key record is named SELECTOR._domainkey.DOMAIN")
        if len(record) > MAX_RECORD or not record.isprintable():
            raise FormatError(f"a key record is the text of a TXT record, at most {MAX_RECORD} characters")


def facts(octets: bytes, keys: Mapping[str, str], at: int) -> list[tuple[str, Json]]:
    """Names and values, for `ledger.drafts.recording`. ``keys`` by their names in the DNS, in lower case; ``at`` in
    seconds since 1970. Nothing for a message without signatures, or without a header that can be read."""
    whole = mime.normalise(octets)
    try:
        header = mime.read_header(whole, 0, len(whole), mime.Limits())
    except Unparsable:
        return []
    kept = dkim.kept(whole, header)
    if not kept.fields:
        return []
    fields: list[Json] = []
    size = 0
    for field in kept.fields:
        said = field.octets.decode("latin-1")
        size += len(said.encode())
        if size > _MAX_FIELDS:
            break
        fields.append({"field": said, "name": field.name})
    left = kept.left_out + len(kept.fields) - len(fields)
    found: list[tuple[str, Json]] = [("signatures", {"fields": fields, "left_out": left})]
    checked = _checked(whole, header, keys, at)
    return [*found, ("dkim", checked)] if checked else found


@dataclass(frozen=True, slots=True)
class Again:
    """How a DKIM signature of a copy verified: ``status`` and ``reason`` as `dkim.Outcome` has them."""

    query: str
    status: str
    reason: str
    line: str


def again(octets: bytes, sealed: Mapping[str, Any]) -> tuple[Again, ...]:
    """The DKIM signatures of a copy (normalised octets) under the key records archived with a message, judged as of
    when they were archived."""
    archived = {one["query"]: one for one in sealed.get("dkim", ())}
    if not archived:
        return ()
    try:
        header = mime.read_header(octets, 0, len(octets), mime.Limits())
    except Unparsable:
        return ()
    found = []
    for one in dkim.signatures(header):
        if isinstance(one, Signature) and one.query in archived:
            known = archived[one.query]
            outcome = dkim.check(octets, header, one, known["record"], known["at"])
            found.append(Again(one.query, outcome.status, outcome.reason, outcome.line))
    return tuple(found)


def _checked(octets: bytes, header: mime.Header, keys: Mapping[str, str], at: int) -> list[Any]:
    found = []
    for one in dkim.signatures(header):
        if isinstance(one, Signature) and one.query in keys:
            outcome = dkim.check(octets, header, one, keys[one.query], at)
            found.append(
                {
                    "at": at,
                    "query": one.query,
                    "reason": outcome.reason,
                    "record": keys[one.query],
                    "status": outcome.status,
                    "unsigned": list(outcome.unsigned),
                }
            )
    return found
