"""alterMIME (Debian: altermime), the disclaimer and attachment filter of many Postfix content filters."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from bench.survival import raw
from bench.survival.change import Change, Copy, lf
from bench.survival.hands import program
from bench.survival.own import additions, parts


class Altermime:
    """It edits a file in place, so each message becomes one."""

    def __init__(self, scratch: Path) -> None:
        self._program = program.find("altermime", "footers and removed files by the other hands only")
        self._scratch = scratch
        self._plain, self._html = scratch / "footer.txt", scratch / "footer.html"
        self._plain.write_bytes(lf(additions.FOOTER))
        self._html.write_bytes(lf(additions.FOOTER_HTML))

    def changes(self) -> list[Change]:
        hand = program.titled("alterMIME", "altermime")
        return [
            Change("footer", hand, self.footer),
            Change("footer", f"{hand}, into base64 and bad HTML", self.footer_everywhere),
            Change("tag", hand, self.tag),
            Change("removed", hand, self.removed),
        ]

    def footer(self, octets: bytes) -> Copy | None:
        return self._footer(octets)

    def footer_everywhere(self, octets: bytes) -> Copy | None:
        return self._footer(octets, "--force-into-b64", "--force-for-bad-html")

    def _footer(self, octets: bytes, *more: str) -> Copy | None:
        plain, html = f"--disclaimer={self._plain}", f"--disclaimer-html={self._html}"
        changed = self._altered(octets, plain, html, *more)
        return Copy(changed, (additions.FOOTER_SAYS,)) if changed else None

    def tag(self, octets: bytes) -> Copy | None:
        if not raw.read(octets).fields.get("subject"):
            return None
        tag = f"--alter-with={additions.TAG.decode()}"
        changed = self._altered(octets, "--alter-header=Subject", tag, "--alter-mode=prefix")
        return Copy(changed, (additions.TAG.decode().strip(),)) if changed else None

    def removed(self, octets: bytes) -> Copy | None:
        """By name, a regular expression to it: only names without anything that means something there."""
        for part in raw.attachments(octets):
            name = part.name
            if name and name.replace(".", "").replace("-", "").replace("_", "").isalnum() and name.isascii():
                changed = self._altered(octets, f"--remove={name}")
                return Copy(changed, parts.named(part)) if changed else None
        return None

    def _altered(self, octets: bytes, *arguments: str) -> bytes | None:
        """In a directory of its own: it puts files of its own beside the message, and threads share this hand."""
        given = lf(octets)
        with tempfile.TemporaryDirectory(dir=self._scratch) as own:
            file = Path(own) / "message"
            file.write_bytes(given)
            try:
                done = subprocess.run(
                    [self._program, f"--input={file}", *arguments],
                    capture_output=True,
                    check=False,
                    timeout=program.SECONDS,
                    cwd=own,
                )
                changed = file.read_bytes()
            except (subprocess.TimeoutExpired, FileNotFoundError):
                return None
        return changed if done.returncode == 0 and changed != given else None
