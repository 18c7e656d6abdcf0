"""A mail server that takes everything and keeps what it took, by recipient. It speaks what Postfix says and no more."""

from __future__ import annotations

import socketserver
import threading
from typing import Final, Self, cast

LINE: Final = 1 << 20


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, eight_bit: bool) -> None:
        self.eight_bit = eight_bit
        self.taken: dict[str, bytes] = {}
        self.arrived = threading.Condition()
        super().__init__(("127.0.0.1", 0), _Session)


class _Session(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        server = cast("_Server", self.server)
        self._say("220 sink.example.com ESMTP")
        recipients: list[str] = []
        while line := self.rfile.readline(LINE):
            verb = line[:4].upper()
            if verb == b"EHLO":
                self._say("250-sink.example.com" + ("\r\n250-8BITMIME" if server.eight_bit else "") + "\r\n250 SIZE 0")
            elif verb == b"RCPT":
                recipients.append(line.partition(b"<")[2].partition(b">")[0].decode())
                self._say("250 ok")
            elif verb == b"DATA":
                self._say("354 go on")
                octets = self._data()
                with server.arrived:
                    server.taken.update(dict.fromkeys(recipients, octets))
                    server.arrived.notify_all()
                recipients = []
                self._say("250 taken")
            elif verb == b"QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 ok")

    def _say(self, line: str) -> None:
        self.wfile.write(line.encode() + b"\r\n")

    def _data(self) -> bytes:
        lines = []
        while (line := self.rfile.readline(LINE)) and line != b".\r\n":
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)


class Sink:
    """Listens on a port of its own on the loopback until it is left."""

    def __init__(self, *, eight_bit: bool) -> None:
        self._server = _Server(eight_bit)
        self.port = int(self._server.server_address[1])

    def wait(self, recipient: str, seconds: float) -> bytes | None:
        """What came for that recipient, once."""
        server = self._server
        with server.arrived:
            server.arrived.wait_for(lambda: recipient in server.taken, seconds)
            return server.taken.pop(recipient, None)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
