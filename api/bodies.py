"""Reading what a client sends, never more than the limit, and saying what is wrong with it."""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.types import Message

from api.errors import Problem
from ledger.entry import check_time
from ledger.errors import FormatError
from ledger.ids import parse_time

Model = TypeVar("Model", bound=BaseModel)

PIECE: Final = 1 << 18

_GZIP: Final = 16 + zlib.MAX_WBITS

JSON_LIMIT: Final = 65_536
"""Octets of a JSON body. It is parsed on the event loop."""

HELD: Final = 256 << 20
"""Octets of unfinished bodies kept in memory at a time, all of strangers together, and all of those with a key; twice
the limit where that is more."""
DEPTH: Final = 32

_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]").search
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}").fullmatch


async def read(request: Request, limit: int) -> bytes:
    """The whole body; one that is too long is refused before it is read if its length says so, else on the way."""
    if any(not declared.isdigit() or int(declared) > limit for declared in header(request, b"content-length")):
        raise Problem("too-large", f"the body is longer than {limit:,} bytes")
    _refuse_encoded(request)
    message = await request.receive()
    if message.get("more_body", False):
        return await _read_on(request, _part(message, limit, limit), limit)
    return _part(message, limit, limit)


async def _read_on(request: Request, first: bytes, limit: int) -> bytes:
    held: dict[bool, int] = request.app.state.service.held
    # Of two budgets, so that strangers cannot use up that of those who record.
    known = "caller" in request.scope.get("state", {})
    parts = [first]
    size = len(first)
    held[known] += size
    try:
        while True:
            message = await request.receive()
            parts.append(_part(message, limit - size, limit))
            size += len(parts[-1])
            held[known] += len(parts[-1])
            if not message.get("more_body", False):
                return b"".join(parts)
            if held[known] > max(HELD, 2 * limit):
                raise Problem("unavailable", "too many large requests at a time; nothing of this one was recorded")
    finally:
        held[known] -= size


def _part(message: Message, room: int, limit: int) -> bytes:
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    part: bytes = message.get("body", b"")
    if len(part) > room:
        raise Problem("too-large", f"the body is longer than {limit:,} bytes")
    return part


def header(connection: HTTPConnection, name: bytes) -> list[bytes]:
    """Every value that a header of this name (in lower case) was sent with."""
    return [value for said, value in connection.scope["headers"] if said == name]


def _refuse_encoded(request: Request) -> None:
    """A body that was compressed on the way would be hashed as it came."""
    if any(coding.lower() != b"identity" for coding in header(request, b"content-encoding")):
        raise Problem("unsupported-media-type", "send the body as it is, without a Content-Encoding")


async def unpacked(request: Request) -> AsyncIterator[bytes]:
    """The body as it comes, or what it holds if it is compressed with gzip, in pieces of `PIECE` octets at most."""
    if [coding.lower() for coding in header(request, b"content-encoding")] != [b"gzip"]:
        _refuse_encoded(request)
        async for chunk in request.stream():
            yield chunk
        return
    inflate = zlib.decompressobj(wbits=_GZIP)
    try:
        async for chunk in request.stream():
            while chunk:
                if inflate.eof:
                    inflate = zlib.decompressobj(wbits=_GZIP)
                yield inflate.decompress(chunk, PIECE)
                chunk = inflate.unconsumed_tail or inflate.unused_data
        while not inflate.eof and (rest := inflate.decompress(b"", PIECE)):
            yield rest
    except zlib.error:
        raise Problem("bad-request", "the body is not gzip, as its Content-Encoding says") from None
    if not inflate.eof:
        raise Problem("bad-request", "the body ends before its gzip does")


def media_type(request: Request) -> str:
    """The body's type without its parameters; empty where there is none, or more than one."""
    said = header(request, b"content-type")
    return said[0].decode("latin-1").partition(";")[0].strip().lower() if len(said) == 1 else ""


async def read_json(request: Request, limit: int = JSON_LIMIT) -> bytes:
    """A JSON body, not parsed yet."""
    if media_type(request) != "application/json":
        raise Problem("unsupported-media-type", "send application/json")
    return await read(request, limit)


def parse(model: type[Model], octets: bytes) -> Model:
    """A JSON body as the schema has it."""
    return fit(model, loads(octets))


def fit(model: type[Model], said: Any) -> Model:
    """What was read, as the schema has it."""
    try:
        return model.model_validate(said)
    except ValidationError as error:
        raise Problem("invalid", explain(error.errors(include_url=False, include_input=False))) from None


def loads(octets: bytes) -> Any:
    """JSON that everybody reads alike: UTF-8, no member twice, no number nobody can hold, not nested without end."""
    try:
        said = _DECODER.decode(octets.decode("utf-8"))
        _check(said, DEPTH)
        if _SURROGATE(octets):
            json.dumps(said, ensure_ascii=False).encode()
    except UnicodeDecodeError:
        raise Problem("bad-request", "the body is not UTF-8") from None
    except UnicodeEncodeError:
        raise Problem("bad-request", "the body holds half a character (a lone surrogate)") from None
    except json.JSONDecodeError as error:
        raise Problem("bad-request", f"the body is not JSON: {error.msg.lower()} at character {error.pos}") from None
    except RecursionError:
        raise Problem("bad-request", f"the body is nested deeper than {DEPTH}") from None
    except ValueError:
        # An integer of more digits than Python converts.
        raise Problem("bad-request", "the body holds a number that is too long") from None
    return said


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    said = dict(pairs)
    if len(said) != len(pairs):
        raise Problem("bad-request", "the body says a member of an object twice")
    return said


def _refuse(word: str) -> NoReturn:
    raise Problem("bad-request", f"{word} is not JSON")


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise Problem("bad-request", "the body holds a number that is too large")
    return value


def _check(value: Any, room: int) -> None:
    if room < 0:
        raise Problem("bad-request", f"the body is nested deeper than {DEPTH}")
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        if isinstance(item, (dict, list)):
            _check(item, room - 1)


def instant(name: str, said: str | None) -> int | None:
    """An instant as RFC 3339 has it, in UTC with a Z, in microseconds since 1970. What was said instead is not
    repeated: it may be anything."""
    if said is None:
        return None
    whole, _, fraction = said.removesuffix("Z").partition(".")
    try:
        at = f"{whole}.{fraction:0<6}Z"
        if not said.endswith("Z") or said.endswith(".Z"):
            raise FormatError("not an instant")
        check_time(at)
    except FormatError:
        raise Problem("invalid", f"{name}: an instant is written like 2026-11-23T14:03:11.123456Z, in UTC") from None
    return parse_time(at)


def explain(errors: Sequence[Any]) -> str:
    """The first thing that is wrong, without the value: it may be an address, and so may what stands for a name."""
    first = errors[0]
    place = ".".join(said if _NAME(said) else "..." for said in map(str, first["loc"])) or "the body"
    return f"{place}: {first['msg'][:1].lower()}{first['msg'][1:]}"


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse, parse_float=_float)
