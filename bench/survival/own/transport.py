"""What every relay does: trace fields on top, other line ends, other folds, blanks at the ends."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from bench.survival import raw
from bench.survival.change import Copy, lf

TRACE: Final = (
    b"Received: from relay.example.net (relay.example.net [192.0.2.17])\r\n"
    b"\tby mx.example.com (Postfix) with ESMTPS id 4RqZ0F2ZpQz9sX\r\n"
    b"\tfor <reader@example.com>; Mon, 23 Nov 2026 09:15:02 +0000 (UTC)\r\n"
    b"Authentication-Results: mx.example.com; spf=pass smtp.mailfrom=example.org;\r\n"
    b"\tdkim=none; dmarc=none header.from=example.org\r\n"
)
_FIELD = re.compile(rb"([!-9;-~]+[ \t]*:)([^\n]*\n(?:[ \t][^\n]*\n)*)")
_WIDTH: Final = 40


def received(octets: bytes) -> Copy:
    return Copy(TRACE + octets)


def saved(octets: bytes) -> Copy:
    """As Thunderbird keeps a mail: LF line ends, an mbox line and fields of its own on top."""
    top = b"From - Mon Nov 23 09:15:02 2026\nX-Mozilla-Status: 0001\nX-Mozilla-Status2: 00000000\n"
    return Copy(top + lf(octets))


def line_feeds(octets: bytes) -> Copy:
    return Copy(lf(octets))


def refolded(octets: bytes) -> Copy | None:
    """Folds elsewhere: only where CRLFs stand has changed (RFC 5322 section 2.2.3)."""
    return _refold(octets, lambda line: line)


def refolded_with_tabs(octets: bytes) -> Copy | None:
    """As old relays fold: the space that begins a continuation becomes a tab."""
    return _refold(octets, lambda line: b"\t" + line.lstrip(b" \t"))


def _refold(octets: bytes, begin: Callable[[bytes], bytes]) -> Copy | None:
    end = raw.read(octets).body
    out, at = [], 0
    while (found := _FIELD.match(octets, at, end)) is not None:
        out.append(found[1] + _fold(len(found[1]), found[2], begin))
        at = found.end()
    changed = b"".join(out) + octets[at:]
    return Copy(changed) if changed != octets else None


def _fold(used: int, value: bytes, begin: Callable[[bytes], bytes]) -> bytes:
    words = re.findall(rb"[ \t]*[^ \t]+", value.replace(b"\r\n", b""))
    lines, line, room = [], b"", _WIDTH - used
    for word in words:
        # Something must stand on the field's first line: "Name:" alone is not folded by everybody.
        if line and len(line) + len(word) > room:
            lines.append(line)
            line, room = begin(word), _WIDTH
        else:
            line += word
    return b"\r\n".join([*lines, line]) + b"\r\n"


def blank_lines(octets: bytes) -> Copy:
    return Copy(octets + (b"\r\n" * 3 if octets.endswith(b"\r\n") else b"\r\n" * 4))


def spaces_added(octets: bytes) -> Copy | None:
    """A space at the end of every line of text that is sent as it is; encoded text has none to add to."""
    return _lines(octets, lambda line: line + b" ")


def spaces_stripped(octets: bytes) -> Copy | None:
    return _lines(octets, lambda line: line.rstrip(b" \t"))


def _lines(octets: bytes, change: Callable[[bytes], bytes]) -> Copy | None:
    edits = []
    for part in raw.inline_texts(octets):
        if part.encoding in ("7bit", "8bit", "binary"):
            body = octets[part.body : part.end]
            edits.append((part.body, part.end, b"\r\n".join(change(line) for line in body.split(b"\r\n"))))
    changed = raw.edited(octets, edits)
    return Copy(changed) if changed != octets else None
