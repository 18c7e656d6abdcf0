"""A client of the HTTP API with nothing but the standard library. It notes every call for whoever tells of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any, Final
from uuid import uuid4

from cli.exits import NO, UNAVAILABLE, Stop

SECONDS: Final = 60
"""How long an answer is waited for."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request and its answer. ``route`` is the path with names where it has ids, ``sent`` the body in words."""

    method: str
    route: str
    sent: str
    status: int
    body: bytes

    @property
    def said(self) -> Any:
        """The answer's JSON."""
        return json.loads(self.body)


class Client:
    """One connection and one API key. `calls` are those since somebody asked last."""

    def __init__(self, address: str, key: str) -> None:
        self._connection = HTTPConnection(address.removeprefix("http://"), timeout=SECONDS)
        self._key = key
        self._calls: list[Call] = []

    def get(self, route: str, **ids: str) -> Call:
        """Ask. Stop unless it is answered 200."""
        return self._send("GET", route, ids, "", None, {}, 200)

    def post(
        self, route: str, said: Mapping[str, Any], wanted: int = 201, accept: str = "application/json", **ids: str
    ) -> Call:
        """Send JSON, and take an answer of the media type ``accept``. Stop unless it has the status ``wanted``."""
        sent = json.dumps(said)
        headers = {"Content-Type": "application/json", "Accept": accept}
        return self._send("POST", route, ids, sent, sent.encode(), headers, wanted)

    def post_parts(self, route: str, parts: Mapping[str, tuple[str, bytes]]) -> Call:
        """Send a multipart form: for each name a media type and the octets, which go as they are."""
        edge = uuid4().hex
        body = b"".join(
            f'--{edge}\r\nContent-Disposition: form-data; name="{name}"\r\nContent-Type: {kind}\r\n\r\n'.encode()
            + octets
            + b"\r\n"
            for name, (kind, octets) in parts.items()
        )
        body += f"--{edge}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={edge}"}
        return self._send("POST", route, {}, f"multipart/form-data: {', '.join(parts)}", body, headers, 201)

    def calls(self) -> list[Call]:
        """Every call since this was asked last."""
        made, self._calls = self._calls, []
        return made

    def close(self) -> None:
        self._connection.close()

    def _send(
        self,
        method: str,
        route: str,
        ids: Mapping[str, str],
        sent: str,
        body: bytes | None,
        headers: Mapping[str, str],
        wanted: int,
    ) -> Call:
        try:
            path = route.format(**ids)
            self._connection.request(method, path, body, {"Authorization": f"Bearer {self._key}", **headers})
            answer = self._connection.getresponse()
            call = Call(method, route, sent, answer.status, answer.read())
        except (OSError, HTTPException) as error:
            raise Stop(UNAVAILABLE, f"{method} {route} was not answered: {type(error).__name__}") from None
        self._calls.append(call)
        if call.status != wanted:
            raise Stop(NO, f"{method} {route} was answered {call.status}, not {wanted}: {_detail(call)}")
        return call


def _detail(call: Call) -> str:
    try:
        return str(call.said["detail"])
    except (ValueError, KeyError, TypeError):
        return "and says no more"
