"""Problems: what a client is told when the answer is no (RFC 9457). One table for the whole API, docs and tests.

A problem's ``type`` is a URN that never changes; ``title`` is the same for each of its kind; ``detail`` is one line
about this one and never holds personal data or a secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import orjson

from ledger import errors
from ledger.errors import LedgerError

MEDIA_TYPE: Final = "application/problem+json"
PREFIX: Final = "urn:postseal:problem:"


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of the table: the end of ``type``, the status, the title. ``retry`` is ``Retry-After`` in seconds."""

    name: str
    status: int
    title: str
    retry: int | None = None


_TABLE: Final = (
    Kind("bad-request", 400, "The request cannot be understood"),
    Kind("no-key", 401, "An API key is needed"),
    Kind("wrong-key", 401, "This API key opens nothing"),
    Kind("forbidden", 403, "The role of this API key does not allow it"),
    Kind("not-found", 404, "There is no such thing here"),
    Kind("method-not-allowed", 405, "This resource does not know that method"),
    Kind("timeout", 408, "The request took too long to arrive", 1),
    Kind("in-flight", 409, "The first request with this idempotency key is not answered yet", 1),
    Kind("blocked", 409, "A block covers this file"),
    Kind("adverse", 409, "The claim would not be true, or cannot be shown"),
    Kind("held", 409, "A hold covers what was to be erased, or an erasure what was to be held"),
    Kind("retained", 409, "Its minimum retention has not passed"),
    Kind("second-person", 409, "Somebody else must approve what this caller asked for"),
    Kind("erased", 410, "It was kept here, and was erased"),
    Kind("too-large", 413, "The request is larger than the limit"),
    Kind("unsupported-media-type", 415, "The body is of a type that is not taken here"),
    Kind("invalid", 422, "What the request says does not fit"),
    Kind("key-reused", 422, "This idempotency key came with another request before"),
    Kind("headers-too-large", 431, "The headers are larger than the limit"),
    Kind("internal", 500, "The service failed; nothing was acknowledged"),
    Kind("damaged", 500, "What was kept is damaged; nothing of it is shown"),
    Kind("unavailable", 503, "The ledger cannot answer now; nothing was acknowledged", 1),
)
KINDS: Final = {kind.name: kind for kind in _TABLE}

# The most particular class of the error tree that has a row; the order of the tree is kept by `_row`.
_ROWS: Final[dict[type[LedgerError], str]] = {
    errors.FormatError: "invalid",
    errors.ProofError: "adverse",
    errors.SignatureError: "adverse",
    errors.InvalidRequest: "invalid",
    errors.Adverse: "adverse",
    errors.Held: "held",
    errors.Retained: "retained",
    errors.SecondPerson: "second-person",
    errors.UnknownReference: "not-found",
    errors.Blocked: "blocked",
    errors.Erased: "erased",
    errors.Damaged: "damaged",
    errors.KeyReused: "key-reused",
    errors.InFlight: "in-flight",
    errors.Unavailable: "unavailable",
    errors.SecretError: "unavailable",
    errors.StartRefused: "unavailable",
    LedgerError: "internal",
}


class Problem(Exception):
    """An answer that is not the one asked for. ``more`` becomes further members of the document."""

    def __init__(self, name: str, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.kind = KINDS[name]
        self.detail = detail
        self.more = more

    def document(self) -> dict[str, Any]:
        """The members of the problem document."""
        kind = self.kind
        return {
            "type": PREFIX + kind.name,
            "title": kind.title,
            "status": kind.status,
            "detail": self.detail,
        } | self.more

    def body(self) -> bytes:
        """The document's bytes."""
        return orjson.dumps(self.document())

    def headers(self) -> dict[str, str]:
        """Headers that belong to this kind."""
        said = {"content-type": MEDIA_TYPE, "cache-control": "no-store"}
        if self.kind.retry is not None:
            said["retry-after"] = str(self.kind.retry)
        if self.kind.status == 401:
            said["www-authenticate"] = "Bearer"
        return said


def problem_of(error: LedgerError) -> Problem:
    """The problem that an error of the ledger is to a client."""
    name = next(_ROWS[cls] for cls in type(error).__mro__ if cls in _ROWS)
    if isinstance(error, errors.StoreUnavailable):
        # Where the database is, and what it said, is for the operator's log.
        return Problem(name, "the database of the ledger cannot be used now")
    return Problem(name, str(error))
