"""`/verify`, the page that a certificate's QR code leads to: the checks of `POST /v1/verify`, for people.

It works without script and keeps nothing. Whatever goes wrong is answered with a page, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs

import anyio.to_thread
from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect
from starlette.responses import RedirectResponse

from api import bodies, multipart
from api.errors import Problem, problem_of
from api.pages import STYLE, page
from api.routes.certificates import find
from api.routes.verify import matched, weigh
from api.service import Service, serving
from api.watching import LOGGER
from ledger import case, certified, evidence, mime
from ledger.differs import ADDITIONS, DIFFERENT, IDENTICAL, LINKS, MISSING, REENCODED, TRANSPORT
from ledger.errors import LedgerError
from ledger.identify import Identified
from ledger.verdict import Check

router = APIRouter(include_in_schema=False)

AROUND: Final = 16_384
"""Octets that a form may be longer than the file in it."""

TYPED: Final = 16_384
"""Octets of a number with its token, as a form spells them."""

LONGEST: Final = 200
"""Characters shown again of what was typed, or of a file's name."""


@router.get("/")
async def start() -> Response:
    """Whoever comes without a path wants to check something."""
    return RedirectResponse("/verify", 302, {"cache-control": "no-store"})


@router.get("/page.css")
async def style() -> Response:
    """How pages look."""
    return Response(STYLE, media_type="text/css", headers={"cache-control": "public, max-age=3600"})


@router.get("/verify")
async def ask(request: Request) -> Response:
    """The forms. The query may give a number; a token there would stand in logs and is not read."""
    return _forms(request, 200, number=request.query_params.get("number", "")[:LONGEST])


@router.post("/verify")
async def check(request: Request) -> Response:
    """What one of the forms sent."""
    try:
        return await _checked(request)
    except ClientDisconnect:
        raise
    except Problem as problem:
        return _refused(request, problem)
    except LedgerError as error:
        # Its words are the operator's.
        return _refused(request, Problem(problem_of(error).kind.name, ""))
    except Exception as error:
        LOGGER.error("a defect in /verify", exc_info=error)
        return _refused(request, Problem("internal", ""))


async def _checked(request: Request) -> Response:
    kind = bodies.media_type(request)
    if kind == "multipart/form-data":
        return await _file(request)
    if kind == "application/x-www-form-urlencoded":
        return await _certificate(request, await bodies.read(request, TYPED))
    raise Problem("unsupported-media-type", "send multipart/form-data or application/x-www-form-urlencoded")


# A file


async def _file(request: Request) -> Response:
    service = serving(request)
    limit = service.settings.message_bytes
    body = await bodies.read(request, limit + AROUND)
    kind, wanted, optional = request.headers["content-type"], frozenset({b"file"}), frozenset({b"content", b"key"})
    parts = await anyio.to_thread.run_sync(multipart.parse_files, body, kind, wanted, optional)
    file, content, key = (parts.get(name, _NONE) for name in (b"file", b"content", b"key"))
    if len(file.octets) + len(content.octets) > limit or len(key.octets) > TYPED:
        raise Problem("too-large", f"what is sent is longer than {limit:,} bytes")
    if not file.octets:
        raise _Said("invalid", "The file is empty." if file.name else "No file was chosen.")
    said = {"name": _shown(file.name), "size": len(file.octets), "sha256": hashlib.sha256(file.octets).hexdigest()}
    given = content.octets or None
    judged = await anyio.to_thread.run_sync(_judged, service, file.octets, given)
    if judged is not None:
        said |= judged
        said["content"] = _shown(content.name) if given is not None else None
    elif key.octets.strip():
        matches = await _matched(request, file.octets, key.octets)
        outlook = file.octets.startswith(mime.OLE)
        return page("matches.html", origin=_origin(request), matches=matches, signs=SIGNS, outlook=outlook, **said)
    else:
        said |= {"verdict": "unknown", "superseded": None, "is_evidence": False, "claim": None, "content": None}
    return page("verdict.html", origin=_origin(request), **said)


SIGNS: Final[Mapping[str, tuple[str, str]]] = {
    IDENTICAL: ("✓", "valid"),
    TRANSPORT: ("✓", "valid"),
    REENCODED: ("✓", "valid"),
    ADDITIONS: ("+", "unknown"),
    LINKS: ("+", "unknown"),
    MISSING: ("✕", "invalid"),
    DIFFERENT: ("✕", "invalid"),
}
"""How the page marks each level."""

_NONE: Final = multipart.File(b"", b"")


def _shown(name: bytes) -> str:
    said = name.decode("utf-8", "replace")
    return said if len(said) <= LONGEST else said[:LONGEST] + " ..."


async def _matched(request: Request, octets: bytes, key: bytes) -> list[Identified]:
    """What whoever holds this key is told of a file."""
    service = serving(request)
    try:
        caller = await service.holder(request, key.decode("latin-1"), "read")
    except Problem as problem:
        words = "This API key is not known here, was revoked, or may not read what was recorded."
        raise _Said(problem.kind.name, words) from None
    return await matched(service, caller, octets)


def _judged(service: Service, data: bytes, content: bytes | None) -> dict[str, Any] | None:
    """What the page says of what can be judged by itself. Not on the event loop."""
    found = weigh(service, data, content)
    if found is None:
        return None
    verdict, document = found
    superseded = _superseded(service, document) if verdict.checks[-1].name == "paper" else None
    checks = [_row(one, one.name in verdict.required) for one in verdict.checks]
    return {
        "verdict": verdict.verdict,
        "superseded": superseded,
        "is_evidence": True,
        "claim": _claim(document) if checks[0].status == "passed" else None,
        "made": sorted((one for one in checks if one.status != "not_checked"), key=lambda one: one.status),
        "left": [one for one in checks if one.status == "not_checked"],
        "vkeys": [key.vkey for key in service.log.ring.keys],
    }


def _superseded(service: Service, document: bytes) -> str | None:
    """The number of the certificate that has taken the place of the one that this evidence is inside of."""
    try:
        made = certified.of(case.read(evidence.parse(document))).claims
        return service.log.certified(made.number, made.message).superseded
    except LedgerError:
        return None


def _claim(data: bytes) -> Mapping[str, Any]:
    claim = evidence.parse(data).claim
    recipient = claim.recipient if isinstance(claim.recipient, str) else None
    file = claim.file if isinstance(claim.file, str) else None
    return {"kind": claim.kind, "message": claim.message, "recipient": recipient, "file": file}


class Meaning(NamedTuple):
    """A check in plain words: what it is about, and what it says when it passed, failed or was not made."""

    title: str
    passed: str
    failed: str
    not_checked: str


MEANINGS: Final[Mapping[str, Meaning]] = {
    "intact": Meaning(
        "A whole document",
        "The file can be read to its end, and every fact shown is the one that its entry stands for.",
        "The file was changed, is damaged or is incomplete.",
        "There is no document in this file.",
    ),
    "content": Meaning(
        "The mail or document itself",
        "The content given is what this is evidence of.",
        "The content given is not what this is evidence of.",
        "Whether a mail or a document that you hold is the one meant was not compared.",
    ),
    "included": Meaning(
        "Part of the log",
        "All entries are, bit for bit, in the log whose state is given here.",
        "An entry is not in the log whose state is given here, or is not the same there.",
        "It is not shown here that the entries are in any log.",
    ),
    "chained": Meaning(
        "In order",
        "Each entry names the one before it, and none was put in between.",
        "The entries do not follow one another as they say.",
        "It is not shown here that the entries follow one another.",
    ),
    "complete": Meaning(
        "Nothing left out",
        "No entry of the histories shown is missing, from the first to the one named below.",
        "An entry of the histories shown is missing.",
        "It is not shown here that the histories are without a gap.",
    ),
    "unforked": Meaning(
        "No other history",
        "An auditor computed the whole log again: nothing is filed elsewhere.",
        "What an auditor signed about the whole log does not fit this evidence.",
        "That nothing is filed elsewhere in the log only an auditor can show, who has computed all of it again.",
    ),
    "signed": Meaning(
        "Signed",
        "The state of the log is signed by a key that its own entries name. Whether to believe that key is asked next.",
        "The signature on the log's state does not hold.",
        "It is not shown here who signed the log's state.",
    ),
    "trusted": Meaning(
        "By a key that is trusted here",
        "The key that signed is one of the log that this service runs.",
        "The file says that it comes from the log of this service, but the key that signed is none of that log's.",
        "This is from another log than the one this service runs, and whether to believe its key is not known here.",
    ),
    "timed": Meaning(
        "Time vouched for by others",
        "An independent authority attests the time.",
        "A timestamp in this file does not hold.",
        "The times are the word of the log's own clock: no authority's timestamp was relied on here.",
    ),
    "witnessed": Meaning(
        "Seen by witnesses",
        "Independent witnesses saw the same state of the log.",
        "What a witness signed does not fit this evidence.",
        "No independent witness was asked whether everybody is shown the same log.",
    ),
    "no_access_recorded": Meaning(
        "No access recorded",
        "No access is on record in the time named below, and the recorder was running to record one.",
        "An access is on record, or the recorder was not running all the time.",
        "This says nothing about whether somebody had access.",
    ),
    "package": Meaning(
        "A whole package",
        "Every file of the package says what its evidence says, or is what the evidence has the hash of.",
        "Something in the package is missing, was added, or is not what its evidence says.",
        "The files beside the evidence were not compared with it.",
    ),
    "certificate": Meaning(
        "The certificate as it was issued",
        "The certificate is, octet for octet, the one whose issue is recorded.",
        "The certificate is none whose issue is recorded here, or it was withdrawn.",
        "Whether this is the certificate that was issued, and still stands, was not checked.",
    ),
    "paper": Meaning(
        "Paper and evidence say the same",
        "The file is, to the last octet, the one that was drawn from the evidence inside it.",
        "The paper says something else than the evidence inside the file: it was changed, or belongs elsewhere.",
        "Whether the paper says what the evidence inside the file proves could not be told.",
    ),
}
"""For every name of `ledger.verdict.NAMES`, `PACKAGED` and `PRINTED`. Each is true of its check alone: in a forgery
most of them pass."""


@dataclass(frozen=True, slots=True)
class Row:
    """A check as the page shows it; ``detail`` are the technical words. Without one that is ``needed`` nothing is
    valid."""

    status: str
    needed: bool
    title: str
    sentence: str
    detail: str


def _row(one: Check, needed: bool) -> Row:
    meaning = MEANINGS[one.name]
    return Row(one.status, needed, meaning.title, getattr(meaning, one.status), f"{one.name}: {one.detail}")


# A certificate's number with its token


async def _certificate(request: Request, body: bytes) -> Response:
    """Unknown, and a wrong token, are one answer: else numbers could be tried out until one is known."""
    try:
        said = parse_qs(body.decode("ascii"), keep_blank_values=True, strict_parsing=True, max_num_fields=2)
        (number,), (token,) = said.pop("number"), said.pop("token")
    except (ValueError, KeyError):
        raise Problem("bad-request", "send the fields number and token, each once") from None
    if not number.strip() or not token.strip():
        return _forms(request, 422, number=number[:LONGEST], words="Type both, the number and the token.")
    try:
        known = await anyio.to_thread.run_sync(find, serving(request), number, token)
    except Problem:
        return _forms(request, 404, number=number[:LONGEST], unopened=True)
    return page("certificate.html", origin=_origin(request), known=known, kinds=KINDS)


KINDS: Final = {
    "dispatch": "Certificate of dispatch",
    "delivery": "Certificate of delivery, or of relay",
    "access": "Certificate of access",
    "block": "Certificate of block",
    "non_access": "Certificate of non-access",
}


# Whatever else is answered


class _Said(Problem):
    """A problem whose detail is a sentence for whoever uses the page."""


_WORDS: Final = {
    "bad-request": "What arrived here could not be read. It may have been cut short on its way: please try again.",
    "too-large": "That is more than this page takes.",
    "unsupported-media-type": "This page takes what its own forms send: a file, or a number with its token.",
    "invalid": "The form takes one file, perhaps the mail or document it is about, and a key.",
    "internal": "Something failed here, and whoever runs this service has been told.",
    "unavailable": "The service cannot answer now. Please try again in a minute.",
}


def _refused(request: Request, problem: Problem) -> Response:
    kind = problem.kind
    own = isinstance(problem, _Said)
    words = problem.detail if own else _WORDS.get(kind.name, f"{kind.title}.")
    said = _forms(request, kind.status, words=words, detail="" if own else problem.detail)
    if kind.retry is not None:
        said.headers["retry-after"] = str(kind.retry)
    return said


def _forms(
    request: Request, status: int, *, number: str = "", unopened: bool = False, words: str = "", detail: str = ""
) -> Response:
    limit = serving(request).settings.message_mb
    said = {"number": number, "unopened": unopened, "words": words, "detail": detail, "limit": limit}
    return page("verify.html", status, origin=_origin(request), **said)


def _origin(request: Request) -> str:
    return serving(request).log.origin
