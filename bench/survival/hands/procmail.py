"""formail (Debian: procmail), which list managers and filters of a generation use to change headers."""

from __future__ import annotations

from pathlib import Path

from bench.survival import raw
from bench.survival.change import Change, Copy
from bench.survival.hands import program
from bench.survival.own.additions import TAG


class Procmail:
    def __init__(self, scratch: Path) -> None:
        self._formail = program.find("formail", "its headers are not asked for")
        self._scratch = scratch

    def changes(self) -> list[Change]:
        version = program.version_of("procmail")
        return [
            Change("refolded", f"formail {version} -c", self.concatenated),
            Change("tag", f"formail {version} -i", self.tag),
            Change("received", f"formail {version} -A", self.received),
        ]

    def concatenated(self, octets: bytes) -> Copy | None:
        changed = program.filtered([self._formail, "-f", "-c"], octets, self._scratch)
        return Copy(changed) if changed and changed.count(b"\n") != octets.count(b"\n") else None

    def tag(self, octets: bytes) -> Copy | None:
        """As recipes do it: the old subject read with -x, written back with the tag; -i keeps it as Old-Subject."""
        subject = program.filtered([self._formail, "-c", "-z", "-x", "Subject:"], octets, self._scratch)
        if not subject or not subject.strip() or b"\0" in subject:
            return None
        field = b"Subject: " + TAG + subject.split(b"\n")[0]
        argument = field.decode("utf-8", "surrogateescape")
        changed = program.filtered([self._formail, "-f", "-i", argument], octets, self._scratch)
        return Copy(changed, (TAG.decode().strip(),)) if changed else None

    def received(self, octets: bytes) -> Copy | None:
        if raw.read(octets).body == len(octets):
            return None
        field = "X-Loop: desk@lists.example.org"
        changed = program.filtered([self._formail, "-f", "-A", field], octets, self._scratch)
        return Copy(changed) if changed else None
