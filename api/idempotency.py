"""`Idempotency-Key`: under which key a request is remembered, and what makes it the same request."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final

from starlette.requests import Request

from api import bodies
from api.errors import Problem
from api.service import Caller, Service

_KEY: Final = re.compile(rb"[\x21-\x7e]{1,255}").fullmatch


def of(service: Service, caller: Caller, request: Request, *said: bytes) -> tuple[bytes | None, bytes | None]:
    """Key and request digest as the ledger stores them, or twice None where the client sent no key. ``said`` is what
    makes it the same request: the body, or the parts of one whose boundaries differ each time.

    Scoped to the credential. Both are under the key ring: a hash of a body would tell who guesses it what it said.
    """
    key = _said(request)
    if key is None:
        return None, None
    what = "\n".join([request.scope["path"], *(sha256(part).hexdigest() for part in said)])
    log = service.log
    return log.request_key(f"api:{caller.id}", key), log.ring.blind("request-digest", what)


def of_line(
    service: Service, caller: Caller, request: Request, number: int, line: bytes
) -> tuple[bytes | None, bytes | None]:
    """The same for one line, numbered from 1, of a request of many."""
    key = _said(request)
    if key is None:
        return None, None
    log = service.log
    what = f"{request.scope['path']}\n{sha256(line).hexdigest()}"
    return log.request_key(f"api:{caller.id}:line", f"{number}\n{key}"), log.ring.blind("request-digest", what)


def _said(request: Request) -> str | None:
    said = bodies.header(request, b"idempotency-key")
    if not said:
        return None
    if len(said) > 1 or _KEY(said[0]) is None:
        raise Problem(
            "bad-request", "an Idempotency-Key has 1 to 255 visible ASCII characters, and a request one of it"
        )
    return said[0].decode("ascii")
