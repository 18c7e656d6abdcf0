"""HTTP by hand: octets sent as they stand, and the answers read back."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass

from tests.api.serving import Served


@dataclass(frozen=True)
class Said:
    """An answer; ``closed``: the service hung up after it."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    closed: bool


class Wire:
    """One connection."""

    def __init__(self, served: Served, timeout: float = 20) -> None:
        self.socket = socket.create_connection(served.address, timeout)
        self._read = b""

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> bool:
        """False when the service no longer listens."""
        try:
            self.socket.sendall(data)
        except (ConnectionError, TimeoutError):
            return False
        return True

    def answer(self, head: bool = False) -> Said | None:
        """The next answer; None where the service hung up without one. ``head``: it has no body."""
        while b"\r\n\r\n" not in self._read:
            if not self._more():
                assert not self._read, self._read
                return None
        top, _, self._read = self._read.partition(b"\r\n\r\n")
        line, *fields = top.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}
        wanted = 0 if head else int(headers["content-length"])
        while len(self._read) < wanted:
            assert self._more(), "the answer was cut"
        body, self._read = self._read[:wanted], self._read[wanted:]
        return Said(int(line.split(" ")[1]), headers, body, headers.get("connection") == "close" and self.is_closed())

    def is_closed(self) -> bool:
        """Whether the service hangs up, within the timeout."""
        try:
            return not self._more()
        except TimeoutError:
            return False

    def _more(self) -> bool:
        try:
            data = self.socket.recv(65_536)
        except ConnectionError:
            return False
        self._read += data
        return bool(data)


def head(served: Served, line: str, role: str | None = "sender", **fields: str) -> bytes:
    """A request line and headers, the empty line included."""
    said = {"Host": "x"} | ({} if role is None else {"Authorization": f"Bearer {served.keys[role]}"})
    said |= {name.replace("_", "-"): value for name, value in fields.items()}
    return "\r\n".join([line, *(f"{name}: {value}" for name, value in said.items()), "", ""]).encode("latin-1")


def say(served: Served, data: bytes, head: bool = False) -> Said | None:
    """One request, one answer."""
    with Wire(served) as wire:
        wire.send(data)
        return wire.answer(head)
