"""Mbox files, split on octets: what is hashed are the octets of each message, never a copy that a library wrote anew.

There is no standard, only habits (RFC 4155 appendix A describes them). A message begins after a line that starts with
``From ``, at the start of the file or after an empty line. Programs put a ``>`` before lines of the body that would
begin so: **mboxrd** also before lines that begin with any number of ``>`` and ``From ``, which can be taken back
without loss; **mboxo** only before ``From `` itself, so that a ``>From `` of the author's own cannot be told from one
that was made. Which of them a file is, it does not say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, Final, Literal

Quoting = Literal["rd", "o", "none"]
"""Whose quoting to take back: mboxrd's, mboxo's, or nobody's."""

CHUNK: Final = 1 << 20
"""Octets of a line read at a time: what an attacker may make us hold is bounded by the limit, not by the line."""

_QUOTED: Final = {
    "rd": re.compile(rb"^>(?=>*From )", re.MULTILINE),
    "o": re.compile(rb"^>(?=From )", re.MULTILINE),
}
# "From sender@host Thu Jan  1 00:00:00 1970", with whatever stands between: an hour and a year are what all have.
_DATED: Final = re.compile(rb"From .*\b[0-9]{1,2}:[0-9]{2}\b.*\b[0-9]{4}\b")


def is_mbox(head: bytes) -> bool:
    """Whether a file that begins so is one."""
    return head.startswith(b"From ")


def split(file: BinaryIO, limit: int, quoting: Quoting = "rd") -> Iterator[bytes | None]:
    """The octets of each message in order; None for one that has more than ``limit``.

    Where the file's first ``From `` line has a date, as all programs write it, only lines with one separate: a sentence
    of a body that begins with From, after an empty line and never quoted, then does not cut the message in two.
    """
    parts: list[bytes] = []
    size = 0
    begun = dated = False
    line_start = empty = True
    while line := file.readline(CHUNK):
        if line_start and empty and line.startswith(b"From ") and (not dated or _DATED.match(line)):
            if begun:
                yield _message(parts, size, limit, quoting)
            else:
                dated = _DATED.match(line) is not None
            parts, size, begun = [], 0, True
            # The rest of an overlong separator line is not part of the message.
            while not line.endswith(b"\n") and (line := file.readline(CHUNK)):
                pass
            empty = False
            continue
        if begun:
            size += len(line)
            # One octet more than the limit shows that it was passed; the empty line at the end does not count.
            if size <= limit + 2:
                parts.append(line)
            else:
                parts.clear()
        empty = line_start and line in (b"\n", b"\r\n")
        line_start = line.endswith(b"\n")
    if begun:
        yield _message(parts, size, limit, quoting)


def _message(parts: list[bytes], size: int, limit: int, quoting: Quoting) -> bytes | None:
    octets = b"".join(parts)
    if len(octets) != size:
        return None
    # The empty line before the next separator is the mbox's, not the message's.
    for ending in (b"\r\n", b"\n"):
        if octets.endswith(b"\n" + ending):
            octets = octets[: -len(ending)]
            break
    if len(octets) > limit:
        return None
    pattern = _QUOTED.get(quoting)
    return octets if pattern is None else _unquote(octets, pattern)


def _unquote(octets: bytes, pattern: re.Pattern[bytes]) -> bytes:
    """Only in the body: no header field begins with ``>``, so a header that does is left as it came."""
    end = re.search(rb"^\r?\n", octets, re.MULTILINE)
    if end is None or b"\n>" not in octets[end.start() - 1 :]:
        return octets
    return octets[: end.end()] + pattern.sub(b"", octets[end.end() :])
