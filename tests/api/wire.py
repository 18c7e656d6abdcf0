"""HTTP by hand: octets sent as they stand, and the answers read back."""

from __future__ import annotations

import select
import socket
import struct
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
    """One connection; ``window``: octets that wait on this side to be read."""

    def __init__(self, served: Served, timeout: float = 20, window: int | None = None) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(timeout)
        if window is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self.socket.connect(served.address)
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

    def chunks(self) -> bytes:
        """The body of the next answer, which comes in chunks or whole."""
        while b"\r\n\r\n" not in self._read:
            assert self._more(), "hung up without an answer"
        top, _, self._read = self._read.partition(b"\r\n\r\n")
        if b"transfer-encoding: chunked" not in top.lower():
            self._read = top + b"\r\n\r\n" + self._read
            said = self.answer()
            assert said is not None
            return said.body
        body = b""
        while True:
            while b"\r\n" not in self._read:
                assert self._more(), "the answer was cut"
            size, _, self._read = self._read.partition(b"\r\n")
            octets = int(size, 16)
            while len(self._read) < octets + 2:
                assert self._more(), "the answer was cut"
            body, self._read = body + self._read[:octets], self._read[octets + 2 :]
            if not octets:
                return body

    def is_closed(self) -> bool:
        """Whether the service hangs up, within the timeout."""
        try:
            return not self._more()
        except TimeoutError:
            return False

    def is_cut(self, seconds: float) -> bool:
        """Whether the service cuts the connection so soon, though nothing is read of what it wrote."""
        watch = select.poll()
        watch.register(self.socket, 0)
        return bool(watch.poll(1000 * seconds))

    def cut(self) -> None:
        """Leave without a word, whatever is still to be read."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def read(self, octets: int) -> None:
        """Take so many octets in, at most."""
        self._read += self.socket.recv(octets)

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
