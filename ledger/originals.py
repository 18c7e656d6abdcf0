"""What is known of a recorded message that copies are held against: from its octets, or from what was sealed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar

from ledger import fingerprint, mime
from ledger.canonical import Json
from ledger.errors import FormatError
from ledger.fingerprint import Leaf, Octets, Relaxed
from ledger.sides import HEADERS, Original, beside, odd, read_texts

T = TypeVar("T")

_FACTS: Final = {
    "from": "From",
    "to": "To",
    "cc": "Cc",
    "subject": "Subject",
    "date": "Date",
    "message_id": "Message-ID",
}
_TOGETHER: Final = (frozenset({"From"}), frozenset({"To", "Cc"}))
"""Headers that are erased together."""


def of_octets(octets: bytes) -> Original:
    """Of a message whose normalised octets are at hand."""
    limits = mime.Limits()
    taken = fingerprint.take(octets, limits)
    headers: dict[str, str] = {one.name: one.value for one in reversed(taken.headers)}
    names = [one.name for one in taken.headers]
    return Original(
        taken.raw,
        taken.relaxed,
        headers,
        dict(taken.facts),
        read_texts(octets, limits) if taken.parsed else {},
        repeated=frozenset(name for name in names if names.count(name) > 1),
        odd=odd(taken),
        beside=beside(mime.read_header(octets, 0, len(octets), limits)) if taken.parsed else None,
    )


def of_sealed(sealed: Mapping[str, Any], without: str) -> Original:
    """Of what is sealed on the entries that recorded it, as far as it is shown; ``without`` says why its octets are
    not at hand."""
    leaves = leaves_of(sealed)
    counted = sealed.get("leaves")
    headers = {name: sealed[fact] for fact, name in _FACTS.items() if isinstance(sealed.get(fact), str)}
    hashes = {name: sealed[f"{fact}.sha256"] for fact, name in _FACTS.items() if f"{fact}.sha256" in sealed}
    unknown = [some for some in _TOGETHER if not some & (headers.keys() | hashes.keys())]
    return Original(
        _convert(sealed.get("raw"), Octets),
        _relaxed(sealed),
        headers,
        leaves,
        hashes=hashes,
        unknown=frozenset().union(*unknown),
        odd=_counts(sealed.get("defects", {})),
        partial=not isinstance(counted, dict) or counted.get("count") != len(leaves),
        without=without,
    )


def of_disclosed(sealed: Mapping[str, Any], without: str) -> Original:
    """The same of what somebody chose to disclose: a header that is not there may have been left out."""
    made = of_sealed(sealed, without)
    odd = made.odd if "defects" in sealed else None
    return replace(made, unknown=frozenset(HEADERS).difference(made.headers, made.hashes), odd=odd)


def _counts(said: Json) -> dict[str, int] | None:
    return {name: one for name, one in said.items() if isinstance(one, int)} if isinstance(said, dict) else None


def _relaxed(sealed: Mapping[str, Any]) -> Relaxed | None:
    said = sealed.get("relaxed")
    if not isinstance(said, dict):
        return None
    # Where the hash of the headers went with somebody who was erased, none is equal to it.
    return _convert({**said, "headers": sealed.get("relaxed.headers", 64 * "0")}, Relaxed)


def with_body(sealed: Original, body: bytes) -> Original:
    """The same with the parts and texts of its body, which can be read by itself."""
    limits = mime.Limits()
    taken = fingerprint.take(body, limits)
    if not taken.parsed:
        return sealed
    return replace(sealed, leaves=dict(taken.facts), texts=read_texts(body, limits), partial=False)


def leaves_of(sealed: Mapping[str, Json]) -> dict[str, Leaf]:
    """Its parts, by the names they are sealed under."""
    found = {}
    for name, value in sealed.items():
        if name[0] in "fp" and name[1:].isdigit() and isinstance(value, dict):
            said = {key: one for key, one in value.items() if key != "where"} | {"encoding": "unknown"}
            leaf = _convert(said | ({"file": name} if name[0] == "f" else {}), Leaf)
            if leaf is not None:
                found[name] = leaf
    return found


def _convert(value: object, kind: type[T]) -> T | None:
    """None for what is not there; a record that is not well formed says nothing either."""
    try:
        return None if value is None else fingerprint.convert(value, kind)
    except FormatError:
        return None
