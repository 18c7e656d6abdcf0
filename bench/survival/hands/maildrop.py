"""maildrop's reformime and reformail (Debian: maildrop), the filters of Courier."""

from __future__ import annotations

from pathlib import Path

from bench.survival import raw
from bench.survival.change import Change, Copy
from bench.survival.hands import program


class Maildrop:
    def __init__(self, scratch: Path) -> None:
        self._mime = program.find("reformime", "its re-encoding is not asked for")
        self._mail = program.find("reformail", "its refolding is not asked for")
        self._scratch = scratch

    def changes(self) -> list[Change]:
        version = program.version_of("maildrop")
        return [
            Change("refolded", f"reformail {version} -c", self.concatenated),
            Change("quoted-printable", f"reformime {version} -r7", self.seven_bit),
            Change("8bit", f"reformime {version} -r8", self.eight_bit),
            Change("boundaries", f"reformime {version} -r", self.rewritten),
        ]

    def concatenated(self, octets: bytes) -> Copy | None:
        return self._copy(octets, self._mail, "-c", if_header_changed=True)

    def seven_bit(self, octets: bytes) -> Copy | None:
        """Only where it has 8bit text to encode; else it is the same as ``rewritten``."""
        texts = raw.inline_texts(octets)
        if not any(not octets[part.body : part.end].isascii() for part in texts):
            return None
        return self._copy(octets, self._mime, "-r7")

    def eight_bit(self, octets: bytes) -> Copy | None:
        if not any(part.encoding == "quoted-printable" for part in raw.inline_texts(octets)):
            return None
        return self._copy(octets, self._mime, "-r8")

    def rewritten(self, octets: bytes) -> Copy | None:
        """New boundaries, and fields that describe each part; other mails come out nearly as they were."""
        return self._copy(octets, self._mime, "-r") if raw.read(octets).parts else None

    def _copy(self, octets: bytes, *arguments: str, if_header_changed: bool = False) -> Copy | None:
        changed = program.filtered(arguments, octets, self._scratch)
        if changed is None or (if_header_changed and changed.count(b"\n") == octets.count(b"\n")):
            return None
        return Copy(changed)
